/* Identifiers: UUID (RFC 9562), ULID, and event locators, which are ULIDs that hold a stream id. */
#ifndef PROTO_ID_H
#define PROTO_ID_H

#include <stddef.h>
#include <stdint.h>

/* Both are kept in their canonical text form; "" is none. */
struct uuid {
	char s[37];
}; /* lower case */
struct ulid {
	char s[27];
}; /* Crockford base32, upper case, first character 0-7 */

#define ULID_LEN 26
#define UUID_LEN 36

/* Any case in, canonical out.  0, or -1 when it is not one. */
int uuid_parse(struct uuid *id, const char *s, size_t n);
int ulid_parse(struct ulid *id, const char *s, size_t n);

/* A new ULID of that time (ms since 1970) with 80 random bits. */
void ulid_new(struct ulid *id, int64_t ms);
int64_t ulid_ms(const struct ulid *id);

/*
 * An event locator: 48 bits of milliseconds, 20 of sequence (together the Redis stream id),
 * 40 of a hash of the tenant, 20 random.  All parts end on base32 characters: 10, 4, 8 and 4.
 */
#define LOCATOR_SUFFIX_LEN 12
#define LOCATOR_SEQ_MAX 0xfffffu
#define LOCATOR_MS_MAX INT64_C(0xffffffffffff)
/* The last 12 characters: 8 from SHA-256 of the tenant's text form, 4 random.  out gets a NUL. */
void locator_suffix(char out[LOCATOR_SUFFIX_LEN + 1], const struct uuid *tenant);
/* Puts a locator together from a stream id and a suffix; seq <= LOCATOR_SEQ_MAX. */
void locator_make(struct ulid *id, int64_t ms, uint32_t seq, const char *suffix);
/* The stream id that a locator stands for. */
void locator_stream_id(const struct ulid *id, int64_t *ms, uint32_t *seq);

#endif
