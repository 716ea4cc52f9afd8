/* base/histogram: which bucket a duration falls into, and what is summed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"

static void
test_bounds_grow(void **state)
{
	(void)state;
	for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++)
		assert_true(histogram_bounds_us[i - 1] < histogram_bounds_us[i]);
	assert_int_equal(histogram_bounds_us[0], 100);
	assert_int_equal(histogram_bounds_us[HISTOGRAM_BOUNDS - 1], 3600000000);
}

/* Bounds are inclusive, as Prometheus' "le" says. */
static void
test_each_bound_is_in_its_bucket(void **state)
{
	(void)state;
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		struct histogram histogram = {0};
		int64_t bound = histogram_bounds_us[i];

		histogram_add(&histogram, bound);
		assert_int_equal(histogram.counts[i], 1);
		histogram_add(&histogram, bound + 1);
		assert_int_equal(histogram.counts[i + 1], 1);
		assert_int_equal(histogram.sum_us, 2 * bound + 1);
	}
}

static void
test_extremes(void **state)
{
	struct histogram histogram = {0};

	(void)state;
	histogram_add(&histogram, -1); /* none */
	histogram_add(&histogram, 0);
	histogram_add(&histogram, INT64_MAX / 2);
	assert_int_equal(histogram.counts[0], 1);
	assert_int_equal(histogram.counts[HISTOGRAM_BOUNDS], 1);
	assert_int_equal(histogram.sum_us, (uint64_t)(INT64_MAX / 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bounds_grow),
	    cmocka_unit_test(test_each_bound_is_in_its_bucket),
	    cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
