/* The life of connections and POSTs: the pool, cancelling, what callbacks may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
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
test_keep_alive(void **state)
{
	const struct peer_act act = {.send = OK};
	struct poster_stats stats;

	(void)state;
	go(&act, 1, 5000);
	for (int i = 0; i < 3; i++) {
		tried_start(&a, &t, true, "{}", 2, 5000, "http://127.0.0.1:%u/", peer_port(peer));
		tried_wait(&a);
		assert_int_equal(a.result.status, 200);
		assert_true(a.result.reused);
		assert_true(a.result.connect_us < 0 && a.result.first_byte_us >= 0);
	}
	assert_int_equal(peer_accepted(peer), 1);
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.connects, 1);
	assert_int_equal(stats.reuses, 3);
	assert_int_equal(stats.open, 1);
	assert_int_equal(stats.idle, 1);
	/* Closed by the peer while idle: gone from the pool. */
	peer_close_idle(peer);
	while (stats.open > 0) {
		event_base_loop(t.base, EVLOOP_ONCE);
		poster_stats(t.poster, &stats);
	}
	assert_int_equal(stats.idle, 0);
	/* Rules may change while a connection is idle. */
	tried_start(&a, &t, true, "{}", 2, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	t.egress.nallow = 0;
	tried_start(&a, &t, true, "{}", 2, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_string_equal(a.message, "address 127.0.0.1 is not allowed");
	peer_free(peer);
}

/* Answers after which the next could be mistaken, or the peer will close. */
static void
test_not_pooled(void **state)
{
	static const char *const answers[] = {
	    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 4\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 X\r\n\r\n",
	    "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n",
	    "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nConnection: x\r\nTransfer-Encoding: gzip\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n",
	};

	(void)state;
	t.opts.wait_ms = 10;
	t.opts.body_ms = 50;
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		const struct peer_act act = {.send = answers[i]};
		struct poster_stats stats;

		go(&act, 1, 5000);
		assert_int_equal(a.result.status, atoi(answers[i] + 9));
		for (poster_stats(t.poster, &stats); stats.open > 0;) {
			assert_int_equal(stats.idle, 0);
			event_base_loop(t.base, EVLOOP_ONCE);
			poster_stats(t.poster, &stats);
		}
		peer_free(peer);
	}
}

/* What comes behind an answer, even later, is not the next one. */
static void
test_surplus(void **state)
{
	const struct peer_act act = {.send = OK};

	(void)state;
	go(&act, 1, 5000);
	peer_push(peer, "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
	tried_start(&a, &t, true, "{}", 2, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_false(a.result.reused);
	assert_int_equal(peer_accepted(peer), 2);
	peer_free(peer);
}

/*
 * A 204 with a body: its bytes come when the connection is used again, and are no answer to that.
 * What is none on a fresh connection is told.
 */
static void
test_late_body(void **state)
{
	static const char *const bodies[] = {"not found\r\n", "0\r\n\r\n", "late", "HTTP"};
	static const enum peer_end ends[] = {PEER_KEEP, PEER_KEEP, PEER_CLOSE, PEER_CLOSE};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const struct peer_act acts[] = {{.send = "HTTP/1.1 204 No\r\n\r\n"},
		    {.send = bodies[i], .end = ends[i]},
		    {.send = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"},
		    {.send = "late\r\n"}};

		go(acts, 4, 5000);
		assert_int_equal(a.result.status, 204);
		tried_start(&a, &t, true, "{}", 2, 5000, "http://127.0.0.1:%u/", peer_port(peer));
		tried_wait(&a);
		if (i == 3) { /* an answer's beginning: that is told */
			assert_string_equal(a.message, "closed in the middle of the answer");
			peer_free(peer);
			continue;
		}
		assert_int_equal(a.result.status, 200);
		assert_string_equal(a.body, "hi");
		assert_false(a.result.reused);
		assert_int_equal(peer_accepted(peer), 2);
		tried_start(&a, &t, true, "{}", 2, 5000, "http://127.0.0.1:%u/", peer_port(peer));
		tried_wait(&a);
		assert_string_equal(a.message, "the answer is not valid HTTP");
		peer_free(peer);
	}
}

/* An idle connection that the peer closes as we use it: sent once more on a fresh one. */
static void
test_stale(void **state)
{
	const struct peer_act acts[] = {{.send = OK}, {.end = PEER_CLOSE}, {.send = OK},
	    {.end = PEER_RESET}, {.end = PEER_RESET}, {.send = OK},
	    {.send = "HTTP/1.1 2", .end = PEER_CLOSE}};

	(void)state;
	go(acts, 7, 5000); /* 1 */
	tried_start(&a, &t, true, "[1]", 3, 5000, "http://127.0.0.1:%u/again", peer_port(peer));
	tried_wait(&a); /* 2 fails, 3 */
	assert_int_equal(a.result.status, 200);
	assert_false(a.result.reused);
	assert_int_equal(peer_accepted(peer), 2);
	assert_non_null(strstr(peer_last(peer), "POST /again HTTP/1.1\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(peer_last(peer), "\r\nContent-Length: 3\r\n"));
	assert_non_null(strstr(peer_last(peer), "\r\nX-Test: a b\r\n\r\n[1]"));
	tried_start(&a, &t, true, "[1]", 3, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a); /* 4 and 5 fail: a fresh connection's failure is told */
	assert_string_equal(a.message, "connection reset");
	assert_int_equal(peer_requests(peer), 5);
	tried_start(&a, &t, true, "[1]", 3, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a); /* 6 */
	tried_start(&a, &t, true, "[1]", 3, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a); /* 7: part of an answer, so it is not sent again */
	assert_string_equal(a.message, "closed in the middle of the answer");
	assert_int_equal(peer_requests(peer), 7);
	peer_free(peer);
}

static void
test_idle_limits(void **state)
{
	const struct peer_act act = {.send = OK};
	struct poster_stats stats;

	(void)state;
	t.opts.max_idle = 1;
	t.opts.idle_ms = 50;
	try_start(&t);
	peer = peer_new(t.base, &act, 1);
	tried_start(&a, &t, true, "", 0, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_start(&b, &t, true, "", 0, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	tried_wait(&b);
	assert_int_equal(peer_accepted(peer), 2);
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.idle, 1);
	tried_wait_for(&t, peer_closed, peer, 2); /* one too many, one too old */
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.open, 0);
	peer_free(peer);
}

/* A connection is closed when it is old, however busy it is: its name may lead elsewhere by now. */
static void
test_age(void **state)
{
	const struct peer_act acts[] = {{.send = OK}, {.send = OK}, {0}};
	int64_t now = clock_mono_ms();

	(void)state;
	t.opts.idle_ms = 1000000;
	t.opts.max_age_ms = 1000;
	clock_override(now, -1);
	go(acts, 3, 1000000);
	clock_override(now + 740, -1);
	tried_start(&a, &t, true, "", 0, 1000000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_true(a.result.reused);
	clock_override(now + 1001, -1);
	tried_start(&a, &t, true, "", 0, 1000000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait_for(&t, peer_requests, peer, 3);
	assert_int_equal(peer_accepted(peer), 2);
	tried_wait_for(&t, peer_closed, peer, 1);
	clock_override(now + 3000, -1); /* old before it is answered: not used again */
	peer_push(peer, OK);
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	tried_wait_for(&t, peer_closed, peer, 2);
	clock_override(-1, -1);
	peer_free(peer);
}

static void
test_open_limit(void **state)
{
	const struct peer_act act = {.send = OK};
	struct poster_stats stats;
	struct peer *other;

	(void)state;
	t.opts.max_open = 1;
	try_start(&t);
	peer = peer_new(t.base, &act, 1);
	other = peer_new(t.base, &act, 1);
	tried_start(&a, &t, true, "", 0, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	tried_start(&b, &t, true, "", 0, 5000, "http://127.0.0.1:%u/", peer_port(other));
	tried_wait(&b);
	tried_wait_for(&t, peer_closed, peer, 1);
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.open, 1);
	peer_free(other);
	peer_free(peer);
}

static void
test_cancel(void **state)
{
	const struct peer_act acts[] = {{.send = OK}, {0}};

	(void)state;
	go(acts, 2, 5000);
	/* At once; while the request is written; while it waits; over a used connection. */
	for (int i = 0; i < 3; i++) {
		unsigned requests = peer_requests(peer);

		tried_start(&a, &t, true, "{}", 2, 5000, "http://127.0.0.1:%u/", peer_port(peer));
		if (i == 1)
			event_base_loop(t.base, EVLOOP_NONBLOCK);
		if (i == 2)
			tried_wait_for(&t, peer_requests, peer, requests + 1);
		post_cancel(a.post);
		for (int turn = 0; turn < 3; turn++)
			event_base_loop(t.base, EVLOOP_NONBLOCK);
		assert_int_equal(a.calls, 0);
	}
	/* When the result stands but was not told yet. */
	tried_start(&a, &t, true, "", 0, 5000, "http://10.0.0.1/");
	post_cancel(a.post);
	event_base_loop(t.base, EVLOOP_NONBLOCK);
	assert_int_equal(a.calls, 0);
	peer_free(peer);
}

enum { CHAIN_CANCEL, CHAIN_START, CHAIN_FREE };

struct chain {
	struct url url;
	struct post *victim;
	struct post_request request;
	unsigned calls;
	int what;
};

static void
chain_on_done(void *arg, const struct post_result *result)
{
	struct chain *chain = arg;

	if (++chain->calls > 1)
		return;
	if (chain->what == CHAIN_CANCEL) {
		post_cancel(chain->victim);
	} else if (chain->what == CHAIN_START) {
		post_start(t.poster, &chain->request, chain_on_done, chain);
		assert_int_equal(chain->calls, 1);
	} else {
		poster_free(t.poster);
		t.poster = NULL;
	}
	/* Still ours until we return. */
	assert_string_equal(result->message, "");
	assert_int_equal(result->status, 200);
	assert_memory_equal(result->body, "hi", 2);
}

/* What a callback may do: cancel another, start another, end everything. */
static void
test_from_within(void **state)
{
	const struct peer_act act = {.send = OK};
	struct poster_stats stats;
	const char *why;
	char text[64];

	(void)state;
	try_start(&t);
	peer = peer_new(t.base, &act, 1);
	for (int what = CHAIN_CANCEL; what <= CHAIN_FREE; what++) {
		struct chain chain = {.what = what};

		snprintf(text, sizeof text, "http://127.0.0.1:%u/", peer_port(peer));
		assert_int_equal(url_parse(&chain.url, text, strlen(text), &why), 0);
		chain.request = (struct post_request){.url = &chain.url, .timeout_ms = 5000};
		post_start(t.poster, &chain.request, chain_on_done, &chain);
		tried_start(&b, &t, true, "", 0, 5000, "http://127.0.0.1:%u/", peer_port(peer));
		chain.victim = b.post;
		while (chain.calls < (what == CHAIN_START ? 2 : 1))
			event_base_loop(t.base, EVLOOP_ONCE);
		if (what == CHAIN_START)
			tried_wait(&b);
		else
			for (int turn = 0; turn < 3; turn++)
				event_base_loop(t.base, EVLOOP_NONBLOCK);
		assert_int_equal(b.calls, what == CHAIN_START ? 1 : 0);
		if (t.poster != NULL) {
			poster_stats(t.poster, &stats);
			assert_int_equal(stats.open, stats.idle);
		}
	}
	peer_free(peer);
}

/* A name server that takes questions and gives no answer. */
static int
silent_dns(char text[32])
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof sin;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	snprintf(text, 32, "127.0.0.1:%u", ntohs(sin.sin_port));
	return fd;
}

static void
expect_nothing_of_others(const char *url, int64_t timeout_ms)
{
	const struct peer_act act = {.send = "HTTP/1.1 503 No\r\nRetry-After: 77\r\n"
					     "Content-Length: 6\r\n\r\nsecret"};

	go(&act, 1, 5000);
	assert_string_equal(a.body, "secret");
	peer_free(peer);
	tried_start(&a, &t, true, "{}", 2, timeout_ms, "%s", url);
	tried_wait(&a);
	assert_int_equal(a.result.status, 0);
	assert_string_not_equal(a.message, "");
	assert_int_equal(a.result.body_len, 0);
	assert_string_equal(a.body, "");
	assert_null(a.result.retry_after);
}

/* A POST that ends before it sends anything has nothing of the one before, which was somebody
 * else's. */
static void
test_as_new(void **state)
{
	char dns[32];
	const char *const list[] = {dns};
	int fd = silent_dns(dns);

	(void)state;
	t.opts.dns = list;
	t.opts.ndns = 1;
	expect_nothing_of_others("http://10.0.0.1/", 5000);    /* refused */
	expect_nothing_of_others("http://name.test/", 100);    /* the deadline while resolving */
	expect_nothing_of_others("http://127.0.0.1:1/", 5000); /* nobody listens */
	t.egress.nallow = 1;
	expect_nothing_of_others("http://[::1]:1/", 5000);
	close(fd);
}

static void
test_free_under_way(void **state)
{
	const struct peer_act act = {0};

	(void)state;
	try_start(&t);
	peer = peer_new(t.base, &act, 1);
	tried_start(&a, &t, true, "", 0, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	tried_wait_for(&t, peer_requests, peer, 1);
	tried_start(&b, &t, true, "", 0, 5000, "http://127.0.0.1:%u/", peer_port(peer));
	poster_free(t.poster);
	t.poster = NULL;
	tried_wait_for(&t, peer_closed, peer, 1);
	assert_int_equal(a.calls + b.calls, 0);
	peer_free(peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_keep_alive, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_not_pooled, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_surplus, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_late_body, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_idle_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_age, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_open_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_from_within, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_as_new, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_free_under_way, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
