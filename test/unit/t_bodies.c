/* Room for bodies: shares, the last quarter, parts that grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "server/bodies.h"

static struct uuid
tenant(unsigned n)
{
	struct uuid uuid;

	snprintf(uuid.s, sizeof uuid.s, "0190a5e2-0b4e-7cc1-8d5c-%012u", n);
	return uuid;
}

static bool
take(struct bodies *bodies, struct bodies_part *part, unsigned n, size_t bytes)
{
	struct uuid uuid = tenant(n);

	return bodies_take(bodies, part, &uuid, bytes);
}

static void
test_shares(void **state)
{
	struct bodies *bodies = bodies_new(100);
	struct bodies_part parts[10] = {{0}};

	(void)state;
	assert_false(take(bodies, &parts[0], 0, 101));
	assert_true(take(bodies, &parts[0], 0, 10));
	assert_true(take(bodies, &parts[1], 0, 15));
	assert_false(take(bodies, &parts[2], 0, 1)); /* a quarter */
	assert_true(take(bodies, &parts[3], 1, 50)); /* the first of any size */
	assert_true(take(bodies, &parts[4], 2, 10));
	assert_false(take(bodies, &parts[5], 2, 1)); /* the last quarter */
	assert_true(take(bodies, &parts[5], 3, 15));
	assert_false(take(bodies, &parts[6], 4, 1)); /* all */
	assert_int_equal(bodies_bytes(bodies), 100);
	bodies_give_back(bodies, &parts[3]);
	assert_true(take(bodies, &parts[6], 4, 1));
	assert_true(take(bodies, &parts[7], 4, 1));
	for (size_t i = 0; i < 10; i++)
		bodies_give_back(bodies, &parts[i]);
	assert_int_equal(bodies_bytes(bodies), 0);
	assert_true(take(bodies, &parts[0], 0, 100));
	bodies_give_back(bodies, &parts[0]);
	bodies_free(bodies);
}

static void
test_growth(void **state)
{
	struct bodies *bodies = bodies_new(100);
	struct bodies_part one = {0}, two = {0}, other = {0};

	(void)state;
	for (size_t n = 1; n <= 80; n++)
		assert_true(take(bodies, &one, 0, n));
	assert_true(take(bodies, &one, 0, 40)); /* it never shrinks */
	assert_int_equal(bodies_bytes(bodies), 80);
	assert_false(take(bodies, &two, 0, 1));
	assert_true(take(bodies, &other, 1, 20));
	assert_false(take(bodies, &one, 0, 81));
	assert_int_equal(one.bytes, 80);
	bodies_give_back(bodies, &one);
	assert_true(take(bodies, &two, 0, 80));
	assert_false(take(bodies, &other, 1, 21));
	bodies_give_back(bodies, &two);
	bodies_give_back(bodies, &two);
	bodies_give_back(bodies, &other);
	assert_int_equal(bodies_bytes(bodies), 0);
	bodies_free(bodies);
}

static void
test_many_tenants(void **state)
{
	struct bodies *bodies = bodies_new(1000);
	struct bodies_part part = {0}, full = {0};

	(void)state;
	for (unsigned n = 0; n < 1000; n++) {
		assert_true(take(bodies, &part, n % 200, 1000));
		bodies_give_back(bodies, &part);
	}
	assert_true(take(bodies, &full, 0, 1000));
	for (unsigned n = 0; n < 1000; n++)
		assert_false(take(bodies, &part, n, 1));
	bodies_give_back(bodies, &full);
	bodies_free(bodies);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shares),
	    cmocka_unit_test(test_growth),
	    cmocka_unit_test(test_many_tenants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
