/* Answers to requests: what stands, what is reused, what is refused, wherever the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "deliver/answer.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define LEN0 "Content-Length: 0\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define BAD "the answer is not valid HTTP"
#define ODD "the answer's status is not valid"

enum { OPEN, REUSE, CLOSE }; /* not over; over and the connection is good; over and it is not */

static const struct {
	const char *bytes;
	int status; /* 0: the head is not whole, or refused */
	int end;
	const char *body, *why;
	size_t rest; /* bytes that are not the answer's */
} cases[] = {
    /* lengths */
    {OK LEN0 "\r\n", 200, REUSE, "", NULL, 0},
    {OK "Content-Length: 3\r\n\r\nabc", 200, REUSE, "abc", NULL, 0},
    {OK "Content-Length: 3\r\n\r\nab", 200, OPEN, "ab", NULL, 0},
    {OK "Content-Length: 3\r\n\r\nabcHTTP", 200, REUSE, "abc", NULL, 4},
    {OK "CONTENT-length:3 \t\r\n\r\nabc", 200, REUSE, "abc", NULL, 0},
    {OK "Content-Length: 0003\r\n\r\nabc", 200, REUSE, "abc", NULL, 0},
    {OK "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 200, CLOSE, "abc", NULL, 0},
    /* faulty ones: the status line stands, and nothing else */
    {OK "Content-Length: 3\r\nContent-Length: 9\r\n\r\nabc", 200, CLOSE, "", NULL, 5},
    {OK "Content-Length: +3\r\n\r\n", 200, CLOSE, "", NULL, 2},
    {OK "Content-Length: 3, 3\r\n\r\n", 200, CLOSE, "", NULL, 2},
    {OK "Content-Length:\r\n\r\n", 200, CLOSE, "", NULL, 2},
    {"HTTP/1.1 503 No\r\nContent-Length: 0x3\r\n\r\n", 503, CLOSE, "", NULL, 2},
    {OK "Content-Length: 99999999999999999999\r\n\r\nabc", 200, OPEN, "abc", NULL, 0},
    {OK "Content-Length: 1000\r\n\r\nabc", 200, OPEN, "abc", NULL, 0},
    /* none: to the end */
    {OK "\r\nabc", 200, OPEN, "abc", NULL, 0},
    {"HTTP/1.0 200 OK\r\n\r\nabc", 200, OPEN, "abc", NULL, 0},
    {"HTTP/1.0 200 OK\r\n" LEN0 "\r\n", 200, CLOSE, "", NULL, 0},
    /* chunks */
    {CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, REUSE, "abcde", NULL, 0},
    {CHUNKED "03;x=y\r\nabc\r\n0;z=\"\r\\\"\r\n", 200, CLOSE, "abc", NULL, 0},
    {CHUNKED "3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n", 200, REUSE, "abc", NULL, 0},
    {CHUNKED "3\nabc\n0\n\n", 200, REUSE, "abc", NULL, 0},
    {CHUNKED "A\r\n0123456789\r\n0\r\n\r\nx", 200, REUSE, "0123456789", NULL, 1},
    {CHUNKED "3\r\nabcd\r\n0\r\n\r\n", 200, CLOSE, "abc", NULL, 5},
    {CHUNKED "\r\n", 200, CLOSE, "", NULL, 0},
    {CHUNKED "zz\r\n", 200, CLOSE, "", NULL, 0},
    {CHUNKED "-3\r\nabc", 200, CLOSE, "", NULL, 3},
    {CHUNKED "0\r\n", 200, OPEN, "", NULL, 0},
    {OK "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 200, REUSE, "", NULL, 0},
    {OK "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 200, OPEN, "0\r\n\r\n", NULL, 0},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 200, OPEN, "0\r\n\r\n", NULL, 0},
    {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0", 200, OPEN, "0", NULL,
	0},
    {OK "Transfer-Encoding: chunked\r\n" LEN0 "\r\nabc", 200, CLOSE, "", NULL, 3},
    {"HTTP/1.1 404 No\r\n" LEN0 "Transfer-Encoding: gzip\r\n\r\n", 404, CLOSE, "", NULL, 0},
    /* no body by its status */
    {"HTTP/1.1 204 No\r\n\r\n", 204, REUSE, "", NULL, 0},
    {"HTTP/1.1 304 Not\r\n\r\nx", 304, REUSE, "", NULL, 1},
    {"HTTP/1.1 204 No\r\n" LEN0 "\r\n", 204, REUSE, "", NULL, 0},
    {"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc", 204, CLOSE, "", NULL, 3},
    {"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", 304, CLOSE, "", NULL, 0},
    {"HTTP/1.1 101 Switch\r\n\r\n", 101, CLOSE, "", NULL, 0},
    /* interim heads: passed over, with all they say */
    {"HTTP/1.1 100 Continue\r\n\r\n" OK LEN0 "\r\n", 200, REUSE, "", NULL, 0},
    {"HTTP/1.1 103 E\r\nContent-Length: 7\r\nConnection: close\r\n\r\n" OK LEN0 "\r\n", 200, REUSE,
	"", NULL, 0},
    {"HTTP/1.1 103 E\r\nno colon\r\nContent-Length: x\r\n\r\n" OK LEN0 "\r\n", 200, REUSE, "", NULL,
	0},
    {"HTTP/1.1 102 P\r\n\r\n", 0, OPEN, "", NULL, 0},
    {"HTTP/1.1 103 E\r\n\r\nnonsense\r\n", 0, CLOSE, "", BAD, 0},
    /* the connection's future */
    {OK LEN0 "Connection: close\r\n\r\n", 200, CLOSE, "", NULL, 0},
    {OK LEN0 "Connection: x ,\tClOsE\r\n\r\n", 200, CLOSE, "", NULL, 0},
    {OK LEN0 "Connection: closed, x-close\r\n\r\n", 200, REUSE, "", NULL, 0},
    {OK LEN0 "Connection: keep-alive\r\n\r\n", 200, REUSE, "", NULL, 0},
    /* lines that could be read in two ways */
    {OK "X : y\r\n" LEN0 "\r\n", 200, CLOSE, "", NULL, 0},
    {OK "X: y\r\n z: w\r\n" LEN0 "\r\n", 200, CLOSE, "", NULL, 0},
    {OK "X: y\r\n\tz\r\n" LEN0 "\r\n", 200, CLOSE, "", NULL, 0},
    {OK "X: \001\r\n" LEN0 "\r\n", 200, CLOSE, "", NULL, 0},
    {OK "X: y\rZ: w\r\n" LEN0 "\r\n", 200, CLOSE, "", NULL, 0},
    {OK "Content-Length : 3\r\n" LEN0 "\r\n", 200, CLOSE, "", NULL, 0},
    {OK ": y\r\n" LEN0 "\r\n", 200, CLOSE, "", NULL, 0},
    {OK "X: caf\351\r\n" LEN0 "\r\n", 200, REUSE, "", NULL, 0},
    {OK "no colon\r\n" LEN0 "\r\n", 200, CLOSE, "", NULL, 21},
    /* bare line feeds */
    {"HTTP/1.1 200 OK\nContent-Length: 1\n\na", 200, REUSE, "a", NULL, 0},
    /* status lines */
    {"HTTP/1.1 200\r\n" LEN0 "\r\n", 200, REUSE, "", NULL, 0},
    {"HTTP/1.1 200 \r\n" LEN0 "\r\n", 200, REUSE, "", NULL, 0},
    {"HTTP/1.1 599 a b\r\n" LEN0 "\r\n", 599, REUSE, "", NULL, 0},
    {"HTTP/1.9 200 OK\r\n" LEN0 "\r\n", 200, REUSE, "", NULL, 0},
    {"HTTP/1.1 2", 0, OPEN, "", NULL, 0},
    {"HTTP/1.1 99 X\r\n", 0, CLOSE, "", ODD, 0},
    {"HTTP/1.1 099 X\r\n", 0, CLOSE, "", ODD, 0},
    {"HTTP/1.1 600 X\r\n", 0, CLOSE, "", ODD, 0},
    {"HTTP/1.1 0200 X\r\n", 0, CLOSE, "", ODD, 0},
    {"HTTP/1.1 99999 X\r\n", 0, CLOSE, "", ODD, 0},
    {"HTTP/1.1 -20 X\r\n", 0, CLOSE, "", BAD, 0},
    {"HTTP/1.1  200 X\r\n", 0, CLOSE, "", BAD, 0},
    {"HTTP/1.1\t200 X\r\n", 0, CLOSE, "", BAD, 0},
    {"HTTP/2.0 200 X\r\n", 0, CLOSE, "", BAD, 0},
    {"http/1.1 200 X\r\n", 0, CLOSE, "", BAD, 0},
    {"ICY 200 OK\r\n", 0, CLOSE, "", BAD, 0},
    {"\r\n" OK LEN0 "\r\n", 200, REUSE, "", NULL, 0},
    {"\n\r\n" OK LEN0 "\r\n", 200, REUSE, "", NULL, 0},
    {"\r\n x\r\n", 0, CLOSE, "", BAD, 0},
    {"\n", 0, OPEN, "", NULL, 0},
};

/* In pieces of that many bytes; returns how many were taken. */
static size_t
feed(struct answer *answer, const char *p, size_t n, size_t piece)
{
	size_t at = 0, some;

	answer_reset(answer, 100, 10);
	while (at < n && !answer_is_over(answer)) {
		some = n - at < piece ? n - at : piece;
		at += answer_feed(answer, p + at, some);
	}
	return at;
}

static void
check(const struct answer *answer, size_t i, size_t used)
{
	size_t n = strlen(cases[i].bytes);
	int end = !answer_is_over(answer) ? OPEN : answer->closes ? CLOSE : REUSE;

	if (end != cases[i].end || used != n - cases[i].rest)
		print_error("case %zu: %d after %zu bytes:\n%s\n", i, end, used, cases[i].bytes);
	assert_int_equal(end, cases[i].end);
	assert_int_equal(used, n - cases[i].rest);
	assert_int_equal(answer_has_head(answer), cases[i].status != 0);
	if (cases[i].status != 0)
		assert_int_equal(answer->status, cases[i].status);
	else if (cases[i].why != NULL)
		assert_string_equal(answer->why, cases[i].why);
	assert_int_equal(answer->body.len, strlen(cases[i].body));
	if (answer->body.len > 0)
		assert_memory_equal(answer->body.data, cases[i].body, answer->body.len);
}

static void
test_cases(void **state)
{
	struct answer answer = {0};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t n = strlen(cases[i].bytes);

		for (size_t piece = 1; piece <= n; piece++)
			check(&answer, i, feed(&answer, cases[i].bytes, n, piece));
	}
	answer_clear(&answer);
}

static void
test_retry_after(void **state)
{
	static const char *const heads[][2] = {
	    {"HTTP/1.1 503 X\r\nRetry-After:  120 \r\n\r\n", "120"},
	    {"HTTP/1.1 100 X\r\nRetry-After: 9\r\n\r\nHTTP/1.1 503 X\r\n\r\n", ""},
	    {"HTTP/1.1 503 X\r\nretry-after: 1234567890123456789012345678901234567890"
	     "12345678901234567890123\r\n\r\n",
		"123456789012345678901234567890123456789012345678901234567890123"},
	    {"HTTP/1.1 503 X\r\nretry-after: 1234567890123456789012345678901234567890"
	     "123456789012345678901234\r\n\r\n",
		""},
	};
	struct answer answer = {0};

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		feed(&answer, heads[i][0], strlen(heads[i][0]), 7);
		assert_int_equal(answer.status, 503);
		assert_string_equal(answer.retry_after, heads[i][1]);
	}
	answer_clear(&answer);
}

static void
test_end(void **state)
{
	struct answer answer = {0};

	(void)state;
	feed(&answer, OK "\r\nabc", 22, 22);
	answer_end(&answer);
	assert_int_equal(answer.state, ANSWER_DONE);
	assert_true(answer.closes);
	feed(&answer, OK "Content-Length: 9\r\n\r\nabc", 41, 41);
	answer_end(&answer);
	assert_true(answer.state == ANSWER_BODY && answer.closes);
	answer_clear(&answer);
}

/* More of the same than any limit allows, in pieces of that many bytes. */
static size_t
endless(struct answer *answer, const char *begin, const char *more, size_t piece)
{
	char block[8192];
	size_t len = strlen(more), taken = 0;

	for (size_t at = 0; at < sizeof block; at++)
		block[at] = more[at % len];
	feed(answer, begin, strlen(begin), 1000);
	while (!answer_is_over(answer)) {
		answer_feed(answer, block, piece / len * len);
		taken += piece / len * len;
		assert_true(taken < 1000000);
	}
	assert_true(answer->line.cap <= 2 * ANSWER_LINE_MAX);
	return taken;
}

static void
test_limits(void **state)
{
	static const char *const heads[] = {
	    "", OK, OK "X: ", OK, "HTTP/1.1 100 C\r\n\r\n", "", "HTTP/1.1 100 C\r\n"};
	static const char *const more[] = {
	    "x", "X: y\r\n", "x", "X:\r\n", "HTTP/1.1 100 C\r\n\r\n", "\r\n", "no colon\r\n"};
	struct answer answer = {0};

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		for (size_t piece = 64; piece <= 8192; piece *= 2) {
			size_t taken = endless(&answer, heads[i], more[i], piece);

			size_t most =
			    strchr(more[i], '\n') != NULL ? ANSWER_HEAD_MAX : ANSWER_LINE_MAX;

			assert_in_range(taken, most - 100, most + piece);
			/* After a final status line that stands. */
			assert_int_equal(
			    answer_has_head(&answer), strncmp(heads[i], OK, strlen(OK)) == 0);
			assert_true(answer.closes);
			assert_string_equal(answer.why, "answer head over the limit");
		}
	}
	/* After the head the status stands. */
	endless(&answer, CHUNKED, "1;", 1000);
	assert_true(answer_has_head(&answer) && answer.closes);
	endless(&answer, CHUNKED "0\r\n", "X: y\r\n", 1000);
	assert_true(answer_has_head(&answer) && answer.closes);
	endless(&answer, OK "\r\n", "x", 1000);
	assert_true(answer_has_head(&answer) && answer.closes);
	assert_int_equal(answer.body.len, 10);
	/* Many small chunks are none. */
	answer_reset(&answer, 1 << 20, 10);
	answer_feed(&answer, CHUNKED, strlen(CHUNKED));
	for (int i = 0; i < 1 << 20; i++)
		answer_feed(&answer, "1\r\nx\r\n", 6);
	assert_false(answer_is_over(&answer));
	answer_clear(&answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_retry_after),
	    cmocka_unit_test(test_end),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
