/* How much is queued: asked of Redis when somebody wants to know, in bounded steps. */
#ifndef STORE_DEPTH_H
#define STORE_DEPTH_H

#include "store/store.h"

struct depth;

#define DEPTH_TENANTS 10

#define DEPTH_LONGEST 10

/* A webhook's queue, or that of its notices. */
struct depth_queue {
	struct ulid webhook;
	bool alert;
	struct uuid tenant; /* "" when the webhook is gone */
	int64_t entries;
	int64_t due;
	int64_t due_for_ms; /* its first entry; 0 when none is due */
};

struct depth_fullest {
	struct uuid tenant;
	int64_t bytes;
};

struct depth_stats {
	bool known;            /* since the first whole count */
	uint64_t due;          /* entries that could be delivered now */
	uint64_t soon;         /* leased by an instance, or due within the time of a lease */
	uint64_t deferred;     /* due later than that */
	uint64_t queues;       /* that are not empty, or were not a moment ago */
	int64_t oldest_due_ms; /* how long the first due entry has been due; 0 when none is */
	struct depth_fullest fullest[DEPTH_TENANTS]; /* the tenants that have most, most first */
	size_t nfullest;
	struct depth_queue longest[DEPTH_LONGEST]; /* most entries first */
	size_t nlongest;
	struct depth_queue oldest; /* that is due longest; entries 0: none */
};

struct depth *depth_new(struct store *store, int64_t lease_ms);
void depth_free(struct depth *depth); /* after store_free(); NULL is fine */

/* Counts anew, if the last count is older than 5 s and none is under way.  true: fn runs once,
 * later, when it is done or Redis failed.  false: what is known is as good as it gets. */
bool depth_ask(struct depth *depth, void (*fn)(void *arg), void *arg);
void depth_stats(const struct depth *depth, struct depth_stats *stats);

#endif
