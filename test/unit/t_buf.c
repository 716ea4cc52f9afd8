/* base/buf: every way of adding, and what becomes of the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void
test_empty(void **state)
{
	struct buf buf = {0};
	size_t len = 9;
	char *s;

	(void)state;
	buf_add(&buf, NULL, 0);
	assert_null(buf.data);
	assert_string_equal(buf_str(&buf), "");
	s = buf_take(&buf, &len);
	assert_string_equal(s, "");
	assert_int_equal(len, 0);
	free(s);
	s = buf_take(&buf, NULL);
	assert_string_equal(s, "");
	free(s);
	buf_clear(&buf);
}

static void
test_numbers(void **state)
{
	struct buf buf = {0};

	(void)state;
	buf_addu(&buf, 0);
	buf_addc(&buf, ' ');
	buf_addu(&buf, UINT64_MAX);
	buf_addc(&buf, ' ');
	buf_addi(&buf, INT64_MIN);
	buf_addc(&buf, ' ');
	buf_addi(&buf, -7);
	buf_addc(&buf, ' ');
	buf_addi(&buf, INT64_MAX);
	assert_string_equal(
	    buf_str(&buf), "0 18446744073709551615 -9223372036854775808 -7 9223372036854775807");
	buf_clear(&buf);
}

static void
test_growth(void **state)
{
	struct buf buf = {0};
	size_t i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		buf_addc(&buf, (char)('a' + i % 26));
		assert_true(buf.len < buf.cap);
	}
	for (i = 0; i < 100000; i++)
		assert_int_equal(buf.data[i], 'a' + i % 26);
	assert_int_equal(strlen(buf_str(&buf)), 100000);
	buf_clear(&buf);
	assert_null(buf.data);
	buf_adds(&buf, "again");
	assert_string_equal(buf_str(&buf), "again");
	buf_clear(&buf);
}

static void
test_reset_keeps_memory(void **state)
{
	struct buf buf = {0};
	const char *data;

	(void)state;
	buf_reserve(&buf, 1000);
	data = buf.data;
	buf_adds(&buf, "one");
	buf_reset(&buf);
	buf_add(&buf, "two\0three", 9);
	assert_int_equal(buf.len, 9);
	assert_ptr_equal(buf.data, data);
	assert_memory_equal(buf_str(&buf), "two\0three\0", 10);
	buf_clear(&buf);
}

static void
test_printf(void **state)
{
	struct buf buf = {0};
	char long_text[3000];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	buf_printf(&buf, "%s=%d,", "a", 5);
	buf_printf(&buf, "%s", "");
	buf_printf(&buf, "%s.", long_text);
	assert_int_equal(buf.len, 4 + 2999 + 1);
	assert_memory_equal(buf.data, "a=5,xxx", 7);
	assert_string_equal(buf_str(&buf) + 3000, "xxx.");
	buf_clear(&buf);
}

static void
test_take(void **state)
{
	struct buf buf = {0};
	size_t len;
	char *s;

	(void)state;
	buf_adds(&buf, "mine");
	s = buf_take(&buf, &len);
	assert_int_equal(len, 4);
	assert_int_equal(buf.len, 0);
	assert_null(buf.data);
	assert_string_equal(s, "mine");
	free(s);
}

/* Read through the old pointer while the memory is still the buffer's. */
static void
test_secret(void **state)
{
	struct buf buf = {.secret = true};
	char *data;

	(void)state;
	buf_adds(&buf, "the secret");
	data = buf.data;
	buf_reset(&buf);
	assert_ptr_equal(buf.data, data);
	for (size_t i = 0; i < buf.cap; i++)
		assert_int_equal(data[i], 0);
	for (size_t i = 0; i < 1000; i++)
		buf_adds(&buf, "grows");
	assert_int_equal(buf.len, 5000);
	assert_memory_equal(buf.data, "growsgrows", 10);
	assert_memory_equal(buf.data + 4990, "growsgrows", 10);
	buf_clear(&buf);
	assert_null(buf.data);
	assert_true(buf.secret);
	free(buf_take(&buf, NULL));
	assert_true(buf.secret);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_growth),
	    cmocka_unit_test(test_reset_keeps_memory),
	    cmocka_unit_test(test_printf),
	    cmocka_unit_test(test_take),
	    cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
