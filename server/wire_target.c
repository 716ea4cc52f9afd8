/* Hosts and targets of requests: RFC 9110 and 9112, and RFC 3986 where they lean on it. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "proto/grammar.h"
#include "server/wire_internal.h"

static bool
wire_is_percent(const char *s, size_t n)
{
	return n >= 3 && grammar_is_hex(s[1]) && grammar_is_hex(s[2]);
}

/* The length of the host at the beginning of s: a name, an IPv4 or a bracketed IPv6 address; n + 1
 * when there is none. */
static size_t
wire_host_len(const char *s, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	const char *end;
	size_t i;

	if (n > 0 && s[0] == '[') {
		end = memchr(s, ']', n);
		if (end == NULL || (size_t)(end - s - 1) >= sizeof text)
			return n + 1;
		memcpy(text, s + 1, (size_t)(end - s - 1));
		text[end - s - 1] = '\0';
		if (strlen(text) != (size_t)(end - s - 1) ||
		    inet_pton(AF_INET6, text, &address) != 1)
			return n + 1;
		return (size_t)(end - s) + 1;
	}
	for (i = 0; i < n && s[i] != ':'; i++) {
		if (s[i] == '%' && wire_is_percent(s + i, n - i))
			i += 2;
		else if (!grammar_is_host_char(s[i]))
			return n + 1;
	}
	return i;
}

/* RFC 9110, 7.2: uri-host [ ":" port ]; the host may be empty, userinfo is not allowed. */
bool
wire_is_host(const char *s, size_t n)
{
	size_t len = wire_host_len(s, n);
	uint64_t port;

	if (len >= n)
		return len == n;
	if (s[len] != ':')
		return false;
	return len + 1 == n ||
	       (grammar_read_digits(s + len + 1, n - len - 1, &port) && port <= 65535);
}

static const char *
wire_check_target_bytes(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (s[i] < 0x21 || s[i] > 0x7e)
			return "the request target holds a byte that must be percent-encoded";
		if (s[i] == '#')
			return "the request target holds a fragment";
		if (s[i] != '%')
			continue;
		if (!wire_is_percent(s + i, n - i))
			return "the request target holds a % without two hex digits";
		if (s[i + 1] == '0' && s[i + 2] == '0')
			return "the request target holds %00";
	}
	return NULL;
}

static size_t
wire_authority_len(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n && s[i] != '/' && s[i] != '?'; i++)
		;
	return i;
}

const char *
wire_check_target(const char *s, size_t n, bool asterisk)
{
	const char *why = wire_check_target_bytes(s, n);
	size_t scheme = 0, authority;

	if (why != NULL)
		return why;
	if (n > 7 && strncasecmp(s, "http://", 7) == 0)
		scheme = 7;
	else if (n > 8 && strncasecmp(s, "https://", 8) == 0)
		scheme = 8;
	if (scheme > 0) { /* absolute-form (RFC 9112, 3.2.2): we serve any authority */
		authority = wire_authority_len(s + scheme, n - scheme);
		if (authority == 0 || s[scheme] == ':' || !wire_is_host(s + scheme, authority))
			return "the authority of the request target is not valid";
		return NULL;
	}
	if (n == 1 && *s == '*' && asterisk)
		return NULL;
	if (n == 0 || *s != '/')
		return "the request target must be a path";
	/* some take such a path for an authority */
	if (n > 1 && s[1] == '/' && !wire_is_host(s + 2, wire_authority_len(s + 2, n - 2)))
		return "the request target begins with two slashes";
	return NULL;
}
