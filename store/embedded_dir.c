/* The files in the embedded redis-server's directory. */
#include "store/embedded_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define LOG_MAX (1024 * 1024) /* bytes of redis.log, beyond which it is put aside */
#define LOG_TAIL 4096         /* bytes at its end in which the last line is looked for */
#define LOG_LINE_MAX 300      /* bytes of that line */
#define AOF_DIR "appendonlydir"
#define AOF_MANIFEST "appendonly.aof.manifest"
#define AOF_NAMES_MAX 300 /* bytes of names that are said */

static int
embedded_dir_fault(struct buf *why, const char *path, const char *what)
{
	buf_printf(why, "data directory %s: %s", path, what);
	return -1;
}

static char *
embedded_dir_join(const struct embedded_dir *dir, const char *name)
{
	struct buf path = {0};

	buf_printf(&path, "%s/%s", dir->path, name);
	return buf_take(&path, NULL);
}

/* Opens a file of the directory for writing; -1 with errno. */
static int
embedded_dir_create(const struct embedded_dir *dir, const char *name, int flags)
{
	char *path = embedded_dir_join(dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	int saved = errno;

	free(path);
	errno = saved;
	return fd;
}

static int
embedded_dir_write(int fd, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, s, n);

		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0) {
			s += written;
			n -= (size_t)written;
		}
	}
	return 0;
}

/* What is in it are the tenants' events and secrets, so it is the owner's alone; and whoever may
 * write in it could put another server's socket there. */
static int
embedded_dir_make_private(const struct embedded_dir *dir, struct buf *why)
{
	struct stat st;

	if (stat(dir->path, &st))
		return embedded_dir_fault(why, dir->path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return embedded_dir_fault(why, dir->path, strerror(ENOTDIR));
	if (st.st_uid != geteuid()) {
		buf_printf(why,
		    "data directory %s belongs to user %ld, evhookd runs as user %ld: change its "
		    "owner, or use another",
		    dir->path, (long)st.st_uid, (long)geteuid());
		return -1;
	}
	if ((st.st_mode & 077) == 0)
		return 0;
	if (chmod(dir->path, 0700))
		return embedded_dir_fault(why, dir->path, strerror(errno));
	log_begin(LOG_WARN, "the data directory was open to others: it is the owner's alone now");
	log_str("path", dir->path);
	log_end();
	return 0;
}

/* The directory is ours alone as long as evhookd.lock is open; it holds our process id. */
static int
embedded_dir_lock(struct embedded_dir *dir, struct buf *why)
{
	char pid[32];
	ssize_t n;

	dir->lock = embedded_dir_create(dir, "evhookd.lock", 0);
	if (dir->lock < 0)
		return embedded_dir_fault(why, dir->path, strerror(errno));
	if (flock(dir->lock, LOCK_EX | LOCK_NB) == 0) {
		n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
		if (ftruncate(dir->lock, 0) || embedded_dir_write(dir->lock, pid, (size_t)n))
			return embedded_dir_fault(why, dir->path, strerror(errno));
		return 0;
	}
	if (errno != EWOULDBLOCK)
		return embedded_dir_fault(why, dir->path, strerror(errno));
	n = read(dir->lock, pid, sizeof pid - 1);
	pid[n > 0 ? n : 0] = '\0';
	buf_printf(why, "data directory %s is in use by another evhookd (pid %ld)", dir->path,
	    strtol(pid, NULL, 10));
	return -1;
}

/* A quoted word of redis.conf, whatever is in it. */
static void
embedded_dir_conf_path(struct buf *conf, const char *directive, const char *path)
{
	buf_printf(conf, "%s \"", directive);
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			buf_printf(conf, "\\x%02x", c);
		else
			buf_addc(conf, *path);
	}
	buf_adds(conf, "\"\n");
}

static void
embedded_dir_conf(const struct embedded_dir *dir, struct buf *conf)
{
	buf_adds(conf, "# Written by evhookd at each start: changes are lost.\n");
	embedded_dir_conf_path(conf, "dir", dir->path);
	embedded_dir_conf_path(conf, "logfile", dir->log);
	embedded_dir_conf_path(conf, "unixsocket", dir->socket);
	buf_adds(conf, "unixsocketperm 700\n"
		       "port 0\n"
		       "daemonize no\n"
		       "# What is acknowledged is on the disk.\n"
		       "appendonly yes\n"
		       "appendfsync always\n"
		       "no-appendfsync-on-rewrite no\n"
		       "save \"\"\n"
		       "maxmemory-policy noeviction\n"
		       "# Busy queues are not searched from end to end.\n"
		       "zset-max-listpack-entries 16\n");
}

/* Writes redis.conf anew, whole or not at all. */
static int
embedded_dir_write_conf(const struct embedded_dir *dir, struct buf *why)
{
	int fd = embedded_dir_create(dir, "redis.conf.new", O_TRUNC);
	char *fresh = embedded_dir_join(dir, "redis.conf.new");
	struct buf conf = {0};
	bool good;

	embedded_dir_conf(dir, &conf);
	good = fd >= 0 && embedded_dir_write(fd, conf.data, conf.len) == 0 &&
	       rename(fresh, dir->conf) == 0;
	if (!good)
		embedded_dir_fault(why, dir->path, strerror(errno));
	if (fd >= 0)
		close(fd);
	buf_clear(&conf);
	free(fresh);
	return good ? 0 : -1;
}

int
embedded_dir_open(struct embedded_dir *dir, const char *path, struct buf *why)
{
	const size_t socket_max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;

	memset(dir, 0, sizeof *dir);
	dir->lock = -1;
	if (mkdir(path, 0700) && errno != EEXIST)
		return embedded_dir_fault(why, path, strerror(errno));
	dir->path = realpath(path, NULL);
	if (dir->path == NULL)
		return embedded_dir_fault(why, path, strerror(errno));
	dir->socket = embedded_dir_join(dir, "redis.sock");
	dir->conf = embedded_dir_join(dir, "redis.conf");
	dir->log = embedded_dir_join(dir, "redis.log");
	if (strlen(dir->socket) > socket_max) {
		buf_printf(why,
		    "data directory %s: its path is too long for a Unix socket in it: %zu bytes, "
		    "at "
		    "most %zu",
		    dir->path, strlen(dir->path), socket_max - strlen("/redis.sock"));
		return -1;
	}
	if (embedded_dir_make_private(dir, why) || embedded_dir_lock(dir, why))
		return -1;
	return embedded_dir_write_conf(dir, why);
}

void
embedded_dir_clear(struct embedded_dir *dir)
{
	if (dir->lock >= 0)
		close(dir->lock);
	free(dir->path);
	free(dir->socket);
	free(dir->conf);
	free(dir->log);
	memset(dir, 0, sizeof *dir);
	dir->lock = -1;
}

int
embedded_dir_lock_server(const struct embedded_dir *dir)
{
	int fd = embedded_dir_create(dir, "redis.lock", 0), saved;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* redis-server would begin anew, and write over what is there. */
int
embedded_dir_check_aof(const struct embedded_dir *dir, struct buf *why)
{
	static const char begins[] = "appendonly.aof.";
	struct buf names = {0};
	char *path = embedded_dir_join(dir, AOF_DIR);
	const struct dirent *entry;
	bool has_manifest = false;
	DIR *files = opendir(path);

	free(path);
	while (files != NULL && (entry = readdir(files)) != NULL) {
		if (strncmp(entry->d_name, begins, sizeof begins - 1) != 0)
			continue;
		if (strcmp(entry->d_name, AOF_MANIFEST) == 0)
			has_manifest = true;
		else if (names.len < AOF_NAMES_MAX)
			buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", entry->d_name);
	}
	if (files != NULL)
		closedir(files);
	if (!has_manifest && names.len > 0)
		buf_printf(why,
		    "data directory %s: " AOF_DIR " has %s, but no " AOF_MANIFEST
		    ": redis-server would begin anew and write over them; put the manifest back, "
		    "or "
		    "write it again and check it with redis-check-aof (see \"Repair\" in "
		    "doc/operations.md)",
		    dir->path, buf_str(&names));
	has_manifest = has_manifest || names.len == 0;
	buf_clear(&names);
	return has_manifest ? 0 : -1;
}

void
embedded_dir_repair(const struct embedded_dir *dir, const char *tool, struct buf *out)
{
	buf_printf(out, "%s --fix %s/" AOF_DIR "/" AOF_MANIFEST, tool, dir->path);
}

int
embedded_dir_open_log(const struct embedded_dir *dir)
{
	struct stat st;
	char *aside;

	if (stat(dir->log, &st) == 0 && st.st_size > LOG_MAX) {
		aside = embedded_dir_join(dir, "redis.log.old");
		(void)rename(dir->log, aside); /* or it grows on */
		free(aside);
	}
	return embedded_dir_create(dir, "redis.log", O_APPEND);
}

void
embedded_dir_last_line(const struct embedded_dir *dir, struct buf *out)
{
	int fd = open(dir->log, O_RDONLY | O_CLOEXEC);
	char tail[LOG_TAIL], *line;
	off_t size;
	ssize_t n;

	if (fd < 0)
		return;
	size = lseek(fd, 0, SEEK_END);
	n = pread(fd, tail, sizeof tail, size > LOG_TAIL ? size - LOG_TAIL : 0);
	close(fd);
	while (n > 0 && strchr("\r\n \t", tail[n - 1]))
		n--;
	if (n <= 0)
		return;
	line = memrchr(tail, '\n', (size_t)n);
	line = line != NULL ? line + 1 : tail;
	for (size_t i = 0; line + i < tail + n && i < LOG_LINE_MAX; i++)
		buf_addc(out, line[i] < 0x20 || line[i] == 0x7f ? '?' : line[i]);
}
