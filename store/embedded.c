/*
 * The embedded redis-server or valkey-server: one process, in a session of its own, so that a
 *Ctrl-C does not reach it and it outlives the drain.
 *
 *	      embedded_adopt()                     embedded_on_exit()
 *	start ───────┬───────▶ running ──────────────────────────────▶ down
 *	      embedded_spawn()    ▲                                      │
 *	                          └────── embedded_spawn(), back-off ────┘
 *
 * Running: pid and pidfd are set, on_exit waits.  Down: pid is 0, retry waits (after the start).
 * Two servers on the same append-only file would destroy it: each holds redis.lock (see
 * embedded_dir.h) until its last process is gone, and no other is started before.
 */
#include "store/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/embedded_dir.h"

#define START_MS 5000    /* for a new server to load */
#define ADOPT_MS 5000    /* for an old one to answer, or to go */
#define STOP_MS 10000    /* for it to exit */
#define POLL_MS 10       /* between looks at the socket during the start */
#define ANSWER_SECONDS 1 /* for a connection and an answer */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define STEADY_MS 10000 /* having run that long makes the back-off short again */

struct embedded {
	struct event_base *base;
	struct embedded_dir dir;
	struct event *on_exit;
	struct event *retry;
	pid_t pid;
	int pidfd;  /* -1 while down */
	bool child; /* else adopted: its exit status goes to someone else */
	int64_t started_ms;
	int64_t backoff_ms;
};

enum embedded_answer { EMBEDDED_SILENT, EMBEDDED_LOADING, EMBEDDED_READY, EMBEDDED_FOREIGN };

static void embedded_ev_exit(evutil_socket_t fd, short what, void *arg);
static void embedded_ev_retry(evutil_socket_t fd, short what, void *arg);

/* What is heard on the socket; *peer is who listens.  Another user's server is not talked to. */
static enum embedded_answer
embedded_ask(const struct embedded *embedded, struct ucred *peer)
{
	const struct timeval timeout = {.tv_sec = ANSWER_SECONDS};
	redisContext *redis = redisConnectUnixWithTimeout(embedded->dir.socket, timeout);
	enum embedded_answer answer = EMBEDDED_SILENT;
	socklen_t len = sizeof *peer;
	redisReply *reply = NULL;

	*peer = (struct ucred){0};
	if (redis != NULL && !redis->err && redisSetTimeout(redis, timeout) == REDIS_OK &&
	    getsockopt(redis->fd, SOL_SOCKET, SO_PEERCRED, peer, &len) == 0) {
		if (peer->uid != geteuid())
			answer = EMBEDDED_FOREIGN;
		else
			reply = redisCommand(redis, "PING");
	}
	if (reply != NULL) {
		answer = EMBEDDED_READY;
		if (reply->str != NULL && strncmp(reply->str, "LOADING", 7) == 0)
			answer = EMBEDDED_LOADING;
		freeReplyObject(reply);
	}
	if (redis != NULL)
		redisFree(redis);
	return answer;
}

/* From down to running.  0, or -1 with errno. */
static int
embedded_watch(struct embedded *embedded, pid_t pid, bool child)
{
	embedded->pidfd = pidfd_open(pid, 0);
	if (embedded->pidfd < 0)
		return -1;
	embedded->on_exit =
	    event_new(embedded->base, embedded->pidfd, EV_READ, embedded_ev_exit, embedded);
	if (embedded->on_exit == NULL || event_add(embedded->on_exit, NULL)) {
		if (embedded->on_exit != NULL)
			event_free(embedded->on_exit);
		embedded->on_exit = NULL;
		close(embedded->pidfd);
		embedded->pidfd = -1;
		errno = ENOMEM;
		return -1;
	}
	embedded->pid = pid;
	embedded->child = child;
	embedded->started_ms = clock_mono_ms();
	return 0;
}

static void
embedded_unwatch(struct embedded *embedded)
{
	if (embedded->on_exit != NULL)
		event_free(embedded->on_exit);
	if (embedded->pidfd >= 0)
		close(embedded->pidfd);
	embedded->on_exit = NULL;
	embedded->pidfd = -1;
	embedded->pid = 0;
}

/* From running to down, once the process has exited.  Appends how it ended; true if well. */
static bool
embedded_reap(struct embedded *embedded, struct buf *how)
{
	pid_t pid = embedded->pid;
	int status;

	embedded_unwatch(embedded);
	if (!embedded->child) {
		buf_adds(how, "exited");
		return true;
	}
	/* a rewrite of the file that it left behind; the pid is not free before waitpid() */
	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) {
			buf_adds(how, "exited");
			return true;
		}
	if (WIFSIGNALED(status))
		buf_printf(how, "killed by signal %d", WTERMSIG(status));
	else
		buf_printf(how, "exited with status %d", WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* posix_spawn() of the server of that name, with nothing inherited but the log as stderr and the
 * lock. 0 or an errno. */
static int
embedded_exec_name(const struct embedded *embedded, char *name, int log, int lock, pid_t *pid)
{
	char *argv[] = {name, embedded->dir.conf, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	mode_t mask;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(
	    &attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, log, 2);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, lock, 3);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(&actions, 4);
	mask = umask(077); /* redis-server makes its files readable by all */
	if (!rc)
		rc = posix_spawnp(pid, name, &actions, &attr, argv, environ);
	umask(mask);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Whichever is installed.  0 or an errno. */
static int
embedded_exec(const struct embedded *embedded, int log, int lock, pid_t *pid)
{
	char redis[] = "redis-server", valkey[] = "valkey-server";
	int rc = embedded_exec_name(embedded, redis, log, lock, pid);

	return rc == ENOENT ? embedded_exec_name(embedded, valkey, log, lock, pid) : rc;
}

/* Starts a server; it need not listen yet.  0, or -1 and why. */
static int
embedded_spawn(struct embedded *embedded, struct buf *why)
{
	int lock, log, rc;
	pid_t pid;

	if (embedded_dir_check_aof(&embedded->dir, why))
		return -1;
	lock = embedded_dir_lock_server(&embedded->dir);
	log = lock < 0 ? -1 : embedded_dir_open_log(&embedded->dir);
	rc = log < 0 ? errno : 0;
	if (rc == 0 && (rc = embedded_exec(embedded, log, lock, &pid)) == ENOENT)
		buf_adds(why, "neither redis-server nor valkey-server found in PATH: apt-get "
			      "install redis-server, or use --redis");
	else if (rc == EWOULDBLOCK)
		buf_printf(
		    why, "data directory %s: a redis-server still holds it", embedded->dir.path);
	else if (rc != 0)
		buf_printf(
		    why, "cannot start redis-server in %s: %s", embedded->dir.path, strerror(rc));
	else if (embedded_watch(embedded, pid, true)) {
		rc = errno;
		buf_printf(
		    why, "cannot watch redis-server: pidfd_open: %s: use --redis", strerror(rc));
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	if (log >= 0)
		close(log);
	if (lock >= 0)
		close(lock); /* the server has its own */
	return rc ? -1 : 0;
}

static void
embedded_log(enum log_level level, const char *msg, pid_t pid)
{
	if (!log_on(level))
		return;
	log_begin(level, msg);
	log_int("pid", pid);
	log_end();
}

/* Where the server cannot read its file: how that is repaired, with the name. */
static void
embedded_advise(const struct embedded *embedded, struct buf *why)
{
	bool valkey = strstr(buf_str(why), "valkey-check-aof") != NULL;

	if (!valkey && strstr(buf_str(why), "redis-check-aof") == NULL)
		return;
	buf_adds(why, ": copy the directory, then ");
	embedded_dir_repair(&embedded->dir, valkey ? "valkey-check-aof" : "redis-check-aof", why);
}

/* Waits until the new server has loaded.  0, or -1 and why when it has exited instead; one that
 * takes long is left to it. */
static int
embedded_await(struct embedded *embedded, struct buf *why)
{
	int64_t deadline = clock_mono_ms() + START_MS;
	pid_t pid = embedded->pid;
	struct ucred listener;

	while (embedded_ask(embedded, &listener) != EMBEDDED_READY) {
		struct pollfd fd = {.fd = embedded->pidfd, .events = POLLIN};

		if (poll(&fd, 1, POLL_MS) > 0) {
			buf_adds(why, "redis-server ");
			embedded_reap(embedded, why);
			buf_adds(why, ": ");
			embedded_dir_last_line(&embedded->dir, why);
			buf_printf(why, " (%s)", embedded->dir.log);
			embedded_advise(embedded, why);
			return -1;
		}
		if (clock_mono_ms() > deadline) {
			embedded_log(LOG_WARN, "redis-server is slow to start", pid);
			return 0;
		}
	}
	embedded_log(LOG_INFO, "redis-server started", pid);
	return 0;
}

/*
 * Takes over a server that runs in the directory already.  1 when it did, 0 when there is none, -1
 * and why when there is one that cannot be used.  One that holds the lock may just be starting, or
 * stopping.
 */
static int
embedded_adopt(struct embedded *embedded, struct buf *why)
{
	int64_t deadline = clock_mono_ms() + ADOPT_MS;
	enum embedded_answer answer;
	struct ucred peer;

	while ((answer = embedded_ask(embedded, &peer)) == EMBEDDED_SILENT) {
		int lock = embedded_dir_lock_server(&embedded->dir);

		if (lock >= 0) {
			close(lock);
			return 0;
		}
		if (errno != EWOULDBLOCK) {
			buf_printf(
			    why, "data directory %s: %s", embedded->dir.path, strerror(errno));
			return -1;
		}
		if (clock_mono_ms() > deadline) {
			buf_printf(why,
			    "data directory %s: a redis-server holds it and does not answer: end "
			    "it "
			    "and start again",
			    embedded->dir.path);
			return -1;
		}
		poll(NULL, 0, POLL_MS);
	}
	if (answer == EMBEDDED_FOREIGN) {
		buf_printf(why,
		    "user %ld (pid %ld) listens on %s: only a redis-server of evhookd's own user "
		    "is "
		    "used, end that one",
		    (long)peer.uid, (long)peer.pid, embedded->dir.socket);
		return -1;
	}
	if (peer.pid <= 0 || embedded_watch(embedded, peer.pid, false)) {
		buf_printf(why, "cannot watch the redis-server (pid %ld) that listens on %s: %s",
		    (long)peer.pid, embedded->dir.socket,
		    peer.pid <= 0 ? "not ours" : strerror(errno));
		return -1;
	}
	embedded_log(LOG_INFO, "redis-server adopted", peer.pid);
	return 1;
}

/* Down: a line about it, and another try later; last_line is of redis.log, NULL for none. */
static void
embedded_retry_later(
    struct embedded *embedded, const char *msg, const char *why, const char *last_line)
{
	struct timeval delay = {.tv_sec = embedded->backoff_ms / 1000,
	    .tv_usec = (suseconds_t)(embedded->backoff_ms % 1000) * 1000};

	if (log_on(LOG_WARN)) {
		log_begin(LOG_WARN, msg);
		log_str("why", why);
		if (last_line != NULL)
			log_str("last_line", last_line);
		log_int("retry_ms", embedded->backoff_ms);
		log_end();
	}
	event_add(embedded->retry, &delay);
	embedded->backoff_ms *= 2;
	if (embedded->backoff_ms > BACKOFF_MAX_MS)
		embedded->backoff_ms = BACKOFF_MAX_MS;
}

static void
embedded_on_exit(struct embedded *embedded)
{
	struct buf how = {0}, line = {0};

	if (clock_mono_ms() - embedded->started_ms > STEADY_MS)
		embedded->backoff_ms = BACKOFF_MIN_MS;
	embedded_reap(embedded, &how);
	embedded_dir_last_line(&embedded->dir, &line);
	embedded_retry_later(embedded, "redis-server died", buf_str(&how), buf_str(&line));
	buf_clear(&how);
	buf_clear(&line);
}

static void
embedded_on_retry(struct embedded *embedded)
{
	struct buf why = {0};

	if (embedded_spawn(embedded, &why))
		embedded_retry_later(embedded, "redis-server not started", buf_str(&why), NULL);
	else
		embedded_log(LOG_INFO, "redis-server started again", embedded->pid);
	buf_clear(&why);
}

static void
embedded_ev_exit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	embedded_on_exit(arg);
}

static void
embedded_ev_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	embedded_on_retry(arg);
}

/* 0 when a server runs, or -1 and why. */
static int
embedded_begin(struct embedded *embedded, const char *data_dir, struct buf *why)
{
	int adopted;

	if (embedded_dir_open(&embedded->dir, data_dir, why))
		return -1;
	embedded->retry = evtimer_new(embedded->base, embedded_ev_retry, embedded);
	if (embedded->retry == NULL) {
		buf_adds(why, "cannot make a timer");
		return -1;
	}
	adopted = embedded_adopt(embedded, why);
	if (adopted)
		return adopted > 0 ? 0 : -1;
	if (embedded_spawn(embedded, why))
		return -1;
	return embedded_await(embedded, why);
}

struct embedded *
embedded_start(struct event_base *base, const struct embedded_opts *opts, char **why)
{
	struct embedded *embedded = xcalloc(1, sizeof *embedded);
	struct buf fault = {0};

	embedded->base = base;
	embedded->pidfd = -1;
	embedded->backoff_ms = BACKOFF_MIN_MS;
	if (embedded_begin(embedded, opts->data_dir, &fault)) {
		*why = buf_take(&fault, NULL);
		embedded_free(embedded);
		return NULL;
	}
	return embedded;
}

const char *
embedded_socket(const struct embedded *embedded)
{
	return embedded->dir.socket;
}

/* Whether the process exited in time. */
static bool
embedded_await_exit(const struct embedded *embedded)
{
	int64_t deadline = clock_mono_ms() + STOP_MS, left;
	struct pollfd fd = {.fd = embedded->pidfd, .events = POLLIN};

	while ((left = deadline - clock_mono_ms()) > 0)
		if (poll(&fd, 1, (int)left) > 0)
			return true;
	return false;
}

void
embedded_stop(struct embedded *embedded)
{
	pid_t pid = embedded->pid;
	struct buf how = {0};

	event_del(embedded->retry);
	if (pid == 0)
		return;
	event_del(embedded->on_exit);
	if (pidfd_send_signal(embedded->pidfd, SIGTERM, NULL, 0) && errno != ESRCH)
		buf_adds(&how, strerror(errno));
	else if (!embedded_await_exit(embedded))
		buf_adds(&how, "still running");
	else if (embedded_reap(embedded, &how))
		buf_reset(&how);
	if (how.len > 0 && log_on(LOG_WARN)) {
		log_begin(LOG_WARN, "redis-server did not stop well");
		log_int("pid", pid);
		log_str("why", buf_str(&how));
		log_end();
	} else {
		embedded_log(LOG_INFO, "redis-server stopped", pid);
	}
	buf_clear(&how);
}

void
embedded_free(struct embedded *embedded)
{
	if (embedded == NULL)
		return;
	embedded_unwatch(embedded);
	if (embedded->retry != NULL)
		event_free(embedded->retry);
	embedded_dir_clear(&embedded->dir);
	free(embedded);
}
