/* A slow and simple judge of JSON and UTF-8: recursive descent, as RFC 8259 has the grammar. */
#include "test/fuzz/reference.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/json.h"

struct reference {
	const char *at;
	const char *end;
	size_t depth;
};

static bool reference_value(struct reference *r);

/* Decodes one character; 0 bytes when there is none. */
static size_t
reference_char(const unsigned char *s, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len, i;
	uint32_t c;

	if (s[0] < 0x80)
		return 1;
	if ((s[0] & 0xe0) == 0xc0)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if ((s[0] & 0xf8) == 0xf0)
		len = 4;
	else
		return 0;
	if (n < len)
		return 0;
	c = s[0] & (0xffu >> (len + 1));
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

bool
reference_utf8(const char *s, size_t n)
{
	size_t i, len;

	for (i = 0; i < n; i += len) {
		len = reference_char((const unsigned char *)s + i, n - i);
		if (len == 0)
			return false;
	}
	return true;
}

static void
reference_space(struct reference *r)
{
	while (r->at < r->end && memchr(" \t\r\n", *r->at, 4) != NULL)
		r->at++;
}

static bool
reference_take(struct reference *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool
reference_word(struct reference *r, const char *word)
{
	for (; *word != '\0'; word++)
		if (!reference_take(r, *word))
			return false;
	return true;
}

static bool
reference_digits(struct reference *r)
{
	const char *from = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return r->at > from;
}

static bool
reference_number(struct reference *r)
{
	reference_take(r, '-');
	if (!reference_take(r, '0') && !reference_digits(r))
		return false;
	if (reference_take(r, '.') && !reference_digits(r))
		return false;
	if (reference_take(r, 'e') || reference_take(r, 'E')) {
		if (!reference_take(r, '+'))
			reference_take(r, '-');
		return reference_digits(r);
	}
	return true;
}

/* Behind "\u": the code unit, or -1. */
static long
reference_unit(struct reference *r)
{
	char hex[5] = "";
	size_t i;

	for (i = 0; i < 4; i++, r->at++) {
		if (r->at == r->end || strchr("0123456789abcdefABCDEF", *r->at) == NULL ||
		    *r->at == '\0')
			return -1;
		hex[i] = *r->at;
	}
	return strtol(hex, NULL, 16);
}

static void
reference_put(struct buf *out, long c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* Behind a backslash. */
static bool
reference_escape(struct reference *r, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *simple;
	long c, low;

	if (reference_take(r, 'u')) {
		c = reference_unit(r);
		if (c < 0 || (c >= 0xdc00 && c <= 0xdfff))
			return false;
		if (c >= 0xd800 && c <= 0xdbff) {
			if (!reference_word(r, "\\u"))
				return false;
			low = reference_unit(r);
			if (low < 0xdc00 || low > 0xdfff)
				return false;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		}
		reference_put(out, c);
		return true;
	}
	if (r->at == r->end || *r->at == '\0' || (simple = strchr(from, *r->at)) == NULL)
		return false;
	r->at++;
	buf_addc(out, to[simple - from]);
	return true;
}

static bool
reference_string(struct reference *r, struct buf *out)
{
	if (!reference_take(r, '"'))
		return false;
	while (r->at < r->end && *r->at != '"') {
		if ((unsigned char)*r->at < 0x20)
			return false;
		if (*r->at != '\\') {
			buf_addc(out, *r->at++);
			continue;
		}
		r->at++;
		if (!reference_escape(r, out))
			return false;
	}
	return reference_take(r, '"');
}

/* Adds a key to those of its object, each with its length before it; false when it is there. */
static bool
reference_key(struct buf *keys, const struct buf *key)
{
	size_t at, n;

	for (at = 0; at < keys->len; at += sizeof n + n) {
		memcpy(&n, keys->data + at, sizeof n);
		if (n == key->len &&
		    (n == 0 || memcmp(keys->data + at + sizeof n, key->data, n) == 0))
			return false;
	}
	buf_add(keys, &key->len, sizeof key->len);
	buf_add(keys, key->data, key->len);
	return true;
}

static bool
reference_member(struct reference *r, struct buf *keys)
{
	struct buf key = {0};
	bool good;

	reference_space(r);
	good = reference_string(r, &key) && reference_key(keys, &key);
	buf_clear(&key);
	if (!good)
		return false;
	reference_space(r);
	return reference_take(r, ':') && reference_value(r);
}

/* Behind the opening bracket: members or items. */
static bool
reference_container(struct reference *r, char close)
{
	struct buf keys = {0};
	bool good = r->depth++ < JSON_MAX_DEPTH;

	if (good) {
		reference_space(r);
		if (!reference_take(r, close)) {
			do
				good =
				    close == '}' ? reference_member(r, &keys) : reference_value(r);
			while (good && reference_take(r, ','));
			good = good && reference_take(r, close);
		}
	}
	r->depth--;
	buf_clear(&keys);
	return good;
}

/* A value and the white space around it. */
static bool
reference_value(struct reference *r)
{
	struct buf text = {0};
	bool good;

	reference_space(r);
	if (reference_take(r, '{')) {
		good = reference_container(r, '}');
	} else if (reference_take(r, '[')) {
		good = reference_container(r, ']');
	} else if (r->at < r->end && *r->at == '"') {
		good = reference_string(r, &text);
		buf_clear(&text);
	} else if (r->at < r->end && memchr("tfn", *r->at, 3) != NULL) {
		good = reference_word(r, *r->at == 't' ? "true" : *r->at == 'f' ? "false" : "null");
	} else {
		good = reference_number(r);
	}
	reference_space(r);
	return good;
}

bool
reference_json(const char *s, size_t n)
{
	struct reference r = {s, s + n, 0};

	return reference_utf8(s, n) && reference_value(&r) && r.at == r.end;
}
