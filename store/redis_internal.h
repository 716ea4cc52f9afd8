/* What the files of one connection to Redis share: itself, and a command in wire form. */
#ifndef STORE_REDIS_INTERNAL_H
#define STORE_REDIS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <hiredis/async.h>

#include "base/buf.h"
#include "base/resolve.h"
#include "store/redis.h"
#include "store/script.h"

#define REDIS_ADDRS 16

struct redis_cmd {
	TAILQ_ENTRY(redis_cmd) entry;
	struct buf bytes; /* room for the array header, then the arguments */
	size_t start;     /* where the finished command begins; 0 until then */
	unsigned argc;
	const struct script *script; /* NULL for plain commands */
	bool repeated;               /* after NOSCRIPT */
	bool blocks;
	struct redis *redis;
	redis_fn *fn;
	void *arg;
	int64_t sent_us;
};
TAILQ_HEAD(redis_cmd_list, redis_cmd);

struct redis {
	struct redis_opts opts;
	enum redis_state state;
	bool was_up;                /* since on_down was last called */
	char *last_fault;           /* logged already: one line per change */
	redisAsyncContext *context; /* NULL in DOWN and RESOLVING */
	struct resolver *resolver;  /* NULL until a name is to be looked up */
	struct resolve_wait wait;   /* in RESOLVING */
	union resolve_addr
	    addrs[REDIS_ADDRS]; /* of the host, to be tried in turn until one is up */
	size_t naddrs, tried;
	char ip[INET6_ADDRSTRLEN]; /* that which is connected to; "" for a path */
	struct buf failures;       /* of those tried since the name was looked up, in words */
	struct event *timer;       /* the back-off, the connect deadline or the oldest command's */
	struct event *later;       /* deferred work: setup, frees, answers for what was not sent */
	int64_t backoff_ms;
	int64_t up_ms;                 /* when it came up */
	struct redis_cmd_list pending; /* sent, in the order in which answers come */
	struct redis_cmd_list unsent;  /* to be answered ANSWER_LOST at the next turn */
	int64_t freed_us;              /* when one that blocks was answered last */
	size_t npending;
	size_t pending_bytes;
	redis_message_fn *message_fn;
	void *message_arg;
	struct redis_stats totals; /* the counters; the gauge is filled on reading */
};

/* --- redis_cmd.c: commands in wire form --- */

/* The command in wire form; no argument may be added afterwards.  Borrowed from cmd. */
const char *redis_cmd_bytes(struct redis_cmd *cmd, size_t *n);
void redis_cmd_free(struct redis_cmd *cmd);

/* --- redis_send.c: commands on their way --- */

/* Closes the connection when the oldest command had no answer in time, else sets the timer. */
void redis_check_deadline(struct redis *redis);
/* Answers what was not sent with ANSWER_LOST. */
void redis_answer_unsent(struct redis *redis);

/* --- redis.c: the connection --- */

void redis_enter(struct redis *redis, enum redis_state state);
/* Sets the timer; the state says for what. */
void redis_arm(struct redis *redis, int64_t ms);
void redis_close(struct redis *redis, const char *why);

/* --- redis_connect.c: to one of the host's addresses --- */

void redis_connect(struct redis *redis);
/* To the address after those that were tried; there must be one. */
void redis_try_next(struct redis *redis);

/* --- redis_io.c: hiredis on the libevent loop --- */

/* Lets the loop drive the context. */
void redis_io_attach(redisAsyncContext *context, struct event_base *base);

#endif
