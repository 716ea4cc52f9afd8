/* POSTs over TLS: who is trusted, what is said of who is not, sessions, the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/cert.h"
#include "test/unit/peer.h"

#define DAY 86400L
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static char ca_path[] = "/tmp/t_post_tls.XXXXXX";
static struct cert ca, other_ca;
static struct try t;
static struct tried a, b;

static int
group_setup(void **state)
{
	(void)state;
	close(mkstemp(ca_path));
	ca = cert_new(NULL, "Test CA", NULL, -DAY, DAY);
	other_ca = cert_new(NULL, "Other CA", NULL, -DAY, DAY);
	cert_write(&ca, ca_path);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	cert_clear(&ca);
	cert_clear(&other_ca);
	unlink(ca_path);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	try_init(&t);
	t.opts.ca_file = ca_path;
	try_start(&t);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	try_clear(&t);
	return 0;
}

static struct peer *
server(const struct peer_act *act, const struct cert *issuer, const char *san, long from, long to,
    int max_version)
{
	struct peer *peer = peer_new(t.base, act, 1);
	struct cert cert = cert_new(issuer, "server", san, from, to);

	peer_set_tls(peer, cert_server(&cert, 0, max_version));
	cert_clear(&cert);
	return peer;
}

/* One POST to https://127.0.0.1; message NULL: it is answered. */
static void
expect(const struct cert *issuer, const char *san, long from, long to, const char *message)
{
	const struct peer_act act = {.send = OK};
	struct peer *peer = server(&act, issuer, san, from, to, 0);

	tried_start(&a, &t, true, "{}", 2, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_string_equal(a.message, message != NULL ? message : "");
	assert_int_equal(a.result.status, message != NULL ? 0 : 200);
	assert_int_equal(peer_requests(peer), message != NULL ? 0 : 1);
	assert_true(a.result.connect_us >= 0);
	/* Whoever does not verify does not mind. */
	tried_start(&a, &t, false, "{}", 2, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_false(a.result.reused); /* never a verified POST's connection, nor the reverse */
	assert_true(a.result.tls_us > 0);
	tried_start(&a, &t, true, "{}", 2, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_string_equal(a.message, message != NULL ? message : "");
	assert_int_equal(a.result.reused, message == NULL);
	peer_free(peer);
}

static void
test_verify(void **state)
{
	(void)state;
	expect(&ca, "IP:127.0.0.1", -DAY, DAY, NULL);
	expect(&ca, "DNS:127.0.0.1,IP:127.0.0.2", -DAY, DAY,
	    "TLS: the certificate is for another IP address");
	expect(&ca, "IP:127.0.0.1", -DAY, -1, "TLS: certificate has expired");
	expect(&ca, "IP:127.0.0.1", DAY, 2 * DAY, "TLS: certificate is not yet valid");
	expect(&other_ca, "IP:127.0.0.1", -DAY, DAY, "TLS: unable to get local issuer certificate");
	expect(NULL, "IP:127.0.0.1", -DAY, DAY, "TLS: self-signed certificate");
}

/* Names: from the cache of names, without DNS: /etc/hosts has localhost everywhere. */
static void
test_names(void **state)
{
	const struct peer_act act = {.send = OK};
	static const struct {
		const char *san, *message;
	} cases[] = {{"DNS:localhost", ""}, {"DNS:LOCALHOST,DNS:x.test", ""},
	    {"DNS:other.test,IP:127.0.0.1", "TLS: the certificate is for another host name"},
	    {"DNS:local*", "TLS: the certificate is for another host name"}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct peer *peer = server(&act, &ca, cases[i].san, -DAY, DAY, 0);

		tried_start(&a, &t, true, "", 0, 5000, "https://localhost:%u/", peer_port(peer));
		tried_wait(&a);
		assert_string_equal(a.message, cases[i].message);
		peer_free(peer);
	}
}

static int
on_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char *seen = arg;

	(void)alert;
	strcpy(seen, name != NULL ? name : "-");
	return SSL_TLSEXT_ERR_OK;
}

static void
test_server_name(void **state)
{
	const struct peer_act act = {.send = OK};
	struct peer *peer = peer_new(t.base, &act, 1);
	struct cert cert = cert_new(&ca, "server", "DNS:localhost,IP:127.0.0.1", -DAY, DAY);
	SSL_CTX *ctx = cert_server(&cert, 0, 0);
	char seen[64] = "";

	(void)state;
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, seen);
	peer_set_tls(peer, ctx);
	cert_clear(&cert);
	tried_start(&a, &t, true, "", 0, 5000, "https://localhost:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_string_equal(seen, "localhost");
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_string_equal(seen, "-");
	peer_free(peer);
}

static void
test_failures(void **state)
{
	const struct peer_act ok = {.send = OK};
	const struct peer_act close_at_once = {.end = PEER_CLOSE, .at_accept = true};
	const struct peer_act reset_at_once = {.end = PEER_RESET, .at_accept = true};
	const struct peer_act plain = {
	    .send = "HTTP/1.0 400 Bad\r\n\r\n", .at_accept = true, .end = PEER_CLOSE};
	const struct peer_act silent = {0};
	struct peer *peer = server(&ok, &ca, "IP:127.0.0.1", -DAY, DAY, TLS1_1_VERSION);
	unsigned port;

	(void)state;
	tried_start(&a, &t, false, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_memory_equal(a.message, "TLS handshake failed: ", 22);
	peer_free(peer);

	peer = peer_new(t.base, &close_at_once, 1);
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_memory_equal(a.message, "TLS handshake failed: ", 22);
	peer_free(peer);

	peer = peer_new(t.base, &reset_at_once, 1);
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 0);
	assert_string_not_equal(a.message, "");
	peer_free(peer);

	peer = peer_new(t.base, &plain, 1);
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_string_equal(a.message, "TLS handshake failed: wrong version number");
	peer_free(peer);

	peer = peer_new(t.base, &silent, 1);
	port = peer_port(peer);
	tried_start(&a, &t, true, "", 0, 200, "https://127.0.0.1:%u/", port);
	tried_wait(&a);
	assert_string_equal(a.message, "timed out in the TLS handshake");
	assert_true(a.result.timed_out);
	peer_free(peer);
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", port);
	tried_wait(&a);
	assert_string_equal(a.message, "connection refused");
}

/* A second connection to the same endpoint resumes the first one's session. */
static void
test_sessions(void **state)
{
	const struct peer_act act = {.send = OK};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct peer *peer = server(&act, &ca, "IP:127.0.0.1", -DAY, DAY, versions[i]);

		tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
		tried_wait(&a);
		for (int n = 0; n < 2; n++) { /* two at once: one reuses, the other resumes */
			tried_start(
			    &a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
			tried_start(
			    &b, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
			tried_wait(&a);
			tried_wait(&b);
			assert_int_equal(a.result.status, 200);
			assert_int_equal(b.result.status, 200);
		}
		assert_int_equal(peer_accepted(peer), 2);
		assert_int_equal(peer_resumed(peer), 1);
		peer_free(peer);
	}
}

/* A session outlives the connection that brought it. */
static void
test_session_of_closed(void **state)
{
	const struct peer_act acts[] = {{.send = OK}, {0},
	    {.send = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"}};
	struct peer *peer = peer_new(t.base, acts, 3);
	struct cert cert = cert_new(&ca, "server", "IP:127.0.0.1", -DAY, DAY);

	(void)state;
	peer_set_tls(peer, cert_server(&cert, 0, TLS1_2_VERSION));
	cert_clear(&cert);
	tried_start(&b, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&b);
	tried_start(&b, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait_for(&t, peer_requests, peer, 2); /* and gets no answer */
	for (int i = 0; i < 3; i++) {
		tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
		tried_wait(&a);
		assert_int_equal(a.result.status, 200);
	}
	assert_int_equal(peer_accepted(peer), 4);
	assert_int_equal(peer_resumed(peer), 3);
	post_cancel(b.post);
	peer_free(peer);
}

/* Whether a client comes with a session of before; then it gets an alert. */
static int
on_hello(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *data;
	size_t len = 0;
	unsigned *refused = arg;
	bool offered =
	    SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &data, &len) == 1 ||
	    (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &data, &len) == 1 &&
		len > 0);

	if (!offered)
		return SSL_CLIENT_HELLO_SUCCESS;
	++*refused;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

/* A peer that cannot stand its sessions: the POST goes once more without, and no other is offered.
 */
static void
test_unbearable_session(void **state)
{
	const struct peer_act act = {
	    .send = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct peer *peer = peer_new(t.base, &act, 1);
		struct cert cert = cert_new(&ca, "server", "IP:127.0.0.1", -DAY, DAY);
		SSL_CTX *ctx = cert_server(&cert, versions[i], versions[i]);
		unsigned refused = 0;

		SSL_CTX_set_client_hello_cb(ctx, on_hello, &refused);
		peer_set_tls(peer, ctx);
		cert_clear(&cert);
		for (int n = 0; n < 4; n++) {
			tried_start(
			    &a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
			tried_wait(&a);
			assert_string_equal(a.message, "");
		}
		assert_int_equal(refused, 1);
		assert_int_equal(peer_accepted(peer), 5);
		assert_int_equal(peer_resumed(peer), 0);
		peer_free(peer);
	}
}

/* An answer's end, and what a connection without a proper TLS end leaves of it. */
static void
test_bodies(void **state)
{
	const struct peer_act to_the_end = {
	    .send = "HTTP/1.1 200 OK\r\n\r\nall of it", .end = PEER_CLOSE};
	const struct peer_act short_body = {
	    .send = "HTTP/1.1 500 No\r\nContent-Length: 90\r\n\r\nnot all", .end = PEER_CLOSE};
	const struct peer_act nothing = {.end = PEER_CLOSE};
	const struct peer_act ok = {.send = OK};
	size_t len = 2 << 20;
	char *body = calloc(1, len);
	struct peer *peer = server(&to_the_end, &ca, "IP:127.0.0.1", -DAY, DAY, 0);

	(void)state;
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_string_equal(a.body, "all of it");
	peer_free(peer);
	peer = server(&short_body, &ca, "IP:127.0.0.1", -DAY, DAY, 0);
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 500);
	assert_string_equal(a.body, "not all");
	peer_free(peer);
	peer = server(&nothing, &ca, "IP:127.0.0.1", -DAY, DAY, 0);
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 0);
	assert_string_equal(a.message, "closed without an answer");
	peer_free(peer);
	peer = server(&ok, &ca, "IP:127.0.0.1", -DAY, DAY, 0);
	tried_start(&a, &t, true, body, len, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	/* Closed while idle. */
	peer_close_idle(peer);
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_false(a.result.reused);
	peer_free(peer);
	free(body);
}

/* A peer that does nothing but change its keys gets no more than its turn of the loop. */
static void
test_key_changes(void **state)
{
	const struct peer_act silent = {0};
	struct peer *peer = server(&silent, &ca, "IP:127.0.0.1", -DAY, DAY, 0);
	unsigned turns = 0;

	(void)state;
	tried_start(&a, &t, true, "", 0, 10000, "https://127.0.0.1:%u/", peer_port(peer));
	tried_wait_for(&t, peer_requests, peer, 1);
	peer_change_keys(peer, 200, OK);
	while (a.calls == 0) {
		event_base_loop(t.base, EVLOOP_ONCE);
		turns++;
	}
	assert_int_equal(a.result.status, 200);
	assert_true(turns > 100);
	peer_free(peer);
}

/* What comes on an idle connection is never taken for the next answer: neither behind a change of
 * keys, nor when only the beginning of its record is here yet. */
static void
test_unasked(void **state)
{
	const struct peer_act acts[] = {{.send = OK}, {.send = "HTTP/1.1 204 No Content\r\n\r\n"}};

	(void)state;
	for (int part = 0; part < 2; part++) {
		struct peer *peer = peer_new(t.base, acts, 2);
		struct cert cert = cert_new(&ca, "server", "IP:127.0.0.1", -DAY, DAY);

		peer_set_tls(peer, cert_server(&cert, 0, 0));
		cert_clear(&cert);
		tried_start(&a, &t, true, "{}", 2, 5000, "https://127.0.0.1:%u/", peer_port(peer));
		tried_wait(&a);
		assert_int_equal(a.result.status, 200);
		if (part) {
			peer_push(peer, "\x17\x03\x03\x10");
			for (int i = 0; i < 10; i++)
				event_base_loop(t.base, EVLOOP_NONBLOCK);
		} else {
			peer_change_keys(peer, 1, OK);
		}
		tried_start(&a, &t, true, "{}", 2, 5000, "https://127.0.0.1:%u/", peer_port(peer));
		tried_wait(&a);
		assert_int_equal(a.result.status, 204);
		assert_false(a.result.reused);
		peer_free(peer);
	}
}

/* An idle connection that the peer closes as we use it. */
static void
test_stale(void **state)
{
	const struct peer_act acts[] = {{.send = OK}, {.end = PEER_CLOSE}, {.send = OK}};
	struct peer *peer = peer_new(t.base, acts, 3);
	struct cert cert = cert_new(&ca, "server", "IP:127.0.0.1", -DAY, DAY);

	(void)state;
	peer_set_tls(peer, cert_server(&cert, 0, 0));
	cert_clear(&cert);
	for (int i = 0; i < 2; i++) {
		tried_start(&a, &t, true, "{}", 2, 5000, "https://127.0.0.1:%u/", peer_port(peer));
		tried_wait(&a);
		assert_int_equal(a.result.status, 200);
	}
	assert_int_equal(peer_accepted(peer), 2);
	assert_int_equal(peer_requests(peer), 3);
	peer_free(peer);
}

/* Cancelled or ended at every step of a handshake. */
static void
test_cancel(void **state)
{
	const struct peer_act act = {.send = OK};
	struct peer *peer = server(&act, &ca, "IP:127.0.0.1", -DAY, DAY, 0);

	(void)state;
	for (int turns = 0; turns < 12; turns++) {
		tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
		for (int i = 0; i < turns && a.calls == 0; i++)
			event_base_loop(t.base, EVLOOP_ONCE);
		if (a.calls == 0)
			post_cancel(a.post);
	}
	tried_start(&a, &t, true, "", 0, 5000, "https://127.0.0.1:%u/", peer_port(peer));
	event_base_loop(t.base, EVLOOP_ONCE);
	peer_free(peer);
}

static void
test_ca_file(void **state)
{
	char *why = NULL;

	(void)state;
	t.opts.ca_file = "/does/not/exist";
	assert_null(poster_new(&t.opts, &why));
	assert_memory_equal(why, "cannot use the CA file /does/not/exist: ", 40);
	free(why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_verify, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_names, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_server_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_sessions, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_session_of_closed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unbearable_session, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bodies, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_key_changes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unasked, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ca_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
