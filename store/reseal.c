/*
 * After a key was added or changed: walks over Redis' keys and seals anew what is plain, in the
 * earlier form or under another key, so that a key which is not the first one can be taken away.
 *
 *   SCAN -> for each webhook that it names: HMGET -> (not under the first key) webhook_reseal
 *   all answered -> a pause -> the next SCAN, until its cursor is 0 again
 *
 * Webhooks written meanwhile are under the first key anyway; the script leaves them alone.
 */
#include "store/reseal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/store_internal.h"

#define RESEAL_STEP "500"     /* keys that one SCAN looks at, about */
#define RESEAL_PAUSE_US 20000 /* between steps: deliveries go first */

struct reseal {
	struct store *store;
	struct event *pause;
	char cursor[24];
	char id[SECRETBOX_ID_LEN + 1];      /* the key that it seals with */
	char done_id[SECRETBOX_ID_LEN + 1]; /* the key that all of it was sealed with */
	bool running;
	bool done;      /* nothing is left that is plain or in the earlier form and can be read */
	size_t waiting; /* answers of this step that are still to come */
	int64_t sealed, plain, unreadable;
	int64_t failed; /* Redis refused it */
};

/* One webhook of a step. */
struct reseal_item {
	struct reseal *reseal;
	struct ulid locator;
};

static void reseal_ev_pause(evutil_socket_t fd, short what, void *arg);
static redis_fn reseal_on_scan;
static redis_fn reseal_on_fields;
static redis_fn reseal_on_rewritten;

struct reseal *
reseal_new(struct store *store)
{
	struct reseal *reseal = xcalloc(1, sizeof *reseal);

	reseal->store = store;
	reseal->pause = evtimer_new(store->opts.base, reseal_ev_pause, reseal);
	if (reseal->pause == NULL)
		abort(); /* out of memory, as in base/mem.c */
	return reseal;
}

void
reseal_free(struct reseal *reseal)
{
	event_free(reseal->pause);
	free(reseal);
}

static void
reseal_step(struct reseal *reseal)
{
	struct redis_cmd *cmd = redis_cmd_new();

	redis_args(cmd, "SCAN");
	redis_args(cmd, reseal->cursor);
	redis_args(cmd, "MATCH");
	redis_args(cmd, "evhook:{*}:wh:*");
	redis_args(cmd, "COUNT");
	redis_args(cmd, RESEAL_STEP);
	reseal->waiting = 1;
	redis_send(reseal->store->redis, cmd, reseal_on_scan, reseal);
}

void
reseal_start(struct reseal *reseal)
{
	const struct secretbox *box = reseal->store->opts.secrets;

	if (reseal->running || reseal->waiting > 0 || secretbox_count(box) == 0 ||
	    strcmp(reseal->done_id, secretbox_id(box, 0)) == 0)
		return;
	memcpy(reseal->id, secretbox_id(box, 0), sizeof reseal->id);
	strcpy(reseal->cursor, "0");
	reseal->running = true;
	reseal->done = false;
	reseal->sealed = reseal->plain = reseal->unreadable = reseal->failed = 0;
	reseal_step(reseal);
}

bool
reseal_is_done(const struct reseal *reseal)
{
	return reseal->done;
}

void
reseal_stop(struct reseal *reseal)
{
	reseal->running = false;
	event_del(reseal->pause);
}

static void
reseal_ev_pause(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	reseal_step(arg);
}

/* What was plain stays in the append-only file until that is rewritten. */
static void
reseal_rewrite_aof(struct reseal *reseal)
{
	struct redis_cmd *cmd = redis_cmd_new();

	redis_args(cmd, "BGREWRITEAOF");
	redis_send(reseal->store->redis, cmd, reseal_on_rewritten, reseal);
}

static void
reseal_on_rewritten(void *arg, enum answer answer, const redisReply *reply)
{
	(void)arg;
	if (answer == ANSWER_ERROR)
		log_msg(LOG_WARN,
		    "Redis' append-only file still holds secrets that were stored before there "
		    "was a key: BGREWRITEAOF: %s",
		    reply->str);
}

static void
reseal_finish(struct reseal *reseal)
{
	bool all = reseal->unreadable + reseal->failed == 0;

	reseal->running = false;
	if (strcmp(reseal->id, secretbox_id(reseal->store->opts.secrets, 0)) != 0) {
		reseal_start(reseal); /* the keys were changed on the way */
		return;
	}
	reseal->done = reseal->failed == 0;
	if (all)
		memcpy(reseal->done_id, reseal->id, sizeof reseal->done_id);
	log_begin(
	    all ? LOG_INFO : LOG_WARN, all ? "all stored secrets are sealed with the first key"
					   : "some stored secrets could not be sealed anew");
	log_str("key", reseal->id);
	log_int("sealed", reseal->sealed);
	if (!all)
		log_int("unreadable", reseal->unreadable + reseal->failed);
	log_end();
	if (reseal->plain > 0)
		reseal_rewrite_aof(reseal);
}

/* An answer of this step has come. */
static void
reseal_answered(struct reseal *reseal)
{
	struct timeval tv = {.tv_usec = RESEAL_PAUSE_US};

	if (--reseal->waiting > 0 || !reseal->running)
		return;
	if (strcmp(reseal->cursor, "0") == 0)
		reseal_finish(reseal);
	else
		event_add(reseal->pause, &tv);
}

/* Asks for one key that SCAN named: "evhook:{N}:wh:<locator>". */
static void
reseal_fetch(struct reseal *reseal, const char *key, size_t n)
{
	struct reseal_item *item;
	struct redis_cmd *cmd;
	struct ulid locator;

	if (n < ULID_LEN || ulid_parse(&locator, key + n - ULID_LEN, ULID_LEN) != 0)
		return;
	item = xmalloc(sizeof *item);
	*item = (struct reseal_item){.reseal = reseal, .locator = locator};
	cmd = redis_cmd_new();
	redis_args(cmd, "HMGET");
	redis_arg(cmd, key, n);
	redis_args(cmd, "tenant");
	redis_args(cmd, "doc");
	redis_args(cmd, "secrets");
	reseal->waiting++;
	redis_send(reseal->store->redis, cmd, reseal_on_fields, item);
}

static void
reseal_on_scan(void *arg, enum answer answer, const redisReply *reply)
{
	struct reseal *reseal = arg;
	enum store_err err = store_judge("SCAN", answer, reply);
	const redisReply *keys;
	size_t n;

	if (err != STORE_OK || !reply_is_array(reply, 2)) {
		reseal_stop(reseal); /* the next connection begins anew */
	} else if (reseal->running) {
		snprintf(reseal->cursor, sizeof reseal->cursor, "%s", reply_text(reply, 0, NULL));
		keys = reply->element[1];
		for (size_t i = 0; reply_is_array(keys, i + 1); i++) {
			const char *key = reply_text(keys, i, &n);

			reseal_fetch(reseal, key, n);
		}
	}
	reseal_answered(reseal);
}

static void
reseal_on_written(void *arg, enum answer answer, const redisReply *reply)
{
	struct reseal *reseal = arg;

	if (answer == ANSWER_LOST)
		reseal_stop(reseal);
	else if (store_judge("webhook_reseal", answer, reply) != STORE_OK)
		reseal->failed++;
	else if (reply->type == REDIS_REPLY_INTEGER)
		reseal->sealed += reply->integer;
	reseal_answered(reseal);
}

/* Seals it anew; the webhook has its tenant and locator. */
static void
reseal_write(struct reseal *reseal, struct webhook *webhook, const redisReply *fields)
{
	const redisReply *doc = fields->element[1], *secrets = fields->element[2];
	struct store *store = reseal->store;
	struct buf text = {0};
	struct redis_cmd *cmd;

	if (store_load_webhook(store, webhook, doc, secrets) != STORE_OK) {
		reseal->unreadable++;
		return;
	}
	if (secretbox_form(secrets->str, secrets->len) != SECRETBOX_V2)
		reseal->plain++; /* the url at least was */
	cmd = store_script(store, "webhook_reseal", &webhook->tenant);
	redis_args(cmd, webhook->locator.s);
	redis_arg(cmd, doc->str, doc->len);
	redis_arg(cmd, secrets->str, secrets->len);
	webhook_store_doc(webhook, &text);
	redis_arg(cmd, text.data, text.len);
	buf_reset(&text);
	store_seal_secrets(store, webhook, &text);
	redis_arg(cmd, text.data, text.len);
	buf_clear(&text);
	reseal->waiting++;
	redis_send(store->redis, cmd, reseal_on_written, reseal);
}

static void
reseal_on_fields(void *arg, enum answer answer, const redisReply *reply)
{
	struct reseal_item *item = arg;
	struct reseal *reseal = item->reseal;
	size_t tenant_len, doc_len, n;
	const char *tenant, *secrets;
	struct webhook *webhook;

	if (answer == ANSWER_LOST) {
		reseal_stop(reseal);
	} else if (store_judge("HMGET", answer, reply) != STORE_OK) {
		if (reply != NULL && strncmp(reply->str, "WRONGTYPE", 9) == 0)
			reseal->unreadable++; /* somebody's hand: nothing of ours is in it */
		else
			reseal->failed++;
	} else if (reply_is_array(reply, 3)) {
		tenant = reply_text(reply, 0, &tenant_len);
		reply_text(reply, 1, &doc_len);
		secrets = reply_text(reply, 2, &n);
		webhook = webhook_new();
		webhook->locator = item->locator;
		if (doc_len > 0 && n > 0 &&
		    !secretbox_is_current(reseal->store->opts.secrets, secrets, n) &&
		    uuid_parse(&webhook->tenant, tenant, tenant_len) == 0)
			reseal_write(reseal, webhook, reply);
		webhook_free(webhook);
	}
	free(item);
	reseal_answered(reseal);
}
