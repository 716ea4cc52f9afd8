/* The connections of the process: idle ones by endpoint, closed when old, many or dead. */
#include "deliver/pool.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rnd.h"

#define POOL_SPARE_MAX 1024    /* endpoints without a connection whose TLS session is kept */
#define POOL_BARE_US 600000000 /* no session is offered to whom one was too much */
/* Connections on which nobody waits, but for the rest of an answer. */
#define POOL_READING_MAX 512
#define POOL_READING_EACH 64 /* of one endpoint */

TAILQ_HEAD(pool_list, conn);
TAILQ_HEAD(pool_spares, pool_host);

/* What connections must share to serve each other's requests. */
struct pool_key {
	uint16_t port;
	bool tls, verify;
	char host[256]; /* zero-padded, hashed up to the name's end */
};

struct pool_host {
	struct pool_key key;
	struct pool_list idle; /* the last used first */
	size_t conns;          /* idle and in use; without any, it stays while it has a session */
	size_t reading;        /* of them, those that read on */
	SSL_SESSION *session;
	int64_t bare_until_us; /* the peer could not stand one: none is offered */
	bool is_spare;
	TAILQ_ENTRY(pool_host) spare; /* in pool->spares: has a session and no connection */
	UT_hash_handle hh;
};

struct pool {
	struct pool_opts opts;
	struct pool_host *hosts;
	struct pool_list all;      /* by `all` */
	struct pool_list idle;     /* by `list`: the last used first */
	struct pool_list dead;     /* by `list`: to be freed from the loop */
	struct pool_spares spares; /* the last used first */
	size_t nopen, nidle, nspares, nreading;
	unsigned trust;     /* how often it changed who is trusted */
	struct event reap;  /* frees the dead */
	struct event timer; /* closes the oldest idle one */
};

static void pool_ev_reap(evutil_socket_t fd, short what, void *arg);
static void pool_ev_timer(evutil_socket_t fd, short what, void *arg);
static void pool_on_data(void *arg, struct conn *conn, const char *p, size_t n);
static void pool_on_end(void *arg, struct conn *conn);

static const struct conn_user pool_user = {pool_on_data, pool_on_end};

struct pool *
pool_new(const struct pool_opts *opts)
{
	struct pool *pool = xcalloc(1, sizeof *pool);

	pool->opts = *opts;
	TAILQ_INIT(&pool->all);
	TAILQ_INIT(&pool->idle);
	TAILQ_INIT(&pool->dead);
	TAILQ_INIT(&pool->spares);
	event_assign(&pool->reap, opts->base, -1, 0, pool_ev_reap, pool);
	event_assign(&pool->timer, opts->base, -1, 0, pool_ev_timer, pool);
	return pool;
}

static void
pool_leave_idle(struct pool *pool, struct conn *conn)
{
	struct pool_host *host = conn->owner;

	TAILQ_REMOVE(&pool->idle, conn, list);
	TAILQ_REMOVE(&host->idle, conn, idle);
	pool->nidle--;
}

static void
pool_leave_spares(struct pool *pool, struct pool_host *host)
{
	TAILQ_REMOVE(&pool->spares, host, spare);
	host->is_spare = false;
	pool->nspares--;
}

/* It has no connection. */
static void
pool_drop_host(struct pool *pool, struct pool_host *host)
{
	if (host->is_spare)
		pool_leave_spares(pool, host);
	HASH_DEL(pool->hosts, host);
	SSL_SESSION_free(host->session);
	free(host);
}

/* The last connection is gone: its session spares the next one a handshake. */
static void
pool_spare_host(struct pool *pool, struct pool_host *host)
{
	TAILQ_INSERT_HEAD(&pool->spares, host, spare);
	host->is_spare = true;
	if (++pool->nspares > POOL_SPARE_MAX)
		pool_drop_host(pool, TAILQ_LAST(&pool->spares, pool_spares));
}

bool
pool_read_on(struct pool *pool, struct conn *conn)
{
	struct pool_host *host = conn->owner;

	if (conn->reads_on)
		return true;
	if (pool->nreading == POOL_READING_MAX || host->reading == POOL_READING_EACH)
		return false;
	conn->reads_on = true;
	host->reading++;
	pool->nreading++;
	return true;
}

static void
pool_read_up(struct pool *pool, struct conn *conn)
{
	struct pool_host *host = conn->owner;

	if (!conn->reads_on)
		return;
	conn->reads_on = false;
	host->reading--;
	pool->nreading--;
}

/* conn is in no list but `all`. */
static void
pool_end(struct pool *pool, struct conn *conn)
{
	struct pool_host *host = conn->owner;

	pool_read_up(pool, conn);
	TAILQ_REMOVE(&pool->all, conn, all);
	pool->nopen--;
	if (conn->stream.ssl != NULL)
		tls_keep_session(conn->stream.ssl, NULL);
	conn_free(conn);
	if (--host->conns > 0)
		return;
	if (host->session == NULL && host->bare_until_us == 0)
		pool_drop_host(pool, host);
	else
		pool_spare_host(pool, host);
}

void
pool_free(struct pool *pool)
{
	struct conn *conn;

	if (pool == NULL)
		return;
	while ((conn = TAILQ_FIRST(&pool->all)) != NULL)
		pool_end(pool, conn);
	while (!TAILQ_EMPTY(&pool->spares))
		pool_drop_host(pool, TAILQ_FIRST(&pool->spares));
	event_del(&pool->reap);
	event_del(&pool->timer);
	free(pool);
}

static size_t
pool_key(struct pool_key *key, const struct url *url, bool verify)
{
	size_t len = strlen(url->host);

	memset(key, 0, offsetof(struct pool_key, host));
	key->port = url->port;
	key->tls = url->tls;
	key->verify = verify || !url->tls;
	memcpy(key->host, url->host, len + 1);
	return offsetof(struct pool_key, host) + len;
}

/* Where its name leads, or who is trusted, may have changed since it was opened. */
static bool
pool_is_old(const struct pool *pool, const struct conn *conn)
{
	return conn->trust != pool->trust || clock_mono_us() >= conn->old_us;
}

struct conn *
pool_take(struct pool *pool, const struct url *url, bool verify)
{
	struct pool_key key;
	size_t len = pool_key(&key, url, verify);
	struct pool_host *host;
	struct conn *conn;

	HASH_FIND(hh, pool->hosts, &key, len, host);
	if (host == NULL)
		return NULL;
	while ((conn = TAILQ_FIRST(&host->idle)) != NULL) {
		bool last = host->conns == 1;

		pool_leave_idle(pool, conn);
		/* The rules may have changed since it was opened. */
		if (!pool_is_old(pool, conn) &&
		    egress_refusal(pool->opts.egress, &conn->addr.sa) == NULL &&
		    conn_is_silent(conn))
			return conn;
		pool_end(pool, conn);
		if (last)
			break; /* the host may have gone with it */
	}
	return NULL;
}

static struct pool_host *
pool_host(struct pool *pool, const struct url *url, bool verify)
{
	struct pool_key key;
	size_t len = pool_key(&key, url, verify);
	struct pool_host *host;

	HASH_FIND(hh, pool->hosts, &key, len, host);
	if (host != NULL) {
		if (host->is_spare)
			pool_leave_spares(pool, host);
		return host;
	}
	host = xcalloc(1, sizeof *host);
	memcpy(&host->key, &key, len);
	TAILQ_INIT(&host->idle);
	HASH_ADD(hh, pool->hosts, key, len, host);
	return host;
}

/* Not the same for all, so that those that began together do not end together. */
static int64_t
pool_age_us(const struct pool *pool)
{
	int64_t us = pool->opts.max_age_ms * 1000;

	return us - (int64_t)rnd_below((uint64_t)us / 4 + 1);
}

struct conn *
pool_open(struct pool *pool, const struct url *url, bool verify, const union resolve_addr *addr,
    int64_t connect_ms)
{
	struct conn_opts opts = {
	    .base = pool->opts.base,
	    .addr = addr,
	    .connect_ms = connect_ms,
	};
	struct pool_host *host;
	struct conn *conn;

	if (pool->nopen >= pool->opts.max_open && !TAILQ_EMPTY(&pool->idle)) {
		conn = TAILQ_LAST(&pool->idle, pool_list);
		pool_leave_idle(pool, conn);
		pool_end(pool, conn);
	}
	if (url->tls && (opts.ssl = tls_client(pool->opts.tls, url, verify)) == NULL)
		return NULL;
	host = pool_host(pool, url, verify);
	conn = conn_new(&opts);
	if (opts.ssl != NULL && clock_mono_us() >= host->bare_until_us)
		conn->resumes = tls_keep_session(opts.ssl, &host->session);
	conn->owner = host;
	conn->trust = pool->trust;
	conn->old_us = clock_mono_us() + pool_age_us(pool);
	host->conns++;
	pool->nopen++;
	TAILQ_INSERT_TAIL(&pool->all, conn, all);
	return conn;
}

static void
pool_arm(struct pool *pool, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(&pool->timer, &tv);
}

/* Closes one from anywhere: in this turn of the loop, or the next. */
static void
pool_discard(struct pool *pool, struct conn *conn)
{
	conn_stop(conn);
	if (TAILQ_EMPTY(&pool->dead))
		event_active(&pool->reap, EV_TIMEOUT, 0);
	TAILQ_INSERT_TAIL(&pool->dead, conn, list);
}

void
pool_give(struct pool *pool, struct conn *conn)
{
	struct pool_host *host = conn->owner;

	pool_read_up(pool, conn);
	if (pool_is_old(pool, conn)) {
		pool_discard(pool, conn);
		return;
	}
	conn->idle_ms = clock_mono_ms();
	conn_use(conn, &pool_user, pool);
	TAILQ_INSERT_HEAD(&pool->idle, conn, list);
	TAILQ_INSERT_HEAD(&host->idle, conn, idle);
	if (++pool->nidle > pool->opts.max_idle)
		pool_yield(pool);
	if (!event_pending(&pool->timer, EV_TIMEOUT, NULL))
		pool_arm(pool, pool->opts.idle_ms);
}

void
pool_close(struct pool *pool, struct conn *conn)
{
	pool_end(pool, conn);
}

static void
pool_drop_idle(struct pool *pool, struct conn *conn)
{
	pool_leave_idle(pool, conn);
	pool_discard(pool, conn);
}

void
pool_yield(struct pool *pool)
{
	struct conn *oldest = TAILQ_LAST(&pool->idle, pool_list);

	if (oldest != NULL)
		pool_drop_idle(pool, oldest);
}

void
pool_forget_session(struct pool *pool, struct conn *conn)
{
	struct pool_host *host = conn->owner;

	(void)pool;
	if (!conn->resumes)
		return;
	conn->resumes = false;
	host->bare_until_us = clock_mono_us() + POOL_BARE_US;
	SSL_SESSION_free(host->session);
	host->session = NULL;
}

void
pool_renew(struct pool *pool)
{
	struct pool_host *host, *next;
	struct conn *conn;

	pool->trust++;
	TAILQ_FOREACH(conn, &pool->all, all)
	if (conn->stream.ssl != NULL)
		tls_keep_session(conn->stream.ssl, NULL); /* what it may still bring is of before */
	while (!TAILQ_EMPTY(&pool->idle))
		pool_yield(pool);
	while (!TAILQ_EMPTY(&pool->spares))
		pool_drop_host(pool, TAILQ_FIRST(&pool->spares));
	HASH_ITER(hh, pool->hosts, host, next)
	{
		SSL_SESSION_free(host->session);
		host->session = NULL;
	}
}

/* Nobody asked: whatever it is, it would be taken for the next answer. */
static void
pool_on_data(void *arg, struct conn *conn, const char *p, size_t n)
{
	(void)p;
	(void)n;
	pool_drop_idle(arg, conn);
}

static void
pool_on_end(void *arg, struct conn *conn)
{
	pool_drop_idle(arg, conn);
}

static void
pool_ev_reap(evutil_socket_t fd, short what, void *arg)
{
	struct pool *pool = arg;
	struct conn *conn;

	(void)fd;
	(void)what;
	while ((conn = TAILQ_FIRST(&pool->dead)) != NULL) {
		TAILQ_REMOVE(&pool->dead, conn, list);
		pool_end(pool, conn);
	}
}

static void
pool_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pool *pool = arg;
	int64_t now = clock_mono_ms();
	struct conn *conn;

	(void)fd;
	(void)what;
	while ((conn = TAILQ_LAST(&pool->idle, pool_list)) != NULL) {
		int64_t left = conn->idle_ms + pool->opts.idle_ms - now;

		if (left > 0) {
			pool_arm(pool, left);
			return;
		}
		pool_leave_idle(pool, conn);
		pool_end(pool, conn);
	}
}

size_t
pool_open_count(const struct pool *pool)
{
	return pool->nopen;
}

size_t
pool_idle_count(const struct pool *pool)
{
	return pool->nidle;
}
