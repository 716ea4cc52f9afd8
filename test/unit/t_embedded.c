/* store/embedded with a real redis-server: start, death, adoption, the lock, stop, what fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/embedded.h"

#define WAIT_MS 20000 /* for anything; valgrind on a busy machine is slow */

struct fixture {
	struct event_base *base;
	char top[64];       /* a directory of this test's */
	char data_dir[256]; /* in it, not made yet */
	char path[4096];    /* PATH as it was */
};

static int
run(const char *command)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status;
}

static const char *const servers[] = {"redis-server", "valkey-server"};

/* What checks the files of the server that is installed. */
static const char *
checker(void)
{
	return run("command -v redis-server >/dev/null") ? "valkey-check-aof" : "redis-check-aof";
}

/* The process that listens; 0 for none. */
static pid_t
server_pid(const char *socket)
{
	redisContext *redis = redisConnectUnix(socket);
	struct ucred peer = {0};
	socklen_t len = sizeof peer;

	if (!redis->err)
		assert_int_equal(getsockopt(redis->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
	redisFree(redis);
	return peer.pid;
}

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	f->base = event_base_new();
	strcpy(f->top, "/tmp/t_embedded.XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->data_dir, sizeof f->data_dir, "%s/da ta\"\\", f->top);
	snprintf(f->path, sizeof f->path, "%s", getenv("PATH"));
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	char socket[400];
	pid_t pid;

	/* what a failed test has left */
	snprintf(socket, sizeof socket, "%s/redis.sock", f->data_dir);
	if ((pid = server_pid(socket)) > 0)
		kill(pid, SIGKILL);
	setenv("PATH", f->path, 1);
	pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", f->top, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	event_base_free(f->base);
	free(f);
	return 0;
}

static struct embedded *
start(struct fixture *f, char **why)
{
	const struct embedded_opts opts = {.data_dir = f->data_dir};

	*why = NULL;
	return embedded_start(f->base, &opts, why);
}

static struct embedded *
start_well(struct fixture *f)
{
	char *why;
	struct embedded *embedded = start(f, &why);

	if (embedded == NULL)
		fail_msg("%s", why);
	return embedded;
}

/* NULL when nobody answers. */
static char *
ask(const char *socket, const char *command)
{
	redisContext *redis = redisConnectUnix(socket);
	redisReply *reply = redis->err ? NULL : redisCommand(redis, command);
	char *text = reply != NULL && reply->str != NULL ? xstrdup(reply->str) : NULL;

	if (reply != NULL)
		freeReplyObject(reply);
	redisFree(redis);
	return text;
}

/* What it answers once it has loaded its data. */
static void
expect(const char *socket, const char *command, const char *answer)
{
	int64_t deadline = clock_mono_ms() + WAIT_MS;
	char *text;

	while ((text = ask(socket, command)) != NULL && strncmp(text, "LOADING", 7) == 0) {
		assert_true(clock_mono_ms() < deadline);
		free(text);
		poll(NULL, 0, 5);
	}
	assert_non_null(text);
	assert_string_equal(text, answer);
	free(text);
}

static bool
is_gone(pid_t pid)
{
	char name[64], text[512] = "", *state;
	FILE *file;

	snprintf(name, sizeof name, "/proc/%ld/stat", (long)pid);
	file = fopen(name, "r");
	if (file == NULL)
		return true;
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	state = strrchr(text, ')');
	return state == NULL || state[2] == 'Z' || state[2] == 'X';
}

/* Turns the loop until another process than `old` answers; gives its id. */
static pid_t
run_until_back(struct fixture *f, const char *socket, pid_t old)
{
	int64_t deadline = clock_mono_ms() + WAIT_MS;
	const struct timeval tick = {.tv_usec = 10000};
	pid_t pid;

	while ((pid = server_pid(socket)) == 0 || pid == old) {
		assert_true(clock_mono_ms() < deadline);
		event_base_loopexit(f->base, &tick);
		event_base_dispatch(f->base);
	}
	return pid;
}

static void
expect_gone(pid_t pid)
{
	int64_t deadline = clock_mono_ms() + WAIT_MS;

	while (!is_gone(pid)) {
		assert_true(clock_mono_ms() < deadline);
		poll(NULL, 0, 5);
	}
}

static void
test_start_and_stop(void **state)
{
	struct fixture *f = *state;
	int open_here = open("/dev/null", O_RDONLY); /* not close-on-exec */
	struct embedded *embedded = start_well(f);
	char socket[400], fds[64];
	struct stat st;
	struct dirent *entry;
	DIR *dir;
	pid_t pid;

	snprintf(socket, sizeof socket, "%s", embedded_socket(embedded));
	assert_int_equal(socket[0], '/');
	assert_int_equal(stat(f->data_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	pid = server_pid(socket);
	assert_true(pid > 0);
	assert_int_equal(getsid(pid), pid);
	expect(socket, "SET key value", "OK");
	/* 0 to 2, the lock at 3, and redis-server's own: ours is not among them */
	snprintf(fds, sizeof fds, "/proc/%ld/fd", (long)pid);
	dir = opendir(fds);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char name[400], target[400] = "";

		snprintf(name, sizeof name, "%s/%s", fds, entry->d_name);
		if (readlink(name, target, sizeof target - 1) < 0)
			continue;
		if (!strcmp(target, "/dev/null"))
			assert_true(atoi(entry->d_name) < 3);
		if (strstr(target, "redis.lock") != NULL)
			assert_int_equal(atoi(entry->d_name), 3);
		assert_null(strstr(target, "evhookd.lock"));
	}
	closedir(dir);
	close(open_here);
	embedded_stop(embedded);
	embedded_free(embedded);
	assert_true(is_gone(pid));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even dead */
	assert_int_equal(errno, ECHILD);
	assert_int_equal(access(socket, F_OK), -1);
	/* and the data is there the next time */
	embedded = start_well(f);
	expect(embedded_socket(embedded), "GET key", "value");
	embedded_stop(embedded);
	embedded_free(embedded);
}

static void
expect_setting(const char *socket, const char *name, const char *value)
{
	redisContext *redis = redisConnectUnix(socket);
	redisReply *reply = redisCommand(redis, "CONFIG GET %s", name);

	assert_int_equal(reply->elements, 2);
	assert_string_equal(reply->element[1]->str, value);
	freeReplyObject(reply);
	redisFree(redis);
}

static void
test_settings(void **state)
{
	struct embedded *embedded = start_well(*state);
	const char *socket = embedded_socket(embedded);

	expect_setting(socket, "appendonly", "yes");
	expect_setting(socket, "appendfsync", "always");
	expect_setting(socket, "no-appendfsync-on-rewrite", "no");
	expect_setting(socket, "save", "");
	expect_setting(socket, "port", "0");
	expect_setting(socket, "maxmemory-policy", "noeviction");
	expect_setting(socket, "zset-max-listpack-entries", "16");
	embedded_stop(embedded);
	embedded_free(embedded);
}

static void
test_comes_back(void **state)
{
	struct fixture *f = *state;
	struct embedded *embedded = start_well(f);
	const char *socket = embedded_socket(embedded);
	pid_t first = server_pid(socket), second, third;

	expect(socket, "SET key value", "OK");
	kill(first, SIGKILL);
	second = run_until_back(f, socket, first);
	expect(socket, "GET key", "value");
	kill(second, SIGKILL);
	third = run_until_back(f, socket, second);
	expect(socket, "GET key", "value");
	embedded_stop(embedded);
	embedded_free(embedded);
	expect_gone(third);
}

/* While it cannot be started it is tried again and again. */
static void
test_goes_on_trying(void **state)
{
	struct fixture *f = *state;
	struct embedded *embedded = start_well(f);
	const char *socket = embedded_socket(embedded);
	const struct timeval some = {.tv_usec = 400000}; /* two tries or more */
	pid_t first = server_pid(socket);

	setenv("PATH", "/nonexistent", 1);
	kill(first, SIGKILL);
	event_base_loopexit(f->base, &some);
	event_base_dispatch(f->base);
	assert_int_equal(server_pid(socket), 0);
	setenv("PATH", f->path, 1);
	run_until_back(f, socket, first);
	kill(server_pid(socket), SIGKILL);
	embedded_stop(embedded); /* dead, and not noticed yet */
	embedded_free(embedded);
}

/* An evhookd that gets kill -9; gives its id. */
static pid_t
killed_daemon(struct fixture *f)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct event_base *base = event_base_new();
		const struct embedded_opts opts = {.data_dir = f->data_dir};
		char *why;

		close(ready[0]);
		if (embedded_start(base, &opts, &why) != NULL && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return pid;
}

static void
test_adopts(void **state)
{
	struct fixture *f = *state;
	struct embedded *embedded;
	char socket[400];
	pid_t orphan, second;

	killed_daemon(f);
	snprintf(socket, sizeof socket, "%s/redis.sock", f->data_dir);
	orphan = server_pid(socket);
	assert_true(orphan > 0);
	expect(socket, "SET key value", "OK");
	embedded = start_well(f);
	assert_string_equal(embedded_socket(embedded), socket);
	assert_int_equal(server_pid(socket), orphan);
	kill(orphan, SIGKILL);
	second = run_until_back(f, socket, orphan);
	expect(socket, "GET key", "value");
	embedded_stop(embedded);
	embedded_free(embedded);
	assert_true(is_gone(second));
	/* and one that is stopped as an orphan */
	killed_daemon(f);
	orphan = server_pid(socket);
	embedded = start_well(f);
	assert_int_equal(server_pid(socket), orphan);
	embedded_stop(embedded);
	embedded_free(embedded);
	expect_gone(orphan);
	assert_int_equal(access(socket, F_OK), -1);
}

/* An orphan without its socket (as if it were on its way out) still has the file: it is not
 * joined by a second server, and once it has gone a new one takes over. */
static void
test_waits_for_orphan(void **state)
{
	struct fixture *f = *state;
	char socket[400];
	struct embedded *embedded;
	pid_t orphan, killer;

	killed_daemon(f);
	snprintf(socket, sizeof socket, "%s/redis.sock", f->data_dir);
	expect(socket, "SET key value", "OK");
	orphan = server_pid(socket);
	assert_int_equal(unlink(socket), 0);
	killer = fork();
	if (killer == 0) {
		poll(NULL, 0, 300);
		kill(orphan, SIGTERM);
		_exit(0);
	}
	embedded = start_well(f);
	assert_true(is_gone(orphan));
	assert_int_not_equal(server_pid(socket), orphan);
	expect(socket, "GET key", "value");
	waitpid(killer, NULL, 0);
	embedded_stop(embedded);
	embedded_free(embedded);
}

static void
expect_refusal(struct fixture *f, const char *text)
{
	char *why;

	assert_null(start(f, &why));
	assert_string_equal(why, text);
	free(why);
}

static void
test_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct embedded *embedded = start_well(f);
	char line[600];

	snprintf(line, sizeof line, "data directory %s is in use by another evhookd (pid %ld)",
	    f->data_dir, (long)getpid());
	expect_refusal(f, line);
	assert_true(server_pid(embedded_socket(embedded)) > 0);
	embedded_stop(embedded);
	embedded_free(embedded);
}

/* Where there is no redis-server in PATH: by its other name. */
static void
test_valkey(void **state)
{
	struct fixture *f = *state;
	struct embedded *embedded;
	char command[400];

	snprintf(command, sizeof command,
	    "mkdir %s/bin && ln -s \"$(command -v redis-server || command -v valkey-server)\" "
	    "%s/bin/valkey-server",
	    f->top, f->top);
	assert_int_equal(run(command), 0);
	snprintf(command, sizeof command, "%s/bin", f->top);
	setenv("PATH", command, 1);
	embedded = start_well(f);
	expect(embedded_socket(embedded), "SET key value", "OK");
	embedded_stop(embedded);
	embedded_free(embedded);
	setenv("PATH", f->path, 1);
}

static void
test_refusals(void **state)
{
	struct fixture *f = *state;
	char line[600];
	int fd;

	setenv("PATH", "/nonexistent", 1);
	expect_refusal(f,
	    "neither redis-server nor valkey-server found in PATH: apt-get install redis-server, "
	    "or use --redis");
	setenv("PATH", f->path, 1);
	snprintf(f->data_dir, sizeof f->data_dir, "/proc/nowhere");
	expect_refusal(f, "data directory /proc/nowhere: No such file or directory");
	snprintf(f->data_dir, sizeof f->data_dir, "%s/file", f->top);
	fd = open(f->data_dir, O_CREAT | O_WRONLY, 0600);
	close(fd);
	snprintf(line, sizeof line, "data directory %s: Not a directory", f->data_dir);
	expect_refusal(f, line);
	snprintf(f->data_dir, sizeof f->data_dir, "%s/%090d", f->top, 1);
	snprintf(line, sizeof line,
	    "data directory %s: its path is too long for a Unix socket in it: %zu bytes, at most "
	    "96",
	    f->data_dir, strlen(f->data_dir));
	expect_refusal(f, line);
}

/* What redis-server says about its failure is passed on. */
static void
test_broken_data(void **state)
{
	struct fixture *f = *state;
	struct embedded *embedded = start_well(f);
	char name[400], *why;
	FILE *file;

	embedded_stop(embedded);
	embedded_free(embedded);
	snprintf(name, sizeof name, "%s/appendonlydir/appendonly.aof.manifest", f->data_dir);
	file = fopen(name, "w");
	assert_non_null(file);
	fputs("nonsense\n", file);
	fclose(file);
	assert_null(start(f, &why));
	snprintf(name, sizeof name, "redis-server exited with status 1: ");
	assert_int_equal(strncmp(why, name, strlen(name)), 0);
	assert_non_null(strstr(why + strlen(name), "manifest"));
	assert_null(strchr(why, '\n'));
	free(why);
}

/* The same when it notices while it loads. */
static void
test_broken_file(void **state)
{
	struct fixture *f = *state;
	struct embedded *embedded = start_well(f);
	char name[400], *why;
	FILE *file;

	expect(embedded_socket(embedded), "SET key value", "OK");
	embedded_stop(embedded);
	embedded_free(embedded);
	snprintf(name, sizeof name, "%s/appendonlydir/appendonly.aof.1.incr.aof", f->data_dir);
	file = fopen(name, "a");
	assert_non_null(file);
	fputs("nonsense\nof two lines\n", file);
	fclose(file);
	assert_null(start(f, &why));
	assert_non_null(strstr(why, "Bad file format"));
	free(why);
}

/* An unclean end of the machine can leave a tail of NULs; the line names the cure. */
static void
test_tail_of_nuls(void **state)
{
	static const char nuls[4096];
	struct fixture *f = *state;
	struct embedded *embedded = start_well(f);
	char name[400], cure[600], *why;
	FILE *file;

	expect(embedded_socket(embedded), "SET key value", "OK");
	embedded_stop(embedded);
	embedded_free(embedded);
	snprintf(name, sizeof name, "%s/appendonlydir/appendonly.aof.1.incr.aof", f->data_dir);
	file = fopen(name, "a");
	assert_non_null(file);
	fwrite(nuls, 1, sizeof nuls, file);
	fclose(file);
	assert_null(start(f, &why));
	snprintf(cure, sizeof cure, "%s --fix %s/appendonlydir/appendonly.aof.manifest", checker(),
	    f->data_dir);
	assert_non_null(strstr(why, cure));
	assert_null(strchr(why, '\n'));
	free(why);
	snprintf(cure, sizeof cure,
	    "cd '%s' && echo y | %s --fix appendonlydir/appendonly.aof.manifest >/dev/null",
	    f->data_dir, checker());
	assert_int_equal(run(cure), 0);
	embedded = start_well(f);
	expect(embedded_socket(embedded), "GET key", "value");
	embedded_stop(embedded);
	embedded_free(embedded);
}

/* redis-server would take the directory for a new one. */
static void
test_lost_manifest(void **state)
{
	struct fixture *f = *state;
	struct embedded *embedded = start_well(f);
	char name[400], aside[400], *why;
	struct stat before, after;

	expect(embedded_socket(embedded), "SET key value", "OK");
	embedded_stop(embedded);
	embedded_free(embedded);
	snprintf(name, sizeof name, "%s/appendonlydir/appendonly.aof.manifest", f->data_dir);
	snprintf(aside, sizeof aside, "%s/aside", f->top);
	assert_int_equal(rename(name, aside), 0);
	snprintf(name, sizeof name, "%s/appendonlydir/appendonly.aof.1.incr.aof", f->data_dir);
	assert_int_equal(stat(name, &before), 0);
	assert_null(start(f, &why));
	assert_non_null(strstr(why, "appendonly.aof.1.base.rdb"));
	assert_non_null(strstr(why, "appendonly.aof.1.incr.aof"));
	assert_non_null(strstr(why, "appendonly.aof.manifest"));
	assert_non_null(strstr(why, "redis-check-aof"));
	free(why);
	assert_int_equal(stat(name, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	snprintf(name, sizeof name, "%s/appendonlydir/appendonly.aof.manifest", f->data_dir);
	assert_int_equal(rename(aside, name), 0);
	embedded = start_well(f);
	expect(embedded_socket(embedded), "GET key", "value");
	embedded_stop(embedded);
	embedded_free(embedded);
}

static void
expect_mode(const char *dir, const char *name, mode_t mode)
{
	char path[400];
	struct stat st;

	snprintf(path, sizeof path, "%s%s", dir, name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

/* Whatever it was before, and whatever umask evhookd was started with. */
static void
test_private(void **state)
{
	struct fixture *f = *state;
	mode_t mask = umask(022);
	struct embedded *embedded;

	assert_int_equal(mkdir(f->data_dir, 0755), 0);
	embedded = start_well(f);
	expect(embedded_socket(embedded), "SET key value", "OK");
	expect_mode(f->data_dir, "", 0700);
	expect_mode(f->data_dir, "/appendonlydir", 0700);
	expect_mode(f->data_dir, "/appendonlydir/appendonly.aof.1.incr.aof", 0600);
	embedded_stop(embedded);
	embedded_free(embedded);
	assert_int_equal(umask(mask), 022);
}

/* Only root can make what is another's. */
static void
test_of_another_user(void **state)
{
	struct fixture *f = *state;
	char line[600], path[400], *why;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(f->data_dir, 0700), 0);
	assert_int_equal(chown(f->data_dir, 65534, 65534), 0);
	snprintf(line, sizeof line,
	    "data directory %s belongs to user 65534, evhookd runs as user 0: change its owner, or "
	    "use another",
	    f->data_dir);
	expect_refusal(f, line);
	assert_int_equal(chown(f->data_dir, 0, 0), 0);
	assert_int_equal(chmod(f->data_dir, 0777), 0);
	assert_int_equal(chmod(f->top, 0755), 0);
	snprintf(path, sizeof path, "%s/redis.sock", f->data_dir);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(1);
		for (size_t i = 0; i < 2; i++)
			execlp(servers[i], servers[i], "--port", "0", "--unixsocket", path,
			    "--save", "", "--logfile", "/dev/null", (char *)NULL);
		_exit(127);
	}
	for (int64_t end = clock_mono_ms() + WAIT_MS; server_pid(path) != pid;) {
		assert_true(clock_mono_ms() < end);
		poll(NULL, 0, 10);
	}
	assert_null(start(f, &why));
	snprintf(line, sizeof line, "user 65534 (pid %ld) listens on %s", (long)pid, path);
	assert_non_null(strstr(why, line));
	free(why);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_start_and_stop, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_settings, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_comes_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_goes_on_trying, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_adopts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_waits_for_orphan, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_one_at_a_time, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_valkey, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_broken_data, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_broken_file, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_tail_of_nuls, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_lost_manifest, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_private, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_of_another_user, set_up, tear_down),
	};

	if (pidfd_open(getpid(), 0) < 0 && errno == ENOSYS) {
		puts("no pidfd_open() here (valgrind 3.19 has none): skipped");
		return 77;
	}
	log_setup(LOG_DEBUG, LOG_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
