/* Time: the monotonic clock for timers, the wall clock for people. */
#include "base/clock.h"

#include <time.h>

static int64_t clock_mono_fixed = -1, clock_wall_fixed = -1; /* ms; -1: the real clock */

static int64_t
clock_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_mono_us(void)
{
	return clock_mono_fixed >= 0 ? clock_mono_fixed * 1000 : clock_us(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t
clock_wall_ms(void)
{
	return clock_wall_fixed >= 0 ? clock_wall_fixed : clock_us(CLOCK_REALTIME) / 1000;
}

void
clock_override(int64_t mono_ms, int64_t wall_ms)
{
	clock_mono_fixed = mono_ms;
	clock_wall_fixed = wall_ms;
}
