/* Redis' host by name: each of its addresses is tried, and it is looked up each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/redis.h"
#include "test/unit/name_server.h"

static const struct zone zones[] = {
    {.name = "redis.test", .v4 = {"127.0.0.3", "127.0.0.2", "127.0.0.1"}, .ttl = 60},
    {.name = "nowhere.test", .v4 = {"127.0.0.2", "127.0.0.3"}, .ttl = 60},
};

static struct event_base *base;
static struct name_server dns;
static struct redis *redis;
static struct redisuri uri;
static pid_t server;
static int port, held; /* held: a listener that accepts nobody, or -1 */
static unsigned ups;
static int64_t deadline_ms;
static char conf[40], hosts[40], logs[40];

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A port of 127.0.0.2, where nobody listens yet. */
static void
take_port(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof sin;

	held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_addr.s_addr = htonl(0x7f000002);
	assert_int_equal(bind(held, (struct sockaddr *)&sin, sizeof sin), 0);
	getsockname(held, (struct sockaddr *)&sin, &len);
	port = ntohs(sin.sin_port);
}

/* At the same port of 127.0.0.1; false when somebody else has it. */
static bool
start_server(void)
{
	char number[16];
	const char *at;
	static const char *const servers[] = {"redis-server", "valkey-server"};
	int ready[2];
	char c;

	snprintf(number, sizeof number, "%d", port);
	assert_int_equal(pipe(ready), 0);
	server = fork();
	if (server == 0) {
		dup2(ready[1], STDOUT_FILENO);
		close(ready[0]);
		for (size_t i = 0; i < 2; i++)
			execlp(servers[i], servers[i], "--port", number, "--bind", "127.0.0.1",
			    "--save", "", "--logfile", "", "--dir", "/tmp", (char *)NULL);
		_exit(127);
	}
	close(ready[1]);
	/* its last line at the start says that it takes connections */
	at = "Ready to accept";
	while (*at != '\0') {
		if (read(ready[0], &c, 1) != 1)
			break;
		at = c == *at ? at + 1 : "Ready to accept";
	}
	close(ready[0]); /* it says nothing more that matters; SIGPIPE is ignored there */
	if (*at == '\0')
		return true;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return false;
}

/* A server that does not answer is found out by this. */
static void
on_ping(void *arg, enum answer answer, const redisReply *reply)
{
	(void)arg;
	(void)reply;
	if (answer == ANSWER_OK)
		redis_setup_done(redis);
}

static void
on_setup(void *arg)
{
	struct redis_cmd *cmd = redis_cmd_new();

	(void)arg;
	redis_args(cmd, "PING");
	redis_send_setup(redis, cmd, on_ping, NULL);
}

static void
on_up(void *arg)
{
	(void)arg;
	ups++;
}

static int
teardown(void **state)
{
	(void)state;
	redis_free(redis);
	redis = NULL;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(held);
	redisuri_clear(&uri);
	name_server_stop(&dns);
	event_base_free(base);
	unlink(conf);
	unlink(hosts);
	return 0;
}

static void
start(const char *host)
{
	struct redis_opts opts = {.base = base,
	    .uri = &uri,
	    .label = "redis",
	    .timeout_ms = 500,
	    .conf = conf,
	    .hosts = hosts,
	    .on_setup = on_setup,
	    .on_up = on_up};
	char text[64];

	snprintf(text, sizeof text, "redis://%s:%d", host, port);
	redisuri_clear(&uri);
	assert_int_equal(redisuri_parse(&uri, text), 0);
	redis = redis_new(&opts);
}

/* One turn of the loop, of which there is a timer in each state; a test has 20 s. */
static void
turn(void)
{
	assert_true(clock_mono_ms() < deadline_ms);
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static uint64_t
connects(void)
{
	struct redis_stats stats;

	redis_stats(redis, &stats);
	return stats.connects;
}

static void
wait_up(unsigned n)
{
	while (ups < n)
		turn();
	assert_true(redis_is_up(redis));
}

static void
wait_fault(void)
{
	while (redis_fault(redis)[0] == '\0')
		turn();
}

static long logged_to;

/* What the log has written since the last call. */
static const char *
logged(void)
{
	static char text[65536];
	FILE *file = fopen(logs, "re");
	size_t n;

	log_flush();
	fseek(file, logged_to, SEEK_SET);
	n = fread(text, 1, sizeof text - 1, file);
	logged_to += (long)n;
	text[n] = '\0';
	fclose(file);
	return text;
}

static int
setup(void **state)
{
	char text[64];

	(void)state;
	base = event_base_new();
	name_server_start(&dns, base, zones, sizeof zones / sizeof *zones);
	strcpy(conf, "/tmp/t_redis_connect.XXXXXX");
	strcpy(hosts, "/tmp/t_redis_connect.XXXXXX");
	close(mkstemp(conf));
	close(mkstemp(hosts));
	snprintf(text, sizeof text, "nameserver %s\n", dns.addr);
	write_file(conf, text);
	take_port();
	for (int i = 0; !start_server(); i++) {
		assert_in_range(i, 0, 9);
		close(held);
		take_port();
	}
	ups = 0;
	deadline_ms = clock_mono_ms() + 20000;
	logged(); /* that of the test before */
	return 0;
}

/* The first refuses, the second is silent, the third is Redis; no back-off in between. */
static void
test_hosts(void **state)
{
	const char *text;

	(void)state;
	assert_int_equal(listen(held, 8), 0);
	write_file(hosts, "127.0.0.3 twice\r\n127.0.0.2 twice\r\n127.0.0.1 twice\r\n");
	start("twice");
	wait_up(1);
	assert_int_equal(connects(), 3);
	assert_int_equal(dns.questions, 0);
	text = logged();
	assert_non_null(strstr(text, "msg=\"redis is up\""));
	assert_non_null(strstr(text, " ip=127.0.0.1 "));
	assert_non_null(
	    strstr(text, "127.0.0.3: Connection refused; 127.0.0.2: no answer in time"));
	assert_null(strstr(text, "cannot be reached"));
}

/* By DNS: asked for again at each connect, that of now and not that of before. */
static void
test_dns(void **state)
{
	unsigned asked;

	(void)state;
	start("redis.test");
	wait_up(1);
	assert_int_equal(connects(), 1); /* they are sorted */
	asked = dns.questions;
	assert_int_equal(asked, 2);
	write_file(hosts, "127.0.0.2 redis.test\n");
	redis_reset(redis, "a test");
	wait_fault();
	while (connects() < 3)
		turn();
	assert_false(redis_is_up(redis));
	assert_int_equal(dns.questions, asked);
	write_file(hosts, "");
	wait_up(2);
	assert_int_equal(dns.questions, asked + 2);
}

/* When none will do: one line for all of them, however often they are tried. */
static void
test_nowhere(void **state)
{
	const char *text, *at;
	unsigned lines = 0;

	(void)state;
	start("nowhere.test");
	while (connects() < 6)
		turn();
	text = logged();
	assert_non_null(
	    strstr(text, "127.0.0.2: Connection refused; 127.0.0.3: Connection refused"));
	for (at = text; (at = strstr(at, "cannot be reached")) != NULL; at++)
		lines++;
	assert_int_equal(lines, 1);
}

static void
test_unknown(void **state)
{
	(void)state;
	start("none.test");
	wait_fault();
	assert_string_equal(redis_fault(redis), "no such host");
	assert_int_equal(connects(), 0);
	assert_null(strstr(logged(), " ip="));
}

/* Given up while the name is asked for. */
static void
test_freed(void **state)
{
	(void)state;
	dns.silent = true;
	start("redis.test");
	while (dns.questions < 2)
		turn();
	redis_free(redis);
	redis = NULL;
	event_base_loop(base, EVLOOP_NONBLOCK);
	start("redis.test"); /* and not answered in time: the timeout is 500 ms */
	wait_fault();
	assert_string_equal(redis_fault(redis), "the host name was not resolved in time");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_hosts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_dns, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nowhere, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_freed, setup, teardown),
	};
	int failed, to = dup(STDERR_FILENO);

	strcpy(logs, "/tmp/t_redis_connect.XXXXXX");
	dup2(mkstemp(logs), STDERR_FILENO);
	log_setup(LOG_INFO, LOG_LOGFMT);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (failed != 0) { /* cmocka's words are there, too */
		logged_to = 0;
		dprintf(to, "%s", logged());
	}
	unlink(logs);
	return failed;
}
