/* The hosts file (hosts(5)), read again when it changed. */
#ifndef BASE_HOSTS_H
#define BASE_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/resolve.h"

struct hosts;

struct hosts *hosts_new(const char *path); /* a file that is not there is an empty one */
void hosts_free(struct hosts *hosts);
/* Looks whether the file changed; true when it was read again. */
bool hosts_refresh(struct hosts *hosts);
/* Writes the name's addresses, at most cap, and returns how many; 0: not in the file. */
size_t hosts_find(
    const struct hosts *hosts, const char *name, union resolve_addr *list, size_t cap);

#endif
