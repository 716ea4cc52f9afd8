/* JSON Web Tokens: the compact form (RFC 7515, 7.1), the header, the claims. */
#include "proto/jwt.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "proto/json.h"

#define JWT_DECODED_MAX (JWT_MAX / 4 * 3)
#define JWT_CLAIMS_KEEP 2    /* levels: the claims, and the items of lists */
#define JWT_TIME_MAX_MS 1e15 /* far enough, and a sum with it does not overflow */

struct jwt_part {
	const char *s;
	size_t n;
};

/* header.claims.signature */
struct jwt_parts {
	struct jwt_part header, claims, signature;
	size_t signed_len; /* of the token, from its first byte: what the signature is of */
};

static const char jwt_malformed[] = "the token is malformed";
static const char jwt_bad_claims[] = "a claim of the token has a wrong type";

static int
jwt_split(struct jwt_parts *parts, const char *token, size_t len)
{
	const char *end = token + len, *first, *second;

	first = memchr(token, '.', len);
	if (first == NULL)
		return -1;
	second = memchr(first + 1, '.', (size_t)(end - first - 1));
	if (second == NULL)
		return -1;
	parts->header = (struct jwt_part){token, (size_t)(first - token)};
	parts->claims = (struct jwt_part){first + 1, (size_t)(second - first - 1)};
	parts->signature = (struct jwt_part){second + 1, (size_t)(end - second - 1)};
	parts->signed_len = (size_t)(second - token);
	return 0; /* a third dot is no base64url */
}

/* Decodes and parses a part that must be an object; clear the document in any case. */
static int
jwt_parse(struct json_doc *doc, const struct jwt_part *part)
{
	char text[JWT_DECODED_MAX];
	struct json_error error;
	ssize_t len = base64url_decode(text, sizeof text, part->s, part->n);

	if (len < 0 || json_parse(doc, text, (size_t)len, JWT_CLAIMS_KEEP, &error) != 0 ||
	    doc->root->type != JSON_OBJECT)
		return -1;
	return 0;
}

/* --- the header --- */

static const char *
jwt_header_fault(const struct json *header, const struct jwt_check *check)
{
	const struct json *alg = json_get(header, "alg");

	/* There is no extension that we know (RFC 7515, 4.1.11); even null is not to be there. */
	for (const struct json *member = header->child; member != NULL; member = member->next) {
		if (member->key_len == 4 && memcmp(member->key, "crit", 4) == 0)
			return "the token has a critical header that is not understood";
	}
	for (size_t i = 0; alg != NULL && i < check->nkeys; i++) {
		if (json_str_is(alg, jwt_key_alg(check->keys[i])))
			return NULL;
	}
	return "the token's algorithm is not that of a key";
}

static const char *
jwt_verify(const char *token, const struct jwt_parts *parts, const struct json *header,
    const struct jwt_check *check)
{
	const struct json *alg = json_get(header, "alg");
	unsigned char signature[JWT_DECODED_MAX];
	ssize_t len =
	    base64url_decode(signature, sizeof signature, parts->signature.s, parts->signature.n);

	if (len < 0)
		return jwt_malformed;
	for (size_t i = 0; i < check->nkeys; i++) {
		if (json_str_is(alg, jwt_key_alg(check->keys[i])) &&
		    jwt_key_verify(
			check->keys[i], token, parts->signed_len, signature, (size_t)len))
			return NULL;
	}
	return "the token's signature is not of any key";
}

/* --- the claims --- */

static bool
jwt_is_text(const struct json *value)
{
	return value->type == JSON_STRING && memchr(value->str, '\0', value->str_len) == NULL;
}

/* NumericDate: seconds, possibly with a fraction (RFC 7519, 2).  Absent leaves *ms. */
static int
jwt_read_time(const struct json *value, int64_t *ms)
{
	double time;

	if (value == NULL)
		return 0;
	if (value->type != JSON_NUMBER)
		return -1;
	time = strtod(value->str, NULL) * 1000;
	if (time > JWT_TIME_MAX_MS)
		time = JWT_TIME_MAX_MS;
	*ms = time > 0 ? (int64_t)time : 0;
	return 0;
}

static int
jwt_read_list(struct jwt *jwt, const struct json *value, struct jwt_list *list)
{
	if (value == NULL)
		return 0;
	if (value->type != JSON_ARRAY)
		return -1;
	list->list = arena_alloc(&jwt->arena, value->count * sizeof *list->list);
	for (const struct json *item = value->child; item != NULL; item = item->next) {
		if (!jwt_is_text(item))
			return -1;
		list->list[list->n++] = arena_strndup(&jwt->arena, item->str, item->str_len);
	}
	return 0;
}

/* The tenants in the form that struct uuid has. */
static void
jwt_fold_tenants(struct jwt *jwt)
{
	struct jwt_list *tenants = &jwt->tenants;
	struct uuid uuid;

	for (size_t i = 0; i < tenants->n; i++) {
		if (uuid_parse(&uuid, tenants->list[i], strlen(tenants->list[i])) == 0)
			tenants->list[i] = arena_strndup(&jwt->arena, uuid.s, UUID_LEN);
	}
}

static const char *
jwt_read_claims(struct jwt *jwt, const struct json *claims)
{
	const struct json *exp = json_get(claims, "exp"), *sub = json_get(claims, "sub");

	jwt->not_before_ms = INT64_MIN;
	jwt->sub = "";
	if (exp == NULL)
		return "the token does not say when it expires";
	if (jwt_read_time(exp, &jwt->expires_ms) != 0 ||
	    jwt_read_time(json_get(claims, "nbf"), &jwt->not_before_ms) != 0 ||
	    jwt_read_list(jwt, json_get(claims, "tenants"), &jwt->tenants) != 0 ||
	    jwt_read_list(jwt, json_get(claims, "permissions"), &jwt->permissions) != 0 ||
	    (sub != NULL && !jwt_is_text(sub)))
		return jwt_bad_claims;
	if (sub != NULL)
		jwt->sub = arena_strndup(&jwt->arena, sub->str, sub->str_len);
	jwt_fold_tenants(jwt);
	return NULL;
}

/* aud is one name or a list of them (RFC 7519, 4.1.3). */
static bool
jwt_has_audience(const struct json *aud, const char *name)
{
	if (aud == NULL || aud->type != JSON_ARRAY)
		return aud != NULL && json_str_is(aud, name);
	for (const struct json *item = aud->child; item != NULL; item = item->next) {
		if (json_str_is(item, name))
			return true;
	}
	return false;
}

static const char *
jwt_claims_fault(struct jwt *jwt, const struct json *claims, const struct jwt_check *check)
{
	const struct json *iss = json_get(claims, "iss");
	const char *why = jwt_read_claims(jwt, claims);

	if (why != NULL)
		return why;
	if (check->issuer != NULL && (iss == NULL || !json_str_is(iss, check->issuer)))
		return "the token is of another issuer";
	if (check->audience != NULL && !jwt_has_audience(json_get(claims, "aud"), check->audience))
		return "the token is for another audience";
	return jwt_time_fault(jwt, check->now_ms);
}

const char *
jwt_read(struct jwt *jwt, const char *token, size_t len, const struct jwt_check *check)
{
	struct json_doc header = {0}, claims = {0};
	struct jwt_parts parts;
	const char *why;

	if (len > JWT_MAX)
		return "the token is longer than 8192 bytes";
	if (jwt_split(&parts, token, len) != 0)
		return jwt_malformed;
	if (jwt_parse(&header, &parts.header) != 0)
		why = jwt_malformed;
	else if ((why = jwt_header_fault(header.root, check)) == NULL)
		why = jwt_verify(token, &parts, header.root, check);
	json_doc_clear(&header);
	if (why == NULL) { /* nothing of the claims is looked at before */
		if (jwt_parse(&claims, &parts.claims) != 0)
			why = jwt_malformed;
		else
			why = jwt_claims_fault(jwt, claims.root, check);
		json_doc_clear(&claims);
	}
	return why;
}

void
jwt_clear(struct jwt *jwt)
{
	arena_clear(&jwt->arena);
	memset(jwt, 0, sizeof *jwt);
}

const char *
jwt_time_fault(const struct jwt *jwt, int64_t now_ms)
{
	if (now_ms >= jwt->expires_ms + JWT_LEEWAY_MS)
		return "the token has expired";
	if (jwt->not_before_ms > now_ms + JWT_LEEWAY_MS)
		return "the token is not valid yet";
	return NULL;
}

/* --- what it grants --- */

bool
jwt_has_tenant(const struct jwt *jwt, const struct uuid *tenant)
{
	for (size_t i = 0; i < jwt->tenants.n; i++) {
		if (strcmp(jwt->tenants.list[i], "any") == 0 ||
		    strcmp(jwt->tenants.list[i], tenant->s) == 0)
			return true;
	}
	return false;
}

bool
jwt_has_permission(const struct jwt *jwt, const char *group, const char *action)
{
	size_t group_len = strlen(group);

	for (size_t i = 0; i < jwt->permissions.n; i++) {
		const char *s = jwt->permissions.list[i];

		if (strcmp(s, "*.*") == 0)
			return true;
		if (strncmp(s, group, group_len) == 0 && s[group_len] == '.' &&
		    (strcmp(s + group_len + 1, action) == 0 || strcmp(s + group_len + 1, "*") == 0))
			return true;
	}
	return false;
}
