/* Diverted events: list, fetch, send again, delete.  call->locator[0] is the webhook, [1] the
 * event. */
#include "proto/datetime.h"
#include "server/app.h"
#include "store/diverted.h"

#define DIVERTED_COUNT_MAX 1000
#define RESEND_MOST 10000 /* events that one resend-all moves */

static void
diverted_problem(struct call *call, enum store_err err)
{
	if (err == STORE_STALE)
		call_problem(call, 409, "the webhook is not active: it is disabled or suspended");
	else if (err == STORE_LIMIT)
		call_problem(call, 409, "the webhook's queue has --max-pending (%lld) events",
		    (long long)call->app->config->max_pending);
	else
		app_problem_store(call, err,
		    call->locator[1].s[0] != '\0' ? "webhook or diverted event" : "webhook");
}

/* --- GET …/diverted and …/diverted/{eventLocator} --- */

static void
diverted_write(struct buf *out, const struct diverted_row *row, bool with_event)
{
	char timestamp[DATETIME_LEN + 1];

	datetime_format(timestamp, row->failure_timestamp);
	json_open(out, '{');
	json_key(out, "eventLocator");
	json_add_str(out, row->event.locator);
	json_key(out, "requestLocator");
	json_add_str(out, row->event.request_id);
	json_key(out, "eventType");
	json_add_str(out, row->event.type);
	json_key(out, "failureTrigger");
	json_add_str(out, row->failure_trigger);
	json_key(out, "failureMessage");
	json_add_str(out, row->failure_message);
	json_key(out, "failureTimestamp");
	json_add_str(out, timestamp);
	json_key(out, "attempts");
	json_add_int(out, row->attempts);
	if (with_event) {
		json_key(out, "event");
		event_write(&row->event, true, out);
	}
	json_close(out, '}');
}

static void
diverted_on_list(
    void *arg, enum store_err err, const struct diverted_row *rows, size_t n, bool completed)
{
	struct call *call = arg;
	struct buf *body = call_body(call);

	(void)completed;
	if (err != STORE_OK) {
		diverted_problem(call, err);
		return;
	}
	json_open(body, '[');
	for (size_t i = 0; i < n; i++)
		diverted_write(body, &rows[i], false);
	json_close(body, ']');
	call_reply(call, 200);
}

struct diverted_flow {
	struct call *call;
	int64_t offset, count;
};

static void
diverted_read_list(void *arg)
{
	struct diverted_flow *flow = arg;
	struct call *call = flow->call;

	diverted_list(call->app->store, &call->tenant, &call->locator[0], flow->offset, flow->count,
	    diverted_on_list, call);
}

void
api_diverted_list(struct call *call)
{
	struct diverted_flow *flow = arena_alloc(&call->arena, sizeof *flow);

	*flow = (struct diverted_flow){.call = call, .count = 100};
	if (call_query_int(call, "offset", 0, INT32_MAX, &flow->offset) != 0 ||
	    call_query_int(call, "count", 0, DIVERTED_COUNT_MAX, &flow->count) != 0)
		return;
	app_read(call, diverted_read_list, flow);
}

static void
diverted_on_get(
    void *arg, enum store_err err, const struct diverted_row *rows, size_t n, bool completed)
{
	struct call *call = arg;

	(void)completed;
	if (err == STORE_OK && n == 0)
		err = STORE_MISSING;
	if (err != STORE_OK) {
		diverted_problem(call, err);
		return;
	}
	diverted_write(call_body(call), &rows[0], true);
	call_reply(call, 200);
}

static void
diverted_read_one(void *arg)
{
	struct call *call = arg;

	diverted_get(call->app->store, &call->tenant, &call->locator[0], &call->locator[1],
	    diverted_on_get, call);
}

void
api_diverted_get(struct call *call)
{
	app_read(call, diverted_read_one, call);
}

/* Done, and there is nothing to say: an empty object, as the API is published. */
static void
diverted_reply_done(struct call *call)
{
	struct buf *body = call_body(call);

	json_open(body, '{');
	json_close(body, '}');
	call_reply(call, 200);
}

/* --- DELETE …/diverted/{eventLocator} --- */

static void
diverted_on_delete(void *arg, enum store_err err)
{
	struct call *call = arg;

	if (err != STORE_OK)
		diverted_problem(call, err);
	else
		diverted_reply_done(call);
}

void
api_diverted_delete(struct call *call)
{
	diverted_delete(call->app->store, &call->tenant, &call->locator[0], &call->locator[1],
	    diverted_on_delete, call);
}

/* --- POST …/diverted/{eventLocator}/resend and …/diverted/resend --- */

static void
diverted_on_resend(void *arg, enum store_err err)
{
	struct call *call = arg;

	if (err != STORE_OK) {
		diverted_problem(call, err);
		return;
	}
	dispatch_waiting(call->app->dispatch, &call->tenant, &call->locator[0]);
	diverted_reply_done(call);
}

void
api_diverted_resend(struct call *call)
{
	diverted_resend(call->app->store, &call->tenant, &call->locator[0], &call->locator[1],
	    call->app->config->max_pending, diverted_on_resend, call);
}

static void
diverted_on_resend_all(void *arg, enum store_err err, int64_t resent, bool completed)
{
	struct call *call = arg;
	struct buf *body = call_body(call);

	if (err != STORE_OK) {
		diverted_problem(call, err);
		return;
	}
	dispatch_waiting(call->app->dispatch, &call->tenant, &call->locator[0]);
	json_open(body, '{');
	json_key(body, "resent");
	json_add_int(body, resent);
	json_key(body, "completed");
	json_add_bool(body, completed);
	json_close(body, '}');
	call_reply(call, 200);
}

static void
diverted_resend_more(void *arg)
{
	struct call *call = arg;

	diverted_resend_all(call->app->store, &call->tenant, &call->locator[0], RESEND_MOST,
	    call->app->config->max_pending, diverted_on_resend_all, call);
}

void
api_diverted_resend_all(struct call *call)
{
	app_read(call, diverted_resend_more, call);
}
