/* Whose publishing goes to Redis next: a lane for each tenant, and turns over them. */
#ifndef STORE_LANES_H
#define STORE_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include <uthash.h>

#include "proto/id.h"

/* A command; lives with its user. */
struct lane_item {
	STAILQ_ENTRY(lane_item) entry;
	struct lane *lane;
	size_t cost; /* deliveries, or what is as much work for Redis */
};

struct publish_batch;

struct lane {
	UT_hash_handle hh;
	struct uuid tenant;
	struct publish_batch *open; /* the user's: takes more requests; NULL for none */
	bool is_due;                /* likewise: to be looked at at the end of the turn */
	STAILQ_ENTRY(lane) due_entry;
	STAILQ_HEAD(, lane_item) waiting;
	unsigned underway; /* items whose answer is to come ... */
	size_t cost;       /* ... and what they cost */
	size_t per_event;  /* deliveries that an event caused of late, the most; it fades */
	bool is_ripe;      /* in lanes->ripe: something waits, and might go */
	STAILQ_ENTRY(lane) ripe_entry;
	bool is_kept; /* in lanes->kept: nothing is going on, but per_event is worth knowing */
	TAILQ_ENTRY(lane) kept_entry;
};

struct lanes {
	struct lane *table; /* by tenant */
	STAILQ_HEAD(, lane) ripe;
	TAILQ_HEAD(, lane) kept; /* the longest unused one first */
	size_t nkept;
	unsigned underway;
	size_t cost;
	size_t per_event; /* of all: what a tenant begins with that is not known */
};

void lanes_init(struct lanes *lanes);
void lanes_clear(struct lanes *lanes); /* when nothing is going on */

/* The tenant's; made when it has none. */
struct lane *lanes_get(struct lanes *lanes, const struct uuid *tenant);
/* An item waits for its turn, behind those of its lane. */
void lanes_add(struct lanes *lanes, struct lane *lane, struct lane_item *item, size_t cost);
/* The one that may go to Redis now, which is under way then; NULL when none may. */
struct lane_item *lanes_next(struct lanes *lanes);
/* The same whatever is under way: for the end. */
struct lane_item *lanes_drain(struct lanes *lanes);
/* Its answer came. */
void lanes_done(struct lanes *lanes, struct lane_item *item);
/* So many events caused so many deliveries. */
void lanes_learn(struct lanes *lanes, struct lane *lane, size_t events, size_t deliveries);
/* Whether a command could go at once. */
bool lane_is_free(const struct lane *lane);
/* Ends the lane if nothing is going on; it must not be used any more. */
void lanes_put(struct lanes *lanes, struct lane *lane);

#endif
