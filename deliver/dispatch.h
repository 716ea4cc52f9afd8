/* The dispatcher: takes leased deliveries, claims due ones, and brings each to its end. */
#ifndef DELIVER_DISPATCH_H
#define DELIVER_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "deliver/payload.h"
#include "deliver/post.h"
#include "deliver/tally.h"
#include "store/events.h"
#include "store/store.h"

struct dispatch;

/* Which outcomes of attempts are logged. */
enum dispatch_log { DISPATCH_LOG_ALL, DISPATCH_LOG_FAILURES, DISPATCH_LOG_NONE };

struct dispatch_opts {
	struct event_base *base;
	struct store *store;
	struct poster *poster;
	int64_t lease_ms;
	int64_t delivery_timeout_ms;
	int64_t attempts_kept;
	int64_t max_diverted;        /* of a webhook */
	size_t endpoint_concurrency; /* of one webhook at most */
	size_t delivery_concurrency; /* of the process */
	enum dispatch_log log;
};

struct dispatch *dispatch_new(const struct dispatch_opts *opts);
void dispatch_set_log(struct dispatch *dispatch, enum dispatch_log log);
/* After store_free(), whose last callbacks come here, and before poster_free(). */
void dispatch_free(struct dispatch *dispatch);

/* --- from the store --- */

void dispatch_store_up(struct dispatch *dispatch);
void dispatch_store_down(struct dispatch *dispatch);
/* The webhook was changed or deleted, here or elsewhere: nothing starts by its old state. */
void dispatch_webhook_changed(struct dispatch *dispatch, const struct ulid *webhook);
/* Something in some queue became due early. */
void dispatch_look(struct dispatch *dispatch);

/* --- from publishing --- */

#define DISPATCH_ROOMS_MAX 64

/* What a publish request of the tenant may lease, which is what can start soon: its most, of each
 * webhook at most, and of some of them less. */
struct dispatch_room {
	size_t leases;
	size_t each;
	struct publish_room of[DISPATCH_ROOMS_MAX];
	size_t n;
};
void dispatch_room(
    struct dispatch *dispatch, const struct uuid *tenant, struct dispatch_room *room);

/* A delivery leased to this instance until lease_end (Redis' clock, the lease's name); it was
 * asked for at asked_ms (monotonic).  Takes no reference of the caller's. */
void dispatch_take(struct dispatch *dispatch, struct payload *payload, const struct uuid *tenant,
    const struct ulid *webhook, int64_t version, int64_t lease_end, int64_t asked_ms);
/* A delivery was queued for that webhook without a lease: due now. */
void dispatch_waiting(
    struct dispatch *dispatch, const struct uuid *tenant, const struct ulid *webhook);

#define DISPATCH_TESTS_MAX 4 /* test events of one webhook under way */

/* Sends a test event to that webhook alone: one try, recorded, no more; false, and nothing is done,
 * when there are too many under way.  Takes no reference. */
bool dispatch_test(struct dispatch *dispatch, struct payload *payload, const struct uuid *tenant,
    const struct ulid *webhook);

/* --- the end --- */

/* Claims nothing any more, hands back what was not started, lets the rest finish; done runs once,
 * later, when nothing is held any more.  Without done it only begins: call again with it. */
void dispatch_drain(struct dispatch *dispatch, void (*done)(void *arg), void *arg);
/* During a drain: cuts off what is still on the wire and hands it back too. */
void dispatch_cut(struct dispatch *dispatch);

/* Deliveries that waited for a webhook when it became inactive, and were not tried. */
struct dispatch_swept {
	uint64_t diverted;
	uint64_t dropped;
};

struct dispatch_stats {
	uint64_t ended; /* attempts on the wire that came to an end */
	uint64_t delivered;
	uint64_t failed;  /* deliveries that ended so */
	uint64_t retried; /* attempts after which another one is due */
	uint64_t diverted;
	uint64_t dropped;
	struct dispatch_swept suspended;
	struct dispatch_swept disabled;
	uint64_t claimed;
	uint64_t unreadable; /* could not be read when they were claimed, and ended as failed */
	uint64_t released;
	size_t held;     /* deliveries in memory: waiting, on the wire, being settled */
	size_t waiting;  /* of them, for a connection */
	size_t inflight; /* of them, on the wire */
	size_t webhooks; /* known here */
};
void dispatch_stats(const struct dispatch *dispatch, struct dispatch_stats *stats);
/* Deliveries that wait for a connection, and attempts on the wire that came to an end, of a tenant
 * (NULL: of all); both 0 when nothing of it is here. */
void dispatch_load(
    const struct dispatch *dispatch, const struct uuid *tenant, size_t *waiting, uint64_t *ended);
/* Borrowed. */
const struct tally *dispatch_tally(const struct dispatch *dispatch);

#endif
