/* What redis.c works with: a command in wire form, and hiredis on the libevent loop. */
#ifndef STORE_REDIS_IO_H
#define STORE_REDIS_IO_H

#include <stdbool.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <hiredis/async.h>

#include "base/buf.h"
#include "store/redis.h"
#include "store/script.h"

struct redis_cmd {
	TAILQ_ENTRY(redis_cmd) entry;
	struct buf bytes; /* room for the array header, then the arguments */
	size_t start;     /* where the finished command begins; 0 until then */
	unsigned argc;
	const struct script *script; /* NULL for plain commands */
	bool repeated;               /* after NOSCRIPT */
	struct redis *redis;
	redis_fn *fn;
	void *arg;
	int64_t sent_us;
};
TAILQ_HEAD(redis_cmd_list, redis_cmd);

/* The command in wire form; no argument may be added afterwards.  Borrowed from cmd. */
const char *redis_cmd_bytes(struct redis_cmd *cmd, size_t *n);
void redis_cmd_free(struct redis_cmd *cmd);

/* Lets the loop drive the context.  0 or -1. */
int redis_io_attach(redisAsyncContext *context, struct event_base *base);

#endif
