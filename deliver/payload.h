/* An event on its way out: the bytes that every subscriber gets, shared by its deliveries. */
#ifndef DELIVER_PAYLOAD_H
#define DELIVER_PAYLOAD_H

#include <uthash.h>

#include "base/buf.h"
#include "proto/event.h"
#include "proto/eventtype.h"

struct payload {
	unsigned refs;
	size_t held;         /* by so many deliveries: counted by share.c */
	bool is_listed;      /* among the large ones there */
	UT_hash_handle hh;   /* by locator */
	int64_t accepted_us; /* monotonic: when the event was asked for; what latency counts from */
	struct ulid locator;
	char type[EVENTTYPE_MAX + 1];
	struct ulid request_id;
	struct uuid user_locator; /* "" for none */
	int64_t timestamp;        /* ms */
	char *trace_parent;       /* NULL for none */
	char *trace_state;
	size_t data_at; /* where in the body the event's data is */
	size_t data_len;
	struct buf body; /* the EventResponse */
};

/* With one reference, the caller's. */
struct payload *payload_new(const struct event_parts *parts, int64_t accepted_us);
struct payload *payload_ref(struct payload *payload);
void payload_unref(struct payload *payload);
/* The event's parts again; borrowed from the payload. */
struct event_parts payload_parts(const struct payload *payload);

#endif
