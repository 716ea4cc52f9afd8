/* evhookctl events get, request, list, tail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/api.h"
#include "ctl/out.h"
#include "ctl/wait.h"
#include "proto/datetime.h"

/* Following the stream. */
struct follow {
	struct ctl *ctl;
	char *token;  /* of the page before; NULL to begin */
	int64_t left; /* events still wanted; -1 for all */
	int64_t shown;
	bool more; /* there are more at once */
	bool rest; /* of the last page something was left out */
};

static void
cmd_events_print(const struct ctl *ctl, const struct json *event)
{
	static const char *const members[] = {"timestamp", "locator", "type", "data"};
	struct buf line = {0};

	if (ctl_is(ctl, "json")) {
		out_raw(event);
		return;
	}
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		out_value(&line, event->type == JSON_OBJECT ? json_get(event, members[i]) : NULL);
		buf_adds(&line, "  ");
	}
	line.len -= 2;
	puts(buf_str(&line));
	buf_clear(&line);
}

/* What cmd_events_print() writes below it; nothing with --json. */
static void
cmd_events_head(const struct ctl *ctl)
{
	if (!ctl_is(ctl, "json"))
		printf("%-24s  %-26s  TYPE  DATA\n", "TIME", "EVENT");
}

int
cmd_events_get(struct ctl *ctl)
{
	struct buf path = {0};
	int code = api_open(ctl);

	if (code != CTL_OK)
		return code;
	api_path(ctl, &path, "events", ctl->args[0], NULL);
	code = api_show(ctl, "GET", &path, NULL, NULL);
	buf_clear(&path);
	return code;
}

int
cmd_events_request(struct ctl *ctl)
{
	struct buf path = {0};
	struct api_answer answer;
	const struct json *root;
	int code = api_open(ctl);

	if (code != CTL_OK)
		return code;
	api_path(ctl, &path, "events", "request", ctl->args[0], NULL);
	code = api_call(ctl, "GET", &path, NULL, NULL, &answer);
	buf_clear(&path);
	root = answer.doc.root;
	if (code == CTL_OK && (root == NULL || root->type != JSON_ARRAY))
		code = ctl_fail(CTL_FAILED, "the server's answer is not a list of events");
	if (code == CTL_OK && ctl_is(ctl, "json"))
		out_raw(root);
	else if (code == CTL_OK)
		cmd_events_head(ctl);
	if (code == CTL_OK && !ctl_is(ctl, "json"))
		for (root = root->child; root != NULL; root = root->next)
			cmd_events_print(ctl, root);
	api_clear(&answer);
	return code;
}

/* One page: the first by the filters, the others by the token. */
static int
cmd_events_page(struct follow *follow, const char *since, const char *until)
{
	struct ctl *ctl = follow->ctl;
	struct buf path = {0};
	struct api_answer answer;
	const struct json *root, *event, *token, *more;
	int code;

	api_path(ctl, &path, "events", "list", NULL);
	if (follow->token != NULL) {
		api_query(&path, "pagingToken", follow->token);
	} else {
		api_query(&path, "startTimestamp", since[0] != '\0' ? since : NULL);
		api_query(&path, "endTimestamp", until[0] != '\0' ? until : NULL);
		api_query(&path, "type", ctl_get(ctl, "event-type"));
		api_query(&path, "order", ctl_is(ctl, "newest") ? "desc" : NULL);
	}
	code = api_call(ctl, "GET", &path, NULL, NULL, &answer);
	buf_clear(&path);
	root = answer.doc.root;
	if (code == CTL_OK && (root == NULL || root->type != JSON_OBJECT))
		code = ctl_fail(CTL_FAILED, "the server's answer is not a page of events");
	if (code == CTL_OK) {
		event = json_get(root, "events");
		token = json_get(root, "pagingToken");
		more = json_get(root, "more");
		follow->more = more != NULL && more->type == JSON_BOOL && more->truth;
		event = event != NULL && event->type == JSON_ARRAY ? event->child : NULL;
		for (; event != NULL && follow->left != 0; event = event->next) {
			cmd_events_print(ctl, event);
			follow->shown++;
			follow->left -= follow->left > 0 ? 1 : 0;
		}
		follow->rest = event != NULL;
		if (token != NULL && token->type == JSON_STRING) {
			free(follow->token);
			follow->token = xstrdup(token->str);
		}
	}
	api_clear(&answer);
	return code;
}

/* All there is, page by page. */
static int
cmd_events_pages(struct follow *follow, const char *since, const char *until)
{
	int code;

	do
		code = cmd_events_page(follow, since, until);
	while (code == CTL_OK && follow->more && follow->token != NULL && follow->left != 0 &&
	       !wait_ended() && fflush(stdout) == 0);
	return code;
}

int
cmd_events_list(struct ctl *ctl)
{
	struct follow follow = {.ctl = ctl, .left = -1};
	char since[DATETIME_LEN + 1] = "", until[DATETIME_LEN + 1] = "";
	int code = api_open(ctl);

	if (code == CTL_OK)
		code = api_count(ctl, &follow.left);
	if (code == CTL_OK)
		code = ctl_since(ctl, "since", since);
	if (code == CTL_OK)
		code = ctl_since(ctl, "until", until);
	if (code == CTL_OK)
		cmd_events_head(ctl);
	if (code == CTL_OK && follow.left != 0)
		code = cmd_events_pages(&follow, since, until);
	if (code == CTL_OK && follow.left == 0 && (follow.rest || follow.more))
		api_say_more(follow.shown);
	free(follow.token);
	return code;
}

int
cmd_events_tail(struct ctl *ctl)
{
	struct follow follow = {.ctl = ctl, .left = -1};
	char since[DATETIME_LEN + 1];
	int64_t interval = 1000;
	int code = api_open(ctl);

	datetime_format(since, clock_wall_ms());
	if (code == CTL_OK)
		code = ctl_int(ctl, "count", 1, INT32_MAX, &follow.left);
	if (code == CTL_OK)
		code = ctl_time(ctl, "interval", &interval);
	if (code == CTL_OK)
		code = ctl_since(ctl, "since", since);
	if (code != CTL_OK)
		return code;
	wait_begin();
	cmd_events_head(ctl);
	do
		code = cmd_events_pages(&follow, since, "");
	while (code == CTL_OK && follow.left != 0 && fflush(stdout) == 0 && wait_ms(interval));
	free(follow.token);
	return code;
}
