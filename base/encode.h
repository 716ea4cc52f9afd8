/* Base64 (RFC 4648, section 4 padded, section 5 without padding) and hex, over OpenSSL where it has
 * them. */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LEN(n) characters and a NUL. */
void base64_encode(char *out, const void *p, size_t n);
/* Strict: only the alphabet, right padding, no white space, no stray bits.
 * Returns the number of bytes, or -1 when it is not base64 or exceeds cap. */
ssize_t base64_decode(void *out, size_t cap, const char *s, size_t n);
/* The same for base64url as in RFC 7515: "-" and "_", no padding. */
ssize_t base64url_decode(void *out, size_t cap, const char *s, size_t n);
/* Appends 2*n lower-case hex digits. */
void hex_encode(struct buf *buf, const void *p, size_t n);

#endif
