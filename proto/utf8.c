/* UTF-8 (RFC 3629): validity and length. */
#include <string.h>

#include "proto/json.h"

#define UTF8_HIGH_BITS 0x8080808080808080u

/* The length of the well-formed sequence that starts with a byte >= 0x80, or 0 (the table of
 * RFC 3629, section 4). */
static size_t
utf8_sequence(const unsigned char *s, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t i, len;

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

size_t
utf8_span(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i = 0, len;
	uint64_t word;

	while (i < n) {
		if (n - i >= sizeof word) {
			memcpy(&word, p + i, sizeof word);
			if ((word & UTF8_HIGH_BITS) == 0) {
				i += sizeof word;
				continue;
			}
		}
		len = p[i] < 0x80 ? 1 : utf8_sequence(p + i, n - i);
		if (len == 0)
			break;
		i += len;
	}
	return i;
}

bool
utf8_valid(const char *s, size_t n)
{
	return utf8_span(s, n) == n;
}

size_t
utf8_count(const char *s, size_t n)
{
	size_t i, count = 0;

	for (i = 0; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			count++;
	return count;
}
