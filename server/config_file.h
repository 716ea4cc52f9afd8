/* The --config file: lines of "name = value". */
#ifndef SERVER_CONFIG_FILE_H
#define SERVER_CONFIG_FILE_H

#include "base/buf.h"

/* value is borrowed and NUL-terminated; where is "file:line". */
typedef void config_file_fn(void *arg, const char *name, const char *value, const char *where);

/*
 * Calls fn for each line that is neither empty nor a comment ("#", at the beginning or after
 * white space).  Appends a line to the faults when the file cannot be read, and for each line that
 * is not "name = value".
 */
void config_file_read(const char *path, config_file_fn *fn, void *arg, struct buf *faults);

#endif
