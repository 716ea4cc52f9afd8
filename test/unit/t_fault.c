/* Faults: field names, escaping, cutting, the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/fault.h"
#include "proto/json.h"

/* The fields and messages as a client reads them; the nodes' raw bytes are gone. */
static struct json_doc
read_back(const struct faults *faults)
{
	struct buf text = {0};
	struct json_error error;
	struct json_doc doc = {0};

	faults_write(faults, &text);
	if (json_parse(&doc, text.data, text.len, SIZE_MAX, &error) != 0)
		fail_msg("%s: %s", buf_str(&text), error.text);
	buf_clear(&text);
	return doc;
}

static void
check_field(const char *prefix, const char *name, const char *field)
{
	struct faults faults = {0};
	struct json_doc doc;
	const struct json *seen;

	faults_add(&faults, prefix, name, "is %s", "wrong");
	assert_int_equal(faults.count, 1);
	doc = read_back(&faults);
	assert_int_equal(doc.root->count, 1);
	seen = json_get(doc.root->child, "field");
	assert_string_equal(seen->str, field);
	assert_int_equal(seen->str_len, strlen(field));
	assert_true(json_str_is(json_get(doc.root->child, "message"), "is wrong"));
	json_doc_clear(&doc);
	faults_clear(&faults);
}

static void
test_fields(void **state)
{
	(void)state;
	check_field("", "", "");
	check_field("", "name", "name");
	check_field("endpoint", "url", "endpoint.url");
	check_field("[17]", "type", "[17].type");
	check_field("[17]", "", "[17]");
	check_field("endpoint", "", "endpoint");
	check_field("eventTypes", "[3]", "eventTypes[3]");
	check_field("a.b", "c", "a.b.c");
	check_field("", "a\"b\\c\n", "a\"b\\c\n");
	check_field("",
	    "a\xff"
	    "b\xc3",
	    "a\xef\xbf\xbd"
	    "b\xef\xbf\xbd");
}

static void
test_cut(void **state)
{
	char longer[302], expected[402];
	size_t lead;

	(void)state;
	memset(longer, 'x', sizeof longer);
	longer[300] = '\0';
	memset(expected, 'x', sizeof expected);
	expected[200] = '\0';
	check_field("", longer, expected);
	expected[200] = '.';
	expected[401] = '\0';
	check_field(longer, longer, expected);
	/* A character of 4 bytes that ends at byte 200 stays; one that would be cut goes. */
	for (lead = 196; lead <= 200; lead++) {
		memset(longer, 'x', lead);
		memcpy(longer + lead,
		    "\xf0\x9f\x98\x80"
		    "tail",
		    9);
		memcpy(expected, longer, sizeof longer);
		expected[lead == 196 ? 200 : lead] = '\0';
		check_field("", longer, expected);
	}
}

static void
test_array(void **state)
{
	struct faults faults = {0};
	struct buf out = {0};

	(void)state;
	faults_write(&faults, &out);
	assert_string_equal(buf_str(&out), "[]");
	buf_reset(&out);
	faults_add(&faults, "", "a", "must be %d", 1);
	faults_add(&faults, "[0]", "b/\x01", "say \"%s\"", "\xc3\xa9\xff");
	assert_int_equal(faults.count, 2);
	json_open(&out, '{');
	json_key(&out, "x");
	json_add_int(&out, 1);
	json_key(&out, "errors");
	faults_write(&faults, &out);
	json_close(&out, '}');
	assert_string_equal(buf_str(&out),
	    "{\"x\":1,\"errors\":[{\"field\":\"a\",\"message\":\"must be 1\"},"
	    "{\"field\":\"[0].b/\\u0001\",\"message\":\"say \\\"\xc3\xa9\xef\xbf\xbd\\\"\"}]}");
	buf_reset(&out);
	faults_clear(&faults);
	assert_int_equal(faults.count, 0);
	json_open(&out, '[');
	json_add_null(&out);
	faults_write(&faults, &out);
	assert_string_equal(buf_str(&out), "[null,[]");
	buf_clear(&out);
}

static void
test_limit(void **state)
{
	struct faults faults = {0};
	struct json_doc doc;
	char longer[301];
	size_t i;

	(void)state;
	for (i = 0; i < FAULTS_MAX + 7; i++) {
		assert_int_equal(faults_full(&faults), i >= FAULTS_MAX);
		faults_add(&faults, "", "f", "%zu", i);
	}
	assert_int_equal(faults.count, FAULTS_MAX + 7);
	doc = read_back(&faults);
	assert_int_equal(doc.root->count, FAULTS_MAX + 1); /* one says that there may be more */
	json_doc_clear(&doc);
	faults_clear(&faults);
	assert_false(faults_full(&faults));

	memset(longer, 'x', sizeof longer);
	longer[300] = '\0';
	for (i = 0; i < FAULTS_MAX; i++)
		faults_add(&faults, longer, longer, "%s", longer);
	assert_true(faults_full(&faults));
	assert_in_range(faults.json.len, FAULTS_BYTES_MAX, FAULTS_BYTES_MAX + 1000);
	faults_clear(&faults);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_array),
	    cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
