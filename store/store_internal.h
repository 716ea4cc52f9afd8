/* What the files of store/ share. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <sys/queue.h>

#include "base/mem.h"
#include "proto/event.h"
#include "proto/webhook.h"
#include "store/keys.h"
#include "store/redis.h"
#include "store/redisuri.h"
#include "store/store.h"

struct store {
	struct store_opts opts;
	struct redisuri uri;
	struct keys keys;
	struct redis *redis;
	struct redis *publishing;    /* the same, or with --redis-wait that of: */
	struct replicas *replicas;   /* NULL without */
	struct publisher *publisher; /* gathers the publish requests of a turn */
	struct redis *hints; /* the connection that is subscribed to the channel of changes */
	struct setup *setup;
	struct damage *damage;
	struct clock_watch *clock;
	struct reseal *reseal;
	int64_t complained_ms; /* when the last unreadable webhook was named in the log ... */
	int64_t uncomplained;  /* ... and how many were not since */
};

/* --- setup.c: whether this Redis will do --- */

void setup_open(struct store *store);
void setup_close(struct store *store);
void setup_begin(void *store);        /* connected: ends in redis_setup_done() or _failed() */
void setup_done(struct store *store); /* up: looks again from time to time ... */
void setup_over(struct store *store); /* ... until this */
/* Other keys for secrets are in use. */
void setup_tell_secrets(struct store *store);

/* --- replicas.c: with --redis-wait --- */

struct replicas_op {
	STAILQ_ENTRY(replicas_op) entry;
	void (*fn)(struct replicas_op *op, enum store_err err);
};
STAILQ_HEAD(replicas_op_list, replicas_op);

struct replicas *replicas_new(struct store *store);
/* The connection on which to write what replicas_await() is about. */
struct redis *replicas_redis(const struct replicas *replicas);
/* fn, exactly once and not within the call: STORE_OK when enough replicas have what was answered on
 * the connection before, STORE_UNREPLICATED when it is written and they have not. */
void replicas_await(struct replicas *replicas, struct replicas_op *op);
/* Ends what waits. */
void replicas_free(struct replicas *replicas);

/* --- publish --- */

/* The publish script's arguments: the head, then each request. */
struct publish_request;
void publish_args_head(struct redis_cmd *cmd, const struct publish_request *request);
void publish_args_request(struct redis_cmd *cmd, const struct publish_request *request);

struct publisher *publisher_new(struct event_base *base);
/* Sends what was gathered: before the connection is freed, which answers it. */
void publisher_flush(struct publisher *publisher);
void publisher_free(struct publisher *publisher); /* when all is answered */

/* A script command for the shard of a tenant. */
struct redis_cmd *store_script(
    const struct store *store, const char *name, const struct uuid *tenant);
/* Logs what Redis refused and turns the answer into an error; STORE_OK for ANSWER_OK. */
enum store_err store_judge(const char *what, enum answer answer, const redisReply *reply);

/* The stored form of a webhook's secrets; appended, to be wiped when there are no keys. */
void store_seal_secrets(struct store *store, const struct webhook *webhook, struct buf *out);
/* Fills a webhook, whose tenant and locator are set, from the stored texts.  STORE_OK or
 * STORE_UNREADABLE, and the log says why. */
enum store_err store_load_webhook(
    struct store *store, struct webhook *webhook, const redisReply *doc, const redisReply *secrets);

/* An argument for each: the attempt as it is recorded, without its time and outcome. */
struct attempt;
void attempts_arg(struct redis_cmd *cmd, const struct attempt *attempts, size_t n);

/* Reading replies: none trusts their shape. */
bool reply_is_array(const redisReply *reply, size_t least);
/* The i-th element as text; "" when it is none. */
const char *reply_text(const redisReply *array, size_t i, size_t *n);
/* The i-th element as a number, from an integer or from text; 0 when it is none. */
int64_t reply_int(const redisReply *array, size_t i);
bool reply_is(const redisReply *array, size_t i, const char *text);
/* The value of a field in a flat array of names and values; NULL when absent. */
const redisReply *reply_field(const redisReply *fields, const char *name);
int64_t reply_field_int(const redisReply *fields, const char *name);

/* An event in a reply; its parts are borrowed from the reply and from the row itself, which must
 * not move. */
struct event_row {
	struct ulid locator;
	struct ulid request_id;
	struct event_parts parts;
};

/* From a stream id and the entry's fields.  0, or -1 when it is none of ours. */
int event_row_read(struct event_row *row, const char *id, const redisReply *fields);

#endif
