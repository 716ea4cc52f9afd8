/* Calls of evhookd's API. */
#include "ctl/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/input.h"
#include "ctl/out.h"

static int
api_read_token(struct ctl *ctl)
{
	const char *file = ctl_get(ctl, "token-file");
	const char *token = getenv("EVHOOKCTL_TOKEN");
	int code = CTL_OK;

	if (file == NULL && token == NULL)
		return CTL_OK;
	buf_adds(&ctl->token, "Bearer ");
	if (file != NULL)
		code = input_secret(file, &ctl->token);
	else
		buf_adds(&ctl->token, token);
	/* evhttp would refuse a line end without a word about where it is. */
	if (code == CTL_OK && strcspn(buf_str(&ctl->token), "\r\n") != ctl->token.len)
		code = ctl_fail(CTL_USAGE, "the token holds a line end");
	return code;
}

int
api_open(struct ctl *ctl)
{
	const char *tenant = ctl_get(ctl, "tenant");
	int64_t timeout_ms;
	char *why;
	int code;

	if (tenant == NULL)
		return ctl_fail(CTL_USAGE, "no tenant: say --tenant or set EVHOOKCTL_TENANT");
	if (uuid_parse(&ctl->tenant, tenant, strlen(tenant)) != 0)
		return ctl_fail(CTL_USAGE, "the tenant is not a UUID");
	code = ctl_time(ctl, "timeout", &timeout_ms);
	if (code == CTL_OK)
		code = api_read_token(ctl);
	if (code != CTL_OK)
		return code;
	ctl->http = http_new(ctl_get(ctl, "url"), ctl_get(ctl, "ca-file"), timeout_ms, &why);
	if (ctl->http != NULL)
		return CTL_OK;
	ctl_fail(CTL_USAGE, "%s", why);
	free(why);
	return CTL_USAGE;
}

static void
api_encode(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++)
		if ((*s >= '0' && *s <= '9') || ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z') ||
		    strchr("-_.~", *s) != NULL)
			buf_addc(out, *s);
		else
			buf_printf(out, "%%%02X", (unsigned char)*s);
}

void
api_path(const struct ctl *ctl, struct buf *path, ...)
{
	const char *segment;
	va_list ap;

	buf_adds(path, "/event/");
	buf_adds(path, ctl->tenant.s);
	va_start(ap, path);
	while ((segment = va_arg(ap, const char *)) != NULL) {
		buf_addc(path, '/');
		api_encode(path, segment);
	}
	va_end(ap);
}

void
api_query(struct buf *path, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_addc(path, strchr(buf_str(path), '?') == NULL ? '?' : '&');
	buf_adds(path, name);
	buf_addc(path, '=');
	api_encode(path, value);
}

void
api_query_int(struct buf *path, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)value);
	api_query(path, name, text);
}

int
api_try(struct ctl *ctl, const char *method, struct buf *path, const struct buf *body,
    const struct http_field *fields, struct api_answer *answer)
{
	struct http_field all[8] = {
	    {"Authorization", ctl->token.len > 0 ? buf_str(&ctl->token) : NULL},
	    {"Accept", "application/json, application/problem+json"},
	};
	struct http_request request = {.method = method, .target = buf_str(path), .fields = all};
	struct json_error error;
	char *why;
	size_t n = 2;

	for (; fields != NULL && fields->name != NULL && n < 7; fields++)
		all[n++] = *fields;
	if (body != NULL) {
		request.body = body->len > 0 ? body->data : "";
		request.body_len = body->len;
	}
	*answer = (struct api_answer){0};
	if (http_ask(ctl->http, &request, &answer->http, &why) != 0) {
		ctl_fail(CTL_UNAVAILABLE, "%s", why);
		free(why);
		return CTL_UNAVAILABLE;
	}
	answer->status = answer->http.status;
	if (answer->http.body.len > 0 && json_parse(&answer->doc, answer->http.body.data,
					     answer->http.body.len, SIZE_MAX, &error) != 0) {
		json_doc_clear(&answer->doc);
		if (answer->status < 300)
			return ctl_fail(
			    CTL_FAILED, "the server's answer is not JSON: %s", error.text);
	}
	return CTL_OK;
}

static int
api_code(int status)
{
	switch (status) {
	case 401:
	case 403:
		return CTL_DENIED;
	case 404:
		return CTL_MISSING;
	case 409:
	case 412:
		return CTL_CONFLICT;
	case 429:
	case 503:
		return CTL_UNAVAILABLE;
	default:
		return status >= 200 && status < 300 ? CTL_OK : CTL_FAILED;
	}
}

int
api_judge(const struct ctl *ctl, const struct api_answer *answer)
{
	const struct json *root = answer->doc.root, *errors, *detail;
	struct buf text = {0};
	int code = api_code(answer->status);

	if (code == CTL_OK)
		return CTL_OK;
	detail = root != NULL && root->type == JSON_OBJECT ? json_get(root, "detail") : NULL;
	errors = detail != NULL ? json_get(root, "errors") : NULL;
	if (detail != NULL)
		out_value(&text, detail);
	ctl_fail(code, "%s%sthe server said %d%s%s", ctl->about != NULL ? ctl->about : "",
	    ctl->about != NULL ? ": " : "", answer->status, text.len > 0 ? ": " : "",
	    buf_str(&text));
	for (errors = errors != NULL && errors->type == JSON_ARRAY ? errors->child : NULL;
	     errors != NULL; errors = errors->next) {
		if (errors->type != JSON_OBJECT)
			continue;
		buf_reset(&text);
		out_value(&text, json_get(errors, "field"));
		buf_adds(&text, ": ");
		out_value(&text, json_get(errors, "message"));
		fprintf(stderr, "  %s\n", buf_str(&text));
	}
	buf_clear(&text);
	return code;
}

int
api_call(struct ctl *ctl, const char *method, struct buf *path, const struct buf *body,
    const struct http_field *fields, struct api_answer *answer)
{
	int code = api_try(ctl, method, path, body, fields, answer);

	return code != CTL_OK ? code : api_judge(ctl, answer);
}

int
api_show(struct ctl *ctl, const char *method, struct buf *path, const struct buf *body,
    const struct http_field *fields)
{
	struct api_answer answer;
	int code = api_call(ctl, method, path, body, fields, &answer);
	const struct json *root = answer.doc.root;

	if (code == CTL_OK && root != NULL) {
		if (ctl_is(ctl, "json") || root->type != JSON_OBJECT)
			out_raw(root);
		else
			out_card(root);
	}
	api_clear(&answer);
	return code;
}

void
api_say_done(const struct ctl *ctl, const char *what, const char *locator, const char *done)
{
	if (ctl_is(ctl, "json"))
		printf("{\"%s\":\"%s\",\"%s\":true}\n", what, locator, done);
	else
		printf("%s %s %s\n", what, locator, done);
}

void
api_clear(struct api_answer *answer)
{
	json_doc_clear(&answer->doc);
	http_answer_clear(&answer->http);
}
