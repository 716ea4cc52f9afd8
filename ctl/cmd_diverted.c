/* evhookctl diverted …. */
#include <stdio.h>

#include "ctl/api.h"
#include "ctl/out.h"
#include "ctl/wait.h"

#define RESEND_PAUSE_MS 200 /* after a step that got nowhere */

int
cmd_diverted_list(struct ctl *ctl)
{
	static const char *const heads[] = {
	    "EVENT", "TYPE", "SINCE", "ATTEMPTS", "TRIGGER", "MESSAGE", NULL};
	static const char *const members[] = {"eventLocator", "eventType", "failureTimestamp",
	    "attempts", "failureTrigger", "failureMessage", NULL};
	static const struct api_listing listing = {.heads = heads, .members = members};
	struct buf path = {0};
	int code = api_open(ctl);

	if (code != CTL_OK)
		return code;
	api_path(ctl, &path, "webhooks", ctl->args[0], "diverted", NULL);
	code = api_list(ctl, &path, &listing);
	buf_clear(&path);
	return code;
}

int
cmd_diverted_get(struct ctl *ctl)
{
	struct buf path = {0};
	int code = api_open(ctl);

	if (code != CTL_OK)
		return code;
	api_path(ctl, &path, "webhooks", ctl->args[0], "diverted", ctl->args[1], NULL);
	code = api_show(ctl, "GET", &path, NULL, NULL);
	buf_clear(&path);
	return code;
}

/* The same for each event named; goes on after a failure and returns the first one. */
static int
cmd_diverted_each(struct ctl *ctl, const char *method, const char *last, const char *done)
{
	int result = api_open(ctl);

	if (result != CTL_OK)
		return result;
	for (size_t i = 1; i < ctl->nargs; i++) {
		struct buf path = {0};
		struct api_answer answer;
		int code;

		ctl->about = ctl->args[i];
		api_path(
		    ctl, &path, "webhooks", ctl->args[0], "diverted", ctl->args[i], last, NULL);
		code = api_call(ctl, method, &path, NULL, NULL, &answer);
		if (result == CTL_OK)
			result = code;
		if (code == CTL_OK)
			api_say_done(ctl, "event", ctl->args[i], done);
		api_clear(&answer);
		buf_clear(&path);
	}
	return result;
}

int
cmd_diverted_resend(struct ctl *ctl)
{
	return cmd_diverted_each(ctl, "POST", "resend", "resent");
}

int
cmd_diverted_delete(struct ctl *ctl)
{
	return cmd_diverted_each(ctl, "DELETE", NULL, "deleted");
}

/* One call resends a part; *resent grows. */
static int
cmd_diverted_step(struct ctl *ctl, struct buf *path, int64_t *resent, bool *completed)
{
	const struct json *root, *member;
	struct api_answer answer;
	int64_t n = 0;
	int code = api_call(ctl, "POST", path, NULL, NULL, &answer);

	root = answer.doc.root;
	*completed = true;
	if (code == CTL_OK && root != NULL && root->type == JSON_OBJECT) {
		member = json_get(root, "resent");
		if (member != NULL && json_int(member, &n) == 0)
			*resent += n;
		member = json_get(root, "completed");
		*completed = member == NULL || member->type != JSON_BOOL || member->truth;
	}
	api_clear(&answer);
	return code;
}

int
cmd_diverted_resend_all(struct ctl *ctl)
{
	struct buf path = {0};
	bool completed = false;
	int64_t resent = 0;
	int code = api_open(ctl);

	if (code != CTL_OK)
		return code;
	wait_begin();
	api_path(ctl, &path, "webhooks", ctl->args[0], "diverted", "resend", NULL);
	while (code == CTL_OK && !completed && !wait_ended()) {
		int64_t before = resent;

		code = cmd_diverted_step(ctl, &path, &resent, &completed);
		if (code == CTL_OK && !completed && resent == before)
			wait_ms(RESEND_PAUSE_MS);
		progress("%lld events resent", (long long)resent);
	}
	progress_end();
	buf_clear(&path);
	if (ctl_is(ctl, "json"))
		printf("{\"resent\":%lld,\"completed\":%s}\n", (long long)resent,
		    completed && code == CTL_OK ? "true" : "false");
	else
		printf("%lld events resent\n", (long long)resent);
	if (code == CTL_OK && !completed)
		code = ctl_fail(CTL_FAILED, "interrupted: call again for the rest");
	return code;
}
