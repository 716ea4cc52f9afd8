/* Webhooks: create, fetch, update, unsuspend, delete.  In each flow time runs down the page. */
#include <string.h>

#include "base/clock.h"
#include "server/app.h"
#include "store/webhooks.h"

/* Lost races that an update repeats before it gives up with 503. */
#define UPDATE_TRIES 100

struct webhook_flow {
	struct call *call;
	struct json_doc doc;     /* the request's body */
	struct webhook *webhook; /* as it is to be stored */
	unsigned tries;
	bool creates; /* and so is shown what was made for it, whatever its permissions */
};

static struct webhook_flow *
flow_new(struct call *call)
{
	struct webhook_flow *flow = arena_alloc(&call->arena, sizeof *flow);

	flow->call = call;
	return flow;
}

/* Frees what the call's arena does not; the call is to be answered next. */
static struct call *
flow_end(struct webhook_flow *flow)
{
	webhook_free(flow->webhook);
	json_doc_wipe(&flow->doc);
	return flow->call;
}

static void
flow_set_etag(struct call *call, int64_t version)
{
	struct buf etag = {0};

	buf_addc(&etag, '"');
	buf_addi(&etag, version);
	buf_addc(&etag, '"');
	call_set_header(call, "ETag", buf_str(&etag));
	buf_clear(&etag);
}

static void
flow_reply_webhook(struct webhook_flow *flow, int status)
{
	struct call *call = flow->call;

	flow_set_etag(call, flow->webhook->version);
	webhook_write(flow->webhook, call_body(call),
	    flow->creates || call->reads_webhooks ? 0 : WEBHOOK_WRITE_HIDE);
	flow_end(flow);
	call_reply(call, status);
}

/* --- POST …/webhooks --- */

static void create_store(struct webhook_flow *flow);
static webhooks_put_fn create_on_put;

void
api_webhook_create(struct call *call)
{
	struct webhook_flow *flow = flow_new(call);
	struct webhook_rules rules = app_rules(call->app);
	struct faults faults = {0};

	if (app_parse_body(call, &flow->doc, SIZE_MAX) != 0)
		return;
	flow->webhook = webhook_new();
	webhook_create(flow->webhook, flow->doc.root, &rules, &faults);
	if (faults.count > 0) {
		flow_end(flow);
		call_problem_faults(call, "the webhook cannot be created", &faults);
		return;
	}
	flow->creates = true;
	flow->webhook->tenant = call->tenant;
	flow->webhook->created_at = rules.now_ms;
	flow->webhook->updated_at = rules.now_ms;
	create_store(flow);
}

static void
create_store(struct webhook_flow *flow)
{
	ulid_new(&flow->webhook->locator, clock_wall_ms());
	webhooks_put(flow->call->app->store, flow->webhook, flow->call->app->config->max_webhooks,
	    create_on_put, flow);
}

static void
create_on_put(void *arg, enum store_err err, int64_t version)
{
	struct webhook_flow *flow = arg;
	struct call *call = flow->call;
	struct buf location = {0};

	if (err == STORE_STALE && ++flow->tries < UPDATE_TRIES) {
		create_store(flow); /* that locator existed: take another */
		return;
	}
	if (err != STORE_OK) {
		app_problem_store(flow_end(flow), err, "webhook");
		return;
	}
	flow->webhook->version = version;
	buf_adds(&location, "/event/");
	buf_adds(&location, flow->webhook->tenant.s);
	buf_adds(&location, "/webhooks/");
	buf_adds(&location, flow->webhook->locator.s);
	call_set_header(call, "Location", buf_str(&location));
	buf_clear(&location);
	flow_reply_webhook(flow, 200);
}

/* --- GET …/webhooks/{webhookLocator} --- */

static webhooks_get_fn get_on_webhook;

void
api_webhook_get(struct call *call)
{
	webhooks_get(
	    call->app->store, &call->tenant, &call->locator[0], get_on_webhook, flow_new(call));
}

static void
get_on_webhook(void *arg, enum store_err err, struct webhook *webhook)
{
	struct webhook_flow *flow = arg;

	flow->webhook = webhook;
	if (err != STORE_OK)
		app_problem_store(flow_end(flow), err, "webhook");
	else
		flow_reply_webhook(flow, 200);
}

/* --- PATCH …/webhooks/{webhookLocator} --- */

static void update_fetch(struct webhook_flow *flow);
static webhooks_get_fn update_on_webhook;
static webhooks_put_fn update_on_put;

void
api_webhook_update(struct call *call)
{
	struct webhook_flow *flow = flow_new(call);
	struct webhook_rules rules = app_rules(call->app);
	struct faults faults = {0};

	if (app_parse_body(call, &flow->doc, SIZE_MAX) != 0)
		return;
	webhook_check_update(flow->doc.root, &rules, &faults);
	if (faults.count > 0) {
		flow_end(flow);
		call_problem_faults(call, "the webhook cannot be updated so", &faults);
		return;
	}
	update_fetch(flow);
}

static void
update_fetch(struct webhook_flow *flow)
{
	struct call *call = flow->call;

	webhook_free(flow->webhook);
	flow->webhook = NULL;
	webhooks_get(call->app->store, &call->tenant, &call->locator[0], update_on_webhook, flow);
}

static void
update_on_webhook(void *arg, enum store_err err, struct webhook *webhook)
{
	struct webhook_flow *flow = arg;
	struct call *call = flow->call;
	struct webhook_rules rules = app_rules(call->app);
	struct faults faults = {0};
	bool changed;

	flow->webhook = webhook;
	if (err == STORE_OK && !app_if_match(call, webhook->version))
		err = STORE_STALE;
	if (err != STORE_OK) {
		app_problem_store(flow_end(flow), err, "webhook");
		return;
	}
	changed = webhook_update(webhook, flow->doc.root, &rules, &faults);
	if (faults.count > 0) {
		flow_end(flow);
		call_problem_faults(call, "the webhook cannot be updated so", &faults);
		return;
	}
	faults_clear(&faults);
	if (!changed) {
		flow_reply_webhook(flow, 200);
		return;
	}
	webhook->updated_at = rules.now_ms;
	webhooks_put(call->app->store, webhook, 0, update_on_put, flow);
}

static void
update_on_put(void *arg, enum store_err err, int64_t version)
{
	struct webhook_flow *flow = arg;
	struct call *call = flow->call;

	if (err == STORE_STALE && ++flow->tries < UPDATE_TRIES) {
		update_fetch(flow); /* somebody was faster: merge into what it is now */
		return;
	}
	if (err != STORE_OK) {
		/* a lost race is never the client's fault: only its If-Match is */
		app_problem_store(
		    flow_end(flow), err == STORE_STALE ? STORE_UNAVAILABLE : err, "webhook");
		return;
	}
	flow->webhook->version = version;
	dispatch_webhook_changed(call->app->dispatch, &call->locator[0]);
	flow_reply_webhook(flow, 200);
}

/* --- PATCH …/webhooks/{webhookLocator}/unsuspend --- */

static void unsuspend_fetch(struct webhook_flow *flow);
static webhooks_get_fn unsuspend_on_webhook;
static webhooks_put_fn unsuspend_on_put;

void
api_webhook_unsuspend(struct call *call)
{
	unsuspend_fetch(flow_new(call));
}

static void
unsuspend_fetch(struct webhook_flow *flow)
{
	struct call *call = flow->call;

	webhook_free(flow->webhook);
	flow->webhook = NULL;
	webhooks_get(
	    call->app->store, &call->tenant, &call->locator[0], unsuspend_on_webhook, flow);
}

static void
unsuspend_on_webhook(void *arg, enum store_err err, struct webhook *webhook)
{
	struct webhook_flow *flow = arg;
	struct call *call = flow->call;

	flow->webhook = webhook;
	if (err == STORE_OK && !app_if_match(call, webhook->version))
		err = STORE_STALE;
	if (err != STORE_OK) {
		app_problem_store(flow_end(flow), err, "webhook");
		return;
	}
	if (webhook->suspended_at == 0) {
		call_reply_empty(flow_end(flow), 204);
		return;
	}
	webhook->suspended_at = 0;
	webhook->updated_at = clock_wall_ms();
	webhooks_put(call->app->store, webhook, 0, unsuspend_on_put, flow);
}

static void
unsuspend_on_put(void *arg, enum store_err err, int64_t version)
{
	struct webhook_flow *flow = arg;
	struct call *call = flow->call;

	(void)version;
	if (err == STORE_STALE && ++flow->tries < UPDATE_TRIES) {
		unsuspend_fetch(flow);
		return;
	}
	if (err == STORE_OK) {
		dispatch_webhook_changed(call->app->dispatch, &call->locator[0]);
		call_reply_empty(flow_end(flow), 204);
		return;
	}
	app_problem_store(flow_end(flow), err == STORE_STALE ? STORE_UNAVAILABLE : err, "webhook");
}

/* --- DELETE …/webhooks/{webhookLocator} --- */

static webhooks_get_fn delete_on_webhook;
static webhooks_delete_fn delete_on_deleted;

void
api_webhook_delete(struct call *call)
{
	struct webhook_flow *flow = flow_new(call);

	if (call_header(call, "If-Match") != NULL)
		webhooks_get(
		    call->app->store, &call->tenant, &call->locator[0], delete_on_webhook, flow);
	else
		webhooks_delete(call->app->store, &call->tenant, &call->locator[0], -1,
		    delete_on_deleted, flow);
}

static void
delete_on_webhook(void *arg, enum store_err err, struct webhook *webhook)
{
	struct webhook_flow *flow = arg;
	struct call *call = flow->call;

	flow->webhook = webhook;
	if (err == STORE_OK && !app_if_match(call, webhook->version))
		err = STORE_STALE;
	if (err != STORE_OK)
		app_problem_store(flow_end(flow), err, "webhook");
	else
		webhooks_delete(call->app->store, &call->tenant, &call->locator[0],
		    webhook->version, delete_on_deleted, flow);
}

static void
delete_on_deleted(void *arg, enum store_err err)
{
	struct webhook_flow *flow = arg;
	struct call *call = flow_end(flow);

	if (err != STORE_OK) {
		app_problem_store(call, err, "webhook");
		return;
	}
	dispatch_webhook_changed(call->app->dispatch, &call->locator[0]);
	trimmer_hurry(call->app->trimmer, &call->tenant);
	call_reply_empty(call, 204);
}
