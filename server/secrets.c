/* The files of --secrets-key: each holds one key. */
#include "server/secrets.h"

#include "base/keyfile.h"

#define SECRETS_FILE_MAX 256 /* a key and white space; more is not a key */

/* Reads a key into the box.  NULL, or what is wrong. */
static const char *
secrets_read_file(struct secretbox *box, const char *file)
{
	struct keyfile text;
	const char *fault = keyfile_read(&text, file, SECRETS_FILE_MAX);

	if (fault == NULL)
		fault = secretbox_add(box, text.bytes, text.len);
	keyfile_clear(&text);
	return fault;
}

struct secretbox *
secrets_read(const struct config_strings *files, char **why)
{
	struct secretbox *box = secretbox_new();
	struct buf text = {0};
	const char *fault;

	for (size_t i = 0; i < files->n; i++) {
		fault = secrets_read_file(box, files->list[i]);
		if (fault == NULL)
			continue;
		buf_printf(&text, "--secrets-key: %s: %s", files->list[i], fault);
		*why = buf_take(&text, NULL);
		secretbox_free(box);
		return NULL;
	}
	return box;
}
