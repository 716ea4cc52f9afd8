/* Time: the monotonic clock for timers, the wall clock for people. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void); /* milliseconds, CLOCK_MONOTONIC */
int64_t clock_mono_us(void); /* microseconds, the same clock */
int64_t clock_wall_ms(void); /* milliseconds since 1970, UTC */

/* For tests: both clocks stand at these values until clock_override(-1, -1). */
void clock_override(int64_t mono_ms, int64_t wall_ms);

#endif
