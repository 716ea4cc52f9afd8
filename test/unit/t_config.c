/* server/config: sources and their order, types and bounds, faults, cross checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <config.h> /* of configure: PACKAGE_VERSION */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "server/config.h"
#include "server/config_help.h"
#include "server/config_show.h"
#include "server/config_table.h"

#define ARGS_MAX 16

/* What one reading came to. */
struct run {
	struct config config;
	enum config_result result;
	int argc;
	char *argv[ARGS_MAX + 1]; /* writable, as main()'s is */
	char err[1024];           /* what was written to stderr */
	char out[16384];          /* and to stdout */
};

static void
slurp(FILE *file, char *to, size_t cap)
{
	rewind(file);
	to[fread(to, 1, cap - 1, file)] = '\0';
	fclose(file);
}

/* Reads with those arguments; the list ends with NULL. */
static struct run *
run(const char *first, ...)
{
	struct run *r = xcalloc(1, sizeof *r);
	FILE *out = tmpfile(), *err = tmpfile();
	int old_out, old_err;
	va_list ap;

	r->argv[r->argc++] = xstrdup("evhookd");
	va_start(ap, first);
	for (const char *s = first; s; s = va_arg(ap, const char *))
		r->argv[r->argc++] = xstrdup(s);
	va_end(ap);
	fflush(stdout);
	old_out = dup(1);
	old_err = dup(2);
	dup2(fileno(out), 1);
	dup2(fileno(err), 2);
	r->result = config_read(&r->config, r->argc, r->argv);
	fflush(stdout);
	dup2(old_out, 1);
	dup2(old_err, 2);
	close(old_out);
	close(old_err);
	slurp(out, r->out, sizeof r->out);
	slurp(err, r->err, sizeof r->err);
	return r;
}

static void
run_free(struct run *r)
{
	config_clear(&r->config);
	for (int i = 0; i < r->argc; i++)
		free(r->argv[i]);
	free(r);
}

static void
expect_fault(struct run *r, const char *text)
{
	char line[1024];

	snprintf(line, sizeof line, "evhookd: %s\n", text);
	assert_string_equal(r->err, line);
	assert_int_equal(r->result, CONFIG_EXIT_USAGE);
	assert_string_equal(r->out, "");
	run_free(r);
}

/* A file with that text; its name is valid until the next one. */
static const char *
file_with(const char *text)
{
	static char name[64];
	int fd;

	strcpy(name, "/tmp/t_config.XXXXXX");
	fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return name;
}

static int
no_environment(void **state)
{
	(void)state;
	return clearenv();
}

static void
test_defaults(void **state)
{
	struct run *r = run(NULL, NULL);
	const struct config *c = &r->config;

	(void)state;
	assert_string_equal(r->err, "");
	assert_string_equal(r->out, "");
	assert_int_equal(r->result, CONFIG_RUN);
	assert_int_equal(c->listen.n, 1);
	assert_string_equal(c->listen.list[0], "127.0.0.1:8080");
	assert_string_equal(c->admin_listen, "127.0.0.1:9464");
	assert_null(c->redis);
	assert_string_equal(c->data_dir, "./evhook-data");
	assert_int_equal(c->shards, 64);
	assert_int_equal(c->lease_ms, 30000);
	assert_int_equal(c->dns.n, 0);
	assert_null(c->ca_file);
	assert_int_equal(c->nallow_egress, 0);
	assert_int_equal(c->max_body, 1048576);
	assert_int_equal(c->max_header, 16384);
	assert_int_equal(c->max_connections, 10000);
	assert_int_equal(c->request_timeout_ms, 30000);
	assert_int_equal(c->max_webhooks, 1000);
	assert_int_equal(c->max_fanout, 10000);
	assert_int_equal(c->max_pending, 1000000);
	assert_int_equal(c->idempotency_ttl_ms, 86400000);
	assert_int_equal(c->event_retention_ms, 7 * 86400000);
	assert_int_equal(c->events_kept, 1000000);
	assert_int_equal(c->attempts_kept, 1000);
	assert_int_equal(c->secret_overlap_ms, 86400000);
	assert_int_equal(c->redis_wait, 0);
	assert_int_equal(c->redis_timeout_ms, 5000);
	assert_int_equal(c->delivery_timeout_ms, 15000);
	assert_int_equal(c->endpoint_concurrency, 32);
	assert_int_equal(c->delivery_concurrency, 1024);
	assert_int_equal(c->drain_delay_ms, 0);
	assert_int_equal(c->drain_timeout_ms, 20000);
	assert_int_equal(c->log_level, LOG_INFO);
	assert_int_equal(c->log_format, LOG_LOGFMT);
	assert_false(c->no_auth);
	run_free(r);
}

static void
test_command_line(void **state)
{
	struct run *r = run("--shards", "7", "--listen=[::1]:0", "--listen", "127.9.9.9:80",
	    "--max-body=2M", "--lease", "2m", "--dns=[fd00::1]:53", "--no-auth",
	    "--log-level=debug", "--allow-egress=10.0.0.0/8", "--allow-egress", "fd00::/8", NULL);
	const struct config *c = &r->config;

	(void)state;
	assert_string_equal(r->err, "");
	assert_int_equal(c->shards, 7);
	assert_int_equal(c->listen.n, 2);
	assert_string_equal(c->listen.list[0], "[::1]:0");
	assert_string_equal(c->listen.list[1], "127.9.9.9:80");
	assert_int_equal(c->max_body, 2 << 20);
	assert_int_equal(c->lease_ms, 120000);
	assert_string_equal(c->dns.list[0], "[fd00::1]:53");
	assert_true(c->no_auth);
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_int_equal(c->nallow_egress, 2);
	assert_int_equal(c->allow_egress[0].bits, 8);
	assert_int_equal(c->allow_egress[1].family, AF_INET6);
	run_free(r);
	r = run("--no-auth", "--no-auth=false", NULL);
	assert_int_equal(r->result, CONFIG_RUN);
	assert_false(r->config.no_auth);
	run_free(r);
}

static void
expect_time(const char *text, int64_t ms)
{
	struct run *r = run("--event-retention", text, NULL);

	assert_string_equal(r->err, "");
	assert_int_equal(r->config.event_retention_ms, ms);
	run_free(r);
}

static void
test_units(void **state)
{
	struct run *r;

	(void)state;
	expect_time("90", 90000);
	expect_time("1500ms", 1500);
	expect_time("90s", 90000);
	expect_time("3m", 180000);
	expect_time("2h", 7200000);
	expect_time("3650d", INT64_C(315360000000));
	r = run("--max-header", "8K", NULL);
	expect_fault(r, "--max-header: must be a number of bytes, or with k, M or G, not \"8K\" "
			"(command line)");
	r = run("--max-header", "4096", NULL);
	assert_int_equal(r->config.max_header, 4096);
	run_free(r);
}

static void
test_bounds(void **state)
{
	(void)state;
	expect_fault(
	    run("--shards", "0", NULL), "--shards: must be from 1 to 16384, not 0 (command line)");
	expect_fault(run("--shards=16385", NULL),
	    "--shards: must be from 1 to 16384, not 16385 (command line)");
	expect_fault(run("--shards=99999999999999999999", NULL),
	    "--shards: must be from 1 to 16384, not 99999999999999999999 (command line)");
	expect_fault(run("--max-body=9223372036854775807G", NULL),
	    "--max-body: must be from 1k to 256M, not 9223372036854775807G (command line)");
	expect_fault(run("--secret-overlap=366d", NULL),
	    "--secret-overlap: must be from 0 to 365d, not 366d (command line)");
	expect_fault(
	    run("--shards=-1", NULL), "--shards: must be a number, not \"-1\" (command line)");
	expect_fault(
	    run("--shards=1x", NULL), "--shards: must be a number, not \"1x\" (command line)");
	expect_fault(run("--shards=", NULL), "--shards: must be a number, not \"\" (command line)");
	expect_fault(run("--lease=1 s", NULL),
	    "--lease: must be a number of seconds, or with ms, s, m, h or d, not \"1 s\" "
	    "(command line)");
}

static void
test_bad_values(void **state)
{
	static const char *const addresses[] = {"localhost:80", ":80", "127.0.0.1",
	    "127.0.0.1:", "127.0.0.1:65536", "::1:80", "[::1]", "[::1:80", "[127.0.0.1]:80",
	    "127.1:80", "*:80"};

	(void)state;
	for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
		char line[200];

		snprintf(line, sizeof line,
		    "--listen: must be ADDR:PORT or [IPV6-ADDR]:PORT, not \"%s\" (command line)",
		    addresses[i]);
		expect_fault(run("--listen", addresses[i], NULL), line);
	}
	expect_fault(run("--dns=9.9.9.9:0", NULL),
	    "--dns: must be an address with a port from 1 to 65535, not \"9.9.9.9:0\" "
	    "(command line)");
	expect_fault(run("--allow-egress=10.0.0.1/8", NULL),
	    "--allow-egress: must be an address or a network such as 10.0.0.0/8 or fd00::/8, not "
	    "\"10.0.0.1/8\" (command line)");
	expect_fault(run("--no-auth=yes", NULL),
	    "--no-auth: must be true or false, not \"yes\" (command line)");
	expect_fault(run("--log-level=loud", NULL),
	    "--log-level: must be error, warn, info or debug, not \"loud\" (command line)");
	expect_fault(run("--log-format=xml", NULL),
	    "--log-format: must be logfmt or json, not \"xml\" (command line)");
	expect_fault(run("--data-dir=", NULL), "--data-dir: must not be empty (command line)");
	expect_fault(run("--shards", NULL), "--shards: needs a value (command line)");
	expect_fault(run("--log-level=a\nb\x1b", NULL),
	    "--log-level: must be error, warn, info or debug, not \"a?b?\" (command line)");
}

static void
test_unknown(void **state)
{
	struct run *r;
	const char *file;
	char line[200];

	(void)state;
	expect_fault(run("--shard=3", NULL), "command line: unknown option \"--shard\"");
	expect_fault(run("--", NULL), "command line: unknown option \"--\"");
	expect_fault(run("-h", NULL), "unexpected argument \"-h\": see evhookd --help");
	setenv("EVHOOK_SHARD", "3", 1);
	expect_fault(run(NULL, NULL), "environment: unknown option \"EVHOOK_SHARD\"");
	r = run("--version", NULL); /* may always be asked */
	assert_int_equal(r->result, CONFIG_EXIT_OK);
	run_free(r);
	unsetenv("EVHOOK_SHARD");
	setenv("EVHOOK_shards", "3", 1);
	expect_fault(run(NULL, NULL), "environment: unknown option \"EVHOOK_shards\"");
	unsetenv("EVHOOK_shards");
	/* what Kubernetes sets for a Service named "evhook" */
	setenv("EVHOOK_SERVICE_HOST", "10.0.0.1", 1);
	setenv("EVHOOK_PORT_8080_TCP_ADDR", "10.0.0.1", 1);
	setenv("EVHOOK_PORT", "tcp://10.0.0.1:8080", 1);
	r = run("--check-config", NULL);
	assert_int_equal(r->result, CONFIG_EXIT_OK);
	assert_non_null(r->config.passed_over);
	run_free(r);
	unsetenv("EVHOOK_SERVICE_HOST");
	unsetenv("EVHOOK_PORT_8080_TCP_ADDR");
	unsetenv("EVHOOK_PORT");
	setenv("EVHOOK_PORTS", "3", 1);
	expect_fault(run(NULL, NULL), "environment: unknown option \"EVHOOK_PORTS\"");
	unsetenv("EVHOOK_PORTS");
	setenv("EVHOOK_HELP", "true", 1);
	expect_fault(run(NULL, NULL), "environment: unknown option \"EVHOOK_HELP\"");
	unsetenv("EVHOOK_HELP");
	setenv("EVHOOK_TEST_ANYTHING", "3", 1);
	r = run(NULL, NULL);
	assert_int_equal(r->result, CONFIG_RUN);
	run_free(r);
	unsetenv("EVHOOK_TEST_ANYTHING");
	file = file_with("shards = 3\n\nshard = 4\n");
	snprintf(line, sizeof line, "%s:3: unknown option \"shard\"", file);
	expect_fault(run("--config", file, NULL), line);
	unlink(file);
	file = file_with("config = /etc/other\n");
	snprintf(line, sizeof line, "%s:1: unknown option \"config\"", file);
	expect_fault(run("--config", file, NULL), line);
	unlink(file);
}

static void
test_file(void **state)
{
	const char *file = file_with("# a comment\n\n  shards=5   # another\r\n"
				     "listen = 127.0.0.1:1\nlisten =\t127.0.0.1:2\n"
				     "redis = redis://u:p#w@h:1/2\nno-auth = true");
	struct run *r = run("--config", file, NULL);
	char line[200];

	(void)state;
	assert_string_equal(r->err, "");
	assert_int_equal(r->config.shards, 5);
	assert_int_equal(r->config.listen.n, 2);
	assert_string_equal(r->config.listen.list[1], "127.0.0.1:2");
	assert_string_equal(r->config.redis, "redis://u:p#w@h:1/2");
	assert_true(r->config.no_auth);
	run_free(r);
	unlink(file);
	file = file_with("shards\n");
	snprintf(line, sizeof line, "%s:1: is not \"name = value\"", file);
	expect_fault(run("--config", file, NULL), line);
	unlink(file);
	file = file_with("\nshards = 0\n");
	snprintf(line, sizeof line, "--shards: must be from 1 to 16384, not 0 (%s:2)", file);
	expect_fault(run("--config", file, NULL), line);
	unlink(file);
	expect_fault(run("--config=/nowhere/file", NULL),
	    "--config: /nowhere/file: No such file or directory");
	expect_fault(run("--config=/tmp", NULL), "--config: /tmp: Is a directory");
}

static void
test_precedence(void **state)
{
	const char *file = file_with("shards = 2\nlease = 40\nredis-wait = 2\n"
				     "listen = 127.0.0.1:2\nlisten = 127.0.0.1:3\n"
				     "dns = 1.1.1.1:53\n");
	struct run *r;

	(void)state;
	setenv("EVHOOK_CONFIG", file, 1);
	setenv("EVHOOK_SHARDS", "3", 1);
	setenv("EVHOOK_LEASE", "50", 1);
	setenv("EVHOOK_REDIS", "", 1); /* empty is not given */
	setenv("EVHOOK_DNS", "8.8.8.8:53, 9.9.9.9:53", 1);
	r = run("--shards=4", "--listen=127.0.0.1:4", NULL);
	assert_string_equal(r->err, "");
	assert_int_equal(r->config.shards, 4);
	assert_int_equal(r->config.lease_ms, 50000);
	assert_int_equal(r->config.redis_wait, 2);
	assert_null(r->config.redis);
	assert_int_equal(r->config.listen.n, 1);
	assert_string_equal(r->config.listen.list[0], "127.0.0.1:4");
	assert_int_equal(r->config.dns.n, 2);
	assert_string_equal(r->config.dns.list[0], "8.8.8.8:53");
	assert_string_equal(r->config.dns.list[1], "9.9.9.9:53");
	run_free(r);
	setenv("EVHOOK_DNS", "8.8.8.8:53,,", 1);
	expect_fault(run(NULL, NULL), "--dns: must not be empty (EVHOOK_DNS)");
	setenv("EVHOOK_SHARDS", "x", 1);
	unsetenv("EVHOOK_DNS");
	expect_fault(run(NULL, NULL), "--shards: must be a number, not \"x\" (EVHOOK_SHARDS)");
	/* the command line's file wins over the environment's */
	setenv("EVHOOK_SHARDS", "3", 1);
	setenv("EVHOOK_CONFIG", "/nowhere/file", 1);
	r = run("--config", file, NULL);
	assert_int_equal(r->result, CONFIG_RUN);
	assert_string_equal(r->config.file, file);
	assert_int_equal(r->config.redis_wait, 2);
	run_free(r);
	unlink(file);
	clearenv();
}

static void
test_cross_checks(void **state)
{
	const char *key;
	char text[200];
	struct run *r;

	(void)state;
	expect_fault(run("--lease=15s", NULL),
	    "--lease: must be longer than --delivery-timeout: it "
	    "is 15000 ms, the timeout 15000 ms");
	expect_fault(run("--listen=0.0.0.0:80", NULL),
	    "--listen: 0.0.0.0:80 is not a loopback address, and there is no authentication: give "
	    "--auth-key, or --no-auth to let anyone in who can connect");
	r = run("--listen=[::]:80", NULL);
	assert_int_equal(r->result, CONFIG_EXIT_USAGE);
	run_free(r);
	r = run("--listen=[::]:80", "--no-auth", NULL);
	assert_int_equal(r->result, CONFIG_RUN);
	run_free(r);
	key = file_with("a secret that is long enough to be one\n");
	r = run("--listen=[::]:80", "--auth-key", key, "--auth-key", key, "--auth-issuer=me",
	    "--auth-audience=you", NULL);
	assert_int_equal(r->result, CONFIG_RUN);
	assert_int_equal(r->config.auth_key.n, 2);
	assert_string_equal(r->config.auth_key.list[1], key);
	assert_string_equal(r->config.auth_issuer, "me");
	assert_string_equal(r->config.auth_audience, "you");
	run_free(r);
	unlink(key);
	expect_fault(run("--auth-key=/nowhere/key", NULL),
	    "--auth-key: /nowhere/key: No such file or directory");
	expect_fault(run("--auth-key=/", NULL), "--auth-key: /: is not a regular file");
	key = file_with("too short\n");
	snprintf(text, sizeof text, "--auth-key: %s: a secret must have at least 32 bytes", key);
	expect_fault(run("--auth-key", key, NULL), text);
	unlink(key);
	expect_fault(run("--ca-file=/nowhere/ca.pem", NULL),
	    "--ca-file: /nowhere/ca.pem: No such file or directory");
}

static void
test_redis_uri(void **state)
{
	static const char *const bad[][2] = {
	    {"rediss://u:hunter2@h", "asks for TLS, which this build's hiredis does not have: use "
				     "redis:// or a tunnel"},
	    {"http://u:hunter2@h", "must begin with redis:// or unix://"},
	    {"redis://@h", "has an empty user"},
	    {"redis://u:@h", "has an empty password"},
	    {"redis://u:hunter2%4@h", "has a broken percent escape in the password"},
	    {"redis://u:hunter2@", "has no host"},
	    {"redis://u:hunter2@h:x", "has a port that is not from 1 to 65535"},
	    {"redis://u:hunter2@h:0", "has a port that is not from 1 to 65535"},
	    {"redis://u:hunter2@h/a", "has a database that is not a number"},
	    {"redis://u:hunter2@h?x", "has a host that is neither a name nor an address"},
	    {"unix://hunter2/x", "needs an absolute path: unix:///path"},
	    {"unix://", "has no path: unix:///path"},
	    {"unix:///", "has no path: unix:///path"},
	    {"unix://u:hunter2@", "has no path: unix:///path"},
	    {"unix://u:hunter2%4@/x", "has a broken percent escape in the password"},
	    {"unix:///x?db=", "has a database that is not a number"},
	    {"unix:///x?db=1&y=2", "has a database that is not a number"},
	    {"unix:///x?y=2", "has a query other than ?db=N"},
	};
	static const char *const good[] = {"redis://h", "redis://h:1", "redis://h:1/",
	    "redis://h/15", "redis://[::1]:1/2", "redis://:pw@127.0.0.1", "redis://u:p@w@h:1/0",
	    "redis://u@h", "unix:///run/r.sock", "unix:///run/r.sock?db=3",
	    "unix://:pw@/run/r.sock", "unix://u:p%2fw@/run/r?.sock?db=0", "unix://u@/r"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char line[200];

		snprintf(line, sizeof line, "--redis: %s (command line)", bad[i][1]);
		expect_fault(run("--redis", bad[i][0], NULL), line);
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct run *r = run("--redis", good[i], NULL);

		assert_string_equal(r->err, "");
		assert_string_equal(r->config.redis, good[i]);
		run_free(r);
	}
}

static void
test_redis_password_file(void **state)
{
	const char *file = file_with("pass word\r\n");
	struct run *r = run("--redis=redis://u@h", "--redis-password-file", file, NULL);

	(void)state;
	assert_string_equal(r->err, "");
	assert_string_equal(r->config.redis_password_file, file);
	run_free(r);
	expect_fault(
	    run("--redis-password-file", file, NULL), "--redis-password-file: needs --redis too");
	expect_fault(run("--redis=redis://:p@h", "--redis-password-file", file, NULL),
	    "--redis-password-file: --redis has a password too");
	unlink(file);
	expect_fault(run("--redis=redis://h", "--redis-password-file", "/nowhere/pw", NULL),
	    "--redis-password-file: /nowhere/pw: No such file or directory");
	file = file_with("\n");
	r = run("--redis=redis://h", "--redis-password-file", file, NULL);
	assert_non_null(strstr(r->err, ": is empty"));
	run_free(r);
	unlink(file);
	file = file_with("two\nlines");
	r = run("--redis=redis://h", "--redis-password-file", file, NULL);
	assert_non_null(strstr(r->err, ": is not one line of text"));
	run_free(r);
	unlink(file);
}

static void
test_secret_leaves_argv(void **state)
{
	struct run *r = run("--redis", "redis://u:hunter2@h:1", NULL);

	(void)state;
	assert_string_equal(r->argv[2], "***");
	assert_memory_equal(r->argv[2] + 4, "\0\0\0\0\0\0", 6);
	assert_string_equal(r->config.redis, "redis://u:hunter2@h:1");
	run_free(r);
	r = run("--redis=redis://u:hunter2@h:1", NULL);
	assert_string_equal(r->argv[1], "--redis=***");
	run_free(r);
	r = run("--redis=redis://h:1", NULL);
	assert_string_equal(r->argv[1], "--redis=redis://h:1");
	run_free(r);
}

static void
rewrite(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	fputs(text, f);
	fclose(f);
}

/* What one start would tell one by one. */
static void
test_all_faults_at_once(void **state)
{
	const char *file = file_with("shards = 0\nnonsense\nshard = 1\nlease = 20s\n");
	struct run *r;
	char text[1024];

	(void)state;
	setenv("EVHOOK_MAX_BODY", "x", 1);
	r = run("--config", file, "--shard", "3", "--log-level=loud", "--delivery-timeout=30s",
	    "--listen=0.0.0.0:1", "--tls-cert=/nowhere/cert", "--ca-file=/nowhere/ca",
	    "--auth-issuer", NULL);
	unsetenv("EVHOOK_MAX_BODY");
	snprintf(text, sizeof text,
	    "evhookd: --shards: must be from 1 to 16384, not 0 (%s:1)\n"
	    "evhookd: %s:2: is not \"name = value\"\n"
	    "evhookd: %s:3: unknown option \"shard\"\n"
	    "evhookd: --max-body: must be a number of bytes, or with k, M or G, not \"x\" "
	    "(EVHOOK_MAX_BODY)\n"
	    "evhookd: command line: unknown option \"--shard\"\n"
	    "evhookd: --log-level: must be error, warn, info or debug, not \"loud\" "
	    "(command line)\n"
	    "evhookd: --auth-issuer: needs a value (command line)\n"
	    "evhookd: --lease: must be longer than --delivery-timeout: it is 20000 ms, the "
	    "timeout 30000 ms\n"
	    "evhookd: --tls-cert: needs --tls-key too\n"
	    "evhookd: --ca-file: /nowhere/ca: No such file or directory\n"
	    "evhookd: --listen: 0.0.0.0:1 is not a loopback address, and there is no "
	    "authentication: give --auth-key, or --no-auth to let anyone in who can connect\n",
	    file, file, file);
	assert_string_equal(r->err, text);
	assert_int_equal(r->result, CONFIG_EXIT_USAGE);
	run_free(r);
	unlink(file);
}

/* --check-config goes as far as a start would. */
static void
test_directories_and_addresses_are_tried(void **state)
{
	char path[] = "/tmp/t_config.XXXXXX", text[200];
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;
	struct run *r;
	int fd;

	(void)state;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = mkstemp(path);
	close(fd);
	snprintf(text, sizeof text, "--data-dir: %s: Not a directory", path);
	expect_fault(run("--check-config", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
			 "--data-dir", path, NULL),
	    text);
	unlink(path);
	expect_fault(run("--check-config", "--listen=192.0.2.1:0", "--no-auth",
			 "--admin-listen=127.0.0.1:0", "--redis=redis://h", NULL),
	    "--listen: 192.0.2.1:0: Cannot assign requested address");
	r = run("--listen=192.0.2.1:0", "--no-auth", NULL);
	assert_int_equal(r->result, CONFIG_RUN); /* a start finds out by itself */
	run_free(r);
	/* a taken port may be that of the evhookd which runs with this configuration */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(address.sin_port));
	r = run("--check-config", "--listen=127.0.0.1:0", "--admin-listen", text,
	    "--redis=redis://h", NULL);
	assert_int_equal(r->result, CONFIG_EXIT_OK);
	assert_non_null(strstr(r->err, "is in use now, by a running evhookd?"));
	run_free(r);
	close(fd);
}

static void
expect_shown(const struct run *r, const char *text)
{
	struct buf shown = {0};

	config_show(&r->config, &shown);
	if (strstr(buf_str(&shown), text) == NULL)
		fail_msg("no %s in %s", text, buf_str(&shown));
	assert_null(strstr(buf_str(&shown), "hunter2"));
	buf_clear(&shown);
}

static void
test_values_are_shown_with_their_origin(void **state)
{
	const char *file = file_with("dns = 9.9.9.9:53\ndns = 8.8.8.8:53\nlog-level = warn\n");
	struct run *r;
	char text[200], *why = NULL;

	(void)state;
	setenv("EVHOOK_SHARDS", "7", 1);
	r = run(
	    "--config", file, "--redis=redis://u:hunter2@h:1/3", "--lease=1m", "--no-auth", NULL);
	unsetenv("EVHOOK_SHARDS");
	expect_shown(r, "{\"name\":\"max-body\",\"value\":\"1M\",\"from\":\"default\"}");
	expect_shown(r, "{\"name\":\"shards\",\"value\":7,\"from\":\"EVHOOK_SHARDS\"}");
	expect_shown(r, "{\"name\":\"lease\",\"value\":\"1m\",\"from\":\"command line\"}");
	expect_shown(r, "{\"name\":\"no-auth\",\"value\":true,\"from\":\"command line\"}");
	expect_shown(r, "{\"name\":\"ca-file\",\"value\":null,\"from\":null}");
	expect_shown(r, "{\"name\":\"redis\",\"value\":\"redis://***@h:1/3\",");
	snprintf(text, sizeof text,
	    "{\"name\":\"dns\",\"value\":[\"9.9.9.9:53\",\"8.8.8.8:53\"],\"from\":\"%s:2\"}", file);
	expect_shown(r, text);
	rewrite(file, "\nlog-level = debug\n");
	assert_int_equal(config_reload(&r->config, &why), 0);
	snprintf(text, sizeof text,
	    "{\"name\":\"log-level\",\"value\":\"debug\",\"from\":\"%s:2\"}", file);
	expect_shown(r, text);
	run_free(r);
	unlink(file);
}

static void
test_reload(void **state)
{
	const char *file = file_with("log-level = warn\nshards = 3\n");
	struct run *r = run("--config", file, "--redis=redis://u:hunter2@h:1", NULL);
	char *why = NULL, line[200];

	(void)state;
	assert_int_equal(r->result, CONFIG_RUN);
	assert_int_equal(r->config.log_level, LOG_WARN);
	rewrite(file, "log-level = debug\nshards = 4\n");
	assert_int_equal(config_reload(&r->config, &why), 0);
	assert_int_equal(r->config.log_level, LOG_DEBUG);
	assert_int_equal(r->config.shards, 3);
	assert_string_equal(r->config.redis, "redis://u:hunter2@h:1");
	rewrite(file, "log-level = x\n");
	assert_int_equal(config_reload(&r->config, &why), -1);
	snprintf(line, sizeof line,
	    "--log-level: must be error, warn, info or debug, not \"x\" (%s:1)", file);
	assert_string_equal(why, line);
	free(why);
	assert_int_equal(r->config.log_level, LOG_DEBUG);
	rewrite(file, "");
	assert_int_equal(config_reload(&r->config, &why), 0);
	assert_int_equal(r->config.log_level, LOG_INFO);
	run_free(r);
	unlink(file);
}

static void
test_printing(void **state)
{
	struct run *r = run("--help", "--config=/nowhere", NULL);

	(void)state;
	assert_int_equal(r->result, CONFIG_EXIT_OK);
	assert_string_equal(r->err, "");
	for (size_t i = 0; i < config_table_len; i++) {
		char option[80];

		snprintf(option, sizeof option, "\n  --%s ", config_table[i].name);
		assert_non_null(strstr(r->out, option));
	}
	for (char *line = r->out, *end; (end = strchr(line, '\n')); line = end + 1)
		assert_true(end - line <= 100);
	run_free(r);
	r = run("--version", NULL);
	assert_string_equal(r->out, "evhookd " PACKAGE_VERSION "\n");
	run_free(r);
	r = run("--check-config", NULL);
	assert_int_equal(r->result, CONFIG_EXIT_OK);
	assert_string_equal(r->out, "the configuration is good\n");
	run_free(r);
	r = run("--check-config", "--lease=1", NULL);
	assert_int_equal(r->result, CONFIG_EXIT_USAGE);
	run_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_defaults, no_environment),
	    cmocka_unit_test_setup(test_command_line, no_environment),
	    cmocka_unit_test_setup(test_units, no_environment),
	    cmocka_unit_test_setup(test_bounds, no_environment),
	    cmocka_unit_test_setup(test_bad_values, no_environment),
	    cmocka_unit_test_setup(test_unknown, no_environment),
	    cmocka_unit_test_setup(test_file, no_environment),
	    cmocka_unit_test_setup(test_precedence, no_environment),
	    cmocka_unit_test_setup(test_cross_checks, no_environment),
	    cmocka_unit_test_setup(test_redis_uri, no_environment),
	    cmocka_unit_test_setup(test_redis_password_file, no_environment),
	    cmocka_unit_test_setup(test_secret_leaves_argv, no_environment),
	    cmocka_unit_test_setup(test_all_faults_at_once, no_environment),
	    cmocka_unit_test_setup(test_directories_and_addresses_are_tried, no_environment),
	    cmocka_unit_test_setup(test_values_are_shown_with_their_origin, no_environment),
	    cmocka_unit_test_setup(test_reload, no_environment),
	    cmocka_unit_test_setup(test_printing, no_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
