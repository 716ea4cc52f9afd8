/* Base64 (RFC 4648, sections 4 and 5) and hex, over OpenSSL where it has them. */
#include "base/encode.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdint.h>

void
base64_encode(char *out, const void *p, size_t n)
{
	const unsigned char *in = p;
	const size_t most = INT_MAX / 4 / 3 * 3; /* OpenSSL counts in int; whole groups of three */

	*out = '\0';
	while (n > 0) {
		size_t part = n < most ? n : most;

		out += EVP_EncodeBlock((unsigned char *)out, in, (int)part);
		in += part;
		n -= part;
	}
}

static int
base64_value(char c, const char extra[2])
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == extra[0])
		return 62;
	return c == extra[1] ? 63 : -1;
}

/* n characters without padding; extra are those of the alphabet beyond letters and digits. */
static ssize_t
base64_decode_bare(void *out, size_t cap, const char *s, size_t n, const char extra[2])
{
	unsigned char *to = out;
	size_t len = n / 4 * 3 + n % 4 * 3 / 4, done = 0, i;
	uint32_t bits = 0;

	if (n % 4 == 1 || len > cap || len > SSIZE_MAX)
		return -1;
	for (i = 0; i < n; i++) {
		int value = base64_value(s[i], extra);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 0)
			to[done++] = (unsigned char)(bits >> (6 - i % 4 * 2));
	}
	/* What the last character holds beyond the last byte must be zero. */
	if ((n % 4 == 3 && (bits & 0x3) != 0) || (n % 4 == 2 && (bits & 0xf) != 0))
		return -1;
	return (ssize_t)done;
}

/* OpenSSL's decoder skips white space, keeps the padding's zeros and takes
 * stray bits, so the strict one is here. */
ssize_t
base64_decode(void *out, size_t cap, const char *s, size_t n)
{
	size_t pad = 0;

	if (n % 4 != 0)
		return -1;
	if (n > 0 && s[n - 1] == '=')
		pad = s[n - 2] == '=' ? 2 : 1;
	return base64_decode_bare(out, cap, s, n - pad, "+/");
}

ssize_t
base64url_decode(void *out, size_t cap, const char *s, size_t n)
{
	return base64_decode_bare(out, cap, s, n, "-_");
}

void
hex_encode(struct buf *buf, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = p;
	size_t i;

	buf_reserve(buf, 2 * n);
	for (i = 0; i < n; i++) {
		buf_addc(buf, digits[in[i] >> 4]);
		buf_addc(buf, digits[in[i] & 15]);
	}
}
