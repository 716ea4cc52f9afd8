/* A reading of /metrics (Prometheus' text format), and what two readings say together. */
#ifndef CTL_METRICS_H
#define CTL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_bucket {
	double le;
	double count; /* cumulative */
};

/* One family, summed over its labels; or the part of one that has a certain label, behind it. */
struct metric {
	char *name; /* of a part: name{label="value"} */
	bool part;
	enum metric_type type;
	double value; /* of a histogram: how many observations */
	struct metric_bucket *buckets;
	size_t nbuckets;
};

struct metrics {
	int64_t at_ms;       /* monotonic */
	struct metric *list; /* in the order of the text */
	size_t n;
};

/* Families of the types above; lines that are none are passed over. */
void metrics_read(struct metrics *metrics, struct buf *text, int64_t at_ms);
void metrics_clear(struct metrics *metrics);
const struct metric *metrics_find(const struct metrics *metrics, const char *name);

/* What the counter (or the histogram's count) grew by per second; 0 when there is nothing before,
 * or it began anew. */
double metrics_rate(
    const struct metrics *before, const struct metrics *now, const struct metric *of);
/* What its k-th bucket grew by; all of it when there is nothing before. */
double metrics_growth(const struct metrics *before, const struct metric *of, size_t k);
/* The upper bound of the bucket in which that share (0.5, 0.99) of the new observations is
 * reached; negative when there were none, HUGE_VAL when it is the last bucket. */
double metrics_quantile(const struct metrics *before, const struct metric *of, double share);

#endif
