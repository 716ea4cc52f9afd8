/* Finds duplicate keys in linear time, whatever the keys are. */
#include <stdlib.h>
#include <string.h>

#include "base/rnd.h"
#include "proto/json_priv.h"

#define KEYS_FIRST_CAP 64

static uint64_t
json_keys_rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void
json_keys_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = json_keys_rotate(v[1], 13) ^ v[0];
	v[0] = json_keys_rotate(v[0], 32);
	v[2] += v[3];
	v[3] = json_keys_rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = json_keys_rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = json_keys_rotate(v[1], 17) ^ v[2];
	v[2] = json_keys_rotate(v[2], 32);
}

static void
json_keys_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	json_keys_round(v);
	v[0] ^= word;
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012) of the serial and the key, under a secret of the
 * process: nobody can choose keys that collide. */
static uint64_t
json_keys_hash(uint64_t serial, const char *s, size_t n)
{
	static uint64_t secret[2];
	static bool ready;
	uint64_t v[4], word;
	size_t left;

	if (!ready) {
		rnd_bytes(secret, sizeof secret);
		ready = true;
	}
	v[0] = secret[0] ^ 0x736f6d6570736575u;
	v[1] = secret[1] ^ 0x646f72616e646f6du;
	v[2] = secret[0] ^ 0x6c7967656e657261u;
	v[3] = secret[1] ^ 0x7465646279746573u;
	json_keys_word(v, serial);
	for (left = n; left >= 8; left -= 8, s += 8) {
		memcpy(&word, s, 8);
		json_keys_word(v, word);
	}
	word = 0;
	memcpy(&word, s, left);
	json_keys_word(v, word | (uint64_t)n << 56);
	v[2] ^= 0xff;
	json_keys_round(v);
	json_keys_round(v);
	json_keys_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool
json_keys_same(const struct json_name *name, const char *s, size_t n)
{
	return name->n == n && memcmp(name->s, s, n) == 0;
}

static void
json_keys_grow(struct json_keys *keys)
{
	struct json_slot *old = keys->slots;
	size_t i, at, old_cap = keys->cap;

	keys->cap = old_cap == 0 ? KEYS_FIRST_CAP : old_cap * 2;
	keys->slots = xcalloc(keys->cap, sizeof *keys->slots);
	for (i = 0; i < old_cap; i++) {
		if (old[i].serial == 0)
			continue;
		at = old[i].hash & (keys->cap - 1);
		while (keys->slots[at].serial != 0)
			at = (at + 1) & (keys->cap - 1);
		keys->slots[at] = old[i];
	}
	free(old);
}

static bool
json_keys_insert(struct json_keys *keys, uint64_t serial, const char *s, size_t n)
{
	struct json_slot *slot;
	uint64_t hash;
	size_t at;

	if (keys->used + 1 > keys->cap / 4 * 3)
		json_keys_grow(keys);
	hash = json_keys_hash(serial, s, n);
	for (at = hash & (keys->cap - 1);; at = (at + 1) & (keys->cap - 1)) {
		slot = &keys->slots[at];
		if (slot->serial == 0)
			break;
		if (slot->hash == hash && slot->serial == serial &&
		    json_keys_same(&slot->name, s, n))
			return false;
	}
	*slot = (struct json_slot){{s, n}, hash, serial};
	keys->used++;
	return true;
}

void
json_keys_init(struct json_keys *keys)
{
	keys->serial = 0;
	keys->slots = NULL;
	keys->used = 0;
	keys->cap = 0;
}

void
json_keys_clear(struct json_keys *keys)
{
	free(keys->slots);
	json_keys_init(keys);
}

void
json_keys_open(struct json_keys *keys, size_t level)
{
	keys->levels[level].serial = ++keys->serial;
	keys->levels[level].count = 0;
}

bool
json_keys_add(struct json_keys *keys, size_t level, const char *s, size_t n)
{
	struct json_level *l = &keys->levels[level];
	size_t i;

	if (l->count < JSON_KEYS_SHORT) {
		for (i = 0; i < l->count; i++)
			if (json_keys_same(&l->names[i], s, n))
				return false;
		l->names[l->count++] = (struct json_name){s, n};
		return true;
	}
	if (l->count == JSON_KEYS_SHORT) {
		for (i = 0; i < JSON_KEYS_SHORT; i++)
			json_keys_insert(keys, l->serial, l->names[i].s, l->names[i].n);
		l->count++;
	}
	return json_keys_insert(keys, l->serial, s, n);
}
