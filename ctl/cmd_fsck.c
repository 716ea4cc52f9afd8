/*
 * evhookctl fsck: checks what Redis holds against the invariants of doc/redis.md, while the servers
 * run.  SCAN finds the keys; a script looks at 100 entries of one at a time.  Each step is atomic,
 * so that what the servers do meanwhile is no finding.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/mem.h"
#include "ctl/out.h"
#include "ctl/rds.h"
#include "ctl/wait.h"

#define CURSOR_MAX 256
#define FSCK_PAGE "500" /* keys that Redis looks at in a step */

struct fsck {
	const struct ctl *ctl;
	struct rds *rds;
	bool repair;
	bool numbers; /* the second pass */
	int64_t keys;
	int64_t findings;
	char cursor[CURSOR_MAX];  /* of SCAN */
	char entries[CURSOR_MAX]; /* where the script is in the key; "0" at the end */
	char **found;             /* keys of this step; owned */
	size_t nfound;
};

static void
cmd_fsck_drop_found(struct fsck *fsck)
{
	for (size_t i = 0; i < fsck->nfound; i++)
		free(fsck->found[i]);
	free(fsck->found);
	fsck->found = NULL;
	fsck->nfound = 0;
}

/* An answer of another form ends what asked for it. */
static void
cmd_fsck_keep_cursor(char cursor[CURSOR_MAX], const redisReply *reply)
{
	bool fits = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
		    reply->element[0]->type == REDIS_REPLY_STRING;

	snprintf(cursor, CURSOR_MAX, "%s", fits ? reply->element[0]->str : "0");
}

static void
cmd_fsck_on_keys(void *arg, const redisReply *reply)
{
	struct fsck *fsck = arg;
	const redisReply *page;

	cmd_fsck_drop_found(fsck);
	cmd_fsck_keep_cursor(fsck->cursor, reply);
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return;
	page = reply->element[1];
	fsck->found = xcalloc(page->elements + 1, sizeof *fsck->found);
	for (size_t i = 0; i < page->elements; i++)
		if (page->element[i]->type == REDIS_REPLY_STRING)
			fsck->found[fsck->nfound++] =
			    xstrndup(page->element[i]->str, page->element[i]->len);
}

static void
cmd_fsck_on_checked(void *arg, const redisReply *reply)
{
	struct fsck *fsck = arg;
	struct buf line = {0};

	cmd_fsck_keep_cursor(fsck->entries, reply);
	for (size_t i = 1; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		fsck->findings++;
		buf_reset(&line);
		if (ctl_is(fsck->ctl, "json"))
			escape_json(&line, reply->element[i]->str, reply->element[i]->len);
		else
			out_safe(&line, reply->element[i]->str, reply->element[i]->len);
		printf("%s\n", buf_str(&line));
	}
	buf_clear(&line);
}

/* Whether a key is one of the numbers and copies that follow from other keys, and are looked at
 * when all of these were. */
static bool
cmd_fsck_follows(const char *name)
{
	static const char *const kinds[] = {"kn:", "kp:", "ev:", "bytes"};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

/* A key "evhook:{N}:…", until the script has seen all of it. */
static int
cmd_fsck_key(struct fsck *fsck, const char *key)
{
	const char *end = strstr(key, "}:");
	char *prefix;
	int code = CTL_OK;

	if (strncmp(key, "evhook:{", 8) != 0 || end == NULL)
		return CTL_OK; /* evhook:meta */
	if (cmd_fsck_follows(end + 2) != fsck->numbers)
		return CTL_OK;
	prefix = xstrndup(key, (size_t)(end + 2 - key));
	snprintf(fsck->entries, sizeof fsck->entries, "0");
	do {
		struct redis_cmd *cmd = redis_script("fsck_key", prefix);

		redis_args(cmd, end + 2);
		redis_args(cmd, fsck->entries);
		redis_args(cmd, fsck->repair ? "1" : "");
		code = rds_ask(fsck->rds, cmd, cmd_fsck_on_checked, fsck);
	} while (code == CTL_OK && strcmp(fsck->entries, "0") != 0 && !wait_ended());
	free(prefix);
	fsck->keys++;
	return code;
}

static int
cmd_fsck_pass(struct fsck *fsck, bool numbers)
{
	int code;

	fsck->numbers = numbers;
	snprintf(fsck->cursor, sizeof fsck->cursor, "0");
	do {
		code = rds_ask(fsck->rds,
		    rds_cmd("SCAN", fsck->cursor, "MATCH", "evhook:*", "COUNT", FSCK_PAGE, NULL),
		    cmd_fsck_on_keys, fsck);
		for (size_t i = 0; i < fsck->nfound && code == CTL_OK && !wait_ended(); i++)
			code = cmd_fsck_key(fsck, fsck->found[i]);
		progress(
		    "%lld keys, %lld findings", (long long)fsck->keys, (long long)fsck->findings);
	} while (code == CTL_OK && strcmp(fsck->cursor, "0") != 0 && !wait_ended());
	cmd_fsck_drop_found(fsck);
	return code;
}

static int
cmd_fsck_run(struct fsck *fsck)
{
	int code = cmd_fsck_pass(fsck, false);

	if (code == CTL_OK && !wait_ended())
		code = cmd_fsck_pass(fsck, true);
	progress_end();
	return code;
}

static int
cmd_fsck_say(const struct fsck *fsck)
{
	if (!ctl_is(fsck->ctl, "json"))
		printf("%lld keys checked, %lld findings\n", (long long)fsck->keys,
		    (long long)fsck->findings);
	if (wait_ended())
		return ctl_fail(CTL_FAILED, "interrupted");
	if (fsck->findings > 0)
		return ctl_fail(CTL_FAILED, "%lld things are not as they should be%s",
		    (long long)fsck->findings,
		    fsck->repair ? "; call again to see what is left" : "");
	return CTL_OK;
}

int
cmd_fsck(struct ctl *ctl)
{
	struct fsck fsck = {.ctl = ctl, .repair = ctl_is(ctl, "repair")};
	int code = rds_open(ctl, &fsck.rds);

	if (code == CTL_OK) {
		wait_begin();
		code = cmd_fsck_run(&fsck);
		if (code == CTL_OK)
			code = cmd_fsck_say(&fsck);
	}
	rds_close(fsck.rds);
	return code;
}
