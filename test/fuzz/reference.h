/* A slow and simple judge of JSON and UTF-8, to compare the parser with. */
#ifndef TEST_FUZZ_REFERENCE_H
#define TEST_FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 3629, by decoding each character. */
bool reference_utf8(const char *s, size_t n);
/* What json_parse() promises to accept: RFC 8259, UTF-8, no lone surrogates, no duplicate keys,
 * at most JSON_MAX_DEPTH levels.  Quadratic time. */
bool reference_json(const char *s, size_t n);

#endif
