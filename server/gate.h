/* The gate: between a connection's socket and evhttp; only whole, valid requests get through. */
#ifndef SERVER_GATE_H
#define SERVER_GATE_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "server/wire.h"

/* Runs after bytes came: the bufferevent's own callbacks come later. */
typedef void gate_fn(void *arg);

struct gate {
	struct wire wire;
	struct bufferevent *bev;
	gate_fn *fn;
	void *arg;
	bool busy;   /* what changes in the input now is our own doing */
	bool shut;   /* what comes is thrown away */
	bool excess; /* the last request that got through had too long a body, left out */
};

/* Borrows bev, until gate_close(). */
void gate_open(struct gate *gate, struct bufferevent *bev, size_t max_header, size_t max_body,
    gate_fn *fn, void *arg);
void gate_close(struct gate *gate);
/* From now on all that comes is thrown away. */
void gate_shut(struct gate *gate);
/* Whether what got through has all been taken, and nothing more will: the body was too long. */
bool gate_is_after_excess(const struct gate *gate);

#endif
