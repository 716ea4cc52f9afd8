/* Redis' host: its addresses, tried in turn, and the connection to one of them. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis_internal.h"

static void
redis_on_connect(const redisAsyncContext *context, int status)
{
	struct redis *redis = context->data;

	if (status != REDIS_OK) {
		/* hiredis frees the context itself */
		redis->context = NULL;
		redis_close(redis, context->errstr);
		return;
	}
	redis_enter(redis, REDIS_REACHED);
}

static void
redis_on_disconnect(const redisAsyncContext *context, int status)
{
	struct redis *redis = context->data;

	redis->context = NULL;
	if (redis->state != REDIS_CLOSING)
		redis_close(redis, status == REDIS_OK ? "closed" : context->errstr);
}

static void
redis_adopt(struct redis *redis, redisAsyncContext *context)
{
	int one = 1;

	if (context == NULL) {
		redis_close(redis, "out of memory");
		return;
	}
	context->data = redis;
	if (context->err != 0) {
		redis_close(redis, context->errstr);
		redisAsyncFree(context);
		return;
	}
	fcntl(context->c.fd, F_SETFD, FD_CLOEXEC);
	if (redis->opts.uri->path == NULL) {
		setsockopt(context->c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		setsockopt(context->c.fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	}
	redis->context = context;
	redis->totals.connects++;
	redis_io_attach(context, redis->opts.base);
	redisAsyncSetConnectCallback(context, redis_on_connect);
	redisAsyncSetDisconnectCallback(context, redis_on_disconnect);
	redis_enter(redis, REDIS_CONNECTING);
}

/* hiredis would look a name up while the whole loop waits, so it only gets addresses. */
void
redis_try_next(struct redis *redis)
{
	const union resolve_addr *addr = &redis->addrs[redis->tried++];
	const void *raw =
	    addr->sa.sa_family == AF_INET ? (const void *)&addr->v4.sin_addr : &addr->v6.sin6_addr;

	inet_ntop(addr->sa.sa_family, raw, redis->ip, sizeof redis->ip);
	redis_adopt(redis, redisAsyncConnect(redis->ip, redis->opts.uri->port));
}

static int
redis_compare_addrs(const void *a, const void *b)
{
	const union resolve_addr *x = a, *y = b;

	if (x->sa.sa_family != y->sa.sa_family)
		return x->sa.sa_family == AF_INET ? -1 : 1;
	return x->sa.sa_family == AF_INET ? memcmp(&x->v4.sin_addr, &y->v4.sin_addr, 4)
					  : memcmp(&x->v6.sin6_addr, &y->v6.sin6_addr, 16);
}

static void
redis_take_addrs(struct redis *redis, const struct resolve_answer *answer)
{
	redis->naddrs = answer->n < REDIS_ADDRS ? answer->n : REDIS_ADDRS;
	memcpy(redis->addrs, answer->list, redis->naddrs * sizeof *redis->addrs);
}

/* DNS gives them in another order each time: sorted, so that the log does not see a new reason each
 * time. */
static void
redis_on_resolved(void *arg, const struct resolve_answer *answer)
{
	struct redis *redis = arg;

	if (answer->failure != NULL) {
		redis_close(redis, answer->failure);
		return;
	}
	redis_take_addrs(redis, answer);
	qsort(redis->addrs, redis->naddrs, sizeof *redis->addrs, redis_compare_addrs);
	redis_try_next(redis);
}

/* The files of the system are looked at each time, and nothing is remembered: after a failure the
 * name may lead to another Redis. */
static void
redis_resolve(struct redis *redis)
{
	const struct resolve_opts opts = {
	    .base = redis->opts.base,
	    .conf = redis->opts.conf != NULL ? redis->opts.conf : "/etc/resolv.conf",
	    .hosts = redis->opts.hosts != NULL ? redis->opts.hosts : "/etc/hosts",
	    .fresh = true,
	    .search = true,
	};
	const char *host = redis->opts.uri->host;
	const struct resolve_answer *answer;

	if (redis->resolver == NULL)
		redis->resolver = resolve_new(&opts, NULL); /* fails for .dns only */
	redis_enter(redis, REDIS_RESOLVING);
	answer = resolve_known(redis->resolver, host);
	if (answer == NULL) {
		resolve_start(redis->resolver, host, NULL, &redis->wait, redis_on_resolved, redis);
		return;
	}
	redis_take_addrs(redis, answer); /* in the order of the hosts file */
	redis_try_next(redis);
}

void
redis_connect(struct redis *redis)
{
	const struct redisuri *uri = redis->opts.uri;
	union resolve_addr *addr = &redis->addrs[0];

	redis->naddrs = redis->tried = 0;
	redis->ip[0] = '\0';
	buf_reset(&redis->failures);
	if (uri->path != NULL) {
		redis_adopt(redis, redisAsyncConnectUnix(uri->path));
		return;
	}
	if (inet_pton(AF_INET, uri->host, &addr->v4.sin_addr) == 1) {
		addr->sa.sa_family = AF_INET;
	} else if (inet_pton(AF_INET6, uri->host, &addr->v6.sin6_addr) == 1) {
		addr->sa.sa_family = AF_INET6;
	} else {
		redis_resolve(redis);
		return;
	}
	redis->naddrs = 1;
	redis_try_next(redis);
}
