/* The copy of an event that a queue keeps for itself: one JSON object with its parts. */
#ifndef PROTO_EVENT_COPY_H
#define PROTO_EVENT_COPY_H

#include "proto/event.h"

/* {"locator","type","data","requestId","userLocator"?,"traceparent"?,"tracestate"?,"timestamp"}:
 * data byte for byte, the timestamp in ms.  Alert notices are written so (copy_of() in lib.lua),
 * and what queues and diverted events had of their own before schema 2. */
struct event_copy {
	struct json_doc doc;
	struct event_parts parts; /* borrowed from the document and from the text */
};

/* 0, or -1 when it is none; clear it in both cases. */
int event_copy_read(struct event_copy *copy, const char *text, size_t len);
void event_copy_clear(struct event_copy *copy);

#endif
