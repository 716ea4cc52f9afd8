/* Endpoint URLs: a strict parser of what RFC 3986 allows and webhooks need. */
#include "proto/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define URL_NAME_MAX 253
#define URL_LABEL_MAX 63

#define URL_DIGITS "0123456789"
#define URL_HEX URL_DIGITS "abcdefABCDEF"
#define URL_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const char url_no_host[] = "must have a host";
static const char url_bad_port[] =
    "port must be a number from 1 to 65535, and an IPv6 host must stand in brackets";
static const char url_bad_ipv6[] = "an IPv6 host must be an address in brackets, without a zone";
static const char url_bad_name[] =
    "host must be a name of letters, digits, - and _ in labels of 1 to 63 characters, joined by "
    "dots, that neither begin nor end with -";

/* A part of the URL: at .. end. */
struct url_text {
	const char *at;
	const char *end;
};

static bool
url_is_in(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static char
url_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* What no part of a URL may hold; NULL when there is none of it. */
static const char *
url_check_bytes(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c <= ' ' || c == 0x7f)
			return "must not contain spaces or control characters";
		if (c > 0x7f)
			return "must be ASCII: use the xn-- form of a host name and percent "
			       "escapes";
		if (url_is_in(s[i], "\"<>\\^`{|}"))
			return "must not contain any of \" < > \\ ^ ` { | }: use percent escapes";
	}
	return NULL;
}

static const char *
url_scheme(struct url *url, struct url_text *t)
{
	size_t n = (size_t)(t->end - t->at);

	if (n >= 7 && strncasecmp(t->at, "http://", 7) == 0) {
		url->port = 80;
		t->at += 7;
	} else if (n >= 8 && strncasecmp(t->at, "https://", 8) == 0) {
		url->tls = true;
		url->port = 443;
		t->at += 8;
	} else {
		return "must be an absolute http:// or https:// URL";
	}
	return NULL;
}

/* "", ":" or ":" and a number; all of the text. */
static const char *
url_port(struct url *url, const struct url_text *t)
{
	unsigned port = 0;

	if (t->end - t->at <= 1)
		return NULL;
	for (const char *p = t->at + 1; p < t->end; p++) {
		if (url_is_in(*p, URL_DIGITS) && port <= 65535)
			port = port * 10 + (unsigned)(*p - '0');
		else
			return url_bad_port;
	}
	if (port < 1 || port > 65535)
		return url_bad_port;
	url->port = (uint16_t)port;
	return NULL;
}

/* Whether the host would be taken for an IPv4 address by others (WHATWG URL, "ends in a number").
 */
static bool
url_ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *last = dot != NULL ? dot + 1 : name;

	if (last[0] == '0' && last[1] == 'x')
		return last[2 + strspn(last + 2, URL_HEX)] == '\0';
	return last[strspn(last, URL_DIGITS)] == '\0';
}

/* The labels of a name that has no trailing dot any more. */
static const char *
url_check_labels(const char *name)
{
	for (const char *label = name;; label++) {
		size_t n = strspn(label, URL_LETTERS URL_DIGITS "-_");

		if (n == 0 || n > URL_LABEL_MAX || label[0] == '-' || label[n - 1] == '-')
			return url_bad_name;
		label += n;
		if (*label == '\0')
			return NULL;
		if (*label != '.')
			return url_bad_name;
	}
}

/* A name or a dotted quad. */
static const char *
url_name(struct url *url, const struct url_text *t)
{
	size_t n = (size_t)(t->end - t->at);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(url->port)};
	const char *why;
	bool dot = n > 1 && t->end[-1] == '.';

	if (n == 0)
		return url_no_host;
	if (dot)
		n--;
	if (n > URL_NAME_MAX)
		return "host must be at most 253 characters";
	for (size_t i = 0; i < n; i++)
		url->host[i] = url_lower(t->at[i]);
	url->host[n] = '\0';
	why = url_check_labels(url->host);
	if (why != NULL)
		return why;
	if (!url_ends_in_number(url->host))
		return NULL;
	/* inet_pton() takes four decimal numbers without leading zeros and nothing else. */
	if (dot || inet_pton(AF_INET, url->host, &in.sin_addr) != 1)
		return "an IPv4 host must be four decimal numbers";
	url->kind = URL_HOST_IPV4;
	memcpy(&url->addr, &in, sizeof in);
	return NULL;
}

/* What stands between the brackets. */
static const char *
url_ipv6(struct url *url, const struct url_text *t)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(url->port)};
	char text[INET6_ADDRSTRLEN];
	size_t n = (size_t)(t->end - t->at);

	if (n >= sizeof text)
		return url_bad_ipv6;
	memcpy(text, t->at, n);
	text[n] = '\0';
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
		return url_bad_ipv6;
	inet_ntop(AF_INET6, &in6.sin6_addr, url->host,
	    sizeof url->host); /* one spelling for one address */
	url->kind = URL_HOST_IPV6;
	memcpy(&url->addr, &in6, sizeof in6);
	return NULL;
}

static void
url_write_authority(struct url *url)
{
	const char *open = url->kind == URL_HOST_IPV6 ? "[" : "";
	const char *close = url->kind == URL_HOST_IPV6 ? "]" : "";

	if (url->port == (url->tls ? 443 : 80))
		snprintf(url->authority, sizeof url->authority, "%s%s%s", open, url->host, close);
	else
		snprintf(url->authority, sizeof url->authority, "%s%s%s:%u", open, url->host, close,
		    (unsigned)url->port);
}

/* Reads up to the path, the query, the fragment or the end. */
static const char *
url_read_authority(struct url *url, struct url_text *t)
{
	struct url_text host = *t, port;
	const char *why;
	bool bracket;

	while (t->at < t->end && !url_is_in(*t->at, "/?#"))
		t->at++;
	port.end = t->at;
	if (memchr(host.at, '@', (size_t)(t->at - host.at)) != NULL)
		return "must not hold credentials: use headers";
	bracket = host.at < t->at && *host.at == '[';
	if (bracket) {
		host.at++;
		host.end = memchr(host.at, ']', (size_t)(t->at - host.at));
		if (host.end == NULL)
			return url_bad_ipv6;
		port.at = host.end + 1;
		if (port.at < port.end && *port.at != ':')
			return url_bad_ipv6;
	} else {
		port.at = memchr(host.at, ':', (size_t)(t->at - host.at));
		if (port.at == NULL)
			port.at = port.end;
		host.end = port.at;
	}
	why = url_port(url, &port);
	if (why == NULL)
		why = bracket ? url_ipv6(url, &host) : url_name(url, &host);
	if (why == NULL)
		url_write_authority(url);
	return why;
}

/* Path and query (RFC 3986, sections 3.3 and 3.4) are sent as they are, never normalised. */
static const char *
url_read_target(struct url *url, const struct url_text *t)
{
	size_t n = (size_t)(t->end - t->at);
	char *out = url->target;

	for (const char *p = t->at; p < t->end; p++) {
		if (*p == '#')
			return "must not have a fragment";
		if (*p == '%') {
			if (t->end - p < 3 || !url_is_in(p[1], URL_HEX) ||
			    !url_is_in(p[2], URL_HEX))
				return "a percent sign must be followed by two hex digits";
		} else if (!url_is_in(*p, URL_LETTERS URL_DIGITS "-._~!$&'()*+,;=:@/?")) {
			return "path and query must hold only what RFC 3986 allows there: use "
			       "percent escapes";
		}
	}
	if (n == 0 || *t->at != '/')
		*out++ = '/';
	memcpy(out, t->at, n);
	out[n] = '\0';
	return NULL;
}

int
url_parse(struct url *url, const char *s, size_t n, const char **why)
{
	struct url_text t = {s, s + n};

	memset(url, 0, sizeof *url);
	if (n > URL_MAX)
		*why = "must be at most 2048 bytes";
	else
		*why = url_check_bytes(s, n);
	if (*why == NULL)
		*why = url_scheme(url, &t);
	if (*why == NULL)
		*why = url_read_authority(url, &t);
	if (*why == NULL)
		*why = url_read_target(url, &t);
	return *why == NULL ? 0 : -1;
}
