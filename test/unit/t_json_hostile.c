/* The JSON parser against texts made to hurt: depth, length, many keys, random damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

#define S(text) text, sizeof(text) - 1
#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define MIB (1024 * 1024)
#define MUTANTS 20000

/* Parses an exact copy; returns what json_parse() did. */
static int
parse(const char *text, size_t n, size_t keep, struct json_error *error)
{
	struct json_doc doc = {0};
	char *copy = xmemdup(text, n);
	int rc = json_parse(&doc, copy, n, keep, error);

	json_doc_clear(&doc);
	free(copy);
	return rc;
}

static void
repeat(struct buf *buf, const char *s, size_t times)
{
	size_t i;

	for (i = 0; i < times; i++)
		buf_adds(buf, s);
}

static void
test_depth_limit(void **state)
{
	static const char *const pairs[][2] = {{"[", "]"}, {"{\"a\":", "}"}};
	struct json_error error;
	struct buf buf = {0};
	size_t i, keep;

	(void)state;
	for (i = 0; i < COUNT(pairs); i++) {
		for (keep = 0; keep < 70; keep += 23) {
			buf_reset(&buf);
			repeat(&buf, pairs[i][0], JSON_MAX_DEPTH);
			buf_addc(&buf, '0');
			repeat(&buf, pairs[i][1], JSON_MAX_DEPTH);
			assert_int_equal(parse(buf.data, buf.len, keep, &error), 0);
			buf_reset(&buf);
			repeat(&buf, pairs[i][0], JSON_MAX_DEPTH);
			buf_adds(&buf, "\n[]");
			repeat(&buf, pairs[i][1], JSON_MAX_DEPTH);
			assert_int_equal(parse(buf.data, buf.len, keep, &error), -1);
			assert_string_equal(error.text, "nested deeper than 64");
			assert_int_equal(error.offset, JSON_MAX_DEPTH * strlen(pairs[i][0]) + 1);
			assert_int_equal(error.line, 2);
		}
	}
	buf_clear(&buf);
}

static void
test_many_of_one(void **state)
{
	static const struct {
		const char *head, *unit, *tail;
		int rc;
	} cases[] = {
	    {"", "[", "", -1},
	    {"", "{\"a\":", "", -1},
	    {"", "[[],", "", -1},
	    {"[0", ",[]", "]", 0},
	    {"[0", ",{}", "]", 0},
	    {"[0", ",0", "]", 0},
	    {"[0", ",", "]", -1},
	    {"[0", ",{\"a\":0,\"b\":0}", "]", 0},
	    {"[0", ",{\"a\":0,\"a\":0}", "]", -1},
	    {"{\"\":0", ",\"a\":0", "}", -1},
	    {"", " ", "0", 0},
	    {"0", "\n", "", 0},
	    {"[", "\n", ",]", -1},
	    {"{\"a\"", "\t", ":0}", 0},
	    {"\"", "x", "\"", 0},
	    {"\"", "x", "", -1},
	    {"\"", "\\n", "\"", 0},
	    {"\"", "\\\\", "\"", 0},
	    {"\"", "\\u00e9", "\"", 0},
	    {"\"", "\\ud83d\\ude00", "\"", 0},
	    {"\"", "\\ud83d", "\"", -1},
	    {"\"", "\xf0\x9f\x98\x80", "\"", 0},
	    {"{\"", "\\u0041", "\":0}", 0},
	    {"", "9", "", 0},
	    {"0.", "0", "", 0},
	    {"0e", "1", "", 0},
	    {"", "]", "", -1},
	    {"", "\"", "", -1},
	    {"", "\\", "", -1},
	};
	static const size_t keeps[] = {0, 2, SIZE_MAX};
	struct json_error error;
	struct buf buf = {0};
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		buf_reset(&buf);
		buf_adds(&buf, cases[i].head);
		repeat(&buf, cases[i].unit, MIB / strlen(cases[i].unit));
		buf_adds(&buf, cases[i].tail);
		for (k = 0; k < COUNT(keeps); k++)
			if (parse(buf.data, buf.len, keeps[k], &error) != cases[i].rc)
				fail_msg("%s%s%s", cases[i].head, cases[i].unit, cases[i].tail);
	}
	buf_clear(&buf);
}

/* 1 MiB of members of one object, and the last one again under another spelling. */
static void
test_many_keys(void **state)
{
	struct json_error error;
	struct buf buf = {0};
	size_t i, end, last;

	(void)state;
	buf_adds(&buf, "[{\"\":0");
	for (i = 0; buf.len < MIB; i++) {
		buf_adds(&buf, i % 2 != 0 ? ",\"" : ",\"\\u004b");
		buf_addu(&buf, i);
		buf_adds(&buf, "\":0");
	}
	end = buf.len;
	buf_adds(&buf, "}]");
	assert_int_equal(parse(buf.data, buf.len, 0, &error), 0);
	assert_int_equal(parse(buf.data, buf.len, SIZE_MAX, &error), 0);
	last = i - 1 - (i - 1) % 2; /* the last of the escaped ones */
	for (i = 0; i < 2; i++) {
		buf.len = end;
		buf_adds(&buf, ",\n\"K");
		buf_addu(&buf, i == 0 ? last : 0);
		buf_adds(&buf, "\":0}]");
		assert_int_equal(parse(buf.data, buf.len, i, &error), -1);
		assert_memory_equal(error.text, "duplicate key \"K", 16);
		assert_int_equal(error.offset, end + 2);
		assert_int_equal(error.line, 2);
	}
	buf_clear(&buf);
}

/* Objects that grow beyond the short list while others are open around them. */
static void
test_wide_and_deep(void **state)
{
	struct json_error error;
	struct buf buf = {0};
	size_t level, i;
	int again;

	(void)state;
	for (again = 0; again < 2; again++) {
		buf_reset(&buf);
		for (level = 0; level < JSON_MAX_DEPTH; level++) {
			buf_addc(&buf, '{');
			for (i = 0; i < level; i++) {
				buf_adds(&buf, "\"k");
				buf_addu(&buf, i);
				buf_adds(&buf, "\":0,");
			}
			buf_adds(&buf, "\"in\":");
		}
		buf_adds(&buf, "0}");
		for (level = JSON_MAX_DEPTH - 1; level > 0; level--) {
			buf_adds(&buf, ",\"k");
			buf_addu(&buf, level == 40 && again != 0 ? 7 : 100);
			buf_adds(&buf, "\":0}");
		}
		assert_int_equal(parse(buf.data, buf.len, 2, &error), -again);
	}
	assert_string_equal(error.text, "duplicate key \"k7\"");
	buf_clear(&buf);
}

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
write_tree(const struct json *node, struct buf *out)
{
	for (; node != NULL; node = node->next) {
		if (node->key != NULL) {
			json_add_strn(out, node->key, node->key_len);
			buf_addc(out, ':');
		}
		switch (node->type) {
		case JSON_OBJECT:
		case JSON_ARRAY:
			json_open(out, node->type == JSON_OBJECT ? '{' : '[');
			write_tree(node->child, out);
			json_close(out, node->type == JSON_OBJECT ? '}' : ']');
			break;
		case JSON_STRING:
			json_add_strn(out, node->str, node->str_len);
			break;
		case JSON_NUMBER:
			json_add_raw(out, node->str, node->str_len);
			break;
		case JSON_BOOL:
			json_add_bool(out, node->truth);
			break;
		case JSON_NULL:
			json_add_null(out);
			break;
		}
	}
}

/* Parsing in steps says and makes the same as parsing at once. */
static void
check_steps(const char *text, size_t n, size_t step, const struct json_doc *whole, bool good)
{
	struct json_doc doc = {0};
	struct buf a = {0}, b = {0};
	struct json_error error;
	struct json_parser *parser;
	char *copy = xmemdup(text, n);
	int rc;

	parser = json_begin(&doc, copy, n, SIZE_MAX);
	while ((rc = json_step(parser, step, &error)) > 0)
		;
	assert_int_equal(rc, good ? 0 : -1);
	if (good) {
		write_tree(whole->root, &a);
		write_tree(doc.root, &b);
		assert_string_equal(buf_str(&a), buf_str(&b));
		assert_int_equal(doc.root->raw_len, whole->root->raw_len);
	}
	json_doc_clear(&doc);
	buf_clear(&a);
	buf_clear(&b);
	free(copy);
}

/* What was accepted must be itself again after writing and parsing, and its members' raw bytes
 * must be texts of the same meaning.  Returns whether it was accepted. */
static bool
check_round_trip(const char *text, size_t n)
{
	struct json_doc first = {0}, second = {0};
	struct buf a = {0}, b = {0};
	struct json_error error;
	const struct json *child;
	char *copy = xmemdup(text, n);
	bool good = json_parse(&first, copy, n, SIZE_MAX, &error) == 0;

	assert_int_equal(parse(text, n, 0, &error), good ? 0 : -1);
	for (size_t step = 1; step < n; step = step * 3 + 1)
		check_steps(text, n, step, &first, good);
	if (good) {
		write_tree(first.root, &a);
		assert_int_equal(json_parse(&second, a.data, a.len, SIZE_MAX, &error), 0);
		write_tree(second.root, &b);
		assert_string_equal(buf_str(&a), buf_str(&b));
		for (child = first.root->child; child != NULL; child = child->next)
			assert_int_equal(parse(child->raw, child->raw_len, 1, &error), 0);
	} else {
		assert_true(error.offset <= n);
		assert_non_null(memchr(error.text, '\0', sizeof error.text));
	}
	json_doc_clear(&first);
	json_doc_clear(&second);
	buf_clear(&a);
	buf_clear(&b);
	free(copy);
	return good;
}

static void
test_mutants(void **state)
{
	static const char seed_text[] =
	    "{\"type\":\"a.b\",\"data\":{\"n\":[1,-2.5e+3,true,null,{}],\"s\":\"x\\u00e9\\n"
	    "\xc3\xa9\\ud83d\\ude00\",\"o\":{\"\":\"\"}},\"z\":[[],[false]] }";
	static const char bits[] = "{}[]:,\"\\u0dD8cC-+.eE19 \n\t\v\x01\x80\xc3\xed\xa0\xff/abt";
	char text[2 * sizeof seed_text];
	uint64_t seed = 0x9e3779b97f4a7c15u;
	size_t i, k, n, at, good = 0;

	(void)state;
	assert_true(check_round_trip(S(seed_text)));
	for (i = 0; i < MUTANTS; i++) {
		n = sizeof seed_text - 1;
		memcpy(text, seed_text, n);
		for (k = next_random(&seed) % 4; k < 4; k++) {
			at = next_random(&seed) % n;
			if (next_random(&seed) % 3 == 0) {
				memmove(text + at, text + at + 1, --n - at);
			} else {
				if (next_random(&seed) % 2 == 0)
					memmove(text + at + 1, text + at, n++ - at);
				text[at] = bits[next_random(&seed) % (sizeof bits - 1)];
			}
		}
		good += check_round_trip(text, n);
	}
	assert_in_range(good, MUTANTS / 100, MUTANTS / 2);
}

/* A step is about as long as was asked for, but for a string, which is one. */
static void
test_steps(void **state)
{
	struct json_doc doc = {0};
	struct json_error error;
	struct json_parser *parser;
	struct buf text = {0};
	int steps = 0;

	(void)state;
	buf_addc(&text, '[');
	repeat(&text, "1,", 50000);
	buf_addc(&text, '"');
	repeat(&text, "\\\"", 50000);
	buf_adds(&text, "\"");
	repeat(&text, " ", 100000);
	buf_adds(&text, ",{\"a\":2}]");
	parser = json_begin(&doc, text.data, text.len, SIZE_MAX);
	while (json_step(parser, 1000, &error) > 0)
		steps++;
	assert_in_range(steps, 200, 203);
	assert_int_equal(doc.root->count, 50002);
	json_doc_clear(&doc);
	doc.most = 50000;
	assert_int_equal(json_parse(&doc, text.data, text.len, SIZE_MAX, &error), -1);
	assert_string_equal(error.text, "more than 50000 values");
	assert_int_equal(error.offset, 99999);
	json_doc_clear(&doc);
	doc.most = 1;
	assert_int_equal(json_parse(&doc, text.data, text.len, 0, &error), 0);
	json_doc_clear(&doc);
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_depth_limit),
	    cmocka_unit_test(test_many_of_one),
	    cmocka_unit_test(test_many_keys),
	    cmocka_unit_test(test_wide_and_deep),
	    cmocka_unit_test(test_mutants),
	    cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
