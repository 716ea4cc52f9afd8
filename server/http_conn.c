/* One connection from a client: bytes to requests, requests to handlers, answers back. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/http_internal.h"
#include "server/http_listen.h"
#include "server/problem.h"

/* Read in one go; the process has one such buffer, and its bytes are used before the next read. */
static char http_input[65536];
static bool http_input_secret; /* the bytes are to be wiped when they were used */

static bool
http_is_reading(const struct http_conn *conn)
{
	return conn->state <= HTTP_READING;
}

/* --- refusals --- */

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
http_send_refusal(struct http_conn *conn, int status, const char *detail)
{
	struct wire *wire = &conn->wire;
	struct http *http = conn->http;
	struct buf body = {0};
	char id[129];

	call_choose_id(id, buf_str(&wire->out) + wire->id, wire->id_len);
	log_msg(LOG_DEBUG, "request refused: %d, %s", status, detail);
	problem_write(&body, status, detail, id, NULL);
	http_write_head(http, &http->head, status, problem_title(status));
	buf_adds(&http->head, "X-Request-Id: ");
	buf_adds(&http->head, id);
	buf_adds(&http->head, "\r\nContent-Type: application/problem+json\r\nContent-Length: ");
	buf_addu(&http->head, body.len);
	buf_adds(&http->head, "\r\nConnection: close\r\n\r\n");
	http_write(conn, &http->head, wire->head ? NULL : &body, HTTP_THEN_LINGER);
	buf_clear(&body);
}

void
http_conn_refuse(struct http_conn *conn, int status, const char *why, size_t limit)
{
	struct buf detail = {0};

	buf_adds(&detail, why);
	if (limit > 0) {
		buf_addc(&detail, ' ');
		buf_addu(&detail, limit);
		buf_adds(&detail, " bytes");
	}
	conn->http->stats.refused[http_refusal_of(status)]++;
	http_send_refusal(conn, status, buf_str(&detail));
	buf_clear(&detail);
}

/* --- answers --- */

bool
http_closing(const struct call *call)
{
	return call->conn->http->waning || call->conn->extra;
}

void
http_send(struct call *call, int status, const char *phrase, bool with_body)
{
	struct http_conn *conn = call->conn;
	struct http *http = conn->http;
	bool more = call->excess || wire_is_in_body(&conn->wire);
	enum http_then then = !call->close ? HTTP_THEN_NEXT
			      : more       ? HTTP_THEN_LINGER
					   : HTTP_THEN_CLOSE;

	http->stats.calls--;
	if (http->opts.traffic != NULL)
		traffic_count(http->opts.traffic, call, status);
	http_write_head(http, &http->head, status, phrase);
	buf_add(&http->head, call->headers.data, call->headers.len);
	buf_adds(&http->head, "\r\n");
	http->head.secret = conn->out.secret = call->secret;
	http_write(conn, &http->head, with_body ? &call->reply : NULL, then);
	if (call->secret)
		buf_clear(&http->head); /* with TLS it has the body */
}

/* --- bytes --- */

static void
http_send_continue(struct http_conn *conn)
{
	static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec piece = {text, sizeof text - 1};

	conn->wire.expects = false;
	/* a client that has not read what it got before this has no use for it */
	if (stream_write(&conn->stream, &piece, 1) != (ssize_t)piece.iov_len)
		http_end(conn);
}

static enum wire_result
http_feed_wire(struct wire *wire, const char *p, size_t n, size_t *used)
{
	enum wire_result result = wire_feed(wire, p, n, used);

	http_input_secret = http_input_secret || wire->secret;
	return result;
}

/* What is behind an answer that came before the end of its request; returns how many bytes. */
static size_t
http_skip(struct http_conn *conn, const char *p, size_t n)
{
	struct wire *wire = &conn->wire;
	size_t used;
	enum wire_result result = http_feed_wire(wire, p, n, &used);

	if (result == WIRE_FAULT || wire->excess || wire->taken > HTTP_SKIP_MAX) {
		http_linger(conn);
		return n;
	}
	if (result == WIRE_WHOLE) {
		wire_next(wire);
		http_enter(conn, HTTP_IDLE);
	}
	return used;
}

/* The next bytes of a request; returns how many were used. */
static size_t
http_take(struct http_conn *conn, const char *p, size_t n)
{
	struct wire *wire = &conn->wire;
	size_t used;

	switch (http_feed_wire(wire, p, n, &used)) {
	case WIRE_HEAD:
		http_request_head(conn);
		break;
	case WIRE_WHOLE:
		if (http_request_grows(conn))
			http_request_whole(conn);
		break;
	case WIRE_FAULT:
		http_conn_refuse(conn, wire->status, wire->why, wire->limit);
		return n;
	case WIRE_MORE:
		http_request_grows(conn);
		break;
	}
	return used;
}

/* Returns how many of the bytes were used: not those behind a request that is not answered yet, nor
 * those that have to wait for the next turn of the loop.  In each, one request at least is come to.
 */
static size_t
http_feed(struct http_conn *conn, const char *p, size_t n)
{
	struct wire *wire = &conn->wire;
	size_t at = 0;

	while (at < n && http_is_reading(conn) && (at == 0 || !http_turn_is_over(conn->http))) {
		if (conn->state == HTTP_SKIPPING) {
			at += http_skip(conn, p + at, n - at);
			continue;
		}
		if (conn->state != HTTP_READING)
			http_enter(conn, HTTP_READING);
		at += http_take(conn, p + at, n - at);
	}
	if (conn->state == HTTP_READING && !wire_is_within(wire))
		http_enter(conn, HTTP_IDLE);
	else if (conn->state == HTTP_READING && wire_is_expecting(wire))
		http_send_continue(conn);
	return at;
}

static void
http_feed_rest(struct http_conn *conn)
{
	http_input_secret = false;
	conn->in_at += http_feed(conn, conn->in.data + conn->in_at, conn->in.len - conn->in_at);
	conn->in.secret = conn->in.secret || http_input_secret;
	if (conn->in_at < conn->in.len)
		return;
	buf_clear(&conn->in);
	conn->in.secret = false;
	conn->in_at = 0;
}

/* The client went away, closed its side, or speaks no TLS: what it sent then is taken, for closing
 * with bytes unread would reset the connection and take the alert from it. */
static void
http_lost(struct http_conn *conn)
{
	if (conn->stream.tls_error != 0)
		recv(conn->stream.fd, http_input, sizeof http_input, 0);
	if (conn->state == HTTP_READING)
		conn->http->stats.refused[HTTP_REFUSED_BROKEN]++;
	http_conn_free(conn);
}

/* Behind http_watch(), which would forget it. */
static void
http_wait_a_turn(struct http_conn *conn)
{
	static const struct timeval next_turn = {0};

	event_add(&conn->event, &next_turn);
}

/* A record of which only the beginning is here is the beginning of a request, and has as long. */
static void
http_note_record(struct http_conn *conn)
{
	bool begun = wire_is_within(&conn->wire) || stream_has_part(&conn->stream);

	if (begun && (conn->state == HTTP_FRESH || conn->state == HTTP_IDLE))
		http_enter(conn, HTTP_READING);
	else if (!begun && conn->state == HTTP_READING)
		http_enter(conn, HTTP_IDLE);
}

static void
http_read(struct http_conn *conn)
{
	size_t used;
	ssize_t n;

	do {
		n = stream_read(&conn->stream, http_input, sizeof http_input);
		if (n < 0) {
			http_lost(conn);
			return;
		}
		if (n == 0)
			break;
		http_input_secret = false;
		used = http_feed(conn, http_input, (size_t)n);
		buf_add(&conn->in, http_input + used, (size_t)n - used);
		if (http_input_secret)
			mem_wipe(http_input, (size_t)n);
	} while (http_is_reading(conn) && conn->in.len == 0 && stream_has_more(&conn->stream));
	if (http_is_reading(conn)) {
		http_note_record(conn);
		http_watch(conn, conn->stream.wants_write ? EV_READ | EV_WRITE : EV_READ);
		if (conn->in.len > 0)
			http_wait_a_turn(conn);
	}
	if (conn->http->draining) /* it may have been passed over for what was read now */
		event_active(&conn->http->sweep, 0, 0);
}

static void
http_read_on(struct http_conn *conn, short what)
{
	if (conn->in.len > 0)
		http_feed_rest(conn);
	if (!http_is_reading(conn))
		return;
	if (conn->in.len > 0)
		http_wait_a_turn(conn);
	else if ((what & (EV_READ | EV_WRITE)) != 0 || stream_has_more(&conn->stream))
		http_read(conn);
}

/* What comes now is thrown away. */
static void
http_discard(struct http_conn *conn)
{
	if (stream_read(&conn->stream, http_input, sizeof http_input) < 0)
		http_conn_free(conn);
}

static void
http_ev_conn(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *conn = arg;

	(void)fd;
	if ((what & EV_TIMEOUT) != 0 && conn->watched != 0)
		event_add(&conn->event, NULL); /* a turn that was waited for has removed it */
	switch (conn->state) {
	case HTTP_FRESH:
	case HTTP_IDLE:
	case HTTP_SKIPPING:
	case HTTP_READING:
		http_read_on(conn, what);
		break;
	case HTTP_CALLED: /* more came, or the end; it waits for the answer */
		http_watch(conn, 0);
		break;
	case HTTP_WRITING:
		http_write_more(conn);
		break;
	case HTTP_LINGERING:
		http_discard(conn);
		break;
	case HTTP_ENDED:
		http_conn_free(conn);
		break;
	case HTTP_STATES:
		break;
	}
}

/* --- life --- */

bool
http_conn_is_quiet(const struct http_conn *conn)
{
	int waiting;

	return conn->in.len == 0 && !stream_has_data(&conn->stream) &&
	       (ioctl(conn->stream.fd, FIONREAD, &waiting) != 0 || waiting == 0);
}

struct http_conn *
http_conn_open(struct http *http, int fd, struct client *client)
{
	struct http_conn *conn = xcalloc(1, sizeof *conn);

	conn->http = http;
	conn->call.app = http->opts.app;
	conn->call.conn = conn;
	conn->stream.fd = fd;
	conn->client = client;
	if (http->opts.tls != NULL) {
		conn->stream.ssl = tls_server_accept(http->opts.tls);
		SSL_set_fd(conn->stream.ssl, fd);
		SSL_set_accept_state(conn->stream.ssl);
	}
	wire_init(&conn->wire, http->opts.max_header, http->opts.max_body);
	event_assign(&conn->event, http->opts.base, fd, EV_READ | EV_PERSIST, http_ev_conn, conn);
	TAILQ_INSERT_TAIL(&http->conns[HTTP_FRESH], conn, link);
	http->stats.connections++;
	http->stats.accepted++;
	http_listen_accepted(http->listen);
	http_enter(conn, HTTP_FRESH);
	http_watch(conn, EV_READ);
	return conn;
}

void
http_conn_free(struct http_conn *conn)
{
	struct http *http = conn->http;

	bodies_give_back(http->bodies, &conn->part);
	http_places_leave_extra(conn);
	http_has_head(conn);
	http_count_unsent(conn, 0);
	TAILQ_REMOVE(&http->conns[conn->state], conn, link);
	event_del(&conn->event);
	if (conn->stream.ssl != NULL)
		tls_server_end(conn->stream.ssl);
	stream_close(&conn->stream);
	if (conn->client != NULL)
		clients_leave(http->clients, conn->client);
	http->stats.connections--;
	if (http->draining)
		event_active(&http->sweep, 0, 0);
	wire_clear(&conn->wire);
	buf_clear(&conn->in);
	buf_clear(&conn->out);
	call_clear(&conn->call);
	free(conn);
}
