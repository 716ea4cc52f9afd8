/*
 * What a tenant holds of this process, places and memory, and how much more it may take: no more
 * than can start soon here, as somebody else may have room for the rest.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "deliver/dispatch_internal.h"

struct share *
share_find(struct dispatch *dispatch, const struct uuid *tenant)
{
	struct share *share;

	HASH_FIND(hh, dispatch->shares, tenant->s, UUID_LEN, share);
	return share;
}

struct share *
share_get(struct dispatch *dispatch, const struct uuid *tenant)
{
	struct share *share = share_find(dispatch, tenant);

	if (share == NULL) {
		share = xcalloc(1, sizeof *share);
		share->dispatch = dispatch;
		share->tenant = *tenant;
		share->shard = queue_shard(dispatch->opts.store, tenant);
		fair_group_init(&share->ready, share);
		fair_init(&share->slow);
		fair_group_init(&share->slow_group, share);
		TAILQ_INIT(&share->full);
		TAILQ_INIT(&share->fit);
		TAILQ_INIT(&share->tight);
		HASH_ADD(hh, dispatch->shares, tenant.s, UUID_LEN, share);
		LIST_INSERT_HEAD(&dispatch->by_shard[share->shard], share, entry);
	}
	share->targets++;
	return share;
}

void
share_put(struct share *share)
{
	if (--share->targets > 0)
		return;
	HASH_DELETE(hh, share->dispatch->shares, share);
	LIST_REMOVE(share, entry);
	free(share);
}

/* --- memory --- */

void
share_hold(struct share *share, struct payload *payload)
{
	struct dispatch *dispatch = share->dispatch;
	struct payload *known;

	dispatch->held++;
	if (share->held++ == 0)
		dispatch->nholding++;
	if (payload->held++ > 0)
		return;
	dispatch->held_bytes += payload->body.len;
	share->held_bytes += payload->body.len;
	if (payload->body.len < PAYLOAD_LARGE)
		return;
	HASH_FIND(hh, dispatch->large, payload->locator.s, ULID_LEN, known);
	if (known != NULL)
		return;
	HASH_ADD(hh, dispatch->large, locator.s, ULID_LEN, payload);
	payload->is_listed = true;
}

void
share_let_go(struct share *share, struct payload *payload)
{
	struct dispatch *dispatch = share->dispatch;

	dispatch->held--;
	if (--share->held == 0)
		dispatch->nholding--;
	if (--payload->held > 0)
		return;
	dispatch->held_bytes -= payload->body.len;
	share->held_bytes -= payload->body.len;
	if (payload->is_listed)
		HASH_DELETE(hh, dispatch->large, payload);
	payload->is_listed = false;
}

struct payload *
share_payload(struct dispatch *dispatch, const struct event_parts *parts, int64_t accepted_us)
{
	struct payload *payload = NULL;

	if (parts->data_len >= PAYLOAD_LARGE)
		HASH_FIND(hh, dispatch->large, parts->locator, ULID_LEN, payload);
	return payload != NULL ? payload_ref(payload) : payload_new(parts, accepted_us);
}

/* --- room --- */

bool
share_may_start(const struct share *share)
{
	const struct dispatch *dispatch = share->dispatch;

	return fair_room(dispatch->opts.delivery_concurrency, dispatch->inflight, share->inflight,
		   dispatch->ready.ngroups > 1) > 0;
}

static size_t
share_places(const struct share *share)
{
	const struct dispatch *dispatch = share->dispatch;

	return fair_room(dispatch->opts.delivery_concurrency, dispatch->inflight, share->inflight,
	    dispatch->ready.ngroups > 1);
}

bool
share_keeps_from(const struct target *target)
{
	const struct share *share = target->share;
	/* a quarter; of that, those that have none yet may take the half */
	size_t kept = target->inflight > 0 ? 3 : 7;

	return target_is_slow(target) && kept * share_places(share) <= share->inflight;
}

void
share_park(struct target *target)
{
	struct share *share = target->share;

	if (share->slow.ngroups == 0)
		TAILQ_INSERT_TAIL(&share->dispatch->short_of_places, share, short_entry);
	fair_join(&share->slow, &share->slow_group, &target->turn);
	target->is_slow = true;
}

void
share_unpark(struct target *target)
{
	struct share *share = target->share;

	fair_leave(&share->slow, &target->turn);
	target->is_slow = false;
	if (share->slow.ngroups == 0)
		TAILQ_REMOVE(&share->dispatch->short_of_places, share, short_entry);
}

static bool
share_may_unpark(void *arg, void *share)
{
	(void)arg;
	(void)share;
	return true;
}

void
share_unpark_all(struct dispatch *dispatch)
{
	struct share *share, *next;
	struct target *target;
	size_t room;

	for (share = TAILQ_FIRST(&dispatch->short_of_places); share != NULL; share = next) {
		next = TAILQ_NEXT(share, short_entry);
		room = share_places(share);
		for (size_t own = share->inflight; 3 * room > own; own++) {
			target = fair_next(&share->slow, share_may_unpark, NULL);
			if (target == NULL)
				break;
			target_unpark(target);
			room--;
		}
	}
}

static size_t
share_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t
share_places_taken(const struct dispatch *dispatch)
{
	size_t fresh =
	    dispatch->startable > dispatch->left ? dispatch->startable - dispatch->left : 0;

	return dispatch->inflight + fresh;
}

size_t
share_room(const struct dispatch *dispatch, const struct share *share)
{
	static const struct share none;
	const struct share *own = share != NULL ? share : &none;
	bool others_hold = dispatch->nholding > (own->held > 0 ? 1 : 0);
	bool others_wait = dispatch->ready.ngroups > (own->startable > 0 ? 1 : 0);
	size_t places = fair_room(dispatch->opts.delivery_concurrency, share_places_taken(dispatch),
	    own->inflight + own->startable, others_wait);

	if (fair_room(HELD_BYTES_MAX, dispatch->held_bytes, own->held_bytes, others_hold) == 0)
		return 0;
	return share_least(places, fair_room(HELD_MAX, dispatch->held, own->held, others_hold));
}

bool
share_is_short(const struct share *share)
{
	return 3 * share_room(share->dispatch, share) <= share->inflight + share->startable;
}

/* Not for each place that is free again: each time costs a command. */
static size_t
share_enough(const struct dispatch *dispatch)
{
	return share_least(dispatch->opts.delivery_concurrency / 32, SHARE_ROOM_ENOUGH);
}

void
share_note_backlog(struct share *share)
{
	if (share_room(share->dispatch, share) <= share_enough(share->dispatch))
		share->backlog = true;
}

void
share_check_backlog(struct share *share)
{
	const struct dispatch *dispatch = share->dispatch;
	size_t enough = share_enough(dispatch);
	size_t own = share->inflight + share->startable;
	size_t room;

	if (!share->backlog && !share->slow_backlog)
		return;
	room = share_room(dispatch, share);
	if ((!share->backlog || room <= enough) &&
	    (!share->slow_backlog || 3 * room <= own + 3 * enough))
		return;
	share->backlog = false;
	share->slow_backlog = false;
	claimer_poke(dispatch->claimer, &share->tenant);
}
