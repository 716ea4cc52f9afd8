/* Key names: which shard a tenant is in, and the prefix that its keys have. */
#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include <stddef.h>

#include "proto/id.h"

#define SHARDS_MAX 16384
#define CHANGES_CHANNEL "evhook:changes"

struct keys {
	unsigned shards;
	char (*prefixes)[24]; /* "evhook:{N}:" of each shard */
};

void keys_init(struct keys *keys, unsigned shards);
void keys_clear(struct keys *keys);
/* CRC16 (XMODEM) of the tenant's text form, as Redis Cluster hashes keys, modulo the shards. */
unsigned keys_shard(const struct keys *keys, const struct uuid *tenant);
const char *keys_prefix(const struct keys *keys, const struct uuid *tenant);

#endif
