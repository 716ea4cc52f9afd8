/* What the files of http share: a connection's state, and what is written beside evhttp. */
#ifndef SERVER_HTTP_INTERNAL_H
#define SERVER_HTTP_INTERNAL_H

#include <sys/queue.h>
#include <uthash.h>

#include "server/clients.h"
#include "server/gate.h"
#include "server/http.h"
#include "server/refuse.h"

struct evhttp;
struct evhttp_connection;

enum http_state {
	HTTP_ACCEPTED,
	HTTP_FRESH,
	HTTP_IDLE,
	HTTP_READING,
	HTTP_CALLED,
	HTTP_WRITING,
	HTTP_REFUSED,
	HTTP_GONE,
	HTTP_STATES
};

TAILQ_HEAD(http_conns, http_conn);

struct http_conn {
	struct http *http;
	struct bufferevent *bev;
	struct evhttp_connection *evcon; /* NULL while ACCEPTED and when GONE */
	enum http_state state;
	TAILQ_ENTRY(http_conn) link; /* in http->conns[state] */
	int64_t since_ms;            /* when it entered the state */
	size_t unsent;               /* WRITING: bytes of the answer at since_ms */
	bool turning;                /* in http->turns */
	TAILQ_ENTRY(http_conn) turn_link;
	struct gate gate;
	struct refuse refuse;  /* REFUSED */
	struct client *client; /* or NULL */
	UT_hash_handle hh;     /* in http->by_evcon */
	struct call call;      /* CALLED, GONE: the request that the handler has */
};

struct http {
	struct http_opts opts;
	struct evhttp *evhttp;
	struct http_listen *listen;
	struct http_conns conns[HTTP_STATES];
	struct http_conns turns; /* connections that http_turn() is to look at */
	struct http_conn *by_evcon;
	struct clients *clients; /* NULL: no cap on each */
	struct event *attach;    /* activated when a connection was ACCEPTED */
	struct event *turn;      /* activated when a connection wants a turn */
	struct event *tick;      /* due when the first deadline passes ... */
	int64_t tick_ms;         /* ... at this time; INT64_MAX: not pending */
	struct event *sweep;     /* activated when draining may have come further */
	bool waning;             /* each answer ends its connection */
	bool draining;
	void (*done)(void *arg);
	void *done_arg;
	struct http_stats stats;
};

/* http.c: all changes of a connection's state are made here. */
void http_enter(struct http_conn *conn, enum http_state state);

/* --- http_turn.c --- */

/* Looks at what the gate of a connection has, after it changed or an answer was sent: READING
 * while there is a request or a part of one, IDLE without; and whether a turn is wanted. */
void http_look(struct http_conn *conn);
/* The callback of http->turn. */
void http_on_turn(evutil_socket_t fd, short what, void *http);
/* Answers in place of evhttp, which has nothing of the request, and ends the connection; the limit
 * in bytes belongs behind why, or is 0. */
void http_refuse(struct http_conn *conn, int status, const char *why, size_t limit);

#endif
