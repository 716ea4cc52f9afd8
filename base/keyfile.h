/* Files that hold keys: read whole, by one rule for all. */
#ifndef BASE_KEYFILE_H
#define BASE_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>

struct keyfile {
	char *bytes;
	size_t len;
};

/*
 * Reads a regular file of at most max bytes, one more being one too many.  NULL, or what is wrong,
 * a text that lasts until the next call; then there is nothing to clear.  It never waits for a
 * writer, as reading a pipe would: keys are read again while the server runs.
 */
const char *keyfile_read(struct keyfile *keyfile, const char *path, size_t max);
/* Wipes and frees. */
void keyfile_clear(struct keyfile *keyfile);

/* One line of warning when everybody on this machine may read the file.  option: as in the
 * command line, without the dashes. */
void keyfile_warn(const char *option, const char *path);

#endif
