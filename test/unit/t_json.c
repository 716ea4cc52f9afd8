/* The JSON parser and writer: grammar, spans, depth, duplicates, positions, round trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

#define S(text) text, sizeof(text) - 1
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct parsed {
	int rc;
	char *text; /* a copy of exactly that size, so that the sanitizer sees reads beyond it */
	struct json_doc doc;
	struct json_error error;
};

struct text {
	const char *s;
	size_t n;
};

static void
parse(struct parsed *p, const char *text, size_t n, size_t keep)
{
	memset(p, 0, sizeof *p);
	p->text = xmemdup(text, n);
	p->rc = json_parse(&p->doc, p->text, n, keep, &p->error);
}

static void
drop(struct parsed *p)
{
	json_doc_clear(&p->doc);
	free(p->text);
}

static void
test_accepts(void **state)
{
	static const struct text cases[] = {{S("{}")}, {S("[]")}, {S("null")}, {S("true")},
	    {S("false")}, {S("0")}, {S("-0")}, {S("-1")}, {S("10")}, {S("1.5")}, {S("1e5")},
	    {S("1E+5")}, {S("1.0e-5")}, {S("1e400")}, {S("12345678901234567890")}, {S("\"\"")},
	    {S(" \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n")},
	    {S("{ \"a\" : 1 , \"b\" : [ ] }")}, {S("[[[[]]]]")}, {S("[{},{},{}]")},
	    {S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")}, {S("\"\\u0000\"")}, {S("\"\\uD83D\\ude00\"")},
	    {S("\"\\\\ud800\"")}, {S("\"\\ud800\\udc00\\uDBFF\\uDFFF\"")}, {S("\"\\uFFFF\"")},
	    {S("\"\x7f\"")}, {S("\"/\"")},
	    {S("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"")},
	    {S("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"")}, {S("{\"\":0}")}, {S("{\"a\":{\"a\":0}}")},
	    {S("[{\"a\":0},{\"a\":0}]")}, {S("{\"a\":0,\"A\":0}")}, {S("{\"a\":0,\"a\\u0000\":0}")},
	    {S("{\"\\u00e9\":0,\"e\":1}")}};
	struct parsed p;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		parse(&p, cases[i].s, cases[i].n, SIZE_MAX);
		if (p.rc != 0)
			fail_msg("%s: %s", cases[i].s, p.error.text);
		assert_non_null(p.doc.root);
		drop(&p);
	}
}

static void
test_refuses(void **state)
{
	static const struct text cases[] = {{S("")}, {S(" ")}, {S("[")}, {S("]")}, {S("{")},
	    {S("}")}, {S("[}")}, {S("{]")}, {S("[1")}, {S("[1,")}, {S("[1,]")}, {S("[,1]")},
	    {S("[1,,2]")}, {S("[1 2]")}, {S("[1:2]")}, {S("[1]]")}, {S("[]x")}, {S("[]\"")},
	    {S("1\"")}, {S("1 \"a")}, {S("{} \"\\u00")}, {S("\"\"\"")}, {S("[] []")},
	    {S("{\"a\"}")}, {S("{\"a\":}")}, {S("{\"a\":1,}")}, {S("{,}")}, {S("{\"a\" 1}")},
	    {S("{\"a\":1 \"b\":2}")}, {S("{a:1}")}, {S("{'a':1}")}, {S("{1:1}")}, {S("{null:1}")},
	    {S("{\"a\"::1}")}, {S("{\"a\":1}}")}, {S("{\"a\",1}")}, {S("+1")}, {S("-")}, {S("--1")},
	    {S("01")}, {S("-01")}, {S("1.")}, {S(".5")}, {S("1.e5")}, {S("1e")}, {S("1e+")},
	    {S("0x10")}, {S("1 000")}, {S("NaN")}, {S("Infinity")}, {S("-Infinity")}, {S("nul")},
	    {S("nulll")}, {S("True")}, {S("tru e")}, {S("\"")}, {S("\"a")}, {S("\"\\\"")},
	    {S("\"\\")}, {S("\"\\x\"")}, {S("\"\\a\"")}, {S("\"\\U0041\"")}, {S("\"\\u\"")},
	    {S("\"\\u12\"")}, {S("\"\\u12g4\"")}, {S("\"\\u-123\"")}, {S("\"a\nb\"")},
	    {S("\"a\tb\"")}, {S("\"a\0b\"")}, {S("'a'")}, {S("[1]\0")}, {S("\0")}, {S("[\v1]")},
	    {S("[\f1]")}, {S("\v1")}, {S("1\f")},
	    {S("[1,\x1f"
	       "2]")},
	    {S("\xc2\xa0"
	       "1")},
	    {S("\xef\xbb\xbf{}")}, {S("/**/1")}, {S("1//")}, {S("#\n1")}, {S("\"\\ud800\"")},
	    {S("\"\\udc00\"")}, {S("\"\\uD800\\u0041\"")}, {S("\"\\ud800\\ud800\"")},
	    {S("\"\\ud800\\\\udc00\"")}, {S("\"\\udc00\\ud800\"")}, {S("\"\\ud800x\"")},
	    {S("{\"\\ud800\":1}")}, {S("\"\\\\\\ud800\"")}, {S("\"\x80\"")}, {S("\"\xff\"")},
	    {S("\"\xc0\x80\"")}, {S("\"\xc1\xbf\"")}, {S("\"\xe0\x80\x80\"")},
	    {S("\"\xe0\x9f\xbf\"")}, {S("\"\xed\xa0\x80\"")}, {S("\"\xed\xbf\xbf\"")},
	    {S("\"\xf0\x80\x80\x80\"")}, {S("\"\xf0\x8f\xbf\xbf\"")}, {S("\"\xf4\x90\x80\x80\"")},
	    {S("\"\xf5\x80\x80\x80\"")}, {S("\"\xc3\"")}, {S("\"\xe2\x82\"")},
	    {S("\"\xf0\x9f\x98\"")}, {S("\"\xc3")}, {S("{\"\xff\":1}")}, {S("[1,\xff]")},
	    {S("{\"a\":1,\"a\":1}")}, {S("{\"a\":1,\"\\u0061\":1}")}, {S("{\"\":1,\"\":1}")},
	    {S("{\"\\u00e9\":1,\"\xc3\xa9\":1}")}, {S("{\"\\u0000\":1,\"\\u0000\":1}")},
	    {S("{\"/\":1,\"\\/\":1}")}, {S("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":1}")},
	    {S("[[{\"a\":{\"b\":1,\"c\":[{}],\"b\":1}}]]")}};
	static const size_t keeps[] = {0, 1, SIZE_MAX};
	struct parsed p;
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		for (k = 0; k < COUNT(keeps); k++) {
			parse(&p, cases[i].s, cases[i].n, keeps[k]);
			if (p.rc != -1)
				fail_msg("accepted case %zu: %s", i, cases[i].s);
			assert_true(p.error.text[0] != '\0');
			assert_true(p.error.offset <= cases[i].n);
			assert_true(p.error.line >= 1);
			drop(&p);
		}
	}
}

static void
test_positions(void **state)
{
	static const struct {
		struct text text;
		size_t offset, line;
		const char *words;
	} cases[] = {
	    {{S("")}, 0, 1, "the text ends too early"},
	    {{S("[1,\n2")}, 5, 2, "the text ends too early"},
	    {{S("[1,\n\n,2]")}, 5, 3, "unexpected token"},
	    {{S("{\"a\":\n@}")}, 6, 2, "unexpected character"},
	    {{S("{\"a\" 1}")}, 5, 1, "expected : after a key"},
	    {{S("{\"a\":1]")}, 6, 1, "expected , or } after a member"},
	    {{S("[1}")}, 2, 1, "expected , or ] after an item"},
	    {{S("[1, \"two\"  true]")}, 11, 1, "expected , or ] after an item"},
	    {{S("{\"a\":1 \"b\":2}")}, 7, 1, "expected , or } after a member"},
	    {{S("{\"a\"\n : : 1}")}, 8, 2, "unexpected token"},
	    {{S("{\"a\":1, true:2}")}, 8, 1, "expected a key in double quotes"},
	    {{S("[] \n\"x")}, 4, 2, "text after the value"},
	    {{S("01")}, 1, 1, "text after the value"},
	    {{S("{]")}, 1, 1, "expected a key in double quotes"},
	    {{S("[]\n]")}, 3, 2, "text after the value"},
	    {{S("\"\\x\"")}, 2, 1, "bad escape in a string"},
	    {{S("\"\\u00g0\"")}, 5, 1, "expected 4 hex digits after \\u"},
	    {{S("\"a\nb\"")}, 2, 1, "control character in a string"},
	    {{S("[-x]")}, 2, 1, "expected a digit after the minus sign"},
	    {{S("[1.x]")}, 3, 1, "expected a digit after the decimal point"},
	    {{S("[1ex]")}, 3, 1, "expected a digit in the exponent"},
	    {{S("[\n\"\xff\"]")}, 3, 2, "not UTF-8"},
	    {{S("[1,\n\v2]")}, 4, 2, "control character 0x0b"},
	    {{S("[\"ab\",\n\"\\\\\\udc00\"]")}, 10, 2, "lone surrogate escape"},
	    {{S("{\"a\":1,\n \"\\u0061\":2}")}, 9, 2, "duplicate key \"a\""},
	    {{S("{\"\\n\xc3\xa9\":1,\"\\n\xc3\xa9\":2}")}, 10, 1, "duplicate key \"???\""},
	};
	struct parsed p;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		parse(&p, cases[i].text.s, cases[i].text.n, 1);
		assert_int_equal(p.rc, -1);
		if (strcmp(p.error.text, cases[i].words) != 0 ||
		    p.error.offset != cases[i].offset || p.error.line != cases[i].line)
			fail_msg("%s: %s at %zu, line %zu", cases[i].text.s, p.error.text,
			    p.error.offset, p.error.line);
		drop(&p);
	}
}

static void
test_long_duplicate_key(void **state)
{
	struct buf text = {0};
	struct parsed p;
	char *key = xcalloc(301, 1);
	size_t i;

	(void)state;
	memset(key, 'k', 300);
	json_open(&text, '{');
	for (i = 0; i < 2; i++) {
		json_key(&text, key);
		json_add_null(&text);
	}
	json_close(&text, '}');
	parse(&p, text.data, text.len, 1);
	assert_int_equal(p.rc, -1);
	assert_int_equal(p.error.offset, 309);
	assert_int_equal(strlen(p.error.text), strlen("duplicate key \"...\"") + 64);
	drop(&p);
	buf_clear(&text);
	free(key);
}

/* Compares the raw spans below node, in the order of the text. */
static void
check_spans(const struct json *node, const char *const **expected)
{
	for (; node != NULL; node = node->next) {
		assert_non_null(**expected);
		assert_int_equal(node->raw_len, strlen(**expected));
		assert_memory_equal(node->raw, **expected, node->raw_len);
		++*expected;
		check_spans(node->child, expected);
	}
}

static void
test_raw_spans(void **state)
{
	static const char text[] =
	    " {\"a\" :\t[1 , 2.50,\"x\\u0041\\\"\xc3\xa9\" ,\"\",true,null\n]"
	    ", \"b\\n\":{ } ,\"\":-1E+5,\"c\":{\"d\":[[ ]],\"e\":0}} ";
	static const char *const expected[] = {
	    "{\"a\" :\t[1 , 2.50,\"x\\u0041\\\"\xc3\xa9\" ,\"\",true,null\n]"
	    ", \"b\\n\":{ } ,\"\":-1E+5,\"c\":{\"d\":[[ ]],\"e\":0}}",
	    "[1 , 2.50,\"x\\u0041\\\"\xc3\xa9\" ,\"\",true,null\n]", "1", "2.50",
	    "\"x\\u0041\\\"\xc3\xa9\"", "\"\"", "true", "null", "{ }", "-1E+5",
	    "{\"d\":[[ ]],\"e\":0}", "[[ ]]", "[ ]", "0", NULL};
	static const char *const scalars[] = {"12", "-0.10e+4", "\"a\\n\"", "true", "null", "[ 1]"};
	const char *const *at = expected;
	struct parsed p;
	char padded[32];
	size_t i;

	(void)state;
	parse(&p, S(text), SIZE_MAX);
	assert_int_equal(p.rc, 0);
	check_spans(p.doc.root, &at);
	assert_null(*at);
	assert_ptr_equal(p.doc.root->raw, p.text + 1);
	drop(&p);
	for (i = 0; i < 2 * COUNT(scalars); i++) {
		snprintf(padded, sizeof padded, " %s%s", scalars[i / 2], i % 2 != 0 ? "" : "\n ");
		parse(&p, padded, strlen(padded), 0);
		assert_int_equal(p.rc, 0);
		assert_ptr_equal(p.doc.root->raw, p.text + 1);
		assert_int_equal(p.doc.root->raw_len, strlen(scalars[i / 2]));
		drop(&p);
	}
}

static void
test_values(void **state)
{
	static const char text[] =
	    "{\"s\":\"a\\u0000b\\u00e9\\ud83d\\ude00\",\"n\":1.50,\"t\":true,"
	    "\"f\":false,\"z\":null,\"k\\u0000\":1,\"o\":{\"x\":1},\"q\":\"s\"}";
	const struct json *root, *v;
	struct parsed p;

	(void)state;
	parse(&p, S(text), SIZE_MAX);
	root = p.doc.root;
	assert_int_equal(root->type, JSON_OBJECT);
	assert_int_equal(root->count, 8);
	assert_null(root->key);
	v = json_get(root, "s");
	assert_int_equal(v->type, JSON_STRING);
	assert_int_equal(v->str_len, 9);
	assert_memory_equal(v->str, "a\0b\xc3\xa9\xf0\x9f\x98\x80", 10);
	assert_false(json_str_is(v, "a"));
	v = json_get(root, "n");
	assert_int_equal(v->type, JSON_NUMBER);
	assert_string_equal(v->str, "1.50");
	assert_int_equal(v->str_len, 4);
	assert_false(json_str_is(v, "1.50"));
	assert_true(json_get(root, "t")->truth);
	assert_int_equal(json_get(root, "f")->type, JSON_BOOL);
	assert_false(json_get(root, "f")->truth);
	assert_null(json_get(root, "z"));
	assert_null(json_get(root, "absent"));
	assert_null(json_get(root, "k"));
	assert_null(json_get(root, "x"));
	assert_null(json_get(json_get(root, "q"), "x"));
	assert_true(json_str_is(json_get(root, "q"), "s"));
	assert_false(json_str_is(json_get(root, "q"), ""));
	v = json_get(root, "o");
	assert_string_equal(v->key, "o");
	assert_int_equal(v->key_len, 1);
	drop(&p);
}

static void
test_keep(void **state)
{
	static const char text[] = "{\"a\":[1,[2,{\"x\":3}]],\"b\":{\"c\":{\"d\":{}}},\"e\":0}";
	const struct json *a, *b;
	struct parsed p;

	(void)state;
	parse(&p, S(text), 0);
	assert_int_equal(p.doc.root->type, JSON_OBJECT);
	assert_null(p.doc.root->child);
	assert_int_equal(p.doc.root->count, 0);
	assert_int_equal(p.doc.root->raw_len, sizeof text - 1);
	drop(&p);

	parse(&p, S(text), 1);
	assert_int_equal(p.doc.root->count, 3);
	a = json_get(p.doc.root, "a");
	b = json_get(p.doc.root, "b");
	assert_null(a->child);
	assert_int_equal(a->count, 0);
	assert_memory_equal(a->raw, "[1,[2,{\"x\":3}]]", a->raw_len);
	assert_memory_equal(b->raw, "{\"c\":{\"d\":{}}}", b->raw_len);
	assert_string_equal(json_get(p.doc.root, "e")->str, "0");
	drop(&p);

	parse(&p, S(text), 2);
	a = json_get(p.doc.root, "a");
	assert_int_equal(a->count, 2);
	assert_string_equal(a->child->str, "1");
	assert_null(a->child->key);
	assert_null(a->child->next->child);
	assert_null(json_get(json_get(p.doc.root, "b"), "c")->child);
	drop(&p);
}

static void
test_ints(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t n;
	} cases[] = {{"0", 0, 0}, {"-0", 0, 0}, {"7", 0, 7}, {"-12", 0, -12},
	    {"9223372036854775807", 0, INT64_MAX}, {"-9223372036854775808", 0, INT64_MIN},
	    {"9223372036854775808", -1, 0}, {"-9223372036854775809", -1, 0},
	    {"18446744073709551616", -1, 0}, {"100000000000000000000000000", -1, 0}, {"1.0", -1, 0},
	    {"1e2", -1, 0}, {"1E2", -1, 0}, {"\"1\"", -1, 0}, {"true", -1, 0}, {"[1]", -1, 0}};
	struct parsed p;
	int64_t n;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		parse(&p, cases[i].text, strlen(cases[i].text), 1);
		n = 0;
		assert_int_equal(json_int(p.doc.root, &n), cases[i].rc);
		assert_true(n == cases[i].n);
		drop(&p);
	}
}

static void
test_writer(void **state)
{
	struct buf buf = {0};

	(void)state;
	json_open(&buf, '{');
	json_key(&buf, "a\"b");
	json_add_strn(&buf, S("\0\x01\b\t\n\x1f\"\\/\x7f\xc3\xa9\xf0\x9f\x98\x80"));
	json_key(&buf, "list");
	json_open(&buf, '[');
	json_add_int(&buf, INT64_MIN);
	json_add_bool(&buf, true);
	json_add_bool(&buf, false);
	json_add_null(&buf);
	json_open(&buf, '{');
	json_close(&buf, '}');
	json_open(&buf, '[');
	json_close(&buf, ']');
	json_add_raw(&buf, S("1.50"));
	json_add_str(&buf, "[");
	json_add_str(&buf, "");
	json_close(&buf, ']');
	json_key(&buf, "");
	json_add_int(&buf, 0);
	json_close(&buf, '}');
	assert_string_equal(buf_str(&buf),
	    "{\"a\\\"b\":\"\\u0000\\u0001\\u0008\\u0009\\u000a\\u001f\\\"\\\\/\x7f\xc3\xa9"
	    "\xf0\x9f\x98\x80\",\"list\":[-9223372036854775808,true,false,null,{},[],1.50,\"[\","
	    "\"\"],\"\":0}");
	buf_clear(&buf);
}

static void
test_string_round_trip(void **state)
{
	struct buf buf = {0};
	struct parsed p;
	char all[0x80];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof all; i++)
		all[i] = (char)i;
	json_add_strn(&buf, all, sizeof all);
	parse(&p, buf.data, buf.len, 0);
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.doc.root->str_len, sizeof all);
	assert_memory_equal(p.doc.root->str, all, sizeof all);
	drop(&p);
	buf_clear(&buf);
}

static void
test_utf8(void **state)
{
	(void)state;
	assert_true(utf8_valid(S("")));
	assert_int_equal(utf8_span(S("12345678\xc3\xa9\xff")), 10);
	assert_int_equal(utf8_span(S("1234567\xe2\x82\xac")), 10);
	assert_int_equal(utf8_span(S("1234567\xe2\x82")), 7);
	assert_true(utf8_valid(S("\0\xf4\x8f\xbf\xbf")));
	assert_false(utf8_valid(S("\xf4\x90\x80\x80")));
	assert_int_equal(utf8_count(S("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0")), 5);
	assert_int_equal(utf8_count(S("")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepts),
	    cmocka_unit_test(test_refuses),
	    cmocka_unit_test(test_positions),
	    cmocka_unit_test(test_long_duplicate_key),
	    cmocka_unit_test(test_raw_spans),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_keep),
	    cmocka_unit_test(test_ints),
	    cmocka_unit_test(test_writer),
	    cmocka_unit_test(test_string_round_trip),
	    cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
