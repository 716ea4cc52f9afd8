/* One outgoing connection: one evhttp connection with one TCP life, and what is known of it. */
#ifndef DELIVER_CONN_H
#define DELIVER_CONN_H

#include <event2/http.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "deliver/resolve.h"

#define CONN_HEAD_MAX 65536 /* bytes of an answer's head, interim ones included */

/*
 * CONNECT -> TLS -> OPEN, or CONNECT -> OPEN, and DEAD from any of them.  evhttp would connect a
 * second time when asked for a request after the peer closed; DEAD is what forbids that.
 */
enum conn_phase { CONN_CONNECT, CONN_TLS, CONN_OPEN, CONN_DEAD };

struct conn;
typedef void conn_dead_fn(void *arg, struct conn *conn);

struct conn_opts {
	struct event_base *base;
	const union resolve_addr *addr; /* with the port; copied */
	SSL *ssl;                       /* taken; NULL: plain */
	int64_t connect_ms;             /* for TCP and TLS together; 0: no limit of its own */
	size_t max_body;
	/* Runs once, when the connection closed by itself, below evhttp: only take note. */
	conn_dead_fn *dead;
	void *arg;
};

struct conn {
	struct evhttp_connection *evcon;
	struct bufferevent *bev; /* evcon's */
	SSL *ssl;                /* bev's, or NULL */
	union resolve_addr addr;
	enum conn_phase phase;
	bool was_reset;                          /* dead: by a reset, not by an end of stream */
	long verify_error;                       /* X509_V_*, what the peer's certificate lacks */
	int64_t start_us, connected_us, open_us; /* 0: not yet */
	int64_t connect_us;                      /* limit, 0: none */
	unsigned uses;                           /* requests so far */
	size_t received;                         /* bytes since conn_send() */
	int64_t first_byte_us;
	conn_dead_fn *dead;
	void *dead_arg;
	void *owner; /* for the pool */
	TAILQ_ENTRY(conn) all, idle, list;
	bool in_idle;
	int64_t idle_ms; /* since when */
};

struct conn *conn_new(const struct conn_opts *opts);
void conn_free(struct conn *conn); /* closes; not below evhttp */

/* Sends a request (borrowed, evhttp_request_own()ed by the caller) and connects first if need be.
 * The request's callbacks may run before this returns. */
void conn_send(struct conn *conn, struct evhttp_request *request, const char *target);

/* True when it used up connect_ms without being open. */
bool conn_is_late(const struct conn *conn);

/* True when the next answer cannot be mistaken: open, and nothing unread. */
bool conn_is_clean(const struct conn *conn);

#endif
