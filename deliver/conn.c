/* One outgoing connection: hides what evhttp, its bufferevent and OpenSSL need to behave. */
#include "deliver/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"

/* evhttp's own timers are for silence, not for the whole: they are put out of the way. */
#define CONN_NEVER_S 86400
/* One chunk must fit into the buffer whole before evhttp looks at it. */
#define CONN_SLACK 65536

/* Connected (after TLS): evhttp has just put the first request's head into the output. */
static void
conn_on_open(struct conn *conn)
{
	conn->phase = CONN_OPEN;
	conn->open_us = clock_mono_us();
	if (conn->connected_us == 0)
		conn->connected_us = conn->open_us;
	bufferevent_set_timeouts(conn->bev, NULL, NULL);
}

static void
conn_ev_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *conn = arg;

	if (info->n_added > 0 && conn->phase < CONN_OPEN)
		conn_on_open(conn);
	/* An endpoint may answer and close before it read the whole request.  Once all is written
	 * the flag must be off: with it evhttp waits for ever after an end of stream that cuts an
	 * answer short. */
	if (info->n_deleted > 0 && evbuffer_get_length(output) == 0)
		evhttp_connection_set_flags(conn->evcon, 0);
}

static void
conn_ev_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *conn = arg;

	(void)input;
	if (info->n_added == 0)
		return;
	if (conn->received == 0)
		conn->first_byte_us = clock_mono_us();
	conn->received += info->n_added;
}

/* Without a "sent" close OpenSSL makes the session unusable for the next connection. */
static void
conn_spare_session(struct conn *conn)
{
	SSL_set_shutdown(conn->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

/* evhttp closes the socket next, so this is the last moment to ask how it ended: after a reset
 * TCP is in state CLOSE, after an end of stream in CLOSE_WAIT. */
static void
conn_ev_close(struct evhttp_connection *evcon, void *arg)
{
	struct conn *conn = arg;
	struct tcp_info info = {0};
	socklen_t len = sizeof info;

	(void)evcon;
	if (conn->phase == CONN_DEAD)
		return;
	conn->phase = CONN_DEAD;
	if (conn->ssl != NULL)
		conn_spare_session(conn);
	if (getsockopt(bufferevent_getfd(conn->bev), IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		conn->was_reset = info.tcpi_state == TCP_CLOSE;
	conn->dead(conn->dead_arg, conn);
}

static void
conn_ev_tls(const SSL *ssl, int where, int value)
{
	struct conn *conn = SSL_get_app_data(ssl);
	union resolve_addr peer;
	socklen_t len = sizeof peer;

	(void)value;
	if (conn == NULL)
		return;
	/* The handshake "starts" too when the connect failed, to learn of it. */
	if ((where & SSL_CB_HANDSHAKE_START) != 0 && conn->phase == CONN_CONNECT &&
	    getpeername(bufferevent_getfd(conn->bev), &peer.sa, &len) == 0) {
		conn->phase = CONN_TLS;
		conn->connected_us = clock_mono_us();
	}
	if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT &&
	    SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
		conn->verify_error = SSL_get_verify_result(ssl);
}

static struct bufferevent *
conn_bufferevent(struct conn *conn, struct event_base *base)
{
	struct bufferevent *bev;

	if (conn->ssl == NULL)
		return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	SSL_set_app_data(conn->ssl, conn);
	SSL_set_info_callback(conn->ssl, conn_ev_tls);
	bev = bufferevent_openssl_socket_new(base, -1, conn->ssl, BUFFEREVENT_SSL_CONNECTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (bev != NULL)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

static void
conn_limits(struct conn *conn, const struct conn_opts *opts)
{
	struct timeval tv = {.tv_sec = CONN_NEVER_S};

	if (opts->connect_ms > 0) {
		tv.tv_sec = opts->connect_ms / 1000;
		tv.tv_usec = opts->connect_ms % 1000 * 1000;
		conn->connect_us = opts->connect_ms * 1000;
	}
	evhttp_connection_set_timeout_tv(conn->evcon, &tv);
	evhttp_connection_set_max_headers_size(conn->evcon, CONN_HEAD_MAX);
	evhttp_connection_set_max_body_size(conn->evcon, (ev_ssize_t)opts->max_body);
	/* An endless line, in a head or between chunks, ends here, and the deadline ends the wait.
	 */
	bufferevent_setwatermark(
	    conn->bev, EV_READ, 0, opts->max_body + CONN_HEAD_MAX + CONN_SLACK);
}

struct conn *
conn_new(const struct conn_opts *opts)
{
	struct conn *conn = xcalloc(1, sizeof *conn);
	char text[INET6_ADDRSTRLEN];
	const void *raw = opts->addr->sa.sa_family == AF_INET
			      ? (const void *)&opts->addr->v4.sin_addr
			      : &opts->addr->v6.sin6_addr;

	conn->addr = *opts->addr;
	conn->ssl = opts->ssl;
	conn->dead = opts->dead;
	conn->dead_arg = opts->arg;
	inet_ntop(opts->addr->sa.sa_family, raw, text, sizeof text);
	conn->bev = conn_bufferevent(conn, opts->base);
	if (conn->bev != NULL)
		/* v4 and v6 have the port in the same place.  A number needs no lookup. */
		conn->evcon = evhttp_connection_base_bufferevent_new(
		    opts->base, NULL, conn->bev, text, ntohs(opts->addr->v4.sin_port));
	if (conn->evcon == NULL)
		abort(); /* no memory */
	conn_limits(conn, opts);
	evhttp_connection_set_closecb(conn->evcon, conn_ev_close, conn);
	evbuffer_add_cb(bufferevent_get_output(conn->bev), conn_ev_output, conn);
	evbuffer_add_cb(bufferevent_get_input(conn->bev), conn_ev_input, conn);
	return conn;
}

void
conn_free(struct conn *conn)
{
	conn->phase = CONN_DEAD;
	if (conn->ssl != NULL) {
		SSL_set_app_data(conn->ssl, NULL);
		conn_spare_session(conn);
	}
	/* The bufferevent outlives this call by a turn of the loop. */
	evbuffer_remove_cb(bufferevent_get_output(conn->bev), conn_ev_output, conn);
	evbuffer_remove_cb(bufferevent_get_input(conn->bev), conn_ev_input, conn);
	evhttp_connection_free(conn->evcon);
	free(conn);
}

/*
 * Writes a request at once instead of when the loop says that one may: an idle connection has room,
 * and nearly always for all of it.  That spares two epoll_ctl and a turn of the loop.  What goes
 * wrong or does not fit is left to the bufferevent, which is waiting to write already.
 */
static void
conn_write_now(struct conn *conn)
{
	struct evbuffer *output = bufferevent_get_output(conn->bev);

	evbuffer_unfreeze(output, 1);
	evbuffer_write(output, bufferevent_getfd(conn->bev));
	evbuffer_freeze(output, 1);
	if (evbuffer_get_length(output) == 0)
		bufferevent_trigger(conn->bev, EV_WRITE, 0);
}

void
conn_send(struct conn *conn, struct evhttp_request *request, const char *target)
{
	bool fresh = conn->uses++ == 0;
	int fd, on = 1;

	conn->received = 0;
	conn->first_byte_us = 0;
	evhttp_connection_set_flags(conn->evcon, EVHTTP_CON_READ_ON_WRITE_ERROR);
	if (fresh)
		conn->start_us = clock_mono_us();
	evhttp_make_request(conn->evcon, request, EVHTTP_REQ_POST, target);
	if (!fresh) {
		if (conn->ssl == NULL)
			conn_write_now(conn);
		return;
	}
	fd = bufferevent_getfd(conn->bev);
	if (fd < 0)
		return;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool
conn_is_late(const struct conn *conn)
{
	return conn->open_us == 0 && conn->connect_us > 0 &&
	       clock_mono_us() - conn->start_us >= conn->connect_us;
}

bool
conn_is_clean(const struct conn *conn)
{
	return conn->phase == CONN_OPEN &&
	       evbuffer_get_length(bufferevent_get_input(conn->bev)) == 0;
}
