/* The files of --secrets-key: each holds one key. */
#include "server/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define SECRETS_FILE_MAX 256 /* a key and white space; more is not a key */

/* Reads a key into the box.  NULL, or what is wrong. */
static const char *
secrets_read_file(struct secretbox *box, const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[SECRETS_FILE_MAX];
	const char *fault;
	ssize_t n = -1;

	if (fd >= 0)
		n = read(fd, text, sizeof text);
	fault = n < 0 ? strerror(errno) : secretbox_add(box, text, (size_t)n);
	mem_wipe(text, sizeof text);
	if (fd >= 0)
		close(fd);
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
