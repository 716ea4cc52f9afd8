/* Without keys: what a page of some other site could have a browser send is refused. */
#ifndef SERVER_GUARD_H
#define SERVER_GUARD_H

#include "server/call.h"

/* NULL, or why the call is refused, a constant text for the problem's detail.  any_host: the
 * operator has said that names of his lead here (--no-auth). */
const char *guard_fault(struct call *call, bool any_host);

#endif
