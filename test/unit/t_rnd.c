/* base/rnd: bytes differ, no byte is forgotten, bounded numbers cover their range evenly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/rnd.h"

static void
test_bytes(void **state)
{
	static const size_t sizes[] = {1, 16, 333, 1024, 1025, 5000};
	unsigned char a[5002], ones[5002], zeros[5002];
	size_t i, k;
	int round;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		/* Every byte of the piece is written: each bit is once 0 and once 1. */
		memset(ones, 0, sizeof(ones));
		memset(zeros, 0, sizeof(zeros));
		for (round = 0; round < 64; round++) {
			memset(a, 0x55, sizeof(a));
			rnd_bytes(a + 1, sizes[i]);
			assert_int_equal(a[0], 0x55);
			assert_int_equal(a[sizes[i] + 1], 0x55);
			for (k = 1; k <= sizes[i]; k++) {
				ones[k] = (unsigned char)(ones[k] | a[k]);
				zeros[k] = (unsigned char)(zeros[k] | ~a[k]);
			}
		}
		for (k = 1; k <= sizes[i]; k++)
			assert_true(ones[k] == 0xff && zeros[k] == 0xff);
	}
	rnd_bytes(NULL, 0);
}

static void
test_u64_differ(void **state)
{
	uint64_t seen[1000];
	size_t i, k;

	(void)state;
	for (i = 0; i < 1000; i++) {
		seen[i] = rnd_u64();
		for (k = 0; k < i; k++)
			assert_true(seen[k] != seen[i]);
	}
}

static void
test_below(void **state)
{
	int counts[6] = {0};
	int i;

	(void)state;
	for (i = 0; i < 60000; i++) {
		uint64_t n = rnd_below(6);

		assert_true(n < 6);
		counts[n]++;
	}
	for (i = 0; i < 6; i++) /* ten standard deviations around 10000 */
		assert_in_range(counts[i], 9087, 10913);
	assert_int_equal(rnd_below(1), 0);
	assert_true(rnd_below(UINT64_MAX) < UINT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_u64_differ),
	    cmocka_unit_test(test_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
