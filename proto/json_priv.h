/* What the files of the JSON parser share; nobody else includes this. */
#ifndef PROTO_JSON_PRIV_H
#define PROTO_JSON_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/json.h"

/* json_scan.c: what yajl does not judge, or judges wrongly, before it runs. */

/* Fills *error from printf-like text; bytes that are not printable ASCII become '?'. */
void json_fail(struct json_error *error, const char *text, size_t offset, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Refuses what is not UTF-8, control bytes and lone surrogate escapes, from *at to `to`; *at is
 * then where to go on: a little before `to`, or behind it.  0 or -1. */
int json_scan(const char *text, size_t len, size_t *at, size_t to, struct json_error *error);

/* json_keys.c: the keys of the objects that are open, to find duplicates. */

#define JSON_KEYS_SHORT 16 /* up to here comparing all is faster than hashing */

struct json_name {
	const char *s; /* borrowed */
	size_t n;
};

struct json_slot {
	struct json_name name;
	uint64_t hash;
	uint64_t serial; /* of the object; 0 for a free slot */
};

struct json_level {
	uint64_t serial;
	size_t count;
	struct json_name names[JSON_KEYS_SHORT];
};

/* The levels need no initialisation: json_keys_open() sets one up. */
struct json_keys {
	uint64_t serial;         /* of the newest object */
	struct json_slot *slots; /* keys of all objects that outgrew JSON_KEYS_SHORT */
	size_t used;
	size_t cap; /* a power of two, or 0 */
	struct json_level levels[JSON_MAX_DEPTH];
};

void json_keys_init(struct json_keys *keys);
void json_keys_clear(struct json_keys *keys);
void json_keys_open(struct json_keys *keys, size_t level);
/* Borrows the key until json_keys_clear().  False when the object at that level has it already. */
bool json_keys_add(struct json_keys *keys, size_t level, const char *s, size_t n);

#endif
