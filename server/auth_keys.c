/* Reading the keys of --auth-key. */
#include "server/auth_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define AUTH_KEYS_FILE_MAX 32768 /* bytes: room for the longest secret and any public key */

/* Reads until the end or until the room is used up; the number of bytes, or -1 and errno. */
static ssize_t
auth_keys_read_bytes(const char *file, char *bytes, size_t room)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error;
	ssize_t n = fd < 0 ? -1 : 1;
	struct stat stat;
	size_t len = 0;

	if (fd >= 0 && fstat(fd, &stat) == 0 && !S_ISREG(stat.st_mode)) {
		n = -1; /* it is read at each reload, and must not hold us up */
		errno = EINVAL;
	}
	while (n > 0 && len < room) {
		n = read(fd, bytes + len, room - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return n < 0 ? -1 : (ssize_t)len;
}

static struct jwt_key *
auth_keys_read_one(const char *file, struct buf *why)
{
	char *bytes = xmalloc(AUTH_KEYS_FILE_MAX + 1);
	ssize_t len = auth_keys_read_bytes(file, bytes, AUTH_KEYS_FILE_MAX + 1);
	struct jwt_key *key = NULL;
	const char *fault = NULL;

	if (len < 0)
		fault = errno == EINVAL ? "is not a regular file" : strerror(errno);
	else if (len > AUTH_KEYS_FILE_MAX)
		fault = "the file is too long for a key";
	else
		key = jwt_key_new(bytes, (size_t)len, &fault);
	mem_wipe(bytes, AUTH_KEYS_FILE_MAX + 1);
	free(bytes);
	if (key == NULL) {
		buf_adds(why, "--auth-key: ");
		buf_adds(why, file);
		buf_adds(why, ": ");
		buf_adds(why, fault);
	}
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
auth_keys_clear(struct auth_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		jwt_key_free(keys->list[i]);
	free(keys->list);
	*keys = (struct auth_keys){0};
}
