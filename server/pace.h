/* How fast publishing may go, tenant by tenant, so that deliveries keep pace with it. */
#ifndef SERVER_PACE_H
#define SERVER_PACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "proto/id.h"

struct pace;

/* What deliveries are up to. */
struct pace_load {
	size_t waiting; /* deliveries that wait for a place */
	uint64_t ended; /* attempts that ended; it may begin anew */
};
/* Those of a tenant; NULL: of all. */
typedef void pace_load_fn(void *arg, const struct uuid *tenant, struct pace_load *load);

struct pace *pace_new(struct event_base *base, pace_load_fn *load, void *arg);
/* Lets everything go that still waits; NULL is fine. */
void pace_free(struct pace *pace);

typedef void pace_go_fn(void *arg);

/* One that waits for its turn: lives with its user. */
struct pace_wait {
	TAILQ_ENTRY(pace_wait) entry;
	size_t cost;
	pace_go_fn *go;
	void *arg;
};

/* go runs once: before this returns when nothing else waits and the turn has room, else in one of
 * the next turns of the loop.  The cost is that of one delivery, or what else is known to come. */
void pace_enter(struct pace *pace, struct pace_wait *wait, const struct uuid *tenant, size_t cost,
    pace_go_fn *go, void *arg);
/* What was let go caused so much more work than that. */
void pace_charge(struct pace *pace, const struct uuid *tenant, size_t more);

#endif
