/* W3C Trace Context headers: taken from the publisher when they are valid. */
#ifndef PROTO_TRACE_H
#define PROTO_TRACE_H

/* Where a valid traceparent has its trace-id, 32 hex digits. */
#define TRACE_ID_AT 3
#define TRACE_ID_LEN 32

/* The header's value if it is a valid one, else "" (also for NULL); borrowed. */
const char *trace_parent_or_none(const char *value); /* Trace Context, 3.2 */
const char *trace_state_or_none(const char *value);  /* 3.3: printable, at most 512 characters */

#endif
