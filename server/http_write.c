/* Answers on their way to the client: at once as a rule, the rest when there is room. */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "server/http_internal.h"
#include "server/tls_server.h"

#define HTTP_OUT_KEPT 4096 /* bytes of memory that a connection keeps */

void
http_watch(struct http_conn *conn, short what)
{
	if (conn->watched == what)
		return;
	conn->watched = what;
	event_del(&conn->event);
	if (what == 0)
		return;
	event_assign(&conn->event, conn->http->opts.base, conn->stream.fd,
	    (short)(what | EV_PERSIST), event_get_callback(&conn->event), conn);
	event_add(&conn->event, NULL);
}

/* RFC 9110, 6.6.1; made once a second. */
static const char *
http_date(struct http *http)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	if (now != http->date_at)
		strftime(http->date, sizeof http->date, "%a, %d %b %Y %H:%M:%S GMT",
		    gmtime_r(&now, &tm));
	http->date_at = now;
	return http->date;
}

void
http_write_head(struct http *http, struct buf *head, int status, const char *phrase)
{
	buf_reset(head);
	buf_adds(head, "HTTP/1.1 ");
	buf_addi(head, status);
	buf_addc(head, ' ');
	buf_adds(head, phrase);
	buf_adds(head, "\r\nDate: ");
	buf_adds(head, http_date(http));
	buf_adds(head, "\r\n");
}

static bool
http_has_unread(const struct http_conn *conn)
{
	int waiting;

	return conn->in.len > 0 || ioctl(conn->stream.fd, FIONREAD, &waiting) != 0 || waiting > 0;
}

/* Closing a socket with bytes unread would reset the connection and could take the answer from the
 * client (RFC 9112, 9.6). */
void
http_linger(struct http_conn *conn)
{
	if (conn->stream.ssl != NULL)
		tls_server_end(conn->stream.ssl);
	shutdown(conn->stream.fd, SHUT_WR);
	http_enter(conn, HTTP_LINGERING);
	http_watch(conn, EV_READ);
}

/* A handler may be above us, so that nothing is freed here. */
void
http_end(struct http_conn *conn)
{
	http_enter(conn, HTTP_ENDED);
	event_active(&conn->event, EV_TIMEOUT, 0);
}

/* What came meanwhile is looked at in this turn of the loop, or by whoever is above us now. */
static void
http_next(struct http_conn *conn)
{
	if (wire_is_in_body(&conn->wire)) {
		wire_skip(&conn->wire);
		http_enter(conn, HTTP_SKIPPING);
	} else {
		wire_next(&conn->wire);
		http_enter(conn, HTTP_IDLE);
	}
	http_watch(conn, EV_READ);
	if (conn->in.len > 0 || stream_has_more(&conn->stream))
		event_active(&conn->event, EV_TIMEOUT, 0);
}

static void
http_written(struct http_conn *conn)
{
	if (conn->then == HTTP_THEN_CLOSE && http_has_unread(conn))
		conn->then = HTTP_THEN_LINGER;
	switch (conn->then) {
	case HTTP_THEN_NEXT:
		http_next(conn);
		break;
	case HTTP_THEN_CLOSE:
		http_end(conn);
		break;
	case HTTP_THEN_LINGER:
		http_linger(conn);
		break;
	}
	if (conn->http->draining)
		event_active(&conn->http->sweep, 0, 0);
}

/* Bytes of the pieces that could be written, or -1. */
static ssize_t
http_write_pieces(struct http_conn *conn, struct iovec *pieces, size_t n)
{
	size_t done = 0, part;
	ssize_t some = 1;

	while (some > 0) {
		some = stream_write(&conn->stream, pieces, n);
		if (some < 0)
			return -1;
		done += (size_t)some;
		for (size_t i = 0, left = (size_t)some; i < n; i++) {
			part = left < pieces[i].iov_len ? left : pieces[i].iov_len;
			pieces[i].iov_base = (char *)pieces[i].iov_base + part;
			pieces[i].iov_len -= part;
			left -= part;
		}
		if (pieces[n - 1].iov_len == 0)
			break;
	}
	return (ssize_t)done;
}

void
http_count_unsent(struct http_conn *conn, size_t unsent)
{
	conn->http->stats.unsent_bytes += unsent - conn->unsent;
	conn->unsent = unsent;
}

/* Gives up the answers that have waited longest when all that wait are too much: their clients do
 * not take them. */
static void
http_make_room(const struct http_conn *conn)
{
	struct http *http = conn->http;
	struct http_conn *slow;

	while (http->stats.unsent_bytes > http->opts.max_unsent &&
	       (slow = TAILQ_FIRST(&http->conns[HTTP_WRITING])) != conn) {
		http->stats.given_up++;
		buf_clear(&slow->out);
		http_end(slow);
	}
}

void
http_write(struct http_conn *conn, struct buf *head, const struct buf *body, enum http_then then)
{
	struct iovec pieces[2] = {{head->data, head->len}, {NULL, 0}};
	ssize_t done;

	conn->then = then;
	if (conn->stream.ssl != NULL && body != NULL) { /* one record for both */
		buf_add(head, body->data, body->len);
		pieces[0] = (struct iovec){head->data, head->len};
	} else if (body != NULL) {
		pieces[1] = (struct iovec){body->data, body->len};
	}
	done = http_write_pieces(conn, pieces, pieces[1].iov_len > 0 ? 2 : 1);
	if (done < 0) {
		http_end(conn);
		return;
	}
	if (pieces[0].iov_len + pieces[1].iov_len == 0) {
		http_written(conn);
		return;
	}
	for (size_t i = 0; i < 2; i++)
		buf_add(&conn->out, pieces[i].iov_base, pieces[i].iov_len);
	conn->out_at = 0;
	http_enter(conn, HTTP_WRITING);
	http_count_unsent(conn, conn->out.len);
	http_watch(conn, EV_WRITE);
	http_make_room(conn);
}

void
http_write_more(struct http_conn *conn)
{
	struct iovec piece = {conn->out.data + conn->out_at, conn->out.len - conn->out_at};
	ssize_t done = http_write_pieces(conn, &piece, 1);

	if (done < 0) {
		http_end(conn);
		return;
	}
	conn->out_at += (size_t)done;
	http_count_unsent(conn, conn->out.len - conn->out_at);
	if (conn->out_at < conn->out.len)
		return;
	if (conn->out.cap > HTTP_OUT_KEPT)
		buf_clear(&conn->out);
	else
		buf_reset(&conn->out);
	conn->out_at = 0;
	http_written(conn);
}
