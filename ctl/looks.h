/* Readings of /metrics from several processes, and what two of them say together. */
#ifndef CTL_LOOKS_H
#define CTL_LOOKS_H

#include "ctl/metrics.h"

/* All processes as one: values summed, or what all say alike; growth since the look before. */
struct looks {
	struct metrics now;    /* values; in the buckets what they grew by */
	struct metrics growth; /* per second */
};

/* Whether every process says the same of the family, since it is Redis'. */
bool looks_is_shared(const char *name);
/* Adds one process; before is empty at the first look. */
void looks_add(struct looks *looks, const struct metrics *before, const struct metrics *now);
void looks_clear(struct looks *looks);

/* The sum, 0 when there is none; how fast it grows. */
double looks_value(const struct looks *looks, const char *name);
double looks_rate(const struct looks *looks, const char *name);
/* As metrics_quantile(). */
double looks_quantile(const struct looks *looks, const char *name, double share);

#endif
