/*
 * What the scripts found damaged in Redis: said in the log, by name and not too often.  Behind a
 * wake-up index that was set aside the shard's queues are put into the new one, some at a step.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/damage.h"
#include "store/store_internal.h"

#define SAID_MAX 20 /* lines in so many ms; the others are counted */
#define SAID_MS 10000

struct damage {
	struct store *store;
	int64_t since_ms; /* monotonic */
	unsigned said;    /* since then ... */
	uint64_t unsaid;  /* ... and how many were not */
	bool *waking;     /* by shard: it is being walked through */
};

/* One shard's walk. */
struct damage_walk {
	struct damage *damage;
	unsigned shard;
};

static void damage_step(struct damage_walk *walk, const char *cursor);

static void
damage_on_step(void *arg, enum answer answer, const redisReply *reply)
{
	struct damage_walk *walk = arg;
	enum store_err err = store_judge("wake", answer, reply);

	if (err == STORE_OK && reply->type == REDIS_REPLY_STRING && strcmp(reply->str, "0") != 0) {
		damage_step(walk, reply->str);
		return;
	}
	if (err != STORE_OK)
		log_msg(LOG_ERROR, "not all queues of a shard are woken: evhookctl fsck does it");
	walk->damage->waking[walk->shard] = false;
	free(walk);
}

static void
damage_step(struct damage_walk *walk, const char *cursor)
{
	struct store *store = walk->damage->store;
	struct redis_cmd *cmd = redis_script("wake", store->keys.prefixes[walk->shard]);

	redis_args(cmd, cursor);
	redis_send(store->redis, cmd, damage_on_step, walk);
}

/* key: "evhook:{N}:due". */
static void
damage_wake(struct damage *damage, const char *key, size_t len)
{
	const struct keys *keys = &damage->store->keys;
	struct damage_walk *walk;

	for (unsigned i = 0; i < keys->shards; i++) {
		size_t n = strlen(keys->prefixes[i]);

		if (len != n + 3 || memcmp(key, keys->prefixes[i], n) != 0 ||
		    memcmp(key + n, "due", 3) != 0 || damage->waking[i])
			continue;
		damage->waking[i] = true;
		walk = xcalloc(1, sizeof *walk);
		walk->damage = damage;
		walk->shard = i;
		damage_step(walk, "0");
	}
}

void
damage_hint(struct damage *damage, const char *text)
{
	int64_t now = clock_mono_ms();
	size_t len = strcspn(text, " ");
	char *key;

	damage_wake(damage, text, len);
	if (now - damage->since_ms >= SAID_MS) {
		damage->since_ms = now;
		damage->said = 0;
	}
	if (damage->said >= SAID_MAX) {
		damage->unsaid++;
		return;
	}
	damage->said++;
	key = xstrndup(text, len);
	log_begin(LOG_ERROR, "damage in redis");
	log_str("key", key);
	log_str("what", text[len] == ' ' ? text + len + 1 : "");
	if (damage->unsaid > 0)
		log_int("unsaid", (int64_t)damage->unsaid);
	log_end();
	damage->unsaid = 0;
	free(key);
}

struct damage *
damage_new(struct store *store)
{
	struct damage *damage = xcalloc(1, sizeof *damage);

	damage->store = store;
	damage->since_ms = clock_mono_ms();
	damage->waking = xcalloc(store->keys.shards, sizeof *damage->waking);
	return damage;
}

void
damage_free(struct damage *damage)
{
	free(damage->waking);
	free(damage);
}
