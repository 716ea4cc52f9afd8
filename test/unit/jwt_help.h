/* For the tests of tokens: the keys and tokens of RFC 7515, appendix A, and RFC 8037, appendix A;
 * making tokens. */
#ifndef TEST_UNIT_JWT_HELP_H
#define TEST_UNIT_JWT_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "proto/jwt.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* {"iss":"joe", "exp":1300819380, "http://example.com/is_root":true} */
#define RFC_CLAIMS                                                                                 \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"
#define RFC_EXP_MS INT64_C(1300819380000)

#define RFC_HS256_SECRET                                                                           \
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
#define RFC_HS256_TOKEN                                                                            \
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_CLAIMS                                     \
	".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define RFC_RS256_TOKEN                                                                            \
	"eyJhbGciOiJSUzI1NiJ9." RFC_CLAIMS "."                                                     \
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W" \
	"2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS" \
	"jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv" \
	"Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define RFC_ES256_TOKEN                                                                            \
	"eyJhbGciOiJFUzI1NiJ9." RFC_CLAIMS "."                                                     \
	"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
/* what is signed is no JSON: "Example of Ed25519 signing" */
#define RFC_EDDSA_TOKEN                                                                            \
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."                                \
	"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static const char rfc_rsa_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj\n"
    "NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz\n"
    "P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo\n"
    "9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB\n"
    "EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX\n"
    "FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp\n"
    "oQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
static const char rfc_ec_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
    "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
    "-----END PUBLIC KEY-----\n";
static const char rfc_ed25519_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n";

static inline struct jwt_key *
key_of(const char *bytes, size_t len)
{
	const char *why = "not set";
	struct jwt_key *key = jwt_key_new(bytes, len, &why);

	if (key == NULL)
		print_error("%s\n", why);
	assert_non_null(key);
	return key;
}

static inline struct jwt_key *
rfc_hmac_key(void)
{
	char bytes[64];

	assert_int_equal(
	    base64url_decode(bytes, sizeof bytes, RFC_HS256_SECRET, strlen(RFC_HS256_SECRET)), 64);
	return key_of(bytes, sizeof bytes);
}

/* Appends base64url without padding. */
static inline void
add_base64url(struct buf *out, const void *bytes, size_t n)
{
	char *text = malloc(BASE64_LEN(n) + 1);

	base64_encode(text, bytes, n);
	for (char *s = text; *s != '\0' && *s != '='; s++)
		buf_addc(out, *s == '+' ? '-' : *s == '/' ? '_' : *s);
	free(text);
}

/* A token with that header and those claims, signed with HMAC-SHA256; free(). */
static inline char *
hmac_token(const char *header, const char *claims, const void *secret, size_t len)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct buf token = {0};
	unsigned mac_len;

	add_base64url(&token, header, strlen(header));
	buf_addc(&token, '.');
	add_base64url(&token, claims, strlen(claims));
	assert_non_null(HMAC(
	    EVP_sha256(), secret, (int)len, (unsigned char *)token.data, token.len, mac, &mac_len));
	buf_addc(&token, '.');
	add_base64url(&token, mac, mac_len);
	return buf_take(&token, NULL);
}

#endif
