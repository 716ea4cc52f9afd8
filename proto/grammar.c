/* The grammar of HTTP/1 messages (RFC 9110 and 9112), as far as both directions need it. */
#include "proto/grammar.h"

#include <string.h>
#include <strings.h>

enum {
	GRAMMAR_TCHAR = 1, /* RFC 9110, 5.6.2 */
	GRAMMAR_TEXT = 2,  /* field-vchar, SP, HTAB, obs-text (RFC 9110, 5.5) */
	GRAMMAR_HOST = 4,  /* reg-name without percent-encoding (RFC 3986, 3.2.2) */
	GRAMMAR_HEX = 8
};

#define T GRAMMAR_TCHAR
#define X GRAMMAR_TEXT
#define H GRAMMAR_HOST
#define D (T | X | H | GRAMMAR_HEX)
#define A (T | X | H)

/* clang-format off */
static const unsigned char grammar_class[256] = {
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
grammar_is(char c, int class)
{
	return (grammar_class[(unsigned char)c] & class) != 0;
}

static size_t
grammar_span(const char *s, size_t n, int class)
{
	size_t i;

	for (i = 0; i < n && grammar_is(s[i], class); i++)
		;
	return i;
}

bool
grammar_is_tchar(char c)
{
	return grammar_is(c, GRAMMAR_TCHAR);
}

bool
grammar_is_hex(char c)
{
	return grammar_is(c, GRAMMAR_HEX);
}

bool
grammar_is_host_char(char c)
{
	return grammar_is(c, GRAMMAR_HOST);
}

bool
grammar_is_token(const char *s, size_t n)
{
	return n > 0 && grammar_span(s, n, GRAMMAR_TCHAR) == n;
}

bool
grammar_is_value(const char *s, size_t n)
{
	return grammar_span(s, n, GRAMMAR_TEXT) == n;
}

bool
grammar_read_digits(const char *s, size_t len, uint64_t *n)
{
	size_t i;

	*n = 0;
	for (i = 0; i < len && s[i] >= '0' && s[i] <= '9'; i++)
		*n = *n > UINT64_MAX / 10 - 1 ? UINT64_MAX / 10 : *n * 10 + (uint64_t)(s[i] - '0');
	return len > 0 && i == len;
}

const char *
grammar_trim(const char *s, size_t *n)
{
	const char *end = s + *n;

	for (; s < end && (*s == ' ' || *s == '\t'); s++)
		;
	for (; s < end && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	*n = (size_t)(end - s);
	return s;
}

bool
grammar_lists(const char *s, size_t n, const char *token)
{
	const char *end = s + n, *comma, *item;
	size_t len, want = strlen(token);

	for (; s < end; s = comma + 1) {
		comma = memchr(s, ',', (size_t)(end - s));
		if (comma == NULL)
			comma = end;
		len = (size_t)(comma - s);
		item = grammar_trim(s, &len);
		if (len == want && strncasecmp(item, token, want) == 0)
			return true;
	}
	return false;
}

/* --- chunks --- */

static size_t
grammar_skip_space(const char *s, size_t n, size_t i)
{
	while (i < n && (s[i] == ' ' || s[i] == '\t'))
		i++;
	return i;
}

/* The end of the quoted-string that begins at i, or n + 1 (RFC 9110, 5.6.4). */
static size_t
grammar_skip_quoted(const char *s, size_t n, size_t i)
{
	for (i++; i < n && s[i] != '"'; i++) {
		if (s[i] == '\\')
			i++;
		if (i >= n || !grammar_is(s[i], GRAMMAR_TEXT))
			return n + 1;
	}
	return i < n ? i + 1 : n + 1;
}

/* RFC 9112, 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
static bool
grammar_is_extensions(const char *s, size_t n, size_t i)
{
	size_t len, next;

	while (i < n) {
		i = grammar_skip_space(s, n, i);
		if (i >= n || s[i] != ';')
			return false;
		i = grammar_skip_space(s, n, i + 1);
		len = grammar_span(s + i, n - i, GRAMMAR_TCHAR);
		if (len == 0)
			return false;
		i += len;
		next = grammar_skip_space(s, n, i);
		if (next >= n || s[next] != '=')
			continue;
		i = grammar_skip_space(s, n, next + 1);
		if (i < n && s[i] == '"') {
			i = grammar_skip_quoted(s, n, i);
			if (i > n)
				return false;
			continue;
		}
		len = grammar_span(s + i, n - i, GRAMMAR_TCHAR);
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

bool
grammar_read_size(const char *s, size_t n, uint64_t *size)
{
	size_t i, digits = grammar_span(s, n, GRAMMAR_HEX);
	unsigned digit;

	*size = 0;
	for (i = 0; i < digits; i++) {
		digit = s[i] <= '9' ? (unsigned)(s[i] - '0') : (unsigned)((s[i] | 0x20) - 'a') + 10;
		*size = *size >> 59 != 0 ? UINT64_MAX >> 4 : *size << 4 | digit;
	}
	return digits > 0 && grammar_is_extensions(s, n, digits);
}
