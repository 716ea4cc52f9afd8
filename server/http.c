/*
 * The API's connections: accepted, timed, counted; each request goes through the checks to its
 * handler.
 *
 *   ACCEPTED -> FRESH            [http_on_attach]   evhttp's side of it is known
 *   FRESH, IDLE -> READING       [http_on_input]    the first byte of a request is there
 *   READING -> CALLED            [http_on_request]  evhttp has read all of it; a handler has it
 *   CALLED -> WRITING            [http_send]        the answer is on its way
 *   WRITING -> IDLE or READING   [http_on_sent]     READING when the next request is here already
 *   READING -> REFUSED           [http_refuse]      it is no request, or did not come in time
 *   CALLED -> GONE               [http_on_close]    only at exit; the call is still to be answered
 *   anything else -> freed       [http_on_close]
 *
 * A gate lets only whole, valid requests through to evhttp.  What the gate finds may need
 * something written while evhttp is at work with the connection; that waits for a turn, later in
 * the same turn of the loop.
 *
 * Each state is a list in the order of entering it, so that one timer watches the heads of all.
 * evhttp's own timeouts are for inactivity only: a byte a second keeps a connection for ever.
 */
#include "server/http.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/clients.h"
#include "server/http_internal.h"
#include "server/http_listen.h"
#include "server/route.h"

/* What a request may grow by in the gate: the head's spaces after colons, and a length. */
#define HTTP_HEAD_SLACK ((size_t)1024)
/* What may wait in a connection's input beyond one request: the next ones. */
#define HTTP_INPUT_SLACK ((size_t)64 * 1024)
#define HTTP_LINGER_MS 2000 /* for a refused client to read its answer */

/* --- states and deadlines --- */

/* How long a connection may stay in a state; -1 where something else sees to it. */
static int64_t
http_limit_ms(const struct http *http, enum http_state state)
{
	switch (state) {
	case HTTP_FRESH:
	case HTTP_READING:
	case HTTP_WRITING: /* without any progress */
		return http->opts.request_timeout_ms;
	case HTTP_IDLE:
		return http->opts.idle_timeout_ms;
	case HTTP_REFUSED:
		return HTTP_LINGER_MS;
	default:
		return -1;
	}
}

static void
http_arm(struct http *http, int64_t due_ms, int64_t now_ms)
{
	int64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
	struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};

	http->tick_ms = due_ms;
	event_add(http->tick, &tv);
}

void
http_enter(struct http_conn *conn, enum http_state state)
{
	struct http *http = conn->http;
	int64_t limit_ms = http_limit_ms(http, state);

	TAILQ_REMOVE(&http->conns[conn->state], conn, link);
	TAILQ_INSERT_TAIL(&http->conns[state], conn, link);
	conn->state = state;
	conn->since_ms = clock_mono_ms();
	if (limit_ms >= 0 && conn->since_ms + limit_ms < http->tick_ms)
		http_arm(http, conn->since_ms + limit_ms, conn->since_ms);
}

static void
http_expire(struct http_conn *conn)
{
	size_t unsent = evbuffer_get_length(bufferevent_get_output(conn->bev));

	if (conn->state == HTTP_WRITING && unsent < conn->unsent) {
		conn->unsent = unsent;
		http_enter(conn, HTTP_WRITING);
	} else if (conn->state == HTTP_READING) {
		http_refuse(conn, 408, "the request did not arrive in time", 0);
	} else {
		evhttp_connection_free(conn->evcon);
	}
}

static void
http_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	int64_t now_ms = clock_mono_ms(), next_ms = INT64_MAX, limit_ms;
	struct http_conn *conn;
	int state;

	(void)fd;
	(void)what;
	http->tick_ms = 0; /* nothing arms it while the lists are gone through */
	for (state = 0; state < HTTP_STATES; state++) {
		if ((limit_ms = http_limit_ms(http, (enum http_state)state)) < 0)
			continue;
		while ((conn = TAILQ_FIRST(&http->conns[state])) != NULL &&
		       conn->since_ms + limit_ms <= now_ms)
			http_expire(conn);
		if (conn != NULL && conn->since_ms + limit_ms < next_ms)
			next_ms = conn->since_ms + limit_ms;
	}
	http->tick_ms = INT64_MAX;
	if (next_ms != INT64_MAX)
		http_arm(http, next_ms, now_ms);
}

static void
http_on_input(void *arg)
{
	http_look(arg);
}

/* --- connections --- */

static void
http_conn_free(struct http_conn *conn)
{
	TAILQ_REMOVE(&conn->http->conns[conn->state], conn, link);
	gate_close(&conn->gate);
	call_clear(&conn->call);
	free(conn);
}

static void
http_on_close(struct evhttp_connection *evcon, void *arg)
{
	struct http_conn *conn = arg;
	struct http *http = conn->http;

	(void)evcon;
	HASH_DEL(http->by_evcon, conn);
	gate_close(&conn->gate);
	if (conn->turning)
		TAILQ_REMOVE(&http->turns, conn, turn_link);
	conn->turning = false;
	if (conn->client != NULL)
		clients_leave(http->clients, conn->client);
	conn->client = NULL;
	conn->evcon = NULL;
	http->stats.connections--;
	http_listen_closed(http->listen);
	if (http->draining)
		event_active(http->sweep, 0, 0);
	if (http->opts.tls != NULL)
		tls_server_end(bufferevent_openssl_get_ssl(conn->bev));
	if (conn->state == HTTP_READING)
		http->stats.refused[HTTP_REFUSED_BROKEN]++;
	if (conn->state != HTTP_CALLED) {
		http_conn_free(conn);
		return;
	}
	/* While a handler has the call nothing is read or written, so this is http_free(); should
	 * evhttp ever lose the connection by itself, it parts the request from it before, and the
	 * answer frees the request. */
	http_enter(conn, HTTP_GONE);
}

/* With TLS the callbacks are deferred: it reads within bufferevent_enable(), where evhttp does not
 * expect it. */
static struct bufferevent *
http_bufferevent(struct http *http)
{
	struct bufferevent *bev;

	if (http->opts.tls == NULL)
		bev = bufferevent_socket_new(http->opts.base, -1, 0);
	else
		bev = bufferevent_openssl_socket_new(http->opts.base, -1,
		    tls_server_accept(http->opts.tls), BUFFEREVENT_SSL_ACCEPTING,
		    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (bev == NULL)
		abort(); /* out of memory, as in base/mem.c */
	return bev;
}

/* evhttp wants a bufferevent for a connection that was just accepted. */
static struct bufferevent *
http_on_accept(struct event_base *base, void *arg)
{
	struct http *http = arg;
	struct http_conn *conn = xcalloc(1, sizeof *conn);
	size_t most = http->opts.max_header + HTTP_HEAD_SLACK + http->opts.max_body;

	(void)base;
	conn->http = http;
	conn->call.app = http->opts.app;
	conn->call.conn = conn;
	conn->bev = http_bufferevent(http);
	/* without it a client that pipelines and never reads fills our memory */
	bufferevent_setwatermark(conn->bev, EV_READ, 0, most + HTTP_INPUT_SLACK);
	gate_open(&conn->gate, conn->bev, http->opts.max_header, http->opts.max_body, http_on_input,
	    conn);
	TAILQ_INSERT_TAIL(&http->conns[HTTP_ACCEPTED], conn, link);
	event_active(http->attach, 0, 0);
	http->stats.connections++;
	http->stats.accepted++;
	http_listen_accepted(http->listen);
	return conn->bev;
}

/* In the same turn of the loop, before anything is read: evhttp has its connection ready. */
static void
http_on_attach(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	struct http_conn *conn;
	void *evcon;

	(void)fd;
	(void)what;
	while ((conn = TAILQ_FIRST(&http->conns[HTTP_ACCEPTED])) != NULL) {
		bufferevent_getcb(conn->bev, NULL, NULL, NULL, &evcon);
		conn->evcon = evcon;
		evhttp_connection_set_closecb(conn->evcon, http_on_close, conn);
		HASH_ADD_PTR(http->by_evcon, evcon, conn);
		http_enter(conn, HTTP_FRESH);
		if (http->clients == NULL)
			continue;
		conn->client = clients_enter(http->clients, bufferevent_getfd(conn->bev));
		if (conn->client == NULL) {
			http->stats.refused[HTTP_REFUSED_CLIENT]++;
			evhttp_connection_free(conn->evcon);
		}
	}
}

/* --- requests --- */

/* The order is that of contract.md, section 1. */
static void
http_dispatch(struct http *http, struct call *call)
{
	if (route_match(call) && (http->opts.admit == NULL || http->opts.admit(call)) &&
	    route_values(call) && (http->opts.permit == NULL || http->opts.permit(call)) &&
	    call_accept_body(call, http->opts.max_body))
		call->route->handler(call);
}

static void
http_on_sent(struct evhttp_request *req, void *arg)
{
	struct http_conn *conn = arg;

	if (gate_is_after_excess(&conn->gate)) {
		/* evhttp would close now, with much unread; http_on_turn() does it better */
		evhttp_remove_header(evhttp_request_get_output_headers(req), "Connection");
		evhttp_remove_header(evhttp_request_get_input_headers(req), "Connection");
		req->minor = 1;
	}
	http_look(conn);
	if (conn->http->draining)
		event_active(conn->http->sweep, 0, 0);
}

static void
http_on_request(struct evhttp_request *req, void *arg)
{
	struct http *http = arg;
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);
	struct http_conn *conn;

	HASH_FIND_PTR(http->by_evcon, &evcon, conn);
	assert(conn != NULL);
	/* an absolute-form target does not make us a proxy: the connection may stay */
	req->flags &= ~EVHTTP_PROXY_REQUEST;
	evhttp_request_set_on_complete_cb(req, http_on_sent, conn);
	http->stats.requests++;
	http->stats.calls++;
	http_enter(conn, HTTP_CALLED);
	call_start(&conn->call, req);
	conn->call.close = conn->call.excess = gate_is_after_excess(&conn->gate);
	if (conn->call.excess)
		http->stats.refused[HTTP_REFUSED_TOO_LARGE]++;
	http_dispatch(http, &conn->call);
}

bool
http_closing(const struct call *call)
{
	return call->conn->http->waning;
}

/*
 * Writes an answer at once instead of when the loop says that one may: nearly always there is room
 * for all of it.  That spares two epoll_ctl and a turn of the loop.  What goes wrong or does not
 * fit is left to the bufferevent, which is waiting to write already; evhttp learns of the end later
 * in this turn.
 */
static void
http_write_now(struct http_conn *conn)
{
	struct evbuffer *output = bufferevent_get_output(conn->bev);

	evbuffer_unfreeze(output, 1);
	evbuffer_write(output, bufferevent_getfd(conn->bev));
	evbuffer_freeze(output, 1);
	if (evbuffer_get_length(output) == 0)
		bufferevent_trigger(conn->bev, EV_WRITE, BEV_OPT_DEFER_CALLBACKS);
}

void
http_send(struct call *call, int status, const char *phrase)
{
	struct http_conn *conn = call->conn;
	struct http *http = conn->http;

	http->stats.calls--;
	if (http->opts.traffic != NULL)
		traffic_count(http->opts.traffic, call, status);
	evhttp_send_reply(call->req, status, phrase, NULL);
	call->req = NULL;
	if (conn->state == HTTP_GONE) {
		http_conn_free(conn);
		return;
	}
	/* nothing is read while we write: a half-closed client still gets its answer */
	bufferevent_disable(conn->bev, EV_READ);
	if (http->opts.tls == NULL)
		http_write_now(conn);
	conn->unsent = evbuffer_get_length(bufferevent_get_output(conn->bev));
	http_enter(conn, HTTP_WRITING);
}

/* --- the end --- */

/* Closes the connections of a list on which no request has begun to arrive. */
static void
http_close_quiet(struct http_conns *conns)
{
	struct http_conn *conn, *next;
	int waiting;

	for (conn = TAILQ_FIRST(conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (ioctl(bufferevent_getfd(conn->bev), FIONREAD, &waiting) != 0 || waiting == 0)
			evhttp_connection_free(conn->evcon);
	}
}

static void
http_on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	void (*done)(void *) = http->done;

	(void)fd;
	(void)what;
	http_close_quiet(&http->conns[HTTP_FRESH]);
	http_close_quiet(&http->conns[HTTP_IDLE]);
	if (http->stats.connections > 0 || http->stats.calls > 0 || done == NULL)
		return;
	http->done = NULL;
	done(http->done_arg); /* may free us: last line */
}

void
http_wane(struct http *http)
{
	http->waning = true;
}

void
http_hold_off(struct http *http)
{
	http_listen_hold_off(http->listen);
}

void
http_drain(struct http *http, void (*done)(void *arg), void *arg)
{
	http->waning = http->draining = true;
	http->done = done;
	http->done_arg = arg;
	http_listen_close(http->listen);
	event_active(http->sweep, 0, 0);
}

int
http_listen(struct http *http, const char *addr_port, char **why)
{
	return http_listen_add(http->listen, addr_port, why);
}

void
http_accept(struct http *http)
{
	http_listen_accept(http->listen);
}

const struct sockaddr_storage *
http_addresses(const struct http *http, size_t *n)
{
	return http_listen_addresses(http->listen, n);
}

static size_t
http_count(const struct http_conns *conns)
{
	const struct http_conn *conn;
	size_t n = 0;

	TAILQ_FOREACH(conn, conns, link)
	n++;
	return n;
}

void
http_stats(const struct http *http, struct http_stats *stats)
{
	*stats = http->stats;
	stats->fresh =
	    http_count(&http->conns[HTTP_ACCEPTED]) + http_count(&http->conns[HTTP_FRESH]);
	stats->idle = http_count(&http->conns[HTTP_IDLE]);
	stats->reading = http_count(&http->conns[HTTP_READING]);
	stats->handling = http_count(&http->conns[HTTP_CALLED]);
	stats->writing = http_count(&http->conns[HTTP_WRITING]);
}

struct http *
http_new(const struct http_opts *opts)
{
	struct http *http = xcalloc(1, sizeof *http);
	int state;

	http->opts = *opts;
	http->tick_ms = INT64_MAX;
	for (state = 0; state < HTTP_STATES; state++)
		TAILQ_INIT(&http->conns[state]);
	TAILQ_INIT(&http->turns);
	http->attach = event_new(opts->base, -1, 0, http_on_attach, http);
	http->turn = event_new(opts->base, -1, 0, http_on_turn, http);
	http->tick = event_new(opts->base, -1, 0, http_on_tick, http);
	http->sweep = event_new(opts->base, -1, 0, http_on_sweep, http);
	http->evhttp = evhttp_new(opts->base);
	if (http->attach == NULL || http->turn == NULL || http->tick == NULL ||
	    http->sweep == NULL || http->evhttp == NULL)
		abort(); /* out of memory, as in base/mem.c */
	if (opts->max_client_connections > 0)
		http->clients = clients_new(opts->max_client_connections);
	http->listen = http_listen_new(opts->base, http->evhttp, opts->max_connections, opts->held);
	evhttp_set_allowed_methods(http->evhttp,
	    EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PATCH |
		EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PUT | EVHTTP_REQ_TRACE);
	evhttp_set_max_headers_size(http->evhttp, (ev_ssize_t)(opts->max_header + HTTP_HEAD_SLACK));
	evhttp_set_max_body_size(http->evhttp, (ev_ssize_t)opts->max_body);
	evhttp_set_default_content_type(http->evhttp, NULL);
	evhttp_set_bevcb(http->evhttp, http_on_accept, http);
	evhttp_set_gencb(http->evhttp, http_on_request, http);
	return http;
}

void
http_free(struct http *http)
{
	struct http_conn *conn;
	int state;

	http_listen_free(http->listen);
	http->listen = NULL;
	evhttp_free(http->evhttp);
	for (state = 0; state < HTTP_STATES; state++) {
		while ((conn = TAILQ_FIRST(&http->conns[state])) != NULL)
			http_conn_free(conn);
	}
	if (http->clients != NULL)
		clients_free(http->clients);
	event_free(http->attach);
	event_free(http->turn);
	event_free(http->tick);
	event_free(http->sweep);
	free(http);
}
