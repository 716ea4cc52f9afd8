/* Tokens: any bytes as a token, and any header and claims (two lines) with a right signature.  What
 * is accepted has that signature, a known algorithm and its time; a changed token is refused. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/jwt.h"
#include "test/fuzz/fuzz.h"
#include "test/fuzz/reference.h"

#define SECRET "a secret of thirty-two bytes, or more"
#define NOW_MS INT64_C(1800000000000)
#define SIGNATURE_LEN 43 /* base64url of 32 bytes */

static struct jwt_key *fuzz_key, *fuzz_other;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *why;

	(void)argc;
	(void)argv;
	fuzz_key = jwt_key_new(SECRET, strlen(SECRET), &why);
	fuzz_other = jwt_key_new(SECRET "!", strlen(SECRET "!"), &why);
	FUZZ_CHECK(fuzz_key != NULL && fuzz_other != NULL);
	return 0;
}

static const char *
fuzz_read(struct jwt *jwt, const struct buf *token, struct jwt_key *key)
{
	struct jwt_check check = {.keys = &key, .nkeys = 1, .now_ms = NOW_MS};

	return jwt_read(jwt, token->len > 0 ? token->data : "", token->len, &check);
}

static bool
fuzz_accepts(const struct buf *token, struct jwt_key *key)
{
	struct jwt jwt = {0};
	bool accepts = fuzz_read(&jwt, token, key) == NULL;

	jwt_clear(&jwt);
	return accepts;
}

static void
fuzz_encode(struct buf *out, const void *p, size_t n)
{
	char *text = xmalloc(BASE64_LEN(n) + 1);

	base64_encode(text, p, n);
	for (char *s = text; *s != '\0' && *s != '='; s++)
		buf_addc(out, *s == '+' ? '-' : *s == '/' ? '_' : *s);
	free(text);
}

/* Adds a dot and the signature of what is there. */
static void
fuzz_sign(struct buf *token)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len;

	FUZZ_CHECK(HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET),
		       (const unsigned char *)token->data, token->len, mac, &len) != NULL);
	buf_addc(token, '.');
	fuzz_encode(token, mac, len);
}

/* Whether a part of the accepted token is an object in strict JSON that says so. */
static void
fuzz_check_header(const char *text, size_t n)
{
	struct json_doc doc = {0};
	struct json_error error;

	FUZZ_CHECK(reference_json(text, n) && json_parse(&doc, text, n, 1, &error) == 0);
	FUZZ_CHECK(json_str_is(json_get(doc.root, "alg"), "HS256"));
	FUZZ_CHECK(json_get(doc.root, "crit") == NULL);
	json_doc_clear(&doc);
}

static void
fuzz_check_claims(const struct jwt *jwt)
{
	struct uuid tenant = {"0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a11"};
	bool named = false, granted = false;

	FUZZ_CHECK(jwt->expires_ms + JWT_LEEWAY_MS > NOW_MS - 1);
	FUZZ_CHECK(jwt->not_before_ms <= NOW_MS + JWT_LEEWAY_MS);
	FUZZ_CHECK(jwt->sub != NULL && utf8_valid(jwt->sub, strlen(jwt->sub)));
	FUZZ_CHECK(jwt_time_fault(jwt, NOW_MS) == NULL);
	FUZZ_CHECK(jwt_time_fault(jwt, jwt->expires_ms + JWT_LEEWAY_MS + 1) != NULL);
	for (size_t i = 0; i < jwt->tenants.n; i++)
		named = named || strcmp(jwt->tenants.list[i], "any") == 0 ||
			strcmp(jwt->tenants.list[i], tenant.s) == 0;
	FUZZ_CHECK(jwt_has_tenant(jwt, &tenant) == named);
	for (size_t i = 0; i < jwt->permissions.n; i++)
		granted = granted || strcmp(jwt->permissions.list[i], "*.*") == 0 ||
			  strcmp(jwt->permissions.list[i], "events.*") == 0 ||
			  strcmp(jwt->permissions.list[i], "events.write") == 0;
	FUZZ_CHECK(jwt_has_permission(jwt, "events", "write") == granted);
}

/* Each change of an accepted token makes it one that is refused. */
static void
fuzz_check_changes(struct buf *token, size_t at)
{
	char *byte = &token->data[at % token->len], was = *byte;

	FUZZ_CHECK(!fuzz_accepts(token, fuzz_other));
	*byte = was == 'A' ? 'B' : 'A';
	FUZZ_CHECK(!fuzz_accepts(token, fuzz_key));
	*byte = was;
	token->len--;
	FUZZ_CHECK(!fuzz_accepts(token, fuzz_key));
	token->len++;
	FUZZ_CHECK(fuzz_accepts(token, fuzz_key));
}

/* Bytes that claim to be a token: accepted only with the signature that we would give. */
static void
fuzz_check_raw(const uint8_t *data, size_t size)
{
	struct buf token = {0}, again = {0};

	buf_add(&token, data, size);
	if (fuzz_accepts(&token, fuzz_key)) {
		FUZZ_CHECK(size > SIGNATURE_LEN && size <= JWT_MAX);
		buf_add(&again, data, size - SIGNATURE_LEN - 1);
		fuzz_sign(&again);
		FUZZ_CHECK(again.len == size && memcmp(again.data, data, size) == 0);
	}
	buf_clear(&token);
	buf_clear(&again);
}

static void
fuzz_check_signed(const char *data, size_t size)
{
	const char *line = memchr(data, '\n', size);
	size_t header_len = line != NULL ? (size_t)(line - data) : size;
	struct buf token = {0};
	struct jwt jwt = {0};

	fuzz_encode(&token, data, header_len);
	buf_addc(&token, '.');
	if (line != NULL)
		fuzz_encode(&token, line + 1, size - header_len - 1);
	fuzz_sign(&token);
	if (fuzz_read(&jwt, &token, fuzz_key) == NULL) {
		FUZZ_CHECK(line != NULL);
		fuzz_check_header(data, header_len);
		FUZZ_CHECK(reference_json(line + 1, size - header_len - 1));
		fuzz_check_claims(&jwt);
		fuzz_check_changes(&token, size * 7919);
	}
	jwt_clear(&jwt);
	buf_clear(&token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_check_raw(data, size);
	fuzz_check_signed((const char *)data, size);
	return 0;
}
