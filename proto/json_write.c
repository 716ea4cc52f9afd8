/* The JSON writer. */
#include <string.h>

#include "proto/json.h"

static void
json_write_comma(struct buf *buf)
{
	char last;

	if (buf->len == 0)
		return;
	last = buf->data[buf->len - 1];
	if (last != '{' && last != '[' && last != ':')
		buf_addc(buf, ',');
}

/* Escapes what RFC 8259, section 7 asks for, and nothing else. */
static void
json_write_str(struct buf *buf, const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t i, from = 0;
	unsigned char c;

	buf_reserve(buf, n + 2);
	buf_addc(buf, '"');
	for (i = 0; i < n; i++) {
		c = (unsigned char)s[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(buf, s + from, i - from);
		from = i + 1;
		buf_addc(buf, '\\');
		if (c >= 0x20) {
			buf_addc(buf, (char)c);
		} else {
			buf_add(buf, "u00", 3);
			buf_addc(buf, hex[c >> 4]);
			buf_addc(buf, hex[c & 15]);
		}
	}
	buf_add(buf, s + from, n - from);
	buf_addc(buf, '"');
}

void
json_open(struct buf *buf, char bracket)
{
	json_write_comma(buf);
	buf_addc(buf, bracket);
}

void
json_close(struct buf *buf, char bracket)
{
	buf_addc(buf, bracket);
}

void
json_key(struct buf *buf, const char *key)
{
	json_add_str(buf, key);
	buf_addc(buf, ':');
}

void
json_add_str(struct buf *buf, const char *s)
{
	json_add_strn(buf, s, strlen(s));
}

void
json_add_strn(struct buf *buf, const char *s, size_t n)
{
	json_write_comma(buf);
	json_write_str(buf, s, n);
}

void
json_add_int(struct buf *buf, int64_t n)
{
	json_write_comma(buf);
	buf_addi(buf, n);
}

void
json_add_bool(struct buf *buf, bool truth)
{
	json_write_comma(buf);
	if (truth)
		buf_add(buf, "true", 4);
	else
		buf_add(buf, "false", 5);
}

void
json_add_null(struct buf *buf)
{
	json_write_comma(buf);
	buf_add(buf, "null", 4);
}

void
json_add_raw(struct buf *buf, const char *json, size_t n)
{
	json_write_comma(buf);
	buf_add(buf, json, n);
}
