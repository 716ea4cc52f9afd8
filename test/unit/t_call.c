/* The query of a call: decoding, typed values, faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/call.h"

/* --- the answer, kept for the tests --- */

static int answers;
static char errors[300];

void
call_problem_faults(struct call *call, const char *detail, struct faults *faults)
{
	struct buf json = {0};

	(void)call;
	assert_true(detail[0] != '\0');
	answers++;
	faults_write(faults, &json);
	strncpy(errors, buf_str(&json), sizeof errors - 1);
	buf_clear(&json);
	faults_clear(faults);
}

/* --- tests --- */

static struct call call;

static struct call *
query(const char *text)
{
	arena_clear(&call.arena);
	memset(&call, 0, sizeof call);
	call.query = text;
	call.query_len = strlen(text);
	answers = 0;
	errors[0] = '\0';
	return &call;
}

static int
teardown(void **state)
{
	(void)state;
	arena_clear(&call.arena);
	return 0;
}

static void
test_values(void **state)
{
	struct call *c = query("a=1&b&=x&&c=&a=2%263&d=x=y&na%6De=+%2B%e2%82%ac");

	(void)state;
	assert_string_equal(call_query(c, "a", 0), "1");
	assert_string_equal(call_query(c, "a", 1), "2&3");
	assert_null(call_query(c, "a", 2));
	assert_string_equal(call_query(c, "b", 0), "");
	assert_string_equal(call_query(c, "", 0), "x");
	assert_null(call_query(c, "", 1));
	assert_string_equal(call_query(c, "c", 0), "");
	assert_string_equal(call_query(c, "d", 0), "x=y");
	assert_string_equal(call_query(c, "name", 0), " +\xe2\x82\xac");
	assert_null(call_query(c, "e", 0));
	assert_null(call_query(query(""), "a", 0));
	assert_null(call_query(query("&&"), "a", 0));
	assert_string_equal(call_query(query("a"), "a", 0), "");
}

static void
test_int(void **state)
{
	static const char *const bad[] = {"n=", "n", "n=-1", "n=%2B1", "n=1.0", "n=0x1", "n=1+",
	    "n=1001", "n=9223372036854775808", "n=99999999999999999999999", "n=4", "n=1e2"};
	int64_t n = 7;
	size_t i;

	(void)state;
	assert_int_equal(call_query_int(query("x=1"), "n", 5, 1000, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(call_query_int(query("n=0010"), "n", 5, 1000, &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(call_query_int(query("n=1000"), "n", 5, 1000, &n), 0);
	assert_int_equal(call_query_int(query("n=9223372036854775807"), "n", 0, INT64_MAX, &n), 0);
	assert_true(n == INT64_MAX);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(call_query_int(query(bad[i]), "n", 5, 1000, &n), -1);
		assert_int_equal(answers, 1);
		assert_string_equal(errors,
		    "[{\"field\":\"n\",\"message\":\"must be an integer from 5 to 1000\"}]");
	}
	assert_int_equal(call_query_int(query("n=6&n=7"), "n", 5, 1000, &n), -1);
	assert_int_equal(answers, 1);
}

static void
test_bool(void **state)
{
	static const char *const bad[] = {"b", "b=", "b=1", "b=True", "b=true+", "b=true&b=true"};
	int b = 2;
	size_t i;

	(void)state;
	assert_int_equal(call_query_bool(query(""), "b", &b), 0);
	assert_int_equal(b, 2);
	assert_int_equal(call_query_bool(query("b=false"), "b", &b), 0);
	assert_int_equal(b, 0);
	assert_int_equal(call_query_bool(query("b=true"), "b", &b), 0);
	assert_int_equal(b, 1);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(call_query_bool(query(bad[i]), "b", &b), -1);
		assert_int_equal(answers, 1);
	}
}

static void
test_time(void **state)
{
	int64_t ms = -5;

	(void)state;
	assert_int_equal(call_query_time(query(""), "t", &ms), 0);
	assert_true(ms == -5);
	assert_int_equal(call_query_time(query("t=1970-01-01T01:00:00.250%2B01:00"), "t", &ms), 0);
	assert_true(ms == 250);
	/* a + that was not encoded is a space */
	assert_int_equal(call_query_time(query("t=1970-01-01T01:00:00+01:00"), "t", &ms), -1);
	assert_int_equal(call_query_time(query("t=yesterday"), "t", &ms), -1);
	assert_string_equal(
	    errors, "[{\"field\":\"t\",\"message\":\"must be a date and time as in RFC 3339\"}]");
}

static void
test_strings(void **state)
{
	struct buf many = {0};
	char **list;
	size_t n, i;

	(void)state;
	assert_int_equal(
	    call_query_strings(query("s=a,b&x=z&s=c&s=,,&s=ab&s&s=d%2Ce,a"), "s", &list, &n), 0);
	assert_int_equal(n, 6);
	assert_string_equal(list[0], "a");
	assert_string_equal(list[1], "b");
	assert_string_equal(list[2], "c");
	assert_string_equal(list[3], "ab");
	assert_string_equal(list[4], "d");
	assert_string_equal(list[5], "e");
	assert_int_equal(call_query_strings(query("x=1"), "s", &list, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(call_query_strings(query("s=,"), "s", &list, &n), 0);
	assert_int_equal(n, 0);
	buf_adds(&many, "s=");
	for (i = 0; i < CALL_QUERY_STRINGS_MAX; i++)
		buf_adds(&many, "a,");
	assert_int_equal(call_query_strings(query(buf_str(&many)), "s", &list, &n), 0);
	assert_int_equal(n, 1);
	buf_adds(&many, "a");
	assert_int_equal(call_query_strings(query(buf_str(&many)), "s", &list, &n), -1);
	assert_int_equal(answers, 1);
	assert_string_equal(
	    errors, "[{\"field\":\"s\",\"message\":\"must have at most 100 values\"}]");
	buf_clear(&many);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_values, teardown),
	    cmocka_unit_test_teardown(test_int, teardown),
	    cmocka_unit_test_teardown(test_bool, teardown),
	    cmocka_unit_test_teardown(test_time, teardown),
	    cmocka_unit_test_teardown(test_strings, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
