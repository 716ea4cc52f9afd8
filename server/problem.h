/* Error bodies: RFC 9457 problem documents, and the words for status codes. */
#ifndef SERVER_PROBLEM_H
#define SERVER_PROBLEM_H

#include "base/buf.h"
#include "proto/fault.h"

/* The phrase of a status code (RFC 9110, section 15), "Unknown" for one we do not send. */
const char *problem_title(int status);
/* Appends the document.  The detail may be "", faults NULL; instance is the request id. */
void problem_write(struct buf *out, int status, const char *detail, const char *instance,
    const struct faults *faults);

#endif
