/* Whose publishing goes to Redis next: turns over tenants, and how much of each is under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "store/lanes.h"

#define ITEMS 100

static struct lanes lanes;
static struct lane_item items[ITEMS];
static char owners[ITEMS];
static size_t nitems;

static struct lane *
lane_of(char who)
{
	struct uuid tenant = {"0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a1"};

	tenant.s[UUID_LEN - 1] = who;
	return lanes_get(&lanes, &tenant);
}

static void
add(char who, size_t times, size_t cost)
{
	for (size_t i = 0; i < times; i++) {
		owners[nitems] = who;
		lanes_add(&lanes, lane_of(who), &items[nitems++], cost);
	}
}

/* All that may go now, in order, as the letters of their tenants. */
static const char *
go(void)
{
	static char who[ITEMS + 1];
	struct lane_item *item;
	size_t n = 0;

	while ((item = lanes_next(&lanes)) != NULL)
		who[n++] = owners[item - items];
	who[n] = '\0';
	return who;
}

static int
setup(void **state)
{
	(void)state;
	nitems = 0;
	lanes_init(&lanes);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	lanes_clear(&lanes);
	return 0;
}

static void
test_turns(void **state)
{
	(void)state;
	assert_string_equal(go(), "");
	add('a', 5, 1);
	add('b', 2, 1);
	add('c', 1, 1);
	assert_string_equal(go(), "abcabaaa");
	for (size_t i = 0; i < nitems; i++)
		lanes_done(&lanes, &items[i]);
	assert_string_equal(go(), "");
	assert_true(lane_is_free(lane_of('a')));
	assert_int_equal(lanes.cost, 0);
}

/* Of wide ones a tenant has one under way, and nobody waits for more than that. */
static void
test_wide(void **state)
{
	(void)state;
	add('a', 3, 2000);
	assert_string_equal(go(), "a");
	add('b', 2, 1);
	assert_string_equal(go(), "bb");
	lanes_done(&lanes, &items[0]);
	assert_string_equal(go(), "a");
	lanes_done(&lanes, &items[1]);
	lanes_done(&lanes, &items[3]);
	assert_string_equal(go(), "a");
	assert_false(lane_is_free(lane_of('a')));
}

/* Two arrays of a thousand overlap, so that Redis does not wait. */
static void
test_overlap(void **state)
{
	(void)state;
	add('a', 3, 1000);
	assert_string_equal(go(), "aa");
	lanes_done(&lanes, &items[0]);
	assert_string_equal(go(), "a");
}

/* All of them together are bounded too; who waits then goes in turns. */
static void
test_all_together(void **state)
{
	(void)state;
	add('a', 2, 2000);
	add('b', 2, 2000);
	add('c', 2, 2000);
	add('d', 2, 2000);
	assert_string_equal(go(), "abc");
	add('e', 1, 1);
	assert_string_equal(go(), "");
	lanes_done(&lanes, &items[0]);
	assert_string_equal(go(), "d");
	lanes_done(&lanes, &items[2]);
	assert_string_equal(go(), "a");
	lanes_done(&lanes, &items[4]);
	assert_string_equal(go(), "b");
	lanes_done(&lanes, &items[6]);
	assert_string_equal(go(), "c");
	lanes_done(&lanes, &items[1]);
	assert_string_equal(go(), "ed"); /* small, so that another one goes beside it */
}

/* What events of a tenant cause is known of that tenant alone, and after it was idle. */
static void
test_learning(void **state)
{
	(void)state;
	lanes_learn(&lanes, lane_of('a'), 10, 10000);
	lanes_put(&lanes, lane_of('a'));
	assert_int_equal(lane_of('b')->per_event, 1000); /* a guess */
	for (int i = 0; i < 40; i++)
		lanes_learn(&lanes, lane_of('b'), 1, 1);
	assert_in_range(lane_of('b')->per_event, 1, 3); /* it fades by a quarter */
	lanes_put(&lanes, lane_of('b'));
	assert_in_range(lane_of('c')->per_event, 1, 3);
	assert_int_equal(lane_of('a')->per_event, 1000);
	assert_int_equal(HASH_COUNT(lanes.table), 2); /* a is kept, c is in use; b is gone */
	lanes_learn(&lanes, lane_of('a'), 0, 0);
	assert_int_equal(lane_of('a')->per_event, 1000);
}

static void
test_draining(void **state)
{
	(void)state;
	add('a', 3, 5000);
	add('b', 3, 5000);
	assert_string_equal(go(), "a");
	for (size_t i = 0; i < 5; i++)
		assert_non_null(lanes_drain(&lanes));
	assert_null(lanes_drain(&lanes));
	for (size_t i = 0; i < nitems; i++)
		lanes_done(&lanes, &items[i]);
	assert_string_equal(go(), "");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_turns),
	    TEST(test_wide),
	    TEST(test_overlap),
	    TEST(test_all_together),
	    TEST(test_learning),
	    TEST(test_draining),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
