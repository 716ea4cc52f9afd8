/* How fast publishing may go, so that deliveries keep pace with it. */
#ifndef SERVER_PACE_H
#define SERVER_PACE_H

#include <stddef.h>
#include <sys/queue.h>

#include <event2/event.h>

struct pace;

struct pace *pace_new(struct event_base *base);
/* Lets everything go that still waits; NULL is fine. */
void pace_free(struct pace *pace);

typedef void pace_go_fn(void *arg);

/* One that waits for its turn: lives with its user. */
struct pace_wait {
	TAILQ_ENTRY(pace_wait) entry;
	pace_go_fn *go;
	void *arg;
};

/* go runs once: before this returns when nothing else waits and the turn has room, else in one of
 * the next turns of the loop. */
void pace_enter(struct pace *pace, struct pace_wait *wait, pace_go_fn *go, void *arg);
/* What was let go caused so much more work than one delivery. */
void pace_charge(struct pace *pace, size_t more);

#endif
