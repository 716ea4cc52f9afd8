/*
 * How much is queued.  One script looks at the wake-up indexes of all shards and counts the entries
 * of some hundred queues; the next one goes on behind them.  After STEPS_MAX of them the rest is
 * left to the next time, and the figures of the last whole count stand until then.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/depth.h"
#include "store/store_internal.h"

#define DEPTH_FRESH_MS 5000
#define DEPTH_QUEUES 300 /* looked at by one script: about a millisecond */
#define DEPTH_STEPS_MAX 20

struct depth {
	struct store *store;
	int64_t lease_ms;
	int64_t asked_ms; /* monotonic; when the last count began or went on */
	bool asked;
	unsigned steps;   /* of this time */
	int64_t shard;    /* where to go on, and ... */
	int64_t position; /* ... from which place in its index */
	struct depth_stats partial;
	struct depth_stats whole;
	void (*fn)(void *arg); /* NULL: nobody waits */
	void *arg;
};

static void depth_step(struct depth *depth);

static void
depth_finish(struct depth *depth)
{
	void (*fn)(void *) = depth->fn;

	depth->fn = NULL;
	fn(depth->arg);
}

static void
depth_read_fullest(struct depth_stats *stats, const redisReply *reply)
{
	stats->nfullest = 0;
	for (size_t i = 8; i < reply->elements && stats->nfullest < DEPTH_TENANTS; i++)
		stats->fullest[stats->nfullest++] = reply_int(reply, i);
}

/* {now, earliest or '', queues, shard to go on with or '', position, due, soon, deferred, and of
 * the first step: tenant, bytes, …} */
static bool
depth_read(struct depth *depth, const redisReply *reply)
{
	int64_t now = reply_int(reply, 0), earliest = reply_int(reply, 1);

	if (depth->shard == 0 && depth->position == 0)
		depth_read_fullest(&depth->partial, reply);
	depth->partial.due += (uint64_t)reply_int(reply, 5);
	depth->partial.soon += (uint64_t)reply_int(reply, 6);
	depth->partial.deferred += (uint64_t)reply_int(reply, 7);
	depth->whole.queues = (uint64_t)reply_int(reply, 2);
	depth->whole.oldest_due_ms = earliest > 0 && earliest < now ? now - earliest : 0;
	depth->shard = reply_int(reply, 3);
	depth->position = reply_int(reply, 4);
	if (*reply_text(reply, 3, NULL) != '\0')
		return false;
	depth->whole.due = depth->partial.due;
	depth->whole.soon = depth->partial.soon;
	depth->whole.deferred = depth->partial.deferred;
	depth->whole.nfullest = depth->partial.nfullest;
	memcpy(depth->whole.fullest, depth->partial.fullest, sizeof depth->whole.fullest);
	depth->whole.known = true;
	if (depth->whole.due == 0)
		depth->whole.oldest_due_ms = 0; /* the indexes may be early */
	depth->partial = (struct depth_stats){0};
	return true;
}

static void
depth_on_reply(void *arg, enum answer answer, const redisReply *reply)
{
	struct depth *depth = arg;
	enum store_err err = store_judge("depth", answer, reply);

	if (err == STORE_OK && reply_is_array(reply, 8) && !depth_read(depth, reply) &&
	    ++depth->steps < DEPTH_STEPS_MAX)
		depth_step(depth);
	else
		depth_finish(depth);
}

static void
depth_step(struct depth *depth)
{
	const struct keys *keys = &depth->store->keys;
	struct redis_cmd *cmd = redis_script("depth", keys->prefixes[0]);

	redis_argi(cmd, depth->lease_ms);
	redis_argi(cmd, DEPTH_QUEUES);
	redis_argi(cmd, depth->shard);
	redis_argi(cmd, depth->position);
	for (unsigned i = 0; i < keys->shards; i++)
		redis_args(cmd, keys->prefixes[i]);
	redis_send(depth->store->redis, cmd, depth_on_reply, depth);
}

bool
depth_ask(struct depth *depth, void (*fn)(void *arg), void *arg)
{
	int64_t now = clock_mono_ms();

	if (depth->fn != NULL || !store_is_up(depth->store) ||
	    (depth->asked && now - depth->asked_ms < DEPTH_FRESH_MS))
		return false;
	depth->asked = true;
	depth->asked_ms = now;
	depth->steps = 0;
	depth->fn = fn;
	depth->arg = arg;
	depth_step(depth);
	return true;
}

void
depth_stats(const struct depth *depth, struct depth_stats *stats)
{
	*stats = depth->whole;
}

struct depth *
depth_new(struct store *store, int64_t lease_ms)
{
	struct depth *depth = xcalloc(1, sizeof *depth);

	depth->store = store;
	depth->lease_ms = lease_ms;
	return depth;
}

void
depth_free(struct depth *depth)
{
	free(depth);
}
