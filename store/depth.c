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

/* {tenant, bytes, …} */
static void
depth_read_fullest(struct depth_stats *stats, const redisReply *list)
{
	stats->nfullest = 0;
	for (size_t i = 0; i + 1 < list->elements && stats->nfullest < DEPTH_TENANTS; i += 2) {
		struct depth_fullest *fullest = &stats->fullest[stats->nfullest];
		size_t n;
		const char *tenant = reply_text(list, i, &n);

		if (uuid_parse(&fullest->tenant, tenant, n) != 0)
			continue;
		fullest->bytes = reply_int(list, i + 1);
		stats->nfullest++;
	}
}

/* {queue, tenant, entries, of them due, time of the earliest} from i on; false when it is none. */
static bool
depth_read_queue(struct depth_queue *queue, const redisReply *list, size_t i, int64_t now)
{
	size_t n, tenant_len;
	const char *name = reply_text(list, i, &n);
	const char *tenant = reply_text(list, i + 1, &tenant_len);
	int64_t first = reply_int(list, i + 4);

	*queue = (struct depth_queue){0};
	if (n < ULID_LEN || ulid_parse(&queue->webhook, name, ULID_LEN) != 0)
		return false;
	queue->alert = n > ULID_LEN;
	if (uuid_parse(&queue->tenant, tenant, tenant_len) != 0)
		queue->tenant.s[0] = '\0';
	queue->entries = reply_int(list, i + 2);
	queue->due = reply_int(list, i + 3);
	queue->due_for_ms = queue->due > 0 && first < now ? now - first : 0;
	return true;
}

/* Those of this step among those of the steps before. */
static void
depth_read_longest(struct depth_stats *stats, const redisReply *list, int64_t now)
{
	struct depth_queue queue;

	for (size_t i = 0; i + 4 < list->elements; i += 5) {
		size_t at = stats->nlongest;

		if (!depth_read_queue(&queue, list, i, now))
			continue;
		while (at > 0 && stats->longest[at - 1].entries < queue.entries)
			at--;
		if (at == DEPTH_LONGEST)
			continue;
		if (stats->nlongest < DEPTH_LONGEST)
			stats->nlongest++;
		memmove(&stats->longest[at + 1], &stats->longest[at],
		    (stats->nlongest - at - 1) * sizeof queue);
		stats->longest[at] = queue;
	}
}

/* {now, earliest or '', queues, shard to go on with or '', position, due, soon, deferred, then of
 * the first step the fullest tenants, the longest queues, of the first step the oldest queue} */
static bool
depth_read(struct depth *depth, const redisReply *reply)
{
	int64_t now = reply_int(reply, 0), earliest = reply_int(reply, 1);

	if (depth->shard == 0 && depth->position == 0) {
		depth_read_fullest(&depth->partial, reply->element[8]);
		if (!depth_read_queue(&depth->partial.oldest, reply->element[10], 0, now))
			depth->partial.oldest.entries = 0;
	}
	depth_read_longest(&depth->partial, reply->element[9], now);
	depth->partial.due += (uint64_t)reply_int(reply, 5);
	depth->partial.soon += (uint64_t)reply_int(reply, 6);
	depth->partial.deferred += (uint64_t)reply_int(reply, 7);
	depth->whole.queues = (uint64_t)reply_int(reply, 2);
	depth->whole.oldest_due_ms = earliest > 0 && earliest < now ? now - earliest : 0;
	depth->shard = reply_int(reply, 3);
	depth->position = reply_int(reply, 4);
	if (*reply_text(reply, 3, NULL) != '\0')
		return false;
	depth->partial.queues = depth->whole.queues;
	depth->partial.oldest_due_ms = depth->whole.oldest_due_ms;
	depth->partial.known = true;
	if (depth->partial.due == 0) { /* the indexes may be early */
		depth->partial.oldest_due_ms = 0;
		depth->partial.oldest.entries = 0;
	}
	depth->whole = depth->partial;
	depth->partial = (struct depth_stats){0};
	return true;
}

static bool
depth_is_fit(const redisReply *reply)
{
	if (!reply_is_array(reply, 11))
		return false;
	for (size_t i = 8; i < 11; i++)
		if (!reply_is_array(reply->element[i], 0))
			return false;
	return true;
}

static void
depth_on_reply(void *arg, enum answer answer, const redisReply *reply)
{
	struct depth *depth = arg;
	enum store_err err = store_judge("depth", answer, reply);

	if (err == STORE_OK && depth_is_fit(reply) && !depth_read(depth, reply) &&
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
