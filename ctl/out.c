/* Output for people: safe text, cards, pretty JSON, progress. */
#include "ctl/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"

/* Escapes, too: C1 controls (U+0080-9F) and what turns the direction of text (U+202A-E, U+2066-9).
 */
static bool
out_is_odd(const unsigned char *s, size_t n)
{
	if (s[0] < 0x20 || s[0] == 0x7f)
		return true;
	if (n == 2 && s[0] == 0xc2)
		return s[1] < 0xa0;
	if (n == 3 && s[0] == 0xe2)
		return (s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
		       (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9);
	return false;
}

void
out_safe(struct buf *buf, const char *s, size_t n)
{
	for (size_t i = 0, len; i < n; i += len) {
		unsigned char c = (unsigned char)s[i];

		len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		if (len > n - i || !utf8_valid(s + i, len)) {
			len = 1;
			buf_printf(buf, "\\x%02x", c);
		} else if (out_is_odd((const unsigned char *)s + i, len)) {
			for (size_t k = 0; k < len; k++)
				buf_printf(buf, "\\x%02x", (unsigned char)s[i + k]);
		} else {
			buf_add(buf, s + i, len);
		}
	}
}

/* They stand within strings only, so that an escape is right there. */
void
out_json(struct buf *buf, const char *json, size_t n)
{
	const unsigned char *s = (const unsigned char *)json;

	for (size_t i = 0, len; i < n; i += len) {
		len = s[i] == 0xc2 ? 2 : s[i] == 0xe2 ? 3 : 1;
		if (len > n - i)
			len = 1;
		if (strchr("\n\r\t", s[i]) == NULL && out_is_odd(s + i, len))
			buf_printf(buf, "\\u%04x",
			    len == 1   ? s[i]
			    : len == 2 ? s[i + 1]
				       : 0x2000u + (s[i + 1] & 0x3fu) * 64 + (s[i + 2] & 0x3fu));
		else
			buf_add(buf, json + i, len);
	}
}

void
out_json_line(const char *json, size_t n)
{
	struct buf line = {0};

	out_json(&line, json, n);
	puts(buf_str(&line));
	buf_clear(&line);
}

void
out_vsay(const char *fmt, va_list ap)
{
	struct buf text = {0}, safe = {0};

	buf_vprintf(&text, fmt, ap);
	out_safe(&safe, buf_str(&text), text.len);
	fputs(buf_str(&safe), stderr);
	buf_clear(&text);
	buf_clear(&safe);
}

void
out_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	out_vsay(fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void
out_value(struct buf *buf, const struct json *value)
{
	const struct json *item;

	if (value == NULL || value->type == JSON_NULL) {
		buf_addc(buf, '-');
		return;
	}
	if (value->type == JSON_STRING) {
		out_safe(buf, value->str, value->str_len);
		return;
	}
	if (value->type != JSON_ARRAY || value->count == 0) {
		out_safe(buf, value->raw, value->raw_len);
		return;
	}
	for (item = value->child; item != NULL; item = item->next) {
		out_value(buf, item);
		if (item->next != NULL)
			buf_adds(buf, ", ");
	}
}

/* A line end in JSON is white space: within strings it is escaped. */
void
out_line(struct buf *buf, const struct json *value)
{
	size_t from = buf->len;

	out_json(buf, value->raw, value->raw_len);
	for (size_t i = from; i < buf->len; i++)
		if (buf->data[i] == '\n' || buf->data[i] == '\r')
			buf->data[i] = ' ';
}

void
out_raw(const struct json *value)
{
	struct buf line = {0};

	out_line(&line, value);
	puts(buf_str(&line));
	buf_clear(&line);
}

/* An event's data is its sender's: not taken apart. */
static bool
out_card_opens(const struct json *value)
{
	return value->type == JSON_OBJECT && value->count > 0 && strcmp(value->key, "data") != 0;
}

/* How wide the names get. */
static size_t
out_card_width(const struct json *object, size_t before)
{
	size_t width = 0;

	for (const struct json *at = object->child; at != NULL; at = at->next) {
		size_t n = before + at->key_len;

		if (out_card_opens(at))
			n = out_card_width(at, n + 1);
		width = n > width ? n : width;
	}
	return width;
}

static void
out_card_below(const struct json *object, const char *prefix, size_t width)
{
	for (const struct json *at = object->child; at != NULL; at = at->next) {
		struct buf name = {0}, text = {0};

		buf_adds(&name, prefix);
		out_safe(&name, at->key, at->key_len);
		if (out_card_opens(at)) {
			buf_addc(&name, '.');
			out_card_below(at, buf_str(&name), width);
		} else {
			out_value(&text, at);
			printf("%-*s  %s\n", (int)width, buf_str(&name), buf_str(&text));
		}
		buf_clear(&name);
		buf_clear(&text);
	}
}

void
out_card(const struct json *object)
{
	out_card_below(object, "", out_card_width(object, 0));
}

void
out_pretty(const struct json *value, int indent)
{
	bool object = value->type == JSON_OBJECT;
	struct buf text = {0};

	if ((!object && value->type != JSON_ARRAY) || value->count == 0) {
		out_json(&text, value->raw, value->raw_len);
		fputs(buf_str(&text), stdout);
		buf_clear(&text);
		return;
	}
	puts(object ? "{" : "[");
	for (const struct json *at = value->child; at != NULL; at = at->next) {
		printf("%*s", indent + 2, "");
		if (object) {
			escape_json(&text, at->key, at->key_len);
			fputs(buf_str(&text), stdout);
			fputs(": ", stdout);
			buf_reset(&text);
		}
		out_pretty(at, indent + 2);
		puts(at->next != NULL ? "," : "");
	}
	printf("%*s%c", indent, "", object ? '}' : ']');
	buf_clear(&text);
}

static bool progress_shown;

void
progress(const char *fmt, ...)
{
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	fflush(stdout);
	fputs("\r\033[K", stderr);
	va_start(ap, fmt);
	out_vsay(fmt, ap);
	va_end(ap);
	fflush(stderr);
	progress_shown = true;
}

void
progress_end(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}
