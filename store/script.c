/* The table of scripts. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/log.h"
#include "store/script.h"
#include "store/script_sources.h"

#define SCRIPTS_MAX 64

static struct script script_table[SCRIPTS_MAX];

static void
script_name(struct script *script)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	struct buf hex = {0};

	if (EVP_Digest(script->text, strlen(script->text), digest, &n, EVP_sha1(), NULL) != 1)
		abort();
	hex_encode(&hex, digest, n);
	memcpy(script->sha, buf_str(&hex), sizeof script->sha);
	buf_clear(&hex);
}

const struct script *
script_all(void)
{
	size_t i;

	if (script_table[0].name != NULL)
		return script_table;
	for (i = 0; script_sources[i].name != NULL && i < SCRIPTS_MAX - 1; i++) {
		script_table[i].name = script_sources[i].name;
		script_table[i].text = script_sources[i].text;
		script_name(&script_table[i]);
	}
	return script_table;
}

const struct script *
script_find(const char *name)
{
	const struct script *script;

	for (script = script_all(); script->name != NULL; script++)
		if (strcmp(script->name, name) == 0)
			return script;
	log_msg(LOG_ERROR, "there is no script named %s", name);
	log_flush();
	abort();
}
