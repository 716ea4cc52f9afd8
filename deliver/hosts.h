/* The hosts file (hosts(5)), read again when it changed. */
#ifndef DELIVER_HOSTS_H
#define DELIVER_HOSTS_H

#include <stddef.h>

#include "deliver/resolve.h"

struct hosts;

struct hosts *hosts_new(const char *path); /* a file that is not there is an empty one */
void hosts_free(struct hosts *hosts);
/* Writes the name's addresses, at most cap, and returns how many; 0: not in the file. */
size_t hosts_find(struct hosts *hosts, const char *name, union resolve_addr *list, size_t cap);

#endif
