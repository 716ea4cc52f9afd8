/*
 * Who has a place.  When all are taken, the connection that has been idle for longest, or has not
 * shown a whole head for longest (or not the rest of a request whose body nobody wants), goes for
 * the new one; without any, the one whose answer has not been taken for longest.  Where nobody can
 * go, and for a client that has as many as it may, there are a few places more: for those who ask
 * how we are, and nothing else.
 */
#include <unistd.h>

#include "base/clock.h"
#include "server/http_internal.h"
#include "server/http_listen.h"
#include "server/route.h"

#define HTTP_EXTRAS 16     /* connections beyond the places; files.c has descriptors for them */
#define HTTP_EXTRA_MS 2000 /* for such a one, from its beginning to its end */
#define HTTP_PLACES_TAKE_MS 1000 /* for an answer, where nobody else can go */
#define HTTP_PLACES_LOOKS 8      /* at connections that may have been used since */

static bool
http_places_are_taken(const struct http *http)
{
	return http->stats.connections - http->nextras >= http->opts.max_connections;
}

/* --- who goes --- */

/* The one that is first in a list and whose client has sent nothing that we have not read. */
static struct http_conn *
http_places_quiet(const struct http_conns *conns)
{
	struct http_conn *conn;
	int looks = 0;

	TAILQ_FOREACH(conn, conns, link)
	{
		if (conn->extra)
			continue;
		if (looks++ == HTTP_PLACES_LOOKS)
			break;
		if (http_conn_is_quiet(conn))
			return conn;
	}
	return NULL;
}

static struct http_conn *
http_places_headless(const struct http *http)
{
	struct http_conn *conn;

	TAILQ_FOREACH(conn, &http->headless, headless_link)
	{
		if (!conn->extra)
			return conn;
	}
	return NULL;
}

static struct http_conn *
http_places_older(struct http_conn *a, struct http_conn *b)
{
	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	return b->since_ms < a->since_ms ? b : a;
}

/* The one that has been writing for longest, when its client has had its time to take the answer.
 */
static struct http_conn *
http_places_untaken(const struct http *http)
{
	struct http_conn *conn;

	TAILQ_FOREACH(conn, &http->conns[HTTP_WRITING], link)
	{
		if (!conn->extra)
			break;
	}
	return conn != NULL && conn->since_ms + HTTP_PLACES_TAKE_MS <= clock_mono_ms() ? conn
										       : NULL;
}

/* Frees a place; false when all are in use. */
static bool
http_places_evict(struct http *http)
{
	struct http_conn *conn = http_places_quiet(&http->conns[HTTP_FRESH]);

	conn = http_places_older(conn, http_places_quiet(&http->conns[HTTP_IDLE]));
	conn = http_places_older(conn, http_places_quiet(&http->conns[HTTP_SKIPPING]));
	conn = http_places_older(conn, http_places_headless(http));
	if (conn == NULL) /* answered, and with little time left anyhow */
		conn = http_places_quiet(&http->conns[HTTP_LINGERING]);
	if (conn == NULL && (conn = http_places_untaken(http)) != NULL)
		http->stats.given_up++;
	if (conn == NULL)
		return false;
	http->stats.evicted++;
	http_conn_free(conn);
	return true;
}

/* The same among those beyond the places. */
static bool
http_places_evict_extra(struct http *http)
{
	struct http_conn *conn;

	TAILQ_FOREACH(conn, &http->extras, extra_link)
	{
		if (conn->state != HTTP_CALLED && conn->state != HTTP_WRITING) {
			http_conn_free(conn);
			return true;
		}
	}
	return false;
}

/* --- who comes --- */

static void
http_places_add_extra(struct http *http, struct http_conn *conn)
{
	conn->extra = true;
	conn->extra_until_ms = clock_mono_ms() + HTTP_EXTRA_MS;
	TAILQ_INSERT_TAIL(&http->extras, conn, extra_link);
	http->nextras++;
	http_expect(http, conn->extra_until_ms);
}

void
http_places_open(struct http *http, int fd)
{
	struct client *client = NULL;
	struct http_conn *conn;
	bool extra = false;

	if (http->clients != NULL && (client = clients_enter(http->clients, fd)) == NULL) {
		http->stats.refused[HTTP_REFUSED_CLIENT]++;
		extra = true;
	}
	if (!extra && http_places_are_taken(http))
		extra = !http_places_evict(http);
	if (extra && http->nextras == HTTP_EXTRAS && !http_places_evict_extra(http)) {
		if (client != NULL)
			clients_leave(http->clients, client);
		close(fd);
		return;
	}
	conn = http_conn_open(http, fd, client);
	if (extra)
		http_places_add_extra(http, conn);
}

void
http_places_leave_extra(struct http_conn *conn)
{
	if (!conn->extra)
		return;
	conn->extra = false;
	TAILQ_REMOVE(&conn->http->extras, conn, extra_link);
	conn->http->nextras--;
}

bool
http_places_allow(struct http_conn *conn, const struct route *route)
{
	struct http *http = conn->http;

	if (!conn->extra || route->group == NULL)
		return true;
	if (http_places_are_taken(http))
		return false;
	if (http->clients != NULL && conn->client == NULL)
		conn->client = clients_enter(http->clients, conn->stream.fd);
	if (http->clients != NULL && conn->client == NULL)
		return false;
	http_places_leave_extra(conn);
	return true;
}

int64_t
http_places_expire(struct http *http, int64_t now_ms)
{
	struct http_conn *conn;

	while ((conn = TAILQ_FIRST(&http->extras)) != NULL && conn->extra_until_ms <= now_ms) {
		if (conn->state != HTTP_CALLED) {
			http_conn_free(conn);
			continue;
		}
		TAILQ_REMOVE(&http->extras, conn, extra_link); /* a handler has it */
		TAILQ_INSERT_TAIL(&http->extras, conn, extra_link);
		conn->extra_until_ms = now_ms + HTTP_EXTRA_MS;
	}
	return conn != NULL ? conn->extra_until_ms : INT64_MAX;
}
