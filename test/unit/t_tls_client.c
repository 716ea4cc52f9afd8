/* TLS to endpoints: what a hostile one may cost, whose name counts, how long a session does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deliver/tls.h"
#include "test/unit/cert.h"

#define DAY 86400L
#define HANDSHAKES 5
#define CPU_NS 3000000 /* what one may cost on average */

static char ca_path[] = "/tmp/t_tls_client.XXXXXX";
static struct cert ca;
static struct tls *tls;
static struct url url;

static int
group_setup(void **state)
{
	const char *why = NULL;
	char *fault = NULL;

	(void)state;
	close(mkstemp(ca_path));
	ca = cert_new(NULL, "Test CA", NULL, -DAY, DAY);
	cert_write(&ca, ca_path);
	tls = tls_new(ca_path, &fault);
	return tls != NULL && url_parse(&url, "https://a.test/", 15, &why) == 0 ? 0 : -1;
}

static int
group_teardown(void **state)
{
	(void)state;
	tls_free(tls);
	cert_clear(&ca);
	unlink(ca_path);
	return 0;
}

/* --- two ends in memory --- */

struct pair {
	SSL *client, *server;
	int64_t client_ns;
};

static int64_t
cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Shakes hands to the end of it; whether both are content. */
static bool
pair_shake(struct pair *pair, SSL_CTX *ctx, bool verify, SSL_SESSION **slot)
{
	BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
	int client = 0, server = 0;

	pair->client = tls_client(tls, &url, verify);
	pair->server = SSL_new(ctx);
	tls_keep_session(pair->client, slot);
	BIO_up_ref(to_server);
	BIO_up_ref(to_client);
	SSL_set_bio(pair->client, to_client, to_server);
	SSL_set_bio(pair->server, to_server, to_client);
	SSL_set_connect_state(pair->client);
	SSL_set_accept_state(pair->server);
	for (int i = 0; i < 10 && (client != 1 || server != 1); i++) {
		int64_t since = cpu_ns();

		client = SSL_do_handshake(pair->client);
		pair->client_ns += cpu_ns() - since;
		if (client != 1 && SSL_get_error(pair->client, client) != SSL_ERROR_WANT_READ)
			break;
		server = SSL_do_handshake(pair->server);
		if (server != 1 && SSL_get_error(pair->server, server) != SSL_ERROR_WANT_READ)
			break;
	}
	return client == 1 && server == 1;
}

static void
pair_close(struct pair *pair)
{
	tls_keep_session(pair->client, NULL);
	SSL_set_shutdown(pair->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(pair->client);
	SSL_free(pair->server);
	ERR_clear_error();
}

/* --- what it costs --- */

/* A key that nobody has: it signs nonsense, which costs whoever checks it as much as sense. */
static EVP_PKEY *
nonsense_key(int bits, const char *exponent)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *n = BN_new(), *e = NULL, *d = BN_new();
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;

	BN_rand(n, bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
	BN_hex2bn(&e, exponent);
	BN_set_word(d, 3);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, d);
	params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_fromdata_init(ctx);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(e);
	BN_free(d);
	return key;
}

static EVP_PKEY *
dh_params(const char *group)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_utf8_string(
				    OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0),
	    OSSL_PARAM_construct_end()};
	EVP_PKEY *key = NULL;

	EVP_PKEY_paramgen_init(ctx);
	EVP_PKEY_CTX_set_params(ctx, params);
	assert_int_equal(EVP_PKEY_paramgen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* Average CPU of our side, with and without verifying; the endpoint is refused either way. */
static void
expect_cheap_refusal(SSL_CTX *ctx, const char *what)
{
	struct pair pair = {0};

	for (int i = 0; i < HANDSHAKES; i++) {
		assert_false(pair_shake(&pair, ctx, i % 2 == 0, NULL));
		pair_close(&pair);
	}
	if (pair.client_ns >= CPU_NS * HANDSHAKES)
		print_error("%s: %lld us a handshake\n", what,
		    (long long)(pair.client_ns / HANDSHAKES / 1000));
	assert_true(pair.client_ns < CPU_NS * HANDSHAKES);
	SSL_CTX_free(ctx);
}

static void
test_large_groups(void **state)
{
	struct cert cert = cert_new_with(EVP_RSA_gen(2048), &ca, "server", "DNS:a.test", -DAY, DAY);
	SSL_CTX *ctx = cert_server(&cert, TLS1_2_VERSION, TLS1_2_VERSION);

	(void)state;
	SSL_CTX_set_cipher_list(ctx, "kDHE");
	SSL_CTX_set0_tmp_dh_pkey(ctx, dh_params("ffdhe8192"));
	expect_cheap_refusal(ctx, "TLS 1.2 DHE");
	ctx = cert_server(&cert, TLS1_3_VERSION, TLS1_3_VERSION);
	SSL_CTX_set1_groups_list(ctx, "ffdhe8192"); /* by way of a second hello */
	expect_cheap_refusal(ctx, "TLS 1.3 ffdhe8192");
	ctx = cert_server(&cert, TLS1_3_VERSION, TLS1_3_VERSION);
	SSL_CTX_set1_groups_list(ctx, "P-521:X448");
	expect_cheap_refusal(ctx, "TLS 1.3 P-521");
	cert_clear(&cert);
}

static void
test_large_keys(void **state)
{
	static const struct {
		int bits;
		const char *exponent;
	} keys[] = {{16384, "010001"}, {16384, "FFFFFFFFFFFFFFFF"}, {8192, "FFFFFFFFFFFFFFFF"}};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct cert cert = cert_new_with(nonsense_key(keys[i].bits, keys[i].exponent), &ca,
		    "server", "DNS:a.test", -DAY, DAY);

		for (size_t v = 0; v < 2; v++) {
			SSL_CTX *ctx = cert_server(&cert, versions[v], versions[v]);
			struct pair pair = {0};

			assert_false(pair_shake(&pair, ctx, false, NULL));
			assert_int_equal(SSL_get_verify_result(pair.client), TLS_KEY_TOO_LARGE);
			pair_close(&pair);
			expect_cheap_refusal(ctx, keys[i].exponent);
		}
		cert_clear(&cert);
	}
}

/* A chain of more bytes than any honest one. */
static void
test_long_chain(void **state)
{
	struct cert cert = cert_new(&ca, "server", "DNS:a.test", -DAY, DAY);
	SSL_CTX *ctx = cert_server(&cert, 0, 0);
	struct pair pair = {0};

	(void)state;
	assert_true(pair_shake(&pair, ctx, false, NULL));
	pair_close(&pair);
	for (int i = 0; i < 200; i++)
		SSL_CTX_add1_chain_cert(ctx, ca.x509);
	expect_cheap_refusal(ctx, "a long chain");
	cert_clear(&cert);
}

static void
test_what_is_spoken(void **state)
{
	static const char *const groups[] = {"X25519", "P-256", "P-384"};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct cert certs[] = {cert_new(&ca, "server", "DNS:a.test", -DAY, DAY),
	    cert_new_with(EVP_EC_gen("P-384"), &ca, "server", "DNS:a.test", -DAY, DAY),
	    cert_new_with(EVP_RSA_gen(2048), &ca, "server", "DNS:a.test", -DAY, DAY)};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t n = 0; n < 6; n++) {
			SSL_CTX *ctx = cert_server(&certs[i], versions[n % 2], versions[n % 2]);
			struct pair pair = {0};

			SSL_CTX_set1_groups_list(ctx, groups[n / 2]);
			assert_true(pair_shake(&pair, ctx, true, NULL));
			pair_close(&pair);
			SSL_CTX_free(ctx);
		}
		cert_clear(&certs[i]);
	}
}

/* --- names --- */

/* The subject's CN is not looked at (RFC 9525, 2), whatever else the certificate names. */
static void
test_names(void **state)
{
	static const struct {
		const char *cn, *san;
		bool good;
	} cases[] = {{"server", "DNS:a.test", true}, {"a.test", "IP:127.0.0.1", false},
	    {"a.test", "email:a@a.test", false}, {"a.test", "DNS:b.test", false},
	    {"a.test", NULL, false}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cert cert = cert_new(&ca, cases[i].cn, cases[i].san, -DAY, DAY);
		SSL_CTX *ctx = cert_server(&cert, 0, 0);
		struct pair pair = {0};

		assert_int_equal(pair_shake(&pair, ctx, true, NULL), cases[i].good);
		if (!cases[i].good)
			assert_int_equal(
			    SSL_get_verify_result(pair.client), X509_V_ERR_HOSTNAME_MISMATCH);
		pair_close(&pair);
		SSL_CTX_free(ctx);
		cert_clear(&cert);
	}
}

/* --- sessions --- */

/* A handshake after which a session is in the slot. */
static bool
session_from(SSL_CTX *ctx, SSL_SESSION **slot)
{
	struct pair pair = {0};
	bool resumed;
	char byte;

	assert_true(pair_shake(&pair, ctx, true, slot));
	SSL_write(pair.server, "x", 1);
	SSL_read(pair.client, &byte, 1); /* takes the tickets of TLS 1.3 in */
	resumed = SSL_session_reused(pair.client) == 1;
	pair_close(&pair);
	return resumed;
}

/* A session is not offered when the certificate that it stands for is over. */
static void
test_session_ends_with_its_certificate(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct cert cert = cert_new(&ca, "server", "DNS:a.test", -DAY, 300);

	(void)state;
	for (size_t v = 0; v < 2; v++) {
		SSL_CTX *ctx = cert_server(&cert, versions[v], versions[v]);
		SSL_SESSION *session = NULL;

		SSL_CTX_set_timeout(ctx, 10 * DAY);
		assert_false(session_from(ctx, &session));
		assert_non_null(session);
		assert_in_range(SSL_SESSION_get_timeout(session), 1, 300);
		assert_true(session_from(ctx, &session));
		assert_in_range(SSL_SESSION_get_timeout(session), 1, 300);
#if OPENSSL_VERSION_NUMBER >= 0x30400000L
		SSL_SESSION_set_time_ex(session, time(NULL) - 301);
#else
		SSL_SESSION_set_time(session, time(NULL) - 301);
#endif
		assert_false(session_from(ctx, &session));
		assert_non_null(session); /* another one */
		SSL_SESSION_free(session);
		SSL_CTX_free(ctx);
	}
	cert_clear(&cert);
}

/* --- the CA file --- */

static void
test_reload(void **state)
{
	struct cert other = cert_new(NULL, "Other CA", NULL, -DAY, DAY);
	struct cert cert = cert_new(&other, "server", "DNS:a.test", -DAY, DAY);
	SSL_CTX *ctx = cert_server(&cert, 0, 0);
	struct pair pair = {0};
	char *why = NULL;

	(void)state;
	assert_false(pair_shake(&pair, ctx, true, NULL));
	pair_close(&pair);
	cert_write(&other, ca_path);
	assert_int_equal(tls_reload(tls, &why), 0);
	assert_true(pair_shake(&pair, ctx, true, NULL));
	pair_close(&pair);
	unlink(ca_path); /* one that is gone leaves what was read before */
	assert_int_equal(tls_reload(tls, &why), -1);
	assert_non_null(strstr(why, ca_path));
	free(why);
	assert_true(pair_shake(&pair, ctx, true, NULL));
	pair_close(&pair);
	SSL_CTX_free(ctx);
	cert_clear(&cert);
	cert_clear(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_large_groups),
	    cmocka_unit_test(test_large_keys),
	    cmocka_unit_test(test_long_chain),
	    cmocka_unit_test(test_what_is_spoken),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_session_ends_with_its_certificate),
	    cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
