/* Tokens: the compact form, the header, the claims, the times, what is granted. */
#include "test/unit/jwt_help.h"

#define SECRET "a secret of 32 bytes, or a few more"
#define HS256 "{\"alg\":\"HS256\"}"
#define NOW INT64_C(1700000000)
#define EXP "\"exp\":1700000100"
#define TENANT "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

static struct jwt_key *keys[4]; /* one of each kind, the secret first */

static int
setup(void **state)
{
	(void)state;
	keys[0] = key_of(SECRET, strlen(SECRET));
	keys[1] = key_of(rfc_rsa_pem, strlen(rfc_rsa_pem));
	keys[2] = key_of(rfc_ec_pem, strlen(rfc_ec_pem));
	keys[3] = key_of(rfc_ed25519_pem, strlen(rfc_ed25519_pem));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++)
		jwt_key_free(keys[i]);
	return 0;
}

static struct jwt_check
check_at(int64_t now_ms)
{
	return (struct jwt_check){.keys = keys, .nkeys = COUNT(keys), .now_ms = now_ms};
}

/* Reads a token of n bytes that end where the memory does, for the sanitizer. */
static const char *
read_exact(struct jwt *jwt, const char *token, size_t n, const struct jwt_check *check)
{
	char *copy = malloc(n > 0 ? n : 1);
	const char *why;

	memcpy(copy, token, n);
	memset(jwt, 0, sizeof *jwt);
	why = jwt_read(jwt, copy, n, check);
	free(copy);
	return why;
}

/* What is said of a token with that header and those claims, well signed with the secret. */
static const char *
fault_of(const char *header, const char *claims)
{
	struct jwt_check check = check_at(NOW * 1000);
	char *token = hmac_token(header, claims, SECRET, strlen(SECRET));
	struct jwt jwt;
	const char *why = read_exact(&jwt, token, strlen(token), &check);

	jwt_clear(&jwt);
	free(token);
	return why;
}

static void
expect_fault(const char *header, const char *claims, const char *text)
{
	const char *why = fault_of(header, claims);

	if (why == NULL || strstr(why, text) == NULL)
		print_error("%s %s: %s\n", header, claims, why != NULL ? why : "accepted");
	assert_non_null(why);
	assert_non_null(strstr(why, text));
	assert_null(strpbrk(why, "\"\\")); /* it goes into a quoted string */
}

/* The claims of a well-signed token; jwt_clear() them. */
static struct jwt
good(const char *claims)
{
	struct jwt_check check = check_at(NOW * 1000);
	char *token = hmac_token(HS256, claims, SECRET, strlen(SECRET));
	struct jwt jwt;
	const char *why = read_exact(&jwt, token, strlen(token), &check);

	if (why != NULL)
		print_error("%s: %s\n", claims, why);
	assert_null(why);
	free(token);
	return jwt;
}

/* --- the compact form --- */

static void
test_rfc_tokens(void **state)
{
	static const char *const tokens[] = {RFC_HS256_TOKEN, RFC_RS256_TOKEN, RFC_ES256_TOKEN};
	struct jwt_key *hmac = rfc_hmac_key(), *all[] = {keys[0], hmac, keys[1], keys[2], keys[3]};
	struct jwt_check check = {.keys = all, .nkeys = COUNT(all), .now_ms = RFC_EXP_MS - 1};
	struct jwt jwt;

	(void)state;
	for (size_t i = 0; i < COUNT(tokens); i++) {
		assert_null(read_exact(&jwt, tokens[i], strlen(tokens[i]), &check));
		assert_int_equal(jwt.expires_ms, RFC_EXP_MS);
		assert_string_equal(jwt.sub, "");
		jwt_clear(&jwt);
	}
	/* rightly signed, but not of claims */
	assert_string_equal(read_exact(&jwt, RFC_EDDSA_TOKEN, strlen(RFC_EDDSA_TOKEN), &check),
	    "the token is malformed");
	jwt_clear(&jwt);
	jwt_key_free(hmac);
}

static void
test_every_cut(void **state)
{
	static const char *const tokens[] = {RFC_RS256_TOKEN, RFC_ES256_TOKEN};
	struct jwt_check check = check_at(RFC_EXP_MS);
	struct jwt jwt;

	(void)state;
	for (size_t i = 0; i < COUNT(tokens); i++) {
		size_t len = strlen(tokens[i]);

		for (size_t n = 0; n < len; n++) {
			assert_non_null(read_exact(&jwt, tokens[i], n, &check));
			jwt_clear(&jwt);
		}
		assert_null(read_exact(&jwt, tokens[i], len, &check));
		jwt_clear(&jwt);
	}
}

static void
test_every_character(void **state)
{
	static const char changes[] = "A_=. \n\xff";
	struct jwt_check check = check_at(RFC_EXP_MS);
	char token[] = RFC_ES256_TOKEN;
	struct jwt jwt;

	(void)state;
	for (size_t i = 0; i < strlen(RFC_ES256_TOKEN); i++) {
		for (size_t k = 0; k < sizeof changes; k++) { /* NUL too */
			if (changes[k] == RFC_ES256_TOKEN[i])
				continue;
			token[i] = changes[k];
			assert_non_null(read_exact(&jwt, token, sizeof token - 1, &check));
			jwt_clear(&jwt);
		}
		token[i] = RFC_ES256_TOKEN[i];
	}
	assert_null(read_exact(&jwt, token, sizeof token - 1, &check));
	jwt_clear(&jwt);
}

static void
test_shapes(void **state)
{
	static const char *const bad[] = {"", ".", "..", "...", "a.b.c", "e30.e30.", ".e30.e30",
	    "e30..e30", "e30.e30.e30", "e30", "e30.e30", RFC_RS256_TOKEN ".", "." RFC_RS256_TOKEN,
	    RFC_RS256_TOKEN ".e30", RFC_RS256_TOKEN "=", RFC_RS256_TOKEN " ", " " RFC_RS256_TOKEN,
	    RFC_RS256_TOKEN "A", "eyJhbGciOiJSUzI1NiJ9." RFC_CLAIMS "."};
	struct jwt_check check = check_at(RFC_EXP_MS);
	char *token;
	struct jwt jwt;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_non_null(read_exact(&jwt, bad[i], strlen(bad[i]), &check));
		jwt_clear(&jwt);
	}
	/* the last character of a 256-byte signature holds two bits: the others must be zero */
	token = strdup(RFC_RS256_TOKEN);
	assert_int_equal(token[strlen(token) - 1], 'w');
	token[strlen(token) - 1] = 'x';
	assert_string_equal(
	    read_exact(&jwt, token, strlen(token), &check), "the token is malformed");
	jwt_clear(&jwt);
	free(token);
}

static void
test_length(void **state)
{
	const size_t around[] = {JWT_MAX - 60, JWT_MAX + 60};
	struct buf claims = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(around); i++) {
		buf_reset(&claims);
		buf_adds(&claims, "{" EXP ",\"pad\":\"");
		while (claims.len < around[i] / 4 * 3 - 45)
			buf_addc(&claims, 'x');
		buf_adds(&claims, "\"}");
		if (i == 0)
			assert_null(fault_of(HS256, buf_str(&claims)));
		else
			expect_fault(HS256, buf_str(&claims), "longer than 8192");
	}
	buf_clear(&claims);
}

/* --- the header --- */

static void
test_header(void **state)
{
	static const char claims[] = "{" EXP "}";
	static const char *const malformed[] = {"", "x", "[]", "\"HS256\"", "null", "{\"alg\"}",
	    "{\"alg\":\"HS256\"", "{\"alg\":\"HS256\"}}", "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
	    "{\"alg\":\"none\",\"alg\":\"HS256\"}", "{\"alg\":\"HS256\",\"a\\u006cg\":\"HS256\"}",
	    "\xef\xbb\xbf{\"alg\":\"HS256\"}", "{\"alg\":\"HS256\",\"x\":\"\xff\"}"};
	static const char *const others[] = {"{}", "{\"alg\":null}", "{\"alg\":1}",
	    "{\"alg\":[\"HS256\"]}", "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"\"}",
	    "{\"alg\":\"hs256\"}", "{\"alg\":\"HS256 \"}", "{\"alg\":\"HS256\\u0000\"}",
	    "{\"alg\":\"HS512\"}", "{\"alg\":\"PS256\"}", "{\"Alg\":\"HS256\"}"};
	static const char *const critical[] = {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
	    "{\"alg\":\"HS256\",\"crit\":[]}", "{\"alg\":\"HS256\",\"crit\":null}",
	    "{\"crit\":[\"b64\"],\"b64\":false,\"alg\":\"HS256\"}"};

	(void)state;
	for (size_t i = 0; i < COUNT(malformed); i++)
		expect_fault(malformed[i], claims, "malformed");
	for (size_t i = 0; i < COUNT(others); i++)
		expect_fault(others[i], claims, "algorithm");
	for (size_t i = 0; i < COUNT(critical); i++)
		expect_fault(critical[i], claims, "critical");
	assert_null(fault_of("{\"typ\":\"JWT\",\"kid\":\"1\",\"alg\":\"HS256\"}", claims));
	assert_null(fault_of(" { \"x\": {\"y\": [{}]}, \"\\u0061lg\" : \"HS256\" } ", claims));
}

/* A token names the algorithm, but the key decides. */
static void
test_confusion(void **state)
{
	static const char *const pems[] = {rfc_rsa_pem, rfc_ec_pem, rfc_ed25519_pem};
	static const char *const algs[] = {"RS256", "ES256", "EdDSA"};
	struct jwt jwt;

	(void)state;
	for (size_t i = 0; i < COUNT(pems); i++) {
		struct jwt_check all = check_at(NOW * 1000);
		struct jwt_check alone = {.keys = &keys[i + 1], .nkeys = 1, .now_ms = NOW * 1000};
		char *token, header[40];

		/* the public key, which is no secret, as the secret of an HMAC */
		token = hmac_token(HS256, "{" EXP "}", pems[i], strlen(pems[i]));
		assert_non_null(strstr(
		    read_exact(&jwt, token, strlen(token), &alone), "algorithm is not that"));
		assert_non_null(
		    strstr(read_exact(&jwt, token, strlen(token), &all), "not of any key"));
		free(token);
		/* an HMAC by the true secret in the name of another algorithm */
		snprintf(header, sizeof header, "{\"alg\":\"%s\"}", algs[i]);
		token = hmac_token(header, "{" EXP "}", SECRET, strlen(SECRET));
		assert_non_null(
		    strstr(read_exact(&jwt, token, strlen(token), &all), "not of any key"));
		free(token);
		/* no keys, no entry */
		alone.nkeys = 0;
		assert_non_null(read_exact(&jwt, RFC_ES256_TOKEN, strlen(RFC_ES256_TOKEN), &alone));
	}
}

static void
test_rotation(void **state)
{
	static const char newer[] = "another secret, which is to replace it";
	struct jwt_key *both[] = {keys[0], key_of(newer, strlen(newer))};
	char *tokens[] = {hmac_token(HS256, "{" EXP "}", SECRET, strlen(SECRET)),
	    hmac_token(HS256, "{" EXP "}", newer, strlen(newer)),
	    hmac_token(HS256, "{" EXP "}", "neither of them", 15)};
	struct jwt jwt;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < 3; k++) {
			struct jwt_check check = {
			    .keys = both + k % 2, .nkeys = k < 2 ? 1 : 2, .now_ms = NOW * 1000};

			assert_int_equal(
			    read_exact(&jwt, tokens[i], strlen(tokens[i]), &check) == NULL,
			    i < 2 && (k == 2 || i == k));
			jwt_clear(&jwt);
		}
		free(tokens[i]);
	}
	jwt_key_free(both[1]);
}

/* --- the claims --- */

static void
test_claims(void **state)
{
	static const char *const malformed[] = {"", "null", "[]", "{" EXP, "{" EXP "}x",
	    "{" EXP "," EXP "}", "{\"sub\":\"a\",\"sub\":\"b\"," EXP "}",
	    "{\"x\":{\"y\":1,\"y\":2}," EXP "}", "{" EXP ",\"x\":\"\xc0\x80\"}"};
	static const char *const wrong[] = {"{\"exp\":\"1700000100\"}", "{\"exp\":true}",
	    "{\"exp\":[1700000100]}", "{" EXP ",\"nbf\":\"1\"}", "{" EXP ",\"nbf\":{}}",
	    "{" EXP ",\"sub\":1}", "{" EXP ",\"sub\":[\"x\"]}", "{" EXP ",\"sub\":\"a\\u0000b\"}",
	    "{" EXP ",\"tenants\":\"any\"}", "{" EXP ",\"tenants\":{\"any\":true}}",
	    "{" EXP ",\"tenants\":[1]}", "{" EXP ",\"tenants\":[[\"any\"]]}",
	    "{" EXP ",\"tenants\":[null]}", "{" EXP ",\"tenants\":[\"any\\u0000\"]}",
	    "{" EXP ",\"permissions\":\"*.*\"}", "{" EXP ",\"permissions\":[{}]}",
	    "{" EXP ",\"permissions\":[\"*.*\\u0000x\"]}"};

	(void)state;
	for (size_t i = 0; i < COUNT(malformed); i++)
		expect_fault(HS256, malformed[i], "malformed");
	for (size_t i = 0; i < COUNT(wrong); i++)
		expect_fault(HS256, wrong[i], "wrong type");
	expect_fault(HS256, "{}", "does not say when it expires");
	expect_fault(HS256, "{\"exp\":null}", "does not say when it expires");
	expect_fault(HS256, "{\"Exp\":1700000100}", "does not say when it expires");
	/* iat says nothing about validity; the unknown is ignored */
	assert_null(fault_of(HS256, "{" EXP ",\"iat\":9e99,\"jti\":7,\"scope\":[{}]}"));
	assert_null(fault_of(HS256, "{" EXP ",\"sub\":null,\"nbf\":null,\"tenants\":null}"));
}

static const char *
time_fault(const char *claims, int64_t now_ms)
{
	struct jwt_check check = check_at(now_ms);
	char *token = hmac_token(HS256, claims, SECRET, strlen(SECRET));
	struct jwt jwt;
	const char *why = read_exact(&jwt, token, strlen(token), &check);

	/* what is remembered is judged in the same way */
	assert_true(why == jwt_time_fault(&jwt, now_ms));
	jwt_clear(&jwt);
	free(token);
	return why;
}

static void
test_times(void **state)
{
	static const char claims[] = "{\"nbf\":1700000000,\"exp\":1700000100}";

	(void)state;
	assert_null(time_fault(claims, 1700000129999));
	assert_string_equal(time_fault(claims, 1700000130000), "the token has expired");
	assert_null(time_fault(claims, 1699999970000));
	assert_string_equal(time_fault(claims, 1699999969999), "the token is not valid yet");
	assert_null(time_fault("{\"exp\":1700000100.5}", 1700000130499));
	assert_non_null(time_fault("{\"exp\":1700000100.5}", 1700000130500));
	assert_null(time_fault("{\"exp\":1.7e9}", 1700000029999));
	assert_non_null(time_fault("{\"exp\":1.7e9}", 1700000030000));
	assert_non_null(time_fault("{\"exp\":0}", NOW * 1000));
	assert_non_null(time_fault("{\"exp\":-1}", NOW * 1000));
	assert_non_null(time_fault("{\"exp\":-1e400}", NOW * 1000));
	assert_null(time_fault("{\"exp\":1e400}", NOW * 1000));
	assert_null(time_fault("{\"exp\":99999999999999999999999}", NOW * 1000));
	assert_null(time_fault("{\"exp\":1e400,\"nbf\":-1e400}", NOW * 1000));
	assert_non_null(time_fault("{\"exp\":1e400,\"nbf\":1e400}", NOW * 1000));
}

static const char *
expected_fault(const char *claims, const char *issuer, const char *audience)
{
	struct jwt_check check = check_at(NOW * 1000);
	char *token = hmac_token(HS256, claims, SECRET, strlen(SECRET));
	struct jwt jwt;
	const char *why;

	check.issuer = issuer;
	check.audience = audience;
	why = read_exact(&jwt, token, strlen(token), &check);
	jwt_clear(&jwt);
	free(token);
	return why;
}

static void
test_issuer_and_audience(void **state)
{
	static const char *const no_issuer[] = {"{" EXP "}", "{" EXP ",\"iss\":null}",
	    "{" EXP ",\"iss\":\"\"}", "{" EXP ",\"iss\":\"joe2\"}", "{" EXP ",\"iss\":\"Joe\"}",
	    "{" EXP ",\"iss\":[\"joe\"]}", "{" EXP ",\"iss\":\"joe\\u0000\"}"};
	static const char *const no_audience[] = {"{" EXP "}", "{" EXP ",\"aud\":null}",
	    "{" EXP ",\"aud\":\"me2\"}", "{" EXP ",\"aud\":[]}", "{" EXP ",\"aud\":[\"you\"]}",
	    "{" EXP ",\"aud\":[[\"me\"]]}", "{" EXP ",\"aud\":{\"me\":1}}", "{" EXP ",\"aud\":1}"};

	(void)state;
	for (size_t i = 0; i < COUNT(no_issuer); i++) {
		assert_string_equal(
		    expected_fault(no_issuer[i], "joe", NULL), "the token is of another issuer");
		assert_null(expected_fault(no_issuer[i], NULL, NULL));
	}
	for (size_t i = 0; i < COUNT(no_audience); i++) {
		assert_string_equal(expected_fault(no_audience[i], NULL, "me"),
		    "the token is for another audience");
		assert_null(expected_fault(no_audience[i], NULL, NULL));
	}
	assert_null(expected_fault("{" EXP ",\"iss\":\"joe\",\"aud\":\"me\"}", "joe", "me"));
	assert_null(
	    expected_fault("{" EXP ",\"iss\":\"joe\",\"aud\":[\"you\",\"me\"]}", "joe", "me"));
}

/* --- what is granted --- */

static bool
tenant_of(const char *tenants)
{
	struct uuid tenant;
	struct buf claims = {0};
	struct jwt jwt;
	bool has;

	assert_int_equal(uuid_parse(&tenant, TENANT, UUID_LEN), 0);
	buf_printf(&claims, "{" EXP ",\"tenants\":%s}", tenants);
	jwt = good(buf_str(&claims));
	has = jwt_has_tenant(&jwt, &tenant);
	jwt_clear(&jwt);
	buf_clear(&claims);
	return has;
}

static void
test_tenants(void **state)
{
	static const char *const granted[] = {"[\"any\"]", "[\"" TENANT "\"]",
	    "[\"6BA7B810-9DAD-41D1-80B4-00C04FD430C8\"]",
	    "[\"00000000-0000-0000-0000-000000000000\",\"" TENANT "\"]",
	    "[\"00000000-0000-0000-0000-000000000000\",\"any\"]"};
	static const char *const denied[] = {"null", "[]", "[\"\"]", "[\"ANY\"]", "[\"*\"]",
	    "[\"any \"]", "[\"6ba7b810\"]", "[\" " TENANT "\"]", "[\"{" TENANT "}\"]",
	    "[\"00000000-0000-0000-0000-000000000000\"]"};

	(void)state;
	for (size_t i = 0; i < COUNT(granted); i++)
		assert_true(tenant_of(granted[i]));
	for (size_t i = 0; i < COUNT(denied); i++)
		assert_false(tenant_of(denied[i]));
}

static bool
permission_of(const char *permissions)
{
	struct buf claims = {0};
	struct jwt jwt;
	bool has;

	buf_printf(&claims, "{" EXP ",\"permissions\":%s}", permissions);
	jwt = good(buf_str(&claims));
	has = jwt_has_permission(&jwt, "diverted-events", "read");
	jwt_clear(&jwt);
	buf_clear(&claims);
	return has;
}

static void
test_permissions(void **state)
{
	static const char *const granted[] = {"[\"diverted-events.read\"]",
	    "[\"diverted-events.*\"]", "[\"*.*\"]", "[\"x\",\"events.read\",\"*.*\"]",
	    "[\"diverted-events.list\",\"diverted-events.read\"]"};
	static const char *const denied[] = {"null", "[]", "[\"\"]", "[\"*\"]", "[\"*.read\"]",
	    "[\"*.*.*\"]", "[\"events.read\"]", "[\"events.*\"]", "[\"diverted-events\"]",
	    "[\"diverted-events.\"]", "[\"diverted-events.rea\"]", "[\"diverted-events.read2\"]",
	    "[\"diverted-events.list\"]", "[\"diverted-events.**\"]", "[\"diverted-*.read\"]",
	    "[\"Diverted-Events.read\"]", "[\"diverted-events.read \"]",
	    "[\"diverted-eventsxread\"]"};

	(void)state;
	for (size_t i = 0; i < COUNT(granted); i++)
		assert_true(permission_of(granted[i]));
	for (size_t i = 0; i < COUNT(denied); i++)
		assert_false(permission_of(denied[i]));
}

static void
test_sub(void **state)
{
	struct jwt jwt = good("{" EXP ",\"sub\":\"" TENANT "\"}");

	(void)state;
	assert_string_equal(jwt.sub, TENANT);
	jwt_clear(&jwt);
	jwt = good("{" EXP ",\"sub\":\"\\u20ac\\n\"}");
	assert_string_equal(jwt.sub, "\xe2\x82\xac\n");
	jwt_clear(&jwt);
	jwt = good("{" EXP "}");
	assert_string_equal(jwt.sub, "");
	jwt_clear(&jwt);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc_tokens),
	    cmocka_unit_test(test_every_cut),
	    cmocka_unit_test(test_every_character),
	    cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_length),
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_confusion),
	    cmocka_unit_test(test_rotation),
	    cmocka_unit_test(test_claims),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_issuer_and_audience),
	    cmocka_unit_test(test_tenants),
	    cmocka_unit_test(test_permissions),
	    cmocka_unit_test(test_sub),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
