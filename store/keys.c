/* Key names. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/keys.h"

void
keys_init(struct keys *keys, unsigned shards)
{
	keys->shards = shards;
	keys->prefixes = xcalloc(shards, sizeof *keys->prefixes);
	for (unsigned i = 0; i < shards; i++)
		snprintf(keys->prefixes[i], sizeof keys->prefixes[i], "evhook:{%u}:", i);
}

void
keys_clear(struct keys *keys)
{
	free(keys->prefixes);
	keys->prefixes = NULL;
}

static unsigned
keys_crc16(const char *s, size_t n)
{
	unsigned crc = 0;

	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned)(unsigned char)s[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
		crc &= 0xffff;
	}
	return crc;
}

/* The CRC of the tenant asked for last is remembered: mostly it is asked for again. */
unsigned
keys_shard(const struct keys *keys, const struct uuid *tenant)
{
	static struct uuid last;
	static unsigned crc;

	if (memcmp(last.s, tenant->s, UUID_LEN) != 0) {
		last = *tenant;
		crc = keys_crc16(tenant->s, UUID_LEN);
	}
	return crc % keys->shards;
}

const char *
keys_prefix(const struct keys *keys, const struct uuid *tenant)
{
	return keys->prefixes[keys_shard(keys, tenant)];
}
