/* evhookctl attempts, and attempts tail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/api.h"
#include "ctl/out.h"
#include "ctl/wait.h"
#include "proto/datetime.h"

#define TAIL_LOOK 1000 /* attempts that one look goes back over, at most */

static const char *const attempts_heads[] = {
    "TIME", "EVENT", "TYPE", "ATTEMPT", "OUTCOME", "STATUS", "MS", "TRIGGER", "MESSAGE", NULL};
static const char *const attempts_members[] = {"timestamp", "eventLocator", "eventType", "attempt",
    "outcome", "statusCode", "durationMs", "failureTrigger", "failureMessage", NULL};

static int
cmd_attempts_path(struct ctl *ctl, struct buf *path)
{
	const char *event = ctl_get(ctl, "event");
	struct ulid ulid;

	if (event != NULL && ulid_parse(&ulid, event, strlen(event)) != 0)
		return ctl_fail(CTL_USAGE, "--event is a ULID, not \"%s\"", event);
	api_path(ctl, path, "webhooks", ctl->args[0], "attempts", NULL);
	api_query(path, "outcome", ctl_get(ctl, "outcome"));
	api_query(path, "eventLocator", event);
	return CTL_OK;
}

int
cmd_attempts(struct ctl *ctl)
{
	static const struct api_listing listing = {
	    .key = "items", .heads = attempts_heads, .members = attempts_members};
	struct buf path = {0};
	int code = api_open(ctl);

	if (code == CTL_OK)
		code = cmd_attempts_path(ctl, &path);
	if (code == CTL_OK)
		code = api_list(ctl, &path, &listing);
	buf_clear(&path);
	return code;
}

/* --- tail --- */

/* A look: the list is newest first, so it is read back to what the look before has shown. */
struct tail {
	struct ctl *ctl;
	char since[DATETIME_LEN + 1]; /* nothing before is shown */
	char *last;                   /* the newest one shown, as the server has it; NULL: none */
	char **found;                 /* of this look, newest first */
	size_t nfound;
	bool met;     /* the list was read back far enough */
	int64_t left; /* still wanted; -1 for all */
};

static bool
cmd_attempts_is_old(const struct tail *tail, const struct json *attempt)
{
	const struct json *time = json_get(attempt, "timestamp");

	if (tail->last != NULL)
		return strlen(tail->last) == attempt->raw_len &&
		       memcmp(tail->last, attempt->raw, attempt->raw_len) == 0;
	return time != NULL && time->type == JSON_STRING && strcmp(time->str, tail->since) < 0;
}

static int
cmd_attempts_on_item(void *arg, const struct json *attempt)
{
	struct tail *tail = arg;

	if (tail->met || attempt->type != JSON_OBJECT)
		return CTL_OK;
	if (cmd_attempts_is_old(tail, attempt)) {
		tail->met = true;
		return CTL_OK;
	}
	/* what was made meanwhile moves those before it into the next page */
	for (size_t i = tail->nfound; i-- > 0;)
		if (strlen(tail->found[i]) == attempt->raw_len &&
		    memcmp(tail->found[i], attempt->raw, attempt->raw_len) == 0)
			return CTL_OK;
	tail->found = xreallocarray(tail->found, tail->nfound + 1, sizeof *tail->found);
	tail->found[tail->nfound++] = xstrndup(attempt->raw, attempt->raw_len);
	return CTL_OK;
}

static void
cmd_attempts_print(struct tail *tail, const char *text)
{
	struct json_doc doc = {0};
	struct json_error error;
	struct buf line = {0};

	if (json_parse(&doc, text, strlen(text), SIZE_MAX, &error) != 0)
		return;
	if (ctl_is(tail->ctl, "json")) {
		out_raw(doc.root);
	} else {
		for (size_t i = 0; attempts_members[i] != NULL; i++) {
			out_value(&line, json_get(doc.root, attempts_members[i]));
			buf_adds(&line, "  ");
		}
		line.len -= 2;
		puts(buf_str(&line));
	}
	buf_clear(&line);
	json_doc_clear(&doc);
}

/* Oldest first. */
static void
cmd_attempts_show(struct tail *tail)
{
	for (size_t i = tail->nfound; i-- > 0 && tail->left != 0;) {
		cmd_attempts_print(tail, tail->found[i]);
		tail->left -= tail->left > 0 ? 1 : 0;
	}
	if (tail->nfound > 0) {
		free(tail->last);
		tail->last = xstrdup(tail->found[0]);
	}
	for (size_t i = 0; i < tail->nfound; i++)
		free(tail->found[i]);
	tail->nfound = 0;
}

static int
cmd_attempts_look(struct tail *tail, struct buf *path)
{
	struct api_pages pages = {.key = "items"};
	int code = CTL_OK;

	tail->met = false;
	for (int64_t step = 10; code == CTL_OK && !tail->met && pages.offset < TAIL_LOOK;
	     step = 100) {
		pages.count = step;
		pages.more = false;
		code = api_each(tail->ctl, path, &pages, cmd_attempts_on_item, tail);
		if (!pages.more)
			break;
	}
	if (code == CTL_OK && !tail->met && pages.more)
		fprintf(stderr, "evhookctl: more attempts than could be read: some are left out\n");
	cmd_attempts_show(tail);
	return code;
}

int
cmd_attempts_tail(struct ctl *ctl)
{
	struct tail tail = {.ctl = ctl, .left = -1};
	int64_t interval = 1000;
	struct buf path = {0};
	int code = api_open(ctl);

	datetime_format(tail.since, clock_wall_ms());
	if (code == CTL_OK)
		code = ctl_int(ctl, "count", 1, INT32_MAX, &tail.left);
	if (code == CTL_OK)
		code = ctl_time(ctl, "interval", &interval);
	if (code == CTL_OK)
		code = ctl_since(ctl, "since", tail.since);
	if (code == CTL_OK)
		code = cmd_attempts_path(ctl, &path);
	if (code != CTL_OK) {
		buf_clear(&path);
		return code;
	}
	wait_begin();
	for (size_t i = 0; attempts_heads[i] != NULL && !ctl_is(ctl, "json"); i++)
		printf("%s%s", attempts_heads[i], attempts_heads[i + 1] != NULL ? "  " : "\n");
	do
		code = cmd_attempts_look(&tail, &path);
	while (code == CTL_OK && tail.left != 0 && fflush(stdout) == 0 && wait_ms(interval));
	free(tail.last);
	free(tail.found);
	buf_clear(&path);
	return code;
}
