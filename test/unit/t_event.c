/* Events: what publish bodies are accepted, the faults of the others, the EventResponse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TYPE_WORDS                                                                                 \
	"must be 1 to 16 segments of letters, digits, _ and -, joined by dots, "                   \
	"128 characters at most"
#define TIME_WORDS "must be a date and time such as 2026-11-23T07:21:00.123Z"
#define YEAR_WORDS "must not be before 1970"

struct reading {
	struct json_doc doc;
	struct event_draft *drafts;
	size_t n;
	bool single;
	struct faults faults;
};

static void
read_text(struct reading *r, const char *text, size_t len)
{
	struct json_error error;

	memset(r, 0, sizeof *r);
	if (json_parse(&r->doc, text, len, EVENT_JSON_KEEP, &error) != 0)
		fail_msg("%s: %s", text, error.text);
	r->n = event_read_drafts(r->doc.root, &r->drafts, &r->single, &r->faults);
}

static void
drop(struct reading *r)
{
	free(r->drafts);
	json_doc_clear(&r->doc);
	faults_clear(&r->faults);
}

/* Each fault as field=message, joined by "; ". */
static void
check_faults(const char *text, const char *expected)
{
	struct buf json = {0}, said = {0};
	struct json_doc doc = {0};
	struct json_error error;
	const struct json *fault;
	struct reading r;

	read_text(&r, text, strlen(text));
	faults_write(&r.faults, &json);
	assert_int_equal(json_parse(&doc, json.data, json.len, SIZE_MAX, &error), 0);
	for (fault = doc.root->child; fault != NULL; fault = fault->next) {
		if (said.len > 0)
			buf_adds(&said, "; ");
		buf_adds(&said, json_get(fault, "field")->str);
		buf_addc(&said, '=');
		buf_adds(&said, json_get(fault, "message")->str);
	}
	if (strcmp(buf_str(&said), expected) != 0)
		fail_msg("%s: %s", text, buf_str(&said));
	assert_int_equal(doc.root->count, r.faults.count);
	json_doc_clear(&doc);
	buf_clear(&json);
	buf_clear(&said);
	drop(&r);
}

static void
test_single(void **state)
{
	static const char text[] =
	    " {\"type\":\"policy.issued\",\"data\":{ \"n\":1.50,\"b\":1e400,\"a\":[{}]} ,"
	    "\"requestId\":\"01arz3ndektsv4rrffq69g5fav\","
	    "\"userLocator\":\"6F1C2E54-6B1E-4C0E-9A8E-1F2F3A4B5C6D\","
	    "\"timestamp\":\"2026-11-23T09:21:00.1239+02:00\"}";
	const struct event_draft *draft;
	struct reading r;

	(void)state;
	read_text(&r, text, sizeof text - 1);
	assert_int_equal(r.faults.count, 0);
	assert_int_equal(r.n, 1);
	assert_true(r.single);
	draft = &r.drafts[0];
	assert_string_equal(draft->type, "policy.issued");
	assert_int_equal(draft->data_len, strlen("{ \"n\":1.50,\"b\":1e400,\"a\":[{}]}"));
	assert_ptr_equal(draft->data, strchr(text + 3, '{'));
	assert_string_equal(draft->request_id.s, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
	assert_string_equal(draft->user_locator.s, "6f1c2e54-6b1e-4c0e-9a8e-1f2f3a4b5c6d");
	assert_true(draft->timestamp == INT64_C(1795418460123));
	drop(&r);
}

static void
test_null_is_absent(void **state)
{
	static const char *const texts[] = {"{\"type\":\"a\",\"data\":{}}",
	    "{\"requestId\":null,\"userLocator\":null,"
	    "\"timestamp\":null,\"data\":{},\"type\":\"a\"}"};
	struct reading r;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		read_text(&r, texts[i], strlen(texts[i]));
		assert_int_equal(r.faults.count, 0);
		assert_string_equal(r.drafts[0].request_id.s, "");
		assert_string_equal(r.drafts[0].user_locator.s, "");
		assert_true(r.drafts[0].timestamp == -1);
		drop(&r);
	}
	check_faults("{\"type\":null,\"data\":null}", "type=is required; data=is required");
}

static void
test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {{"1970-01-01T00:00:00Z", 0}, {"9999-12-31T23:59:59.999Z", 253402300799999},
	    {"1969-12-31T23:00:00.5-01:30", 1800500}};
	struct buf text = {0};
	struct reading r;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		buf_reset(&text);
		buf_printf(
		    &text, "{\"type\":\"a\",\"data\":{},\"timestamp\":\"%s\"}", cases[i].text);
		read_text(&r, text.data, text.len);
		assert_int_equal(r.faults.count, 0);
		assert_true(r.drafts[0].timestamp == cases[i].ms);
		drop(&r);
	}
	buf_clear(&text);
}

static void
test_property_faults(void **state)
{
	static const struct {
		const char *property, *expected;
	} cases[] = {
	    {"\"requestId\":\"\"", "requestId=must be a ULID"},
	    {"\"requestId\":\"81ARZ3NDEKTSV4RRFFQ69G5FAV\"", "requestId=must be a ULID"},
	    {"\"requestId\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\\u0000\"", "requestId=must be a ULID"},
	    {"\"requestId\":1", "requestId=must be a ULID"},
	    {"\"userLocator\":\"6f1c2e546b1e4c0e9a8e1f2f3a4b5c6d\"", "userLocator=must be a UUID"},
	    {"\"userLocator\":[]", "userLocator=must be a UUID"},
	    {"\"timestamp\":\"2026-02-30T00:00:00Z\"", "timestamp=" TIME_WORDS},
	    {"\"timestamp\":\"2026-11-23\"", "timestamp=" TIME_WORDS},
	    {"\"timestamp\":1795418460123", "timestamp=" TIME_WORDS},
	    {"\"timestamp\":\"1969-12-31T23:59:59.999Z\"", "timestamp=" YEAR_WORDS},
	    {"\"timestamp\":\"9999-12-31T23:59:59.999-00:01\"", "timestamp=" TIME_WORDS},
	    {"\"Type\":\"a\"", "Type=is not a known property"},
	    {"\"typ\":\"a\"", "typ=is not a known property"},
	    {"\"types\":null", "types=is not a known property"},
	    {"\"\":0", "=is not a known property"},
	    {"\"locator\":\"x\",\"a\\\"\\u00e9\":{}",
		"locator=is not a known property; a\"\xc3\xa9=is not a known property"},
	};
	struct buf text = {0};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		buf_reset(&text);
		buf_printf(&text, "{\"type\":\"a\",\"data\":{},%s}", cases[i].property);
		check_faults(buf_str(&text), cases[i].expected);
	}
	buf_clear(&text);
	check_faults("{}", "type=is required; data=is required");
	check_faults("{\"data\":[],\"type\":\"a..b\"}", "data=must be an object; type=" TYPE_WORDS);
	check_faults("{\"data\":\"{}\",\"type\":7}", "data=must be an object; type=" TYPE_WORDS);
	check_faults("{\"data\":{},\"type\":\"a\\u0000\"}", "type=" TYPE_WORDS);
	check_faults("{\"x\":1,\"timestamp\":0,\"type\":\"\"}",
	    "x=is not a known property; timestamp=" TIME_WORDS "; type=" TYPE_WORDS
	    "; data=is required");
}

static void
test_array_faults(void **state)
{
	static const char shape[] = "=must be an event or an array of events";
	static const char number[] = "=must hold 1 to 1000 events";

	(void)state;
	check_faults("1", shape);
	check_faults("\"{}\"", shape);
	check_faults("null", shape);
	check_faults("true", shape);
	check_faults("[]", number);
	check_faults(
	    "[{\"type\":\"a\",\"data\":{}},7,null,[],{\"data\":{},\"type\":\"a b\",\"x\":0},"
	    "{\"type\":\"b\",\"data\":{}}]",
	    "[1]=must be an object; [2]=must be an object; [3]=must be an object; "
	    "[4].type=" TYPE_WORDS "; [4].x=is not a known property");
}

/* The body of an array of n good events; type says the index. */
static void
make_array(struct buf *text, size_t n)
{
	size_t i;

	buf_reset(text);
	for (i = 0; i < n; i++)
		buf_printf(
		    text, "%c{\"data\":{\"i\":%zu},\"type\":\"t%zu\"}", i == 0 ? '[' : ',', i, i);
	buf_addc(text, ']');
}

static void
test_array_sizes(void **state)
{
	static const size_t sizes[] = {1, 2, EVENTS_PER_REQUEST};
	struct buf text = {0};
	char type[32], data[32];
	struct reading r;
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT(sizes); i++) {
		make_array(&text, sizes[i]);
		read_text(&r, text.data, text.len);
		assert_int_equal(r.faults.count, 0);
		assert_int_equal(r.n, sizes[i]);
		assert_false(r.single);
		for (k = 0; k < r.n; k++) {
			snprintf(type, sizeof type, "t%zu", k);
			snprintf(data, sizeof data, "{\"i\":%zu}", k);
			assert_string_equal(r.drafts[k].type, type);
			assert_int_equal(r.drafts[k].data_len, strlen(data));
			assert_memory_equal(r.drafts[k].data, data, strlen(data));
			assert_true(r.drafts[k].timestamp == -1);
		}
		drop(&r);
	}
	make_array(&text, EVENTS_PER_REQUEST + 1);
	check_faults(buf_str(&text), "=must hold 1 to 1000 events");
	buf_clear(&text);
}

/* After 1000 faults of 100,000 the rest is not looked at. */
static void
test_faults_are_bounded(void **state)
{
	struct buf text = {0}, json = {0};
	struct reading r;
	size_t i;

	(void)state;
	buf_adds(&text, "{\"type\":\"a\",\"data\":{}");
	for (i = 0; i < 100000; i++)
		buf_printf(&text, ",\"k%zu\":0", i);
	buf_addc(&text, '}');
	read_text(&r, text.data, text.len);
	assert_in_range(r.faults.count, 1000, 1002); /* what is missing is looked for */
	faults_write(&r.faults, &json);
	assert_non_null(strstr(buf_str(&json), "\"k999\""));
	assert_null(strstr(buf_str(&json), "\"k1000\""));
	buf_clear(&json);
	buf_clear(&text);
	drop(&r);
}

static void
test_write(void **state)
{
	static const char data[] = "{ \"n\":1.50, \"s\":\"\\u00e9\" }";
	struct event_parts parts = {"01ARZ3NDEKTSV4RRFFQ69G5FAV", "policy.issued", data,
	    sizeof data - 1, "01ARZ3NDEKTSV4RRFFQ69G5FAW", "", 1795418460123, "", ""};
	struct buf out = {0};

	(void)state;
	event_write(&parts, true, &out);
	assert_string_equal(buf_str(&out),
	    "{\"locator\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"type\":\"policy.issued\","
	    "\"timestamp\":\"2026-11-23T07:21:00.123Z\",\"data\":{ \"n\":1.50, \"s\":\"\\u00e9\" },"
	    "\"requestId\":\"01ARZ3NDEKTSV4RRFFQ69G5FAW\",\"userLocator\":null}");
	buf_reset(&out);
	parts.user_locator = "6f1c2e54-6b1e-4c0e-9a8e-1f2f3a4b5c6d";
	json_open(&out, '[');
	event_write(&parts, false, &out);
	event_write(&parts, false, &out);
	json_close(&out, ']');
#define MINIMAL                                                                                    \
	"{\"locator\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"type\":\"policy.issued\","                  \
	"\"timestamp\":\"2026-11-23T07:21:00.123Z\","                                              \
	"\"requestId\":\"01ARZ3NDEKTSV4RRFFQ69G5FAW\","                                            \
	"\"userLocator\":\"6f1c2e54-6b1e-4c0e-9a8e-1f2f3a4b5c6d\"}"
	assert_string_equal(buf_str(&out), "[" MINIMAL "," MINIMAL "]");
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_single),
	    cmocka_unit_test(test_null_is_absent),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_property_faults),
	    cmocka_unit_test(test_array_faults),
	    cmocka_unit_test(test_array_sizes),
	    cmocka_unit_test(test_faults_are_bounded),
	    cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
