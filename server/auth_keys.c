/* Reading the keys of --auth-key. */
#include "server/auth_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/keyfile.h"
#include "base/mem.h"

#define AUTH_KEYS_FILE_MAX 32768 /* bytes: room for the longest secret and any public key */

static struct jwt_key *
auth_keys_read_one(const char *file, struct buf *why)
{
	struct keyfile bytes;
	struct jwt_key *key = NULL;
	const char *fault = keyfile_read(&bytes, file, AUTH_KEYS_FILE_MAX);

	if (fault == NULL)
		key = jwt_key_new(bytes.bytes, bytes.len, &fault);
	if (key == NULL) {
		buf_adds(why, "--auth-key: ");
		buf_adds(why, file);
		buf_adds(why, ": ");
		buf_adds(why, fault);
	}
	keyfile_clear(&bytes);
	return key;
}

int
auth_keys_read(struct auth_keys *keys, const struct config_strings *files, struct buf *why)
{
	keys->list = xcalloc(files->n + 1, sizeof(*keys->list));
	for (keys->n = 0; keys->n < files->n; keys->n++) {
		keys->list[keys->n] = auth_keys_read_one(files->list[keys->n], why);
		if (keys->list[keys->n] == NULL) {
			auth_keys_clear(keys);
			return -1;
		}
	}
	return 0;
}

void
auth_keys_warn(const struct auth_keys *keys, const struct config_strings *files)
{
	for (size_t i = 0; i < keys->n && i < files->n; i++) {
		if (jwt_key_is_secret(keys->list[i]))
			keyfile_warn("auth-key", files->list[i]);
	}
}

void
auth_keys_clear(struct auth_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		jwt_key_free(keys->list[i]);
	free(keys->list);
	*keys = (struct auth_keys){0};
}
