/* evhookctl events publish: one event, a whole request, or a file of events line by line. */
#include <stdio.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/input.h"
#include "ctl/out.h"
#include "proto/event.h"

#define BATCH_BYTES 900000 /* below evhookd's default --max-body */

/* An event around data; data must not be empty. */
static void
cmd_publish_event(
    const struct ctl *ctl, const char *type, const char *data, size_t n, struct buf *body)
{
	const char *request = ctl_get(ctl, "request-id"), *timestamp = ctl_get(ctl, "timestamp");

	json_open(body, '{');
	json_key(body, "type");
	json_add_str(body, type);
	if (request != NULL) {
		json_key(body, "requestId");
		json_add_str(body, request);
	}
	if (timestamp != NULL) {
		json_key(body, "timestamp");
		json_add_str(body, timestamp);
	}
	json_key(body, "data");
	json_add_raw(body, data, n);
	json_close(body, '}');
}

/* The server would count from where the event around it begins: DATA is judged here, as it was
 * given; "line" is where it begins in what was read, 0 for all of it. */
static int
cmd_publish_judge(const char *data, size_t n, size_t line)
{
	struct json_doc doc = {0};
	struct json_error error;
	int rc = json_parse(&doc, data, n, SIZE_MAX, &error);
	bool object = rc == 0 && doc.root->type == JSON_OBJECT;

	json_doc_clear(&doc);
	if (rc != 0)
		return ctl_fail(CTL_FAILED, "DATA is not JSON: %s (line %zu, offset %zu%s)",
		    error.text, line > 0 ? line : error.line, error.offset,
		    line > 0 ? " of that line" : "");
	if (object)
		return CTL_OK;
	if (line > 0)
		return ctl_fail(CTL_FAILED, "DATA, line %zu: is not an object", line);
	return ctl_fail(CTL_FAILED, "DATA is not an object");
}

/* --- one event a line --- */

struct batch {
	struct ctl *ctl;
	const char *type; /* NULL: the lines are whole events */
	struct buf path;
	struct buf body; /* the array so far */
	size_t events;   /* in it */
	size_t requests; /* sent */
	size_t published;
	size_t line; /* where the array begins */
};

static void
cmd_publish_say_rest(const struct batch *batch)
{
	fprintf(stderr,
	    "evhookctl: that was the request from line %zu on; %zu events before it are "
	    "published\n",
	    batch->line, batch->published);
}

static int
cmd_publish_send(struct batch *batch)
{
	const char *key = ctl_get(batch->ctl, "idempotency-key");
	struct buf own = {0};
	struct http_field fields[] = {
	    {"Prefer", "return=minimal"}, {"Idempotency-Key", NULL}, {NULL, NULL}};
	struct api_answer answer;
	const struct json *item;
	int code;

	json_close(&batch->body, ']');
	if (key != NULL) {
		/* The same file is cut in the same places, so that repeating it is safe. */
		buf_printf(&own, "%s-%zu", key, batch->requests + 1);
		fields[1].value = buf_str(&own);
	}
	code = api_call(batch->ctl, "POST", &batch->path, &batch->body, fields, &answer);
	if (code == CTL_OK) {
		item = answer.doc.root;
		item = item != NULL && item->type == JSON_ARRAY ? item->child : NULL;
		for (; item != NULL && ctl_is(batch->ctl, "json"); item = item->next)
			out_raw(item);
		batch->published += batch->events;
		batch->requests++;
		progress("%zu events published", batch->published);
	} else {
		cmd_publish_say_rest(batch);
	}
	api_clear(&answer);
	buf_clear(&own);
	buf_reset(&batch->body);
	batch->events = 0;
	return code;
}

static int
cmd_publish_line(struct batch *batch, const char *line, size_t n, size_t number)
{
	int code = CTL_OK;

	if (strspn(line, " \t\r\n") >= n)
		return CTL_OK;
	if (batch->events == EVENTS_PER_REQUEST ||
	    (batch->events > 0 && batch->body.len + n > BATCH_BYTES))
		code = cmd_publish_send(batch);
	if (code != CTL_OK)
		return code;
	if (batch->events == 0)
		batch->line = number;
	code = cmd_publish_judge(line, n, number);
	if (code != CTL_OK) {
		cmd_publish_say_rest(batch);
		return code;
	}
	if (batch->events++ == 0)
		json_open(&batch->body, '[');
	if (batch->type != NULL)
		cmd_publish_event(batch->ctl, batch->type, line, n, &batch->body);
	else
		json_add_raw(&batch->body, line, n);
	return CTL_OK;
}

static int
cmd_publish_batch(struct ctl *ctl, const char *type, struct buf *input)
{
	struct batch batch = {.ctl = ctl, .type = type};
	const char *at = buf_str(input), *end = at + input->len;
	int code = CTL_OK;

	api_path(ctl, &batch.path, "events", NULL);
	for (size_t number = 1; at < end && code == CTL_OK; number++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((newline != NULL ? newline : end) - at);

		code = cmd_publish_line(&batch, at, n, number);
		at += n + 1;
	}
	if (code == CTL_OK && batch.events > 0)
		code = cmd_publish_send(&batch);
	progress_end();
	if (code == CTL_OK && !ctl_is(ctl, "json"))
		printf("%zu events published in %zu requests\n", batch.published, batch.requests);
	buf_clear(&batch.path);
	buf_clear(&batch.body);
	return code;
}

static int
cmd_publish_one(struct ctl *ctl, const char *type, struct buf *input)
{
	struct http_field fields[] = {
	    {"Idempotency-Key", ctl_get(ctl, "idempotency-key")}, {NULL, NULL}};
	struct buf path = {0}, body = {0};
	int code;

	if (type != NULL && (code = cmd_publish_judge(buf_str(input), input->len, 0)) != CTL_OK)
		return code;
	api_path(ctl, &path, "events", NULL);
	if (type != NULL)
		cmd_publish_event(ctl, type, buf_str(input), input->len, &body);
	code = api_show(ctl, "POST", &path, type != NULL ? &body : input, fields);
	buf_clear(&path);
	buf_clear(&body);
	return code;
}

int
cmd_events_publish(struct ctl *ctl)
{
	const char *type = ctl->nargs == 2 ? ctl->args[0] : NULL;
	struct buf input = {0};
	int code = api_open(ctl);

	if (code == CTL_OK && type == NULL &&
	    (ctl_get(ctl, "request-id") != NULL || ctl_get(ctl, "timestamp") != NULL))
		code = ctl_fail(CTL_USAGE, "without TYPE, DATA is the whole event: put "
					   "requestId and timestamp into it");
	if (code == CTL_OK)
		code = input_read(ctl->args[ctl->nargs - 1], &input);
	if (code == CTL_OK && strspn(buf_str(&input), " \t\r\n") >= input.len)
		code = ctl_fail(CTL_USAGE, "DATA is empty");
	if (code == CTL_OK)
		code = ctl_is(ctl, "batch") ? cmd_publish_batch(ctl, type, &input)
					    : cmd_publish_one(ctl, type, &input);
	buf_clear(&input);
	return code;
}
