/* A slow reading of HTTP/1 requests, written from RFC 9112 and not from wire.c, to compare. */
#include "test/unit/wire_slow.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { MORE = -1, WHOLE = 0 };

/* What is left to read, and what was read of the head. */
struct reading {
	const char *p;
	size_t n, at;
	size_t max_header, max_body;
	char method[16];
	int minor, hosts, lengths, codings, tokens, keys, fields;
	double length; /* exact enough: limits are far below 2^53 */
	const char *s; /* the present line, and its length without CRLF */
	size_t len;
};

static bool
slow_is_tchar(char c)
{
	return c != '\0' && (isalnum((unsigned char)c) || strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
slow_is_text(char c)
{
	return c == '\t' || (unsigned char)c >= 0x80 || (c >= 0x20 && c < 0x7f);
}

static bool
slow_all(const char *s, size_t n, bool (*is)(char c))
{
	while (n > 0 && is(s[n - 1]))
		n--;
	return n == 0;
}

static bool
slow_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
slow_equals(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(s, word, n) == 0;
}

static double
slow_number(const char *s, size_t n, int base)
{
	double value = 0;
	size_t i;

	for (i = 0; i < n; i++)
		value = value * base + (isdigit((unsigned char)s[i])
					       ? s[i] - '0'
					       : tolower((unsigned char)s[i]) - 'a' + 10);
	return value;
}

/* The next line of at most max bytes; `over` when it is longer, 400 when it does not end in CRLF.
 */
static int
slow_line(struct reading *r, size_t max, int over)
{
	size_t i;

	for (i = 0; i < max && r->at + i < r->n; i++) {
		if (r->p[r->at + i] != '\n')
			continue;
		r->s = r->p + r->at;
		r->len = i > 0 ? i - 1 : 0;
		r->at += i + 1;
		return i > 0 && r->s[i - 1] == '\r' ? WHOLE : 400;
	}
	if (r->at + i == r->n && (i < max || max == 0))
		return MORE;
	r->at += i;
	return over;
}

/* --- the request line --- */

static bool
slow_is_name(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (s[i] == '%' && i + 2 < n && isxdigit((unsigned char)s[i + 1]) &&
		    isxdigit((unsigned char)s[i + 2]))
			i += 2;
		else if (s[i] == '\0' || (unsigned char)s[i] >= 0x80 ||
			 (!isalnum((unsigned char)s[i]) && strchr("-._~!$&'()*+,;=", s[i]) == NULL))
			return false;
	}
	return true;
}

static bool
slow_is_host(const char *s, size_t n)
{
	struct in6_addr address;
	char text[64] = "";
	size_t end = 0;

	if (memchr(s, '\0', n) != NULL)
		return false;
	if (n > 0 && *s == '[') {
		while (end < n && s[end] != ']')
			end++;
		if (end == n || end > 60)
			return false;
		memcpy(text, s + 1, end - 1);
		if (inet_pton(AF_INET6, text, &address) != 1)
			return false;
		end++;
	} else {
		while (end < n && s[end] != ':')
			end++;
		if (!slow_is_name(s, end))
			return false;
	}
	if (end == n)
		return true;
	return s[end] == ':' && slow_all(s + end + 1, n - end - 1, slow_is_digit) &&
	       slow_number(s + end + 1, n - end - 1, 10) <= 65535;
}

static bool
slow_is_target(const char *method, const char *s, size_t n)
{
	size_t i, skip = 0, len;

	for (i = 0; i < n; i++) {
		if (s[i] <= ' ' || s[i] == 127 || s[i] == '#')
			return false;
		if (s[i] == '%' &&
		    (i + 2 >= n || !isxdigit((unsigned char)s[i + 1]) ||
			!isxdigit((unsigned char)s[i + 2]) || (s[i + 1] == '0' && s[i + 2] == '0')))
			return false;
	}
	if (n == 1 && *s == '*')
		return strcmp(method, "OPTIONS") == 0;
	if (n > 7 && slow_equals(s, 7, "http://"))
		skip = 7;
	if (n > 8 && slow_equals(s, 8, "https://"))
		skip = 8;
	if (skip == 0 && (n < 1 || *s != '/'))
		return false;
	if (skip == 0 && (n < 2 || s[1] != '/'))
		return true;
	s += skip > 0 ? skip : 2;
	n -= skip > 0 ? skip : 2;
	for (len = 0; len < n && strchr("/?", s[len]) == NULL; len++)
		;
	return (skip == 0 || (len > 0 && *s != ':')) && slow_is_host(s, len);
}

static int
slow_request_line(struct reading *r)
{
	static const char *const methods[] = {
	    "GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PUT", "TRACE"};
	size_t method = 0, target, i;
	const char *version;

	while (method < r->len && r->s[method] != ' ')
		method++;
	for (target = method + 1; target < r->len && r->s[target] != ' '; target++)
		;
	if (target >= r->len || method == 0 || !slow_all(r->s, method, slow_is_tchar))
		return 400;
	version = r->s + target + 1;
	if (r->len - target - 1 != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.' ||
	    !slow_is_digit(version[5]) || !slow_is_digit(version[7]))
		return 400;
	if (version[5] != '1' || (version[7] != '0' && version[7] != '1'))
		return 505;
	r->minor = version[7] - '0';
	for (i = 0; i < 8; i++) {
		if (strlen(methods[i]) == method && memcmp(methods[i], r->s, method) == 0)
			break;
	}
	if (i == 8)
		return 501;
	strcpy(r->method, methods[i]);
	return slow_is_target(r->method, r->s + method + 1, target - method - 1) ? WHOLE : 400;
}

/* --- the fields --- */

/* Leaves the value in r->s, r->len and the name's length in *name. */
static int
slow_split(struct reading *r, const char **name, size_t *name_len)
{
	size_t colon = 0;

	while (colon < r->len && r->s[colon] != ':')
		colon++;
	if (colon == r->len || colon == 0 || !slow_all(r->s, colon, slow_is_tchar))
		return 400;
	*name = r->s;
	*name_len = colon;
	r->s += colon + 1;
	r->len -= colon + 1;
	while (r->len > 0 && (*r->s == ' ' || *r->s == '\t')) {
		r->s++;
		r->len--;
	}
	while (r->len > 0 && (r->s[r->len - 1] == ' ' || r->s[r->len - 1] == '\t'))
		r->len--;
	if (!slow_all(r->s, r->len, slow_is_text))
		return 400;
	return ++r->fields > 256 ? 431 : WHOLE;
}

static int
slow_field(struct reading *r)
{
	const char *name;
	size_t len;
	int status = slow_split(r, &name, &len);

	if (status != WHOLE)
		return status;
	if (slow_equals(name, len, "Authorization"))
		return r->tokens++ > 0 ? 400 : WHOLE;
	if (slow_equals(name, len, "Idempotency-Key"))
		return r->keys++ > 0 ? 400 : WHOLE;
	if (slow_equals(name, len, "Host"))
		return r->hosts++ > 0 || !slow_is_host(r->s, r->len) ? 400 : WHOLE;
	if (slow_equals(name, len, "Content-Length")) {
		if (r->lengths++ > 0 || r->len == 0 || !slow_all(r->s, r->len, slow_is_digit))
			return 400;
		r->length = slow_number(r->s, r->len, 10);
	}
	if (slow_equals(name, len, "Transfer-Encoding"))
		return r->codings++ > 0 || !slow_equals(r->s, r->len, "chunked") ? 400 : WHOLE;
	if (slow_equals(name, len, "Expect") && r->minor == 1)
		return slow_equals(r->s, r->len, "100-continue") ? WHOLE : 417;
	return WHOLE;
}

static int
slow_head(struct reading *r)
{
	size_t start = r->at;
	int status, blanks = 0;

	for (;;) {
		if (r->at < r->n && r->p[r->at] != '\r' && !slow_is_tchar(r->p[r->at])) {
			r->at++;
			return 400;
		}
		if ((status = slow_line(r, r->max_header - (r->at - start), 414)) != WHOLE)
			return status;
		if (r->len > 0)
			break;
		if (++blanks > 1)
			return 400;
	}
	if ((status = slow_request_line(r)) != WHOLE)
		return status;
	while ((status = slow_line(r, r->max_header - (r->at - start), 431)) == WHOLE &&
	       r->len > 0 && (status = slow_field(r)) == WHOLE)
		;
	if (status != WHOLE)
		return status;
	if (r->codings > 0 && (r->lengths > 0 || r->minor == 0))
		return 400;
	if ((strcmp(r->method, "HEAD") == 0 || strcmp(r->method, "TRACE") == 0) &&
	    (r->codings > 0 || r->length > 0))
		return 400;
	if (r->hosts == 0 && r->minor == 1)
		return 400;
	return r->length > (double)r->max_body ? 413 : WHOLE;
}

/* --- the body --- */

static int
slow_data(struct reading *r, size_t len, struct buf *body)
{
	size_t here = r->n - r->at < len ? r->n - r->at : len;

	buf_add(body, r->p + r->at, here);
	r->at += here;
	return here == len ? WHOLE : MORE;
}

static size_t
slow_space(const char *s, size_t n, size_t i)
{
	while (i < n && (s[i] == ' ' || s[i] == '\t'))
		i++;
	return i;
}

static size_t
slow_token(const char *s, size_t n, size_t i)
{
	while (i < n && slow_is_tchar(s[i]))
		i++;
	return i;
}

/* One extension at i: where it ends, or 0. */
static size_t
slow_extension(const char *s, size_t n, size_t i)
{
	size_t end, at;

	i = slow_space(s, n, i);
	if (i == n || s[i] != ';')
		return 0;
	i = slow_space(s, n, i + 1);
	if ((end = slow_token(s, n, i)) == i)
		return 0;
	at = slow_space(s, n, end);
	if (at == n || s[at] != '=')
		return end;
	i = slow_space(s, n, at + 1);
	if (i == n || s[i] != '"')
		return (end = slow_token(s, n, i)) > i ? end : 0;
	for (i++; i < n; i++) {
		if (s[i] == '"')
			return i + 1;
		if (s[i] == '\\' && ++i == n)
			return 0;
		if (!slow_is_text(s[i]))
			return 0;
	}
	return 0;
}

static int
slow_chunks(struct reading *r, struct buf *body)
{
	size_t digits, extra = 0, at;
	int status;

	for (;;) {
		if ((status = slow_line(r, 1024, 400)) != WHOLE)
			return status;
		for (digits = 0; digits < r->len && isxdigit((unsigned char)r->s[digits]); digits++)
			;
		if (digits == 0)
			return 400;
		for (at = digits; at < r->len;) {
			if ((at = slow_extension(r->s, r->len, at)) == 0)
				return 400;
		}
		extra += r->len > 16 ? r->len - 16 : 0;
		if (extra > r->max_header ||
		    slow_number(r->s, digits, 16) > (double)(r->max_body - body->len))
			return 413;
		if (slow_number(r->s, digits, 16) == 0)
			return WHOLE;
		status = slow_data(r, (size_t)slow_number(r->s, digits, 16), body);
		if (status == WHOLE)
			status = slow_line(r, 2, 400);
		if (status != WHOLE)
			return status;
	}
}

static int
slow_trailers(struct reading *r)
{
	size_t start = r->at, len;
	const char *name;
	int status;

	r->fields = 0;
	while ((status = slow_line(r, r->max_header - (r->at - start), 431)) == WHOLE &&
	       r->len > 0 && (status = slow_split(r, &name, &len)) == WHOLE)
		;
	return status;
}

void
slow_read(struct slow *slow, const char *p, size_t n, size_t max_header, size_t max_body)
{
	struct reading r = {.p = p, .n = n, .max_header = max_header, .max_body = max_body};

	buf_reset(&slow->body);
	slow->status = slow_head(&r);
	if (slow->status == WHOLE && r.codings > 0) {
		slow->status = slow_chunks(&r, &slow->body);
		if (slow->status == WHOLE)
			slow->status = slow_trailers(&r);
	} else if (slow->status == WHOLE) {
		slow->status = slow_data(&r, (size_t)r.length, &slow->body);
	}
	slow->used = slow->status == MORE ? n : r.at;
}
