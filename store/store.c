/*
 * Opening the store: one connection for commands, one for hints.  At each connect the scripts are
 * loaded, schema and shards compared, and what is unwise in Redis' settings is said.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/reseal.h"
#include "store/script.h"
#include "store/store_internal.h"

#define STORE_SCHEMA 1
#define REFUSALS_MAX 32         /* kinds of commands; those beyond share the last place */
#define REFUSALS_EVERY_MS 10000 /* where Redis takes some and refuses others */

/* --- setting a connection up --- */

static bool
info_has(const char *info, const char *line)
{
	return strstr(info, line) != NULL;
}

/* One line for each thing that is unwise, said again only when it changes. */
static void
store_warn(struct store *store, const char *info)
{
	const char *what = "";

	if (info_has(info, "aof_enabled:0"))
		what = "appendonly is off: what was accepted may be lost when Redis dies";
	if (!info_has(info, "maxmemory_policy:noeviction") && info_has(info, "maxmemory_policy:"))
		what = *what == '\0'
			   ? "maxmemory-policy is not noeviction: Redis may evict what was accepted"
			   : "maxmemory-policy is not noeviction and appendonly is off: what was "
			     "accepted "
			     "may be evicted, or lost when Redis dies";
	if (*what != '\0' && (store->warned == NULL || strcmp(store->warned, what) != 0))
		log_msg(LOG_WARN, "redis settings: %s", what);
	free(store->warned);
	store->warned = xstrdup(what);
}

static void
store_on_info(void *arg, enum answer answer, const redisReply *reply)
{
	struct store *store = arg;

	if (answer == ANSWER_LOST)
		return;
	if (answer == ANSWER_OK && reply->type == REDIS_REPLY_STRING) {
		if (info_has(reply->str, "role:slave")) {
			redis_setup_failed(store->redis, "this Redis is a replica");
			return;
		}
		store_warn(store, reply->str);
	}
	redis_setup_done(store->redis);
}

/* The meta script: tells what this program goes by and asks what is stored. */
static struct redis_cmd *
store_meta(const struct store *store)
{
	const struct secretbox *secrets = store->opts.secrets;
	struct redis_cmd *cmd = redis_script("meta", "evhook:meta");

	redis_argi(cmd, STORE_SCHEMA);
	redis_argi(cmd, store->opts.shards);
	for (size_t i = 0; i < secretbox_count(secrets); i++)
		redis_args(cmd, secretbox_id(secrets, i));
	return cmd;
}

/* What does not fit, as a text (free()); NULL when all does. */
static char *
store_misfit(const struct store *store, const redisReply *meta)
{
	struct buf why = {0};

	if (reply_int(meta, 0) != STORE_SCHEMA)
		buf_printf(&why, "this Redis holds data of schema %s, not %d",
		    reply_text(meta, 0, NULL), STORE_SCHEMA);
	else if (reply_int(meta, 1) != store->opts.shards)
		buf_printf(&why,
		    "this Redis holds data in %s shards: start with --shards %s, not %u",
		    reply_text(meta, 1, NULL), reply_text(meta, 1, NULL), store->opts.shards);
	else if (reply_int(meta, 3) != 1)
		buf_printf(&why,
		    "this Redis holds secrets sealed with key %s: give that key with --secrets-key",
		    reply_text(meta, 2, NULL));
	return why.len > 0 ? buf_take(&why, NULL) : NULL;
}

static void
store_on_meta(void *arg, enum answer answer, const redisReply *reply)
{
	struct store *store = arg;
	struct redis_cmd *info;
	char *why;

	if (answer == ANSWER_LOST)
		return;
	if (answer == ANSWER_ERROR || !reply_is_array(reply, 4)) {
		redis_setup_failed(
		    store->redis, answer == ANSWER_ERROR ? reply->str : "odd answer");
		return;
	}
	why = store_misfit(store, reply);
	if (why == NULL) {
		info = redis_cmd_new();
		redis_args(info, "INFO");
		redis_send_setup(store->redis, info, store_on_info, store);
	} else {
		store->opts.on_misfit(store->opts.arg, why);
	}
	free(why);
}

static void
store_on_loaded(void *arg, enum answer answer, const redisReply *reply)
{
	static const char compiling[] = "ERR Error compiling";
	struct store *store = arg;

	if (answer == ANSWER_ERROR && strncmp(reply->str, compiling, sizeof compiling - 1) == 0)
		redis_setup_failed(store->redis, "this Redis is too old: it must be 7.0 or later");
	else if (answer == ANSWER_ERROR)
		redis_setup_failed(store->redis, reply->str);
}

static void
store_on_setup(void *arg)
{
	struct store *store = arg;
	const struct script *script;
	struct redis_cmd *cmd;

	for (script = script_all(); script->name != NULL; script++) {
		cmd = redis_cmd_new();
		redis_args(cmd, "SCRIPT");
		redis_args(cmd, "LOAD");
		redis_args(cmd, script->text);
		redis_send_setup(store->redis, cmd, store_on_loaded, store);
	}
	redis_send_setup(store->redis, store_meta(store), store_on_meta, store);
}

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
}

static void
store_on_hints_pong(void *arg, enum answer answer, const redisReply *reply)
{
	struct store *store = arg;

	if (answer == ANSWER_ERROR)
		redis_setup_failed(store->hints, reply->str);
	else if (answer == ANSWER_OK)
		redis_setup_done(store->hints);
}

/* A connection is not enough: a stopped Redis has it made by the kernel, a loading one refuses us.
 */
static void
store_on_hints_setup(void *arg)
{
	struct store *store = arg;
	struct redis_cmd *ping = redis_cmd_new();

	redis_args(ping, "PING");
	redis_send_setup(store->hints, ping, store_on_hints_pong, store);
}

static void
store_on_hints_up(void *arg)
{
	struct store *store = arg;

	redis_subscribe(store->hints, CHANGES_CHANNEL, store_on_hint, store);
}

/* --- life --- */

static void
store_on_up(void *arg)
{
	struct store *store = arg;

	store->opts.on_up(store->opts.arg);
	reseal_start(store->reseal);
}

static void
store_on_down(void *arg)
{
	struct store *store = arg;

	/* whatever took the one may have taken the other without a word */
	redis_reset(store->hints, "the connection for commands was lost");
	reseal_stop(store->reseal);
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
	    .on_setup = store_on_setup,
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
	store->opts.redis_uri = NULL;
	keys_init(&store->keys, opts->shards);
	store->reseal = reseal_new(store);
	store->publisher = publisher_new(opts->base);
	store->redis = redis_new(&redis);
	redis.label = "redis-hints";
	redis.on_setup = store_on_hints_setup;
	redis.on_up = store_on_hints_up;
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
	redis_free(store->redis);
	publisher_free(store->publisher);
	reseal_free(store->reseal);
	redisuri_clear(&store->uri);
	keys_clear(&store->keys);
	free(store->warned);
	free(store);
}

/* While running a key that is missing is no reason to end: what is readable goes on. */
static void
store_on_new_secrets(void *arg, enum answer answer, const redisReply *reply)
{
	struct store *store = arg;
	char *why;

	if (answer != ANSWER_OK || !reply_is_array(reply, 4))
		return; /* the next connection tries again */
	why = store_misfit(store, reply);
	if (why != NULL)
		log_msg(LOG_ERROR, "%s", why);
	else
		reseal_start(store->reseal);
	free(why);
}

void
store_use_secrets(struct store *store, const struct secretbox *secrets)
{
	store->opts.secrets = secrets;
	if (redis_is_up(store->redis))
		redis_send(store->redis, store_meta(store), store_on_new_secrets, store);
}

bool
store_is_up(const struct store *store)
{
	return redis_is_up(store->redis);
}

void
store_stats(const struct store *store, struct store_stats *stats)
{
	struct redis_stats redis;

	redis_stats(store->redis, &redis);
	stats->commands = redis.commands;
	stats->errors = redis.errors;
	stats->unanswered = redis.unanswered;
	stats->connects = redis.connects;
	stats->losses = redis.losses;
	stats->pending = redis.pending;
	stats->latency = redis.latency;
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
