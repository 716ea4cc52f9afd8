/* Gathers the faults of a request body as the JSON that the client gets to see. */
#include "proto/fault.h"

#include <stdarg.h>
#include <string.h>

#include "proto/json.h"

#define FAULT_PART_MAX 200 /* bytes of a prefix or name */

/* Appends at most FAULT_PART_MAX bytes, whole characters only; what is not UTF-8 becomes
 * U+FFFD. */
static void
fault_add_part(struct buf *buf, const char *s)
{
	size_t n = strnlen(s, FAULT_PART_MAX), good;

	if (n == FAULT_PART_MAX)
		while (n > FAULT_PART_MAX - 4 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	while (n > 0) {
		good = utf8_span(s, n);
		buf_add(buf, s, good);
		s += good;
		n -= good;
		if (n > 0) {
			buf_adds(buf, "\xef\xbf\xbd");
			s++;
			n--;
		}
	}
}

static void
fault_write(struct buf *out, const struct buf *field, const struct buf *message)
{
	json_open(out, '{');
	json_key(out, "field");
	json_add_strn(out, field->data, field->len);
	json_key(out, "message");
	json_add_strn(out, message->data, message->len);
	json_close(out, '}');
}

void
faults_add(struct faults *faults, const char *prefix, const char *name, const char *fmt, ...)
{
	struct buf field = {0}, message = {0};
	va_list ap;

	if (faults->count++ >= FAULTS_MAX)
		return;
	fault_add_part(&field, prefix);
	if (*prefix != '\0' && *name != '\0' && *name != '[')
		buf_addc(&field, '.');
	fault_add_part(&field, name);
	va_start(ap, fmt);
	buf_vprintf(&message, fmt, ap);
	va_end(ap);
	if (faults->json.len == 0)
		json_open(&faults->json, '[');
	fault_write(&faults->json, &field, &message);
	buf_clear(&field);
	buf_clear(&message);
}

void
faults_write(const struct faults *faults, struct buf *out)
{
	if (faults->json.len > 0)
		json_add_raw(out, faults->json.data, faults->json.len);
	else
		json_open(out, '[');
	json_close(out, ']');
}

void
faults_clear(struct faults *faults)
{
	buf_clear(&faults->json);
	faults->count = 0;
}
