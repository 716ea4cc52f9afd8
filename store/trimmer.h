/* Trimming: each tenant's stream is cut to its limits once an hour, and when it grew much, in small
 * steps. */
#ifndef STORE_TRIMMER_H
#define STORE_TRIMMER_H

#include "store/store.h"

struct trimmer;

struct trimmer_opts {
	struct event_base *base;
	struct store *store;
	int64_t retention_ms; /* older events go ... */
	int64_t events_kept;  /* ... and what is beyond so many of a tenant, ... */
	int64_t bytes_kept;   /* ... or beyond so many bytes */
	int64_t every_ms;     /* of each tenant */
};

struct trimmer *trimmer_new(const struct trimmer_opts *opts);
void trimmer_free(struct trimmer *trimmer); /* after store_free() */
/* Whether a publish request is to note the tenant in Redis, so that its stream is trimmed: true now
 * and then for each tenant. */
bool trimmer_notes(struct trimmer *trimmer, const struct uuid *tenant);
/* So many events of the tenant were stored; `much`: it nears the bytes that it may have. */
void trimmer_published(struct trimmer *trimmer, const struct uuid *tenant, size_t n, bool much);
/* The tenant is trimmed now: it has no room, or a webhook was deleted that needed much. */
void trimmer_hurry(struct trimmer *trimmer, const struct uuid *tenant);
/* Events removed from streams so far, by this process. */
uint64_t trimmer_trimmed(const struct trimmer *trimmer);

#endif
