/*
 * A request from its head to its handler.  What the head alone decides, route, token, permission
 * and whether its body is one to read, is decided at its end, so that nobody's body takes memory
 * who may not send one; and no body does that goes beyond the room for all.
 */
#include <event2/event.h>

#include "base/clock.h"
#include "server/http_internal.h"
#include "server/route.h"

/* Of a turn of the loop, for judging: checking the signature of a bad token takes longer than all
 * else, and hundreds of them fit into one read.  What is known to be good costs next to nothing. */
#define HTTP_JUDGE_US 3000
#define HTTP_BODY_FREE 4096 /* bytes that a connection may keep anyhow: not counted */

/* Who came when all places were taken may ask how we are; false when it answered 503. */
static bool
http_has_place(struct call *call)
{
	if (http_places_allow(call->conn, call->route))
		return true;
	call->close = true;
	call_problem(call, 503,
	    "there are as many connections as there may be, over all or from "
	    "this client");
	return false;
}

/* Its time as the loop has it is the same for all that a turn does. */
bool
http_turn_is_over(struct http *http)
{
	struct timeval turn;

	event_base_gettimeofday_cached(http->opts.base, &turn);
	if (evutil_timercmp(&turn, &http->turn, !=)) {
		http->turn = turn;
		http->judged_us = 0;
	}
	return http->judged_us >= HTTP_JUDGE_US;
}

static bool
http_admits(struct http *http, struct call *call)
{
	int64_t begin_us = clock_mono_us();
	bool admits = http->opts.admit == NULL || http->opts.admit(call);

	http->judged_us += clock_mono_us() - begin_us;
	return admits;
}

/* The order is that of contract.md, section 1. */
static bool
http_judge(struct http *http, struct call *call)
{
	return route_match(call) && http_has_place(call) && http_admits(http, call) &&
	       route_values(call) && (http->opts.permit == NULL || http->opts.permit(call)) &&
	       call_accept_body(call, http->opts.max_body);
}

/* Room for that much of a body; false when it answered 503. */
static bool
http_make_room(struct http_conn *conn, uint64_t bytes)
{
	struct http *http = conn->http;

	if (bytes <= HTTP_BODY_FREE ||
	    bodies_take(http->bodies, &conn->part, &conn->call.tenant, (size_t)bytes))
		return true;
	http->stats.refused[HTTP_REFUSED_BODIES]++;
	conn->call.close = true;
	call_problem(
	    &conn->call, 503, "the server has no more room for bodies of requests at the moment");
	return false;
}

/* Whether the rest of a request that is answered may be read and thrown away: little, or of
 * unknown length.  A client that waits for 100 Continue may or may not send it. */
static bool
http_may_skip(const struct wire *wire)
{
	return !wire->expects && (wire->chunked || wire->left <= HTTP_SKIP_MAX);
}

void
http_request_head(struct http_conn *conn)
{
	struct http *http = conn->http;
	struct call *call = &conn->call;
	bool close;

	http->stats.requests++;
	http->stats.calls++;
	call_start(call, &conn->wire);
	close = call->close;
	call->close = close || !http_may_skip(&conn->wire);
	if (!http_judge(http, call) ||
	    (call->route->takes_body && !http_make_room(conn, conn->wire.left)))
		return;
	call->close = close;
	http->stats.calls--; /* until it is whole */
	conn->judged = true;
	if (call->route->takes_body)
		http_has_head(conn);
	else /* nobody wants it, so that waiting for it is worth no place */
		wire_skip(&conn->wire);
}

bool
http_request_grows(struct http_conn *conn)
{
	struct http *http = conn->http;

	if (!conn->judged || conn->wire.body.len <= HTTP_BODY_FREE)
		return true;
	http->stats.calls++;
	if (!http_make_room(conn, conn->wire.body.len))
		return false;
	http->stats.calls--;
	return true;
}

void
http_request_whole(struct http_conn *conn)
{
	struct http *http = conn->http;
	struct call *call = &conn->call;
	bool judged = conn->judged;

	http->stats.calls++;
	http_enter(conn, HTTP_CALLED);
	if (conn->wire.excess)
		http->stats.refused[HTTP_REFUSED_TOO_LARGE]++;
	if (judged) {
		call_resume(call, &conn->wire);
		if (call->excess && !call_accept_body(call, http->opts.max_body))
			return;
	} else {
		http->stats.requests++;
		call_start(call, &conn->wire);
		if (!http_judge(http, call))
			return;
	}
	call_take_body(call, &conn->wire);
	call->route->handler(call);
}
