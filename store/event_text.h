/* An event as scripts pass it on. */
#ifndef STORE_EVENT_TEXT_H
#define STORE_EVENT_TEXT_H

#include "proto/event_copy.h"
#include "store/store_internal.h"

/* Where the parts of an event live; all zeros before it is read. */
struct event_text {
	struct event_row row;   /* from the fields of its stream entry, or */
	struct event_copy copy; /* from a copy of a queue's own */
	unsigned attempts;      /* made before */
	struct event_parts parts;
};

/* "[<attempts> ]<names and values with NULs between them, or a copy>", with a NUL behind it; it and
 * `text` must not move while the parts are used.  0, or -1 when it is not this event; clear it in
 * both cases. */
int event_text_read(struct event_text *text, const struct ulid *locator, char *at, size_t len);
void event_text_clear(struct event_text *text);

#endif
