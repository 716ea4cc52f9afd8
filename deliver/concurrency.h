/* How many connections an endpoint takes, as its answers tell, and rests when it refuses them. */
#ifndef DELIVER_CONCURRENCY_H
#define DELIVER_CONCURRENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest rest of an endpoint that cannot be reached and says so at once; else its queue would
 * keep everybody busy. */
#define CONCURRENCY_REST_MAX_MS 100

struct concurrency {
	size_t cap; /* connections at most, now: least .. most */
	size_t least;
	size_t most;
	int64_t cut_ms;  /* monotonic: when it was halved */
	int64_t rest_ms; /* the last rest; 0 since it has answered */
};

/* first: the cap to begin with, within the two. */
void concurrency_init(struct concurrency *concurrency, size_t first, size_t least, size_t most);
/* An answer: a success makes it one more. */
void concurrency_answered(struct concurrency *concurrency, bool success);
/* No answer in time: half as many. */
void concurrency_halve(struct concurrency *concurrency);
/* The same, but what was under way already when it was halved says nothing new. */
void concurrency_halve_once(struct concurrency *concurrency, int64_t started_ms, int64_t now_ms);
/* Refused at once: half as many too; returns how long to leave it alone, twice as long each time.
 */
int64_t concurrency_refused(struct concurrency *concurrency);

#endif
