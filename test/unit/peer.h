/* Servers on the loopback that do what a test says, and a poster to try on them. */
#ifndef TEST_UNIT_PEER_H
#define TEST_UNIT_PEER_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "deliver/post.h"

enum peer_end { PEER_KEEP, PEER_CLOSE, PEER_RESET };

/* What a server does with its n-th connection or request; the last act is repeated. */
struct peer_act {
	const char *send; /* NULL: nothing */
	size_t len;       /* 0: strlen(send) */
	size_t pad;       /* that many 'x' behind it */
	enum peer_end end;
	bool at_head;   /* act at the first byte of a request, not when it is whole */
	bool at_accept; /* act on the connection */
};

struct peer;

struct peer *peer_new(struct event_base *base, const struct peer_act *acts, size_t nacts);
struct peer *peer_new6(struct event_base *base, const struct peer_act *acts, size_t nacts);
void peer_set_tls(struct peer *peer, SSL_CTX *ctx); /* taken */
void peer_free(struct peer *peer);
unsigned peer_port(const struct peer *peer);
unsigned peer_accepted(const struct peer *peer); /* connections */
unsigned peer_requests(const struct peer *peer); /* whole requests */
unsigned peer_closed(const struct peer *peer);   /* connections that the client ended */
size_t peer_sent(const struct peer *peer);       /* bytes that the kernel took */
unsigned peer_resumed(const struct peer *peer);  /* TLS sessions that were resumed */
void peer_close_idle(struct peer *peer);         /* closes the connections that are open */
const char *peer_last(struct peer *peer);        /* the last request as it came */
/* On the connection that was accepted last, at once: bytes, or changes of keys (TLS 1.3) and then
 * bytes. */
void peer_push(struct peer *peer, const char *text);
void peer_change_keys(struct peer *peer, unsigned n, const char *text);

/* A poster that may connect to the loopback, and one POST's result. */
struct
try {
	struct event_base *base;
	struct cidr allow[2];
	struct egress egress;
	struct poster_opts opts;
	struct poster *poster;
	const struct post_header *headers; /* of each POST */
	size_t nheaders;
};

struct tried {
	struct try *t;
	struct url url;
	struct post *post;
	unsigned heads, calls;
	bool cancels;              /* when it hears of the head */
	struct post_result result; /* texts copied into: */
	char message[512], retry_after[128];
	char body[65536];
};

void try_init(struct try *t); /* fills in base, egress, opts; then try_start() */
void try_start(struct try *t);
void try_clear(struct try *t);

/* Starts; then waits for the result. */
void tried_start(struct tried *tried, struct try *t, bool verify, const void *body, size_t len,
    int64_t timeout_ms, const char *url, ...) __attribute__((format(printf, 7, 8)));
void tried_wait(struct tried *tried);
void tried_wait_head(struct tried *tried); /* for on_head */
void tried_wait_for(struct try *t, unsigned (*count)(const struct peer *), const struct peer *peer,
    unsigned n); /* runs the loop until count(peer) >= n */

#endif
