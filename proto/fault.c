/* Gathers the faults of a request body as the JSON that the client gets to see. */
#include "proto/fault.h"

#include <stdarg.h>
#include <string.h>

#include "proto/json.h"

#define FAULT_PART_MAX 200 /* bytes of a prefix or name */

/* The length of a part, cut to FAULT_PART_MAX between characters. */
static size_t
fault_part_len(const char *s)
{
	size_t n = strnlen(s, FAULT_PART_MAX);

	if (n == FAULT_PART_MAX)
		while (n > FAULT_PART_MAX - 3 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	return n;
}

/* Appends n bytes; what is not UTF-8 becomes U+FFFD. */
static void
fault_add_text(struct buf *buf, const char *s, size_t n)
{
	size_t good;

	while (n > 0) {
		good = utf8_span(s, n);
		buf_add(buf, s, good);
		if (good == n)
			break;
		buf_adds(buf, "\xef\xbf\xbd");
		s += good + 1;
		n -= good + 1;
	}
}

static void
fault_add_field(struct buf *buf, const char *prefix, const char *name)
{
	fault_add_text(buf, prefix, fault_part_len(prefix));
	if (*prefix != '\0' && *name != '\0' && *name != '[')
		buf_addc(buf, '.');
	fault_add_text(buf, name, fault_part_len(name));
}

void
faults_add(struct faults *faults, const char *prefix, const char *name, const char *fmt, ...)
{
	struct buf said = {0}, text = {0}, *out = &faults->json;
	va_list ap;

	faults->count++;
	if (faults_full(faults))
		return;
	faults->kept++;
	fault_add_field(&text, prefix, name);
	if (out->len == 0)
		json_open(out, '[');
	json_open(out, '{');
	json_key(out, "field");
	json_add_strn(out, buf_str(&text), text.len);
	va_start(ap, fmt);
	buf_vprintf(&said, fmt, ap);
	va_end(ap);
	buf_reset(&text);
	fault_add_text(&text, said.data, said.len);
	json_key(out, "message");
	json_add_strn(out, buf_str(&text), text.len);
	json_close(out, '}');
	buf_clear(&said);
	buf_clear(&text);
}

bool
faults_full(const struct faults *faults)
{
	return faults->kept >= FAULTS_MAX || faults->json.len >= FAULTS_BYTES_MAX;
}

void
faults_write(const struct faults *faults, struct buf *out)
{
	if (faults->json.len > 0)
		json_add_raw(out, faults->json.data, faults->json.len);
	else
		json_open(out, '[');
	if (faults_full(faults)) {
		json_open(out, '{');
		json_key(out, "field");
		json_add_str(out, "");
		json_key(out, "message");
		json_add_str(out, "there may be more: after so many the rest is not looked at");
		json_close(out, '}');
	}
	json_close(out, ']');
}

void
faults_clear(struct faults *faults)
{
	buf_clear(&faults->json);
	faults->count = faults->kept = 0;
}
