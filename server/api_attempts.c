/* Attempts: their list, and the test event. */
#include <string.h>

#include "base/clock.h"
#include "proto/datetime.h"
#include "server/app.h"
#include "store/attempts.h"
#include "store/webhooks.h"

#define ATTEMPTS_COUNT_MAX 1000

/* --- GET …/attempts --- */

static void
attempts_write_text(struct buf *out, const char *key, const char *text, size_t n)
{
	json_key(out, key);
	if (n == 0)
		json_add_null(out);
	else
		json_add_strn(out, text, n);
}

static void
attempts_write_time(struct buf *out, const char *key, int64_t ms)
{
	char text[DATETIME_LEN + 1];

	datetime_format(text, ms);
	attempts_write_text(out, key, text, ms == 0 ? 0 : DATETIME_LEN);
}

static void
attempts_write(struct buf *out, const struct attempt_row *row)
{
	json_open(out, '{');
	attempts_write_text(out, "eventLocator", row->event, strlen(row->event));
	attempts_write_text(out, "eventType", row->type, strlen(row->type));
	json_key(out, "attempt");
	json_add_int(out, row->number);
	attempts_write_time(out, "timestamp", row->timestamp);
	attempts_write_text(out, "outcome", row->outcome, strlen(row->outcome));
	json_key(out, "statusCode");
	if (row->status == 0)
		json_add_null(out);
	else
		json_add_int(out, row->status);
	json_key(out, "durationMs");
	json_add_int(out, row->duration_ms);
	attempts_write_text(out, "failureTrigger", row->trigger, strlen(row->trigger));
	attempts_write_text(out, "failureMessage", row->message, strlen(row->message));
	attempts_write_text(out, "response", row->response, row->response_len);
	attempts_write_time(out, "nextAttemptAt", row->next_at);
	json_close(out, '}');
}

static void
attempts_on_list(
    void *arg, enum store_err err, const struct attempt_row *rows, size_t n, bool completed)
{
	struct call *call = arg;
	struct buf *body = call_body(call);

	if (err != STORE_OK) {
		app_problem_store(call, err, "webhook");
		return;
	}
	json_open(body, '[');
	for (size_t i = 0; i < n; i++) {
		if (body->len >= APP_PAGE_BYTES) {
			completed = false;
			break;
		}
		attempts_write(body, &rows[i]);
	}
	app_reply_page(call, completed);
}

static bool
attempts_is_outcome(const char *s)
{
	static const char *const outcomes[] = {
	    "delivered", "retrying", "diverted", "dropped", "failed"};

	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
		if (strcmp(s, outcomes[i]) == 0)
			return true;
	return false;
}

struct attempts_flow {
	struct call *call;
	struct attempts_query query;
	struct ulid event;
};

static void
attempts_read(void *arg)
{
	struct attempts_flow *flow = arg;

	attempts_list(flow->call->app->store, &flow->query, attempts_on_list, flow->call);
}

void
api_attempt_list(struct call *call)
{
	const char *outcome = call_query(call, "outcome", 0);
	const char *event = call_query(call, "eventLocator", 0);
	struct attempts_flow *flow = arena_alloc(&call->arena, sizeof *flow);
	struct faults faults = {0};

	flow->call = call;
	flow->event = (struct ulid){""};
	flow->query = (struct attempts_query){
	    .tenant = call->tenant,
	    .webhook = call->locator[0],
	    .count = 100,
	    .kept = call->app->config->attempts_kept,
	};

	if (call_query_int(call, "offset", 0, INT32_MAX, &flow->query.offset) != 0 ||
	    call_query_int(call, "count", 0, ATTEMPTS_COUNT_MAX, &flow->query.count) != 0)
		return;
	if (outcome != NULL && !attempts_is_outcome(outcome))
		faults_add(&faults, "", "outcome",
		    "must be delivered, retrying, diverted, dropped or failed");
	if (event != NULL && ulid_parse(&flow->event, event, strlen(event)) != 0)
		faults_add(&faults, "", "eventLocator", "must be a ulid");
	if (faults.count > 0) {
		call_problem_faults(call, "a parameter cannot be used", &faults);
		return;
	}
	flow->query.outcome = outcome == NULL ? "" : outcome;
	flow->query.event = flow->event.s;
	app_read(call, attempts_read, flow);
}

/* --- POST …/test --- */

static const char test_type[] = "webhook.test";
static const char test_data[] = "{\"message\":\"This is a test event.\"}";

static void
test_send(struct call *call)
{
	char suffix[LOCATOR_SUFFIX_LEN + 1];
	int64_t now = clock_wall_ms();
	struct ulid locator;
	struct event_parts parts = {
	    .locator = locator.s,
	    .type = test_type,
	    .data = test_data,
	    .data_len = sizeof test_data - 1,
	    .request_id = locator.s,
	    .user_locator = "",
	    .timestamp = now,
	    .trace_parent = "",
	    .trace_state = "",
	};
	struct payload *payload;

	locator_suffix(suffix, &call->tenant);
	locator_make(&locator, now, 0, suffix);
	payload = payload_new(&parts, call->started_us);
	if (!dispatch_test(call->app->dispatch, payload, &call->tenant, &call->locator[0])) {
		payload_unref(payload);
		call_problem(call, 429, "%d test events of this webhook are under way, the most",
		    DISPATCH_TESTS_MAX);
		return;
	}
	json_add_raw(call_body(call), payload->body.data, payload->body.len);
	payload_unref(payload);
	call_reply(call, 201);
}

static void
test_on_webhook(void *arg, enum store_err err, struct webhook *webhook)
{
	struct call *call = arg;
	bool active = err == STORE_OK && webhook_is_active(webhook);

	webhook_free(webhook);
	if (err != STORE_OK)
		app_problem_store(call, err, "webhook");
	else if (!active)
		call_problem(call, 409, "the webhook is not active: it is disabled or suspended");
	else
		test_send(call);
}

void
api_webhook_test(struct call *call)
{
	webhooks_get(call->app->store, &call->tenant, &call->locator[0], test_on_webhook, call);
}
