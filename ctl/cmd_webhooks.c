/* evhookctl webhooks …. */
#include <stdio.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/webhook_body.h"

static int
cmd_webhooks_filter(struct ctl *ctl, struct buf *path)
{
	const char *state = ctl_get(ctl, "state"), *type;
	size_t at = 0;

	api_query(path, "name", ctl_get(ctl, "name"));
	while ((type = ctl_next(ctl, "event-type", &at)) != NULL)
		api_query(path, "eventTypes", type);
	if (ctl_is(ctl, "extended"))
		api_query(path, "extended", "true");
	if (state == NULL)
		return CTL_OK;
	if (strcmp(state, "active") == 0 || strcmp(state, "suspended") == 0)
		api_query(path, state, "true");
	else if (strcmp(state, "enabled") == 0 || strcmp(state, "disabled") == 0)
		api_query(path, "enabled", strcmp(state, "enabled") == 0 ? "true" : "false");
	else
		return ctl_fail(CTL_USAGE, "--state is active, enabled, disabled or suspended");
	return CTL_OK;
}

int
cmd_webhooks_list(struct ctl *ctl)
{
	static const char *const heads[] = {
	    "WEBHOOK", "NAME", "ENABLED", "SUSPENDED", "URL", "TYPES", NULL};
	static const char *const members[] = {
	    "locator", "name", "enabled", "suspended", "endpoint.url", "eventTypes", NULL};
	static const char *const heads_extended[] = {"WEBHOOK", "NAME", "ENABLED", "SUSPENDED",
	    "PENDING", "DIVERTED", "DELIVERED", "FAILED", "DROPPED", "LAST DELIVERED", NULL};
	static const char *const members_extended[] = {"locator", "name", "enabled", "suspended",
	    "stats.pending", "stats.diverted", "stats.delivered", "stats.failed", "stats.dropped",
	    "stats.lastDeliveredAt", NULL};
	bool extended = ctl_is(ctl, "extended");
	struct api_listing listing = {.key = "items",
	    .heads = extended ? heads_extended : heads,
	    .members = extended ? members_extended : members};
	struct buf path = {0};
	int code = api_open(ctl);

	if (code != CTL_OK)
		return code;
	api_path(ctl, &path, "webhooks", "list", NULL);
	code = cmd_webhooks_filter(ctl, &path);
	if (code == CTL_OK)
		code = api_list(ctl, &path, &listing);
	buf_clear(&path);
	return code;
}

int
cmd_webhooks_get(struct ctl *ctl)
{
	struct buf path = {0};
	int code = api_open(ctl);

	if (code != CTL_OK)
		return code;
	api_path(ctl, &path, "webhooks", ctl->args[0], NULL);
	code = api_show(ctl, "GET", &path, NULL, NULL);
	buf_clear(&path);
	return code;
}

/* If-Match: "<version>", or no header at all. */
static int
cmd_webhooks_match(struct ctl *ctl, char *etag, size_t size, struct http_field fields[2])
{
	int64_t version = -1;
	int code = ctl_int(ctl, "if-version", 1, INT64_MAX, &version);

	snprintf(etag, size, "\"%lld\"", (long long)version);
	fields[0] = (struct http_field){"If-Match", version < 0 ? NULL : etag};
	fields[1] = (struct http_field){NULL, NULL};
	return code;
}

int
cmd_webhooks_create(struct ctl *ctl)
{
	struct buf path = {0}, body = {0};
	int code = api_open(ctl);

	if (code == CTL_OK)
		code = webhook_body_create(ctl, &body);
	if (code == CTL_OK) {
		api_path(ctl, &path, "webhooks", NULL);
		code = api_show(ctl, "POST", &path, &body, NULL);
	}
	buf_clear(&path);
	buf_clear(&body);
	return code;
}

int
cmd_webhooks_update(struct ctl *ctl)
{
	struct buf path = {0}, body = {0};
	struct http_field fields[2];
	char etag[32];
	int code = api_open(ctl);

	if (code == CTL_OK)
		code = cmd_webhooks_match(ctl, etag, sizeof etag, fields);
	if (code == CTL_OK)
		code = webhook_body_update(ctl, &body);
	if (code == CTL_OK) {
		api_path(ctl, &path, "webhooks", ctl->args[0], NULL);
		code = api_show(ctl, "PATCH", &path, &body, fields);
	}
	buf_clear(&path);
	buf_clear(&body);
	return code;
}

/* The same for each webhook named, and a line for each when it is done; goes on after a failure and
 * returns the first one. */
static int
cmd_webhooks_each(struct ctl *ctl, const char *method, const char *last,
    const struct http_field *fields, const char *done)
{
	int result = CTL_OK;

	for (size_t i = 0; i < ctl->nargs; i++) {
		struct buf path = {0};
		struct api_answer answer;
		int code;

		ctl->about = ctl->args[i];
		api_path(ctl, &path, "webhooks", ctl->args[i], last, NULL);
		code = api_call(ctl, method, &path, NULL, fields, &answer);
		if (result == CTL_OK)
			result = code;
		if (code == CTL_OK)
			api_say_done(ctl, "webhook", ctl->args[i], done);
		api_clear(&answer);
		buf_clear(&path);
	}
	return result;
}

int
cmd_webhooks_delete(struct ctl *ctl)
{
	struct http_field fields[2];
	char etag[32];
	int code = api_open(ctl);

	if (code == CTL_OK)
		code = cmd_webhooks_match(ctl, etag, sizeof etag, fields);
	return code != CTL_OK ? code : cmd_webhooks_each(ctl, "DELETE", NULL, fields, "deleted");
}

int
cmd_webhooks_unsuspend(struct ctl *ctl)
{
	int code = api_open(ctl);

	return code != CTL_OK ? code
			      : cmd_webhooks_each(ctl, "PATCH", "unsuspend", NULL, "unsuspended");
}

int
cmd_webhooks_test(struct ctl *ctl)
{
	struct buf path = {0};
	int code = api_open(ctl);

	if (code != CTL_OK)
		return code;
	api_path(ctl, &path, "webhooks", ctl->args[0], "test", NULL);
	code = api_show(ctl, "POST", &path, NULL, NULL);
	buf_clear(&path);
	return code;
}
