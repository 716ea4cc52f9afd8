/* The keys of --auth-key, read from their files. */
#ifndef SERVER_AUTH_KEYS_H
#define SERVER_AUTH_KEYS_H

#include "base/buf.h"
#include "proto/jwt_key.h"
#include "server/config.h"

struct auth_keys {
	struct jwt_key **list;
	size_t n;
};

/* Reads all files into keys (zero-initialised).  0, or -1 and why in one line appended, and no
 * key then. */
int auth_keys_read(struct auth_keys *keys, const struct config_strings *files, struct buf *why);
/* Warns of secrets among them, read from these files, that are open to everybody. */
void auth_keys_warn(const struct auth_keys *keys, const struct config_strings *files);
void auth_keys_clear(struct auth_keys *keys);

#endif
