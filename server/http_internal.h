/* What the files of http share: connections, their states, and the one place that changes them. */
#ifndef SERVER_HTTP_INTERNAL_H
#define SERVER_HTTP_INTERNAL_H

#include <event2/event_struct.h>
#include <sys/queue.h>
#include <time.h>

#include "base/stream.h"
#include "server/bodies.h"
#include "server/clients.h"
#include "server/http.h"
#include "server/wire.h"

enum http_state {
	HTTP_FRESH,    /* nothing has come yet but TLS's beginning */
	HTTP_IDLE,     /* between requests */
	HTTP_SKIPPING, /* the rest of a request that is answered comes, and is thrown away */
	HTTP_READING,  /* a request is coming */
	HTTP_CALLED,   /* a handler has one */
	HTTP_WRITING,  /* an answer is on its way */
	HTTP_LINGERING,
	HTTP_ENDED, /* to be freed from the loop */
	HTTP_STATES
};

/* What follows an answer. */
enum http_then {
	HTTP_THEN_NEXT,  /* another request */
	HTTP_THEN_CLOSE, /* nothing; what came behind the request is left unread */
	HTTP_THEN_LINGER /* the same, but the client may be sending still */
};

#define HTTP_SKIP_MAX 65536 /* bytes of a body: beyond it the connection is closed */

TAILQ_HEAD(http_conns, http_conn);

struct http_conn {
	struct http *http;
	struct event event;
	short watched; /* EV_READ, EV_WRITE */
	struct stream stream;
	enum http_state state;
	TAILQ_ENTRY(http_conn) link; /* in http->conns[state] */
	int64_t since_ms;            /* when it entered the state */
	struct wire wire;
	struct buf in; /* what came behind the request that is being answered ... */
	size_t in_at;  /* ... read up to here */
	struct buf out;
	size_t out_at; /* WRITING: out is sent up to here */
	size_t unsent; /* WRITING: so much of it is in stats.unsent_bytes */
	enum http_then then;
	struct client *client; /* or NULL */
	struct call call;      /* CALLED: the request that the handler has */
	bool headless;         /* READING: no head, or one whose body nobody wants; in
				  http->headless */
	TAILQ_ENTRY(http_conn) headless_link;
	bool extra; /* beyond the places; in http->extras */
	TAILQ_ENTRY(http_conn) extra_link;
	int64_t extra_until_ms;
	bool judged;             /* READING: the head is whole and good, and in call */
	struct bodies_part part; /* the room that the body has */
};

struct http {
	struct http_opts opts;
	struct http_listen *listen;
	struct http_conns conns[HTTP_STATES];
	struct http_conns headless; /* by the time of their first byte */
	struct http_conns extras;   /* by the time of their beginning */
	size_t nextras;
	struct clients *clients; /* NULL: no cap on each */
	struct bodies *bodies;
	struct event tick;   /* due when the first deadline passes ... */
	int64_t tick_ms;     /* ... at this time; INT64_MAX: not pending */
	struct event sweep;  /* activated when draining may have come further */
	struct timeval turn; /* of the loop, by when it began ... */
	int64_t judged_us;   /* ... and how long judging requests took in it */
	bool waning;         /* each answer ends its connection */
	bool draining;
	void (*done)(void *arg);
	void *done_arg;
	struct buf head; /* of the answer that is being written */
	time_t date_at;  /* the second that date is about */
	char date[32];
	struct http_stats stats;
};

/* http.c: all changes of a connection's state are made here. */
void http_enter(struct http_conn *conn, enum http_state state);

/* A connection's head is whole and its body wanted, or its request is over. */
void http_has_head(struct http_conn *conn);
/* Something is due then. */
void http_expect(struct http *http, int64_t due_ms);

/* --- http_places.c --- */

/* A connection came: it gets a place, another's if need be, or one beyond, or is closed. */
void http_places_open(struct http *http, int fd);
/* Whether one beyond the places may use that route; it gets a place if there is one by now. */
bool http_places_allow(struct http_conn *conn, const struct route *route);
/* It is no longer one beyond the places, if it was. */
void http_places_leave_extra(struct http_conn *conn);
/* Ends those beyond whose time is over; when the next one's is, INT64_MAX without any. */
int64_t http_places_expire(struct http *http, int64_t now_ms);

/* --- http_conn.c --- */

/* Takes the client's count, or NULL. */
struct http_conn *http_conn_open(struct http *http, int fd, struct client *client);
/* From the loop only: nothing of the connection may be in use above. */
void http_conn_free(struct http_conn *conn);
/* Whether nothing of a request is here, neither read nor unread. */
bool http_conn_is_quiet(const struct http_conn *conn);
/* Answers what is no request, and ends the connection; the limit in bytes belongs behind why, or is
 * 0. */
void http_conn_refuse(struct http_conn *conn, int status, const char *why, size_t limit);

/* --- http_request.c --- */

/* Whether judging requests has taken so much of this turn of the loop that of each connection only
 * one more is read. */
bool http_turn_is_over(struct http *http);
/* The head is whole, and a body follows: READING goes on, or it was answered. */
void http_request_head(struct http_conn *conn);
/* More of the body is here; false when it was answered for want of room. */
bool http_request_grows(struct http_conn *conn);
/* All of it is here: it is answered, or the handler has it. */
void http_request_whole(struct http_conn *conn);

/* --- http_write.c --- */

/* Sends head and body, and does what follows; what is left of them is copied. */
void http_write(
    struct http_conn *conn, struct buf *head, const struct buf *body, enum http_then then);
/* Goes on with what is left. */
void http_write_more(struct http_conn *conn);
/* So many bytes of the connection's answer wait now. */
void http_count_unsent(struct http_conn *conn, size_t unsent);
/* The status line, and what every head has; the caller ends it. */
void http_write_head(struct http *http, struct buf *head, int status, const char *phrase);
/* Nothing more is sent; what comes is thrown away, until the client ends it, for a moment. */
void http_linger(struct http_conn *conn);
/* Frees the connection when nobody is above. */
void http_end(struct http_conn *conn);
void http_watch(struct http_conn *conn, short what);

#endif
