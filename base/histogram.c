/* A histogram of durations. */
#include "base/histogram.h"

#include <stddef.h>

const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {100, 250, 500, 1000, 2500, 5000, 10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 15000000, 30000000,
    60000000, 300000000, 3600000000};

void
histogram_add(struct histogram *histogram, int64_t us)
{
	size_t i = 0;

	if (us < 0)
		return;
	while (i < HISTOGRAM_BOUNDS && us > (int64_t)histogram_bounds_us[i])
		i++;
	histogram->counts[i]++;
	histogram->sum_us += (uint64_t)us;
}
