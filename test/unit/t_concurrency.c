/* Caps that follow an endpoint's answers, and rests when it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deliver/concurrency.h"

static void
test_begins_within_its_bounds(void **state)
{
	struct concurrency c;

	(void)state;
	concurrency_init(&c, 8, 1, 32);
	assert_int_equal(c.cap, 8);
	concurrency_init(&c, 8, 1, 2);
	assert_int_equal(c.cap, 2);
	concurrency_init(&c, 1, 8, 100);
	assert_int_equal(c.cap, 8);
}

static void
test_successes_add_up_to_the_most(void **state)
{
	struct concurrency c;

	(void)state;
	concurrency_init(&c, 8, 1, 10);
	concurrency_answered(&c, false);
	assert_int_equal(c.cap, 8);
	for (int i = 0; i < 5; i++)
		concurrency_answered(&c, true);
	assert_int_equal(c.cap, 10);
}

static void
test_halves_down_to_the_least(void **state)
{
	static const size_t caps[] = {16, 8, 4, 2, 1, 1};
	struct concurrency c;

	(void)state;
	concurrency_init(&c, 32, 1, 32);
	for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
		concurrency_halve(&c);
		assert_int_equal(c.cap, caps[i]);
	}
	concurrency_init(&c, 9, 8, 32);
	concurrency_halve(&c);
	assert_int_equal(c.cap, 8);
}

static void
test_what_was_under_way_halves_once(void **state)
{
	struct concurrency c;

	(void)state;
	concurrency_init(&c, 64, 8, 64);
	for (int64_t started = 100; started < 110; started++)
		concurrency_halve_once(&c, started, 200);
	assert_int_equal(c.cap, 32);
	concurrency_halve_once(&c, 200, 300);
	assert_int_equal(c.cap, 16);
	concurrency_halve_once(&c, 299, 301);
	assert_int_equal(c.cap, 16);
}

static void
test_rests_double_until_an_answer(void **state)
{
	static const int64_t rests[] = {1, 2, 4, 8, 16, 32, 64, 100, 100};
	struct concurrency c;

	(void)state;
	concurrency_init(&c, 8, 1, 32);
	for (size_t i = 0; i < sizeof rests / sizeof *rests; i++)
		assert_int_equal(concurrency_refused(&c), rests[i]);
	assert_int_equal(c.cap, 1);
	concurrency_answered(&c, false);
	assert_int_equal(concurrency_refused(&c), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_begins_within_its_bounds),
	    cmocka_unit_test(test_successes_add_up_to_the_most),
	    cmocka_unit_test(test_halves_down_to_the_least),
	    cmocka_unit_test(test_what_was_under_way_halves_once),
	    cmocka_unit_test(test_rests_double_until_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
