/* The route table: which handler answers which method and path. */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "server/call.h"

struct route {
	const char *method; /* GET, POST, PATCH, DELETE */
	/* Segments are literal, "{tenant}" (a uuid) or "{locator}" (a ulid; the n-th goes to
	 * call->locator[n]).  Literal segments are preferred over values. */
	const char *pattern;
	call_handler_fn *handler;
	const char *group;          /* permission group, NULL where no token is needed */
	const char *permissions[3]; /* all needed, NULL-terminated */
	bool takes_body;            /* a body must be application/json; else bodies are ignored */
};

/* Ends with an entry whose method is NULL.  In api_routes.c. */
extern const struct route routes[];

/*
 * Finds the route of the call's method and raw path and puts it into the call, applying
 * contract.md section 1: percent-encoding is decoded within a segment, a trailing slash is
 * ignored.  Returns false when it answered the call itself: 404, 405 with Allow, or the 204 with
 * Allow of OPTIONS.
 */
bool route_match(struct call *call);
/*
 * Reads the values of the matched path into the call; after the token check, whose 401 comes
 * first.  Returns false when it answered 400 (malformed uuid or ulid).
 */
bool route_values(struct call *call);

#endif
