/*
 * evhookctl purge: deletes all that Redis holds of a tenant.  Webhooks go first, each by the script
 * that evhookd itself deletes one with, so that nothing is delivered any more; then every key that
 * has the tenant in its name, at most 100 a step, freed in the background (UNLINK).  It can be
 * broken off and repeated.  While somebody publishes for the tenant there is no end to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/out.h"
#include "ctl/rds.h"
#include "ctl/wait.h"

#define PURGE_STEP 100
#define PURGE_SCAN "1000" /* keys of all tenants that Redis looks at in a step */

struct purge {
	struct rds *rds;
	const struct uuid *tenant;
	const char *prefix;
	bool really;
	int64_t webhooks;
	int64_t keys;
	int64_t events;
	char cursor[24];
	char **found; /* keys or webhooks of this step; owned */
	size_t nfound;
};

static void
cmd_purge_drop_found(struct purge *purge)
{
	for (size_t i = 0; i < purge->nfound; i++)
		free(purge->found[i]);
	free(purge->found);
	purge->found = NULL;
	purge->nfound = 0;
}

static void
cmd_purge_on_names(void *arg, const redisReply *reply)
{
	struct purge *purge = arg;

	if (reply->type != REDIS_REPLY_ARRAY)
		return;
	purge->found = xcalloc(reply->elements + 1, sizeof *purge->found);
	for (size_t i = 0; i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_STRING)
			purge->found[purge->nfound++] =
			    xstrndup(reply->element[i]->str, reply->element[i]->len);
}

/* Whether a key is <prefix><kind>:<tenant>, or goes on with a colon; or that was set aside. */
static bool
cmd_purge_is_own(const struct purge *purge, const char *key)
{
	static const char damaged[] = "damaged:";
	size_t n = strlen(purge->prefix);
	const char *at;

	if (strncmp(key, purge->prefix, n) != 0)
		return false;
	if (strncmp(key + n, damaged, sizeof damaged - 1) == 0)
		n += sizeof damaged - 1;
	at = key + n + strcspn(key + n, ":");
	if (*at != ':' || strncmp(at + 1, purge->tenant->s, UUID_LEN) != 0)
		return false;
	return at[1 + UUID_LEN] == '\0' || at[1 + UUID_LEN] == ':';
}

static void
cmd_purge_on_scan(void *arg, const redisReply *reply)
{
	struct purge *purge = arg;

	snprintf(purge->cursor, sizeof purge->cursor, "0");
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return;
	snprintf(purge->cursor, sizeof purge->cursor, "%s", reply->element[0]->str);
	cmd_purge_on_names(purge, reply->element[1]);
	/* Another tenant may subscribe to a type that looks like this one's locator. */
	for (size_t i = 0; i < purge->nfound;) {
		if (cmd_purge_is_own(purge, purge->found[i])) {
			i++;
		} else {
			free(purge->found[i]);
			purge->found[i] = purge->found[--purge->nfound];
		}
	}
}

/* The first 100 webhooks that are still there. */
static int
cmd_purge_webhooks(struct purge *purge)
{
	int code = CTL_OK;

	do {
		struct buf key = {0};

		buf_printf(&key, "%swhs:%s", purge->prefix, purge->tenant->s);
		cmd_purge_drop_found(purge);
		code = rds_ask(purge->rds, rds_cmd("ZRANGE", buf_str(&key), "0", "99", NULL),
		    cmd_purge_on_names, purge);
		for (size_t i = 0; i < purge->nfound && code == CTL_OK && !wait_ended(); i++) {
			struct redis_cmd *cmd = redis_script("webhook_delete", purge->prefix);

			redis_args(cmd, purge->tenant->s);
			redis_args(cmd, purge->found[i]);
			redis_args(cmd, "");
			code = rds_ask(purge->rds, cmd, NULL, NULL);
			/* One that is listed and not there would come again. */
			if (code == CTL_OK)
				code = rds_ask(purge->rds,
				    rds_cmd("ZREM", buf_str(&key), purge->found[i], NULL), NULL,
				    NULL);
			purge->webhooks += code == CTL_OK;
		}
		buf_clear(&key);
		progress("%lld webhooks deleted", (long long)purge->webhooks);
	} while (code == CTL_OK && purge->nfound > 0 && !wait_ended());
	return code;
}

static int
cmd_purge_unlink(struct purge *purge)
{
	int code = CTL_OK;

	for (size_t from = 0; from < purge->nfound && code == CTL_OK; from += PURGE_STEP) {
		struct redis_cmd *cmd = redis_cmd_new();
		int64_t n;

		redis_args(cmd, "UNLINK");
		for (size_t i = from; i < purge->nfound && i < from + PURGE_STEP; i++)
			redis_args(cmd, purge->found[i]);
		code = rds_ask_int(purge->rds, cmd, &n);
		purge->keys += n;
	}
	return code;
}

/* Every key with the tenant in its name: counted, or removed. */
static int
cmd_purge_keys(struct purge *purge)
{
	struct buf pattern = {0};
	int code;

	buf_printf(&pattern, "%s*:%s*", purge->prefix, purge->tenant->s);
	snprintf(purge->cursor, sizeof purge->cursor, "0");
	do {
		cmd_purge_drop_found(purge);
		code = rds_ask(purge->rds,
		    rds_cmd("SCAN", purge->cursor, "MATCH", buf_str(&pattern), "COUNT", PURGE_SCAN,
			NULL),
		    cmd_purge_on_scan, purge);
		if (code == CTL_OK && purge->really)
			code = cmd_purge_unlink(purge);
		else
			purge->keys += (int64_t)purge->nfound;
		progress("%lld webhooks, %lld other keys", (long long)purge->webhooks,
		    (long long)purge->keys);
	} while (code == CTL_OK && strcmp(purge->cursor, "0") != 0 && !wait_ended());
	buf_clear(&pattern);
	return code;
}

/* A count of the tenant's, by the command and the key's name. */
static int
cmd_purge_count(struct purge *purge, const char *command, const char *name, int64_t *n)
{
	struct buf key = {0};
	int code;

	buf_printf(&key, "%s%s:%s", purge->prefix, name, purge->tenant->s);
	code = rds_ask_int(purge->rds, rds_cmd(command, buf_str(&key), NULL), n);
	buf_clear(&key);
	return code;
}

/* Takes the tenant out of the shard's sets. */
static int
cmd_purge_unlist(struct purge *purge)
{
	static const char *const sets[] = {"tenants", "bytes"};
	int code = CTL_OK;

	for (size_t i = 0; i < sizeof sets / sizeof *sets && code == CTL_OK; i++) {
		struct buf key = {0};

		buf_printf(&key, "%s%s", purge->prefix, sets[i]);
		code = rds_ask(
		    purge->rds, rds_cmd("ZREM", buf_str(&key), purge->tenant->s, NULL), NULL, NULL);
		buf_clear(&key);
	}
	return code;
}

static int
cmd_purge_run(struct purge *purge)
{
	int64_t webhooks = 0;
	int code = cmd_purge_count(purge, "XLEN", "ev", &purge->events);

	if (code == CTL_OK)
		code = cmd_purge_count(purge, "ZCARD", "whs", &webhooks);
	if (code == CTL_OK && purge->really)
		code = cmd_purge_webhooks(purge);
	else
		purge->webhooks = webhooks;
	if (code == CTL_OK && !wait_ended())
		code = cmd_purge_keys(purge);
	if (code == CTL_OK && !wait_ended() && purge->really)
		code = cmd_purge_unlist(purge);
	cmd_purge_drop_found(purge);
	progress_end();
	return code;
}

static int
cmd_purge_say(const struct ctl *ctl, const struct purge *purge)
{
	bool done = purge->really && !wait_ended();

	if (ctl_is(ctl, "json"))
		printf("{\"tenant\":\"%s\",\"webhooks\":%lld,\"events\":%lld,\"keys\":%lld,"
		       "\"purged\":%s}\n",
		    purge->tenant->s, (long long)purge->webhooks, (long long)purge->events,
		    (long long)purge->keys, done ? "true" : "false");
	else
		printf("%s %lld webhooks, %lld events, %lld other keys of tenant %s\n",
		    purge->really ? "deleted" : "there are", (long long)purge->webhooks,
		    (long long)purge->events, (long long)purge->keys, purge->tenant->s);
	if (!purge->really)
		return ctl_fail(CTL_USAGE, "nothing was deleted: that takes --yes");
	return done ? CTL_OK : ctl_fail(CTL_FAILED, "interrupted: call again for the rest");
}

int
cmd_purge(struct ctl *ctl)
{
	struct purge purge = {.tenant = &ctl->tenant, .really = ctl_is(ctl, "yes")};
	struct keys keys = {0};
	unsigned shards;
	int code;

	if (uuid_parse(&ctl->tenant, ctl->args[0], strlen(ctl->args[0])) != 0)
		return ctl_fail(CTL_USAGE, "the tenant is not a UUID");
	code = rds_open(ctl, &purge.rds);
	if (code == CTL_OK)
		code = rds_shards(ctl, purge.rds, &shards);
	if (code == CTL_OK) {
		keys_init(&keys, shards);
		purge.prefix = keys_prefix(&keys, &ctl->tenant);
		wait_begin();
		code = cmd_purge_run(&purge);
		if (code == CTL_OK)
			code = cmd_purge_say(ctl, &purge);
	}
	keys_clear(&keys);
	rds_close(purge.rds);
	return code;
}
