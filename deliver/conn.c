/* One outgoing connection: connects, shakes hands, writes at once what fits, reads what comes. */
#include "deliver/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"

/* Read in one go; the process has one such buffer, and its bytes are used before the next read. */
static char conn_input[65536];

static void conn_ev_socket(evutil_socket_t fd, short what, void *arg);

/* --- what is waited for --- */

/* Of the connecting time, what is left; NULL: no limit. */
static const struct timeval *
conn_time_left(const struct conn *conn, struct timeval *tv)
{
	int64_t us;

	if (conn->phase >= CONN_OPEN || conn->connect_us == 0)
		return NULL;
	us = conn->start_us + conn->connect_us - clock_mono_us();
	if (us < 0)
		us = 0;
	tv->tv_sec = us / 1000000;
	tv->tv_usec = us % 1000000;
	return tv;
}

static void
conn_watch(struct conn *conn, short what)
{
	struct event_base *base = event_get_base(&conn->event);
	struct timeval tv;

	if (conn->watched == what)
		return;
	conn->watched = what;
	event_del(&conn->event);
	event_assign(
	    &conn->event, base, conn->stream.fd, (short)(what | EV_PERSIST), conn_ev_socket, conn);
	event_add(&conn->event, conn_time_left(conn, &tv));
}

/* --- its end --- */

/* Without a "sent" close OpenSSL makes the session unusable for the next connection. */
static void
conn_spare_session(struct conn *conn)
{
	if (conn->stream.ssl != NULL)
		SSL_set_shutdown(conn->stream.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

/* A write may have been told of a reset before the read that ends it. */
static void
conn_die(struct conn *conn)
{
	SSL *ssl = conn->stream.ssl;

	if (ssl != NULL && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
		conn->verify_error = SSL_get_verify_result(ssl);
	conn->was_reset = stream_was_reset(&conn->stream);
	conn->ended_in = conn->phase;
	conn->phase = CONN_DEAD;
	conn_spare_session(conn);
	event_del(&conn->event);
	conn->user->end(conn->arg, conn);
}

/* The same, when no event calls for it: in this turn of the loop. */
static void
conn_die_soon(struct conn *conn, int error)
{
	conn->stream.error = error;
	event_active(&conn->event, EV_TIMEOUT, 0);
}

/* Its time is over, or conn_die_soon() has set the error. */
static void
conn_expire(struct conn *conn)
{
	if (conn->stream.error == 0)
		conn->stream.error = ETIMEDOUT;
	conn_die(conn);
}

/* --- writing and reading --- */

static void
conn_wrote(struct conn *conn, size_t n)
{
	for (size_t i = 0; i < 2; i++) {
		struct iovec *piece = &conn->out[i];
		size_t part = n < piece->iov_len ? n : piece->iov_len;

		if (part > 0) /* there may be no second piece */
			piece->iov_base = (char *)piece->iov_base + part;
		piece->iov_len -= part;
		n -= part;
	}
}

static bool
conn_has_output(const struct conn *conn)
{
	return !conn->deaf && conn->out[0].iov_len + conn->out[1].iov_len > 0;
}

static void
conn_watch_more(struct conn *conn)
{
	bool write = conn_has_output(conn) || conn->stream.wants_write;

	conn_watch(conn, write ? EV_READ | EV_WRITE : EV_READ);
}

/* An endpoint may answer and close before it read the whole request: what it sent is read, however
 * the writing ends. */
static void
conn_write(struct conn *conn)
{
	ssize_t n = 1;

	while (n > 0 && conn_has_output(conn)) {
		n = stream_write(&conn->stream, conn->out, 2);
		if (n > 0)
			conn_wrote(conn, (size_t)n);
	}
	conn->deaf = conn->deaf || n < 0;
	conn_watch_more(conn);
}

static void
conn_read(struct conn *conn)
{
	ssize_t n;

	do {
		n = stream_read(&conn->stream, conn_input, sizeof conn_input);
		if (n < 0)
			conn_die(conn);
		else if (n == 0)
			conn_watch_more(conn);
		if (n <= 0)
			return;
		if (conn->received == 0)
			conn->first_byte_us = clock_mono_us();
		conn->received += (size_t)n;
		conn->user->data(conn->arg, conn, conn_input, (size_t)n);
	} while (conn->phase == CONN_OPEN && stream_has_more(&conn->stream));
}

/* --- the phases --- */

static void
conn_open(struct conn *conn)
{
	conn->phase = CONN_OPEN;
	conn->open_us = clock_mono_us();
	conn->watched = 0; /* no time limit any more */
	conn_write(conn);
}

static void
conn_shake_hands(struct conn *conn)
{
	int done = stream_shake_hands(&conn->stream);

	if (done > 0)
		conn_open(conn);
	else if (done < 0)
		conn_die(conn);
	else if (conn_is_late(conn)) /* each byte sets the event's timer back */
		conn_expire(conn);
	else
		conn_watch(conn, conn->stream.wants_write ? EV_READ | EV_WRITE : EV_READ);
}

static void
conn_connected(struct conn *conn)
{
	socklen_t len = sizeof conn->stream.error;

	getsockopt(conn->stream.fd, SOL_SOCKET, SO_ERROR, &conn->stream.error, &len);
	if (conn->stream.error != 0) {
		conn_die(conn);
		return;
	}
	conn->connected_us = clock_mono_us();
	if (conn->stream.ssl == NULL) {
		conn_open(conn);
		return;
	}
	conn->phase = CONN_TLS;
	SSL_set_fd(conn->stream.ssl, conn->stream.fd);
	SSL_set_connect_state(conn->stream.ssl);
	conn_shake_hands(conn);
}

static void
conn_ev_socket(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	if ((what & EV_TIMEOUT) != 0) {
		conn_expire(conn);
		return;
	}
	switch (conn->phase) {
	case CONN_CONNECT:
		conn_connected(conn);
		break;
	case CONN_TLS:
		conn_shake_hands(conn);
		break;
	case CONN_OPEN:
		if (conn_has_output(conn))
			conn_write(conn);
		if ((what & EV_READ) != 0 || conn->stream.ssl != NULL)
			conn_read(conn);
		break;
	case CONN_DEAD:
		break;
	}
}

static void
conn_connect(struct conn *conn)
{
	socklen_t len =
	    conn->addr.sa.sa_family == AF_INET ? sizeof conn->addr.v4 : sizeof conn->addr.v6;
	int on = 1;

	conn->start_us = clock_mono_us();
	if (conn->stream.fd < 0) {
		conn_die_soon(conn, conn->stream.error);
		return;
	}
	setsockopt(conn->stream.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(conn->stream.fd, &conn->addr.sa, len) != 0 && errno != EINPROGRESS)
		conn_die_soon(conn, errno);
	else
		conn_watch(conn, EV_WRITE);
}

/* --- for the others --- */

struct conn *
conn_new(const struct conn_opts *opts)
{
	struct conn *conn = xcalloc(1, sizeof *conn);

	conn->addr = *opts->addr;
	conn->stream.ssl = opts->ssl;
	conn->connect_us = opts->connect_ms * 1000;
	conn->stream.fd =
	    socket(opts->addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->stream.fd < 0)
		conn->stream.error = errno;
	event_assign(&conn->event, opts->base, conn->stream.fd, 0, conn_ev_socket, conn);
	return conn;
}

void
conn_free(struct conn *conn)
{
	event_del(&conn->event);
	conn_spare_session(conn);
	stream_close(&conn->stream);
	free(conn);
}

void
conn_stop(struct conn *conn)
{
	conn->phase = CONN_DEAD;
	event_del(&conn->event);
}

void
conn_use(struct conn *conn, const struct conn_user *user, void *arg)
{
	conn->user = user;
	conn->arg = arg;
	memset(conn->out, 0, sizeof conn->out);
}

void
conn_send(struct conn *conn, const char *head, size_t head_len, const char *body, size_t body_len)
{
	conn->out[0] = (struct iovec){(void *)(uintptr_t)head, head_len};
	conn->out[1] = (struct iovec){(void *)(uintptr_t)body, body_len};
	conn->received = 0;
	conn->first_byte_us = 0;
	if (conn->uses++ == 0)
		conn_connect(conn);
	else
		conn_write(conn);
}

bool
conn_is_late(const struct conn *conn)
{
	if (conn->open_us > 0 || conn->connect_us == 0)
		return false;
	/* the loop's timers may be some ms early */
	return conn->stream.error == ETIMEDOUT ||
	       clock_mono_us() - conn->start_us >= conn->connect_us;
}

/* Reading takes no data under TLS where only part of a record is here, nor from what is behind a
 * record of another kind. */
static bool
conn_has_unread(const struct conn *conn)
{
	int waiting;

	return stream_has_more(&conn->stream) ||
	       (conn->stream.ssl != NULL &&
		   (ioctl(conn->stream.fd, FIONREAD, &waiting) != 0 || waiting > 0));
}

bool
conn_is_silent(struct conn *conn)
{
	return conn->phase == CONN_OPEN &&
	       stream_read(&conn->stream, conn_input, sizeof conn_input) == 0 &&
	       !conn_has_unread(conn);
}

bool
conn_is_ready(const struct conn *conn)
{
	return conn->phase == CONN_OPEN && !conn->deaf && !conn_has_output(conn);
}
