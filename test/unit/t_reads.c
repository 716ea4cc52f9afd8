/* Reading by turns: how many requests of a tenant go at a time, and whose are next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "server/reads.h"

#define REQUESTS 20

/* Of tenants that are called a, b, ... */
struct request {
	struct reads_part part;
	char who;
	bool at_once; /* is answered as soon as it goes */
};

static struct event_base *base;
static struct reads *reads;
static struct request requests[REQUESTS];
static size_t nrequests;
static struct buf went; /* who, in order */

static void
on_go(void *arg)
{
	struct request *request = arg;

	buf_addc(&went, request->who);
	if (request->at_once)
		reads_leave(&request->part);
}

static struct request *
enter(char who, bool at_once)
{
	struct request *request = &requests[nrequests++];
	struct uuid tenant = {"0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a00"};

	assert_true(nrequests <= REQUESTS);
	tenant.s[UUID_LEN - 1] = who;
	*request = (struct request){.who = who, .at_once = at_once};
	reads_enter(reads, &request->part, &tenant, on_go, request);
	return request;
}

/* Who went since the last look. */
static void
expect(const char *who)
{
	assert_string_equal(buf_str(&went), who);
	buf_reset(&went);
}

static void
turn(const char *who)
{
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	expect(who);
}

static int
setup(void **state)
{
	(void)state;
	base = event_base_new();
	reads = reads_new(base);
	nrequests = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	reads_free(reads);
	event_base_free(base);
	buf_clear(&went);
	return 0;
}

static void
leave_all(void)
{
	for (size_t i = 0; i < nrequests; i++)
		reads_leave(&requests[i].part);
}

static void
test_as_many_as_may(void **state)
{
	(void)state;
	for (size_t i = 0; i < READS_MAX + 2; i++)
		enter('a', false);
	expect("aaaa");
	turn("");
	reads_leave(&requests[1].part);
	reads_leave(&requests[1].part); /* which is out */
	expect("");                     /* not before it returns */
	turn("a");
	turn("");
	reads_leave(&requests[0].part);
	turn("a");
	leave_all();
	enter('a', false);
	expect("a");
	leave_all();
}

static void
test_others_go_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < READS_MAX + 2; i++)
		enter('a', false);
	expect("aaaa");
	enter('b', false);
	expect("b");
	reads_end(reads);
	expect("aa");
	leave_all();
}

static void
test_one_of_each_after_the_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < READS_MAX + 3; i++)
		enter('a', false);
	for (size_t i = 0; i < READS_MAX + 3; i++)
		enter('b', false);
	expect("aaaabbbb");
	for (size_t i = 0; i < READS_MAX; i++) {
		reads_leave(&requests[i].part);
		reads_leave(&requests[READS_MAX + 3 + i].part);
	}
	turn("ab");
	turn("ab");
	turn("ab");
	turn("");
	leave_all();
}

/* What is answered at once, in whatever order, ends nothing that goes on. */
static void
test_answered_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < READS_MAX; i++)
		enter('a', false);
	for (size_t i = 0; i < 3; i++)
		enter('a', true);
	expect("aaaa");
	for (size_t i = 0; i < READS_MAX; i++)
		reads_leave(&requests[i].part);
	turn("a");
	turn("a");
	turn("a");
	turn("");
	enter('a', true);
	expect("a");
}

static void
test_the_end_lets_all_go(void **state)
{
	(void)state;
	for (size_t i = 0; i < READS_MAX + 3; i++)
		enter('a', i % 2 == 0);
	reads_leave(&requests[1].part);
	reads_end(reads);
	for (size_t i = 0; i < 2; i++)
		enter('b', i == 0);
	assert_int_equal(went.len, READS_MAX + 3 + 2);
	leave_all();
	buf_reset(&went);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_as_many_as_may, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_others_go_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_of_each_after_the_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_answered_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_end_lets_all_go, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
