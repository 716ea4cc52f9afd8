/* Names to addresses, asked of a DNS server of our own on the loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hosts.h"
#include "base/resolve.h"
#include "test/unit/cert.h"
#include "test/unit/name_server.h"
#include "test/unit/peer.h"

static struct try t;
static struct tried a, b;
static struct name_server dns;
static const char *dns_list[] = {dns.addr};

static const struct zone zones[] = {
    {.name = "one.test", .ttl = 60, .v4 = {"127.0.0.1"}},
    {.name = "both.test", .ttl = 60, .v4 = {"127.0.0.1", "127.0.0.2"}, .v6 = {"::1"}},
    {.name = "mixed.test", .v4 = {"127.0.0.1", "10.0.0.1"}},
    {.name = "mixed6.test", .v4 = {"127.0.0.1"}, .v6 = {"fd00::1"}},
    {.name = "lame.test", .v4 = {"127.0.0.1"}, .lame6 = true},
    {.name = "www.one.test", .v4 = {"127.0.0.1"}},
    {.name = "six.test", .v6 = {"::1"}},
    {.name = "empty.test"},
    {.name = "fail.test", .error = 2},
    {.name = "refused.test", .error = 5},
    {.name = "silent.test", .error = -1},
    {.name = "second.test", .ttl = 60, .v4 = {"127.0.0.2", "127.0.0.3", "127.0.0.1"}},
};

static int
setup(void **state)
{
	(void)state;
	try_init(&t);
	name_server_start(&dns, t.base, zones, sizeof zones / sizeof *zones);
	t.opts.dns = dns_list;
	t.opts.ndns = 1;
	try_start(&t);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	name_server_stop(&dns);
	try_clear(&t);
	return 0;
}

static void
expect_failure(const char *host, int64_t timeout_ms, const char *message)
{
	tried_start(&a, &t, true, "", 0, timeout_ms, "http://%s:9/", host);
	tried_wait(&a);
	assert_int_equal(a.result.status, 0);
	assert_string_equal(a.message, message);
}

static void
test_failures(void **state)
{
	struct poster_stats stats;

	(void)state;
	expect_failure("none.test", 5000, "no such host");
	assert_true(a.result.dns_us > 0);
	assert_false(a.result.timed_out);
	expect_failure("empty.test", 5000, "no such host: the name has no address");
	expect_failure("refused.test", 5000, "DNS failed: query refused");
	expect_failure("silent.test", 100, "timed out while resolving the host name");
	assert_true(a.result.timed_out);
	expect_failure("mixed.test", 5000, "an address of host mixed.test is not allowed");
	expect_failure("mixed6.test", 5000, "an address of host mixed6.test is not allowed");
	assert_int_equal(dns.odd, 0);
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.connects, 0);
	assert_int_equal(stats.lookups, 6);
}

/* A server that says nothing has up to 5 s, whoever waits; a failing one is asked once more. */
static void
test_deadline(void **state)
{
	(void)state;
	tried_start(&b, &t, true, "", 0, 10000, "http://fail.test:9/");
	tried_wait(&b);
	assert_string_equal(b.message, "DNS failed: server failure");
	assert_int_equal(dns.questions, 4);
	tried_start(&a, &t, true, "", 0, 10000, "http://silent.test:9/");
	tried_wait(&a);
	assert_string_equal(a.message, "DNS did not answer");
	assert_in_range(a.result.dns_us, 4000000, 6000000);
	assert_int_equal(dns.questions, 4 + 6); /* each family three times */
}

/* One lookup for all who ask at the same time, and none while it is fresh. */
static void
test_coalesce(void **state)
{
	const struct peer_act act = {
	    .send = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"};
	struct peer *peer = peer_new(t.base, &act, 1);
	struct poster_stats stats;

	(void)state;
	tried_start(&a, &t, true, "", 0, 5000, "http://one.test:%u/", peer_port(peer));
	tried_start(&b, &t, true, "", 0, 5000, "http://one.test:%u/", peer_port(peer));
	tried_wait(&a);
	tried_wait(&b);
	assert_int_equal(a.result.status, 200);
	assert_int_equal(b.result.status, 200);
	assert_true(a.result.dns_us > 0);
	for (int i = 0; i < 3; i++) {
		tried_start(&a, &t, true, "", 0, 5000, "http://one.test:%u/", peer_port(peer));
		tried_wait(&a);
		assert_int_equal(a.result.status, 200);
	}
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.lookups, 1);
	assert_int_equal(stats.connects, 5);
	assert_int_equal(dns.questions, 2); /* A and AAAA */
	assert_non_null(strstr(peer_last(peer), "\r\nHost: one.test:"));
	peer_free(peer);
}

/* An AAAA question that is never answered costs a quarter of a second, not the deadline. */
static void
test_lame(void **state)
{
	const struct peer_act act = {.send = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
	struct peer *peer = peer_new(t.base, &act, 1);

	(void)state;
	tried_start(&a, &t, true, "", 0, 5000, "http://lame.test:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_in_range(a.result.dns_us, 200000, 1200000);
	peer_free(peer);
}

/* The first addresses refuse the connection, the third takes it. */
static void
test_next_address(void **state)
{
	const struct peer_act act = {.send = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
	struct peer *peer = peer_new(t.base, &act, 1);
	struct poster_stats stats;

	(void)state;
	tried_start(&a, &t, true, "[1]", 3, 5000, "http://second.test:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_non_null(strstr(peer_last(peer), "\r\nX-Test: a b\r\n\r\n[1]"));
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.connects, 3);
	peer_free(peer);
	tried_start(&a, &t, true, "[1]", 3, 5000, "http://both.test:9/");
	tried_wait(&a);
	assert_string_equal(a.message, "connection refused");
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.connects, 6);
	assert_int_equal(stats.open, 0);
}

/* RFC 6125, section 6.4.3: a wildcard is a whole label. */
static void
test_wildcards(void **state)
{
	const struct peer_act act = {.send = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
	static const struct {
		const char *san, *message;
	} cases[] = {{"DNS:*.one.test", ""},
	    {"DNS:w*.one.test", "TLS: the certificate is for another host name"},
	    {"DNS:*.test", "TLS: the certificate is for another host name"}};
	struct cert ca = cert_new(NULL, "CA", NULL, -3600, 3600);
	char path[] = "/tmp/t_resolve.XXXXXX";

	(void)state;
	close(mkstemp(path));
	cert_write(&ca, path);
	poster_free(t.poster);
	t.opts.ca_file = path;
	try_start(&t);
	unlink(path);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct peer *peer = peer_new(t.base, &act, 1);
		struct cert cert = cert_new(&ca, "server", cases[i].san, -3600, 3600);

		peer_set_tls(peer, cert_server(&cert, 0, 0));
		cert_clear(&cert);
		tried_start(&a, &t, true, "", 0, 5000, "https://www.one.test:%u/", peer_port(peer));
		tried_wait(&a);
		assert_string_equal(a.message, cases[i].message);
		peer_free(peer);
	}
	cert_clear(&ca);
}

static void
test_ipv6(void **state)
{
	const struct peer_act act = {.send = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
	struct peer *peer = peer_new6(t.base, &act, 1);
	char host[64];

	(void)state;
	tried_start(&a, &t, true, "", 0, 5000, "http://six.test:%u/", peer_port(peer));
	tried_wait(&a);
	assert_string_equal(a.message, "");
	assert_int_equal(a.result.status, 200);
	tried_start(&a, &t, true, "", 0, 5000, "http://[::1]:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	snprintf(host, sizeof host, "\r\nHost: [::1]:%u\r\n", peer_port(peer));
	assert_non_null(strstr(peer_last(peer), host));
	peer_free(peer);
}

/* The addresses are there in the very turn of the loop in which the time is over: what was told
 * stands, and what the POST borrowed is not used any more. */
static void
test_too_late(void **state)
{
	struct poster_stats stats;

	(void)state;
	tried_start(&a, &t, true, "[1]", 3, 100, "http://lame.test:9/");
	while (dns.questions < 2)
		event_base_loop(t.base, EVLOOP_ONCE);
	for (int i = 0; i < 10; i++) /* the one family's answer: the other one is waited for */
		event_base_loop(t.base, EVLOOP_NONBLOCK);
	usleep(400000);
	tried_wait(&a);
	assert_string_equal(a.message, "timed out while resolving the host name");
	assert_true(a.result.timed_out);
	poster_stats(t.poster, &stats);
	assert_int_equal(stats.connects, 0);
	assert_int_equal(stats.open, 0);
}

/* The first address drops SYNs (its queue is full): it has its share of the time, no more. */
static void
test_slow_address(void **state)
{
	const struct peer_act act = {.send = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
	struct peer *peer = peer_new(t.base, &act, 1);
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fill[8];

	(void)state;
	sin.sin_addr.s_addr = htonl(0x7f000002);
	sin.sin_port = htons((uint16_t)peer_port(peer));
	assert_int_equal(bind(listener, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(listen(listener, 0), 0);
	for (size_t i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&sin, sizeof sin);
	}
	tried_start(&a, &t, true, "", 0, 900, "http://second.test:%u/", peer_port(peer));
	tried_wait(&a);
	assert_int_equal(a.result.status, 200);
	assert_in_range(a.result.total_us, 290000, 900000);
	for (size_t i = 0; i < 8; i++)
		close(fill[i]);
	close(listener);
	peer_free(peer);
}

static void
test_cancel(void **state)
{
	(void)state;
	tried_start(&a, &t, true, "", 0, 5000, "http://silent.test:9/");
	tried_start(&b, &t, true, "", 0, 5000, "http://silent.test:9/");
	post_cancel(a.post);
	event_base_loop(t.base, EVLOOP_NONBLOCK);
	/* teardown ends the lookup under way, and the other one who waits */
	assert_int_equal(a.calls + b.calls, 0);
}

static void
on_failure(void *arg, const struct resolve_answer *answer)
{
	struct resolve_answer *copy = arg;

	*copy = *answer;
}

static void
on_answer(void *arg, const struct resolve_answer *answer)
{
	struct resolve_answer *copy = arg;

	*copy = *answer;
	assert_null(answer->failure);
	assert_int_equal(answer->n, 3);
	assert_int_equal(answer->list[0].sa.sa_family, AF_INET);
	assert_int_equal(answer->list[1].sa.sa_family, AF_INET6);
	assert_int_equal(answer->list[2].sa.sa_family, AF_INET);
}

static void
test_order(void **state)
{
	struct resolve_answer answer = {0};
	struct resolve_wait wait = {0};
	char *why = NULL;
	struct resolve_opts opts = {.base = t.base, .dns = dns_list, .ndns = 1};
	struct resolver *resolver = resolve_new(&opts, &why);

	(void)state;
	assert_non_null(resolver);
	assert_null(resolve_known(resolver, "both.test"));
	resolve_start(resolver, "both.test", NULL, &wait, on_answer, &answer);
	while (answer.n == 0)
		event_base_loop(t.base, EVLOOP_ONCE);
	assert_non_null(resolve_known(resolver, "both.test"));
	resolve_free(resolver);
	dns_list[0] = "not an address";
	assert_null(resolve_new(&opts, &why));
	assert_string_equal(why, "not the address of a resolver: not an address");
	dns_list[0] = dns.addr;
	free(why);
}

static void __attribute__((format(printf, 2, 3))) write_file(const char *path, const char *fmt, ...)
{
	FILE *file = fopen(path, "we");
	va_list ap;

	assert_non_null(file);
	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	fclose(file);
}

/* The system's files: hosts before DNS, and a resolv.conf that changes while we run. */
static void
test_system(void **state)
{
	char conf[] = "/tmp/t_resolve.XXXXXX", hosts[] = "/tmp/t_resolve.XXXXXX";
	struct resolve_opts opts = {.base = t.base, .conf = conf, .hosts = hosts};
	struct resolve_answer answer = {0};
	struct resolve_wait wait = {0};
	struct resolver *resolver;
	char *why = NULL;

	(void)state;
	close(mkstemp(conf));
	close(mkstemp(hosts));
	write_file(hosts, "127.0.0.9 by-hosts\n");
	write_file(conf, "search x.example\nnameserver 127.0.0.1:9\n");
	resolver = resolve_new(&opts, &why);
	assert_non_null(resolver);
	assert_int_equal(resolve_known(resolver, "by-hosts")->n, 1);
	assert_null(resolve_known(resolver, "both.test"));
	write_file(conf, "# moved\nsearch x.example\nnameserver %s\n", dns.addr);
	resolve_start(resolver, "both.test", NULL, &wait, on_answer, &answer);
	while (answer.n == 0)
		event_base_loop(t.base, EVLOOP_ONCE);
	resolve_start(resolver, "none.test", NULL, &wait, on_failure, &answer);
	while (answer.failure == NULL)
		event_base_loop(t.base, EVLOOP_ONCE);
	assert_string_equal(answer.failure, "no such host");
	assert_int_equal(dns.odd, 0); /* not none.test.x.example */
	assert_int_equal(dns.questions, 4);
	resolve_free(resolver);
	unlink(conf);
	unlink(hosts);
}

static void
test_hosts(void **state)
{
	char path[] = "/tmp/t_resolve.XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	struct hosts *hosts = hosts_new(path);
	union resolve_addr list[4];

	(void)state;
	assert_int_equal(hosts_find(hosts, "a.test", list, 4), 0);
	fputs(
	    "# 10.0.0.9 a.test\n10.0.0.1\ta.test b.test # c.test\nnonsense a.test\n\n::1 A.test\n",
	    file);
	fflush(file);
	assert_true(hosts_refresh(hosts));
	assert_false(hosts_refresh(hosts));
	assert_int_equal(hosts_find(hosts, "a.test", list, 4), 2);
	assert_int_equal(list[0].sa.sa_family, AF_INET);
	assert_int_equal(ntohl(list[0].v4.sin_addr.s_addr), 0x0a000001);
	assert_int_equal(list[1].sa.sa_family, AF_INET6);
	assert_int_equal(hosts_find(hosts, "a.test", list, 1), 1);
	assert_int_equal(hosts_find(hosts, "c.test", list, 4), 0);
	fputs("10.0.0.2 c.test\n", file); /* read again: the size is another */
	fclose(file);
	assert_true(hosts_refresh(hosts));
	assert_int_equal(hosts_find(hosts, "c.test", list, 4), 1);
	unlink(path);
	assert_true(hosts_refresh(hosts));
	assert_int_equal(hosts_find(hosts, "a.test", list, 4), 0);
	hosts_free(hosts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_coalesce, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lame, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_next_address, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wildcards, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ipv6, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_too_late, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_slow_address, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_system, setup, teardown),
	    cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
