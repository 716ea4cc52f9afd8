/* One outgoing connection: a socket, perhaps TLS, and what is known of them. */
#ifndef DELIVER_CONN_H
#define DELIVER_CONN_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/resolve.h"
#include "base/stream.h"

/*
 * CONNECT -> TLS -> OPEN, or CONNECT -> OPEN, and DEAD from any of them [conn_die].
 * A dead one is only good for conn_free().
 */
enum conn_phase { CONN_CONNECT, CONN_TLS, CONN_OPEN, CONN_DEAD };

struct conn;

/* Who uses a connection hears of it by these, always from the loop.  The connection may change its
 * user meanwhile; it must not be freed. */
struct conn_user {
	/* Bytes of the answer came; borrowed. */
	void (*data)(void *arg, struct conn *conn, const char *p, size_t n);
	/* Once: it is dead. */
	void (*end)(void *arg, struct conn *conn);
};

struct conn_opts {
	struct event_base *base;
	const union resolve_addr *addr; /* with the port; copied */
	SSL *ssl;                       /* taken; NULL: plain */
	int64_t connect_ms;             /* for TCP and TLS together; 0: no limit of its own */
};

struct conn {
	struct event event;
	short watched;        /* EV_READ, EV_WRITE */
	struct stream stream; /* fd -1: there was none left */
	union resolve_addr addr;
	const struct conn_user *user;
	void *arg;
	struct iovec out[2];             /* what is still to be sent */
	enum conn_phase phase, ended_in; /* ended_in: the phase in which it died */
	bool deaf;                       /* the peer takes no more; it may have answered before */
	bool was_reset;                  /* dead: by a reset, not by an end of stream */
	long verify_error;               /* X509_V_*, what the peer's certificate lacks */
	int64_t start_us, connected_us, open_us; /* 0: not yet */
	int64_t connect_us;                      /* limit, 0: none */
	unsigned uses;                           /* requests so far */
	size_t received;                         /* bytes since conn_send() */
	int64_t first_byte_us;
	/* for the pool: */
	void *owner;
	bool reads_on;  /* nobody waits for it */
	bool resumes;   /* offered a TLS session */
	int64_t old_us; /* from then on it is not used again */
	unsigned trust; /* which set of CAs it was judged by */
	TAILQ_ENTRY(conn) all, idle, list;
	int64_t idle_ms; /* since when */
};

struct conn *conn_new(const struct conn_opts *opts);
void conn_free(struct conn *conn); /* closes; not from its user's functions */

/* Nobody hears of it any more; from anywhere. */
void conn_stop(struct conn *conn);

/* From now on another one hears of it; user and arg are borrowed. */
void conn_use(struct conn *conn, const struct conn_user *user, void *arg);

/* Sends head and body (borrowed until conn_use() or conn_free()) and connects first if need be.
 * Failures are told from the loop. */
void conn_send(
    struct conn *conn, const char *head, size_t head_len, const char *body, size_t body_len);

/* True when it used up connect_ms without being open. */
bool conn_is_late(const struct conn *conn);

/* True when it is open and there is nothing to be read that the loop has not told of yet: it would
 * be taken for the next answer.  What there is gets lost; the connection is good for nothing then.
 */
bool conn_is_silent(struct conn *conn);

/* True when another request may follow: open, all sent. */
bool conn_is_ready(const struct conn *conn);

#endif
