/* A diverted event as Redis has it: why, and the event. */
#ifndef STORE_DIVERTED_TEXT_H
#define STORE_DIVERTED_TEXT_H

#include "store/diverted.h"
#include "store/event_text.h"

/* What the texts of a row are borrowed from; all zeros before it is read. */
struct diverted_text {
	struct json_doc doc;
	struct event_text event;
};

/* A record of dv:, which is written to, and the event as scripts pass it on, unless the record ends
 * with a copy of its own; NULs are behind both.  0, or -1 when they are not this event; clear it in
 * both cases. */
int diverted_text_read(struct diverted_text *text, struct diverted_row *row,
    const struct ulid *locator, char *record, size_t record_len, char *event, size_t event_len);
void diverted_text_clear(struct diverted_text *text);

#endif
