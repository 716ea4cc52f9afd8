/* One POST to an endpoint: resolve, check the address, connect, TLS, send, read the answer. */
#ifndef DELIVER_POST_H
#define DELIVER_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "base/histogram.h"
#include "proto/address.h"
#include "proto/url.h"

struct poster; /* the process's outbound side: resolver, TLS settings, pool of idle connections */
struct post;   /* one POST under way */

struct poster_opts {
	struct event_base *base;
	const struct egress *egress; /* borrowed; may change between turns of the loop */
	const char *const *dns;      /* "addr:port" each; none: the system's resolv.conf */
	size_t ndns;
	const char *ca_file; /* NULL: the system's */
	const char *user_agent;
	size_t max_body;  /* bytes of an answer's body that are read; then the connection closes */
	size_t keep_body; /* the first bytes of it that the result carries */
	int64_t
	    body_ms; /* a body is read for so long from the head on; then the connection closes */
	int64_t wait_ms;    /* so long the result of a 2xx waits for these first bytes */
	int64_t idle_ms;    /* a pooled connection lives that long unused ... */
	int64_t max_age_ms; /* ... and so long in all, or up to a quarter less */
	size_t max_idle;    /* pooled connections in all; the oldest is closed beyond */
	size_t max_open;    /* with those in use: beyond, a new one costs the oldest pooled one */
};

/* NULL when the CA file or a resolver address is unusable; *why says it in one line (free()).
 * The process must ignore SIGPIPE. */
struct poster *poster_new(const struct poster_opts *opts, char **why);
/* Ends everything; posts under way get no callback any more. */
void poster_free(struct poster *poster);
/* Reads the CA file again; connections and TLS sessions by the old one are not used again.  0, or
 * -1 and *why (free()): the old one stays. */
int poster_reload(struct poster *poster, char **why);

struct post_header {
	const char *name, *value;
};

struct post_result;
typedef void post_done_fn(void *arg, const struct post_result *result);

struct post_request {
	const struct url *url;
	const void *group;                 /* whose it is, any address or NULL: resolve_start() */
	bool verify;                       /* the endpoint's secureSsl */
	const struct post_header *headers; /* sent in this order after Host, Content-Length and,
					      unless it is one of them, our User-Agent */
	size_t nheaders;
	const void *body; /* must stay unchanged until the callback; not copied where avoidable */
	size_t body_len;
	int64_t timeout_ms; /* over the whole attempt: DNS to the last byte of the head */
	/* NULL, or told before fn, once at most and from the loop, with fn's arg: the outcome
	 * stands, and is in the result but for the body, of which the first bytes are waited for.
	 */
	post_done_fn *on_head;
};

struct post_result {
	int status; /* 100-599, or 0 when there was no valid answer */
	/* "" for an answer, else what happened in words for an operator: "connection refused",
	 * "no such host", "certificate has expired", "timed out while connecting", … */
	const char *message;
	const char *body; /* the first keep_body bytes */
	size_t body_len;
	const char *retry_after; /* the header's value, or NULL */
	bool timed_out;          /* the deadline passed */
	bool starved;            /* there was no file descriptor left: nothing was tried */
	bool reused;             /* the connection had served another POST before */
	/* phases in microseconds; -1 where it had none */
	int64_t dns_us, connect_us, tls_us, first_byte_us, total_us;
};

/*
 * fn runs exactly once, never before post_start() returned, unless post_cancel() or poster_free()
 * came first.  The result is borrowed until fn returns.  The request is only read during the
 * call, but for url and body, which must live until fn ran or post_cancel() returned.
 *
 * With the head the outcome stands.  The result comes when the first bytes of the body are there,
 * or the body is at its end, or after wait_ms (2xx), body_ms (others) or the timeout.  What is left
 * of the body is then read without the POST, so that the connection can be used again.
 */
struct post *post_start(
    struct poster *poster, const struct post_request *request, post_done_fn *fn, void *arg);
void post_cancel(struct post *post); /* fn never runs; the connection is closed */

struct poster_stats {
	uint64_t connects; /* attempts to connect */
	uint64_t reuses;   /* POSTs that found an open connection */
	uint64_t lookups;  /* DNS */
	size_t open;       /* connections now */
	size_t idle;       /* of them in the pool */
	/* the phases of finished POSTs, as in their results */
	struct histogram dns, connect, tls, first_byte, total;
};
void poster_stats(const struct poster *poster, struct poster_stats *stats);

#endif
