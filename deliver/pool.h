/* The connections of the process: those in use, and the idle ones by endpoint. */
#ifndef DELIVER_POOL_H
#define DELIVER_POOL_H

#include "deliver/conn.h"
#include "deliver/tls.h"
#include "proto/address.h"

struct pool;

struct pool_opts {
	struct event_base *base;
	const struct egress *egress; /* borrowed */
	struct tls *tls;             /* borrowed */
	size_t max_idle, max_open;
	int64_t idle_ms;
	int64_t max_age_ms; /* when it is given back older than that, or up to a quarter less, it
			       ends */
};

struct pool *pool_new(const struct pool_opts *opts);
void pool_free(struct pool *pool); /* closes all; nobody may use one any more */

/* An idle connection to the same scheme, host, port and verify, the one used last; or NULL. */
struct conn *pool_take(struct pool *pool, const struct url *url, bool verify);
/* A new one to addr; NULL when TLS refuses the name. */
struct conn *pool_open(struct pool *pool, const struct url *url, bool verify,
    const union resolve_addr *addr, int64_t connect_ms);
/* The rest of an answer is read without anybody waiting for it: false when there is too much of
 * that already, for the process or for the endpoint. */
bool pool_read_on(struct pool *pool, struct conn *conn);
/* Back after use: ready for another request (conn_is_ready()). */
void pool_give(struct pool *pool, struct conn *conn);
/* Its TLS session was more than the peer could stand: it is offered none for ten minutes. */
void pool_forget_session(struct pool *pool, struct conn *conn);
/* Who is trusted has changed: idle connections end, those in use when they come back, and no
 * session of before is offered. */
void pool_renew(struct pool *pool);
/* Closes one that was in use; not from its user's functions. */
void pool_close(struct pool *pool, struct conn *conn);
/* Closes the oldest idle one, from anywhere: there are no file descriptors left. */
void pool_yield(struct pool *pool);

size_t pool_open_count(const struct pool *pool);
size_t pool_idle_count(const struct pool *pool);

#endif
