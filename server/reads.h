/* How much each tenant may read from Redis at a time. */
#ifndef SERVER_READS_H
#define SERVER_READS_H

#include <sys/queue.h>

#include <event2/event.h>

#include "proto/id.h"

#define READS_MAX 4 /* requests of a tenant */

struct reads;
struct reads_tenant;

struct reads *reads_new(struct event_base *base);
/* Lets everything go that still waits, and whatever comes yet. */
void reads_end(struct reads *reads);
/* When all have left; NULL is fine. */
void reads_free(struct reads *reads);

typedef void reads_go_fn(void *arg);

/* One request; zero-initialise it. */
struct reads_part {
	TAILQ_ENTRY(reads_part) entry;
	struct reads *reads;
	struct reads_tenant *tenant; /* NULL: not in */
	reads_go_fn *go;
	void *arg;
};

/* go runs once: before this returns when the tenant reads less than it may, else in a later turn of
 * the loop, when one of its requests has left. */
void reads_enter(struct reads *reads, struct reads_part *part, const struct uuid *tenant,
    reads_go_fn *go, void *arg);
/* The request is answered; nothing happens when it is not in. */
void reads_leave(struct reads_part *part);

#endif
