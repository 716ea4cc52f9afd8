/* POST …/events: read, store with every delivery, answer, deliver.  Time runs down the page. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "proto/trace.h"
#include "server/app.h"
#include "store/events.h"

#define IDEMPOTENCY_KEY_MAX 256
#define PUBLISH_STEP (64 * 1024)    /* bytes of a body that are parsed at once: some milliseconds */
#define PUBLISH_BYTES_PER_COST 4096 /* so many are as much work as a delivery */

struct publish_flow {
	struct call *call;
	struct pace_wait wait;
	struct json_doc doc;
	struct json_parser *parser; /* of a long body; NULL when it is read */
	struct event_draft *drafts;
	size_t n;
	bool single;
	bool minimal;
	int64_t asked_ms;
	const char *trace_parent; /* "" for none */
	const char *trace_state;
};

static pace_go_fn publish_begin;
static pace_go_fn publish_parse;
static void publish_read(struct publish_flow *flow);
static void publish_store(struct publish_flow *flow, const char *idempotency_key);
static events_publish_fn publish_on_stored;

/* Frees what the call's arena does not; the call is to be answered next. */
static struct call *
publish_end(struct publish_flow *flow)
{
	free(flow->drafts);
	json_doc_clear(&flow->doc);
	return flow->call;
}

/* RFC 7240: return=minimal among the preferences. */
static bool
publish_prefers_minimal(struct call *call)
{
	static const char minimal[] = "return=minimal";
	const char *s = call_header(call, "Prefer");

	while (s != NULL && *s != '\0') {
		size_t n;

		s += strspn(s, " \t,");
		n = strcspn(s, ",; \t");
		if (n == sizeof minimal - 1 && strncasecmp(s, minimal, n) == 0)
			return true;
		s += n;
		s += strspn(s, ";");
	}
	return false;
}

/* Under either name; a request with both was refused (wire_head.c). */
static const char *
publish_key(struct call *call)
{
	const char *key = call_header(call, "Idempotency-Key");

	return key != NULL ? key : call_header(call, "X-Idempotency-Key");
}

static int
publish_check_key(struct call *call, const char *key)
{
	struct faults faults = {0};

	if (key == NULL || (*key != '\0' && strlen(key) <= IDEMPOTENCY_KEY_MAX))
		return 0;
	faults_add(
	    &faults, "", "Idempotency-Key", "must be 1 to %d characters", IDEMPOTENCY_KEY_MAX);
	call_problem_faults(call, "a header cannot be used", &faults);
	return -1;
}

/* For so many bytes of the body. */
static void
publish_wait(struct publish_flow *flow, size_t bytes, pace_go_fn *go)
{
	struct call *call = flow->call;

	pace_enter(call->app->pace, &flow->wait, &call->tenant, 1 + bytes / PUBLISH_BYTES_PER_COST,
	    go, flow);
}

void
api_event_publish(struct call *call)
{
	struct publish_flow *flow = arena_alloc(&call->arena, sizeof *flow);

	flow->call = call;
	publish_wait(
	    flow, call->body_len < PUBLISH_STEP ? call->body_len : PUBLISH_STEP, publish_begin);
}

static void
publish_begin(void *arg)
{
	struct publish_flow *flow = arg;
	struct call *call = flow->call;

	if (publish_check_key(call, publish_key(call)) != 0)
		return;
	if (call->body_len > PUBLISH_STEP) {
		flow->parser = app_begin_body(call, &flow->doc, EVENT_JSON_KEEP);
		publish_parse(flow);
	} else if (app_parse_body(call, &flow->doc, EVENT_JSON_KEEP) == 0) {
		publish_read(flow);
	}
}

/* Other requests come between the steps. */
static void
publish_parse(void *arg)
{
	struct publish_flow *flow = arg;
	int rc = app_step_body(flow->call, &flow->doc, flow->parser, PUBLISH_STEP);

	if (rc > 0)
		publish_wait(flow, PUBLISH_STEP, publish_parse);
	else if (rc == 0)
		publish_read(flow);
}

static void
publish_read(struct publish_flow *flow)
{
	struct call *call = flow->call;
	struct faults faults = {0};

	flow->n = event_read_drafts(flow->doc.root, &flow->drafts, &flow->single, &faults);
	if (faults.count > 0) {
		publish_end(flow);
		call_problem_faults(call, "nothing was published", &faults);
		return;
	}
	flow->minimal = publish_prefers_minimal(call);
	flow->trace_parent = trace_parent_or_none(call_header(call, "traceparent"));
	flow->trace_state =
	    *flow->trace_parent == '\0' ? "" : trace_state_or_none(call_header(call, "tracestate"));
	publish_store(flow, publish_key(call));
}

static void
publish_store(struct publish_flow *flow, const char *idempotency_key)
{
	struct call *call = flow->call;
	struct app *app = call->app;
	const struct config *config = app->config;
	struct dispatch_room room;
	struct publish_request request = {
	    .tenant = call->tenant,
	    .drafts = flow->drafts,
	    .n = flow->n,
	    .idempotency_key = idempotency_key,
	    .body = call->body,
	    .body_len = call->body_len,
	    .idempotency_ttl_ms = config->idempotency_ttl_ms,
	    .request_ttl_ms = config->event_retention_ms,
	    .max_fanout = config->max_fanout,
	    .max_webhooks = config->max_webhooks,
	    .max_pending = config->max_pending,
	    .max_diverted = config->max_diverted,
	    .attempts_kept = config->attempts_kept,
	    .max_tenant_bytes = config->max_tenant_bytes,
	    .lease_ms = config->lease_ms,
	    .trace_parent = flow->trace_parent,
	    .trace_state = flow->trace_state,
	    .note_tenant = trimmer_notes(app->trimmer, &call->tenant),
	};

	/* events without a userLocator are the token's subject's, if that is a user */
	if (uuid_parse(&request.user, call->sub, strlen(call->sub)) != 0)
		request.user.s[0] = '\0';
	dispatch_room(app->dispatch, &call->tenant, &room);
	request.max_leases = room.leases;
	request.leases_each = room.each;
	request.rooms = room.of;
	request.nrooms = room.n;
	flow->asked_ms = clock_mono_ms();
	events_publish(app->store, &request, publish_on_stored, flow);
}

/* The event as it is now that it has a place in the stream. */
static struct event_parts
publish_parts(const struct publish_flow *flow, const struct publish_result *result, size_t i)
{
	const struct event_draft *draft = &flow->drafts[i];
	const struct ulid *locator = &result->events[i].locator;

	return (struct event_parts){
	    .locator = locator->s,
	    .type = draft->type,
	    .data = draft->data,
	    .data_len = draft->data_len,
	    .request_id =
		draft->request_id.s[0] != '\0' ? draft->request_id.s : result->events[0].locator.s,
	    .user_locator =
		draft->user_locator.s[0] != '\0' ? draft->user_locator.s : result->user.s,
	    .timestamp = draft->timestamp >= 0 ? draft->timestamp : ulid_ms(locator),
	    .trace_parent = flow->trace_parent,
	    .trace_state = flow->trace_state,
	};
}

/* The event was diverted or dropped for that webhook: its attempts or diverted events say which. */
static void
publish_count_unqueued(
    struct call *call, const struct publish_event *event, const struct publish_target *target)
{
	if (target->how == TARGET_SUSPENDED) {
		call->app->met_suspended++;
		return;
	}
	call->app->overflowed++;
	log_begin(LOG_WARN, "a webhook's queue is full");
	log_str("tenant", call->tenant.s);
	log_str("webhook", target->webhook.s);
	log_str("event", event->locator.s);
	log_end();
}

/* Hands the deliveries of one event over; gives its payload (unref), NULL when none is leased here.
 */
static struct payload *
publish_hand_over(const struct publish_flow *flow, const struct publish_result *result, size_t i,
    const struct event_parts *parts)
{
	struct call *call = flow->call;
	struct dispatch *dispatch = call->app->dispatch;
	const struct publish_event *event = &result->events[i];
	struct payload *payload = NULL;

	pace_charge(call->app->pace, &call->tenant, event->ntargets);
	for (size_t j = 0; j < event->ntargets; j++) {
		const struct publish_target *target = &event->targets[j];

		if (target->how == TARGET_WAITING) {
			dispatch_waiting(dispatch, &call->tenant, &target->webhook);
			continue;
		}
		if (target->how != TARGET_LEASED) {
			publish_count_unqueued(call, event, target);
			continue;
		}
		if (payload == NULL)
			payload = payload_new(parts, call->started_us);
		dispatch_take(dispatch, payload, &call->tenant, &target->webhook, target->version,
		    result->lease_end, flow->asked_ms);
	}
	return payload;
}

/* And writes the event into the answer. */
static void
publish_one(const struct publish_flow *flow, const struct publish_result *result, size_t i)
{
	struct call *call = flow->call;
	struct event_parts parts = publish_parts(flow, result, i);
	struct payload *payload = publish_hand_over(flow, result, i, &parts);

	if (payload != NULL && !flow->minimal)
		json_add_raw(call_body(call), payload->body.data, payload->body.len);
	else
		event_write(&parts, !flow->minimal, call_body(call));
	if (payload != NULL)
		payload_unref(payload);
}

/* Too few replicas have it: nothing is promised, but it is stored, so its deliveries are owed and
 * leased to this process. */
static void
publish_refuse_stored(struct publish_flow *flow, const struct publish_result *result)
{
	for (size_t i = 0; i < result->n; i++) {
		struct event_parts parts = publish_parts(flow, result, i);
		struct payload *payload = publish_hand_over(flow, result, i, &parts);

		if (payload != NULL)
			payload_unref(payload);
	}
	app_problem_store(publish_end(flow), STORE_UNREPLICATED, "event");
}

static void
publish_reply_stored(struct publish_flow *flow, const struct publish_result *result)
{
	struct call *call = flow->call;
	struct buf *body = call_body(call);

	if (!flow->single)
		json_open(body, '[');
	for (size_t i = 0; i < result->n; i++)
		publish_one(flow, result, i);
	if (!flow->single)
		json_close(body, ']');
	if (result->outcome == PUBLISH_STORED) {
		call->app->events_accepted += result->n;
		trimmer_published(call->app->trimmer, &call->tenant, result->n, result->much);
	}
	if (flow->minimal)
		call_set_header(call, "Preference-Applied", "return=minimal");
	call_reply(publish_end(flow), 201);
}

static void
publish_on_stored(void *arg, enum store_err err, const struct publish_result *result)
{
	struct publish_flow *flow = arg;
	struct call *call = flow->call;

	if (err == STORE_UNREPLICATED) {
		publish_refuse_stored(flow, result);
		return;
	}
	if (err != STORE_OK) {
		app_problem_store(publish_end(flow), err, "event");
		return;
	}
	switch (result->outcome) {
	case PUBLISH_STORED:
	case PUBLISH_REPLAYED:
		publish_reply_stored(flow, result);
		break;
	case PUBLISH_CONFLICT:
		publish_end(flow);
		call_problem(call, 409, "this Idempotency-Key was used with another body before");
		break;
	case PUBLISH_FANOUT:
		publish_end(flow);
		call_problem(call, 413,
		    "the request would cause more than %lld deliveries (--max-fanout)",
		    (long long)call->app->config->max_fanout);
		break;
	case PUBLISH_WORK:
		publish_end(flow);
		call_problem(call, 413,
		    "the event types match more subscriptions than one request may have looked up: "
		    "3072 patterns and 20000 of their members; publish fewer events at once");
		break;
	case PUBLISH_FULL:
		publish_end(flow);
		trimmer_hurry(call->app->trimmer, &call->tenant);
		log_begin(LOG_WARN, "a tenant has as many bytes as it may have");
		log_str("tenant", call->tenant.s);
		log_end();
		call_problem(call, 429,
		    "the tenant's events take as much as --max-tenant-bytes allows (%lld bytes)",
		    (long long)call->app->config->max_tenant_bytes);
		break;
	}
}
