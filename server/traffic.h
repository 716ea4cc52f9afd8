/* What the API answered, counted by route and status, and how long that took. */
#ifndef SERVER_TRAFFIC_H
#define SERVER_TRAFFIC_H

#include "base/histogram.h"
#include "server/call.h"

#define TRAFFIC_ROUTES 32   /* and one more for requests without a route */
#define TRAFFIC_STATUSES 17 /* the last is for all others */

struct traffic {
	uint64_t answers[TRAFFIC_ROUTES + 1][TRAFFIC_STATUSES];
	struct histogram durations[TRAFFIC_ROUTES + 1];
};

void traffic_count(struct traffic *traffic, const struct call *call, int status);
/* Its metrics. */
void traffic_write(const struct traffic *traffic, struct buf *out);

#endif
