/* GET …/webhooks/list: pages through a tenant's webhooks, keeping those that the filters want. */
#include <string.h>

#include "proto/datetime.h"
#include "proto/eventtype.h"
#include "server/app.h"
#include "store/webhooks.h"

#define LIST_STEP 20 /* webhooks that are read at once: some milliseconds if they are large */
#define LIST_COUNT_MAX 1000

struct list_flow {
	struct call *call;
	int64_t offset;
	int64_t count;
	const char *name;
	int enabled, suspended, active; /* 0, 1, or -1 for either */
	int extended;
	char **event_types;
	size_t nevent_types;
	bool completed;
};

static reads_go_fn list_begin;
static void list_read(struct list_flow *flow, const struct ulid *after);
static webhooks_page_fn list_on_page;

static int
list_check_types(struct call *call, char **types, size_t n)
{
	struct faults faults = {0};

	for (size_t i = 0; i < n; i++)
		if (!eventtype_valid(types[i], strlen(types[i])))
			faults_add(&faults, "", "eventTypes", "%zu: is not an event type", i + 1);
	if (faults.count == 0)
		return 0;
	call_problem_faults(call, "a parameter cannot be used", &faults);
	return -1;
}

void
api_webhook_list(struct call *call)
{
	struct list_flow *flow = arena_alloc(&call->arena, sizeof *flow);

	*flow = (struct list_flow){
	    .call = call, .count = 100, .enabled = -1, .suspended = -1, .active = -1};
	flow->name = call_query(call, "name", 0);
	if (call_query_int(call, "offset", 0, INT32_MAX, &flow->offset) != 0 ||
	    call_query_int(call, "count", 0, LIST_COUNT_MAX, &flow->count) != 0 ||
	    call_query_bool(call, "enabled", &flow->enabled) != 0 ||
	    call_query_bool(call, "suspended", &flow->suspended) != 0 ||
	    call_query_bool(call, "active", &flow->active) != 0 ||
	    call_query_bool(call, "extended", &flow->extended) != 0)
		return;
	if (call_query_strings(call, "eventTypes", &flow->event_types, &flow->nevent_types) != 0 ||
	    list_check_types(call, flow->event_types, flow->nevent_types) != 0)
		return;
	flow->completed = true;
	json_open(call_body(call), '[');
	app_read(call, list_begin, flow);
}

static void
list_begin(void *arg)
{
	static const struct ulid begin = {""};

	list_read(arg, &begin);
}

static void
list_read(struct list_flow *flow, const struct ulid *after)
{
	webhooks_page(flow->call->app->store, &flow->call->tenant, after, LIST_STEP,
	    flow->extended == 1, list_on_page, flow);
}

static bool
list_wants(const struct list_flow *flow, const struct webhook *webhook)
{
	if (flow->name != NULL && strcmp(flow->name, webhook->name) != 0)
		return false;
	if (flow->enabled >= 0 && webhook->enabled != (flow->enabled == 1))
		return false;
	if (flow->suspended >= 0 && (webhook->suspended_at != 0) != (flow->suspended == 1))
		return false;
	if (flow->active >= 0 && webhook_is_active(webhook) != (flow->active == 1))
		return false;
	if (flow->nevent_types == 0)
		return true;
	for (size_t i = 0; i < flow->nevent_types; i++)
		if (webhook_matches(webhook, flow->event_types[i]))
			return true;
	return false;
}

static void
list_write_time(struct buf *out, const char *key, int64_t ms)
{
	char text[DATETIME_LEN + 1];

	json_key(out, key);
	if (ms == 0) {
		json_add_null(out);
		return;
	}
	datetime_format(text, ms);
	json_add_str(out, text);
}

static void
list_write_stats(struct buf *out, const struct webhook_counters *counters)
{
	json_key(out, "stats");
	json_open(out, '{');
	json_key(out, "pending");
	json_add_int(out, counters->pending);
	json_key(out, "diverted");
	json_add_int(out, counters->diverted);
	json_key(out, "delivered");
	json_add_int(out, counters->delivered);
	json_key(out, "failed");
	json_add_int(out, counters->failed);
	json_key(out, "dropped");
	json_add_int(out, counters->dropped);
	list_write_time(out, "lastDeliveredAt", counters->last_delivered_at);
	list_write_time(out, "lastFailedAt", counters->last_failed_at);
	json_close(out, '}');
}

static void
list_write_item(struct list_flow *flow, const struct webhook_row *row)
{
	struct buf *out = call_body(flow->call);

	webhook_write(row->webhook, out, flow->extended == 1 ? WEBHOOK_WRITE_OPEN : 0);
	if (flow->extended == 1) {
		list_write_stats(out, &row->counters);
		json_close(out, '}');
	}
}

static void
list_on_page(
    void *arg, enum store_err err, struct webhook_row *rows, size_t n, const struct ulid *last)
{
	struct list_flow *flow = arg;

	if (err != STORE_OK) {
		app_problem_store(flow->call, err, "webhook");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!list_wants(flow, rows[i].webhook))
			continue;
		if (flow->offset > 0) {
			flow->offset--;
		} else if (flow->count > 0 && call_body(flow->call)->len < APP_PAGE_BYTES) {
			flow->count--;
			list_write_item(flow, &rows[i]);
		} else {
			flow->completed = false; /* one more than was asked for, or fits */
			app_reply_page(flow->call, flow->completed);
			return;
		}
	}
	if (last->s[0] == '\0')
		app_reply_page(flow->call, flow->completed);
	else
		list_read(flow, last);
}
