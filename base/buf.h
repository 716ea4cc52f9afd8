/* A growing byte buffer; zero-initialise it. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* NULL while nothing was added */
	size_t len;
	size_t cap;
	bool secret; /* what it held is wiped when it grows, is reset or cleared; stays set */
};

void buf_clear(struct buf *buf);                /* frees the bytes; the buffer may be used again */
void buf_reset(struct buf *buf);                /* len = 0, keeps the memory */
void buf_reserve(struct buf *buf, size_t more); /* room for that many more bytes */

void buf_add(struct buf *buf, const void *p, size_t n);
void buf_adds(struct buf *buf, const char *s);
void buf_addc(struct buf *buf, char c);
void buf_addu(struct buf *buf, uint64_t n); /* decimal */
void buf_addi(struct buf *buf, int64_t n);  /* decimal */
void buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* The bytes as a C string (a NUL is kept behind them); borrowed from the buffer. */
const char *buf_str(struct buf *buf);
/* Gives the bytes, NUL-terminated, to the caller (free()); the buffer is empty afterwards. */
char *buf_take(struct buf *buf, size_t *len);

#endif
