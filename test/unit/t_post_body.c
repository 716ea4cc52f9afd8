/* Answers whose body comes after the head, late, slowly or never: the head settles the outcome. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "test/unit/peer.h"

#define HEAD(status, length) "HTTP/1.1 " status " X\r\nContent-Length: " length "\r\n\r\n"
#define LONG INT64_C(3600000) /* ms: what waits for that waits for ever */

static struct try t;
static struct peer *peer;
static struct tried a, b, many[70];

static int
setup(void **state)
{
	(void)state;
	try_init(&t);
	t.opts.wait_ms = t.opts.body_ms = LONG;
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

static void
start(struct tried *tried)
{
	if (t.poster == NULL)
		try_start(&t);
	tried_start(tried, &t, true, "{}", 2, LONG, "http://127.0.0.1:%u/", peer_port(peer));
}

static struct poster_stats
stats(void)
{
	struct poster_stats now;

	poster_stats(t.poster, &now);
	return now;
}

/* The first bytes come later, and the result has them. */
static void
test_late(void **state)
{
	const struct peer_act act = {.send = HEAD("500", "5")};

	(void)state;
	peer = peer_new(t.base, &act, 1);
	start(&a);
	tried_wait_head(&a);
	assert_int_equal(a.result.status, 500);
	peer_push(peer, "ab");
	peer_push(peer, "cde");
	tried_wait(&a);
	assert_string_equal(a.body, "abcde");
	assert_int_equal(stats().idle, 1);
	start(&a);
	tried_wait_head(&a);
	peer_push(peer, "fghij");
	tried_wait(&a);
	assert_true(a.result.reused);
	assert_string_equal(a.body, "fghij");
	peer_free(peer);
}

/* A body that comes with its head is told of with it, once. */
static void
test_whole(void **state)
{
	const struct peer_act act = {.send = HEAD("200", "2") "hi"};

	(void)state;
	peer = peer_new(t.base, &act, 1);
	start(&a);
	tried_wait(&a);
	assert_int_equal(a.heads, 0);
	assert_string_equal(a.body, "hi");
	peer_free(peer);
}

/* One that never comes is waited for: a moment for a 2xx, longer for what went wrong. */
static void
test_never(void **state)
{
	const struct peer_act acts[] = {
	    {.send = HEAD("200", "5") "ab"}, {.send = HEAD("503", "5")}};

	(void)state;
	t.opts.wait_ms = 20;
	t.opts.body_ms = 100;
	peer = peer_new(t.base, acts, 2);
	start(&a);
	tried_wait(&a);
	assert_int_equal(a.heads, 1);
	assert_int_equal(a.result.status, 200);
	assert_false(a.result.timed_out);
	assert_string_equal(a.body, "ab");
	assert_int_equal(peer_closed(peer), 0); /* still read from */
	tried_wait_for(&t, peer_closed, peer, 1);
	start(&b);
	tried_wait(&b);
	assert_int_equal(b.result.status, 503);
	assert_string_equal(b.body, "");
	tried_wait_for(&t, peer_closed, peer, 2);
	assert_int_equal(stats().open, 0);
	peer_free(peer);
}

/* What is more than the first bytes is read when the result is told, and the connection used again;
 * what is more than that ends it. */
static void
test_rest(void **state)
{
	static const char rest[] = "0123456789";
	const struct peer_act acts[] = {{.send = HEAD("200", "1210"), .pad = 1200},
	    {.send = HEAD("200", "70000"), .pad = 1200}};

	(void)state;
	peer = peer_new(t.base, acts, 2);
	start(&a);
	tried_wait(&a);
	assert_int_equal(a.result.body_len, 1024);
	assert_int_equal(stats().idle, 0);
	peer_push(peer, rest);
	while (stats().idle == 0)
		event_base_loop(t.base, EVLOOP_ONCE);
	start(&a);
	tried_wait(&a);
	assert_true(a.result.reused);
	assert_int_equal(a.result.body_len, 1024);
	while (peer_closed(peer) == 0) {
		peer_push(peer, rest);
		event_base_loop(t.base, EVLOOP_NONBLOCK);
	}
	peer_free(peer);
}

/* Who waits for bodies has no place, so their number is bounded: beyond it nobody waits. */
static void
test_bound(void **state)
{
	const struct peer_act act = {.send = HEAD("404", "5") "ab"};
	size_t n = sizeof many / sizeof *many;
	unsigned told = 0, heads = 0;

	(void)state;
	peer = peer_new(t.base, &act, 1);
	for (size_t i = 0; i < n; i++)
		start(&many[i]);
	while (heads + told < n) {
		event_base_loop(t.base, EVLOOP_ONCE);
		heads = told = 0;
		for (size_t i = 0; i < n; i++) {
			heads += many[i].heads;
			told += many[i].calls;
		}
	}
	assert_int_equal(heads, 64);
	assert_int_equal(told, 6);
	tried_wait_for(&t, peer_closed, peer, 6);
	assert_int_equal(stats().open, 64);
	for (size_t i = 0; i < n; i++)
		if (many[i].post != NULL)
			post_cancel(many[i].post);
	assert_int_equal(stats().open, 0);
	start(&a); /* the bound is free again */
	tried_wait_head(&a);
	post_cancel(a.post);
	peer_free(peer);
}

/* Cancelled while it waits, from on_head, and everything ended while the rest is read. */
static void
test_ends(void **state)
{
	const struct peer_act acts[] = {{.send = HEAD("200", "5") "ab"}, {.send = HEAD("200", "5")},
	    {.send = HEAD("200", "5000"), .pad = 2000}};

	(void)state;
	peer = peer_new(t.base, acts, 3);
	start(&a);
	tried_wait_head(&a);
	post_cancel(a.post);
	start(&a);
	a.cancels = true;
	tried_wait_head(&a);
	tried_wait_for(&t, peer_closed, peer, 2);
	assert_int_equal(a.calls, 0);
	start(&a);
	tried_wait(&a);
	start(&b);
	tried_wait(&b);
	assert_int_equal(stats().open, 2);
	peer_close_idle(peer); /* the peer ends one and the other */
	while (stats().open > 0)
		event_base_loop(t.base, EVLOOP_ONCE);
	start(&a);
	tried_wait(&a);
	poster_free(t.poster);
	t.poster = NULL;
	peer_free(peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_late, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_never, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rest, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
