/* One outgoing connection: connects, shakes hands, writes at once what fits, reads what comes. */
#include "deliver/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

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
	    &conn->event, base, conn->fd, (short)(what | EV_PERSIST), conn_ev_socket, conn);
	event_add(&conn->event, conn_time_left(conn, &tv));
}

static bool
conn_has_output(const struct conn *conn)
{
	return !conn->deaf && conn->out[0].n + conn->out[1].n > 0;
}

/* --- its end --- */

/* Without a "sent" close OpenSSL makes the session unusable for the next connection. */
static void
conn_spare_session(struct conn *conn)
{
	if (conn->ssl != NULL)
		SSL_set_shutdown(conn->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

/* After a reset TCP is in state CLOSE, after an end of stream in CLOSE_WAIT; a write may have been
 * told of the reset before us. */
static bool
conn_got_reset(const struct conn *conn)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof info;

	return conn->fd >= 0 && getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}

static void
conn_die(struct conn *conn, int error)
{
	conn->error = error;
	conn->was_reset = conn->phase >= CONN_TLS && conn_got_reset(conn);
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
	conn->error = error;
	event_active(&conn->event, EV_TIMEOUT, 0);
}

/* --- TLS --- */

/*
 * What OpenSSL wants after `done` was not positive.  False: it failed, and conn->tls_error or
 * *error say why.
 */
static bool
conn_tls_wants(struct conn *conn, int done, short *what, int *error)
{
	int why = SSL_get_error(conn->ssl, done);

	*error = why == SSL_ERROR_SYSCALL ? errno : 0;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		*what = why == SSL_ERROR_WANT_WRITE ? EV_READ | EV_WRITE : EV_READ;
		return true;
	}
	if (why == SSL_ERROR_SSL)
		conn->tls_error = ERR_peek_last_error();
	if (SSL_get_verify_mode(conn->ssl) != SSL_VERIFY_NONE)
		conn->verify_error = SSL_get_verify_result(conn->ssl);
	ERR_clear_error();
	return false;
}

/* --- writing --- */

static void
conn_wrote(struct conn *conn, size_t n)
{
	for (size_t i = 0; i < 2; i++) {
		struct conn_piece *piece = &conn->out[i];
		size_t part = n < piece->n ? n : piece->n;

		piece->p += part;
		piece->n -= part;
		n -= part;
	}
}

/* Bytes written, 0: none now, -1: the peer takes no more. */
static ssize_t
conn_write_plain(struct conn *conn)
{
	struct iovec iov[2];
	struct msghdr msg = {.msg_iov = iov};
	ssize_t n;

	for (size_t i = 0; i < 2; i++) {
		if (conn->out[i].n == 0)
			continue;
		iov[msg.msg_iovlen].iov_base = (void *)(uintptr_t)conn->out[i].p;
		iov[msg.msg_iovlen++].iov_len = conn->out[i].n;
	}
	n = sendmsg(conn->fd, &msg, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n;
}

static ssize_t
conn_write_tls(struct conn *conn, short *what)
{
	const struct conn_piece *piece = conn->out[0].n > 0 ? &conn->out[0] : &conn->out[1];
	size_t done = 0;
	int error, rc;

	ERR_clear_error();
	rc = SSL_write_ex(conn->ssl, piece->p, piece->n, &done);
	if (rc > 0)
		return (ssize_t)done;
	return conn_tls_wants(conn, rc, what, &error) ? 0 : -1;
}

/* An endpoint may answer and close before it read the whole request: what it sent is read, however
 * the writing ends. */
static void
conn_write(struct conn *conn)
{
	short what = EV_READ | EV_WRITE;
	ssize_t n = 1;

	while (n > 0 && conn_has_output(conn)) {
		n = conn->ssl == NULL ? conn_write_plain(conn) : conn_write_tls(conn, &what);
		if (n > 0)
			conn_wrote(conn, (size_t)n);
	}
	conn->deaf = conn->deaf || n < 0;
	conn_watch(conn, conn_has_output(conn) ? what : EV_READ);
}

/* --- reading --- */

static void
conn_got(struct conn *conn, size_t n)
{
	if (conn->received == 0)
		conn->first_byte_us = clock_mono_us();
	conn->received += n;
	conn->user->data(conn->arg, conn, conn_input, n);
}

static void
conn_read_plain(struct conn *conn)
{
	ssize_t n = recv(conn->fd, conn_input, sizeof conn_input, 0);

	if (n > 0)
		conn_got(conn, (size_t)n);
	else if (n == 0)
		conn_die(conn, 0);
	else if (errno != EAGAIN && errno != EINTR)
		conn_die(conn, errno);
}

/* What OpenSSL has read already shows in no event. */
static void
conn_read_tls(struct conn *conn)
{
	short what;
	int error, rc;
	size_t n;

	do {
		ERR_clear_error();
		rc = SSL_read_ex(conn->ssl, conn_input, sizeof conn_input, &n);
		if (rc <= 0) {
			if (!conn_tls_wants(conn, rc, &what, &error))
				conn_die(conn, error);
			else if ((what & EV_WRITE) != 0)
				conn_watch(conn, what);
			return;
		}
		conn_got(conn, n);
	} while (conn->phase == CONN_OPEN && SSL_has_pending(conn->ssl));
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
	short what;
	int error, rc;

	ERR_clear_error();
	rc = SSL_connect(conn->ssl);
	if (rc == 1)
		conn_open(conn);
	else if (conn_tls_wants(conn, rc, &what, &error))
		conn_watch(conn, what);
	else
		conn_die(conn, error);
}

static void
conn_connected(struct conn *conn)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		conn_die(conn, error);
		return;
	}
	conn->connected_us = clock_mono_us();
	if (conn->ssl == NULL) {
		conn_open(conn);
		return;
	}
	conn->phase = CONN_TLS;
	SSL_set_fd(conn->ssl, conn->fd);
	conn_shake_hands(conn);
}

static void
conn_ev_socket(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	if ((what & EV_TIMEOUT) != 0) {
		conn_die(conn, conn->error != 0 ? conn->error : ETIMEDOUT);
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
		if ((what & EV_READ) == 0 && conn->ssl == NULL)
			break;
		if (conn->ssl == NULL)
			conn_read_plain(conn);
		else
			conn_read_tls(conn);
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
	if (conn->fd < 0) {
		conn_die_soon(conn, conn->error);
		return;
	}
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(conn->fd, &conn->addr.sa, len) != 0 && errno != EINPROGRESS)
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
	conn->ssl = opts->ssl;
	conn->connect_us = opts->connect_ms * 1000;
	conn->fd = socket(opts->addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		conn->error = errno;
	event_assign(&conn->event, opts->base, conn->fd, 0, conn_ev_socket, conn);
	return conn;
}

void
conn_free(struct conn *conn)
{
	event_del(&conn->event);
	conn_spare_session(conn);
	SSL_free(conn->ssl);
	if (conn->fd >= 0)
		close(conn->fd);
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
	conn->out[0] = (struct conn_piece){.p = head, .n = head_len};
	conn->out[1] = (struct conn_piece){.p = body, .n = body_len};
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
	return conn->open_us == 0 && conn->connect_us > 0 &&
	       clock_mono_us() - conn->start_us >= conn->connect_us;
}

bool
conn_is_ready(const struct conn *conn)
{
	return conn->phase == CONN_OPEN && !conn->deaf && !conn_has_output(conn);
}
