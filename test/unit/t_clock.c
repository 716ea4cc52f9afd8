/* base/clock: both clocks run, agree with the system and stand when told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "base/clock.h"

static void
test_real(void **state)
{
	int64_t before = (int64_t)time(NULL) * 1000;
	int64_t wall = clock_wall_ms();
	int64_t us = clock_mono_us(), ms = clock_mono_ms();

	(void)state;
	assert_true(wall >= before && wall < before + 60000);
	assert_true(ms >= us / 1000 && ms < us / 1000 + 60000);
	while (clock_mono_us() == us)
		continue;
	assert_true(clock_mono_us() > us);
}

static void
test_override(void **state)
{
	(void)state;
	clock_override(1500, 1795418460123);
	assert_int_equal(clock_mono_ms(), 1500);
	assert_int_equal(clock_mono_us(), 1500000);
	assert_int_equal(clock_wall_ms(), 1795418460123);
	clock_override(-1, 0);
	assert_int_equal(clock_wall_ms(), 0);
	clock_override(-1, -1);
	assert_true(clock_wall_ms() > 1600000000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_real),
	    cmocka_unit_test(test_override),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
