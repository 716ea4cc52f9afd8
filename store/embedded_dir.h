/* The data directory of the embedded redis-server: its lock, its configuration, its log. */
#ifndef STORE_EMBEDDED_DIR_H
#define STORE_EMBEDDED_DIR_H

#include "base/buf.h"

struct embedded_dir {
	char *path; /* absolute, as are the others */
	char *socket;
	char *conf;
	char *log;
	int lock; /* evhookd.lock, held; -1 for none */
};

/* Makes the directory (0700, also when it was there), which must be ours, takes its lock and writes
 * redis.conf.  0, or -1 and why in one line; embedded_dir_clear() is due in both cases. */
int embedded_dir_open(struct embedded_dir *dir, const char *path, struct buf *why);
void embedded_dir_clear(struct embedded_dir *dir);

/*
 * Takes redis.lock, which redis-server inherits, so that it is held until the last process of a
 * server has gone, whoever started that.  Gives the open file, or -1 with errno, EWOULDBLOCK when
 * a server has it.
 */
int embedded_dir_lock_server(const struct embedded_dir *dir);
/* 0, or -1 and why when there are append-only files without the manifest that says which are which.
 */
int embedded_dir_check_aof(const struct embedded_dir *dir, struct buf *why);
/* Appends the command that repairs the append-only file. */
void embedded_dir_repair(const struct embedded_dir *dir, const char *tool, struct buf *out);
/* Gives redis.log open for appending; a long one is put aside first.  -1 with errno. */
int embedded_dir_open_log(const struct embedded_dir *dir);
/* Appends the last line of redis.log, printable; nothing when there is none. */
void embedded_dir_last_line(const struct embedded_dir *dir, struct buf *out);

#endif
