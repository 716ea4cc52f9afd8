/*
 * --redis-wait: what was published is only promised once so many replicas have it.  WAIT holds up
 * the connection that it is sent on, and counts what was written there; so publishing then has a
 * connection of its own, on which one WAIT at a time is under way.  It is about all whose scripts
 * were answered before it was sent; those that are answered meanwhile share the next.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/script.h"
#include "store/store_internal.h"

struct replicas {
	struct store *store;
	struct redis *redis;
	struct event *ask;               /* at the end of the turn, in which more may be answered */
	struct replicas_op_list waiting; /* for the next WAIT */
	struct replicas_op_list covered; /* by the one under way */
	bool lacking;                    /* the last one counted too few: said in the log */
};

static void
replicas_end(struct replicas_op_list *list, enum store_err err)
{
	struct replicas_op *op;

	while ((op = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, entry);
		op->fn(op, err);
	}
}

/* One line for the change, not for each WAIT. */
static void
replicas_note(struct replicas *replicas, int64_t n)
{
	bool lacking = n < replicas->store->opts.redis_wait;

	if (lacking == replicas->lacking)
		return;
	replicas->lacking = lacking;
	log_begin(lacking ? LOG_WARN : LOG_INFO,
	    lacking ? "too few replicas of redis have what is published: it is refused"
		    : "enough replicas of redis have what is published");
	log_int("replicas", n);
	log_int("redis_wait", replicas->store->opts.redis_wait);
	log_end();
}

/* Those that wait for the next one were written on the same connection: lost with it, they cannot
 * be asked about any more. */
static void
replicas_on_wait(void *arg, enum answer answer, const redisReply *reply)
{
	struct replicas *replicas = arg;
	enum store_err err = store_judge("WAIT", answer, reply);
	struct replicas_op_list covered = STAILQ_HEAD_INITIALIZER(covered);

	if (err == STORE_OK) {
		replicas_note(replicas, reply->integer);
		if (reply->integer < replicas->store->opts.redis_wait)
			err = STORE_UNREPLICATED;
	}
	STAILQ_CONCAT(&covered, &replicas->covered);
	if (answer == ANSWER_LOST)
		STAILQ_CONCAT(&covered, &replicas->waiting);
	else if (!STAILQ_EMPTY(&replicas->waiting))
		event_active(replicas->ask, EV_TIMEOUT, 1);
	replicas_end(&covered, err);
}

static void
replicas_ev_ask(evutil_socket_t fd, short what, void *arg)
{
	struct replicas *replicas = arg;
	struct redis_cmd *wait;

	(void)fd;
	(void)what;
	if (!STAILQ_EMPTY(&replicas->covered) || STAILQ_EMPTY(&replicas->waiting))
		return;
	STAILQ_CONCAT(&replicas->covered, &replicas->waiting);
	wait = redis_cmd_new();
	redis_args(wait, "WAIT");
	redis_argi(wait, replicas->store->opts.redis_wait);
	redis_argi(wait, replicas->store->opts.timeout_ms / 2);
	redis_cmd_blocks(wait);
	redis_send(replicas->redis, wait, replicas_on_wait, replicas);
}

void
replicas_await(struct replicas *replicas, struct replicas_op *op)
{
	STAILQ_INSERT_TAIL(&replicas->waiting, op, entry);
	event_active(replicas->ask, EV_TIMEOUT, 1);
}

/* --- the connection --- */

static void
replicas_on_loaded(void *arg, enum answer answer, const redisReply *reply)
{
	struct replicas *replicas = arg;

	if (answer == ANSWER_ERROR)
		redis_setup_failed(replicas->redis, reply->str);
	else if (answer == ANSWER_OK)
		redis_setup_done(replicas->redis);
}

/* That it answers; whether it will do is looked at on the main connection. */
static void
replicas_on_setup(void *arg)
{
	struct replicas *replicas = arg;
	struct redis_cmd *cmd = redis_cmd_new();

	redis_args(cmd, "SCRIPT");
	redis_args(cmd, "LOAD");
	redis_args(cmd, script_find("publish")->text);
	redis_send_setup(replicas->redis, cmd, replicas_on_loaded, replicas);
}

struct replicas *
replicas_new(struct store *store)
{
	struct replicas *replicas = xcalloc(1, sizeof *replicas);
	struct redis_opts redis = {
	    .base = store->opts.base,
	    .uri = &store->uri,
	    .label = "redis-publish",
	    .timeout_ms = store->opts.timeout_ms,
	    .on_setup = replicas_on_setup,
	    .arg = replicas,
	};

	replicas->store = store;
	STAILQ_INIT(&replicas->waiting);
	STAILQ_INIT(&replicas->covered);
	replicas->ask = evtimer_new(store->opts.base, replicas_ev_ask, replicas);
	if (replicas->ask == NULL)
		abort(); /* out of memory, as in base/mem.c */
	replicas->redis = redis_new(&redis);
	return replicas;
}

struct redis *
replicas_redis(const struct replicas *replicas)
{
	return replicas->redis;
}

void
replicas_free(struct replicas *replicas)
{
	redis_free(replicas->redis); /* answers what is covered */
	replicas_end(&replicas->waiting, STORE_UNAVAILABLE);
	event_free(replicas->ask);
	free(replicas);
}
