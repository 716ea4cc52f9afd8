/*
 * The API's connections: accepted, timed, counted.
 *
 *   FRESH, IDLE -> READING       [http_feed]        the first byte of a request is there
 *   READING -> CALLED            [http_request_whole] all of it is; a handler has it
 *   CALLED -> IDLE               [http_next]        answered
 *   READING -> SKIPPING          [http_next]        answered by its head; the rest is to come
 *   SKIPPING -> IDLE             [http_skip]        now it is over
 *   READING, CALLED -> WRITING   [http_write]       not all of the answer could be written
 *   WRITING -> IDLE, SKIPPING    [http_next]        now it is
 *   any -> LINGERING             [http_linger]      the last answer is out, the client may not
 *                                                   have noticed: wait for its end
 *   any -> ENDED                 [http_end]         to be freed when nobody is above
 *
 * Each state is a list in the order of entering it, so that one timer watches the heads of all.
 */
#include "server/http.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "server/http_internal.h"
#include "server/http_listen.h"

#define HTTP_LINGER_MS 2000 /* for a refused client to read its answer */

/* --- states and deadlines --- */

/* How long a connection may stay in a state; -1 where something else sees to it. */
static int64_t
http_limit_ms(const struct http *http, enum http_state state)
{
	switch (state) {
	case HTTP_FRESH:
	case HTTP_SKIPPING:
	case HTTP_READING:
	case HTTP_WRITING: /* all of the answer */
		return http->opts.request_timeout_ms;
	case HTTP_IDLE:
		return http->opts.idle_timeout_ms;
	case HTTP_LINGERING:
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
	event_add(&http->tick, &tv);
}

void
http_expect(struct http *http, int64_t due_ms)
{
	if (due_ms < http->tick_ms)
		http_arm(http, due_ms, clock_mono_ms());
}

void
http_has_head(struct http_conn *conn)
{
	if (conn->headless)
		TAILQ_REMOVE(&conn->http->headless, conn, headless_link);
	conn->headless = false;
}

void
http_enter(struct http_conn *conn, enum http_state state)
{
	struct http *http = conn->http;
	int64_t limit_ms = http_limit_ms(http, state);

	if (state != HTTP_READING && state != HTTP_CALLED) {
		conn->judged = false;
		bodies_give_back(http->bodies, &conn->part);
		wire_drop_body(&conn->wire);
	}
	http_has_head(conn);
	if (state == HTTP_READING) {
		conn->headless = true;
		TAILQ_INSERT_TAIL(&http->headless, conn, headless_link);
	}
	if (state != HTTP_WRITING)
		http_count_unsent(conn, 0);
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
	if (conn->state == HTTP_WRITING)
		conn->http->stats.given_up++;
	if (conn->state == HTTP_READING) {
		http_conn_refuse(conn, 408, "the request did not arrive in time", 0);
	} else {
		http_conn_free(conn);
	}
}

static void
http_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	int64_t now_ms = clock_mono_ms(), next_ms, limit_ms;
	struct http_conn *conn;
	int state;

	(void)fd;
	(void)what;
	http->tick_ms = 0; /* nothing arms it while the lists are gone through */
	next_ms = http_places_expire(http, now_ms);
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
http_on_accept(void *arg, int fd)
{
	http_places_open(arg, fd);
}

/* --- the end --- */

/* Closes the connections of a list on which no request has begun to arrive. */
static void
http_close_quiet(struct http_conns *conns)
{
	struct http_conn *conn, *next;

	for (conn = TAILQ_FIRST(conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (http_conn_is_quiet(conn))
			http_conn_free(conn);
	}
}

static void
http_on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	struct http_conn *conn;
	void (*done)(void *) = http->done;

	(void)fd;
	(void)what;
	http_close_quiet(&http->conns[HTTP_FRESH]);
	http_close_quiet(&http->conns[HTTP_IDLE]);
	while ((conn = TAILQ_FIRST(&http->conns[HTTP_SKIPPING])) != NULL)
		http_linger(conn);
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
	event_active(&http->sweep, 0, 0);
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
	stats->fresh = http_count(&http->conns[HTTP_FRESH]);
	stats->idle = http_count(&http->conns[HTTP_IDLE]);
	stats->reading =
	    http_count(&http->conns[HTTP_READING]) + http_count(&http->conns[HTTP_SKIPPING]);
	stats->body_bytes = bodies_bytes(http->bodies);
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
	TAILQ_INIT(&http->headless);
	TAILQ_INIT(&http->extras);
	event_assign(&http->tick, opts->base, -1, 0, http_on_tick, http);
	event_assign(&http->sweep, opts->base, -1, 0, http_on_sweep, http);
	http->bodies = bodies_new(opts->max_bodies);
	if (opts->max_client_connections > 0)
		http->clients = clients_new(opts->max_client_connections);
	http->listen =
	    http_listen_new(opts->base, opts->share_ports, opts->held, http_on_accept, http);
	return http;
}

void
http_free(struct http *http)
{
	struct http_conn *conn;
	int state;

	http->draining = false;
	http_listen_free(http->listen);
	http->listen = NULL;
	for (state = 0; state < HTTP_STATES; state++) {
		while ((conn = TAILQ_FIRST(&http->conns[state])) != NULL)
			http_conn_free(conn);
	}
	if (http->clients != NULL)
		clients_free(http->clients);
	bodies_free(http->bodies);
	event_del(&http->tick);
	event_del(&http->sweep);
	buf_clear(&http->head);
	free(http);
}
