/* Identifiers: parse and print UUIDs and ULIDs, make ULIDs and event locators. */
#include "proto/id.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/rnd.h"

#define ID_MS_CHARS 10
#define ID_SEQ_CHARS 4
#define ID_MS_MASK 0xffffffffffffu /* 48 bits */

/* Crockford's base32, without I, L, O and U. */
static const char id_alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Writes the low 5*n bits of v as n characters; n <= 13. */
static void
id_put(char *out, size_t n, uint64_t v)
{
	while (n > 0) {
		out[--n] = id_alphabet[v & 31];
		v >>= 5;
	}
}

/* The value of one upper-case character, or -1. */
static int
id_digit(char c)
{
	const char *at = c != '\0' ? strchr(id_alphabet, c) : NULL;

	return at != NULL ? (int)(at - id_alphabet) : -1;
}

/* The value of n characters that are known to be in the alphabet. */
static uint64_t
id_get(const char *s, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 5 | ((uint64_t)id_digit(s[i]) & 31);
	return v;
}

int
uuid_parse(struct uuid *id, const char *s, size_t n)
{
	struct uuid u;

	if (n != UUID_LEN)
		return -1;
	for (size_t i = 0; i < UUID_LEN; i++) {
		char c = s[i];

		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (c != '-')
				return -1;
		} else if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
			return -1;
		}
		u.s[i] = c;
	}
	u.s[UUID_LEN] = '\0';
	*id = u;
	return 0;
}

int
ulid_parse(struct ulid *id, const char *s, size_t n)
{
	struct ulid u;

	if (n != ULID_LEN)
		return -1;
	for (size_t i = 0; i < ULID_LEN; i++) {
		char c = s[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		if (id_digit(c) < 0)
			return -1;
		u.s[i] = c;
	}
	u.s[ULID_LEN] = '\0';
	if (u.s[0] > '7') /* 26 characters hold 130 bits, a ULID only 128 */
		return -1;
	*id = u;
	return 0;
}

void
ulid_new(struct ulid *id, int64_t ms)
{
	id_put(id->s, ID_MS_CHARS, (uint64_t)ms & ID_MS_MASK);
	id_put(id->s + ID_MS_CHARS, 8, rnd_u64());
	id_put(id->s + ID_MS_CHARS + 8, 8, rnd_u64());
	id->s[ULID_LEN] = '\0';
}

int64_t
ulid_ms(const struct ulid *id)
{
	return (int64_t)id_get(id->s, ID_MS_CHARS);
}

void
locator_suffix(char out[LOCATOR_SUFFIX_LEN + 1], const struct uuid *tenant)
{
	/* Events of one tenant come in runs: its hash is kept for the next one. */
	static struct uuid last;
	static char hash[8];

	if (last.s[0] == '\0' || strcmp(last.s, tenant->s) != 0) {
		unsigned char md[SHA256_DIGEST_LENGTH];
		uint64_t v = 0;

		SHA256((const unsigned char *)tenant->s, strlen(tenant->s), md);
		for (size_t i = 0; i < 5; i++)
			v = v << 8 | md[i];
		id_put(hash, sizeof hash, v);
		last = *tenant;
	}
	memcpy(out, hash, sizeof hash);
	id_put(out + sizeof hash, 4, rnd_u64());
	out[LOCATOR_SUFFIX_LEN] = '\0';
}

void
locator_make(struct ulid *id, int64_t ms, uint32_t seq, const char *suffix)
{
	id_put(id->s, ID_MS_CHARS, (uint64_t)ms & ID_MS_MASK);
	id_put(id->s + ID_MS_CHARS, ID_SEQ_CHARS, seq);
	memcpy(id->s + ID_MS_CHARS + ID_SEQ_CHARS, suffix, LOCATOR_SUFFIX_LEN);
	id->s[ULID_LEN] = '\0';
}

void
locator_stream_id(const struct ulid *id, int64_t *ms, uint32_t *seq)
{
	*ms = ulid_ms(id);
	*seq = (uint32_t)id_get(id->s + ID_MS_CHARS, ID_SEQ_CHARS);
}
