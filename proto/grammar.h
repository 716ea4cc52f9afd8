/* The grammar of HTTP/1 messages (RFC 9110 and 9112), as far as both directions need it. */
#ifndef PROTO_GRAMMAR_H
#define PROTO_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool grammar_is_tchar(char c);
bool grammar_is_hex(char c);
bool grammar_is_host_char(char c); /* of a reg-name, percent-encoding aside (RFC 3986, 3.2.2) */
bool grammar_is_token(const char *s, size_t n);
bool grammar_is_value(const char *s, size_t n); /* of a field: nothing but text (RFC 9110, 5.5) */

/* Without the white space (SP, HTAB) on both sides; *n becomes its length. */
const char *grammar_trim(const char *s, size_t *n);
/* Whether the comma-separated list has the token, in any case of letters (RFC 9110, 5.6.1). */
bool grammar_lists(const char *s, size_t n, const char *token);

/* Decimal digits and nothing else; *n is saturated. */
bool grammar_read_digits(const char *s, size_t len, uint64_t *n);
/* A chunk's size line: false when it is not valid; *size is saturated. */
bool grammar_read_size(const char *s, size_t n, uint64_t *size);

#endif
