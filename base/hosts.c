/* The hosts file: address, names, comments; looked at before DNS. */
#include "base/hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

#include "base/mem.h"

#define HOSTS_MAX 65536 /* addresses; the rest of a larger file is left out */

#define HOSTS_NAME 255 /* bytes of a name; there are no longer ones */

/* A name in lower case, and its addresses in the order of the file. */
struct hosts_entry {
	UT_hash_handle hh;
	union resolve_addr *list;
	size_t n;
	char name[];
};

struct hosts {
	char *path;
	struct stat seen; /* zeroed: there was no file */
	struct hosts_entry *entries;
	size_t n; /* addresses */
};

static void
hosts_clear(struct hosts *hosts)
{
	struct hosts_entry *entry, *next;

	HASH_ITER(hh, hosts->entries, entry, next)
	{
		HASH_DEL(hosts->entries, entry);
		free(entry->list);
		free(entry);
	}
	hosts->n = 0;
}

/* The name in lower case, and the entry that has it. */
static struct hosts_entry *
hosts_entry(const struct hosts *hosts, const char *name, char lower[HOSTS_NAME + 1])
{
	struct hosts_entry *entry;
	size_t len = 0;

	for (; name[len] != '\0' && len < HOSTS_NAME; len++)
		lower[len] = (char)tolower((unsigned char)name[len]);
	lower[len] = '\0';
	HASH_FIND(hh, hosts->entries, lower, len, entry);
	return entry;
}

static void
hosts_add(struct hosts *hosts, const char *name, const union resolve_addr *addr)
{
	char lower[HOSTS_NAME + 1];
	struct hosts_entry *entry;
	size_t len = strlen(name);

	if (hosts->n == HOSTS_MAX || len > HOSTS_NAME)
		return;
	hosts->n++;
	entry = hosts_entry(hosts, name, lower);
	if (entry == NULL) {
		entry = xcalloc(1, sizeof *entry + len + 1);
		memcpy(entry->name, lower, len + 1);
		HASH_ADD(hh, hosts->entries, name[0], len, entry);
	}
	if (entry->n == 0 || (entry->n & (entry->n - 1)) == 0)
		entry->list = xreallocarray(
		    entry->list, entry->n == 0 ? 1 : entry->n * 2, sizeof *entry->list);
	entry->list[entry->n++] = *addr;
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

bool
hosts_refresh(struct hosts *hosts)
{
	struct stat st = {0};
	char *line = NULL;
	size_t cap = 0;
	FILE *file;

	if (stat(hosts->path, &st) < 0)
		st = (struct stat){0};
	if (st.st_mtim.tv_sec == hosts->seen.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == hosts->seen.st_mtim.tv_nsec &&
	    st.st_size == hosts->seen.st_size && st.st_ino == hosts->seen.st_ino)
		return false;
	file = st.st_ino == 0 ? NULL : fopen(hosts->path, "re");
	if (file == NULL && st.st_ino != 0)
		return false; /* what was read stays, and it is tried again */
	hosts->seen = st;
	hosts_clear(hosts);
	while (file != NULL && getline(&line, &cap, file) >= 0)
		hosts_line(hosts, line);
	free(line);
	if (file != NULL)
		fclose(file);
	return true;
}

struct hosts *
hosts_new(const char *path)
{
	struct hosts *hosts = xcalloc(1, sizeof *hosts);

	hosts->path = xstrdup(path);
	hosts_refresh(hosts);
	return hosts;
}

void
hosts_free(struct hosts *hosts)
{
	if (hosts == NULL)
		return;
	hosts_clear(hosts);
	free(hosts->path);
	free(hosts);
}

size_t
hosts_find(const struct hosts *hosts, const char *name, union resolve_addr *list, size_t cap)
{
	char lower[HOSTS_NAME + 1];
	const struct hosts_entry *entry = hosts_entry(hosts, name, lower);
	size_t n = 0;

	for (; entry != NULL && n < entry->n && n < cap; n++)
		list[n] = entry->list[n];
	return n;
}
