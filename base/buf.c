/* A growing byte buffer; zero-initialise it. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BUF_FIRST 64 /* bytes of the first allocation */

void
buf_clear(struct buf *buf)
{
	if (buf->secret)
		mem_wipe(buf->data, buf->cap);
	free(buf->data);
	*buf = (struct buf){.secret = buf->secret};
}

void
buf_reset(struct buf *buf)
{
	if (buf->secret && buf->len > 0)
		mem_wipe(buf->data, buf->cap);
	buf->len = 0;
}

/* realloc() would leave a copy behind. */
static char *
buf_move(struct buf *buf, size_t cap)
{
	char *data = xmalloc(cap);

	if (buf->len > 0)
		memcpy(data, buf->data, buf->len);
	mem_wipe(buf->data, buf->cap);
	free(buf->data);
	return data;
}

/* There is always room for one byte more than asked: buf_str() writes its NUL there. */
void
buf_reserve(struct buf *buf, size_t more)
{
	size_t cap = buf->cap > 0 ? buf->cap : BUF_FIRST;

	if (more < buf->cap - buf->len)
		return;
	if (more > SIZE_MAX / 2 - buf->len)
		cap = SIZE_MAX; /* nobody has that: xrealloc() dies */
	else
		while (cap <= buf->len + more)
			cap *= 2;
	buf->data = buf->secret ? buf_move(buf, cap) : xrealloc(buf->data, cap);
	buf->cap = cap;
}

void
buf_add(struct buf *buf, const void *p, size_t n)
{
	if (n == 0)
		return;
	buf_reserve(buf, n);
	memcpy(buf->data + buf->len, p, n);
	buf->len += n;
}

void
buf_adds(struct buf *buf, const char *s)
{
	buf_add(buf, s, strlen(s));
}

void
buf_addc(struct buf *buf, char c)
{
	buf_reserve(buf, 1);
	buf->data[buf->len++] = c;
}

void
buf_addu(struct buf *buf, uint64_t n)
{
	char digits[20]; /* 2^64-1 has twenty */
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	buf_add(buf, digits + at, sizeof(digits) - at);
}

void
buf_addi(struct buf *buf, int64_t n)
{
	if (n >= 0) {
		buf_addu(buf, (uint64_t)n);
		return;
	}
	buf_addc(buf, '-');
	buf_addu(buf, 0 - (uint64_t)n); /* right for INT64_MIN too */
}

void
buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(buf, fmt, ap);
	va_end(ap);
}

void
buf_vprintf(struct buf *buf, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n > 0) {
		buf_reserve(buf, (size_t)n);
		vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, again);
		buf->len += (size_t)n;
	}
	va_end(again);
}

const char *
buf_str(struct buf *buf)
{
	buf_reserve(buf, 0);
	buf->data[buf->len] = '\0';
	return buf->data;
}

char *
buf_take(struct buf *buf, size_t *len)
{
	char *data;

	buf_str(buf);
	data = buf->data;
	if (len != NULL)
		*len = buf->len;
	*buf = (struct buf){.secret = buf->secret};
	return data;
}
