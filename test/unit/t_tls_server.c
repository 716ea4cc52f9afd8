/* TLS for the API's listeners: what a handshake may cost, what is refused, how long tickets count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/tls_server.h"
#include "test/unit/cert.h"

#define DAY 86400L
#define HOUR_MS (INT64_C(3600) * 1000)
#define HANDSHAKES 20
#define CPU_NS 3000000 /* what one may cost on average */

static char file[] = "/tmp/t_tls_server.XXXXXX";
static struct tls_server *tls;

static int
group_setup(void **state)
{
	struct cert cert = cert_new(NULL, "Test", "DNS:localhost", -DAY, DAY);
	char *why = NULL;
	FILE *pem;

	(void)state;
	close(mkstemp(file));
	cert_write(&cert, file);
	pem = fopen(file, "a");
	PEM_write_PrivateKey(pem, cert.key, NULL, NULL, 0, NULL, NULL);
	fclose(pem);
	cert_clear(&cert);
	tls = tls_server_new(file, file, &why);
	return tls != NULL ? 0 : -1;
}

static int
group_teardown(void **state)
{
	(void)state;
	tls_server_free(tls);
	unlink(file);
	return 0;
}

/* --- two ends in memory --- */

struct pair {
	SSL_CTX *ctx;
	SSL *client, *server;
};

static void
pair_open(struct pair *pair, int version, const char *groups, const char *ciphers)
{
	BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());

	pair->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(pair->ctx, 0);
	SSL_CTX_set_min_proto_version(pair->ctx, version);
	SSL_CTX_set_max_proto_version(pair->ctx, version);
	if (groups != NULL)
		assert_int_equal(SSL_CTX_set1_groups_list(pair->ctx, groups), 1);
	if (ciphers != NULL)
		assert_int_equal(SSL_CTX_set_cipher_list(pair->ctx, ciphers), 1);
	pair->client = SSL_new(pair->ctx);
	pair->server = tls_server_accept(tls);
	BIO_up_ref(to_server);
	BIO_up_ref(to_client);
	SSL_set_bio(pair->client, to_client, to_server);
	SSL_set_bio(pair->server, to_server, to_client);
	SSL_set_connect_state(pair->client);
	SSL_set_accept_state(pair->server);
}

static void
pair_close(struct pair *pair)
{
	SSL_free(pair->client);
	SSL_free(pair->server);
	SSL_CTX_free(pair->ctx);
	ERR_clear_error();
}

static int64_t
cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Shakes hands to the end of it; whether both are content, and the time that the server's side
 * took. */
static bool
pair_shake(struct pair *pair, int64_t *server_ns)
{
	int client = 0, server = 0, i;
	int64_t since;

	for (i = 0; i < 10 && (client != 1 || server != 1); i++) {
		client = SSL_do_handshake(pair->client);
		since = cpu_ns();
		server = SSL_do_handshake(pair->server);
		*server_ns += cpu_ns() - since;
		if (server != 1 && SSL_get_error(pair->server, server) != SSL_ERROR_WANT_READ)
			return false;
	}
	return client == 1 && server == 1;
}

/* --- what it costs --- */

struct hostile {
	int version;
	const char *groups, *ciphers;
	bool served;
};

static const struct hostile hostile[] = {
    {TLS1_3_VERSION, "ffdhe8192", NULL, false},
    {TLS1_3_VERSION, "ffdhe6144", NULL, false},
    {TLS1_3_VERSION, "ffdhe4096", NULL, false},
    {TLS1_3_VERSION, "ffdhe2048", NULL, false},
    {TLS1_3_VERSION, "P-521", NULL, false},
    {TLS1_3_VERSION, "X448", NULL, false},
    {TLS1_3_VERSION, "ffdhe8192:X25519", NULL, true}, /* by way of a second hello */
    {TLS1_3_VERSION, "P-521:P-256", NULL, true},
    {TLS1_2_VERSION, "P-521:P-256", NULL, true},
    {TLS1_2_VERSION, "X448:P-256", NULL, true},
    {TLS1_2_VERSION, NULL, "DHE", false},
    {TLS1_2_VERSION, NULL, "kRSA", false},
    {TLS1_2_VERSION, "brainpoolP512r1", NULL, false},
};

static void
test_hostile_handshakes(void **state)
{
	const struct hostile *hello;
	struct pair pair;
	int64_t ns;
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
		hello = &hostile[i];
		ns = 0;
		for (n = 0; n < HANDSHAKES; n++) {
			pair_open(&pair, hello->version, hello->groups, hello->ciphers);
			assert_int_equal(pair_shake(&pair, &ns), hello->served);
			pair_close(&pair);
		}
		if (ns >= CPU_NS * HANDSHAKES)
			print_error("%s %s: %lld us a handshake\n",
			    hello->groups != NULL ? hello->groups : "",
			    hello->ciphers != NULL ? hello->ciphers : "",
			    (long long)(ns / HANDSHAKES / 1000));
		assert_true(ns < CPU_NS * HANDSHAKES);
	}
}

static void
test_groups_that_are_spoken(void **state)
{
	static const char *const groups[] = {"X25519:P-256", "P-256", "P-384:P-256", NULL};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct pair pair;
	int64_t ns = 0;
	size_t i, v;

	(void)state;
	for (v = 0; v < 2; v++) {
		for (i = 0; i < 4; i++) {
			pair_open(&pair, versions[v], groups[i], NULL);
			assert_true(pair_shake(&pair, &ns));
			pair_close(&pair);
		}
	}
	pair_open(&pair, TLS1_1_VERSION, NULL, NULL);
	assert_false(pair_shake(&pair, &ns));
	pair_close(&pair);
}

/* A client may ask for other keys, but not for another handshake. */
static void
test_no_renegotiation(void **state)
{
	struct pair pair;
	int64_t ns = 0;
	char byte;

	(void)state;
	pair_open(&pair, TLS1_2_VERSION, NULL, NULL);
	assert_true(pair_shake(&pair, &ns));
	SSL_renegotiate(pair.client);
	SSL_do_handshake(pair.client);
	SSL_read(pair.server, &byte, 1);
	SSL_do_handshake(pair.client);
	SSL_read(pair.server, &byte, 1);
	assert_int_not_equal(SSL_do_handshake(pair.client), 1);
	pair_close(&pair);
}

/* --- tickets --- */

/* A new session's ticket: what the client may come back with. */
static SSL_SESSION *
get_session(int version)
{
	SSL_SESSION *session;
	struct pair pair;
	int64_t ns = 0;
	char byte = 'x';

	pair_open(&pair, version, NULL, NULL);
	assert_true(pair_shake(&pair, &ns));
	SSL_write(pair.server, &byte, 1);
	SSL_read(pair.client, &byte, 1); /* takes the tickets of TLS 1.3 in */
	SSL_shutdown(pair.client);
	session = SSL_get1_session(pair.client);
	pair_close(&pair);
	return session;
}

static bool
is_resumed(SSL_SESSION *session, int version)
{
	struct pair pair;
	int64_t ns = 0;
	bool resumed;

	pair_open(&pair, version, NULL, NULL);
	SSL_set_session(pair.client, session);
	assert_true(pair_shake(&pair, &ns));
	resumed = SSL_session_reused(pair.server) == 1;
	SSL_shutdown(pair.client); /* or the session counts as broken */
	pair_close(&pair);
	return resumed;
}

static void
test_tickets_end_with_their_keys(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	SSL_SESSION *first, *second;
	size_t v;

	(void)state;
	for (v = 0; v < 2; v++) {
		clock_override(clock_mono_ms() + 100 * HOUR_MS, 0);
		first = get_session(versions[v]);
		assert_true(is_resumed(first, versions[v]));
		clock_override(clock_mono_ms() + HOUR_MS + 1, 0); /* now there is another key */
		second = get_session(versions[v]);
		assert_true(is_resumed(first, versions[v]));
		assert_true(is_resumed(second, versions[v]));
		clock_override(clock_mono_ms() + HOUR_MS + 1, 0);
		assert_false(is_resumed(first, versions[v]));
		assert_true(is_resumed(second, versions[v]));
		SSL_SESSION_free(first);
		first = get_session(versions[v]);
		clock_override(clock_mono_ms() + 3 * HOUR_MS, 0); /* nobody came for long */
		assert_false(is_resumed(first, versions[v]));
		assert_false(is_resumed(second, versions[v]));
		SSL_SESSION_free(first);
		SSL_SESSION_free(second);
	}
	clock_override(-1, -1);
}

/* A certificate that is replaced takes the sessions with it. */
static void
test_tickets_end_with_a_reload(void **state)
{
	SSL_SESSION *session = get_session(TLS1_3_VERSION);
	char *why = NULL;

	(void)state;
	assert_true(is_resumed(session, TLS1_3_VERSION));
	assert_int_equal(tls_server_reload(tls, &why), 0);
	assert_false(is_resumed(session, TLS1_3_VERSION));
	SSL_SESSION_free(session);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hostile_handshakes),
	    cmocka_unit_test(test_groups_that_are_spoken),
	    cmocka_unit_test(test_no_renegotiation),
	    cmocka_unit_test(test_tickets_end_with_their_keys),
	    cmocka_unit_test(test_tickets_end_with_a_reload),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
