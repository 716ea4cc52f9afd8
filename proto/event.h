/* Events: what a publisher sends, and the EventResponse that subscribers receive. */
#ifndef PROTO_EVENT_H
#define PROTO_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/fault.h"
#include "proto/id.h"
#include "proto/json.h"

#define EVENTS_PER_REQUEST 1000

/* One item of a publish request; strings are borrowed from the document or its text. */
struct event_draft {
	const char *type; /* NUL-terminated */
	const char *data; /* the object's bytes as sent */
	size_t data_len;
	struct ulid request_id;   /* "" when not given */
	struct uuid user_locator; /* "" when not given */
	int64_t timestamp;        /* ms; -1 when not given */
};

/*
 * Reads a publish body (an object, or an array of 1-1000 of them; parse with EVENT_JSON_KEEP)
 * into drafts (calloc'd; given to the caller, free()).  Returns how many; when *faults has any,
 * the drafts are not to be used.  *single says whether the body was an object.
 */
#define EVENT_JSON_KEEP 2
size_t event_read_drafts(
    const struct json *body, struct event_draft **drafts, bool *single, struct faults *faults);

/* The parts of an event; all borrowed. */
struct event_parts {
	const char *locator;
	const char *type;
	const char *data;
	size_t data_len;
	const char *request_id;
	const char *user_locator; /* "" for none */
	int64_t timestamp;        /* ms */
	const char *trace_parent; /* "" for none; not part of the EventResponse */
	const char *trace_state;
};

/* Appends the EventResponse: the same bytes for the same parts, always.  Without data for
 * Prefer: return=minimal. */
void event_write(const struct event_parts *parts, bool with_data, struct buf *out);

#endif
