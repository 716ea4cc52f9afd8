/* What a webhook's deliveries came to, told to Redis: successes and hand-backs in batches. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/rnd.h"
#include "deliver/dispatch_internal.h"

#define ACKS_ENOUGH 32 /* in one command: more save little */

struct settle_batch {
	struct target *target;
	size_t n;
	int64_t lease_end; /* that a failure was told under */
	struct delivery *deliveries[ACK_MAX];
};

static struct settle_batch *
settle_batch_new(struct target *target)
{
	struct settle_batch *batch = xmalloc(sizeof *batch);

	batch->target = target;
	batch->n = 0;
	return batch;
}

/* Collects those of a kind that were not sent yet, at most so many; NULL when there are none. */
static struct settle_batch *
settle_collect(struct target *target, enum tell_kind kind, size_t most)
{
	struct delivery_list *list = &target->untold[kind];
	struct settle_batch *batch;
	struct delivery *delivery;

	if (TAILQ_EMPTY(list))
		return NULL;
	batch = settle_batch_new(target);
	while (batch->n < most && (delivery = TAILQ_FIRST(list)) != NULL) {
		delivery_mark_sent(delivery, true);
		batch->deliveries[batch->n++] = delivery;
	}
	return batch;
}

static void
settle_describe(struct attempt *attempt, const struct delivery *delivery)
{
	*attempt = (struct attempt){
	    .event = delivery->payload->locator,
	    .type = delivery->payload->type,
	    .number = delivery->number,
	    .lease_end = delivery->lease_end,
	    .status = delivery->status,
	    .duration_ms = delivery->duration_ms,
	    .trigger = delivery->trigger,
	    .message = delivery->message == NULL ? "" : delivery->message,
	    .response = delivery->response == NULL ? "" : delivery->response,
	    .response_len = delivery->response_len,
	};
}

/* What Redis did not get is sent again when it is back, or at the next tick: it is safe to repeat.
 */
static void
settle_unsent(struct settle_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		delivery_mark_sent(batch->deliveries[i], false);
	free(batch);
}

static void
settle_done(struct settle_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		delivery_forget(batch->deliveries[i]);
	free(batch);
}

/* --- successes --- */

static void
settle_on_acked(void *arg, enum store_err err, int64_t settled)
{
	struct settle_batch *batch = arg;

	batch->target->acks--;
	if (err != STORE_OK) {
		settle_unsent(batch);
		return;
	}
	target_mark_dirty(batch->target); /* more may have come meanwhile */
	if (!batch->target->alert)
		batch->target->dispatch->totals.delivered += (uint64_t)settled;
	settle_done(batch);
}

static bool
settle_has_enough(const struct target *target)
{
	const struct delivery *delivery;
	size_t n = 0;

	TAILQ_FOREACH(delivery, &target->untold[TELL_ACK], entry)
	if (++n == ACKS_ENOUGH)
		return true;
	return false;
}

static bool
settle_acks(struct target *target)
{
	const struct dispatch_opts *opts = &target->dispatch->opts;
	struct settle_batch *batch;
	struct attempt attempts[ACK_MAX];

	if (target->acks > 0 && !settle_has_enough(target))
		return false; /* more come meanwhile, for one command */
	batch = settle_collect(target, TELL_ACK, target->alert ? 1 : ACK_MAX);
	if (batch == NULL)
		return false;
	target->acks++;
	for (size_t i = 0; i < batch->n; i++)
		settle_describe(&attempts[i], batch->deliveries[i]);
	if (target->alert)
		queue_end_alert(opts->store, &target->share->tenant, &target->locator,
		    ALERT_DELIVERED, attempts, 0, settle_on_acked, batch);
	else
		queue_ack(opts->store, &target->share->tenant, &target->locator,
		    opts->attempts_kept, attempts, batch->n, settle_on_acked, batch);
	return true;
}

/* --- failures --- */

static void
settle_count(struct dispatch_stats *totals, enum verdict verdict)
{
	uint64_t *const counters[] = {
	    &totals->retried, &totals->diverted, &totals->dropped, &totals->failed};

	++*counters[verdict];
}

static void
settle_on_failed(void *arg, enum store_err err, enum fail_outcome outcome, enum verdict verdict)
{
	static const enum tally_outcome outcomes[] = {
	    TALLY_RETRYING, TALLY_DIVERTED, TALLY_DROPPED, TALLY_FAILED};
	struct settle_batch *batch = arg;
	struct target *target = batch->target;
	struct delivery *delivery = batch->deliveries[0];
	struct judgement judgement = delivery->judgement;

	if (err != STORE_OK) {
		settle_unsent(batch);
		return;
	}
	if (outcome == FAIL_GONE && delivery->lease_end != batch->lease_end) {
		settle_unsent(batch); /* claimed again meanwhile, by ourselves */
		target_mark_dirty(target);
		return;
	}
	if (outcome == FAIL_MOVED) {
		free(batch);
		delivery_judge_again(delivery);
		return;
	}
	if (outcome == FAIL_DONE) {
		settle_count(&target->dispatch->totals, verdict);
		delivery_tell(delivery, outcomes[verdict]);
		if (verdict == VERDICT_RETRY)
			claimer_expect(
			    target->dispatch->claimer, &target->share->tenant, judgement.delay_ms);
		if (judgement.alert)
			claimer_poke(target->dispatch->claimer, &target->share->tenant);
	} else {
		delivery_tell(delivery, TALLY_MOOT);
	}
	settle_done(batch);
	if (outcome == FAIL_DONE && judgement.suspend)
		target_changed(target);
}

/* The trigger of what failed while the webhook became inactive is that. */
static void
settle_judge(struct delivery *delivery)
{
	delivery->judgement = failure_judge(delivery->target->webhook, delivery->status,
	    delivery->number, delivery->retry_after_ms, rnd_u64());
}

static bool
settle_failure(struct target *target)
{
	const struct dispatch_opts *opts = &target->dispatch->opts;
	struct settle_batch *batch;
	struct delivery *delivery;
	struct failure failure;
	struct event_parts parts;

	if (target->state != TARGET_READY)
		return false; /* comes again when the settings are there */
	batch = settle_collect(target, TELL_FAILURE, 1);
	if (batch == NULL)
		return false;
	delivery = batch->deliveries[0];
	settle_judge(delivery);
	settle_describe(&failure.attempt, delivery);
	batch->lease_end = delivery->lease_end;
	if (delivery->judgement.inactive != NULL)
		failure.attempt.trigger = delivery->judgement.inactive;
	parts = payload_parts(delivery->payload);
	failure.request_id = parts.request_id;
	failure.version = target->webhook->version;
	failure.judgement = delivery->judgement;
	queue_fail(opts->store, &target->share->tenant, &target->locator, opts->attempts_kept,
	    opts->max_diverted, &failure, settle_on_failed, batch);
	return true;
}

static void
settle_on_alert_failed(void *arg, enum store_err err, int64_t settled)
{
	struct settle_batch *batch = arg;
	struct delivery *delivery = batch->deliveries[0];
	bool again = delivery->number <= ALERT_RETRIES;

	if (err != STORE_OK) {
		settle_unsent(batch);
		return;
	}
	if (settled == 0 && delivery->lease_end != batch->lease_end) {
		target_mark_dirty(batch->target);
		settle_unsent(batch); /* claimed again meanwhile, by ourselves */
		return;
	}
	if (settled == 0)
		delivery_tell(delivery, TALLY_MOOT);
	else
		delivery_tell(delivery, again ? TALLY_RETRYING : TALLY_FAILED);
	if (settled > 0 && again)
		claimer_expect(batch->target->dispatch->claimer, &batch->target->share->tenant,
		    delivery->judgement.delay_ms);
	settle_done(batch);
}

static bool
settle_alert_failure(struct target *target)
{
	static const struct retry_strategy strategy = {
	    ALERT_RETRIES, ALERT_INTERVAL_SECONDS, RETRY_EXPONENTIAL};
	struct settle_batch *batch = settle_collect(target, TELL_FAILURE, 1);
	struct delivery *delivery;
	struct attempt attempt;
	bool again;

	if (batch == NULL)
		return false;
	delivery = batch->deliveries[0];
	again = delivery->number <= ALERT_RETRIES;
	delivery->judgement.delay_ms =
	    retry_delay_ms(&strategy, delivery->number, delivery->retry_after_ms, rnd_u64());
	settle_describe(&attempt, delivery);
	batch->lease_end = delivery->lease_end;
	queue_end_alert(target->dispatch->opts.store, &target->share->tenant, &target->locator,
	    again ? ALERT_RETRY : ALERT_GIVEN_UP, &attempt, delivery->judgement.delay_ms,
	    settle_on_alert_failed, batch);
	return true;
}

/* --- test events --- */

static void
settle_on_recorded(void *arg, enum store_err err, int64_t settled)
{
	(void)err;
	(void)settled;
	settle_done(arg); /* a record that was lost is not worth another try */
}

static bool
settle_test(struct target *target)
{
	const struct dispatch_opts *opts = &target->dispatch->opts;
	struct settle_batch *batch = settle_collect(target, TELL_TEST, 1);
	struct attempt attempt;

	if (batch == NULL)
		return false;
	if (!batch->deliveries[0]->success)
		delivery_tell(batch->deliveries[0], TALLY_FAILED);
	settle_describe(&attempt, batch->deliveries[0]);
	queue_record_test(opts->store, &target->share->tenant, &target->locator,
	    opts->attempts_kept, &attempt, settle_on_recorded, batch);
	return true;
}

/* --- what was not started --- */

/* Handed back or not: the lease is not ours any more, or will run out. */
static void
settle_on_released(void *arg, enum store_err err, int64_t settled)
{
	struct settle_batch *batch = arg;
	struct target *target = batch->target;

	if (err == STORE_OK)
		target->dispatch->totals.released += (uint64_t)settled;
	if (settled > 0 && !target->dispatch->draining) {
		if (target->is_full)
			target->backlog = true;
		else
			claimer_poke(target->dispatch->claimer, &target->share->tenant);
	}
	settle_done(batch);
}

static bool
settle_releases(struct target *target)
{
	const struct dispatch *dispatch = target->dispatch;
	struct settle_batch *batch = settle_collect(target, TELL_RELEASE, ACK_MAX);
	struct lease leases[ACK_MAX];

	if (batch == NULL)
		return false;
	for (size_t i = 0; i < batch->n; i++) {
		leases[i].event = batch->deliveries[i]->payload->locator;
		leases[i].end = batch->deliveries[i]->lease_end;
	}
	queue_release(dispatch->opts.store, &target->share->tenant, &target->queue, leases,
	    batch->n, dispatch->draining, settle_on_released, batch);
	return true;
}

void
settle_target(struct target *target)
{
	while (settle_acks(target))
		;
	while (target->alert ? settle_alert_failure(target) : settle_failure(target))
		;
	while (settle_test(target))
		;
	while (settle_releases(target))
		;
}
