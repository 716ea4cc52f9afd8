/* What the resolver's files share: one question to DNS, the queue, and resolv.conf. */
#ifndef BASE_RESOLVE_INTERNAL_H
#define BASE_RESOLVE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <uthash.h>

#include "base/resolve.h"

#define RESOLVE_ADDRS 32  /* of each family that are taken */
#define RESOLVE_PLACES 64 /* names that are asked for at a time */
#define RESOLVE_SHARE 48  /* of them for one group */

/* --- resolve_conf.c: whom to ask, and for what --- */

#define RESOLVE_SERVERS 8
#define RESOLVE_SEARCH 8

struct resolve_conf {
	char *servers[RESOLVE_SERVERS]; /* in c-ares' form, with the port */
	size_t nservers;
	char *search[RESOLVE_SEARCH]; /* domains */
	size_t nsearch;
	unsigned ndots;
};

/* False when addr is none: "addr", "addr:port", "[addr]:port". */
bool resolve_conf_add_server(struct resolve_conf *conf, const char *addr);
/* Reads a resolv.conf(5); 127.0.0.1 when it names no server or is not there. */
void resolve_conf_read(struct resolve_conf *conf, const char *path);
void resolve_conf_clear(struct resolve_conf *conf);
/* The n-th full name to ask for, in buf or host itself; NULL: there are no more. */
const char *resolve_conf_candidate(
    const struct resolve_conf *conf, const char *host, size_t n, char *buf, size_t size);

/* --- resolve_query.c: one question, over sockets of its own --- */

enum resolve_error {
	RESOLVE_OK,
	RESOLVE_NO_NAME,
	RESOLVE_NO_ADDRESS,
	RESOLVE_TIMEOUT,
	RESOLVE_SERVER_FAILED,
	RESOLVE_REFUSED,
	RESOLVE_BAD_FORMAT,
	RESOLVE_NOT_IMPLEMENTED,
	RESOLVE_UNREACHABLE, /* no server could be asked */
	RESOLVE_UNUSABLE
};

struct resolve_query;

struct resolve_found {
	enum resolve_error error;
	bool moved_on; /* the first server was silent or failed, and another one answered */
	union resolve_addr list[RESOLVE_ADDRS];
	size_t n;
	int64_t ttl_ms; /* the lowest */
};

/* found is borrowed until the query is ended. */
typedef void resolve_query_fn(void *arg, int family, const struct resolve_found *found);

/* Asks for the addresses of the name as it is; conf is borrowed, and may change.  fn runs once,
 * later; it may end the query, and nothing is heard of a query that was ended. */
struct resolve_query *resolve_query_start(struct event_base *base, const struct resolve_conf *conf,
    const char *host, int family, resolve_query_fn *fn, void *arg);
void resolve_query_end(struct resolve_query *query);

/* --- resolve_queue.c: whose turn it is to be asked for --- */

struct resolve_group {
	const void *key;
	size_t under_way;
	TAILQ_HEAD(resolve_turns, resolve_turn) waiting;
	TAILQ_ENTRY(resolve_group) link; /* in ready, when it has one waiting and room for it */
	bool ready;
	UT_hash_handle hh;
};

/* A name's place in the queue; zeroed: none. */
struct resolve_turn {
	struct resolve_group *group;
	bool under_way;
	TAILQ_ENTRY(resolve_turn) link; /* when waiting */
};

struct resolve_queue {
	struct resolve_group *groups;
	TAILQ_HEAD(, resolve_group) ready; /* take turns */
	size_t under_way;
};

void resolve_queue_init(struct resolve_queue *queue);
void resolve_queue_add(struct resolve_queue *queue, struct resolve_turn *turn, const void *key);
/* The next one, which is under way from now on; NULL: none waits that may. */
struct resolve_turn *resolve_queue_next(struct resolve_queue *queue);
void resolve_queue_remove(struct resolve_queue *queue, struct resolve_turn *turn);

#endif
