/* Signatures: the specification's vector, OpenSSL's one-shot HMAC as a second opinion, secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "proto/sign.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* test/cases/signature.json */
#define VECTOR_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define VECTOR_ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define VECTOR_TIME 1614265330
#define VECTOR_BODY "{\"test\": 2432232314}"
#define VECTOR_SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static const char *
t_fault(const char *secret, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);
	const char *fault;

	memcpy(copy, secret, n);
	fault = secret_fault(copy, n);
	free(copy);
	return fault;
}

static void
t_vector(void **state)
{
	struct signer *signer = signer_new(VECTOR_SECRET);
	char out[SIGNATURE_LEN + 1];

	(void)state;
	/* A signer is used again and again: nothing of the last text may stay. */
	for (int i = 0; i < 3; i++) {
		signer_sign(signer, VECTOR_ID, VECTOR_TIME, VECTOR_BODY, strlen(VECTOR_BODY), out);
		assert_string_equal(out, VECTOR_SIGNATURE);
		signer_sign(
		    signer, VECTOR_ID, VECTOR_TIME + 1, VECTOR_BODY, strlen(VECTOR_BODY), out);
		assert_string_not_equal(out, VECTOR_SIGNATURE);
	}
	signer_free(signer);
	signer_free(NULL);
}

/* The signature by OpenSSL's one-shot function over a text put together by printf. */
static void
t_second_opinion(const void *key, size_t key_len, const char *id, int64_t timestamp,
    const char *body, size_t len, char out[SIGNATURE_LEN + 1])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	char *text = malloc(strlen(id) + 32 + len);
	unsigned mac_len;
	int n = sprintf(text, "%s.%lld.", id, (long long)timestamp);

	memcpy(text + n, body, len);
	assert_non_null(HMAC(EVP_sha256(), key, (int)key_len, (unsigned char *)text,
	    (size_t)n + len, mac, &mac_len));
	assert_int_equal(mac_len, 32);
	memcpy(out, "v1,", 4);
	base64_encode(out + 3, mac, mac_len);
	free(text);
}

static void
t_any_key_and_body(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < 300; i++) {
		unsigned char key[SECRET_MAX + 1];
		char secret[SECRET_MAX + 1], got[SIGNATURE_LEN + 1], want[SIGNATURE_LEN + 1];
		size_t key_len, len = (size_t)random() % 2000;
		int64_t timestamp = random();
		char *body = malloc(len > 0 ? len : 1);
		struct signer *signer;

		if (i % 2 == 0) {
			key_len = 24 + (size_t)random() % 41;
			for (size_t k = 0; k < key_len; k++)
				key[k] = (unsigned char)random();
			memcpy(secret, "whsec_", 7);
			base64_encode(secret + 6, key, key_len);
		} else {
			key_len = SECRET_MIN + (size_t)random() % (SECRET_MAX - SECRET_MIN + 1);
			for (size_t k = 0; k < key_len; k++)
				key[k] = (unsigned char)(1 + random() % 127); /* a text */
			memcpy(secret, key, key_len);
			secret[key_len] = '\0';
		}
		for (size_t k = 0; k < len; k++)
			body[k] = (char)random();
		assert_null(t_fault(secret, strlen(secret)));
		signer = signer_new(secret);
		for (int k = 0; k < 3; k++, timestamp++) {
			signer_sign(
			    signer, "01ARZ3NDEKTSV4RRFFQ69G5FAV", timestamp, body, len, got);
			t_second_opinion(
			    key, key_len, "01ARZ3NDEKTSV4RRFFQ69G5FAV", timestamp, body, len, want);
			assert_string_equal(got, want);
			assert_int_equal(strlen(got), SIGNATURE_LEN);
		}
		signer_free(signer);
		free(body);
	}
}

static void
t_secrets(void **state)
{
	static const char *const good[] = {"0123456789abcdef", "sixteen or more characters",
	    VECTOR_SECRET, "WHSEC_not the prefix", "p\xc3\xa4ssw\xc3\xb6rter sind gut"};
	static const char *const bad[] = {"", "0123456789abcde", "whsec_", "whsec_0123456789",
	    "whsec_0123456789!!", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
	    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
	    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa=w"};
	char text[SECRET_MAX + 2], wide[2 * (SECRET_MAX + 1)], key[96];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_null(t_fault(good[i], strlen(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_non_null(t_fault(bad[i], strlen(bad[i])));
	assert_non_null(t_fault("0123456789\0abcdef", 17));
	memset(text, 'x', sizeof text);
	assert_null(t_fault(text, SECRET_MAX));
	assert_non_null(t_fault(text, SECRET_MAX + 1));
	for (size_t n = 0; n < SECRET_MAX + 1; n++)
		memcpy(wide + 2 * n, "\xc3\xa9", 2); /* two bytes, one character */
	assert_non_null(t_fault(wide, 2 * (SECRET_MIN - 1)));
	assert_null(t_fault(wide, 2 * SECRET_MIN));
	assert_null(t_fault(wide, 2 * SECRET_MAX));
	assert_non_null(t_fault(wide, 2 * (SECRET_MAX + 1)));
	memset(key, 'k', sizeof key);
	memcpy(text, "whsec_", 7);
	for (size_t n = 0; n < 90; n++) {
		base64_encode(text + 6, key, n);
		assert_int_equal(t_fault(text, strlen(text)) == NULL, n >= 24 && n <= 64);
	}
	/* As long as a secret may be, and the longest base64 that fits: 186 bytes. */
	memset(text + 6, 'A', SECRET_MAX - 6);
	assert_non_null(t_fault(text, SECRET_MAX));
	assert_non_null(t_fault(text, SECRET_MAX - 2));
}

static void
t_generated(void **state)
{
	char one[SECRET_GENERATED_LEN + 1], two[SECRET_GENERATED_LEN + 1];
	unsigned char key[32];

	(void)state;
	secret_generate(one);
	secret_generate(two);
	assert_string_not_equal(one, two);
	assert_int_equal(strlen(one), SECRET_GENERATED_LEN);
	assert_memory_equal(one, "whsec_", 6);
	assert_int_equal(base64_decode(key, sizeof key, one + 6, strlen(one + 6)), 32);
	assert_null(t_fault(one, strlen(one)));
}

static void
t_random_secrets(void **state)
{
	char text[SECRET_MAX + 1], out[SIGNATURE_LEN + 1];
	int good = 0;

	(void)state;
	srandom(2);
	for (int i = 0; i < 50000; i++) {
		size_t n = strlen(VECTOR_SECRET);

		memcpy(text, VECTOR_SECRET, n + 1);
		text[(size_t)random() % n] = (char)random();
		text[(size_t)random() % n] = "AZaz09+/=-_ "[random() % 12];
		if (random() % 4 == 0)
			n = (size_t)random() % (n + 1);
		text[n] = '\0';
		if (t_fault(text, n) != NULL)
			continue;
		good++;
		if (good % 50 == 0) { /* a fit secret makes a signer */
			struct signer *signer = signer_new(text);

			signer_sign(signer, "id", 0, "", 0, out);
			assert_int_equal(strlen(out), SIGNATURE_LEN);
			signer_free(signer);
		}
	}
	assert_true(good > 500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_vector),
	    cmocka_unit_test(t_any_key_and_body),
	    cmocka_unit_test(t_secrets),
	    cmocka_unit_test(t_generated),
	    cmocka_unit_test(t_random_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
