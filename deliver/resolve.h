/* Names to addresses without blocking: evdns, /etc/hosts, a short cache, one lookup per name. */
#ifndef DELIVER_RESOLVE_H
#define DELIVER_RESOLVE_H

#include <event2/event.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/queue.h>

struct resolver;
struct resolve_name;

union resolve_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct resolve_answer {
	const char *failure;            /* NULL, or what happened in words; then there is none */
	const union resolve_addr *list; /* ports are 0; IPv4 and IPv6 take turns, IPv4 first */
	size_t n;
};

typedef void resolve_done_fn(void *arg, const struct resolve_answer *answer);

/* A place in the queue for one name's answer; the caller's memory. */
struct resolve_wait {
	struct resolve_name *name; /* NULL: not waiting */
	resolve_done_fn *fn;
	void *arg;
	TAILQ_ENTRY(resolve_wait) link;
};

struct resolve_opts {
	struct event_base *base;
	const char *const *dns; /* "addr:port" each; none: the system's resolver, that is: */
	size_t ndns;
	const char *conf;  /* resolv.conf(5), read again when it changed; 127.0.0.1 without one */
	const char *hosts; /* hosts(5), likewise */
};

/* NULL when an address is unusable; *why says it in one line (free()). */
struct resolver *resolve_new(const struct resolve_opts *opts, char **why);
/* Those who wait hear nothing any more.  Lookups under way end in the next turn of the loop. */
void resolve_free(struct resolver *resolver);

/* An answer that is known already: from the cache (5 s, a failure 1 s) or /etc/hosts; else NULL.
 * It is borrowed until the next call or turn of the loop. */
const struct resolve_answer *resolve_known(struct resolver *resolver, const char *host);
/* fn runs once, later, at the latest after 5 s; the answer is borrowed until it returns. */
void resolve_start(struct resolver *resolver, const char *host, struct resolve_wait *wait,
    resolve_done_fn *fn, void *arg);
void resolve_cancel(struct resolve_wait *wait); /* fine on one that does not wait */

uint64_t resolve_lookups(const struct resolver *resolver); /* names asked for */

#endif
