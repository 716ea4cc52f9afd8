/* Untrusted text made fit for one line of a log. */
#include "base/escape.h"

#include <stdbool.h>
#include <string.h>

static const char escape_hex[] = "0123456789abcdef";

/* The length of the UTF-8 character at s (Unicode, table 3-7), 0 if it is none; gives its code. */
static size_t
escape_utf8(const unsigned char *s, size_t n, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len, i;

	*code = s[0];
	if (s[0] < 0x80)
		return 1;
	len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n < len)
		return 0;
	*code = s[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return len;
}

/* Controls, line separators and those that turn the direction of the text around. */
static bool
escape_needed(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

static bool
escape_is_bare(const char *s, size_t n)
{
	static const bool bare[256] = {['a' ... 'z'] = true,
	    ['A' ... 'Z'] = true,
	    ['0' ... '9'] = true,
	    ['_'] = true,
	    ['.'] = true,
	    [':'] = true,
	    ['/'] = true,
	    ['@'] = true,
	    ['+'] = true,
	    ['-'] = true};
	size_t i;

	for (i = 0; i < n && bare[(unsigned char)s[i]]; i++)
		;
	return n > 0 && i == n;
}

/* Appends the short escape both formats share; false if the character has none. */
static bool
escape_short(struct buf *buf, uint32_t code)
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
	const char *at = code > 0 && code < 0x80 ? strchr(from, (int)code) : NULL;

	if (at == NULL)
		return false;
	buf_addc(buf, '\\');
	buf_addc(buf, to[at - from]);
	return true;
}

static void
escape_bytes(struct buf *buf, const unsigned char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		buf_add(buf, "\\x", 2);
		buf_addc(buf, escape_hex[s[i] >> 4]);
		buf_addc(buf, escape_hex[s[i] & 15]);
	}
}

void
escape_logfmt(struct buf *buf, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t code;
	size_t i, len;

	if (escape_is_bare(text, n)) {
		buf_add(buf, text, n);
		return;
	}
	buf_addc(buf, '"');
	for (i = 0; i < n; i += len) {
		len = escape_utf8(s + i, n - i, &code);
		if (len == 0) {
			len = 1;
			escape_bytes(buf, s + i, 1);
		} else if (!escape_short(buf, code)) {
			if (escape_needed(code))
				escape_bytes(buf, s + i, len);
			else
				buf_add(buf, s + i, len);
		}
	}
	buf_addc(buf, '"');
}

void
escape_json(struct buf *buf, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t code;
	size_t i, len;
	int shift;

	buf_addc(buf, '"');
	for (i = 0; i < n; i += len) {
		len = escape_utf8(s + i, n - i, &code);
		if (len == 0) {
			len = 1;
			buf_adds(buf, "\xef\xbf\xbd"); /* U+FFFD */
		} else if (!escape_short(buf, code)) {
			if (!escape_needed(code)) {
				buf_add(buf, s + i, len);
				continue;
			}
			buf_add(buf, "\\u", 2); /* all of these are below U+10000 */
			for (shift = 12; shift >= 0; shift -= 4)
				buf_addc(buf, escape_hex[code >> shift & 15]);
		}
	}
	buf_addc(buf, '"');
}
