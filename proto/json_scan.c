/* What yajl lets through: bad UTF-8, odd white space, lone surrogate escapes.  Found beforehand. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/json_priv.h"

#define SCAN_EACH(byte) (0x0101010101010101u * (byte))

void
json_fail(struct json_error *error, const char *text, size_t offset, const char *fmt, ...)
{
	va_list ap;
	size_t i;

	error->offset = offset;
	error->line = 1;
	for (i = 0; i < offset; i++)
		if (text[i] == '\n')
			error->line++;
	va_start(ap, fmt);
	vsnprintf(error->text, sizeof error->text, fmt, ap);
	va_end(ap);
	for (i = 0; error->text[i] != '\0'; i++)
		if (error->text[i] < 0x20 || error->text[i] > 0x7e)
			error->text[i] = '?';
}

/* Whether one of 8 bytes is below 0x20 or a backslash; the subtractions borrow only out of bytes
 * that are below the limit themselves, so that "none" is always right. */
static bool
json_scan_stops(const char *s)
{
	uint64_t word, slash;

	memcpy(&word, s, sizeof word);
	slash = word ^ SCAN_EACH('\\');
	return (((word - SCAN_EACH(0x20u)) & ~word) | ((slash - SCAN_EACH(1u)) & ~slash)) &
	       SCAN_EACH(0x80u);
}

/* The code unit of an escape \uXXXX at s, or -1 when there is none. */
static int
json_scan_unit(const char *s, size_t n)
{
	int unit = 0;
	size_t i;

	if (n < 6 || s[0] != '\\' || s[1] != 'u')
		return -1;
	for (i = 2; i < 6; i++) {
		if (s[i] >= '0' && s[i] <= '9')
			unit = unit * 16 + s[i] - '0';
		else if ((s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'f')
			unit = unit * 16 + (s[i] | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return unit;
}

/* The length of the escape at s (that it is a right one is yajl's to see), or 0 when it is a lone
 * surrogate (RFC 8259, section 8.2). */
static size_t
json_scan_escape(const char *s, size_t n)
{
	int unit, next;

	unit = json_scan_unit(s, n);
	if (unit < 0xd800 || unit > 0xdfff)
		return n < 2 ? n : 2;
	if (unit > 0xdbff)
		return 0;
	next = json_scan_unit(s + 6, n - 6);
	return next >= 0xdc00 && next <= 0xdfff ? 12 : 0;
}

/* The end of the piece, or the beginning of the character that lies across it. */
static size_t
json_scan_end(const char *text, size_t len, size_t from, size_t to)
{
	if (to < len)
		while (to > from && ((unsigned char)text[to] & 0xc0) == 0x80)
			to--;
	return to;
}

int
json_scan(const char *text, size_t len, size_t *at, size_t to, struct json_error *error)
{
	size_t i = *at, end = json_scan_end(text, len, i, to), n;
	unsigned char c;

	if (end < i)
		return 0;
	n = i + utf8_span(text + i, end - i);
	if (n < end) {
		json_fail(error, text, n, "not UTF-8");
		return -1;
	}
	while (i < end) {
		if (end - i >= 8 && !json_scan_stops(text + i)) {
			i += 8;
			continue;
		}
		c = (unsigned char)text[i];
		if (c == '\\') {
			n = json_scan_escape(text + i, len - i);
			if (n == 0) {
				json_fail(error, text, i, "lone surrogate escape");
				return -1;
			}
			i += n;
		} else if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') {
			json_fail(error, text, i, "control character 0x%02x", c);
			return -1;
		} else {
			i++;
		}
	}
	*at = i;
	return 0;
}
