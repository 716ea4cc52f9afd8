/* resolv.conf(5): the servers, the search list, and the names that come of it. */
#include <ares.h>
#include <arpa/inet.h>
#include <event2/util.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/resolve_internal.h"

#define RESOLVE_NDOTS_MAX 15 /* as in glibc */
#define RESOLVE_BLANK " \t\r\n"

/* c-ares before 1.20 knows no link-local servers. */
static bool
resolve_conf_add_v6(struct resolve_conf *conf, const struct sockaddr_in6 *sin6)
{
	char text[INET6_ADDRSTRLEN], name[IF_NAMESIZE] = "";
	struct buf buf = {0};

	if (sin6->sin6_scope_id != 0 &&
	    (ARES_VERSION < 0x011400 || if_indextoname(sin6->sin6_scope_id, name) == NULL))
		return false;
	inet_ntop(AF_INET6, &sin6->sin6_addr, text, sizeof text);
	buf_printf(&buf, "[%s%s%s]:%u", text, name[0] != '\0' ? "%" : "", name,
	    sin6->sin6_port != 0 ? ntohs(sin6->sin6_port) : 53);
	conf->servers[conf->nservers++] = buf_take(&buf, NULL);
	return true;
}

bool
resolve_conf_add_server(struct resolve_conf *conf, const char *addr)
{
	union resolve_addr server = {0};
	char text[INET_ADDRSTRLEN];
	int len = sizeof server;
	struct buf buf = {0};

	if (evutil_parse_sockaddr_port(addr, &server.sa, &len) != 0)
		return false;
	if (conf->nservers == RESOLVE_SERVERS)
		return true; /* nobody waits for so many */
	if (server.sa.sa_family == AF_INET6)
		return resolve_conf_add_v6(conf, &server.v6);
	inet_ntop(AF_INET, &server.v4.sin_addr, text, sizeof text);
	buf_printf(&buf, "%s:%u", text, server.v4.sin_port != 0 ? ntohs(server.v4.sin_port) : 53);
	conf->servers[conf->nservers++] = buf_take(&buf, NULL);
	return true;
}

static void
resolve_conf_clear_search(struct resolve_conf *conf)
{
	while (conf->nsearch > 0)
		free(conf->search[--conf->nsearch]);
}

void
resolve_conf_clear(struct resolve_conf *conf)
{
	while (conf->nservers > 0)
		free(conf->servers[--conf->nservers]);
	resolve_conf_clear_search(conf);
	conf->ndots = 1;
}

/* Of the options only this: how often and how long to ask is ours. */
static void
resolve_conf_option(struct resolve_conf *conf, const char *word)
{
	unsigned long n;

	if (strncmp(word, "ndots:", 6) != 0)
		return;
	n = strtoul(word + 6, NULL, 10);
	conf->ndots = n < RESOLVE_NDOTS_MAX ? (unsigned)n : RESOLVE_NDOTS_MAX;
}

/* The last "search" or "domain" counts. */
static void
resolve_conf_line(struct resolve_conf *conf, char *line)
{
	char *rest = NULL, *key, *word;
	bool search;

	line[strcspn(line, "#;")] = '\0';
	key = strtok_r(line, RESOLVE_BLANK, &rest);
	if (key == NULL)
		return;
	search = strcmp(key, "search") == 0 || strcmp(key, "domain") == 0;
	if (search)
		resolve_conf_clear_search(conf);
	while ((word = strtok_r(NULL, RESOLVE_BLANK, &rest)) != NULL) {
		if (strcmp(key, "nameserver") == 0)
			resolve_conf_add_server(conf, word);
		else if (strcmp(key, "options") == 0)
			resolve_conf_option(conf, word);
		else if (search && conf->nsearch < RESOLVE_SEARCH && strcmp(word, ".") != 0)
			conf->search[conf->nsearch++] = xstrdup(word);
	}
}

void
resolve_conf_read(struct resolve_conf *conf, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;

	resolve_conf_clear(conf);
	while (file != NULL && getline(&line, &cap, file) >= 0)
		resolve_conf_line(conf, line);
	free(line);
	if (file != NULL)
		fclose(file);
	if (conf->nservers == 0)
		resolve_conf_add_server(conf, "127.0.0.1");
}

static unsigned
resolve_dots(const char *host)
{
	unsigned dots = 0;

	for (; *host != '\0'; host++)
		dots += *host == '.';
	return dots;
}

/* A name with few dots is first looked for in the domains, another one first as it is. */
const char *
resolve_conf_candidate(
    const struct resolve_conf *conf, const char *host, size_t n, char *buf, size_t size)
{
	size_t len = strlen(host), nsearch = conf->nsearch;
	bool as_is_first = resolve_dots(host) >= conf->ndots;
	int written;

	if (len > 0 && host[len - 1] == '.')
		nsearch = 0;
	if (n > nsearch)
		return NULL;
	if (n == (as_is_first ? 0 : nsearch) || nsearch == 0)
		return host;
	written = snprintf(buf, size, "%s.%s", host, conf->search[as_is_first ? n - 1 : n]);
	return written > 0 && (size_t)written < size ? buf : host;
}
