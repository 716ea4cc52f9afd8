/* POSTs over plain connections: every way they end, the pool, cancelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "test/unit/peer.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static struct try t;
static struct peer *peer;
static struct tried a, b;

static int
setup(void **state)
{
	(void)state;
	try_init(&t);
	peer = NULL;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	try_clear(&t);
	return 0;
}

/* One server, one POST to it. */
static void
go(const struct peer_act *acts, size_t n, int64_t timeout_ms)
{
	if (t.poster == NULL)
		try_start(&t);
	peer = peer_new(t.base, acts, n);
	tried_start(
	    &a, &t, true, "{}", 2, timeout_ms, "http://127.0.0.1:%u/p?q=1", peer_port(peer));
	tried_wait(&a);
}

static void
expect_failure(const char *send, enum peer_end end, const char *message)
{
	const struct peer_act act = {.send = send, .end = end};

	go(&act, 1, 5000);
	peer_free(peer);
	assert_int_equal(a.result.status, 0);
	assert_string_equal(a.message, message);
	assert_false(a.result.timed_out);
}

static void
expect_status(const char *send, enum peer_end end, int status)
{
	const struct peer_act act = {.send = send, .end = end};

	go(&act, 1, 5000);
	peer_free(peer);
	assert_int_equal(a.result.status, status);
	assert_string_equal(a.message, "");
}

static void
test_request(void **state)
{
	const struct peer_act act = {.send = OK};
	char expected[512];

	(void)state;
	go(&act, 1, 5000);
	snprintf(expected, sizeof expected,
	    "POST /p?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 2\r\n"
	    "User-Agent: evhookd-test\r\nContent-Type: application/json\r\nX-Test: a b\r\n\r\n{}",
	    peer_port(peer));
	assert_string_equal(peer_last(peer), expected);
	assert_int_equal(a.result.status, 200);
	assert_string_equal(a.message, "");
	assert_string_equal(a.body, "hi");
	assert_null(a.result.retry_after);
	assert_false(a.result.reused);
	assert_true(a.result.dns_us < 0 && a.result.tls_us < 0);
	assert_true(a.result.connect_us >= 0 && a.result.first_byte_us >= 0);
	assert_true(a.result.total_us >= a.result.connect_us + a.result.first_byte_us);
	peer_free(peer);
}

static void
test_statuses(void **state)
{
	(void)state;
	expect_status("HTTP/1.1 204 No Content\r\n\r\n", PEER_KEEP, 204);
	expect_status("HTTP/1.1 304 Not Modified\r\n\r\n", PEER_KEEP, 304);
	expect_status(
	    "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", PEER_KEEP, 302);
	expect_status("HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n", PEER_KEEP, 599);
	expect_status("HTTP/1.1 103 Early Hints\r\n\r\n", PEER_KEEP, 103);
	expect_status("HTTP/1.1 100 Continue\r\nRetry-After: 9\r\n\r\n" OK, PEER_KEEP, 200);
	assert_null(a.result.retry_after);
	expect_status("HTTP/1.0 200 OK\r\n\r\nto the end", PEER_CLOSE, 200);
	assert_string_equal(a.body, "to the end");
	expect_status(
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
	    PEER_KEEP, 200);
	assert_string_equal(a.body, "abcde");
	expect_status(
	    "HTTP/1.1 503 No\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", PEER_KEEP, 503);
	assert_string_equal(a.result.retry_after, "120");
}

/* The head settles the outcome, whatever the body does. */
static void
test_broken_bodies(void **state)
{
	const struct peer_act hang = {.send = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab"};

	(void)state;
	expect_status("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", PEER_CLOSE, 200);
	assert_string_equal(a.body, "ab");
	expect_status("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n",
	    PEER_KEEP, 500);
	assert_string_equal(a.body, "ab");
	go(&hang, 1, 200);
	assert_int_equal(a.result.status, 200);
	assert_false(a.result.timed_out);
	assert_string_equal(a.body, "ab");
	tried_wait_for(&t, peer_closed, peer, 1);
	peer_free(peer);
}

static void
test_failures(void **state)
{
	(void)state;
	expect_failure(NULL, PEER_CLOSE, "closed without an answer");
	expect_failure(NULL, PEER_RESET, "connection reset");
	expect_failure("HTTP/1.1 200 OK\r\nX", PEER_CLOSE, "closed in the middle of the answer");
	expect_failure("SSH-2.0-x\r\n", PEER_KEEP, "the answer is not valid HTTP");
	expect_failure("HTTP/1.1 99999 X\r\n\r\n", PEER_KEEP, "the answer's status is not valid");
	expect_failure("HTTP/1.1 99 X\r\n\r\n", PEER_KEEP, "the answer's status is not valid");
	expect_failure("HTTP/1.1 abc X\r\n\r\n", PEER_KEEP, "the answer is not valid HTTP");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_request, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_statuses, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_broken_bodies, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
