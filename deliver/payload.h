/* An event on its way out: the bytes that every subscriber gets, shared by its deliveries. */
#ifndef DELIVER_PAYLOAD_H
#define DELIVER_PAYLOAD_H

#include "base/buf.h"
#include "proto/event.h"
#include "proto/eventtype.h"

struct payload {
	unsigned refs;
	struct ulid locator;
	char type[EVENTTYPE_MAX + 1];
	char *trace_parent; /* NULL for none */
	char *trace_state;
	struct buf body; /* the EventResponse */
};

/* With one reference, the caller's. */
struct payload *payload_new(const struct event_parts *parts);
struct payload *payload_ref(struct payload *payload);
void payload_unref(struct payload *payload);

#endif
