/* A histogram of durations in whole microseconds, with fixed bounds: adding is a few comparisons.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BOUNDS 21

/* The upper bounds, inclusive: from 100 us to an hour. */
extern const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS];

/* Zero-initialise it. */
struct histogram {
	uint64_t
	    counts[HISTOGRAM_BOUNDS + 1]; /* each bucket's own; the last is beyond all bounds */
	uint64_t sum_us;
};

/* A negative duration stands for none, and is not counted. */
void histogram_add(struct histogram *histogram, int64_t us);

#endif
