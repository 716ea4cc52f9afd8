/* Names to addresses without blocking: the hosts file, DNS by c-ares, and what is remembered. */
#ifndef BASE_RESOLVE_H
#define BASE_RESOLVE_H

#include <event2/event.h>
#include <netinet/in.h>
#include <stdbool.h>
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
	bool starved;                   /* a failure: there was no file descriptor left */
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
	int64_t look_ms;   /* no more often than that it is looked whether they changed */
	bool fresh;        /* nothing is remembered: each resolve_start() asks */
	bool search;       /* names are completed as resolv.conf says; else they are absolute */
};

/* NULL when an address is unusable; *why says it in one line (free()). */
struct resolver *resolve_new(const struct resolve_opts *opts, char **why);
/* Those who wait hear nothing any more.  Not from within a resolve_done_fn. */
void resolve_free(struct resolver *resolver);

/* An answer that is known already: from /etc/hosts, or remembered for as long as DNS said, 1 s at
 * least and 5 min at most, a failure 1 s; else NULL.  It is borrowed until the next call or turn of
 * the loop. */
const struct resolve_answer *resolve_known(struct resolver *resolver, const char *host);
/* fn runs once, later, at the latest after 5 s; the answer is borrowed until it returns.  No more
 * than 64 names are asked for at a time, the others wait for their turn; those of one group (any
 * address that is the group's own, or NULL) get no more than 48 of these places. */
void resolve_start(struct resolver *resolver, const char *host, const void *group,
    struct resolve_wait *wait, resolve_done_fn *fn, void *arg);
void resolve_cancel(struct resolve_wait *wait); /* fine on one that does not wait */

uint64_t resolve_lookups(const struct resolver *resolver); /* names asked for */

#endif
