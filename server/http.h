/* The API's listeners: connections in, calls to the router. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "server/call.h"
#include "server/tls_server.h"
#include "server/traffic.h"

struct http;

struct http_opts {
	struct event_base *base;
	struct app *app;         /* put into each call */
	struct tls_server *tls;  /* borrowed; NULL for plain HTTP */
	struct traffic *traffic; /* borrowed; counts the answers; NULL: nobody does */
	size_t max_body;
	size_t max_bodies; /* bytes of all that are under way; at least max_body */
	size_t max_unsent; /* bytes of answers that wait for their clients to take them */
	size_t max_header;
	/* The places.  When all are taken, the longest idle connection goes for a new one. */
	size_t max_connections;
	size_t max_client_connections; /* from one address; 0: no cap */
	bool share_ports;              /* with other processes (SO_REUSEPORT) */
	bool held;                     /* nothing is accepted before http_accept() */
	int64_t request_timeout_ms;    /* a whole request, head and body; and a whole answer */
	int64_t idle_timeout_ms;
	/* Both answer the call themselves and return false to refuse; NULL lets all pass. */
	bool (*admit)(struct call *call);  /* the token: after routing, before the path's values */
	bool (*permit)(struct call *call); /* tenant, permission: after them, before the body */
};

struct http *http_new(const struct http_opts *opts);
/* "ADDR:PORT" or "[ADDR]:PORT", port 0 for any.  0, or -1 and *why (free()). */
int http_listen(struct http *http, const char *addr_port, char **why);
void http_accept(struct http *http);
/* The addresses listened on, with their real ports; borrowed. */
const struct sockaddr_storage *http_addresses(const struct http *http, size_t *n);

/* The end, in steps, of which the first two may be left out.  From now on each answer says
 * Connection: close, so that nobody's next request comes on a connection that is about to close. */
void http_wane(struct http *http);
/* From now on no connection begins, and none is refused: who tries is to try again, as for a packet
 * that was lost.  Those that have begun are taken in. */
void http_hold_off(struct http *http);
/* Stops accepting and closes idle connections.  done runs once, later, when no request is open any
 * more. */
void http_drain(struct http *http, void (*done)(void *arg), void *arg);
/* Frees everything; only when no call is open (after http_drain's done), or at exit. */
void http_free(struct http *http);

enum http_refusal {
	HTTP_REFUSED_INVALID,     /* 400 */
	HTTP_REFUSED_TOO_LARGE,   /* 413, 414, 431 */
	HTTP_REFUSED_UNSUPPORTED, /* 417, 501, 505 */
	HTTP_REFUSED_SLOW,        /* 408: not whole in time */
	HTTP_REFUSED_BROKEN,      /* the client went away in the middle of it */
	HTTP_REFUSED_CLIENT,      /* a connection over max_client_connections */
	HTTP_REFUSED_BODIES,      /* 503: no room for its body */
	HTTP_REFUSALS
};

struct http_stats {
	size_t connections;  /* open now */
	size_t fresh;        /* of them: nothing has come yet, */
	size_t idle;         /* between requests, */
	size_t reading;      /* a request is coming, */
	size_t handling;     /* a handler has one, */
	size_t writing;      /* an answer is on its way */
	size_t calls;        /* requests without an answer yet */
	size_t body_bytes;   /* of requests under way */
	size_t unsent_bytes; /* of answers that their clients have not taken yet */
	uint64_t given_up;   /* answers that they did not take in time, or while there was room */
	uint64_t accepted;   /* connections */
	uint64_t evicted;    /* of them: closed for a new one */
	uint64_t requests;
	uint64_t refused[HTTP_REFUSALS]; /* requests that reached no handler, and why */
};
void http_stats(const struct http *http, struct http_stats *stats);

/* --- for call.c --- */

bool http_closing(const struct call *call); /* the answer must say Connection: close */
/* Sends the answer whose headers and body the call has; it is over, but its memory stays until the
 * next one begins. */
void http_send(struct call *call, int status, const char *phrase, bool with_body);

#endif
