/* GET /healthz and /readyz: what a load balancer asks. */
#include "server/app.h"

void
api_healthz(struct call *call)
{
	struct buf *body = call_body(call);

	json_open(body, '{');
	json_key(body, "status");
	json_add_str(body, "ok");
	json_close(body, '}');
	call_reply(call, 200);
}

void
api_readyz(struct call *call)
{
	const struct app *app = call->app;
	struct buf *body = call_body(call);
	bool ready = store_is_up(app->store) && !app->draining;

	json_open(body, '{');
	json_key(body, "status");
	json_add_str(body, ready ? "ready" : "not ready");
	json_key(body, "reasons");
	json_open(body, '[');
	if (!store_is_up(app->store))
		json_add_str(body, "Redis does not answer");
	if (app->draining)
		json_add_str(body, "draining");
	json_close(body, ']');
	json_close(body, '}');
	if (!ready)
		call_set_header(call, "Retry-After", "1");
	call_reply(call, ready ? 200 : 503);
}
