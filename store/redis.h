/* One connection to Redis that is kept up: commands with deadlines, reconnecting with back-off. */
#ifndef STORE_REDIS_H
#define STORE_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "base/histogram.h"
#include "store/redisuri.h"

struct redis;

enum redis_state {
	REDIS_DOWN,       /* waiting for the back-off timer */
	REDIS_RESOLVING,  /* looking the host name up, or going on to its next address */
	REDIS_CONNECTING, /* TCP or Unix connect under way */
	REDIS_REACHED,    /* to be set up at the next turn of the loop */
	REDIS_SETTING_UP, /* connected; only redis_send_setup() commands pass */
	REDIS_UP,
	REDIS_CLOSING /* given up; the context is freed at the next turn of the loop */
};

struct redis_opts {
	struct event_base *base;
	const struct redisuri *uri; /* borrowed for the life of the connection */
	const char *label;          /* for logs: "redis", "redis-hints" */
	int64_t timeout_ms;         /* for connecting to each address, and for each command */
	const char *conf, *hosts;   /* NULL: /etc/resolv.conf and /etc/hosts */
	/* Connected: send what must be settled first with redis_send_setup(), then call
	 * redis_setup_done() or redis_setup_failed(). */
	void (*on_setup)(void *arg);
	void (*on_up)(void *arg);
	void (*on_down)(void *arg); /* after having been up */
	void *arg;
};

/* Starts connecting at once. */
struct redis *redis_new(const struct redis_opts *opts);
/* Pending commands get ANSWER_LOST within the call. */
void redis_free(struct redis *redis);
bool redis_is_up(const struct redis *redis);
/* Why it is not up, "" when that is not known; valid until the loop turns. */
const char *redis_fault(const struct redis *redis);
void redis_setup_done(struct redis *redis);
void redis_setup_failed(struct redis *redis, const char *why);
/* Drops the connection and makes a new one. */
void redis_reset(struct redis *redis, const char *why);

/* --- commands --- */

struct redis_cmd;
struct redis_cmd *redis_cmd_new(void); /* an empty one; give it to redis_send() */
void redis_arg(struct redis_cmd *cmd, const void *p, size_t n);
void redis_args(struct redis_cmd *cmd, const char *s);
/* It may hold up those sent behind it for most of the timeout: theirs begins when it was answered.
 */
void redis_cmd_blocks(struct redis_cmd *cmd);
size_t redis_cmd_size(const struct redis_cmd *cmd); /* bytes so far */
void redis_argi(struct redis_cmd *cmd, int64_t n);
/* EVALSHA of a script of store/scripts with one key, or NULL; add the ARGV with redis_arg().  When
 * Redis does not know the script (NOSCRIPT: it did not run), it is loaded and the command repeated.
 */
struct redis_cmd *redis_script(const char *name, const char *key);

enum answer {
	ANSWER_OK,
	ANSWER_ERROR, /* the reply is Redis' error: the command had no effect */
	ANSWER_LOST   /* not sent, or sent and never answered: it may have run */
};

/* reply is borrowed until fn returns; NULL with ANSWER_LOST. */
typedef void redis_fn(void *arg, enum answer answer, const redisReply *reply);

/* Takes cmd.  fn runs exactly once, never before the call returned (but for redis_free()).  What
 * cannot be sent, also beyond 64 Ki commands or 256 MiB under way, is ANSWER_LOST. */
void redis_send(struct redis *redis, struct redis_cmd *cmd, redis_fn *fn, void *arg);
void redis_send_setup(struct redis *redis, struct redis_cmd *cmd, redis_fn *fn, void *arg);
/* SUBSCRIBE; fn runs for each message with its payload until redis_free().  For a connection of its
 * own, as its on_setup: it is up when Redis confirms. */
typedef void redis_message_fn(void *arg, const char *payload);
void redis_subscribe(struct redis *redis, const char *channel, redis_message_fn *fn, void *arg);

struct redis_stats {
	uint64_t commands;   /* sent */
	uint64_t errors;     /* of them, refused */
	uint64_t unanswered; /* of them, lost with the connection */
	uint64_t connects;   /* tried */
	uint64_t losses;     /* of connections that were up */
	size_t pending;
	struct histogram latency; /* from sending a command to its answer */
};
void redis_stats(const struct redis *redis, struct redis_stats *stats);

#endif
