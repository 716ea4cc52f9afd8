/* GET /healthz and /readyz: what a load balancer asks. */
#include <string.h>

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

/* Why Redis is not there, for everyone to read: no addresses, nothing of the network's errors. */
static const char *
api_readyz_redis(const char *trouble)
{
	/* how it begins, and what is said; NULL: the same */
	static const char *const known[][2] = {
	    {"WRONGPASS", "Redis refuses the password"},
	    {"ERR AUTH", "Redis refuses the password"},
	    {"NOAUTH", "Redis wants a password"},
	    {"ERR DB index", "Redis has no database of that number"},
	    {"ERR invalid DB index", "Redis has no database of that number"},
	    {"LOADING", "Redis is loading its data"},
	    {"READONLY", "this Redis is a replica"},
	    {"MASTERDOWN", "this Redis is a replica that lost its master"},
	    {"NOPERM", NULL},
	    {"NOREPLICAS", "Redis has too few replicas"},
	    {"MISCONF", "Redis cannot write its file"},
	    {"this Redis ", NULL},
	    {"the user of --redis ", NULL},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strncmp(trouble, known[i][0], strlen(known[i][0])) == 0)
			return known[i][1] == NULL ? trouble : known[i][1];
	return "Redis does not answer";
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
		json_add_str(body, api_readyz_redis(store_trouble(app->store)));
	if (app->draining)
		json_add_str(body, "draining");
	json_close(body, ']');
	json_close(body, '}');
	if (!ready)
		call_set_header(call, "Retry-After", "1");
	call_reply(call, ready ? 200 : 503);
}
