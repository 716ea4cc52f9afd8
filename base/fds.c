/* The process's first three descriptors: never anything but what they stand for. */
#include "base/fds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void
fds_open_standard(void)
{
	int fd;

	for (fd = 0; fd <= STDERR_FILENO; fd++) {
		/* open() gives the lowest number that is free: this one */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			abort();
	}
}
