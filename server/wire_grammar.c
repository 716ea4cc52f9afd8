/* The grammar of RFC 9110 and 9112, as far as requests need it. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "server/wire_internal.h"

enum {
	WIRE_TCHAR = 1, /* RFC 9110, 5.6.2 */
	WIRE_TEXT = 2,  /* field-vchar, SP, HTAB, obs-text (RFC 9110, 5.5) */
	WIRE_HOST = 4,  /* reg-name without percent-encoding (RFC 3986, 3.2.2) */
	WIRE_HEX = 8
};

#define T WIRE_TCHAR
#define X WIRE_TEXT
#define H WIRE_HOST
#define D (T | X | H | WIRE_HEX)
#define A (T | X | H)

/* clang-format off */
static const unsigned char wire_class[256] = {
	['\t'] = X, [' '] = X, ['!'] = A, ['"'] = X, ['#'] = T | X, ['$'] = A, ['%'] = T | X,
	['&'] = A, ['\''] = A, ['('] = X | H, [')'] = X | H, ['*'] = A, ['+'] = A, [','] = X | H,
	['-'] = A, ['.'] = A, ['/'] = X, ['0' ... '9'] = D, [':'] = X, [';'] = X | H, ['<'] = X,
	['='] = X | H, ['>'] = X, ['?'] = X, ['@'] = X, ['A' ... 'F'] = D, ['G' ... 'Z'] = A,
	['['] = X, ['\\'] = X, [']'] = X, ['^'] = T | X, ['_'] = A, ['`'] = T | X,
	['a' ... 'f'] = D, ['g' ... 'z'] = A, ['{'] = X, ['|'] = T | X, ['}'] = X, ['~'] = A,
	[0x80 ... 0xff] = X,
};
/* clang-format on */

static bool
wire_is(char c, int class)
{
	return (wire_class[(unsigned char)c] & class) != 0;
}

static size_t
wire_span(const char *s, size_t n, int class)
{
	size_t i;

	for (i = 0; i < n && wire_is(s[i], class); i++)
		;
	return i;
}

bool
wire_is_tchar(char c)
{
	return wire_is(c, WIRE_TCHAR);
}

bool
wire_is_token(const char *s, size_t n)
{
	return n > 0 && wire_span(s, n, WIRE_TCHAR) == n;
}

bool
wire_is_value(const char *s, size_t n)
{
	return wire_span(s, n, WIRE_TEXT) == n;
}

bool
wire_read_digits(const char *s, size_t len, uint64_t *n)
{
	size_t i;

	*n = 0;
	for (i = 0; i < len && s[i] >= '0' && s[i] <= '9'; i++)
		*n = *n > UINT64_MAX / 10 - 1 ? UINT64_MAX / 10 : *n * 10 + (uint64_t)(s[i] - '0');
	return len > 0 && i == len;
}

/* --- hosts and targets --- */

static bool
wire_is_percent(const char *s, size_t n)
{
	return n >= 3 && wire_is(s[1], WIRE_HEX) && wire_is(s[2], WIRE_HEX);
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
		else if (!wire_is(s[i], WIRE_HOST))
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
	return len + 1 == n || (wire_read_digits(s + len + 1, n - len - 1, &port) && port <= 65535);
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
	/* evhttp takes such a path for an authority, and refuses some in HTML */
	if (n > 1 && s[1] == '/' && !wire_is_host(s + 2, wire_authority_len(s + 2, n - 2)))
		return "the request target begins with two slashes";
	return NULL;
}

/* --- chunks --- */

static size_t
wire_skip_space(const char *s, size_t n, size_t i)
{
	while (i < n && (s[i] == ' ' || s[i] == '\t'))
		i++;
	return i;
}

/* The end of the quoted-string that begins at i, or n + 1 (RFC 9110, 5.6.4). */
static size_t
wire_skip_quoted(const char *s, size_t n, size_t i)
{
	for (i++; i < n && s[i] != '"'; i++) {
		if (s[i] == '\\')
			i++;
		if (i >= n || !wire_is(s[i], WIRE_TEXT))
			return n + 1;
	}
	return i < n ? i + 1 : n + 1;
}

/* RFC 9112, 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
static bool
wire_is_extensions(const char *s, size_t n, size_t i)
{
	size_t len, next;

	while (i < n) {
		i = wire_skip_space(s, n, i);
		if (i >= n || s[i] != ';')
			return false;
		i = wire_skip_space(s, n, i + 1);
		len = wire_span(s + i, n - i, WIRE_TCHAR);
		if (len == 0)
			return false;
		i += len;
		next = wire_skip_space(s, n, i);
		if (next >= n || s[next] != '=')
			continue;
		i = wire_skip_space(s, n, next + 1);
		if (i < n && s[i] == '"') {
			i = wire_skip_quoted(s, n, i);
			if (i > n)
				return false;
			continue;
		}
		len = wire_span(s + i, n - i, WIRE_TCHAR);
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

bool
wire_read_size(const char *s, size_t n, uint64_t *size)
{
	size_t i, digits = wire_span(s, n, WIRE_HEX);
	unsigned digit;

	*size = 0;
	for (i = 0; i < digits; i++) {
		digit = s[i] <= '9' ? (unsigned)(s[i] - '0') : (unsigned)((s[i] | 0x20) - 'a') + 10;
		*size = *size >> 59 != 0 ? UINT64_MAX >> 4 : *size << 4 | digit;
	}
	return digits > 0 && wire_is_extensions(s, n, digits);
}
