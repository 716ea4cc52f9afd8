/* The guard: refuses requests that HTTP's grammar does not allow but evhttp lets through. */
#ifndef SERVER_GUARD_H
#define SERVER_GUARD_H

#include "server/call.h"

/*
 * Judges version, target and header fields of the call's request, and sets the call's path and
 * query.  NULL when all is well, else what is wrong, a constant text; the answer is to be 400 and
 * the end of the connection, because what follows on it may be read differently by whoever
 * stands between.
 */
const char *guard_check(struct call *call);

#endif
