/* Keys that tokens are verified with, over OpenSSL (RFC 7518, section 3; RFC 8037). */
#include "proto/jwt_key.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define JWT_MAC_LEN 32
#define JWT_RSA_MIN 2048 /* bits (RFC 7518, 3.3) */
#define JWT_RSA_MAX 8192 /* beyond it a check takes too long */
#define JWT_ES256_HALF 32
#define JWT_ES256_LEN (2 * JWT_ES256_HALF)
#define JWT_SECRET_MAX 16384

static const char jwt_key_pem[] = "-----BEGIN";

enum jwt_key_kind { JWT_KEY_HMAC, JWT_KEY_RSA, JWT_KEY_EC, JWT_KEY_ED25519 };

struct jwt_key {
	enum jwt_key_kind kind;
	unsigned char *secret; /* JWT_KEY_HMAC */
	size_t secret_len;
	EVP_PKEY *public; /* the others */
};

static bool
jwt_key_begins(const void *bytes, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(bytes, with, strlen(with)) == 0;
}

static bool
jwt_key_is_der(const unsigned char *bytes, size_t len)
{
	const unsigned char *at = bytes;
	EVP_PKEY *public = d2i_PUBKEY(NULL, &at, (long)len);
	X509 *x509 = NULL;

	if (public == NULL) {
		at = bytes;
		x509 = d2i_X509(NULL, &at, (long)len);
	}
	EVP_PKEY_free(public);
	X509_free(x509);
	ERR_clear_error();
	return public != NULL || x509 != NULL;
}

/* Whether a would-be secret is a public key, in a form that we do not read: all could know it. */
static const char *
jwt_key_why_public(const unsigned char *bytes, size_t len)
{
	static const char wide[] = "B\0E\0G\0I\0N"; /* in UTF-16, either way round */

	if (memmem(bytes, len, jwt_key_pem, sizeof jwt_key_pem - 1) != NULL)
		return "holds -----BEGIN but does not begin with it: PEM has to, without a byte "
		       "order mark, and a secret must not hold it";
	if (memmem(bytes, len, wide, sizeof wide - 1) != NULL)
		return "is PEM in UTF-16: it must be in ASCII";
	if (jwt_key_begins(bytes, len, "ssh-") || jwt_key_begins(bytes, len, "ecdsa-sha2-"))
		return "is a public key of SSH: it must be PEM";
	if (jwt_key_begins(bytes, len, "{") && memmem(bytes, len, "\"kty\"", 5) != NULL)
		return "is a JSON Web Key: it must be PEM, or the bytes of the secret";
	if (jwt_key_is_der(bytes, len))
		return "is a public key in DER: it must be PEM";
	return NULL;
}

static struct jwt_key *
jwt_key_from_secret(const unsigned char *bytes, size_t len, const char **why)
{
	struct jwt_key *key;

	if ((*why = jwt_key_why_public(bytes, len)) != NULL)
		return NULL;
	if (len > 0 && bytes[len - 1] == '\n')
		len--;
	if (len < JWT_SECRET_MIN) {
		*why = "a secret must have at least 32 bytes";
		return NULL;
	}
	if (len > JWT_SECRET_MAX) {
		*why = "a secret may have at most 16384 bytes";
		return NULL;
	}
	key = xcalloc(1, sizeof *key);
	key->kind = JWT_KEY_HMAC;
	key->secret = xmemdup(bytes, len);
	key->secret_len = len;
	return key;
}

/* What the key is good for; NULL, else why it is not. */
static const char *
jwt_key_judge(const EVP_PKEY *public, enum jwt_key_kind *kind)
{
	char group[32] = "";
	size_t n;
	int bits;

	switch (EVP_PKEY_get_base_id(public)) {
	case EVP_PKEY_RSA:
		*kind = JWT_KEY_RSA;
		bits = EVP_PKEY_get_bits(public);
		if (bits < JWT_RSA_MIN || bits > JWT_RSA_MAX)
			return "an RSA key must have 2048 to 8192 bits";
		return NULL;
	case EVP_PKEY_EC:
		*kind = JWT_KEY_EC;
		if (EVP_PKEY_get_group_name(public, group, sizeof group, &n) != 1 ||
		    strcmp(group, "prime256v1") != 0)
			return "an EC key must be on the curve P-256";
		return NULL;
	case EVP_PKEY_ED25519:
		*kind = JWT_KEY_ED25519;
		return NULL;
	default:
		return "a public key must be RSA, EC on P-256, or Ed25519";
	}
}

static struct jwt_key *
jwt_key_from_pem(const char *bytes, size_t len, const char **why)
{
	const size_t begin = sizeof jwt_key_pem - 1;
	enum jwt_key_kind kind;
	struct jwt_key *key;
	EVP_PKEY *public = NULL;
	BIO *bio;

	if (memmem(bytes + begin, len - begin, jwt_key_pem, begin) != NULL) {
		*why = "has more than one PEM block: give each key in a file of its own";
		return NULL;
	}
	if (len <= INT_MAX && (bio = BIO_new_mem_buf(bytes, (int)len)) != NULL) {
		public = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
		BIO_free(bio);
	}
	ERR_clear_error();
	if (public == NULL) {
		*why = "begins with -----BEGIN but is no PEM public key";
		return NULL;
	}
	if ((*why = jwt_key_judge(public, &kind)) != NULL) {
		EVP_PKEY_free(public);
		return NULL;
	}
	key = xcalloc(1, sizeof *key);
	key->kind = kind;
	key->public = public;
	return key;
}

struct jwt_key *
jwt_key_new(const void *bytes, size_t len, const char **why)
{
	if (jwt_key_begins(bytes, len, jwt_key_pem))
		return jwt_key_from_pem(bytes, len, why);
	return jwt_key_from_secret(bytes, len, why);
}

void
jwt_key_free(struct jwt_key *key)
{
	if (key == NULL)
		return;
	if (key->secret != NULL)
		mem_wipe(key->secret, key->secret_len);
	free(key->secret);
	EVP_PKEY_free(key->public);
	free(key);
}

bool
jwt_key_is_secret(const struct jwt_key *key)
{
	return key->kind == JWT_KEY_HMAC;
}

const char *
jwt_key_alg(const struct jwt_key *key)
{
	static const char *const names[] = {
	    [JWT_KEY_HMAC] = "HS256",
	    [JWT_KEY_RSA] = "RS256",
	    [JWT_KEY_EC] = "ES256",
	    [JWT_KEY_ED25519] = "EdDSA",
	};

	return names[key->kind];
}

static bool
jwt_key_verify_hmac(
    const struct jwt_key *key, const void *text, size_t len, const void *sig, size_t sig_len)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	bool same;

	if (sig_len != JWT_MAC_LEN ||
	    HMAC(EVP_sha256(), key->secret, (int)key->secret_len, text, len, mac, &mac_len) == NULL)
		return false;
	same = mac_len == JWT_MAC_LEN && CRYPTO_memcmp(mac, sig, JWT_MAC_LEN) == 0;
	mem_wipe(mac, sizeof mac);
	return same;
}

static bool
jwt_key_verify_public(const struct jwt_key *key, const EVP_MD *digest, const void *text, size_t len,
    const void *sig, size_t sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL &&
		    EVP_DigestVerifyInit(ctx, NULL, digest, NULL, key->public) == 1 &&
		    EVP_DigestVerify(ctx, sig, sig_len, text, len) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

/* The token has r and s as they are, OpenSSL wants them in DER (RFC 7518, 3.4). */
static bool
jwt_key_verify_ec(const struct jwt_key *key, const void *text, size_t len, const unsigned char *sig,
    size_t sig_len)
{
	unsigned char *der = NULL;
	ECDSA_SIG *pair;
	BIGNUM *r, *s;
	int der_len = -1;
	bool good;

	if (sig_len != JWT_ES256_LEN)
		return false;
	pair = ECDSA_SIG_new();
	r = BN_bin2bn(sig, JWT_ES256_HALF, NULL);
	s = BN_bin2bn(sig + JWT_ES256_HALF, JWT_ES256_HALF, NULL);
	if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
		BN_free(r);
		BN_free(s);
	} else {
		der_len = i2d_ECDSA_SIG(pair, &der);
	}
	good = der_len > 0 &&
	       jwt_key_verify_public(key, EVP_sha256(), text, len, der, (size_t)der_len);
	OPENSSL_free(der);
	ECDSA_SIG_free(pair);
	return good;
}

bool
jwt_key_verify(
    const struct jwt_key *key, const void *text, size_t len, const void *sig, size_t sig_len)
{
	bool good = false;

	switch (key->kind) {
	case JWT_KEY_HMAC:
		good = jwt_key_verify_hmac(key, text, len, sig, sig_len);
		break;
	case JWT_KEY_RSA: /* PKCS #1 v1.5 is what OpenSSL does unless told otherwise */
		good = jwt_key_verify_public(key, EVP_sha256(), text, len, sig, sig_len);
		break;
	case JWT_KEY_EC:
		good = jwt_key_verify_ec(key, text, len, sig, sig_len);
		break;
	case JWT_KEY_ED25519:
		good = jwt_key_verify_public(key, NULL, text, len, sig, sig_len);
		break;
	}
	ERR_clear_error(); /* a refused signature must not look like an error of the next TLS call
			    */
	return good;
}
