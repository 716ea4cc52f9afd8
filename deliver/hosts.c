/* The hosts file: address, names, comments; looked at before DNS. */
#include "deliver/hosts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/mem.h"

#define HOSTS_MAX 65536 /* entries; the rest of a larger file is left out */

struct hosts_entry {
	char *name;
	union resolve_addr addr;
};

struct hosts {
	char *path;
	struct timespec mtime;
	off_t size;
	struct hosts_entry *entries;
	size_t n, cap;
};

static void
hosts_clear(struct hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++)
		free(hosts->entries[i].name);
	hosts->n = 0;
}

static void
hosts_add(struct hosts *hosts, const char *name, const union resolve_addr *addr)
{
	if (hosts->n == HOSTS_MAX)
		return;
	if (hosts->n == hosts->cap) {
		hosts->cap = hosts->cap == 0 ? 16 : hosts->cap * 2;
		hosts->entries = xreallocarray(hosts->entries, hosts->cap, sizeof *hosts->entries);
	}
	hosts->entries[hosts->n].name = xstrdup(name);
	hosts->entries[hosts->n++].addr = *addr;
}

static void
hosts_line(struct hosts *hosts, char *line)
{
	union resolve_addr addr;
	char *rest = NULL;
	const char *word;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, " \t\r\n", &rest);
	if (word == NULL)
		return;
	memset(&addr, 0, sizeof addr);
	if (inet_pton(AF_INET, word, &addr.v4.sin_addr) == 1)
		addr.sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, word, &addr.v6.sin6_addr) == 1)
		addr.sa.sa_family = AF_INET6;
	else
		return;
	while ((word = strtok_r(NULL, " \t\r\n", &rest)) != NULL)
		hosts_add(hosts, word, &addr);
}

static void
hosts_refresh(struct hosts *hosts)
{
	struct stat st;
	char *line = NULL;
	size_t cap = 0;
	FILE *file;

	if (stat(hosts->path, &st) < 0) {
		hosts_clear(hosts);
		hosts->mtime = (struct timespec){0};
		return;
	}
	if (st.st_mtim.tv_sec == hosts->mtime.tv_sec &&
	    st.st_mtim.tv_nsec == hosts->mtime.tv_nsec && st.st_size == hosts->size)
		return;
	file = fopen(hosts->path, "re");
	if (file == NULL)
		return;
	hosts->mtime = st.st_mtim;
	hosts->size = st.st_size;
	hosts_clear(hosts);
	while (getline(&line, &cap, file) >= 0)
		hosts_line(hosts, line);
	free(line);
	fclose(file);
}

struct hosts *
hosts_new(const char *path)
{
	struct hosts *hosts = xcalloc(1, sizeof *hosts);

	hosts->path = xstrdup(path);
	return hosts;
}

void
hosts_free(struct hosts *hosts)
{
	if (hosts == NULL)
		return;
	hosts_clear(hosts);
	free(hosts->entries);
	free(hosts->path);
	free(hosts);
}

size_t
hosts_find(struct hosts *hosts, const char *name, union resolve_addr *list, size_t cap)
{
	size_t n = 0;

	hosts_refresh(hosts);
	for (size_t i = 0; i < hosts->n && n < cap; i++)
		if (strcasecmp(hosts->entries[i].name, name) == 0)
			list[n++] = hosts->entries[i].addr;
	return n;
}
