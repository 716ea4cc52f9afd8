/* The pace of publishing: what a turn takes in, and whose it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "server/pace.h"

#define TENANTS 26

/* Tenants are called a, b, ... */
static struct uuid tenants[TENANTS];
static struct pace_load loads[TENANTS];
static struct event_base *base;
static struct pace *pace;
static struct buf went; /* who, in order */

struct request {
	struct pace_wait wait;
	char who;
};

static void
on_load(void *arg, const struct uuid *tenant, struct pace_load *load)
{
	(void)arg;
	*load = (struct pace_load){0};
	for (size_t i = 0; i < TENANTS; i++) {
		if (tenant != NULL && strcmp(tenants[i].s, tenant->s) != 0)
			continue;
		load->waiting += loads[i].waiting;
		load->ended += loads[i].ended;
	}
}

static void
on_go(void *arg)
{
	struct request *request = arg;

	buf_addc(&went, request->who);
	free(request);
}

static void
enter(char who, size_t times, size_t cost)
{
	for (size_t i = 0; i < times; i++) {
		struct request *request = xcalloc(1, sizeof *request);

		request->who = who;
		pace_enter(pace, &request->wait, &tenants[who - 'a'], cost, on_go, request);
	}
}

/* One turn of the loop; gives who went. */
static const char *
turn(void)
{
	buf_reset(&went);
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	return buf_str(&went);
}

static size_t
count(const char *s, char who)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += *s == who;
	return n;
}

static int
setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < TENANTS; i++)
		snprintf(tenants[i].s, sizeof tenants[i].s,
		    "0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a%02zu", i);
	memset(loads, 0, sizeof loads);
	base = event_base_new();
	pace = pace_new(base, on_load, NULL);
	buf_reset(&went);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pace_free(pace);
	event_base_free(base);
	buf_clear(&went);
	return 0;
}

static void
test_alone_at_once(void **state)
{
	(void)state;
	enter('a', 32, 1);
	assert_int_equal(went.len, 32);
	enter('a', 40, 1);
	assert_int_equal(went.len, 32);
	assert_int_equal(strlen(turn()), 32);
	assert_int_equal(strlen(turn()), 8);
	assert_string_equal(turn(), "");
	enter('a', 1, 1); /* the turn had room left */
	assert_int_equal(went.len, 1);
}

/* However many requests one tenant has waiting, another's is behind one of them at most. */
static void
test_turns_by_tenant(void **state)
{
	(void)state;
	enter('a', 32, 1);
	enter('a', 1000, 1);
	enter('b', 3, 1);
	enter('c', 1, 1);
	assert_string_equal(turn(), "abcababaaaaaaaaaaaaaaaaaaaaaaaaa");
	assert_int_equal(count(turn(), 'a'), 32);
}

/* A large request is the debt of its tenant alone. */
static void
test_debt(void **state)
{
	const char *who;
	int turns = 0;

	(void)state;
	enter('a', 1, 1);
	pace_charge(pace, &tenants[0], 320);
	enter('a', 1, 1);
	for (int i = 0; i < 9; i++) {
		enter('b', 32, 1);
		who = turn();
		assert_int_equal(count(who, 'b'), 32);
		assert_int_equal(count(who, 'a'), 0);
	}
	while (count(turn(), 'a') == 0)
		turns++;
	assert_in_range(turns, 0, 2);
	/* a debt without anybody waiting is forgotten when it is paid */
	pace_charge(pace, &tenants[0], 64);
	assert_string_equal(turn(), "");
	assert_string_equal(turn(), "");
	assert_string_equal(turn(), "");
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
}

/* What is known before counts before. */
static void
test_cost(void **state)
{
	(void)state;
	enter('a', 32, 1);
	enter('a', 4, 15);
	enter('b', 4, 1);
	assert_string_equal(turn(), "abab");
	assert_string_equal(turn(), "abab");
}

/* Deliveries of one tenant wait: it goes on as they end, the other one does not notice. */
static void
test_behind_by_tenant(void **state)
{
	const char *who;

	(void)state;
	enter('z', 32, 1);
	loads[0] = (struct pace_load){.waiting = 100, .ended = 1000};
	enter('a', 100, 1);
	turn(); /* what ended before is not known */
	loads[0].ended += 10;
	assert_int_equal(strlen(turn()), 10);
	assert_int_equal(strlen(turn()), 4); /* nothing ended, but it goes on */
	enter('b', 100, 1);
	who = turn();
	assert_int_equal(count(who, 'a'), 4);
	assert_int_equal(count(who, 'b'), 28);
	loads[0].waiting = 10;
	who = turn();
	assert_int_equal(count(who, 'a'), 16);
	assert_int_equal(count(who, 'b'), 16);
}

/* Where all are behind, all together take in what ended of all. */
static void
test_behind_all(void **state)
{
	(void)state;
	enter('z', 32, 1);
	for (size_t i = 0; i < 8; i++) {
		loads[i].waiting = 8; /* few, but of many */
		enter((char)('a' + i), 50, 1);
	}
	turn();
	loads[0].ended += 5;
	loads[1].ended += 5;
	assert_int_equal(strlen(turn()), 10);
	assert_int_equal(strlen(turn()), 4);
}

/* A step of a long request enters again from within. */
static struct request *again;
static int steps;

static void
on_step(void *arg)
{
	again = arg;
	buf_addc(&went, again->who);
	if (++steps < 10)
		pace_enter(pace, &again->wait, &tenants[0], 15, on_step, again);
	else
		free(again);
}

static void
test_steps(void **state)
{
	struct request *request = xcalloc(1, sizeof *request);

	(void)state;
	steps = 0;
	request->who = 'a';
	pace_enter(pace, &request->wait, &tenants[0], 15, on_step, request);
	assert_int_equal(steps, 3); /* the third began within the turn */
	enter('b', 2, 1);
	assert_string_equal(turn(), "abab");
	assert_string_equal(turn(), "aaa");
	/* the rest goes at the end, as do requests that wait */
	enter('b', 100, 1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_alone_at_once),
	    TEST(test_turns_by_tenant),
	    TEST(test_debt),
	    TEST(test_cost),
	    TEST(test_behind_by_tenant),
	    TEST(test_behind_all),
	    TEST(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
