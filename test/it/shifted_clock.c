/*
 * Preloaded into redis-server by test_clock.py: its wall clock is ahead by as many seconds as stand
 * in the first eight bytes of the file $SHIFTED_CLOCK, which the test changes.  The monotonic clock
 * is left alone.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *ahead_s;

__attribute__((constructor)) static void
shifted_open(void)
{
	const char *path = getenv("SHIFTED_CLOCK");
	int fd = path == NULL ? -1 : open(path, O_RDONLY);
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead_s, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		abort();
	ahead_s = p;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	long rc = syscall(SYS_clock_gettime, id, ts);

	if (rc == 0 && id == CLOCK_REALTIME && ahead_s != NULL)
		ts->tv_sec += *ahead_s;
	return (int)rc;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *at)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (at != NULL)
		*at = ts.tv_sec;
	return ts.tv_sec;
}
