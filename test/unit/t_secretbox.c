/* Secrets at rest: keys, what is stored, and everything that must not open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "proto/secretbox.h"

/* 32 bytes 0..31, and 32 bytes of 0xff; their ids by sha256sum. */
#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define ID_A "630dcd29"
#define KEY_B "//////////////////////////////////////////8="
#define ID_B "af961376"
#define PLACE "webhook 1 2"
#define TEXT "{\"secret\":\"whsec_xyz\"}"

static void
t_add(struct secretbox *box, const char *key)
{
	assert_null(secretbox_add(box, key, strlen(key)));
}

static struct secretbox *
t_box(const char *first, const char *second)
{
	struct secretbox *box = secretbox_new();

	if (first != NULL)
		t_add(box, first);
	if (second != NULL)
		t_add(box, second);
	return box;
}

/* What opening gives; the text, when it opens, must be TEXT. */
static enum secretbox_result
t_open(const struct secretbox *box, const char *place, const struct buf *sealed, const char *id)
{
	/* on the heap, so that reading past its end is seen */
	char *copy = sealed->len > 0 ? xmemdup(sealed->data, sealed->len) : xstrdup("");
	char got[SECRETBOX_ID_LEN + 1];
	struct buf out = {0};
	enum secretbox_result result = secretbox_open(box, place, copy, sealed->len, &out, got);

	if (result == SECRETBOX_OPEN) {
		assert_string_equal(buf_str(&out), TEXT);
	} else {
		assert_int_equal(out.len, 0);
	}
	if (id != NULL)
		assert_memory_equal(got, id, SECRETBOX_ID_LEN);
	buf_clear(&out);
	free(copy);
	return result;
}

static void
t_keys(void **state)
{
	static const char *const bad[] = {
	    "",
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",  /* 31 bytes */
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",  /* 33 */
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",   /* no padding */
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=x", /* more */
	    "AAECAwQFBgcICQoL DA0ODxAREhMUFRYXGBkaGxwdHh8=", /* a blank within */
	    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	    "-----BEGIN PRIVATE KEY-----",
	};
	struct secretbox *box = secretbox_new();

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_non_null(secretbox_add(box, bad[i], strlen(bad[i])));
	assert_int_equal(secretbox_count(box), 0);
	assert_null(secretbox_add(box, " \t" KEY_A "\r\n\n", strlen(KEY_A) + 5));
	assert_string_equal(secretbox_id(box, 0), ID_A);
	assert_non_null(secretbox_add(box, KEY_A, strlen(KEY_A))); /* twice */
	t_add(box, KEY_B);
	assert_string_equal(secretbox_id(box, 1), ID_B);
	assert_int_equal(secretbox_count(box), 2);
	secretbox_free(box);
	secretbox_free(NULL);
}

static void
t_too_many_keys(void **state)
{
	struct secretbox *box = secretbox_new();
	unsigned char key[SECRETBOX_KEY_LEN] = {0};
	char text[BASE64_LEN(SECRETBOX_KEY_LEN) + 1];

	(void)state;
	for (int i = 0; i <= SECRETBOX_KEYS_MAX; i++) {
		key[0] = (unsigned char)i;
		base64_encode(text, key, sizeof key);
		if (i < SECRETBOX_KEYS_MAX)
			t_add(box, text);
		else
			assert_non_null(secretbox_add(box, text, strlen(text)));
	}
	secretbox_free(box);
}

/* The format, by a second reading of it with OpenSSL. */
static void
t_format(void **state)
{
	static const char head[] = "v2:" ID_A ":", bound[] = "v2:" PLACE;
	struct secretbox *box = t_box(KEY_A, KEY_B);
	unsigned char key[32], raw[256], text[256];
	struct buf sealed = {0};
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	ssize_t n;
	int len;

	(void)state;
	secretbox_seal(box, PLACE, TEXT, strlen(TEXT), &sealed);
	assert_memory_equal(sealed.data, head, sizeof head - 1);
	n = base64_decode(
	    raw, sizeof raw, sealed.data + sizeof head - 1, sealed.len - (sizeof head - 1));
	assert_int_equal(n, 12 + strlen(TEXT) + 16);
	base64_decode(key, sizeof key, KEY_A, strlen(KEY_A));
	assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, raw), 1);
	assert_int_equal(
	    EVP_DecryptUpdate(ctx, NULL, &len, (const unsigned char *)bound, (int)strlen(bound)),
	    1);
	assert_int_equal(EVP_DecryptUpdate(ctx, text, &len, raw + 12, (int)n - 28), 1);
	assert_memory_equal(text, TEXT, strlen(TEXT));
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, raw + n - 16), 1);
	assert_int_equal(EVP_DecryptFinal_ex(ctx, text, &len), 1);
	EVP_CIPHER_CTX_free(ctx);
	buf_clear(&sealed);
	secretbox_free(box);
}

/* What was sealed in the earlier form, by Python's cryptography, opens; neither form opens as the
 * other one. */
static void
t_earlier_form(void **state)
{
	static const char v1[] =
	    "v1:" ID_A ":dHdlbHZlIGJ5dGVz0aeQmwco3989jlElv5yecqmlaEKN8PdPIu6mlpG2bof+K/G4veA=";
	struct secretbox *box = t_box(KEY_A, NULL), *b = t_box(KEY_B, KEY_A);
	struct buf old = {0}, sealed = {0};

	(void)state;
	buf_adds(&old, v1);
	secretbox_seal(box, PLACE, TEXT, strlen(TEXT), &sealed);
	assert_int_equal(secretbox_form(old.data, old.len), SECRETBOX_V1);
	assert_int_equal(secretbox_form(sealed.data, sealed.len), SECRETBOX_V2);
	assert_int_equal(secretbox_form(TEXT, strlen(TEXT)), SECRETBOX_PLAIN);
	assert_int_equal(secretbox_form(v1, 2), SECRETBOX_PLAIN);
	assert_true(secretbox_is_current(box, sealed.data, sealed.len));
	assert_false(secretbox_is_current(b, sealed.data, sealed.len)); /* another key is first */
	assert_false(secretbox_is_current(box, old.data, old.len));
	assert_false(secretbox_is_current(box, TEXT, strlen(TEXT)));
	assert_int_equal(t_open(box, PLACE, &old, ID_A), SECRETBOX_OPEN);
	assert_int_equal(t_open(box, "webhook 1 3", &old, ID_A), SECRETBOX_DAMAGED);
	old.data[1] = '2';
	assert_int_equal(t_open(box, PLACE, &old, ID_A), SECRETBOX_DAMAGED);
	sealed.data[1] = '1';
	assert_int_equal(t_open(box, PLACE, &sealed, ID_A), SECRETBOX_DAMAGED);
	buf_clear(&old);
	buf_clear(&sealed);
	secretbox_free(box);
	secretbox_free(b);
}

/* The same text twice must not look the same: a nonce used again would betray the key stream. */
static void
t_nonces(void **state)
{
	struct secretbox *box = t_box(KEY_A, NULL);
	struct buf a = {0}, b = {0};

	(void)state;
	secretbox_seal(box, PLACE, TEXT, strlen(TEXT), &a);
	secretbox_seal(box, PLACE, TEXT, strlen(TEXT), &b);
	assert_int_equal(a.len, b.len);
	assert_memory_not_equal(a.data + 12, b.data + 12, 16);
	buf_clear(&a);
	buf_clear(&b);
	secretbox_free(box);
}

static void
t_rotation(void **state)
{
	struct secretbox *none = t_box(NULL, NULL), *a = t_box(KEY_A, NULL);
	struct secretbox *b = t_box(KEY_B, NULL), *ba = t_box(KEY_B, KEY_A);
	struct buf plain = {0}, by_a = {0}, by_ba = {0};

	(void)state;
	secretbox_seal(none, PLACE, TEXT, strlen(TEXT), &plain);
	secretbox_seal(a, PLACE, TEXT, strlen(TEXT), &by_a);
	secretbox_seal(ba, PLACE, TEXT, strlen(TEXT), &by_ba);
	assert_string_equal(buf_str(&plain), TEXT);
	assert_int_equal(t_open(none, PLACE, &plain, NULL), SECRETBOX_OPEN);
	assert_int_equal(t_open(a, PLACE, &plain, NULL), SECRETBOX_OPEN);
	assert_int_equal(t_open(a, PLACE, &by_a, ID_A), SECRETBOX_OPEN);
	assert_int_equal(t_open(ba, PLACE, &by_a, ID_A), SECRETBOX_OPEN);
	assert_int_equal(t_open(b, PLACE, &by_ba, ID_B), SECRETBOX_OPEN);
	assert_int_equal(t_open(none, PLACE, &by_a, ID_A), SECRETBOX_NO_KEY);
	assert_int_equal(t_open(b, PLACE, &by_a, ID_A), SECRETBOX_NO_KEY);
	assert_int_equal(t_open(a, PLACE, &by_ba, ID_B), SECRETBOX_NO_KEY);
	buf_clear(&plain);
	buf_clear(&by_a);
	buf_clear(&by_ba);
	secretbox_free(none);
	secretbox_free(a);
	secretbox_free(b);
	secretbox_free(ba);
}

static void
t_another_place(void **state)
{
	struct secretbox *box = t_box(KEY_A, NULL);
	struct buf sealed = {0};

	(void)state;
	secretbox_seal(box, PLACE, TEXT, strlen(TEXT), &sealed);
	assert_int_equal(t_open(box, "webhook 1 3", &sealed, ID_A), SECRETBOX_DAMAGED);
	assert_int_equal(t_open(box, "", &sealed, ID_A), SECRETBOX_DAMAGED);
	assert_int_equal(t_open(box, PLACE, &sealed, ID_A), SECRETBOX_OPEN);
	buf_clear(&sealed);
	secretbox_free(box);
}

/* No byte of it can be changed, and nothing be cut off or added. */
static void
t_damage(void **state)
{
	struct secretbox *box = t_box(KEY_A, NULL);
	struct buf sealed = {0};
	size_t n;

	(void)state;
	secretbox_seal(box, PLACE, TEXT, strlen(TEXT), &sealed);
	n = sealed.len;
	for (size_t i = 3; i < n; i++) { /* before is the version: what has none is plain */
		char was = sealed.data[i];

		sealed.data[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(t_open(box, PLACE, &sealed, NULL), SECRETBOX_OPEN);
		sealed.data[i] = was;
	}
	for (sealed.len = 3; sealed.len < n; sealed.len++)
		assert_int_not_equal(t_open(box, PLACE, &sealed, NULL), SECRETBOX_OPEN);
	assert_int_equal(t_open(box, PLACE, &sealed, NULL), SECRETBOX_OPEN);
	buf_addc(&sealed, 'A');
	assert_int_equal(t_open(box, PLACE, &sealed, NULL), SECRETBOX_DAMAGED);
	buf_clear(&sealed);
	secretbox_free(box);
}

static void
t_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, 100000};
	struct secretbox *box = t_box(KEY_A, NULL);
	char id[SECRETBOX_ID_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char *text = xcalloc(sizes[i] + 1, 1);
		struct buf sealed = {0}, out = {0};

		memset(text, (int)i, sizes[i]);
		secretbox_seal(box, PLACE, text, sizes[i], &sealed);
		assert_int_equal(
		    secretbox_open(box, PLACE, sealed.data, sealed.len, &out, id), SECRETBOX_OPEN);
		assert_int_equal(out.len, sizes[i]);
		if (out.len > 0)
			assert_memory_equal(out.data, text, out.len);
		buf_clear(&sealed);
		buf_clear(&out);
		free(text);
	}
	secretbox_free(box);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_keys),
	    cmocka_unit_test(t_too_many_keys),
	    cmocka_unit_test(t_format),
	    cmocka_unit_test(t_earlier_form),
	    cmocka_unit_test(t_nonces),
	    cmocka_unit_test(t_rotation),
	    cmocka_unit_test(t_another_place),
	    cmocka_unit_test(t_damage),
	    cmocka_unit_test(t_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
