/* Keys of tokens: which files are keys, and signatures by the vectors of the RFCs. */
#include "test/unit/jwt_help.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

/* A token taken apart at its last dot. */
struct vector {
	const char *token;
	size_t text_len;
	unsigned char sig[512];
	size_t sig_len;
};

static struct vector
vector_of(const char *token)
{
	struct vector vector = {.token = token};
	const char *dot = strrchr(token, '.');
	ssize_t n = base64url_decode(vector.sig, sizeof vector.sig, dot + 1, strlen(dot + 1));

	assert_true(n > 0);
	vector.text_len = (size_t)(dot - token);
	vector.sig_len = (size_t)n;
	return vector;
}

static bool
verifies(const struct jwt_key *key, const struct vector *vector)
{
	bool good =
	    jwt_key_verify(key, vector->token, vector->text_len, vector->sig, vector->sig_len);

	assert_int_equal(ERR_peek_error(), 0); /* nothing stays for others to trip over */
	return good;
}

/* Good as it is; not with any bit changed, any length less, or a longer text. */
static void
try_vector(struct jwt_key *key, const char *alg, const char *token)
{
	struct vector vector = vector_of(token);
	size_t step = vector.sig_len > 64 ? 7 : 1;
	char *longer;

	assert_string_equal(jwt_key_alg(key), alg);
	assert_true(verifies(key, &vector));
	for (size_t i = 0; i < vector.sig_len; i += step) {
		vector.sig[i] ^= (unsigned char)(1 << i % 8);
		assert_false(verifies(key, &vector));
		vector.sig[i] ^= (unsigned char)(1 << i % 8);
	}
	for (size_t n = vector.sig_len; n-- > 0; n -= n > step ? step - 1 : 0) {
		struct vector shorter = vector;

		shorter.sig_len = n;
		assert_false(verifies(key, &shorter));
	}
	vector.text_len--;
	assert_false(verifies(key, &vector));
	vector.text_len++;
	longer = strdup(token);
	longer[5] = longer[5] == 'A' ? 'B' : 'A';
	vector.token = longer;
	assert_false(verifies(key, &vector));
	free(longer);
	vector.token = token;
	vector.sig[vector.sig_len++] = 0;
	assert_false(verifies(key, &vector));
	vector.sig_len--;
	assert_true(verifies(key, &vector));
	jwt_key_free(key);
}

static void
test_vectors(void **state)
{
	(void)state;
	try_vector(rfc_hmac_key(), "HS256", RFC_HS256_TOKEN);
	try_vector(key_of(rfc_rsa_pem, strlen(rfc_rsa_pem)), "RS256", RFC_RS256_TOKEN);
	try_vector(key_of(rfc_ec_pem, strlen(rfc_ec_pem)), "ES256", RFC_ES256_TOKEN);
	try_vector(key_of(rfc_ed25519_pem, strlen(rfc_ed25519_pem)), "EdDSA", RFC_EDDSA_TOKEN);
}

/* Signatures that a careless ECDSA lets pass: r or s zero, r or s the order of the curve. */
static void
test_ec_edges(void **state)
{
	static const unsigned char order[32] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
	    0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
	struct jwt_key *key = key_of(rfc_ec_pem, strlen(rfc_ec_pem));
	const struct vector good = vector_of(RFC_ES256_TOKEN);
	struct vector bad;

	(void)state;
	for (int which = 0; which < 6; which++) {
		bad = good;
		if (which % 3 != 1)
			memset(bad.sig, 0, 32);
		if (which % 3 != 0)
			memset(bad.sig + 32, 0, 32);
		if (which >= 3 && which % 3 != 1)
			memcpy(bad.sig, order, 32);
		if (which >= 3 && which % 3 != 0)
			memcpy(bad.sig + 32, order, 32);
		assert_false(verifies(key, &bad));
	}
	memset(bad.sig, 0xff, 64);
	assert_false(verifies(key, &bad));
	jwt_key_free(key);
}

/* --- files --- */

static void
expect_fault(const char *bytes, size_t len, const char *text)
{
	const char *why = NULL;

	assert_null(jwt_key_new(bytes, len, &why));
	assert_non_null(why);
	assert_non_null(strstr(why, text));
	assert_int_equal(ERR_peek_error(), 0);
}

static void
test_secrets(void **state)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef\n\n";
	static const char claims[] = "{}", header[] = "{\"alg\":\"HS256\"}";
	struct jwt_key *key;

	(void)state;
	expect_fault("", 0, "at least 32 bytes");
	expect_fault("\n", 1, "at least 32 bytes");
	expect_fault(secret, 31, "at least 32 bytes");
	expect_fault("0123456789abcdef0123456789abcde\n", 32, "at least 32 bytes");
	for (size_t len = 32; len <= 34; len++) { /* one newline goes, the other stays */
		size_t used = len == 32 ? 32 : len - 1;
		char *token = hmac_token(header, claims, secret, used);
		char *other = hmac_token(header, claims, secret, used == 32 ? 33 : 32);
		struct vector good = vector_of(token), bad = vector_of(other);

		key = key_of(secret, len);
		assert_true(verifies(key, &good));
		assert_false(verifies(key, &bad));
		jwt_key_free(key);
		free(token);
		free(other);
	}
	jwt_key_free(NULL);
}

static void
test_long_secrets(void **state)
{
	char *bytes = calloc(1, 16386); /* NUL bytes are as good as others */
	struct jwt_key *key = key_of(bytes, 16384);

	(void)state;
	assert_string_equal(jwt_key_alg(key), "HS256");
	jwt_key_free(key);
	expect_fault(bytes, 16385, "at most 16384 bytes");
	bytes[16384] = '\n';
	jwt_key_free(key_of(bytes, 16385));
	free(bytes);
}

/* A public key in a form that is not taken is no secret: everybody has it. */
static void
test_secrets_that_are_public(void **state)
{
	static const char *const texts[] = {
	    "\xef\xbb\xbf-----BEGIN PUBLIC KEY-----\n",
	    "\n-----BEGIN PUBLIC KEY-----\n",
	    " -----BEGIN PUBLIC KEY-----\n",
	    "Bag Attributes\n-----BEGIN CERTIFICATE-----\n",
	    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDExampleExampleExampleExample a@b\n",
	    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC a@b                           \n",
	    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY= a@b\n",
	    ("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
	     "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}\n"),
	};
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	unsigned char *der = NULL;
	char wide[512];
	size_t i, n;
	int len;

	(void)state;
	for (i = 0; i < COUNT(texts); i++)
		expect_fault(texts[i], strlen(texts[i]), "PEM");
	for (i = 0; i < 2; i++) { /* UTF-16, either way round */
		memset(wide, 0, sizeof wide);
		for (n = 0; rfc_ed25519_pem[n] != '\0'; n++)
			wide[2 * n + i] = rfc_ed25519_pem[n];
		expect_fault(wide, 2 * n, "PEM");
	}
	len = i2d_PUBKEY(pkey, &der);
	assert_true(len > 0);
	expect_fault((char *)der, (size_t)len, "PEM");
	OPENSSL_free(der);
	EVP_PKEY_free(pkey);
}

/* Refuses a public key of that kind; takes it. */
static void
refuses_public(EVP_PKEY *pkey, const char *text)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	assert_non_null(pkey);
	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	len = BIO_get_mem_data(bio, &bytes);
	expect_fault(bytes, (size_t)len, text);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

static void
test_public_keys(void **state)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf two = {0};
	char *bytes;
	long len;

	(void)state;
	refuses_public(EVP_RSA_gen(1024), "2048 to 8192 bits");
	refuses_public(EVP_EC_gen("P-384"), "P-256");
	refuses_public(EVP_EC_gen("secp256k1"), "P-256");
	refuses_public(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), "RSA, EC on P-256, or Ed25519");
	refuses_public(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), "RSA, EC on P-256, or Ed25519");
	expect_fault("-----BEGIN", 10, "no PEM public key");
	expect_fault("-----BEGIN a secret of many characters", 38, "no PEM public key");
	expect_fault(rfc_rsa_pem, strlen(rfc_rsa_pem) / 2, "no PEM public key");
	/* a private key has no business here */
	assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	len = BIO_get_mem_data(bio, &bytes);
	expect_fault(bytes, (size_t)len, "no PEM public key");
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	buf_adds(&two, rfc_ec_pem);
	buf_adds(&two, rfc_ed25519_pem);
	expect_fault(two.data, two.len, "more than one PEM block");
	buf_clear(&two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_ec_edges),
	    cmocka_unit_test(test_secrets),
	    cmocka_unit_test(test_long_secrets),
	    cmocka_unit_test(test_secrets_that_are_public),
	    cmocka_unit_test(test_public_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
