/* The files of --secrets-key, each of which holds one key, and of --redis-password-file. */
#include "server/secrets.h"

#include <string.h>

#include "base/keyfile.h"
#include "base/mem.h"

#define SECRETS_FILE_MAX 256 /* a key and white space; more is not a key */
#define PASSWORD_FILE_MAX 4096

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

char *
secrets_read_password(const char *file, char **why)
{
	struct keyfile text = {0};
	const char *fault = keyfile_read(&text, file, PASSWORD_FILE_MAX);
	struct buf line = {0};
	char *password = NULL;
	size_t n = text.len;

	if (fault == NULL) {
		if (n > 0 && text.bytes[n - 1] == '\n')
			n--;
		if (n > 0 && text.bytes[n - 1] == '\r')
			n--;
		if (n == 0)
			fault = "is empty";
		else if (memchr(text.bytes, '\n', n) != NULL || memchr(text.bytes, '\0', n) != NULL)
			fault = "is not one line of text";
		else
			password = xstrndup(text.bytes, n);
		keyfile_clear(&text);
	}
	if (fault != NULL) {
		buf_printf(&line, "--redis-password-file: %s: %s", file, fault);
		*why = buf_take(&line, NULL);
	}
	return password;
}
