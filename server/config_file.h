/* The --config file: lines of "name = value". */
#ifndef SERVER_CONFIG_FILE_H
#define SERVER_CONFIG_FILE_H

#include "base/buf.h"

/* value is borrowed and NUL-terminated; where is "file:line".  0, or -1 to stop. */
typedef int config_file_fn(void *arg, const char *name, const char *value, const char *where);

/*
 * Calls fn for each line that is neither empty nor a comment ("#", at the beginning or after
 * white space).  0, or -1 when fn said so, or when the file cannot be read or a line is not
 * "name = value"; then why says it.
 */
int config_file_read(const char *path, config_file_fn *fn, void *arg, struct buf *why);

#endif
