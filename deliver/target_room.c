/* What a webhook's endpoint takes, as its answers tell: connections, and what may wait for them. */
#include <stdlib.h>

#include "deliver/dispatch_internal.h"

/* How long an attempt takes: of late, or that which is under way for the longest. */
static int64_t
target_takes_ms(const struct target *target)
{
	const struct delivery *oldest = TAILQ_FIRST(&target->posting);
	int64_t age_ms = oldest == NULL ? 0 : target->dispatch->now_ms - oldest->started_ms;
	int64_t took_ms = target->took_us / 1000;

	return age_ms > took_ms ? age_ms : took_ms;
}

/* Of an endpoint that has not answered yet nothing is known. */
bool
target_is_slow(const struct target *target)
{
	return target->took_us == 0 || target_takes_ms(target) >= SOON_MS;
}

/* Deliveries that it may have in memory: what is on the wire and what can start soon. */
size_t
target_most(const struct target *target)
{
	size_t rounds = WAITING_PER_CAP - 1;
	int64_t takes_ms = target_takes_ms(target);

	if (target_is_slow(target))
		rounds = 0;
	else if (takes_ms > SOON_MS / (WAITING_PER_CAP - 1))
		rounds = (size_t)(SOON_MS / takes_ms);
	return target->concurrency.cap * (1 + rounds);
}

size_t
target_room(const struct target *target)
{
	size_t most = target_most(target);
	size_t has = target->nwaiting + target->inflight;

	return has < most ? most - has : 0;
}

size_t
target_room_now(struct target *target)
{
	if (target->is_full)
		return 0;
	if (target->inflight > 0 && target_is_slow(target) && share_is_short(target->share)) {
		target->share->slow_backlog = true;
		return 0;
	}
	return target_room(target);
}

/* As many may have failed at once as it may have connections, whatever its cap is since. */
size_t
target_room_for_retries(const struct target *target)
{
	size_t most = target->concurrency.most;

	if (target->webhook != NULL && target->webhook->failure.retry.attempts == 0)
		return 0;
	return target->nretries < most ? most - target->nretries : 0;
}

void
target_release_surplus(struct target *target)
{
	size_t most = target_most(target);

	if (most < target->nretries)
		most = target->nretries; /* these stay */
	while (target->nwaiting > most)
		delivery_release(TAILQ_LAST(&target->waiting, delivery_list));
}

bool
target_rests(const struct target *target)
{
	return target->rested != NULL && event_pending(target->rested, EV_TIMEOUT, NULL);
}

void
target_answered(struct target *target, bool success)
{
	concurrency_answered(&target->concurrency, success);
}

void
target_timed_out(struct target *target)
{
	concurrency_halve(&target->concurrency);
	target_release_surplus(target);
}

static void
target_ev_rested(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	target_update(arg);
}

void
target_refused(struct target *target)
{
	struct timeval tv;

	if (target_rests(target))
		return; /* it began when this one was under way */
	tv = (struct timeval){.tv_usec = concurrency_refused(&target->concurrency) * 1000};
	if (target->rested == NULL)
		target->rested = evtimer_new(target->dispatch->opts.base, target_ev_rested, target);
	if (target->rested == NULL)
		abort(); /* out of memory, as in base/mem.c */
	event_add(target->rested, &tv);
	target_release_surplus(target);
}

void
target_took(struct target *target, int64_t ms)
{
	int64_t us = 1000 * ms + 1; /* not 0: that is unknown */

	target->took_us += target->took_us == 0 ? us : (us - target->took_us) / 8;
}
