/* The table of keys: finds every duplicate, and spreads keys that were made to collide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_priv.h"

#define KEYS 100000
#define KEY_SIZE 16

/* Keys that sum, xor and order-blind hashes take for one: the same bytes in other places; then
 * ones that differ only in the first, or only in the last byte of a word. */
static void
make_key(char key[KEY_SIZE + 1], size_t i)
{
	size_t bit;

	memset(key, 'a', KEY_SIZE);
	key[KEY_SIZE] = '\0';
	if (i % 2 == 0) {
		for (bit = 0; bit < 16; bit += 2)
			memcpy(key + bit, (i >> (bit / 2 + 1)) & 1 ? "Aa" : "BB", 2);
		key[0] = (char)(' ' + i / 512 % 90);
		key[8] = (char)(' ' + i / 512 / 90);
	} else {
		(void)snprintf(key, KEY_SIZE + 1, "%08zu%08d", i, 0);
	}
}

static void
test_few_and_many(void **state)
{
	static struct json_keys keys;
	char names[100][8];
	size_t i, level;

	(void)state;
	json_keys_init(&keys);
	for (i = 0; i < 100; i++)
		(void)snprintf(names[i], sizeof names[i], "n%zu", i);
	for (level = 0; level < JSON_MAX_DEPTH; level++) {
		json_keys_open(&keys, level);
		for (i = 0; i < 100; i++)
			assert_true(json_keys_add(&keys, level, names[i], strlen(names[i])));
	}
	for (level = 0; level < JSON_MAX_DEPTH; level++)
		for (i = 0; i < 100; i++)
			assert_false(json_keys_add(&keys, level, names[i], strlen(names[i])));
	json_keys_open(&keys, 0);
	for (i = 0; i < 100; i++) {
		assert_true(json_keys_add(&keys, 0, names[i], strlen(names[i])));
		assert_false(json_keys_add(&keys, 0, names[i], strlen(names[i])));
		assert_false(json_keys_add(&keys, 0, names[0], strlen(names[0])));
	}
	assert_true(json_keys_add(&keys, 0, "n1\0", 3));
	assert_true(json_keys_add(&keys, 0, "", 0));
	assert_false(json_keys_add(&keys, 0, "", 0));
	json_keys_clear(&keys);
}

/* Counts steps instead of measuring time: how far keys lie from where their hash puts them. */
static void
test_spread(void **state)
{
	static struct json_keys keys;
	char(*names)[KEY_SIZE + 1] = xcalloc(KEYS, sizeof *names);
	size_t i, far, steps = 0;

	(void)state;
	json_keys_init(&keys);
	json_keys_open(&keys, 0);
	for (i = 0; i < KEYS; i++) {
		make_key(names[i], i);
		assert_true(json_keys_add(&keys, 0, names[i], KEY_SIZE));
	}
	assert_int_equal(keys.used, KEYS);
	assert_true(keys.cap < 3 * (size_t)KEYS);
	for (i = 0; i < keys.cap; i++) {
		if (keys.slots[i].serial == 0)
			continue;
		far = (i - keys.slots[i].hash) & (keys.cap - 1);
		assert_true(far < 1000);
		steps += far;
	}
	assert_true(steps < 3 * (size_t)KEYS);
	for (i = 0; i < KEYS; i++)
		assert_false(json_keys_add(&keys, 0, names[i], KEY_SIZE));
	json_keys_clear(&keys);
	free(names);
}

/* The same key in many objects must not collide either. */
static void
test_spread_of_objects(void **state)
{
	static struct json_keys keys;
	char names[JSON_KEYS_SHORT + 1][4];
	size_t i, k, steps = 0;

	(void)state;
	json_keys_init(&keys);
	for (k = 0; k <= JSON_KEYS_SHORT; k++)
		(void)snprintf(names[k], sizeof names[k], "%02zu", k);
	for (i = 0; i < 5000; i++) {
		json_keys_open(&keys, 0);
		for (k = 0; k <= JSON_KEYS_SHORT; k++)
			assert_true(json_keys_add(&keys, 0, names[k], 2));
	}
	assert_int_equal(keys.used, 5000 * (JSON_KEYS_SHORT + 1));
	for (i = 0; i < keys.cap; i++)
		if (keys.slots[i].serial != 0)
			steps += (i - keys.slots[i].hash) & (keys.cap - 1);
	assert_true(steps < 3 * keys.used);
	json_keys_clear(&keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_few_and_many),
	    cmocka_unit_test(test_spread),
	    cmocka_unit_test(test_spread_of_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
