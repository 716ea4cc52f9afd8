/* Identifiers: spellings, canonical forms, and that locators hold their stream id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/id.h"

#define UUID_A "6f2b0c9e-41d7-4d8a-9f00-0123456789ab"
#define UUID_B "00000000-0000-0000-0000-000000000000"
/* The first 40 bits of SHA-256 of the two, in base32, computed with Python's hashlib. */
#define HASH_A "DVNXWYPN"
#define HASH_B "2AWKEZ5Y"
#define ULID_A "01ARZ3NDEKTSV4RRFFQ69G5FAV"

/* Parses a copy without a NUL, so that a read beyond n is caught by the sanitizer. */
static int
t_uuid(struct uuid *id, const char *s, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);
	int rc;

	memcpy(copy, s, n);
	rc = uuid_parse(id, copy, n);
	free(copy);
	return rc;
}

static int
t_ulid(struct ulid *id, const char *s, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);
	int rc;

	memcpy(copy, s, n);
	rc = ulid_parse(id, copy, n);
	free(copy);
	return rc;
}

static void
t_uuid_spellings(void **state)
{
	static const char *const bad[] = {"", "6f2b0c9e", "{6f2b0c9e-41d7-4d8a-9f00-0123456789ab}",
	    "6f2b0c9e-41d7-4d8a-9f00-0123456789ab0", "6f2b0c9e41d74d8a9f000123456789ab0000",
	    "6f2b0c9e-41d7-4d8a-9f00-0123456789ag", "6f2b0c9e-41d7-4d8a-9f000-123456789ab",
	    "-f2b0c9e-41d7-4d8a-9f00-0123456789ab", "6f2b0c9e_41d7-4d8a-9f00-0123456789ab",
	    " 6f2b0c9e-41d7-4d8a-9f00-0123456789a"};
	struct uuid id = {"untouched"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(t_uuid(&id, bad[i], strlen(bad[i])), -1);
	assert_int_equal(t_uuid(&id, UUID_A, UUID_LEN - 1), -1);
	assert_int_equal(t_uuid(&id, "6f2b0c9e-41d7-4d8a-9f00-01234567\0009ab", UUID_LEN), -1);
	assert_string_equal(id.s, "untouched");
	assert_int_equal(t_uuid(&id, "6F2B0C9E-41d7-4D8A-9F00-0123456789AB", UUID_LEN), 0);
	assert_string_equal(id.s, UUID_A);
	assert_int_equal(t_uuid(&id, UUID_B, UUID_LEN), 0);
	assert_string_equal(id.s, UUID_B);
}

static void
t_ulid_spellings(void **state)
{
	static const char *const bad[] = {"", "01ARZ3NDEKTSV4RRFFQ69G5FA",
	    "01ARZ3NDEKTSV4RRFFQ69G5FAV0", "81ARZ3NDEKTSV4RRFFQ69G5FAV",
	    "Z1ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAI",
	    "01ARZ3NDEKTSV4RRFFQ69G5FAl", "O1ARZ3NDEKTSV4RRFFQ69G5FAV",
	    "01ARZ3NDEKTSV4RRFFQ69G5FAu", "01ARZ3NDEKTSV4RRFFQ69G5FA-",
	    "01ARZ3NDEKTSV4RRFFQ69G5FA\xff"};
	struct ulid id = {"untouched"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(t_ulid(&id, bad[i], strlen(bad[i])), -1);
	assert_int_equal(t_ulid(&id, "01ARZ3NDEKTSV4RRFFQ69G5F\0V", ULID_LEN), -1);
	assert_string_equal(id.s, "untouched");
	assert_int_equal(t_ulid(&id, "01arz3ndektsv4rrffq69g5fav", ULID_LEN), 0);
	assert_string_equal(id.s, ULID_A);
	/* The published example of the ULID specification. */
	assert_int_equal(ulid_ms(&id), INT64_C(1469922850259));
	assert_int_equal(t_ulid(&id, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", ULID_LEN), 0);
	assert_int_equal(ulid_ms(&id), INT64_C(281474976710655));
}

static void
t_ulid_made(void **state)
{
	static const int64_t times[] = {0, 1, 1469922850259, 281474976710655};
	struct ulid a, b, parsed;

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		ulid_new(&a, times[i]);
		ulid_new(&b, times[i]);
		assert_int_equal(ulid_ms(&a), times[i]);
		assert_int_equal(t_ulid(&parsed, a.s, strlen(a.s)), 0);
		assert_string_equal(parsed.s, a.s);
		assert_memory_equal(a.s, b.s, 10);
		/* 40 random bits each: equal once in 10^12 runs. */
		assert_memory_not_equal(a.s + 10, b.s + 10, 8);
		assert_memory_not_equal(a.s + 18, b.s + 18, 8);
	}
	ulid_new(&a, 1000);
	ulid_new(&b, 1001);
	assert_true(strcmp(a.s, b.s) < 0);
}

static void
t_locator_suffix(void **state)
{
	struct uuid a = {UUID_A}, b = {UUID_B};
	char one[LOCATOR_SUFFIX_LEN + 1], two[LOCATOR_SUFFIX_LEN + 1];
	int same = 0;

	(void)state;
	locator_suffix(one, &a);
	assert_memory_equal(one, HASH_A, 8);
	locator_suffix(two, &b);
	assert_memory_equal(two, HASH_B, 8);
	assert_int_equal(strlen(one), LOCATOR_SUFFIX_LEN);
	for (int i = 0; i < 100; i++) {
		locator_suffix(two, i % 3 == 0 ? &b : &a);
		assert_memory_equal(two, i % 3 == 0 ? HASH_B : HASH_A, 8);
		same += memcmp(one + 8, two + 8, 4) == 0;
	}
	assert_true(same < 5);
}

static void
t_locator_stream_id(void **state)
{
	static const int64_t times[] = {0, 1, 1795418460123, 281474976710655};
	static const uint32_t seqs[] = {0, 1, 31, 32, 0x12345, LOCATOR_SEQ_MAX};
	struct uuid tenant = {UUID_A};
	char suffix[LOCATOR_SUFFIX_LEN + 1];
	struct ulid id, parsed, last = {""};
	uint32_t seq;
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		for (size_t k = 0; k < sizeof seqs / sizeof *seqs; k++) {
			locator_suffix(suffix, &tenant);
			locator_make(&id, times[i], seqs[k], suffix);
			assert_int_equal(t_ulid(&parsed, id.s, strlen(id.s)), 0);
			locator_stream_id(&parsed, &ms, &seq);
			assert_int_equal(ms, times[i]);
			assert_int_equal(seq, seqs[k]);
			assert_int_equal(ulid_ms(&id), times[i]);
			assert_string_equal(id.s + 14, suffix);
			assert_true(strcmp(last.s, id.s) < 0); /* order of storing = of text */
			last = id;
		}
	}
}

static void
t_random_texts(void **state)
{
	struct ulid ulid;
	struct uuid uuid;
	char text[40];

	(void)state;
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		size_t n = (size_t)random() % sizeof text;

		memcpy(text, i % 2 == 0 ? UUID_A "000" : ULID_A "000000000000", 38);
		if (n > 0 && i % 5 != 0)
			text[(size_t)random() % n] = (char)random();
		if (random() % 2 == 0)
			n = i % 2 == 0 ? UUID_LEN : ULID_LEN;
		if (t_uuid(&uuid, text, n) == 0) {
			assert_int_equal(n, UUID_LEN);
			assert_int_equal(strlen(uuid.s), UUID_LEN);
			for (size_t k = 0; k < n; k++)
				assert_int_equal(uuid.s[k], tolower((unsigned char)text[k]));
		}
		if (t_ulid(&ulid, text, n) == 0) {
			assert_int_equal(n, ULID_LEN);
			assert_int_equal(strlen(ulid.s), ULID_LEN);
			for (size_t k = 0; k < n; k++)
				assert_int_equal(ulid.s[k], toupper((unsigned char)text[k]));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_uuid_spellings),
	    cmocka_unit_test(t_ulid_spellings),
	    cmocka_unit_test(t_ulid_made),
	    cmocka_unit_test(t_locator_suffix),
	    cmocka_unit_test(t_locator_stream_id),
	    cmocka_unit_test(t_random_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
