/* Dates: every day there is, every offset, what is not a date, and the HTTP forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "proto/datetime.h"

#define DAY INT64_C(86400000)
#define FIRST INT64_C(-62135596800000) /* 0001-01-01 */
#define LAST INT64_C(253402300799999)  /* the last millisecond of 9999 */

typedef int t_parser(const char *s, size_t n, int64_t *ms);

/* Parses a copy without a NUL, so that a read beyond n is caught by the sanitizer. */
static int
t_parse_n(t_parser *parser, const char *s, size_t n, int64_t *ms)
{
	char *copy = malloc(n > 0 ? n : 1);
	int rc;

	memcpy(copy, s, n);
	rc = parser(copy, n, ms);
	free(copy);
	return rc;
}

static int
t_parse(const char *s, int64_t *ms)
{
	return t_parse_n(datetime_parse, s, strlen(s), ms);
}

static void
t_every_day(void **state)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t at = FIRST, ms;
	char out[DATETIME_LEN + 1], want[80];

	(void)state;
	for (int y = 1; y <= 9999; y++) {
		for (int m = 1; m <= 12; m++) {
			int leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
			int last = days[m - 1] + (m == 2 ? leap : 0);

			for (int d = 1; d <= last; d++, at += DAY) {
				snprintf(
				    want, sizeof want, "%04d-%02d-%02dT00:00:00.000Z", y, m, d);
				datetime_format(out, at);
				if (strcmp(out, want) != 0)
					fail_msg("%s instead of %s", out, want);
				if (datetime_parse(want, DATETIME_LEN, &ms) != 0 || ms != at)
					fail_msg("%s is read as another day", want);
			}
			snprintf(want, sizeof want, "%04d-%02d-%02dT00:00:00Z", y, m, last + 1);
			if (datetime_parse(want, strlen(want), &ms) != -1)
				fail_msg("%s is no day", want);
		}
	}
	assert_int_equal(at, LAST + 1);
}

static void
t_against_libc(void **state)
{
	char out[DATETIME_LEN + 1], want[80];
	struct tm tm;
	int64_t ms;

	(void)state;
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		uint64_t r = (uint64_t)random() << 31 ^ (uint64_t)random();
		int64_t at = FIRST + (int64_t)(r % (uint64_t)(LAST - FIRST + 1));
		int fraction = (int)(((at % 1000) + 1000) % 1000);
		time_t seconds = (at - fraction) / 1000;

		gmtime_r(&seconds, &tm);
		snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		    fraction);
		datetime_format(out, at);
		assert_string_equal(out, want);
		assert_int_equal(t_parse(out, &ms), 0);
		assert_int_equal(ms, at);
	}
}

static void
t_spellings(void **state)
{
	static const struct {
		const char *text;
		const char *utc;
	} cases[] = {
	    {"2026-11-23T07:21:00.123Z", "2026-11-23T07:21:00.123Z"},
	    {"2026-11-23t07:21:00.123z", "2026-11-23T07:21:00.123Z"},
	    {"2026-11-23T07:21:00Z", "2026-11-23T07:21:00.000Z"},
	    {"2026-11-23T07:21:00.1Z", "2026-11-23T07:21:00.100Z"},
	    {"2026-11-23T07:21:00.1239999Z", "2026-11-23T07:21:00.123Z"},
	    {"2026-11-23T07:21:00.999999999Z", "2026-11-23T07:21:00.999Z"},
	    {"2026-11-23T07:21:00+01:00", "2026-11-23T06:21:00.000Z"},
	    {"2026-11-23T07:21:00-09:30", "2026-11-23T16:51:00.000Z"},
	    {"2026-11-23T07:21:00-00:00", "2026-11-23T07:21:00.000Z"},
	    {"2026-03-01T00:10:00.5+00:30", "2026-02-28T23:40:00.500Z"},
	    {"2024-03-01T00:10:00+23:59", "2024-02-29T00:11:00.000Z"},
	    {"1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"},
	    {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"},
	    {"2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250Z"},
	    {"1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00.000Z"},
	    {"0001-01-01T00:00:00-00:01", "0001-01-01T00:01:00.000Z"},
	    {"9999-12-31T23:59:59.999+00:00", "9999-12-31T23:59:59.999Z"},
	};
	char out[DATETIME_LEN + 1];
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(t_parse(cases[i].text, &ms), 0);
		datetime_format(out, ms);
		assert_string_equal(out, cases[i].utc);
	}
	assert_int_equal(t_parse("1970-01-01T00:00:00Z", &ms), 0);
	assert_int_equal(ms, 0);
	assert_int_equal(t_parse("2026-11-23T07:21:00.123Z", &ms), 0);
	assert_int_equal(ms, INT64_C(1795418460123));
}

static void
t_not_dates(void **state)
{
	static const char *const bad[] = {"", "2026", "2026-11-23", "2026-11-23T07:21Z",
	    "2026-11-23T07:21:00", "2026-11-23 07:21:00Z", "2026-11-23T07:21:00.Z",
	    "2026-11-23T07:21:00.1234567890Z", "2026-11-23T07:21:00,1Z", "2026-11-23T24:00:00Z",
	    "2026-11-23T07:60:00Z", "2026-11-23T07:21:61Z", "2026-11-23T07:21:60Z",
	    "2026-11-23T23:59:60+01:00", "2026-11-23T07:21:00+24:00", "2026-11-23T07:21:00+01:60",
	    "2026-11-23T07:21:00+0100", "2026-11-23T07:21:00+01", "2026-11-23T07:21:00ZZ",
	    "2026-11-23T07:21:00Z ", " 2026-11-23T07:21:00Z", "2026-02-29T00:00:00Z",
	    "1900-02-29T00:00:00Z", "2026-00-10T00:00:00Z", "2026-13-10T00:00:00Z",
	    "2026-01-00T00:00:00Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
	    "-001-01-01T00:00:00Z", "2026-1-01T00:00:00Z", "+026-01-01T00:00:00Z",
	    "2026-11-23T07:21:-1Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
	    "9999-12-31T23:59:60Z", "2026-W47-1T00:00:00Z", "1795418460123"};
	int64_t ms = 42;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (t_parse(bad[i], &ms) != -1)
			fail_msg("taken for a date: %s", bad[i]);
	}
	assert_int_equal(t_parse_n(datetime_parse, "2026-11-23T07:21:00Z\0", 21, &ms), -1);
	assert_int_equal(t_parse_n(datetime_parse, "2026-11-23T07:21\00000Z", 20, &ms), -1);
	assert_int_equal(ms, 42);
}

static void
t_format_outside(void **state)
{
	char out[DATETIME_LEN + 1];

	(void)state;
	datetime_format(out, INT64_MIN);
	assert_string_equal(out, "0001-01-01T00:00:00.000Z");
	datetime_format(out, FIRST - 1);
	assert_string_equal(out, "0001-01-01T00:00:00.000Z");
	datetime_format(out, LAST + 1);
	assert_string_equal(out, "9999-12-31T23:59:59.999Z");
	datetime_format(out, INT64_MAX);
	assert_string_equal(out, "9999-12-31T23:59:59.999Z");
}

static void
t_http(const char *text, const char *utc)
{
	char out[DATETIME_LEN + 1] = "none";
	int64_t ms;

	if (t_parse_n(http_date_parse, text, strlen(text), &ms) == 0)
		datetime_format(out, ms);
	assert_string_equal(out, utc);
}

static void
t_http_dates(void **state)
{
	static const char *const bad[] = {"", "Sun", "Sun, ", "06 Nov 1994 08:49:37 GMT",
	    "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
	    "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
	    "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06-Nov-94 08:49:37 GMT",
	    "Sunday, 06 Nov 1994 08:49:37 GMT", "Sunday Nov  6 08:49:37 1994",
	    "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994",
	    "Sun Nov  6 08:49:37 1994 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
	    "Sun, 06 nov 1994 08:49:37 GMT", "sun, 06 Nov 1994 08:49:37 GMT",
	    "Son, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
	    "Sun, 06 Nov 0000 08:49:37 GMT", "120", "Sun Nov 00 08:49:37 1994"};

	(void)state;
	clock_override(0, INT64_C(1795418460123)); /* November 2026 */
	/* The three examples of RFC 9110, section 5.6.7. */
	t_http("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.000Z");
	t_http("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37.000Z");
	t_http("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37.000Z");
	t_http("Wed Nov 16 08:49:37 1994", "1994-11-16T08:49:37.000Z");
	t_http("Thu, 29 Feb 2024 23:59:60 GMT", "2024-03-01T00:00:00.000Z");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		t_http(bad[i], "none");
	clock_override(-1, -1);
}

static void
t_http_two_digits(void **state)
{
	(void)state;
	clock_override(0, INT64_C(1795418460000)); /* 2026-11-23T07:21:00Z */
	t_http("Monday, 23-Nov-26 07:21:00 GMT", "2026-11-23T07:21:00.000Z");
	t_http("Monday, 23-Nov-76 07:21:00 GMT", "2076-11-23T07:21:00.000Z");
	t_http("Monday, 23-Nov-76 07:21:01 GMT", "1976-11-23T07:21:01.000Z");
	t_http("Monday, 01-Jan-77 00:00:00 GMT", "1977-01-01T00:00:00.000Z");
	t_http("Friday, 31-Dec-99 23:59:59 GMT", "1999-12-31T23:59:59.000Z");
	t_http("Tuesday, 29-Feb-00 00:00:00 GMT", "2000-02-29T00:00:00.000Z");
	t_http("Tuesday, 29-Feb-96 00:00:00 GMT", "1996-02-29T00:00:00.000Z");
	t_http("Tuesday, 29-Feb-01 00:00:00 GMT", "none");
	clock_override(-1, -1);
}

/* Every cut and every changed byte of good dates is a date or refused, never a fault. */
static void
t_random_texts(void **state)
{
	static const char *const seeds[] = {"2026-11-23T07:21:00.123456789+01:30",
	    "2016-12-31T23:59:60Z", "Sun, 06 Nov 1994 08:49:37 GMT",
	    "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"};
	char text[64], out[DATETIME_LEN + 1];
	int64_t ms, again;
	int good = 0;

	(void)state;
	srandom(1);
	for (int i = 0; i < 300000; i++) {
		const char *seed = seeds[i % 5];
		size_t n = strlen(seed);
		t_parser *parser = i % 5 < 2 ? datetime_parse : http_date_parse;

		memcpy(text, seed, n);
		text[(size_t)random() % n] =
		    (char)(random() % 8 == 0 ? random() : 32 + random() % 64);
		if (random() % 4 == 0)
			n = (size_t)random() % (n + 1);
		if (t_parse_n(parser, text, n, &ms) != 0)
			continue;
		good++;
		assert_in_range(ms - FIRST, 0, LAST - FIRST);
		datetime_format(out, ms);
		assert_int_equal(t_parse(out, &again), 0);
		assert_int_equal(again, ms);
	}
	assert_true(good > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_every_day),
	    cmocka_unit_test(t_against_libc),
	    cmocka_unit_test(t_spellings),
	    cmocka_unit_test(t_not_dates),
	    cmocka_unit_test(t_format_outside),
	    cmocka_unit_test(t_http_dates),
	    cmocka_unit_test(t_http_two_digits),
	    cmocka_unit_test(t_random_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
