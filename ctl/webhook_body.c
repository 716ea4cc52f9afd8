/* The bodies of webhooks create and update. */
#include "ctl/webhook_body.h"

#include <string.h>

#include "ctl/input.h"
#include "proto/json.h"

static void
webhook_body_text(struct buf *out, const char *key, const char *text)
{
	if (text == NULL)
		return;
	json_key(out, key);
	json_add_str(out, text);
}

static int
webhook_body_bool(const struct ctl *ctl, const char *option, struct buf *out, const char *key)
{
	const char *text = ctl_get(ctl, option);

	if (text == NULL)
		return CTL_OK;
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return ctl_fail(CTL_USAGE, "--%s is true or false", option);
	json_key(out, key);
	json_add_bool(out, text[0] == 't');
	return CTL_OK;
}

static int
webhook_body_int(const struct ctl *ctl, const char *option, struct buf *out, const char *key)
{
	int64_t n = -1;
	int code = ctl_int(ctl, option, 0, INT32_MAX, &n);

	if (n >= 0) {
		json_key(out, key);
		json_add_int(out, n);
	}
	return code;
}

/* All values of a repeatable option as an array; nothing without one. */
static void
webhook_body_array(const struct ctl *ctl, const char *option, struct buf *out, const char *key)
{
	const char *text;
	size_t at = 0;

	if (ctl_get(ctl, option) == NULL)
		return;
	json_key(out, key);
	json_open(out, '[');
	while ((text = ctl_next(ctl, option, &at)) != NULL)
		json_add_str(out, text);
	json_close(out, ']');
}

static size_t
webhook_body_name_len(const char *header)
{
	return strcspn(header, ":");
}

/* The values of one header: all options that begin with its name. */
static void
webhook_body_header(const struct ctl *ctl, const char *header, size_t n, struct buf *out)
{
	const char *text;
	size_t at = 0;

	json_add_strn(out, header, n);
	buf_addc(out, ':');
	json_open(out, '[');
	while ((text = ctl_next(ctl, "header", &at)) != NULL) {
		if (webhook_body_name_len(text) != n || memcmp(text, header, n) != 0)
			continue;
		text += n + 1;
		json_add_str(out, text + strspn(text, " "));
	}
	json_close(out, ']');
}

/* --header NAME:VALUE as {"NAME": ["VALUE", …]}. */
static int
webhook_body_headers(const struct ctl *ctl, struct buf *out, const char *key)
{
	const char *text, *before;
	size_t at = 0;

	if (ctl_get(ctl, "header") == NULL)
		return CTL_OK;
	json_key(out, key);
	json_open(out, '{');
	while ((text = ctl_next(ctl, "header", &at)) != NULL) {
		size_t n = webhook_body_name_len(text), earlier = 0;

		if (text[n] != ':')
			return ctl_fail(CTL_USAGE, "--header is NAME:VALUE");
		while ((before = ctl_next(ctl, "header", &earlier)) != text)
			if (webhook_body_name_len(before) == n && memcmp(before, text, n) == 0)
				break;
		if (before == text)
			webhook_body_header(ctl, text, n, out);
	}
	json_close(out, '}');
	return CTL_OK;
}

static int
webhook_body_secret(const struct ctl *ctl, struct buf *out)
{
	const char *file = ctl_get(ctl, "secret-file");
	struct buf secret = {0};
	int code;

	if (file == NULL)
		return CTL_OK;
	code = input_secret(file, &secret);
	if (code == CTL_OK) {
		json_key(out, "secret");
		json_add_strn(out, secret.data, secret.len);
	}
	buf_clear(&secret);
	return code;
}

static int
webhook_body_endpoint(const struct ctl *ctl, const char *url, bool update, struct buf *out)
{
	size_t before = out->len, empty;
	int code;

	json_key(out, "endpoint");
	json_open(out, '{');
	empty = out->len;
	webhook_body_text(out, "url", url);
	webhook_body_text(out, "tag", ctl_get(ctl, "tag"));
	code = webhook_body_bool(ctl, "hmac", out, "hmacEnabled");
	if (code == CTL_OK)
		code = webhook_body_bool(ctl, "secure-ssl", out, "secureSsl");
	if (code == CTL_OK)
		code = webhook_body_secret(ctl, out);
	if (code == CTL_OK)
		code = webhook_body_headers(ctl, out, update ? "addHeaders" : "headers");
	webhook_body_array(ctl, "remove-header", out, "removeHeaders");
	if (out->len == empty)
		out->len = before;
	else
		json_close(out, '}');
	return code;
}

static int
webhook_body_retry(const struct ctl *ctl, struct buf *out)
{
	size_t before = out->len, empty;
	int code;

	json_key(out, "retryStrategy");
	json_open(out, '{');
	empty = out->len;
	code = webhook_body_int(ctl, "attempts", out, "attempts");
	if (code == CTL_OK)
		code = webhook_body_int(ctl, "retry-interval", out, "interval");
	webhook_body_text(out, "type", ctl_get(ctl, "retry-type"));
	if (out->len == empty)
		out->len = before;
	else
		json_close(out, '}');
	return code;
}

static int
webhook_body_failure(const struct ctl *ctl, bool update, struct buf *out)
{
	size_t before = out->len, empty;
	int code;

	json_key(out, "failureHandling");
	json_open(out, '{');
	empty = out->len;
	webhook_body_array(ctl, "trigger", out, update ? "addTriggers" : "triggers");
	webhook_body_array(ctl, "remove-trigger", out, "removeTriggers");
	code = webhook_body_retry(ctl, out);
	if (code == CTL_OK)
		code = webhook_body_bool(ctl, "divert", out, "divert");
	if (code == CTL_OK)
		code = webhook_body_bool(ctl, "suspend", out, "suspend");
	if (ctl_get(ctl, "alert-url") != NULL) {
		json_key(out, "alertEndpoint");
		json_open(out, '{');
		webhook_body_text(out, "url", ctl_get(ctl, "alert-url"));
		json_close(out, '}');
	}
	if (out->len == empty)
		out->len = before;
	else
		json_close(out, '}');
	return code;
}

int
webhook_body_create(struct ctl *ctl, struct buf *body)
{
	int code;

	if (ctl_get(ctl, "body") != NULL && ctl->nargs == 0)
		return input_read(ctl_get(ctl, "body"), body);
	if (ctl_get(ctl, "body") != NULL || ctl->nargs < 3)
		return ctl_fail(CTL_USAGE,
		    "usage: evhookctl webhooks create NAME URL TYPE... [OPTION...], or --body JSON "
		    "alone");
	json_open(body, '{');
	webhook_body_text(body, "name", ctl->args[0]);
	if (ctl_get(ctl, "enabled") == NULL) {
		json_key(body, "enabled");
		json_add_bool(body, true);
	}
	code = webhook_body_bool(ctl, "enabled", body, "enabled");
	if (code == CTL_OK)
		code = webhook_body_endpoint(ctl, ctl->args[1], false, body);
	if (code == CTL_OK)
		code = webhook_body_failure(ctl, false, body);
	json_key(body, "eventTypes");
	json_open(body, '[');
	for (size_t i = 2; i < ctl->nargs; i++)
		json_add_str(body, ctl->args[i]);
	json_close(body, ']');
	json_close(body, '}');
	return code;
}

int
webhook_body_update(struct ctl *ctl, struct buf *body)
{
	int code;

	if (ctl_get(ctl, "body") != NULL)
		return input_read(ctl_get(ctl, "body"), body);
	json_open(body, '{');
	webhook_body_text(body, "name", ctl_get(ctl, "name"));
	webhook_body_array(ctl, "add-type", body, "addEventTypes");
	webhook_body_array(ctl, "remove-type", body, "removeEventTypes");
	code = webhook_body_bool(ctl, "enabled", body, "enabled");
	if (code == CTL_OK)
		code = webhook_body_endpoint(ctl, ctl_get(ctl, "endpoint"), true, body);
	if (code == CTL_OK)
		code = webhook_body_failure(ctl, true, body);
	json_close(body, '}');
	if (code == CTL_OK && body->len == 2)
		return ctl_fail(CTL_USAGE, "nothing to change: evhookctl webhooks update --help");
	return code;
}
