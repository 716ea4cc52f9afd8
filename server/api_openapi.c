/* GET /openapi.json: the description of this API. */
#include "server/app.h"
#include "server/openapi_json.h"

void
api_openapi(struct call *call)
{
	buf_add(call_body(call), openapi_json, openapi_json_len);
	call_reply(call, 200);
}
