/*
 * The clock of Redis, by which queues go.  When it was set back (a machine from a snapshot, a
 * failover to one that is behind), due.lua notices, and the queues' times are moved by that in
 * steps of shift.lua, which any instance may take.  And when it is not the time of this machine,
 * the log says so, once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/clock_watch.h"
#include "store/store_internal.h"

#define APART_MS 30000

struct clock_watch {
	struct store *store;
	int64_t lease_ms;
	int64_t back_ms; /* that was said */
	bool moving;     /* a step is under way */
	bool apart;
};

static void clock_watch_step(struct clock_watch *clock);

static void
clock_watch_on_step(void *arg, enum answer answer, const redisReply *reply)
{
	struct clock_watch *clock = arg;
	enum store_err err = store_judge("shift", answer, reply);

	clock->moving = false;
	if (err == STORE_OK && reply->type == REDIS_REPLY_STRING && strcmp(reply->str, "1") == 0)
		clock_watch_step(clock);
	/* else it is done, or the next look takes it up again */
}

static void
clock_watch_step(struct clock_watch *clock)
{
	const struct keys *keys = &clock->store->keys;
	struct redis_cmd *cmd = redis_script("shift", keys->prefixes[0]);

	clock->moving = true;
	redis_argi(cmd, clock->lease_ms);
	for (unsigned i = 0; i < keys->shards; i++)
		redis_args(cmd, keys->prefixes[i]);
	redis_send(clock->store->redis, cmd, clock_watch_on_step, clock);
}

/* Once for each change. */
static void
clock_watch_compare(struct clock_watch *clock, int64_t redis_now_ms)
{
	int64_t ahead_ms = redis_now_ms - clock_wall_ms();
	bool apart = ahead_ms > APART_MS || ahead_ms < -APART_MS;

	if (apart == clock->apart)
		return;
	clock->apart = apart;
	log_begin(apart ? LOG_WARN : LOG_INFO,
	    apart ? "the clocks of redis and of this machine differ"
		  : "the clocks of redis and of this machine agree again");
	log_int("redis_ahead_ms", ahead_ms);
	log_end();
}

void
clock_watch_saw(struct clock_watch *clock, int64_t lease_ms, int64_t redis_now_ms, int64_t back_ms)
{
	clock_watch_compare(clock, redis_now_ms);
	clock->lease_ms = lease_ms;
	if (back_ms != 0 && back_ms != clock->back_ms) {
		log_begin(LOG_WARN, "the clock of redis went back: queues are moved by that");
		log_int("by_ms", back_ms);
		log_end();
	}
	clock->back_ms = back_ms;
	if (back_ms != 0 && !clock->moving)
		clock_watch_step(clock);
}

struct clock_watch *
clock_watch_new(struct store *store)
{
	struct clock_watch *clock = xcalloc(1, sizeof *clock);

	clock->store = store;
	return clock;
}

void
clock_watch_free(struct clock_watch *clock)
{
	free(clock);
}
