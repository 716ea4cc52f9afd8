/* What poster.c and post.c share: the poster's lists and a POST's state. */
#ifndef DELIVER_POST_PRIV_H
#define DELIVER_POST_PRIV_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/resolve.h"
#include "deliver/answer.h"
#include "deliver/pool.h"
#include "deliver/post.h"
#include "deliver/tls.h"

#define POST_TRIES 4 /* addresses of one host that are tried */

/*
 * NEW -> RESOLVE        no open connection, and the name is not known   [post_begin]
 * NEW, AGAIN -> EXCHANGE over an idle connection or a fresh one         [post_exchange]
 * RESOLVE -> EXCHANGE   the addresses are allowed                       [post_on_addresses]
 * EXCHANGE -> BODY      the head: the status stands, and the first bytes
 *                       of the body are waited for                      [post_read_on]
 * EXCHANGE, BODY -> DRAIN  they are there, or their time is over: the
 *                       result is told, the rest read and thrown away   [post_drain]
 * EXCHANGE -> AGAIN     the next address, or an idle connection was
 *                       closed by the peer as we used it                [post_on_end]
 * any -> DONE           with a result, or with one that was told        [post_settle]
 *
 * AGAIN and DONE, and in BODY and DRAIN what is to be told, wait in the poster's queue:
 * post_start() or the connection may be above us on the stack until then.
 */
enum post_state {
	POST_NEW,
	POST_RESOLVE,
	POST_EXCHANGE,
	POST_BODY,
	POST_DRAIN,
	POST_AGAIN,
	POST_DONE
};

TAILQ_HEAD(post_list, post);

struct post {
	struct poster *poster;
	enum post_state state;
	post_done_fn *fn, *on_head;
	void *arg;
	bool no_session;       /* sent once more without a TLS session */
	bool told;             /* fn ran: what it lent us is gone */
	const struct url *url; /* borrowed */
	const void *group;     /* only compared */
	bool verify;
	const void *body; /* borrowed */
	size_t body_len;
	struct buf head; /* the request's head, and its body too where a copy is cheaper */
	struct answer answer;
	struct conn *conn;
	struct resolve_wait wait;
	union resolve_addr addrs[POST_TRIES];
	size_t naddrs, tried;
	int64_t start_us, sent_us, head_us; /* head_us 0: not yet */
	int64_t deadline_us;                /* of its list */
	struct post_result result;
	char message[384];
	bool queued;
	struct post_list *list; /* the one it is in, by deadline; NULL: none */
	TAILQ_ENTRY(post) link; /* there; when free: in the free list */
	TAILQ_ENTRY(post) work; /* the queue */
};

struct poster {
	struct poster_opts opts; /* strings copied or dropped */
	char *user_agent;
	struct resolver *resolver;
	struct tls *tls;
	struct pool *pool;
	/* under way, the next to expire first: before the head, in BODY, in DRAIN */
	struct post_list posts, bodies, drains;
	struct post_list queue; /* have something to do */
	struct post_list spare; /* for reuse */
	size_t nqueue, nspare;
	struct event timer; /* the first deadline, or earlier */
	int64_t armed_us;   /* when it fires; INT64_MAX: not armed */
	struct event work;  /* the queue is not empty */
	bool *gone; /* not NULL while the queue is worked on: set when poster_free() comes */
	struct poster_stats totals; /* the counters; the gauges are filled on reading */
};

/* poster.c: lists.  A new post is zeroed but for its poster and times. */
struct post *poster_add(struct poster *poster, int64_t timeout_ms);
void poster_remove(struct post *post); /* frees it */
void poster_move(struct post *post, struct post_list *list, int64_t deadline_us);
void poster_enqueue(struct post *post);

/* post.c: called from the loop, never below a connection. */
void post_again(struct post *post);     /* AGAIN has come to its turn */
void post_tell_head(struct post *post); /* BODY has: runs on_head */
void post_tell(struct post *post);      /* DRAIN has: runs fn */
void post_finish(struct post *post);    /* DONE has: runs fn, unless it ran */
void post_expire(struct post *post);    /* the deadline passed */
void post_release(struct post *post);   /* gives up what it holds, without a callback */

/* post.c: from anywhere. */
void post_enter(struct post *post, enum post_state state);
void post_settle(struct post *post, int status, const char *message);

/* post_exchange.c: sends it over a connection, which is the post's from now on. */
void post_exchange(struct post *post, struct conn *conn);
void post_phases(struct post *post); /* fills in the result's times */
void post_drain(struct post *post);  /* EXCHANGE or BODY: nothing more is waited for */

#endif
