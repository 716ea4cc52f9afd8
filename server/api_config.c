/* GET /config on the admin address: the options as they are, and where each came from. */
#include "server/app.h"
#include "server/config_show.h"

void
api_config(struct call *call)
{
	config_show(call->app->config, call_body(call));
	call_reply(call, 200);
}
