/* base/encode: the vectors of RFC 4648, section 10, and what is not base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/encode.h"

static const struct {
	const char *plain, *base64, *hex;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "66"},
    {"fo", "Zm8=", "666f"},
    {"foo", "Zm9v", "666f6f"},
    {"foob", "Zm9vYg==", "666f6f62"},
    {"fooba", "Zm9vYmE=", "666f6f6261"},
    {"foobar", "Zm9vYmFy", "666f6f626172"},
    {"\xfb\xff\xbf", "+/+/", "fbffbf"},
};

static void
test_vectors(void **state)
{
	char text[64], back[64];
	struct buf hex = {0};
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		n = strlen(vectors[i].plain);
		base64_encode(text, vectors[i].plain, n);
		assert_string_equal(text, vectors[i].base64);
		assert_int_equal(strlen(text), BASE64_LEN(n));
		assert_int_equal(base64_decode(back, n, text, strlen(text)), n);
		assert_memory_equal(back, vectors[i].plain, n);
		buf_reset(&hex);
		hex_encode(&hex, vectors[i].plain, n);
		assert_string_equal(buf_str(&hex), vectors[i].hex);
	}
	buf_clear(&hex);
}

static void
test_every_byte(void **state)
{
	unsigned char bytes[256], back[256];
	char text[BASE64_LEN(256) + 1];
	size_t i, n;

	(void)state;
	for (i = 0; i < 256; i++)
		bytes[i] = (unsigned char)(255 - i);
	for (n = 0; n <= 256; n++) {
		base64_encode(text, bytes, n);
		assert_int_equal(base64_decode(back, sizeof(back), text, strlen(text)), n);
		assert_memory_equal(back, bytes, n);
	}
}

static void
test_refused(void **state)
{
	static const char *const bad[] = {
	    "Z",
	    "Zg",
	    "Zg=",
	    "Zg===",
	    "=",
	    "==",
	    "====",
	    "Z===",
	    "Zg==Zg==",
	    "Z=g=",
	    "Zm9v=",
	    "Zm9v\n",
	    "Zm9\n",
	    " Zm9",
	    "Zm-_",
	    "Zh==",
	    "Zm9=",
	    "Zm9vZ===",
	    "Zm\x80v",
	};
	char out[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64_decode(out, sizeof(out), bad[i], strlen(bad[i])), -1);
	assert_int_equal(base64_decode(out, sizeof(out), "Zm\0v", 4), -1);
	assert_int_equal(base64_decode(out, 5, "Zm9vYmFy", 8), -1);
	assert_int_equal(base64_decode(out, 6, "Zm9vYmFy", 8), 6);
}

static void
test_base64url(void **state)
{
	static const char *const bad[] = {
	    "A", "AAAAA", "Zg==", "Zg=", "Zh", "Zm9", "+/+/", "Zm 8", "Zm8\n", "Zm9v.", "\xc3\xa4"};
	unsigned char bytes[64], back[64];
	char text[BASE64_LEN(64) + 1];

	(void)state;
	assert_int_equal(base64url_decode(back, sizeof(back), "-_-_", 4), 3);
	assert_memory_equal(back, "\xfb\xff\xbf", 3);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64url_decode(back, sizeof(back), bad[i], strlen(bad[i])), -1);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		size_t len;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)(255 - i * 7);
		base64_encode(text, bytes, n);
		for (len = 0; text[len] != '\0' && text[len] != '='; len++)
			text[len] = text[len] == '+' ? '-' : text[len] == '/' ? '_' : text[len];
		assert_int_equal(base64url_decode(back, n, text, len), n);
		assert_memory_equal(back, bytes, n);
		if (n > 0)
			assert_int_equal(base64url_decode(back, n - 1, text, len), -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_every_byte),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_base64url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
