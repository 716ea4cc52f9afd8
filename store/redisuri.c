/* The URI of a Redis server (the "redis" scheme of the IANA registry, and unix:///path?db=N). */
#include "store/redisuri.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"

#define HOST_MAX 253
#define PORT_DEFAULT 6379
#define DB_MAX 65535

static int
redisuri_hex(char c)
{
	const char *digits = "00112233445566778899aAbBcCdDeEfF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) / 2 : -1;
}

/* Gives the decoded text; NULL when an escape is broken or stands for NUL. */
static char *
redisuri_decode(const char *s, size_t n)
{
	char *text = xmalloc(n + 1), *to = text;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '%') {
			int high = i + 2 < n ? redisuri_hex(s[i + 1]) : -1;
			int low = i + 2 < n ? redisuri_hex(s[i + 2]) : -1;

			c = (char)(high < 0 || low < 0 ? 0 : high * 16 + low);
			i += 2;
			if (!c) {
				mem_wipe(text, n + 1);
				free(text);
				return NULL;
			}
		}
		*to++ = c;
	}
	*to = '\0';
	return text;
}

/* All of the digits; -1 when it is not a number or above max. */
static int
redisuri_number(const char *s, size_t n, int max)
{
	int value = 0;

	if (!n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (s[i] - '0');
		if (value > max)
			return -1;
	}
	return value;
}

/* "user", "user:password" or ":password" */
static const char *
redisuri_read_user(struct redisuri *uri, const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);
	size_t len = colon ? (size_t)(colon - s) : n;

	if (!n)
		return "has an empty user";
	if (len && !(uri->user = redisuri_decode(s, len)))
		return "has a broken percent escape in the user";
	if (!colon)
		return NULL;
	n -= len + 1;
	if (!n)
		return "has an empty password";
	if (!(uri->password = redisuri_decode(colon + 1, n)))
		return "has a broken percent escape in the password";
	return NULL;
}

static bool
redisuri_is_host(const char *s)
{
	for (; *s; s++)
		if (!(*s >= '0' && *s <= '9') && !((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z') &&
		    *s != '.' && *s != '-' && *s != '_')
			return false;
	return true;
}

static const char *
redisuri_read_host(struct redisuri *uri, const char *s, size_t n)
{
	const char *end = s + n, *host_end;
	bool literal = n && *s == '[';
	struct in6_addr in6;

	if (literal)
		s++;
	host_end = memchr(s, literal ? ']' : ':', (size_t)(end - s));
	if (!host_end && literal)
		return "has a [ without ]";
	if (!host_end)
		host_end = end;
	if (host_end == s || host_end - s > HOST_MAX)
		return "has no host";
	uri->host = xstrndup(s, (size_t)(host_end - s));
	if (literal ? inet_pton(AF_INET6, uri->host, &in6) != 1 : !redisuri_is_host(uri->host))
		return "has a host that is neither a name nor an address";
	if (literal)
		host_end++;
	uri->port = PORT_DEFAULT;
	if (host_end < end) {
		if (*host_end != ':')
			return "has something between the host and the port";
		uri->port = redisuri_number(host_end + 1, (size_t)(end - host_end - 1), 65535);
		if (uri->port < 1)
			return "has a port that is not from 1 to 65535";
	}
	return NULL;
}

static const char *
redisuri_read_tcp(struct redisuri *uri, const char *s)
{
	const char *at = strrchr(s, '@'), *slash;
	const char *fault;

	if (at) {
		if ((fault = redisuri_read_user(uri, s, (size_t)(at - s))))
			return fault;
		s = at + 1;
	}
	slash = strchrnul(s, '/');
	if ((fault = redisuri_read_host(uri, s, (size_t)(slash - s))))
		return fault;
	if (*slash && slash[1]) {
		uri->db = redisuri_number(slash + 1, strlen(slash + 1), DB_MAX);
		if (uri->db < 0)
			return "has a database that is not a number";
	}
	return NULL;
}

/* "db=N", all of it */
static const char *
redisuri_read_query(struct redisuri *uri, const char *s)
{
	if (strncmp(s, "db=", 3))
		return "has a query other than ?db=N";
	uri->db = redisuri_number(s + 3, strlen(s + 3), DB_MAX);
	return uri->db < 0 ? "has a database that is not a number" : NULL;
}

/* "[user:pass@]/path[?db=N]" */
static const char *
redisuri_read_unix(struct redisuri *uri, const char *s)
{
	const char *slash = strchrnul(s, '/'), *query;
	const char *fault;

	if (slash > s && slash[-1] != '@')
		return "needs an absolute path: unix:///path";
	if (slash > s && (fault = redisuri_read_user(uri, s, (size_t)(slash - 1 - s))))
		return fault;
	query = strrchr(slash, '?');
	if (!query)
		query = slash + strlen(slash);
	if (query - slash < 2)
		return "has no path: unix:///path";
	if ((size_t)(query - slash) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return "has a path that is too long for a Unix socket (107 bytes)";
	uri->path = xstrndup(slash, (size_t)(query - slash));
	return *query ? redisuri_read_query(uri, query + 1) : NULL;
}

static const char *
redisuri_read(struct redisuri *uri, const char *s)
{
	memset(uri, 0, sizeof *uri);
	if (!strncmp(s, "redis://", 8))
		return redisuri_read_tcp(uri, s + 8);
	if (!strncmp(s, "unix://", 7))
		return redisuri_read_unix(uri, s + 7);
	if (!strncmp(s, "rediss://", 9))
		return "asks for TLS, which this build's hiredis does not have: use redis:// or a "
		       "tunnel";
	return "must begin with redis:// or unix://";
}

const char *
redisuri_fault(const char *s)
{
	struct redisuri uri;
	const char *fault = redisuri_read(&uri, s);

	redisuri_clear(&uri);
	return fault;
}

int
redisuri_parse(struct redisuri *uri, const char *s)
{
	return redisuri_read(uri, s) ? -1 : 0;
}

void
redisuri_set_password(struct redisuri *uri, const char *password)
{
	if (uri->password)
		mem_wipe(uri->password, strlen(uri->password));
	free(uri->password);
	uri->password = xstrdup(password);
}

void
redisuri_clear(struct redisuri *uri)
{
	if (uri->password)
		mem_wipe(uri->password, strlen(uri->password));
	free(uri->path);
	free(uri->host);
	free(uri->user);
	free(uri->password);
	memset(uri, 0, sizeof *uri);
}
