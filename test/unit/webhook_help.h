/* For the tests of webhooks: bodies with single quotes, faults as plain lines. */
#ifndef TEST_UNIT_WEBHOOK_HELP_H
#define TEST_UNIT_WEBHOOK_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/webhook.h"

#define HELP_NOW INT64_C(1800000000000)
#define HELP_DAY INT64_C(86400000)
#define HELP_SECRET "sixteen-bytes-ok"
#define HELP_SECRET2 "another-sixteen-bytes"

static const struct egress help_egress;
static const struct webhook_rules help_rules = {
    .egress = &help_egress, .now_ms = HELP_NOW, .secret_overlap_ms = HELP_DAY};

/* A document and the text that it points into. */
struct help_body {
	struct json_doc doc;
	char *text;
};

static inline struct help_body
help_parse(const char *quoted)
{
	struct help_body body = {.text = xstrdup(quoted)};
	struct json_error error;

	for (char *p = body.text; *p != '\0'; p++) {
		if (*p == '\'')
			*p = '"';
	}
	if (json_parse(&body.doc, body.text, strlen(body.text), SIZE_MAX, &error) != 0)
		fail_msg("%s: %s", quoted, error.text);
	return body;
}

static inline void
help_body_clear(struct help_body *body)
{
	json_doc_clear(&body->doc);
	free(body->text);
}

/* "field: message\n" for each; clears the faults. */
static inline char *
help_faults_text(struct faults *faults)
{
	struct buf json = {0}, text = {0};
	struct json_doc doc = {0};
	struct json_error error;

	faults_write(faults, &json);
	assert_int_equal(json_parse(&doc, json.data, json.len, SIZE_MAX, &error), 0);
	for (const struct json *f = doc.root->child; f != NULL; f = f->next)
		buf_printf(
		    &text, "%s: %s\n", json_get(f, "field")->str, json_get(f, "message")->str);
	json_doc_clear(&doc);
	buf_clear(&json);
	faults_clear(faults);
	buf_adds(&text, "");
	return buf_take(&text, NULL);
}

static inline void
help_assert_faults(struct faults *faults, const char *expected)
{
	char *text = help_faults_text(faults);

	assert_string_equal(text != NULL ? text : "", expected);
	free(text);
}

/* What a create request makes, given that its faults are the expected ones. */
static inline struct webhook *
help_create_faulty(const char *quoted, const char *expected)
{
	struct help_body body = help_parse(quoted);
	struct webhook *webhook = webhook_new();
	struct faults faults = {0};

	webhook_create(webhook, body.doc.root, &help_rules, &faults);
	help_body_clear(&body);
	help_assert_faults(&faults, expected);
	return webhook;
}

static inline struct webhook *
help_create(const char *quoted)
{
	return help_create_faulty(quoted, "");
}

static inline void
help_create_refused(const char *quoted, const char *expected)
{
	webhook_free(help_create_faulty(quoted, expected));
}

/* A webhook with this endpoint, and one with this failureHandling. */
#define HELP_URL "'url':'https://example.com/hook'"
#define HELP_CREATE(endpoint, more)                                                                \
	"{'name':'n','enabled':true,'endpoint':{" endpoint "},'eventTypes':['a.b','c.*']" more "}"
#define HELP_PLAIN HELP_CREATE(HELP_URL, "")
#define HELP_ENDPOINT(more) HELP_CREATE(HELP_URL "," more, "")
#define HELP_FAILURE(members) HELP_CREATE(HELP_URL, ",'failureHandling':{" members "}")

/* Checks and merges an update whose faults, of the check or else of the result, are as expected.
 * Returns whether it changed anything. */
static inline bool
help_update_faulty(struct webhook *webhook, const char *quoted, const struct webhook_rules *rules,
    const char *expected)
{
	struct help_body body = help_parse(quoted);
	struct faults faults = {0};
	bool changed = false;

	webhook_check_update(body.doc.root, rules, &faults);
	if (faults.count == 0)
		changed = webhook_update(webhook, body.doc.root, rules, &faults);
	help_body_clear(&body);
	help_assert_faults(&faults, expected);
	return changed;
}

static inline bool
help_update(struct webhook *webhook, const char *quoted)
{
	return help_update_faulty(webhook, quoted, &help_rules, "");
}

/* An update that is refused by itself, whatever the webhook is. */
static inline void
help_check_refused(const char *quoted, const char *expected)
{
	struct help_body body = help_parse(quoted);
	struct faults faults = {0};

	webhook_check_update(body.doc.root, &help_rules, &faults);
	help_body_clear(&body);
	help_assert_faults(&faults, expected);
}

/* An update of this webhook that is fit by itself and refused for its result. */
static inline void
help_result_refused(const struct webhook *webhook, const char *quoted, const char *expected)
{
	struct webhook *copy = webhook_copy(webhook);
	struct help_body body = help_parse(quoted);
	struct faults faults = {0};

	webhook_check_update(body.doc.root, &help_rules, &faults);
	assert_int_equal(faults.count, 0);
	(void)webhook_update(copy, body.doc.root, &help_rules, &faults);
	help_body_clear(&body);
	help_assert_faults(&faults, expected);
	webhook_free(copy);
}

/* The response with single quotes; free() it. */
static inline char *
help_response(const struct webhook *webhook)
{
	struct buf out = {0};
	char *text;

	webhook_write(webhook, &out, 0);
	text = buf_take(&out, NULL);
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '"')
			*p = '\'';
	}
	return text;
}

static inline void
help_assert_response_has(const struct webhook *webhook, const char *part)
{
	char *text = help_response(webhook);

	if (strstr(text, part) == NULL)
		fail_msg("no %s in %s", part, text);
	free(text);
}

static inline void
help_store(const struct webhook *webhook, struct buf *doc, struct buf *secrets)
{
	buf_reset(doc);
	buf_reset(secrets);
	webhook_store_doc(webhook, doc);
	webhook_store_secrets(webhook, secrets);
}

#endif
