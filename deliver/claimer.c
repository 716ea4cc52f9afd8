/*
 * Claiming: when to look into Redis for due deliveries, and taking them.
 *
 * For each shard it keeps when work is due there.  It learns that from a look at all shards once a
 * second (one script), from the answers to its own claims, and from what this process does itself;
 * a claim goes out when something is due and there is room.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "deliver/dispatch_internal.h"

#define LOOK_EVERY_MS 1000
/* Once Redis writes again after it refused to: what each process knows to be delivered is told
 * first, which takes a tick of the dispatcher, a second at most. */
#define HOLD_MS 1500
#define CLAIM_MAX 256  /* deliveries that one claim takes */
#define CLAIM_LEAST 32 /* when hardly a place is free: more may be by the time they are here */
#define CLAIM_LIMITS_MAX 1000
#define NEVER INT64_MAX

struct claim_shard {
	int64_t due_ms;   /* monotonic; NEVER */
	int64_t position; /* in its wake-up index, to go on from */
	bool claiming;
	bool poked; /* while a claim was under way */
	bool more;  /* is due in what was paged over since the beginning of the index */
};

struct claimer {
	struct dispatch *dispatch;
	struct event *timer;
	struct claim_shard *shards;
	unsigned nshards;
	int64_t earliest_ms; /* least due_ms of the shards that are not being claimed */
	int64_t look_ms;     /* monotonic: when to look at all of them */
	int64_t hold_ms;     /* monotonic: nothing is claimed before */
	bool refused;        /* the last look was */
	bool looking;
	bool look_again; /* asked for while a look was under way, which may have come too early */
	unsigned claims; /* under way */
};

struct claim {
	struct claimer *claimer;
	unsigned shard;
	int64_t asked_ms;
};

/* --- when --- */

static void
claimer_find_earliest(struct claimer *claimer)
{
	claimer->earliest_ms = NEVER;
	for (unsigned i = 0; i < claimer->nshards; i++)
		if (!claimer->shards[i].claiming &&
		    claimer->shards[i].due_ms < claimer->earliest_ms)
			claimer->earliest_ms = claimer->shards[i].due_ms;
}

/* Sleeps until something is due or the next look; what is due already waits for room, and the
 * end of a delivery brings us back. */
static void
claimer_sleep(struct claimer *claimer)
{
	int64_t now = clock_mono_ms();
	int64_t at = claimer->look_ms;
	struct timeval tv;

	if (claimer->earliest_ms > now && claimer->earliest_ms < at)
		at = claimer->earliest_ms;
	at = at > now ? at - now : 0;
	tv.tv_sec = at / 1000;
	tv.tv_usec = (at % 1000) * 1000;
	event_add(claimer->timer, &tv);
}

static void
claimer_set_due(struct claimer *claimer, unsigned shard, int64_t due_ms, int64_t position)
{
	claimer->shards[shard].due_ms = due_ms;
	claimer->shards[shard].position = position;
}

void
claimer_poke(struct claimer *claimer, const struct uuid *tenant)
{
	struct claim_shard *shard;
	int64_t now = clock_mono_ms();
	unsigned i;

	if (!claimer->dispatch->up)
		return; /* a look follows when it is up again; at the end there is no store any more
			 */
	i = queue_shard(claimer->dispatch->opts.store, tenant);
	shard = &claimer->shards[i];

	if (shard->claiming) {
		shard->poked = true;
		return;
	}
	if (shard->due_ms > now)
		claimer_set_due(claimer, i, now, 0);
	if (claimer->earliest_ms > now)
		claimer->earliest_ms = now;
	dispatch_run_turn(claimer->dispatch);
}

void
claimer_expect(struct claimer *claimer, const struct uuid *tenant, int64_t in_ms)
{
	unsigned i = queue_shard(claimer->dispatch->opts.store, tenant);
	struct claim_shard *shard = &claimer->shards[i];
	int64_t at = clock_mono_ms() + in_ms;

	/* while a claim is under way its answer, or the next look, will know */
	if (shard->claiming || shard->due_ms <= at)
		return;
	claimer_set_due(claimer, i, at, 0);
	if (claimer->earliest_ms > at)
		claimer->earliest_ms = at;
	claimer_sleep(claimer);
}

/* --- claiming --- */

/* What waits for an endpoint that takes no more does not keep the others from getting theirs; and
 * without a free place nothing is claimed, as others may have some. */
static size_t
claimer_room(const struct dispatch *dispatch)
{
	size_t most = dispatch->opts.delivery_concurrency;
	size_t busy = share_places_taken(dispatch);
	size_t room;

	if (dispatch->draining || dispatch->held_bytes >= HELD_BYTES_MAX ||
	    dispatch->held >= HELD_MAX || dispatch->inflight >= most)
		return 0;
	room = busy + CLAIM_LEAST < most ? most - busy : CLAIM_LEAST;
	if (room > HELD_MAX - dispatch->held)
		room = HELD_MAX - dispatch->held;
	return room < CLAIM_MAX ? room : CLAIM_MAX;
}

/* On our monotonic clock, by the time in the locator, which is Redis': not after now. */
static int64_t
claimer_accepted_us(const struct ulid *locator)
{
	int64_t age_ms = clock_wall_ms() - ulid_ms(locator);

	return clock_mono_us() - (age_ms > 0 ? age_ms * 1000 : 0);
}

/* The first of a target's deliveries that are under way or to be told under a lease that ran out
 * meanwhile (Redis refused to be told, or this process was stopped); of that event, or of any
 * (NULL). */
static struct delivery *
claimer_find_expired(struct target *target, const struct claim_event *event, int64_t expired)
{
	struct delivery_list *const lists[] = {&target->posting, &target->untold[TELL_ACK],
	    &target->untold[TELL_FAILURE], &target->telling};
	struct delivery *delivery;

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		TAILQ_FOREACH(delivery, lists[i], entry)
		{
			if (delivery->lease_end > expired || delivery->kind == DELIVERY_TEST ||
			    delivery->state == DELIVERY_RELEASING)
				continue;
			if (event == NULL ||
			    ((delivery->success || delivery->number == event->attempts + 1) &&
				memcmp(delivery->payload->locator.s, event->locator.s, ULID_LEN) ==
				    0))
				return delivery;
		}
	return NULL;
}

/* What was claimed and is in hand already goes on under the new lease: it is not sent twice. */
static bool
claimer_renew(
    struct target *target, const struct claim_event *event, int64_t expired, int64_t lease_end)
{
	struct delivery *delivery = claimer_find_expired(target, event, expired);

	if (delivery == NULL)
		return false;
	delivery->lease_end = lease_end;
	target_mark_dirty(target);
	return true;
}

static void
claimer_take(struct claim *claim, const struct claim_result *result)
{
	struct dispatch *dispatch = claim->claimer->dispatch;

	for (size_t i = 0; i < result->n; i++) {
		const struct claim_group *group = &result->groups[i];
		struct target *target =
		    target_get(dispatch, &group->tenant, &group->webhook, group->alert);
		/* ends of leases are odd numbers, rounded up */
		int64_t expired = result->lease_end - dispatch->opts.lease_ms + 1;
		bool renew = claimer_find_expired(target, NULL, expired) != NULL;

		target_saw_version(target, group->version);
		for (size_t j = 0; j < group->n; j++) {
			struct payload *payload;
			struct delivery *delivery;

			if (renew &&
			    claimer_renew(target, &group->events[j], expired, result->lease_end))
				continue;
			payload = share_payload(dispatch, &group->events[j].parts,
			    claimer_accepted_us(&group->events[j].locator));
			delivery = delivery_new(target, payload, group->events[j].attempts + 1,
			    result->lease_end, claim->asked_ms);
			payload_unref(payload);
			if (dispatch->draining)
				delivery_release(delivery);
		}
		dispatch->totals.claimed += group->n;
		target->is_deep = group->n >= CLAIM_AT_FIRST; /* target_update() heeds it */
		target_update(target);
		target_release_surplus(target);
		share_note_backlog(target->share);
	}
}

/* What was found waiting for webhooks that are inactive by now. */
static void
claimer_note_swept(struct dispatch *dispatch, const struct claim_result *result)
{
	for (size_t i = 0; i < result->nswept; i++) {
		const struct claim_swept *swept = &result->swept[i];
		struct dispatch_swept *total =
		    swept->disabled ? &dispatch->totals.disabled : &dispatch->totals.suspended;

		total->diverted += swept->diverted;
		total->dropped += swept->dropped;
		log_begin(LOG_INFO, "queue swept");
		log_str("tenant", swept->tenant.s);
		log_str("webhook", swept->webhook.s);
		log_str("trigger", swept->disabled ? "disabled" : "suspended");
		log_int("diverted", (int64_t)swept->diverted);
		log_int("dropped", (int64_t)swept->dropped);
		log_end();
	}
}

/* When to claim in this shard again, and where in its index. */
static void
claimer_go_on(const struct claim *claim, const struct claim_result *result)
{
	struct claimer *claimer = claim->claimer;
	struct claim_shard *shard = &claimer->shards[claim->shard];
	int64_t now = clock_mono_ms();

	shard->more = shard->more || shard->poked || result->more;
	if (result->position >= 0) {
		claimer_set_due(claimer, claim->shard, now, result->position);
		return;
	}
	if (shard->more)
		claimer_set_due(claimer, claim->shard, now, 0);
	else
		claimer_set_due(claimer, claim->shard,
		    result->next_in_ms < 0 ? NEVER : now + result->next_in_ms, 0);
	shard->more = false;
}

static void
claimer_on_claim(void *arg, enum store_err err, const struct claim_result *result)
{
	struct claim *claim = arg;
	struct claimer *claimer = claim->claimer;
	struct claim_shard *shard = &claimer->shards[claim->shard];

	shard->claiming = false;
	claimer->claims--;
	if (err != STORE_OK) {
		claimer_set_due(claimer, claim->shard, NEVER, 0); /* the next look knows */
	} else {
		claimer_note_swept(claimer->dispatch, result);
		claimer->dispatch->totals.unreadable += result->unreadable;
		claimer_go_on(claim, result);
		claimer_take(claim, result);
	}
	shard->poked = false;
	free(claim);
	claimer_find_earliest(claimer);
	claimer_sleep(claimer);
	dispatch_run_turn(claimer->dispatch);
}

/* What is passed over is looked at again when there is room. */
static void
claimer_add_target(struct claim_request *request, struct claim_limit *limits, struct target *target)
{
	limits[request->nlimits++] = (struct claim_limit){
	    .queue = target->queue,
	    .first_tries = target_room_now(target),
	    .retries = target_room_for_retries(target),
	};
	target->backlog = target->is_full;
	request->npassed += limits[request->nlimits - 1].first_tries == 0 ? 1 : 0;
}

/* Which webhooks of the shard have little room here, the full ones first. */
static void
claimer_list_targets(
    struct dispatch *dispatch, struct claim_request *request, struct claim_limit *limits)
{
	const struct share *share;
	struct target *target;

	LIST_FOREACH(share, &dispatch->by_shard[request->shard], entry)
	TAILQ_FOREACH(target, &share->full, full_entry)
	{
		if (request->nlimits < CLAIM_LIMITS_MAX)
			claimer_add_target(request, limits, target);
	}
	LIST_FOREACH(share, &dispatch->by_shard[request->shard], entry)
	TAILQ_FOREACH(target, &share->tight, tight_entry)
	{
		if (request->nlimits < CLAIM_LIMITS_MAX && !target->is_full)
			claimer_add_target(request, limits, target);
	}
}

/* And which tenants. */
static void
claimer_list_tenants(
    struct dispatch *dispatch, struct claim_request *request, struct claim_tenant *tenants)
{
	struct share *share;
	size_t room;

	request->of_tenant = share_room(dispatch, NULL);
	LIST_FOREACH(share, &dispatch->by_shard[request->shard], entry)
	{
		room = share_room(dispatch, share);
		if (request->ntenants == CLAIM_LIMITS_MAX ||
		    (room >= request->wanted && request->of_tenant >= request->wanted))
			continue;
		tenants[request->ntenants++] = (struct claim_tenant){share->tenant, room};
		share_note_backlog(share);
	}
}

static void
claimer_claim(struct claimer *claimer, unsigned i, size_t room)
{
	struct dispatch *dispatch = claimer->dispatch;
	struct claim *claim = xcalloc(1, sizeof *claim);
	struct claim_limit limits[CLAIM_LIMITS_MAX];
	struct claim_tenant tenants[CLAIM_LIMITS_MAX];
	struct claim_request request = {
	    .shard = i,
	    .lease_ms = dispatch->opts.lease_ms,
	    .wanted = room,
	    .each = CLAIM_AT_FIRST,
	    .position = claimer->shards[i].position,
	    .limits = limits,
	    .tenants = tenants,
	    .max_diverted = dispatch->opts.max_diverted,
	    .attempts_kept = dispatch->opts.attempts_kept,
	};

	claim->claimer = claimer;
	claim->shard = i;
	claim->asked_ms = clock_mono_ms();
	claimer_list_targets(dispatch, &request, limits);
	claimer_list_tenants(dispatch, &request, tenants);
	claimer->shards[i].claiming = true;
	claimer->claims++;
	queue_claim(dispatch->opts.store, &request, claimer_on_claim, claim);
}

void
claimer_turn(struct claimer *claimer)
{
	int64_t now = clock_mono_ms();
	size_t room = claimer_room(claimer->dispatch);

	if (!claimer->dispatch->up || room == 0 || claimer->earliest_ms > now ||
	    claimer->hold_ms > now)
		return;
	for (unsigned i = 0; i < claimer->nshards && room > 0; i++) {
		if (claimer->shards[i].claiming || claimer->shards[i].due_ms > now)
			continue;
		claimer_claim(claimer, i, room);
		room /= 2; /* several claims under way must not overshoot by much */
	}
	claimer_find_earliest(claimer);
	claimer_sleep(claimer);
}

bool
claimer_is_claiming(const struct claimer *claimer)
{
	return claimer->claims > 0;
}

/* --- looking --- */

static void
claimer_on_due(void *arg, enum store_err err, const int64_t *in_ms, unsigned shards)
{
	struct claimer *claimer = arg;
	int64_t now = clock_mono_ms();

	claimer->looking = false;
	claimer->look_ms = claimer->look_again ? now : now + LOOK_EVERY_MS;
	claimer->look_again = false;
	if (err == STORE_OK && claimer->refused)
		claimer->look_ms = claimer->hold_ms = now + HOLD_MS;
	claimer->refused = err != STORE_OK;
	for (unsigned i = 0; err == STORE_OK && i < shards; i++) {
		struct claim_shard *shard = &claimer->shards[i];
		int64_t due_ms = in_ms[i] < 0 ? NEVER : now + in_ms[i];

		if (!shard->claiming && due_ms < shard->due_ms)
			claimer_set_due(claimer, i, due_ms, 0);
	}
	claimer_find_earliest(claimer);
	claimer_sleep(claimer);
	dispatch_run_turn(claimer->dispatch);
}

static void
claimer_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	struct claimer *claimer = arg;

	(void)fd;
	(void)what;
	if (!claimer->dispatch->up || claimer->dispatch->draining)
		return;
	if (clock_mono_ms() >= claimer->look_ms && !claimer->looking) {
		claimer->looking = true;
		claimer->look_ms = NEVER;
		queue_due(claimer->dispatch->opts.store, claimer->dispatch->opts.lease_ms,
		    claimer_on_due, claimer);
	}
	claimer_turn(claimer);
	claimer_sleep(claimer);
}

void
claimer_look(struct claimer *claimer)
{
	claimer->look_again = claimer->looking;
	if (claimer->looking || !claimer->dispatch->up)
		return;
	claimer->look_ms = clock_mono_ms();
	claimer_sleep(claimer);
}

/* --- life --- */

void
claimer_up(struct claimer *claimer)
{
	for (unsigned i = 0; i < claimer->nshards; i++)
		if (!claimer->shards[i].claiming)
			claimer_set_due(claimer, i, NEVER, 0);
	claimer->earliest_ms = NEVER;
	claimer->looking = false;
	claimer_look(claimer);
}

void
claimer_down(struct claimer *claimer)
{
	claimer->refused = false; /* its connection was lost */
	event_del(claimer->timer);
}

struct claimer *
claimer_new(struct dispatch *dispatch)
{
	struct claimer *claimer = xcalloc(1, sizeof *claimer);

	claimer->dispatch = dispatch;
	claimer->nshards = queue_shards(dispatch->opts.store);
	claimer->shards = xcalloc(claimer->nshards, sizeof *claimer->shards);
	for (unsigned i = 0; i < claimer->nshards; i++)
		claimer->shards[i].due_ms = NEVER;
	claimer->earliest_ms = NEVER;
	claimer->timer = evtimer_new(dispatch->opts.base, claimer_ev_timer, claimer);
	if (claimer->timer == NULL)
		abort();
	return claimer;
}

void
claimer_free(struct claimer *claimer)
{
	event_free(claimer->timer);
	free(claimer->shards);
	free(claimer);
}
