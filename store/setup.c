/*
 * Whether this Redis will do.  At each connect what is unwise in its settings is said and the
 * scripts are loaded; what this user may do, schema and shards are compared with what is needed.
 * While connected that is looked at again every few seconds: rights are taken away, and FLUSHALL
 * takes evhook:meta with it, upon which an instance with other shards could start beside this one.
 *
 *	connected: INFO -> SCRIPT LOAD … -> fit ──all is there──▶ up
 *	                                       └──something is new─▶ meta ─┘
 *	up:        fit, every few seconds (and meta, where something is missing)
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/reseal.h"
#include "store/script.h"
#include "store/store_internal.h"

#define SETUP_SCHEMA 2
#define SETUP_LOOK_S 5
#define META_KEY "evhook:meta"

struct setup {
	struct event *look;
	char *warned;  /* what was warned about at the last connect, to say it once */
	bool was_done; /* the process has begun its work */
};

static redis_fn setup_on_fit;
static redis_fn setup_on_meta;

/* --- settings --- */

static bool
info_has(const char *info, const char *line)
{
	return strstr(info, line) != NULL;
}

/* One line for each thing that is unwise, said again only when it changes. */
static void
setup_warn(struct setup *setup, const char *info)
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
	if (*what != '\0' && (setup->warned == NULL || strcmp(setup->warned, what) != 0))
		log_msg(LOG_WARN, "redis settings: %s", what);
	free(setup->warned);
	setup->warned = xstrdup(what);
}

/* --- what is stored --- */

/* What does not fit, as a text (free()); NULL when all does. */
static char *
setup_misfit(const struct store *store, const char *schema, const char *shards, const char *key)
{
	const struct secretbox *secrets = store->opts.secrets;
	struct buf why = {0};
	bool sealed = *key != '\0';

	for (size_t i = 0; i < secretbox_count(secrets); i++)
		if (strcmp(key, secretbox_id(secrets, i)) == 0)
			sealed = false;
	if (strtoll(schema, NULL, 10) != SETUP_SCHEMA)
		buf_printf(
		    &why, "this Redis holds data of schema %s, not %d", schema, SETUP_SCHEMA);
	else if (strtoll(shards, NULL, 10) != store->opts.shards)
		buf_printf(&why,
		    "this Redis holds data in %s shards: start with --shards %s, not %u", shards,
		    shards, store->opts.shards);
	else if (sealed)
		buf_printf(&why,
		    "this Redis holds secrets sealed with key %s: give that key with --secrets-key",
		    key);
	return why.len > 0 ? buf_take(&why, NULL) : NULL;
}

/* Not done again until the next connect: this process only begins where all fits, and one that has
 * begun waits until it fits again. */
static void
setup_refuse(struct store *store, const char *why)
{
	if (redis_is_up(store->redis))
		redis_reset(store->redis, why);
	else if (store->setup->was_done)
		redis_setup_failed(store->redis, why);
	else
		store->opts.on_misfit(store->opts.arg, why);
}

/* Writes what this program goes by where nothing is written yet. */
static struct redis_cmd *
setup_meta(const struct store *store)
{
	const struct secretbox *secrets = store->opts.secrets;
	struct redis_cmd *cmd = redis_script("meta", META_KEY);

	redis_argi(cmd, SETUP_SCHEMA);
	redis_argi(cmd, store->opts.shards);
	for (size_t i = 0; i < secretbox_count(secrets); i++)
		redis_args(cmd, secretbox_id(secrets, i));
	return cmd;
}

static void
setup_on_meta(void *arg, enum answer answer, const redisReply *reply)
{
	struct store *store = arg;
	bool up = redis_is_up(store->redis);
	char *why;

	if (answer == ANSWER_LOST || (answer == ANSWER_ERROR && up))
		return; /* the next look tries again */
	if (answer == ANSWER_ERROR || !reply_is_array(reply, 3)) {
		redis_setup_failed(
		    store->redis, answer == ANSWER_ERROR ? reply->str : "odd answer");
		return;
	}
	why = setup_misfit(store, reply_text(reply, 0, NULL), reply_text(reply, 1, NULL),
	    reply_text(reply, 2, NULL));
	if (why != NULL)
		setup_refuse(store, why);
	else if (!up)
		redis_setup_done(store->redis);
	free(why);
}

/* --- the look --- */

static struct redis_cmd *
setup_fit(const struct store *store)
{
	struct redis_cmd *cmd = redis_script("fit", NULL);

	if (store->opts.redis_wait > 0)
		redis_args(cmd, "WAIT 0 0");
	if (store->uri.db != 0)
		redis_args(cmd, "SELECT 0");
	return cmd;
}

/* Whether meta.lua has something to write: the first start, after FLUSHALL, where schema 1 was,
 * which is read too, with another key. */
static bool
setup_is_new(const struct store *store, const redisReply *fit, const char *key)
{
	const struct secretbox *secrets = store->opts.secrets;

	return *reply_text(fit, 1, NULL) == '\0' || *reply_text(fit, 2, NULL) == '\0' ||
	       (!redis_is_up(store->redis) && reply_is(fit, 1, "1")) ||
	       (secretbox_count(secrets) > 0 && strcmp(key, secretbox_id(secrets, 0)) != 0);
}

/* The key is not looked at while up: instances change it one after the other. */
static void
setup_compare(struct store *store, const redisReply *fit)
{
	const struct secretbox *secrets = store->opts.secrets;
	bool up = redis_is_up(store->redis);
	const char *mine = secretbox_count(secrets) > 0 ? secretbox_id(secrets, 0) : "";
	const char *key = up ? mine : reply_text(fit, 3, NULL);
	char *why;

	if (setup_is_new(store, fit, key)) {
		if (up)
			log_msg(LOG_WARN,
			    "redis lost evhook:meta, as by FLUSHALL: it is written again");
		redis_send_setup(store->redis, setup_meta(store), setup_on_meta, store);
		return;
	}
	why = setup_misfit(store, reply_text(fit, 1, NULL), reply_text(fit, 2, NULL), key);
	if (why != NULL)
		setup_refuse(store, why);
	else if (!up)
		redis_setup_done(store->redis);
	free(why);
}

static void
setup_on_fit(void *arg, enum answer answer, const redisReply *reply)
{
	struct store *store = arg;
	bool up = redis_is_up(store->redis);
	struct buf lacks = {0};

	if (answer == ANSWER_LOST || (answer == ANSWER_ERROR && up))
		return;
	if (answer == ANSWER_ERROR || !reply_is_array(reply, 1)) {
		redis_setup_failed(
		    store->redis, answer == ANSWER_ERROR ? reply->str : "odd answer");
	} else if (*reply_text(reply, 0, NULL) != '\0') {
		buf_printf(&lacks, "the user of --redis lacks rights in this Redis: %s",
		    reply_text(reply, 0, NULL));
		if (up)
			redis_reset(store->redis, buf_str(&lacks));
		else
			redis_setup_failed(store->redis, buf_str(&lacks));
		buf_clear(&lacks);
	} else {
		setup_compare(store, reply);
	}
}

static void
setup_on_loaded(void *arg, enum answer answer, const redisReply *reply)
{
	static const char compiling[] = "ERR Error compiling";
	struct store *store = arg;

	if (answer == ANSWER_ERROR && strncmp(reply->str, compiling, sizeof compiling - 1) == 0)
		redis_setup_failed(store->redis, "this Redis is too old: it must be 7.0 or later");
	else if (answer == ANSWER_ERROR)
		redis_setup_failed(store->redis, reply->str);
}

static void
setup_load(struct store *store)
{
	const struct script *script;
	struct redis_cmd *cmd;

	for (script = script_all(); script->name != NULL; script++) {
		cmd = redis_cmd_new();
		redis_args(cmd, "SCRIPT");
		redis_args(cmd, "LOAD");
		redis_args(cmd, script->text);
		redis_send_setup(store->redis, cmd, setup_on_loaded, store);
	}
	redis_send_setup(store->redis, setup_fit(store), setup_on_fit, store);
}

/* Where the right to INFO is missing, the look names it with the others. */
static void
setup_on_info(void *arg, enum answer answer, const redisReply *reply)
{
	struct store *store = arg;

	if (answer == ANSWER_LOST)
		return;
	if (answer == ANSWER_ERROR && strncmp(reply->str, "NOPERM", 6) != 0) {
		redis_setup_failed(store->redis, reply->str);
		return;
	}
	if (answer == ANSWER_OK && reply->type == REDIS_REPLY_STRING) {
		if (info_has(reply->str, "role:slave")) {
			redis_setup_failed(store->redis, "this Redis is a replica");
			return;
		}
		setup_warn(store->setup, reply->str);
	}
	setup_load(store);
}

/* First something small: to who has not given the password Redis hangs up at the sight of a long
 * script, before it could say why. */
void
setup_begin(void *arg)
{
	struct store *store = arg;
	struct redis_cmd *info = redis_cmd_new();

	redis_args(info, "INFO");
	redis_send_setup(store->redis, info, setup_on_info, store);
}

/* --- while up --- */

static void
setup_arm(const struct setup *setup)
{
	const struct timeval tv = {.tv_sec = SETUP_LOOK_S};

	event_add(setup->look, &tv);
}

static void
setup_ev_look(evutil_socket_t fd, short what, void *arg)
{
	struct store *store = arg;

	(void)fd;
	(void)what;
	redis_send(store->redis, setup_fit(store), setup_on_fit, store);
	setup_arm(store->setup);
}

void
setup_done(struct store *store)
{
	store->setup->was_done = true;
	setup_arm(store->setup);
}

void
setup_over(struct store *store)
{
	event_del(store->setup->look);
}

/* While running a key that is missing is no reason to end: what is readable goes on. */
static void
setup_on_new_secrets(void *arg, enum answer answer, const redisReply *reply)
{
	struct store *store = arg;
	char *why;

	if (answer != ANSWER_OK || !reply_is_array(reply, 3))
		return; /* the next look tries again */
	why = setup_misfit(store, reply_text(reply, 0, NULL), reply_text(reply, 1, NULL),
	    reply_text(reply, 2, NULL));
	if (why != NULL)
		log_msg(LOG_ERROR, "%s", why);
	else
		reseal_start(store->reseal);
	free(why);
}

void
setup_tell_secrets(struct store *store)
{
	redis_send(store->redis, setup_meta(store), setup_on_new_secrets, store);
}

/* --- life --- */

void
setup_open(struct store *store)
{
	struct setup *setup = xcalloc(1, sizeof *setup);

	setup->look = evtimer_new(store->opts.base, setup_ev_look, store);
	if (setup->look == NULL)
		abort(); /* out of memory, as in base/mem.c */
	store->setup = setup;
}

void
setup_close(struct store *store)
{
	event_free(store->setup->look);
	free(store->setup->warned);
	free(store->setup);
}
