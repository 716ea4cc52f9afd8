/* The resolver alone: how it asks, what it believes, what it remembers, and its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/resolve_internal.h"
#include "test/unit/name_server.h"

#define MANY 200

static const struct zone zones[] = {
    {.name = "one.test", .v4 = {"127.0.0.1"}, .ttl = 60},
    {.name = "both.test", .v4 = {"127.0.0.1"}, .v6 = {"::1"}, .ttl = 60},
    {.name = "long.test", .v4 = {"127.0.0.1"}, .many = 100, .ttl = 60, .by_tcp = true},
    {.name = "forged.test", .v4 = {"127.0.0.7"}, .ttl = 60, .forged = true},
    {.name = "brief.test", .v4 = {"127.0.0.1"}, .ttl = 20},
    {.name = "zero.test", .v4 = {"127.0.0.1"}, .ttl = 0},
    {.name = "day.test", .v4 = {"127.0.0.1"}, .ttl = 86400},
    {.name = "alias.test", .alias = "real.test", .v4 = {"127.0.0.1"}, .ttl = 200, .alias_ttl = 20},
    {.name = "silent.test", .error = -1},
    {.name = "silent2.test", .error = -1},
    {.name = "refused.test", .error = 5},
    {.name = "host.sub.test", .v4 = {"127.0.0.8"}, .ttl = 60},
    {.name = "lame.test", .v4 = {"127.0.0.1"}, .ttl = 60, .lame6 = true},
};

/* What was heard of one lookup. */
struct heard {
	struct resolve_wait wait;
	unsigned calls;
	bool starved;
	char text[512]; /* the failure, or the addresses */
	size_t n;
	bool again; /* asks once more from within the callback */
	struct heard *cancels;
};

static struct event_base *base;
static struct name_server dns, other;
static struct resolver *resolver;
static char conf[32], hosts[32];

static void
on_heard(void *arg, const struct resolve_answer *answer)
{
	struct heard *heard = arg;
	char addr[INET6_ADDRSTRLEN];
	size_t at = 0;

	heard->calls++;
	heard->n = answer->n;
	heard->starved = answer->starved;
	heard->text[0] = '\0';
	if (answer->failure != NULL)
		snprintf(heard->text, sizeof heard->text, "%s", answer->failure);
	for (size_t i = 0; i < answer->n && i < 4; i++) {
		const union resolve_addr *a = &answer->list[i];

		inet_ntop(a->sa.sa_family,
		    a->sa.sa_family == AF_INET ? (const void *)&a->v4.sin_addr
					       : (const void *)&a->v6.sin6_addr,
		    addr, sizeof addr);
		at += (size_t)snprintf(
		    heard->text + at, sizeof heard->text - at, "%s%s", i > 0 ? " " : "", addr);
	}
	if (heard->cancels != NULL)
		resolve_cancel(&heard->cancels->wait);
	if (heard->again) {
		heard->again = false;
		resolve_start(resolver, "one.test", NULL, &heard->wait, on_heard, heard);
	}
}

static void
on_never(void *arg, const struct resolve_answer *answer)
{
	(void)arg;
	(void)answer;
	fail();
}

static void
wait_for(const struct heard *heard, unsigned calls)
{
	while (heard->calls < calls)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

/* Asks even if it is known, and waits. */
static const char *
ask(const char *host)
{
	static struct heard heard;

	heard = (struct heard){.calls = 0};
	resolve_start(resolver, host, NULL, &heard.wait, on_heard, &heard);
	assert_int_equal(heard.calls, 0);
	wait_for(&heard, 1);
	return heard.text;
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

static struct resolver *
of_system(struct resolve_opts opts)
{
	char *why = NULL;
	struct resolver *made;

	opts.base = base;
	opts.conf = conf;
	opts.hosts = hosts;
	made = resolve_new(&opts, &why);
	assert_non_null(made);
	return made;
}

static int
setup(void **state)
{
	const char *list[] = {dns.addr};
	struct resolve_opts opts = {.dns = list, .ndns = 1};
	char *why = NULL;

	(void)state;
	base = event_base_new();
	name_server_start(&dns, base, zones, sizeof zones / sizeof *zones);
	name_server_start(&other, base, zones, sizeof zones / sizeof *zones);
	opts.base = base;
	resolver = resolve_new(&opts, &why);
	strcpy(conf, "/tmp/t_resolve_dns.XXXXXX");
	strcpy(hosts, "/tmp/t_resolve_dns.XXXXXX");
	close(mkstemp(conf));
	close(mkstemp(hosts));
	return resolver != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	clock_override(-1, -1);
	resolve_free(resolver);
	event_base_loop(base, EVLOOP_NONBLOCK);
	name_server_stop(&dns);
	name_server_stop(&other);
	event_base_free(base);
	unlink(conf);
	unlink(hosts);
	return 0;
}

/* An answer that is too long for UDP is asked for by TCP. */
static void
test_truncated(void **state)
{
	struct heard heard = {.calls = 0};

	(void)state;
	resolve_start(resolver, "long.test", NULL, &heard.wait, on_heard, &heard);
	wait_for(&heard, 1);
	assert_int_equal(heard.n, 32); /* of 101 */
	assert_memory_equal(heard.text, "127.0.0.1 127.1.0.0 ", 20);
	assert_int_equal(dns.tcp, 2);
}

/* Each question leaves from a port of its own, others under way or not. */
static void
test_ports(void **state)
{
	struct heard silent = {.calls = 0};
	char name[32];

	(void)state;
	resolve_start(resolver, "silent.test", NULL, &silent.wait, on_heard, &silent);
	for (unsigned i = 0; i < 32; i++) {
		snprintf(name, sizeof name, "n%u.test", i);
		assert_string_equal(ask(name), "no such host");
	}
	assert_true(dns.questions >= 64 + 2);
	assert_in_range(dns.nports, 60, dns.questions); /* chance repeats few */
	resolve_cancel(&silent.wait);
}

static void
test_forged(void **state)
{
	(void)state;
	assert_string_equal(ask("forged.test"), "127.0.0.7");
	assert_int_equal(dns.questions, 2);
}

/* An answer is known for as long as DNS says, within bounds. */
static void
test_ttl(void **state)
{
	static const struct {
		const char *name;
		int64_t keep_ms;
	} cases[] = {{"brief.test", 20000}, {"alias.test", 20000}, {"zero.test", 1000},
	    {"day.test", 300000}, {"none.test", 1000}, {"lame.test", 5000}};
	int64_t now = clock_mono_ms();

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		clock_override(now, -1);
		ask(cases[i].name);
		assert_non_null(resolve_known(resolver, cases[i].name));
		clock_override(now + cases[i].keep_ms - 1, -1);
		assert_non_null(resolve_known(resolver, cases[i].name));
		clock_override(now + cases[i].keep_ms, -1);
		assert_null(resolve_known(resolver, cases[i].name));
	}
}

/* Those that are remembered have a bound; the oldest go. */
static void
test_memory(void **state)
{
	int64_t now = clock_mono_ms();
	char name[32];

	(void)state;
	clock_override(now, -1);
	ask("day.test");
	assert_non_null(resolve_known(resolver, "day.test"));
	for (unsigned i = 0; i < 4096; i++) {
		assert_non_null(resolve_known(resolver, "day.test"));
		snprintf(name, sizeof name, "n%u.test", i);
		ask(name);
	}
	assert_non_null(resolve_known(resolver, name));
	assert_null(resolve_known(resolver, "day.test"));
}

static void
expect_conf(const char *text, const char *servers, const char *search, unsigned ndots)
{
	struct resolve_conf read = {.ndots = 1};
	char all[512] = "";

	write_file(conf, "%s", text);
	resolve_conf_read(&read, conf);
	for (size_t i = 0; i < read.nservers; i++)
		strcat(strcat(all, i > 0 ? " " : ""), read.servers[i]);
	assert_string_equal(all, servers);
	all[0] = '\0';
	for (size_t i = 0; i < read.nsearch; i++)
		strcat(strcat(all, i > 0 ? " " : ""), read.search[i]);
	assert_string_equal(all, search);
	assert_int_equal(read.ndots, ndots);
	resolve_conf_clear(&read);
}

static void
test_conf(void **state)
{
	(void)state;
	expect_conf("nameserver 127.0.0.2\r\n", "127.0.0.2:53", "", 1);
	expect_conf("nameserver ::1\r\nsearch a.test b.test\r\noptions ndots:5 rotate\r\n",
	    "[::1]:53", "a.test b.test", 5);
	expect_conf("; one\n#nameserver 10.0.0.1\n\nnameserver\t127.0.0.2 # two\n"
		    "nameserver 127.0.0.3;\nnameserver [fd00::1]:5353",
	    "127.0.0.2:53 127.0.0.3:53 [fd00::1]:5353", "", 1);
	expect_conf("search a.test\ndomain b.test\nsearch .\n", "127.0.0.1:53", "", 1);
	expect_conf("nameserver nobody\nnameserver 1.2.3\nnameserver 1.2.3.4:99999\noptions "
		    "ndots:99 ndots\n",
	    "127.0.0.1:53", "", 15);
}

static void
test_system(void **state)
{
	struct resolver *own = resolver;

	(void)state;
	write_file(hosts, "127.0.0.9 by-hosts\r\n");
	write_file(conf, "# written on Windows\r\nnameserver %s\r\noptions ndots:2\r\n", dns.addr);
	resolver = of_system((struct resolve_opts){.look_ms = 0});
	assert_string_equal(ask("one.test"), "127.0.0.1");
	assert_int_equal(resolve_known(resolver, "BY-hosts")->n, 1);
	/* another server: what the one before said is forgotten */
	other.nothing = true;
	write_file(conf, "nameserver %s\n", other.addr);
	assert_null(resolve_known(resolver, "one.test"));
	assert_string_equal(ask("one.test"), "no such host");
	/* and when the name turns up in hosts, DNS counts no more */
	write_file(hosts, "127.0.0.10 one.test\n");
	assert_int_equal(resolve_known(resolver, "one.test")->n, 1);
	assert_null(resolve_known(resolver, "by-hosts"));
	/* a file that is away for a moment, while it is written anew, changes nothing */
	unlink(conf);
	assert_string_equal(ask("two.test"), "no such host");
	resolve_free(resolver);
	resolver = own;
}

/* The files are looked at once in look_ms. */
static void
test_look(void **state)
{
	struct resolver *own = resolver;
	int64_t now = clock_mono_ms();

	(void)state;
	write_file(hosts, "127.0.0.9 first\n");
	resolver = of_system((struct resolve_opts){.look_ms = 1000});
	clock_override(now, -1);
	assert_non_null(resolve_known(resolver, "first"));
	write_file(hosts, "127.0.0.9 second-one\n");
	clock_override(now + 999, -1);
	assert_null(resolve_known(resolver, "second-one"));
	clock_override(now + 1000, -1);
	assert_non_null(resolve_known(resolver, "second-one"));
	resolve_free(resolver);
	resolver = own;
}

/* What is asked for while the servers change is not remembered for long. */
static void
test_change_under_way(void **state)
{
	struct resolver *own = resolver;
	struct heard heard = {.calls = 0};
	int64_t now = clock_mono_ms();

	(void)state;
	write_file(conf, "nameserver %s\n", dns.addr);
	resolver = of_system((struct resolve_opts){.look_ms = 0});
	clock_override(now, -1);
	resolve_start(resolver, "one.test", NULL, &heard.wait, on_heard, &heard);
	write_file(conf, "# moved\nnameserver %s\n", other.addr);
	assert_null(resolve_known(resolver, "none.test"));
	wait_for(&heard, 1);
	assert_non_null(resolve_known(resolver, "one.test"));
	clock_override(now + 1000, -1);
	assert_null(resolve_known(resolver, "one.test"));
	resolve_free(resolver);
	resolver = own;
}

/* A server that is silent is asked after the others from then on; one that refuses, too. */
static void
test_servers(void **state)
{
	struct resolver *own = resolver;
	unsigned asked;

	(void)state;
	write_file(conf, "nameserver %s\nnameserver %s\n", dns.addr, other.addr);
	resolver = of_system((struct resolve_opts){.look_ms = 0});
	dns.silent = true;
	assert_string_equal(ask("one.test"), "127.0.0.1");
	asked = dns.questions;
	assert_true(asked > 0);
	assert_string_equal(ask("both.test"), "127.0.0.1 ::1");
	assert_int_equal(dns.questions, asked);
	assert_string_equal(ask("refused.test"), "DNS failed: query refused");
	assert_int_equal(dns.questions, asked + 2);
	resolve_free(resolver);
	resolver = own;
}

/* Names are completed when that is wanted, and nothing is remembered of a fresh one. */
static void
test_search(void **state)
{
	struct resolver *own = resolver;

	(void)state;
	write_file(conf, "domain not.test\nsearch none.test sub.test\nnameserver %s\n", dns.addr);
	resolver = of_system((struct resolve_opts){.fresh = true, .search = true});
	assert_string_equal(ask("host"), "127.0.0.8");
	assert_int_equal(dns.questions, 4);
	assert_null(resolve_known(resolver, "host"));
	assert_string_equal(ask("host"), "127.0.0.8");
	assert_int_equal(dns.questions, 8);
	assert_string_equal(ask("one.test"), "127.0.0.1"); /* has a dot: as it is */
	assert_int_equal(dns.questions, 10);
	assert_string_equal(ask("no.test"), "no such host");
	assert_int_equal(dns.questions, 16);
	assert_string_equal(ask("one.test."), "127.0.0.1");
	assert_int_equal(dns.questions, 18);
	assert_int_equal(dns.odd, 0);
	resolve_free(resolver);
	resolver = own;
}

/* Runs the loop until the server got so many questions, and what else is due then. */
static void
wait_questions(unsigned n)
{
	while (dns.questions < n)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	for (int i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* No more than 64 names at a time, 48 of a group; the others wait, and groups take turns. */
static void
test_bounds(void **state)
{
	static struct heard many[MANY];
	struct heard one = {.calls = 0};
	int group = 0;
	char name[32];

	(void)state;
	memset(many, 0, sizeof many);
	dns.silent = true;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "n%u.test", i);
		resolve_start(resolver, name, NULL, &many[i].wait, on_never, NULL);
	}
	wait_questions(96);
	assert_int_equal(dns.names, 48);
	assert_int_equal(resolve_lookups(resolver), 48);
	dns.silent = false;
	resolve_start(resolver, "one.test", &group, &one.wait, on_heard, &one);
	wait_for(&one, 1);
	assert_string_equal(one.text, "127.0.0.1");
	assert_int_equal(resolve_lookups(resolver), 49);
	dns.silent = true;
	/* another group is let in at once, until all places are taken */
	for (unsigned i = 0; i < MANY; i++) {
		resolve_cancel(&many[i].wait); /* those under way go on */
		snprintf(name, sizeof name, "g%u.test", i);
		resolve_start(resolver, name, &group, &many[i].wait, on_never, NULL);
	}
	wait_questions(96 + 2 + 32);
	assert_int_equal(resolve_lookups(resolver), 49 + 16);
	for (unsigned i = 0; i < MANY; i++)
		resolve_cancel(&many[i].wait);
}

/* One that waits for its turn in another group's long queue is taken out of it. */
static void
test_joined(void **state)
{
	static struct heard many[MANY];
	struct heard first = {.calls = 0}, second = {.calls = 0};
	int group = 0;
	char name[32];

	(void)state;
	memset(many, 0, sizeof many);
	for (unsigned i = 0; i < 48; i++) {
		snprintf(name, sizeof name, "silent%u.test", i);
		dns.silent = true;
		resolve_start(resolver, name, NULL, &many[i].wait, on_never, NULL);
	}
	wait_questions(96);
	dns.silent = false;
	resolve_start(resolver, "one.test", NULL, &first.wait, on_heard, &first);
	resolve_start(resolver, "one.test", &group, &second.wait, on_heard, &second);
	wait_for(&second, 1);
	assert_int_equal(first.calls, 1);
	for (unsigned i = 0; i < 48; i++)
		resolve_cancel(&many[i].wait);
}

/* Cancelled in the queue, while asked for, while another one is told, and when all is over. */
static void
test_cancel(void **state)
{
	static struct heard many[MANY];
	struct heard a = {.calls = 0}, b = {.calls = 0}, c = {.again = true};
	char name[32];

	(void)state;
	memset(many, 0, sizeof many);
	a.cancels = &b;
	resolve_start(resolver, "both.test", NULL, &a.wait, on_heard, &a);
	resolve_start(resolver, "both.test", NULL, &b.wait, on_never, NULL);
	resolve_start(resolver, "both.test", NULL, &c.wait, on_heard, &c);
	wait_for(&c, 2);
	assert_int_equal(a.calls, 1);
	assert_string_equal(c.text, "127.0.0.1"); /* of one.test */
	resolve_cancel(&a.wait);
	resolve_cancel(&b.wait);
	dns.silent = true;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "n%u.test", i);
		resolve_start(resolver, name, NULL, &many[i].wait, on_never, NULL);
	}
	for (unsigned i = 0; i < MANY; i += 2)
		resolve_cancel(&many[i].wait);
	event_base_loop(base, EVLOOP_NONBLOCK);
	for (unsigned i = 0; i < MANY; i++)
		resolve_cancel(&many[i].wait);
	/* teardown frees those under way */
}

/* The resolver goes in each state, and nobody hears of it. */
static void
test_freed(void **state)
{
	static struct heard many[MANY];
	char name[32];

	(void)state;
	memset(many, 0, sizeof many);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, i == 0 ? "long.test" : "n%u.test", i);
		resolve_start(resolver, name, NULL, &many[i].wait, on_never, NULL);
	}
	resolve_free(resolver);
	resolver = NULL;
	event_base_loop(base, EVLOOP_NONBLOCK);
	for (unsigned i = 0; i < MANY; i++)
		assert_null(many[i].wait.name);
}

/* Names that are none, and those that are not asked for: said later, like all. */
static void
test_odd_names(void **state)
{
	char label[128];

	(void)state;
	memset(label, 'a', sizeof label);
	label[sizeof label - 1] = '\0';
	assert_string_equal(ask(label), "DNS failed: format error");
	assert_string_equal(ask("a..test"), "DNS failed: format error");
	assert_string_equal(ask("hidden.onion"), "no such host");
	assert_int_equal(dns.questions, 0);
}

/* A name server that is restarted is waited for. */
static void
test_restarted(void **state)
{
	struct heard heard = {.calls = 0};
	unsigned short port = (unsigned short)atoi(strchr(dns.addr, ':') + 1);
	int64_t start_ms = clock_mono_ms();

	(void)state;
	name_server_stop(&dns);
	resolve_start(resolver, "one.test", NULL, &heard.wait, on_heard, &heard);
	for (int i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	name_server_start_at(&dns, base, port, zones, sizeof zones / sizeof *zones);
	wait_for(&heard, 1);
	assert_string_equal(heard.text, "127.0.0.1");
	assert_in_range(clock_mono_ms() - start_ms, 400, 3000);
}

/* Without a descriptor for a socket nothing is said of the name; it is not remembered. */
static void
test_starved(void **state)
{
	struct heard heard = {.calls = 0};
	struct rlimit limit, none;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	resolve_start(resolver, "one.test", NULL, &heard.wait, on_heard, &heard);
	while (heard.calls == 0)
		event_base_loop(base, EVLOOP_ONCE);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_true(heard.starved);
	assert_int_equal(dns.questions, 0);
	assert_null(resolve_known(resolver, "one.test"));
	assert_string_equal(ask("one.test"), "127.0.0.1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ttl, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_conf, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_system, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_look, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_change_under_way, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_servers, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_search, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_joined, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_freed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_odd_names, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_restarted, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_starved, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
