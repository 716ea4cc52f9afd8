/* The answer to what is no request, and the end of its connection. */
#ifndef SERVER_REFUSE_H
#define SERVER_REFUSE_H

#include <stdbool.h>

#include <event2/bufferevent.h>

#include "base/buf.h"

/* Runs once, when the client has the answer and has closed its side, or cannot be reached. */
typedef void refuse_fn(void *arg);

struct refuse {
	refuse_fn *fn;
	void *arg;
	bool sent; /* the answer */
	bool eof;  /* the client sends nothing more */
};

/*
 * Takes over the bufferevent's callbacks and sends a problem document (without its body for
 * `head`) and the end of the stream.  Then it waits for the client's end: closing a socket with
 * bytes unread would reset the connection and could take the answer from the client (RFC 9112,
 * 9.6).  The caller sees to it that this does not last for ever, and that somebody drains the
 * input.
 */
void refuse_start(struct refuse *refuse, struct bufferevent *bev, int status, const char *detail,
    const char *request_id, bool head, refuse_fn *fn, void *arg);
/* The same without an answer: it was sent already. */
void refuse_end(struct refuse *refuse, struct bufferevent *bev, refuse_fn *fn, void *arg);

#endif
