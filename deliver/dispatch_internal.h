/* What the files of the dispatcher share. */
#ifndef DELIVER_DISPATCH_INTERNAL_H
#define DELIVER_DISPATCH_INTERNAL_H

#include <sys/queue.h>
#include <uthash.h>

#include "deliver/concurrency.h"
#include "deliver/dispatch.h"
#include "deliver/fairness.h"
#include "proto/sign.h"
#include "proto/url.h"
#include "proto/webhook.h"
#include "store/queue.h"

/* Deliveries that one process holds in memory, and the bytes of their payloads, before publishing
 * and claiming lease no more to it. */
#define HELD_MAX 8192
#define HELD_BYTES_MAX (64 * 1024 * 1024)
/* Of one webhook, deliveries are in memory for at most so many times its cap, and no more waiting
 * than can be expected to start within that time. */
#define WAITING_PER_CAP 8
#define SOON_MS 1000
/* Below that, a webhook's room is told to Redis; of others publishing leases so much at most. */
#define TIGHT_ROOM ((size_t)CAP_AT_FIRST * WAITING_PER_CAP)
/* And so much is claimed, until it is seen that more is due: there may be many, for one host. */
#define CLAIM_AT_FIRST 2
/* An event's payload is looked for in memory, when it is claimed, from so many bytes on. */
#define PAYLOAD_LARGE 4096
/* A tenant that had no room is claimed for again when it has so much, if there is that much. */
#define SHARE_ROOM_ENOUGH 32
/* Connections that a webhook may have at first; each success adds one. */
#define CAP_AT_FIRST 8
#define REST_MS 100 /* when there are no file descriptors left */
/* One publish request leases at most so many. */
#define LEASES_PER_REQUEST 1024
/* Settings older than that are read again before anything starts by them. */
#define SETTINGS_FRESH_MS 1000
#define RESPONSE_KEPT 1024
/* A notice is tried so often again, exponentially from 10 s. */
#define ALERT_RETRIES 3
#define ALERT_INTERVAL_SECONDS 10

/*
 * A delivery in memory.
 *
 *   WAITING ── a place is free, settings are fresh ──▶ POSTING ── answered or failed ──▶ SETTLING
 *      │                                                  │                                 │
 *      │                            its head is there: the place is free ─▶ READING ──▶ as above
 *      │ too late to start in the lease,                  │ cut off in a drain         Redis has it
 *      │ webhook inactive, drain                          ▼                                 ▼
 *      └──────────────────────────────────────────▶ RELEASING ── Redis has it ──────────▶ (gone)
 *
 * Without a file descriptor for it a POST was never made: POSTING goes back to WAITING.
 * A webhook that was deleted ends its WAITING ones at once: its queue is gone.
 * delivery_enter() in delivery.c makes all transitions.
 */
enum delivery_state {
	DELIVERY_WAITING,
	DELIVERY_POSTING,
	DELIVERY_READING, /* the outcome stands; the first bytes of the body are for the record */
	DELIVERY_SETTLING,
	DELIVERY_RELEASING
};

enum delivery_kind {
	DELIVERY_QUEUED, /* leased from the target's queue */
	DELIVERY_TEST    /* of POST …/test: no queue knows of it */
};

struct delivery {
	TAILQ_ENTRY(delivery) entry; /* in the target's list of its state */
	enum delivery_state state;
	enum delivery_kind kind;
	struct target *target;
	struct payload *payload;
	int64_t lease_end;   /* Redis' clock: names the lease */
	int64_t start_by_ms; /* monotonic: later it would outlive the lease */
	int64_t started_ms;
	unsigned number; /* of the attempt, from 1 */
	struct post *post;
	struct destination *destination; /* from POSTING on */
	/* the outcome, from READING on */
	bool success;
	bool sent; /* its script is under way */
	int status;
	int64_t duration_ms;
	int64_t retry_after_ms; /* what the endpoint asked for; -1 */
	struct judgement judgement;
	char trigger[12];
	char *message;
	char *response;
	size_t response_len;
};
TAILQ_HEAD(delivery_list, delivery);

/* Where a POST under way goes, whatever becomes of the webhook's settings meanwhile. */
struct destination {
	unsigned refs;
	struct url url;
	struct visitor *at; /* the site */
};

/* What a tenant holds of a site; while any destination is there. */
struct visitor {
	UT_hash_handle hh;
	struct site *site;
	struct share *share; /* outlives it: so do the targets of its destinations */
	size_t destinations;
	size_t inflight;
	struct fair_group parked; /* in site->parked */
};

/*
 * A scheme, host and port that POSTs go to, whosever webhooks they are for.  It has places as a
 * tenant has, and a cap as a webhook has.  Targets that could start but for that are parked at it.
 */
struct site {
	UT_hash_handle hh;
	char key[sizeof "https://:65535" + sizeof((struct url *)0)->host];
	struct dispatch *dispatch;
	struct concurrency concurrency;
	size_t inflight;
	struct visitor *visitors; /* by share */
	struct fair parked;
	TAILQ_ENTRY(site) entry;        /* in dispatch->parked while any are */
	TAILQ_HEAD(, target) hungry;    /* would take more but for the site */
	TAILQ_ENTRY(site) hungry_entry; /* in dispatch->hungry while there are any */
};

/* What a tenant holds of this process, and has waiting in it. */
struct share {
	UT_hash_handle hh;
	struct dispatch *dispatch;
	struct uuid tenant;
	unsigned shard;
	size_t targets;    /* references */
	size_t held;       /* deliveries in memory */
	size_t held_bytes; /* of their payloads, each counted once */
	size_t inflight;
	size_t waiting;            /* deliveries for a connection */
	uint64_t ended;            /* attempts on the wire */
	size_t startable;          /* as in struct dispatch */
	LIST_ENTRY(share) entry;   /* in by_shard */
	struct fair_group ready;   /* could start a delivery now */
	TAILQ_HEAD(, target) full; /* have no room for more in memory */
	size_t nfull;
	TAILQ_HEAD(, target) fit;   /* the others, those that were full last at first */
	TAILQ_HEAD(, target) tight; /* their room is told to Redis; the full ones too */
	bool backlog;               /* Redis has more that is due for it than there was room for */
	bool slow_backlog;          /* the same, for webhooks whose endpoints are slow */
	struct fair slow; /* targets that wait until it is not short of places; one group */
	struct fair_group slow_group;
	TAILQ_ENTRY(share) short_entry; /* in dispatch->short_of_places while there are any */
};

/*
 * A webhook that this process delivers to, or the alertEndpoint of one.
 *
 *   UNKNOWN ── something waits ──▶ ASKING ──▶ READY ── a second passed, or it changed ──▶ UNKNOWN
 *
 * target_enter() in target.c makes all transitions.
 */
enum target_state { TARGET_UNKNOWN, TARGET_ASKING, TARGET_READY };

/* What Redis is told of those that ended; those of a kind go together. */
enum tell_kind { TELL_ACK, TELL_FAILURE, TELL_TEST, TELL_RELEASE, TELL_KINDS };

struct target {
	UT_hash_handle hh;
	struct ulid locator;
	bool alert; /* its notices go to the alertEndpoint, whether it is active or not */
	struct queue_name queue; /* the key of the table */
	struct dispatch *dispatch;
	struct share *share;
	enum target_state state;
	int64_t changed;    /* how often it was changed since it is known here */
	int64_t checked_ms; /* when the settings were last known to be true */
	int64_t idle_since_ms;
	struct webhook *webhook;         /* NULL until READY for the first time */
	const struct endpoint *endpoint; /* of the webhook; NULL when it has none (any more) */
	struct destination *destination; /* NULL without endpoint */
	struct signer *signer;           /* NULL without hmacEnabled */
	struct signer *previous_signer;  /* of the replaced secret */
	struct post_header *headers;     /* the same in each attempt; borrowed from webhook */
	size_t nheaders;
	struct concurrency concurrency;
	struct event *rested; /* pending while nothing starts; NULL before the first time */
	int64_t took_us;      /* an attempt, of late */
	size_t inflight;
	size_t nwaiting;
	size_t nretries;              /* of them, at the head of the list */
	size_t ntests;                /* of POST …/test, in any state */
	size_t nundecided;            /* failures that wait for fresh settings to be judged by */
	struct delivery_list waiting; /* more attempts first, then as they came */
	struct delivery_list posting;
	struct delivery_list reading;
	struct delivery_list untold[TELL_KINDS]; /* settling or releasing, Redis is to be told */
	struct delivery_list telling;            /* Redis was sent it, and has not answered */
	unsigned acks;                           /* under way */
	bool is_full;                            /* in share->full, else in share->fit */
	bool is_tight;                           /* in share->tight */
	bool is_deep;                            /* of late more was due for it than it got */
	bool is_dirty;                           /* in dispatch->dirty */
	bool backlog;                            /* Redis has more that is due for it */
	bool is_parked;                          /* in its site's list, not in share->ready */
	bool is_slow;                            /* in share->slow, not in share->ready */
	bool is_hungry;                          /* in its site's list */
	TAILQ_ENTRY(target) hungry_entry;
	struct fair_member turn; /* in share->ready */
	TAILQ_ENTRY(target) full_entry;
	TAILQ_ENTRY(target) tight_entry;
	TAILQ_ENTRY(target) dirty_entry;
};

struct claimer;

struct dispatch {
	struct dispatch_opts opts;
	struct target *targets; /* by queue */
	struct share *shares;   /* by tenant */
	LIST_HEAD(share_list, share) * by_shard;
	struct payload *large; /* payloads in memory of PAYLOAD_LARGE and more, by locator */
	struct site *sites;    /* by key */
	TAILQ_HEAD(, share) short_of_places; /* those with targets that wait for them */
	TAILQ_HEAD(, site) parked;           /* those with targets that wait for them */
	TAILQ_HEAD(, site) hungry;  /* and those with targets that take no more because of them */
	struct fair ready;          /* shares, and their targets that could start now */
	TAILQ_HEAD(, target) dirty; /* have something to tell Redis */
	struct claimer *claimer;
	struct event *turn; /* starts and settles once a turn of the loop */
	struct event *tick; /* what depends on time alone */
	bool up;
	int64_t start_within_ms; /* of the lease: a later attempt might outlive it */
	size_t held;
	size_t held_bytes; /* of payloads, each counted once */
	size_t nholding;   /* shares that hold any */
	size_t inflight;
	size_t waiting;
	size_t startable; /* of them, at targets that may start one now */
	size_t left;      /* of these, those for which the last turn had no place */
	int64_t now_ms;   /* monotonic, at the last turn or tick: old when nothing happens */
	bool draining;
	struct event *rested; /* pending while nothing starts: there were no file descriptors */
	void (*drained)(void *arg);
	void *drained_arg;
	struct dispatch_stats totals; /* the counters; the gauges are filled on reading */
	struct tally tally;
};

/* dispatch.c */
void dispatch_run_turn(struct dispatch *dispatch); /* soon, once for however many calls */
void dispatch_rest(struct dispatch *dispatch);     /* starts nothing for a moment */
void dispatch_arm_tick(struct dispatch *dispatch); /* runs while there is any target */

/* share.c */
struct share *share_find(struct dispatch *dispatch, const struct uuid *tenant); /* or NULL */
struct share *share_get(struct dispatch *dispatch, const struct uuid *tenant);
void share_put(struct share *share);
void share_hold(struct share *share, struct payload *payload);   /* one more delivery */
void share_let_go(struct share *share, struct payload *payload); /* one less */
/* The event's payload, with a reference for the caller: the one that is in memory, or a new one. */
struct payload *share_payload(
    struct dispatch *dispatch, const struct event_parts *parts, int64_t accepted_us);
bool share_may_start(const struct share *share); /* another one now */
/* For how many more deliveries; share: NULL for a tenant that holds nothing. */
size_t share_room(const struct dispatch *dispatch, const struct share *share);
/* Places that are taken, and those that the next turn will give away. */
size_t share_places_taken(const struct dispatch *dispatch);
/* Only a quarter of what it may have is left. */
bool share_is_short(const struct share *share);
/* Whether the last places are kept from the target, for those of its tenant that take little time.
 */
bool share_keeps_from(const struct target *target);
void share_park(struct target *target); /* it is in no list */
void share_unpark(struct target *target);
/* Gives as many as there are places for by now their turn again. */
void share_unpark_all(struct dispatch *dispatch);
/* A claim may have left some in Redis for want of room. */
void share_note_backlog(struct share *share);
/* Claims again for what there was no room for, if there is. */
void share_check_backlog(struct share *share);

/* site.c */
struct visitor *site_join(struct share *share, const struct url *url);
void site_leave(struct visitor *visitor);
/* Whether one more POST of the target may go there, of so many at most that go there. */
bool site_may_start(const struct target *target, size_t most);
void site_park(struct target *target); /* it is in no list */
void site_unpark(struct target *target);
/* Gives those that may go there by now their turn again; whether there were any. */
bool site_unpark_all(struct dispatch *dispatch, size_t most);
/* Whether the target's site lets it take no more; it is looked at again when there is room. */
bool site_starves(struct target *target);
void site_feed_all(struct dispatch *dispatch);
void site_forget(struct target *target); /* before it leaves */
/* A POST to it began or ended. */
void site_began(struct visitor *visitor);
void site_ended(struct visitor *visitor);
/* What an attempt that began then says about it. */
void site_answered(struct site *site, bool success);
void site_failed(struct site *site, int64_t started_ms); /* timed out, or refused */

/* target.c */
struct target *target_find(struct dispatch *dispatch, const struct ulid *webhook, bool alert);
struct target *target_get(
    struct dispatch *dispatch, const struct uuid *tenant, const struct ulid *webhook, bool alert);
void target_free(struct target *target); /* only when it holds nothing */
void target_saw_version(struct target *target, int64_t version);
void target_changed(struct target *target);
bool target_is_fresh(const struct target *target);
bool target_may_start(const struct target *target); /* READY */
/* Out of turn until its site, or its tenant, has room, and back. */
void target_park(struct target *target);
void target_park_slow(struct target *target);
void target_unpark(struct target *target);
bool target_is_ready(const struct target *target); /* could start one now */
void target_turn_away(struct target *target);      /* what waits, as it may not start */
/* Asks for its settings if it has to, and puts it into or takes it out of the lists. */
void target_update(struct target *target);
void target_mark_dirty(struct target *target);
void destination_unref(struct destination *destination); /* NULL is fine */

/* target_room.c */
/* What an attempt says about the endpoint: how many connections it may have, when the next. */
void target_answered(struct target *target, bool success);
void target_timed_out(struct target *target);
void target_refused(struct target *target);
void target_took(struct target *target, int64_t ms); /* so long */
bool target_rests(const struct target *target);
bool target_is_slow(const struct target *target);
size_t target_most(const struct target *target); /* in memory */
size_t target_room(const struct target *target); /* for more of them */
/* The same with a view to its tenant, for whom the last quarter is kept from slow endpoints. */
size_t target_room_now(struct target *target);
/* For more retries: what is due by the policy does not wait behind first tries. */
size_t target_room_for_retries(const struct target *target);
/* Hands back what is more than may wait in memory. */
void target_release_surplus(struct target *target);

/* delivery.c */
/* number: of the attempt, from 1. */
struct delivery *delivery_new(struct target *target, struct payload *payload, unsigned number,
    int64_t lease_end, int64_t asked_ms);
void delivery_start(struct delivery *delivery);
void delivery_release(struct delivery *delivery); /* WAITING or POSTING: back to Redis */
void delivery_settle(struct delivery *delivery);  /* READING: without the rest of the body */
void delivery_forget(struct delivery *delivery);  /* frees it, in whatever state */
/* A failure that still has to be judged by the webhook as it is now. */
bool delivery_is_undecided(const struct delivery *delivery);
/* SETTLING and undecided: the webhook is of another version than it was judged by. */
void delivery_judge_again(struct delivery *delivery);
void delivery_mark_sent(struct delivery *delivery, bool sent);
/* What an attempt came to: counted, and one line in the log. */
void delivery_tell(const struct delivery *delivery, enum tally_outcome outcome);
/* Ends the waiting notices of an alertEndpoint that is no more. */
void delivery_give_up_waiting(struct target *target);

/* settle.c */
void settle_target(struct target *target); /* sends what its deliveries came to */

/* claimer.c */
struct claimer *claimer_new(struct dispatch *dispatch);
void claimer_free(struct claimer *claimer);
void claimer_up(struct claimer *claimer);
void claimer_down(struct claimer *claimer);
void claimer_look(struct claimer *claimer);                            /* at all shards, soon */
void claimer_poke(struct claimer *claimer, const struct uuid *tenant); /* its shard has work */
/* Its shard has work in so many ms. */
void claimer_expect(struct claimer *claimer, const struct uuid *tenant, int64_t in_ms);
void claimer_turn(struct claimer *claimer); /* claims if there is work and room */
/* Whether leases may be on their way. */
bool claimer_is_claiming(const struct claimer *claimer);

#endif
