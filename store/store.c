/* Opening the store: one connection for commands, one for hints; what Redis refuses. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/clock_watch.h"
#include "store/damage.h"
#include "store/reseal.h"
#include "store/store_internal.h"

#define REFUSALS_MAX 32         /* kinds of commands; those beyond share the last place */
#define REFUSALS_EVERY_MS 10000 /* where Redis takes some and refuses others */

/* --- hints --- */

static void
store_on_hint(void *arg, const char *payload)
{
	struct store *store = arg;
	struct ulid webhook;

	if (strncmp(payload, "webhook ", 8) == 0 &&
	    ulid_parse(&webhook, payload + 8, strlen(payload + 8)) == 0)
		store->opts.on_webhook_hint(store->opts.arg, &webhook);
	else if (strncmp(payload, "due ", 4) == 0)
		store->opts.on_due_hint(store->opts.arg);
	else if (strncmp(payload, "damaged ", 8) == 0)
		damage_hint(store->damage, payload + 8);
}

/* Up once the subscription is confirmed: a stopped Redis has a connection made by the kernel, a
 * loading one or one where the user lacks the right refuses it. */
static void
store_on_hints_setup(void *arg)
{
	struct store *store = arg;

	redis_subscribe(store->hints, CHANGES_CHANNEL, store_on_hint, store);
}

/* --- life --- */

static void
store_on_up(void *arg)
{
	struct store *store = arg;

	setup_done(store);
	store->opts.on_up(store->opts.arg);
	reseal_start(store->reseal);
}

static void
store_on_down(void *arg)
{
	struct store *store = arg;

	/* whatever took the one may have taken the other without a word */
	redis_reset(store->hints, "the connection for commands was lost");
	if (store->replicas != NULL)
		redis_reset(store->publishing, "the connection for commands was lost");
	reseal_stop(store->reseal);
	setup_over(store);
	store->opts.on_down(store->opts.arg);
}

struct store *
store_new(const struct store_opts *opts, const char **why)
{
	struct store *store = xcalloc(1, sizeof *store);
	struct redis_opts redis = {
	    .base = opts->base,
	    .uri = &store->uri,
	    .label = "redis",
	    .timeout_ms = opts->timeout_ms,
	    .on_setup = setup_begin,
	    .on_up = store_on_up,
	    .on_down = store_on_down,
	    .arg = store,
	};

	*why = redisuri_fault(opts->redis_uri);
	if (*why != NULL || redisuri_parse(&store->uri, opts->redis_uri) != 0) {
		redisuri_clear(&store->uri);
		free(store);
		return NULL;
	}
	store->opts = *opts;
	store->opts.redis_uri = store->opts.redis_password = NULL;
	if (opts->redis_password != NULL)
		redisuri_set_password(&store->uri, opts->redis_password);
	keys_init(&store->keys, opts->shards);
	store->damage = damage_new(store);
	store->clock = clock_watch_new(store);
	store->reseal = reseal_new(store);
	setup_open(store);
	store->publisher = publisher_new(opts->base);
	if (opts->redis_wait > 0)
		store->replicas = replicas_new(store);
	store->redis = redis_new(&redis);
	store->publishing =
	    store->replicas == NULL ? store->redis : replicas_redis(store->replicas);
	redis.label = "redis-hints";
	redis.on_setup = store_on_hints_setup;
	redis.on_up = NULL;
	redis.on_down = NULL;
	store->hints = redis_new(&redis);
	return store;
}

void
store_free(struct store *store)
{
	if (store == NULL)
		return;
	reseal_stop(store->reseal);
	publisher_flush(store->publisher);
	redis_free(store->hints);
	if (store->replicas != NULL)
		replicas_free(store->replicas);
	redis_free(store->redis);
	publisher_free(store->publisher);
	reseal_free(store->reseal);
	setup_close(store);
	damage_free(store->damage);
	clock_watch_free(store->clock);
	redisuri_clear(&store->uri);
	keys_clear(&store->keys);
	free(store);
}

void
store_use_secrets(struct store *store, const struct secretbox *secrets)
{
	store->opts.secrets = secrets;
	if (redis_is_up(store->redis))
		setup_tell_secrets(store);
}

void
store_use_password(struct store *store, const char *password)
{
	redisuri_set_password(&store->uri, password);
}

bool
store_is_up(const struct store *store)
{
	return redis_is_up(store->redis) && redis_is_up(store->publishing);
}

const char *
store_trouble(const struct store *store)
{
	if (!redis_is_up(store->redis))
		return redis_fault(store->redis);
	return redis_is_up(store->publishing) ? NULL : redis_fault(store->publishing);
}

static void
store_add_stats(struct store_stats *stats, const struct redis *redis)
{
	struct redis_stats more;

	redis_stats(redis, &more);
	stats->commands += more.commands;
	stats->errors += more.errors;
	stats->unanswered += more.unanswered;
	stats->connects += more.connects;
	stats->losses += more.losses;
	stats->pending += more.pending;
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
		stats->latency.counts[i] += more.latency.counts[i];
	stats->latency.sum_us += more.latency.sum_us;
}

void
store_stats(const struct store *store, struct store_stats *stats)
{
	*stats = (struct store_stats){0};
	store_add_stats(stats, store->redis);
	if (store->replicas != NULL)
		store_add_stats(stats, store->publishing);
}

/* --- for the other files --- */

struct redis_cmd *
store_script(const struct store *store, const char *name, const struct uuid *tenant)
{
	return redis_script(name, keys_prefix(&store->keys, tenant));
}

/* Which kinds of commands Redis refuses at present, and when that was last said. */
static struct refusal {
	const char *what; /* a constant */
	bool refused;
	bool said;
	int64_t said_ms;
} store_refusals[REFUSALS_MAX];
static size_t store_nrefused;

static struct refusal *
store_refusal(const char *what)
{
	size_t i = 0;

	while (i < REFUSALS_MAX - 1 && store_refusals[i].what != NULL &&
	       strcmp(store_refusals[i].what, what) != 0)
		i++;
	store_refusals[i].what = what;
	return &store_refusals[i];
}

/* One line for the change, not for each command: a full Redis refuses thousands a second. */
static void
store_refused(const char *what, const char *reason)
{
	struct refusal *refusal = store_refusal(what);
	int64_t now = clock_mono_ms();

	if (refusal->refused)
		return;
	refusal->refused = true;
	store_nrefused++;
	refusal->said = refusal->said_ms == 0 || now - refusal->said_ms >= REFUSALS_EVERY_MS;
	if (!refusal->said)
		return;
	refusal->said_ms = now;
	log_begin(LOG_WARN, "redis refuses a command");
	log_str("command", what);
	log_str("reason", reason);
	log_end();
}

static void
store_took(const char *what)
{
	struct refusal *refusal = store_refusal(what);

	if (!refusal->refused)
		return;
	refusal->refused = false;
	store_nrefused--;
	if (!refusal->said)
		return;
	log_begin(LOG_INFO, "redis takes a command again");
	log_str("command", what);
	log_end();
}

enum store_err
store_judge(const char *what, enum answer answer, const redisReply *reply)
{
	if (answer == ANSWER_OK) {
		if (store_nrefused > 0)
			store_took(what);
		return STORE_OK;
	}
	if (answer == ANSWER_ERROR)
		store_refused(what, reply->str);
	return STORE_UNAVAILABLE;
}
