/* Files that hold keys: read whole, by one rule for all. */
#include "base/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/* Until the end, or until there are more than max; false, and errno. */
static bool
keyfile_fill(struct keyfile *keyfile, int fd, size_t max)
{
	ssize_t n = 1;

	while (n > 0 && keyfile->len <= max) {
		n = read(fd, keyfile->bytes + keyfile->len, max + 1 - keyfile->len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			keyfile->len += (size_t)n;
	}
	return n >= 0;
}

const char *
keyfile_read(struct keyfile *keyfile, const char *path, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *fault = NULL;
	struct stat stat;

	*keyfile = (struct keyfile){0};
	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &stat) != 0)
		fault = strerror(errno);
	else if (!S_ISREG(stat.st_mode))
		fault = "is not a regular file";
	if (fault == NULL) {
		keyfile->bytes = xmalloc(max + 1);
		if (!keyfile_fill(keyfile, fd, max))
			fault = strerror(errno);
		else if (keyfile->len > max)
			fault = "the file is too long for a key";
	}
	close(fd);
	if (fault != NULL)
		keyfile_clear(keyfile);
	return fault;
}

void
keyfile_clear(struct keyfile *keyfile)
{
	if (keyfile->bytes != NULL)
		mem_wipe(keyfile->bytes, keyfile->len);
	free(keyfile->bytes);
	*keyfile = (struct keyfile){0};
}

void
keyfile_warn(const char *option, const char *path)
{
	struct stat file;

	if (stat(path, &file) != 0 || (file.st_mode & S_IROTH) == 0)
		return;
	log_begin(LOG_WARN, "everybody on this machine may read a key: chmod o-r it");
	log_str("option", option);
	log_str("file", path);
	log_end();
}
