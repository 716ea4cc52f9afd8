/* POSTs over plain connections: every way they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* An endpoint's own User-Agent, however it is spelled and however many, stands for ours. */
static void
test_own_user_agent(void **state)
{
	static const struct post_header own[] = {
	    {"Content-Type", "application/json"}, {"uSER-agent", "mine"}, {"uSER-agent", "too"}};
	const struct peer_act act = {.send = OK};
	char expected[512];

	(void)state;
	t.headers = own;
	t.nheaders = 3;
	go(&act, 1, 5000);
	snprintf(expected, sizeof expected,
	    "POST /p?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 2\r\n"
	    "Content-Type: application/json\r\nuSER-agent: mine\r\nuSER-agent: too\r\n\r\n{}",
	    peer_port(peer));
	assert_string_equal(peer_last(peer), expected);
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
	expect_status("HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n" OK, PEER_KEEP, 200);
	expect_status("HTTP/1.1 101 Switching Protocols\r\n\r\n", PEER_KEEP, 101);
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
	t.opts.body_ms = 300;
	poster_free(t.poster);
	try_start(&t);
	go(&hang, 1, 5000);
	assert_int_equal(a.result.status, 200);
	assert_false(a.result.timed_out);
	assert_string_equal(a.body, "ab");
	tried_wait_for(&t, peer_closed, peer, 1);
	peer_free(peer);
}

/* So does the status line, whatever is wrong with the rest of the head. */
static void
test_broken_heads(void **state)
{
	(void)state;
	expect_status(
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi",
	    PEER_KEEP, 200);
	assert_string_equal(a.body, "");
	expect_status("HTTP/1.1 204 No\r\nno colon\r\n\r\n", PEER_KEEP, 204);
	expect_status("HTTP/1.1 500 No\r\nContent-Length: 2, 2\r\n\r\nhi", PEER_KEEP, 500);
	expect_status("\r\n" OK, PEER_KEEP, 200);
	assert_string_equal(a.body, "hi");
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

/* A port of the loopback on which nobody listens. */
static unsigned
free_port(void)
{
	const struct peer_act act = {0};
	struct peer *gone = peer_new(t.base, &act, 1);
	unsigned port = peer_port(gone);

	peer_free(gone);
	return port;
}

static void
test_refused(void **state)
{
	struct poster_stats stats;

	(void)state;
	try_start(&t);
	tried_start(&a, &t, true, "{}", 2, 5000, "http://127.0.0.1:%u/", free_port());
	tried_wait(&a);
	assert_int_equal(a.result.status, 0);
	assert_string_equal(a.message, "connection refused");
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.connects, 1);
	assert_int_equal(stats.open, 0);
}

static void
test_no_descriptors(void **state)
{
	struct rlimit limit, low;
	int next;

	(void)state;
	try_start(&t);
	getrlimit(RLIMIT_NOFILE, &limit);
	next = dup(0);
	close(next);
	low = limit;
	low.rlim_cur = (rlim_t)next;
	setrlimit(RLIMIT_NOFILE, &low);
	tried_start(&a, &t, true, "{}", 2, 5000, "http://127.0.0.1:9/");
	tried_wait(&a);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_string_equal(a.message, "no file descriptor left for a connection");
}

static void
test_forbidden(void **state)
{
	static const char *const urls[] = {"http://10.0.0.1:22/", "http://10.0.0.1/"};
	struct poster_stats stats;

	(void)state;
	try_start(&t);
	for (size_t i = 0; i < 2; i++) {
		tried_start(&a, &t, true, "{}", 2, 5000, "%s", urls[i]);
		tried_wait(&a);
		assert_int_equal(a.result.status, 0);
		assert_string_equal(a.message, "address 10.0.0.1 is not allowed");
	}
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.connects, 0);
}

/* Heads, chunk-size lines and bodies without end. */
static void
test_limits(void **state)
{
	struct peer_act act = {.send = "HTTP/1.1 200 OK\r\nX: ", .pad = 1 << 20};

	(void)state;
	go(&act, 1, 5000);
	assert_int_equal(a.result.status, 200);
	tried_wait_for(&t, peer_closed, peer, 1);
	peer_free(peer);
	act.send = "";
	go(&act, 1, 5000);
	assert_string_equal(a.message, "answer head over the limit");
	peer_free(peer);

	act.send = "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n";
	go(&act, 1, 5000);
	assert_int_equal(a.result.status, 200);
	assert_int_equal(a.result.body_len, 1024);
	tried_wait_for(&t, peer_closed, peer, 1);
	peer_free(peer);

	act.send = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n100000\r\n";
	go(&act, 1, 5000);
	assert_int_equal(a.result.status, 200);
	assert_int_equal(a.result.body_len, 1024);
	assert_memory_equal(a.body, "abxx", 4);
	tried_wait_for(&t, peer_closed, peer, 1);
	peer_free(peer);

	act.send = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;";
	act.pad = 64 << 20; /* far more than what sockets hold; we stop reading */
	go(&act, 1, 5000);
	assert_int_equal(a.result.status, 200);
	assert_true(peer_sent(peer) < 32 << 20);
	tried_wait_for(&t, peer_closed, peer, 1);
	peer_free(peer);
}

/* A hundred interim heads are skipped; so many that they pass the head's limit are not. */
static void
test_interim(void **state)
{
	struct buf flood = {0};
	struct peer_act act = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_adds(&flood, "HTTP/1.1 100 Continue\r\n\r\n");
	buf_adds(&flood, OK);
	act.send = buf_str(&flood);
	go(&act, 1, 5000);
	assert_int_equal(a.result.status, 200);
	peer_free(peer);
	buf_reset(&flood);
	for (int i = 0; i < 10000; i++)
		buf_adds(&flood, "HTTP/1.1 100 Continue\r\n\r\n");
	buf_adds(&flood, OK);
	act.send = buf_str(&flood);
	go(&act, 1, 5000);
	assert_string_equal(a.message, "answer head over the limit");
	peer_free(peer);
	buf_clear(&flood);
}

static void
test_timeouts(void **state)
{
	const struct peer_act silent = {0};
	const struct peer_act slow = {.send = "HTTP/1.1 200 OK\r\n"};

	(void)state;
	go(&silent, 1, 100);
	assert_int_equal(a.result.status, 0);
	assert_true(a.result.timed_out);
	assert_string_equal(a.message, "timed out while waiting for the answer");
	assert_in_range(a.result.total_us, 100000, 5000000);
	tried_wait_for(&t, peer_closed, peer, 1);
	peer_free(peer);
	go(&slow, 1, 100);
	assert_true(a.result.timed_out);
	assert_string_equal(a.message, "timed out while waiting for the answer");
	peer_free(peer);
	/* A later POST with a shorter timeout ends first. */
	peer = peer_new(t.base, &silent, 1);
	tried_start(&a, &t, true, "", 0, 10000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_start(&b, &t, true, "", 0, 50, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&b);
	assert_int_equal(a.calls, 0);
	post_cancel(a.post);
	peer_free(peer);
}

/* Nothing accepts, and the queue of the listener is full: SYNs are dropped. */
static void
test_connect_timeout(void **state)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof sin;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fill[8];

	(void)state;
	try_start(&t);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(listen(listener, 0), 0);
	getsockname(listener, (struct sockaddr *)&sin, &len);
	for (size_t i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&sin, sizeof sin);
	}
	tried_start(&a, &t, true, "", 0, 200, "http://127.0.0.1:%u/", ntohs(sin.sin_port));
	tried_wait(&a);
	assert_true(a.result.timed_out);
	assert_string_equal(a.message, "timed out while connecting");
	for (size_t i = 0; i < 8; i++)
		close(fill[i]);
	close(listener);
}

/* The peer answers before it has read a large request, and closes. */
static void
test_early_answer(void **state)
{
	const struct peer_act acts[] = {
	    {.send = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n",
		.end = PEER_CLOSE,
		.at_head = true},
	    {.send = "HTTP/1.1 4", .end = PEER_CLOSE, .at_head = true}};
	size_t len = 32 << 20;
	char *body = xcalloc(1, len);

	(void)state;
	try_start(&t);
	peer = peer_new(t.base, acts, 2);
	tried_start(&a, &t, true, body, len, 10000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 413);
	tried_start(&a, &t, true, body, len, 10000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 0);
	assert_false(a.result.timed_out);
	peer_free(peer);
	free(body);
}

static void
test_large_body(void **state)
{
	const struct peer_act act = {.send = OK};
	size_t len = 3 << 20;
	char *body = xmalloc(len);

	(void)state;
	try_start(&t);
	memset(body, 'y', len);
	peer = peer_new(t.base, &act, 1);
	tried_start(&a, &t, true, body, len, 10000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_memory_equal(strstr(peer_last(peer), "\r\n\r\n") + 4, body, len);
	peer_free(peer);
	free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_request, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_own_user_agent, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_statuses, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_broken_bodies, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_broken_heads, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_forbidden, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_interim, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_timeouts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_connect_timeout, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_early_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_large_body, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
