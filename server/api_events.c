/* Reading events: one, those of a request, and the list with its paging tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "proto/eventtype.h"
#include "server/app.h"
#include "server/paging.h"
#include "store/events.h"

#define PAGE_SIZE_DEFAULT 100
#define PAGE_SIZE_MAX 1000

/* --- GET …/events/{locator} --- */

static void
event_on_get(void *arg, enum store_err err, const struct event_parts *const *parts, size_t n)
{
	struct call *call = arg;

	(void)n;
	if (err != STORE_OK) {
		app_problem_store(call, err, "event");
		return;
	}
	event_write(parts[0], true, call_body(call));
	call_reply(call, 200);
}

static void
event_get(void *arg)
{
	struct call *call = arg;

	events_get(call->app->store, &call->tenant, &call->locator[0], event_on_get, call);
}

void
api_event_get(struct call *call)
{
	app_read(call, event_get, call);
}

/* --- GET …/events/request/{requestId} --- */

static void
event_write_array(const struct event_parts *const *parts, size_t n, struct buf *out)
{
	json_open(out, '[');
	for (size_t i = 0; i < n; i++)
		event_write(parts[i], true, out);
	json_close(out, ']');
}

static void
event_on_request(void *arg, enum store_err err, const struct event_parts *const *parts, size_t n)
{
	struct call *call = arg;

	if (err != STORE_OK) {
		app_problem_store(call, err, "event");
		return;
	}
	event_write_array(parts, n, call_body(call));
	call_reply(call, 200);
}

static void
event_get_request(void *arg)
{
	struct call *call = arg;
	int64_t most = call->app->config->max_body; /* no request brings more */

	if (most < APP_PAGE_BYTES)
		most = APP_PAGE_BYTES;
	events_by_request(
	    call->app->store, &call->tenant, &call->locator[0], most, event_on_request, call);
}

void
api_event_by_request(struct call *call)
{
	app_read(call, event_get_request, call);
}

/* --- GET …/events/list --- */

struct event_list_flow {
	struct call *call;
	struct events_query query;
	struct paging paging;
};

static int
event_list_from_token(struct event_list_flow *flow, const char *token)
{
	static const char *const others[] = {
	    "startTimestamp", "endTimestamp", "type", "pageSize", "order"};
	struct call *call = flow->call;
	struct faults faults = {0};

	if (paging_read(&flow->paging, token) != 0 ||
	    strcmp(flow->paging.tenant.s, call->tenant.s) != 0)
		faults_add(&faults, "", "pagingToken", "is not one of this list's");
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (call_query(call, others[i], 0) != NULL)
			faults_add(&faults, "", others[i],
			    "must not be given with pagingToken, which holds it already");
	if (faults.count == 0)
		return 0;
	call_problem_faults(call, "a parameter cannot be used", &faults);
	return -1;
}

/* Where it begins and ends, in the order that was asked for; end_ms is -1 without an end. */
static void
event_list_set_range(struct paging *paging, int64_t start_ms, int64_t end_ms)
{
	if (start_ms < 0)
		start_ms = 0;
	if (!paging->newest_first) {
		paging->position.ms = start_ms;
		paging->end_ms = end_ms;
		return;
	}
	paging->end_ms = start_ms > 0 ? start_ms : -1;
	paging->exclusive = end_ms >= 0;
	paging->position.ms = end_ms >= 0 ? end_ms : LOCATOR_MS_MAX;
	paging->position.seq = end_ms >= 0 ? 0 : LOCATOR_SEQ_MAX;
}

static int
event_list_from_filters(struct event_list_flow *flow)
{
	struct call *call = flow->call;
	struct paging *paging = &flow->paging;
	const char *type = call_query(call, "type", 0);
	const char *order = call_query(call, "order", 0);
	int64_t page_size = PAGE_SIZE_DEFAULT, start = 0, end = -1;
	struct faults faults = {0};

	paging->tenant = call->tenant;
	if (call_query_time(call, "startTimestamp", &start) != 0 ||
	    call_query_time(call, "endTimestamp", &end) != 0 ||
	    call_query_int(call, "pageSize", 1, PAGE_SIZE_MAX, &page_size) != 0)
		return -1;
	if (type != NULL && !eventtype_valid(type, strlen(type)))
		faults_add(&faults, "", "type", "is not an event type");
	if (order != NULL && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
		faults_add(&faults, "", "order", "must be asc or desc");
	if (faults.count > 0) {
		call_problem_faults(call, "a parameter cannot be used", &faults);
		return -1;
	}
	if (type != NULL)
		snprintf(paging->type, sizeof paging->type, "%s", type);
	paging->page_size = (unsigned)page_size;
	if (call_query(call, "endTimestamp", 0) != NULL && end < 1)
		end = 1; /* no event is so old, and nothing ends before 0-0 */
	paging->newest_first = order != NULL && strcmp(order, "desc") == 0;
	event_list_set_range(paging, start, end);
	return 0;
}

static void
event_on_list(void *arg, enum store_err err, const struct event_parts *const *parts, size_t n,
    const struct stream_id *last, bool more)
{
	struct event_list_flow *flow = arg;
	struct call *call = flow->call;
	struct buf *body = call_body(call);
	struct buf token = {0};

	if (err != STORE_OK) {
		app_problem_store(call, err, "event");
		return;
	}
	if (last->ms != flow->paging.position.ms || last->seq != flow->paging.position.seq || n > 0)
		flow->paging.exclusive = true; /* something was looked at */
	flow->paging.position = *last;
	paging_write(&flow->paging, &token);
	json_open(body, '{');
	json_key(body, "pagingToken");
	json_add_str(body, buf_str(&token));
	json_key(body, "events");
	event_write_array(parts, n, body);
	json_key(body, "more");
	json_add_bool(body, more);
	json_close(body, '}');
	buf_clear(&token);
	call_reply(call, 200);
}

static void
event_list_read(void *arg)
{
	struct event_list_flow *flow = arg;

	events_list(flow->call->app->store, &flow->query, event_on_list, flow);
}

void
api_event_list(struct call *call)
{
	struct event_list_flow *flow = arena_alloc(&call->arena, sizeof *flow);
	const char *token = call_query(call, "pagingToken", 0);

	flow->call = call;
	if ((token != NULL ? event_list_from_token(flow, token) : event_list_from_filters(flow)) !=
	    0)
		return;
	flow->query = (struct events_query){
	    .tenant = call->tenant,
	    .after = flow->paging.position,
	    .exclusive = flow->paging.exclusive,
	    .newest_first = flow->paging.newest_first,
	    .end_ms = flow->paging.end_ms,
	    .type = flow->paging.type,
	    .page_size = flow->paging.page_size,
	};
	app_read(call, event_list_read, flow);
}
