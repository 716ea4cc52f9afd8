/* What the gate of a connection found, and what is to be written for it beside evhttp. */
#include <event2/buffer.h>
#include <event2/http.h>

#include "base/log.h"
#include "server/http_internal.h"

static enum http_refusal
http_refusal_of(int status)
{
	switch (status) {
	case 400:
		return HTTP_REFUSED_INVALID;
	case 408:
		return HTTP_REFUSED_SLOW;
	case 413:
	case 414:
	case 431:
		return HTTP_REFUSED_TOO_LARGE;
	default:
		return HTTP_REFUSED_UNSUPPORTED;
	}
}

static void
http_on_refused(void *arg)
{
	struct http_conn *conn = arg;

	evhttp_connection_free(conn->evcon);
}

void
http_refuse(struct http_conn *conn, int status, const char *why, size_t limit)
{
	struct wire *wire = &conn->gate.wire;
	struct buf detail = {0};

	buf_adds(&detail, why);
	if (limit > 0) {
		buf_addc(&detail, ' ');
		buf_addu(&detail, limit);
		buf_adds(&detail, " bytes");
	}
	call_choose_id(conn->call.request_id, buf_str(&wire->out) + wire->id, wire->id_len);
	log_msg(LOG_DEBUG, "request refused: %d, %s", status, buf_str(&detail));
	conn->http->stats.refused[http_refusal_of(status)]++;
	gate_shut(&conn->gate);
	http_enter(conn, HTTP_REFUSED);
	refuse_start(&conn->refuse, conn->bev, status, buf_str(&detail), conn->call.request_id,
	    wire->head, http_on_refused, conn);
	buf_clear(&detail);
}

/* evhttp's own would come only after the request, which the gate keeps until it is whole. */
static void
http_send_continue(struct http_conn *conn)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	bufferevent_event_cb on_event;
	bufferevent_data_cb on_read;
	void *arg;

	conn->gate.wire.expects = false;
	/* what evhttp does when it has written belongs to the request before */
	bufferevent_getcb(conn->bev, &on_read, NULL, &on_event, &arg);
	bufferevent_setcb(conn->bev, on_read, NULL, on_event, arg);
	evbuffer_add(bufferevent_get_output(conn->bev), text, sizeof text - 1);
	bufferevent_enable(conn->bev, EV_WRITE);
}

void
http_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	struct http_conn *conn;

	(void)fd;
	(void)what;
	while ((conn = TAILQ_FIRST(&http->turns)) != NULL) {
		const struct wire *wire = &conn->gate.wire;

		TAILQ_REMOVE(&http->turns, conn, turn_link);
		conn->turning = false;
		if (conn->state != HTTP_READING ||
		    evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0)
			continue; /* what came before is answered first */
		if (conn->gate.excess) {
			http_enter(conn, HTTP_REFUSED);
			refuse_end(&conn->refuse, conn->bev, http_on_refused, conn);
		} else if (wire->status != 0) {
			http_refuse(conn, wire->status, wire->why, wire->limit);
		} else if (wire_is_expecting(wire)) {
			http_send_continue(conn);
		}
	}
}

void
http_look(struct http_conn *conn)
{
	const struct wire *wire = &conn->gate.wire;
	bool more = wire_is_within(wire) || conn->gate.excess ||
		    evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0;

	if (conn->state == HTTP_WRITING)
		http_enter(conn, more ? HTTP_READING : HTTP_IDLE);
	else if (more && (conn->state == HTTP_IDLE || conn->state == HTTP_FRESH))
		http_enter(conn, HTTP_READING);
	if (conn->turning || (wire->status == 0 && !conn->gate.excess && !wire_is_expecting(wire)))
		return;
	conn->turning = true;
	TAILQ_INSERT_TAIL(&conn->http->turns, conn, turn_link);
	event_active(conn->http->turn, 0, 0);
}
