/*
 * The dispatcher: who may start next, and the turn in which everything happens.
 *
 * A delivery comes leased, from a publish request of this process or from a claim, and waits at its
 * target (a webhook).  Once a turn of the loop places are given away: tenants in turn, and within a
 * tenant its webhooks in turn, each within its cap, and each tenant within its share (share.c).
 * What ended is told to Redis in the same turn, then there may be room to claim more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "deliver/dispatch_internal.h"

#define TARGET_IDLE_MS 60000 /* an unused target is forgotten after that */
#define TICK_RELEASES 100 /* webhooks for which a tick hands deliveries back: each is a command */
#define TICK_AGAIN_MS 50  /* for the others */

/* --- the turn --- */

void
dispatch_run_turn(struct dispatch *dispatch)
{
	event_active(dispatch->turn, EV_TIMEOUT, 1);
}

void
dispatch_rest(struct dispatch *dispatch)
{
	struct timeval tv = {.tv_usec = REST_MS * 1000};

	if (!event_pending(dispatch->rested, EV_TIMEOUT, NULL))
		event_add(dispatch->rested, &tv);
}

static void
dispatch_ev_rested(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dispatch_run_turn(arg);
}

static void
dispatch_start_one(struct target *target)
{
	struct delivery *delivery = TAILQ_FIRST(&target->waiting);

	if (!target_is_fresh(target))
		target_changed(target); /* asks, and leaves the ready list */
	else if (!target_may_start(target))
		target_turn_away(target); /* came after the settings were read */
	else if (clock_mono_ms() > delivery->start_by_ms)
		delivery_release(delivery);
	else
		delivery_start(delivery);
}

static bool
dispatch_may_start(void *arg, void *share)
{
	(void)arg;
	return share_may_start(share);
}

/* of_site: so many at most that go to the same one. */
static void
dispatch_start_ready(struct dispatch *dispatch, size_t of_site)
{
	struct target *target;

	while (dispatch->inflight < dispatch->opts.delivery_concurrency &&
	       (target = fair_next(&dispatch->ready, dispatch_may_start, NULL)) != NULL) {
		if (!site_may_start(target, of_site))
			target_park(target);
		else if (share_keeps_from(target))
			target_park_slow(target);
		else
			dispatch_start_one(target);
	}
}

/* A site gets a quarter of the places first, and more when nobody else waits. */
static void
dispatch_give_places(struct dispatch *dispatch)
{
	size_t most = dispatch->opts.delivery_concurrency;

	share_unpark_all(dispatch);
	site_unpark_all(dispatch, (most + 3) / 4);
	dispatch_start_ready(dispatch, (most + 3) / 4);
	if (site_unpark_all(dispatch, most))
		dispatch_start_ready(dispatch, most);
	dispatch->left = dispatch->startable;
	site_feed_all(dispatch);
}

static void
dispatch_settle(struct dispatch *dispatch)
{
	struct target *target;

	while (dispatch->up && (target = TAILQ_FIRST(&dispatch->dirty)) != NULL) {
		TAILQ_REMOVE(&dispatch->dirty, target, dirty_entry);
		target->is_dirty = false;
		settle_target(target);
	}
}

static void
dispatch_check_drained(struct dispatch *dispatch)
{
	void (*done)(void *) = dispatch->drained;

	if (!dispatch->draining || done == NULL || dispatch->held > 0 ||
	    claimer_is_claiming(dispatch->claimer))
		return;
	dispatch->drained = NULL;
	done(dispatch->drained_arg);
}

static void
dispatch_ev_turn(evutil_socket_t fd, short what, void *arg)
{
	struct dispatch *dispatch = arg;

	(void)fd;
	(void)what;
	dispatch->now_ms = clock_mono_ms();
	if (!dispatch->draining && !event_pending(dispatch->rested, EV_TIMEOUT, NULL))
		dispatch_give_places(dispatch);
	dispatch_settle(dispatch);
	claimer_turn(dispatch->claimer);
	dispatch_check_drained(dispatch);
}

/* --- what depends on time alone --- */

/* Too late to start within the lease: back to Redis, or just forgotten while it is away. */
static void
dispatch_check_waiting(struct target *target, int64_t now)
{
	struct delivery *delivery, *next;

	for (delivery = TAILQ_FIRST(&target->waiting); delivery != NULL; delivery = next) {
		next = TAILQ_NEXT(delivery, entry);
		if (now <= delivery->start_by_ms) {
			if (delivery->number == 1)
				return; /* first tries stand as they came */
		} else if (target->dispatch->up || delivery->kind == DELIVERY_TEST) {
			delivery_release(delivery);
		} else {
			delivery_forget(delivery);
		}
	}
}

static bool
dispatch_has_untold(const struct target *target)
{
	for (size_t kind = 0; kind < TELL_KINDS; kind++) {
		if (!TAILQ_EMPTY(&target->untold[kind]))
			return true;
	}
	return false;
}

static bool
dispatch_is_idle(const struct target *target, int64_t now)
{
	return target->state != TARGET_ASKING && TAILQ_EMPTY(&target->waiting) &&
	       TAILQ_EMPTY(&target->posting) && TAILQ_EMPTY(&target->reading) &&
	       !dispatch_has_untold(target) && TAILQ_EMPTY(&target->telling) && !target->backlog &&
	       now - target->idle_since_ms > TARGET_IDLE_MS;
}

static void
dispatch_arm_tick_in(struct dispatch *dispatch, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	event_add(dispatch->tick, &tv);
}

void
dispatch_arm_tick(struct dispatch *dispatch)
{
	int64_t ms = dispatch->opts.lease_ms / 16;

	if (!event_pending(dispatch->tick, EV_TIMEOUT, NULL))
		dispatch_arm_tick_in(dispatch, ms < 50 ? 50 : ms > 1000 ? 1000 : ms);
}

/* Whether anything was handed back. */
static bool
dispatch_tick_target(struct target *target, int64_t now, bool may_release)
{
	size_t before = target->nwaiting;

	if (may_release) {
		dispatch_check_waiting(target, now);
		target_release_surplus(target);
	}
	if (dispatch_is_idle(target, now)) {
		target_free(target);
		return false;
	}
	if (dispatch_has_untold(target))
		target_mark_dirty(target);
	target->is_deep = target->is_deep && target->nwaiting + target->inflight > 0;
	target_update(target);
	return target->nwaiting < before;
}

static void
dispatch_ev_tick(evutil_socket_t fd, short what, void *arg)
{
	struct dispatch *dispatch = arg;
	struct target *target, *next;
	size_t releases = 0;

	(void)fd;
	(void)what;
	dispatch->now_ms = clock_mono_ms();
	HASH_ITER(hh, dispatch->targets, target, next)
	{
		if (dispatch_tick_target(target, dispatch->now_ms, releases < TICK_RELEASES))
			releases++;
	}
	if (releases == TICK_RELEASES)
		dispatch_arm_tick_in(dispatch, TICK_AGAIN_MS);
	else if (dispatch->targets != NULL)
		dispatch_arm_tick(dispatch);
}

/* --- from the store --- */

void
dispatch_store_up(struct dispatch *dispatch)
{
	dispatch->up = true;
	for (struct target *target = dispatch->targets; target != NULL; target = target->hh.next)
		target_changed(target);
	dispatch_run_turn(dispatch); /* what is to be told goes out before any claim */
	for (struct target *target = dispatch->targets; target != NULL; target = target->hh.next)
		target_mark_dirty(target);
	claimer_up(dispatch->claimer);
}

void
dispatch_store_down(struct dispatch *dispatch)
{
	dispatch->up = false;
	claimer_down(dispatch->claimer);
}

void
dispatch_webhook_changed(struct dispatch *dispatch, const struct ulid *webhook)
{
	struct target *target;

	for (int alert = 0; alert <= 1; alert++) {
		target = target_find(dispatch, webhook, alert == 1);
		if (target != NULL)
			target_changed(target);
	}
}

void
dispatch_look(struct dispatch *dispatch)
{
	claimer_look(dispatch->claimer);
}

/* --- from publishing --- */

static void
dispatch_add_room(struct dispatch_room *room, struct target *target)
{
	struct publish_room *of = &room->of[room->n];

	if (target->alert || room->n == DISPATCH_ROOMS_MAX)
		return;
	of->webhook = target->locator;
	of->leases = target_room_now(target);
	room->n++;
}

/* The full webhooks and those with little room; or, when too many are full, only those that are
 * not.
 */
static void
dispatch_list_rooms(const struct share *share, struct dispatch_room *room)
{
	struct target *target;

	if (share->nfull > DISPATCH_ROOMS_MAX) {
		room->each = 0;
		TAILQ_FOREACH(target, &share->fit, full_entry)
		dispatch_add_room(room, target);
		return;
	}
	TAILQ_FOREACH(target, &share->full, full_entry)
	dispatch_add_room(room, target);
	TAILQ_FOREACH(target, &share->tight, tight_entry)
	{
		if (!target->is_full)
			dispatch_add_room(room, target);
	}
}

void
dispatch_room(struct dispatch *dispatch, const struct uuid *tenant, struct dispatch_room *room)
{
	const struct share *share = share_find(dispatch, tenant);

	room->n = 0;
	room->leases = 0;
	room->each = TIGHT_ROOM;
	if (!dispatch->draining)
		room->leases = share_room(dispatch, share);
	if (room->leases > LEASES_PER_REQUEST)
		room->leases = LEASES_PER_REQUEST;
	if (share != NULL && room->leases > 0)
		dispatch_list_rooms(share, room);
}

void
dispatch_take(struct dispatch *dispatch, struct payload *payload, const struct uuid *tenant,
    const struct ulid *webhook, int64_t version, int64_t lease_end, int64_t asked_ms)
{
	struct target *target = target_get(dispatch, tenant, webhook, false);
	struct delivery *delivery;

	target_saw_version(target, version);
	delivery = delivery_new(target, payload, 1, lease_end, asked_ms);
	if (dispatch->draining)
		delivery_release(delivery);
	else
		target_update(target);
}

bool
dispatch_test(struct dispatch *dispatch, struct payload *payload, const struct uuid *tenant,
    const struct ulid *webhook)
{
	struct target *target = target_get(dispatch, tenant, webhook, false);
	struct delivery *delivery;

	if (target->ntests >= DISPATCH_TESTS_MAX)
		return false;
	target->ntests++;
	delivery = delivery_new(target, payload, 1, 0, clock_mono_ms());
	delivery->kind = DELIVERY_TEST;
	if (dispatch->draining)
		delivery_release(delivery);
	else
		target_update(target);
	return true;
}

void
dispatch_waiting(struct dispatch *dispatch, const struct uuid *tenant, const struct ulid *webhook)
{
	struct target *target = target_find(dispatch, webhook, false);
	struct share *share = share_find(dispatch, tenant);

	if (target != NULL && !target->is_deep) {
		target->is_deep = true;
		target_update(target);
	}
	if (target != NULL && target->is_full)
		target->backlog = true;
	else if (share != NULL && share_room(dispatch, share) == 0)
		share->backlog = true;
	else
		claimer_poke(dispatch->claimer, tenant);
}

/* --- the end --- */

void
dispatch_drain(struct dispatch *dispatch, void (*done)(void *arg), void *arg)
{
	struct target *target;

	dispatch->draining = true;
	dispatch->drained = done;
	dispatch->drained_arg = arg;
	for (target = dispatch->targets; target != NULL; target = target->hh.next)
		while (!TAILQ_EMPTY(&target->waiting))
			delivery_release(TAILQ_FIRST(&target->waiting));
	dispatch_run_turn(dispatch);
}

void
dispatch_cut(struct dispatch *dispatch)
{
	struct target *target;

	for (target = dispatch->targets; target != NULL; target = target->hh.next) {
		while (!TAILQ_EMPTY(&target->posting))
			delivery_release(TAILQ_FIRST(&target->posting));
		while (!TAILQ_EMPTY(&target->reading))
			delivery_settle(TAILQ_FIRST(&target->reading));
	}
	dispatch_run_turn(dispatch);
}

/* --- life --- */

struct dispatch *
dispatch_new(const struct dispatch_opts *opts)
{
	struct dispatch *dispatch = xcalloc(1, sizeof *dispatch);
	int64_t spare = opts->lease_ms - opts->delivery_timeout_ms;

	dispatch->opts = *opts;
	spare -= spare > 200 ? 100 : spare / 2;
	dispatch->start_within_ms = spare < opts->lease_ms / 2 ? spare : opts->lease_ms / 2;
	fair_init(&dispatch->ready);
	TAILQ_INIT(&dispatch->parked);
	TAILQ_INIT(&dispatch->short_of_places);
	TAILQ_INIT(&dispatch->hungry);
	dispatch->by_shard = xcalloc(queue_shards(opts->store), sizeof *dispatch->by_shard);
	TAILQ_INIT(&dispatch->dirty);
	dispatch->turn = evtimer_new(opts->base, dispatch_ev_turn, dispatch);
	dispatch->tick = evtimer_new(opts->base, dispatch_ev_tick, dispatch);
	dispatch->rested = evtimer_new(opts->base, dispatch_ev_rested, dispatch);
	if (dispatch->turn == NULL || dispatch->tick == NULL || dispatch->rested == NULL)
		abort();
	dispatch->claimer = claimer_new(dispatch);
	return dispatch;
}

static void
dispatch_forget_list(struct delivery_list *list)
{
	while (!TAILQ_EMPTY(list))
		delivery_forget(TAILQ_FIRST(list));
}

void
dispatch_set_log(struct dispatch *dispatch, enum dispatch_log log)
{
	dispatch->opts.log = log;
}

void
dispatch_free(struct dispatch *dispatch)
{
	struct target *target, *next;

	if (dispatch == NULL)
		return;
	dispatch->up = false;
	HASH_ITER(hh, dispatch->targets, target, next)
	{
		dispatch_forget_list(&target->waiting);
		dispatch_forget_list(&target->posting);
		dispatch_forget_list(&target->reading);
		for (size_t kind = 0; kind < TELL_KINDS; kind++)
			dispatch_forget_list(&target->untold[kind]);
		dispatch_forget_list(&target->telling);
		target_free(target);
	}
	claimer_free(dispatch->claimer);
	free(dispatch->by_shard);
	event_free(dispatch->turn);
	event_free(dispatch->tick);
	event_free(dispatch->rested);
	free(dispatch);
}

void
dispatch_stats(const struct dispatch *dispatch, struct dispatch_stats *stats)
{
	*stats = dispatch->totals;
	stats->held = dispatch->held;
	stats->waiting = dispatch->waiting;
	stats->inflight = dispatch->inflight;
	stats->webhooks = HASH_COUNT(dispatch->targets);
}

void
dispatch_load(
    const struct dispatch *dispatch, const struct uuid *tenant, size_t *waiting, uint64_t *ended)
{
	const struct share *share = NULL;

	if (tenant == NULL) {
		*waiting = dispatch->waiting;
		*ended = dispatch->totals.ended;
		return;
	}
	HASH_FIND(hh, dispatch->shares, tenant->s, UUID_LEN, share);
	*waiting = share == NULL ? 0 : share->waiting;
	*ended = share == NULL ? 0 : share->ended;
}

const struct tally *
dispatch_tally(const struct dispatch *dispatch)
{
	return &dispatch->tally;
}
