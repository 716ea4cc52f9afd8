/* What a webhook's deliveries came to, told to Redis: successes and hand-backs in batches. */
#include <stdlib.h>

#include "base/mem.h"
#include "deliver/dispatch_internal.h"

struct settle_batch {
	struct target *target;
	size_t n;
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

/* Collects those of a list that were not sent yet, at most ACK_MAX, of one outcome. */
static void
settle_collect(struct settle_batch *batch, struct delivery_list *list, bool success, size_t most)
{
	struct delivery *delivery;

	TAILQ_FOREACH(delivery, list, entry)
	{
		if (batch->n == most)
			return;
		if (delivery->sent || delivery->success != success)
			continue;
		delivery->sent = true;
		batch->deliveries[batch->n++] = delivery;
	}
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

static void
settle_on_end(void *arg, enum store_err err, int64_t settled)
{
	struct settle_batch *batch = arg;
	struct dispatch_stats *totals = &batch->target->dispatch->totals;

	if (err == STORE_OK) {
		if (batch->deliveries[0]->success)
			totals->delivered += (uint64_t)settled;
		else
			totals->failed += (uint64_t)settled;
	}
	/* What Redis did not get is sent again when it is back, or at the next tick: it is safe to
	 * repeat, and the connection is the one that tells us. */
	for (size_t i = 0; i < batch->n; i++) {
		if (err == STORE_OK)
			delivery_forget(batch->deliveries[i]);
		else
			batch->deliveries[i]->sent = false;
	}
	free(batch);
}

static bool
settle_successes(struct target *target)
{
	const struct dispatch_opts *opts = &target->dispatch->opts;
	struct settle_batch *batch = settle_batch_new(target);
	struct attempt attempts[ACK_MAX];

	settle_collect(batch, &target->settling, true, ACK_MAX);
	if (batch->n == 0) {
		free(batch);
		return false;
	}
	for (size_t i = 0; i < batch->n; i++)
		settle_describe(&attempts[i], batch->deliveries[i]);
	queue_ack(opts->store, &target->share->tenant, &target->locator, opts->attempts_kept,
	    attempts, batch->n, settle_on_end, batch);
	return true;
}

static bool
settle_failure(struct target *target)
{
	const struct dispatch_opts *opts = &target->dispatch->opts;
	struct settle_batch *batch = settle_batch_new(target);
	struct attempt attempt;

	settle_collect(batch, &target->settling, false, 1);
	if (batch->n == 0) {
		free(batch);
		return false;
	}
	settle_describe(&attempt, batch->deliveries[0]);
	queue_fail(opts->store, &target->share->tenant, &target->locator, opts->attempts_kept,
	    &attempt, settle_on_end, batch);
	return true;
}

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
	for (size_t i = 0; i < batch->n; i++)
		delivery_forget(batch->deliveries[i]);
	free(batch);
}

static bool
settle_released(struct target *target)
{
	const struct dispatch *dispatch = target->dispatch;
	struct settle_batch *batch = settle_batch_new(target);
	struct lease leases[ACK_MAX];

	settle_collect(batch, &target->releasing, false, ACK_MAX);
	if (batch->n == 0) {
		free(batch);
		return false;
	}
	for (size_t i = 0; i < batch->n; i++) {
		leases[i].event = batch->deliveries[i]->payload->locator;
		leases[i].end = batch->deliveries[i]->lease_end;
	}
	queue_release(dispatch->opts.store, &target->share->tenant, &target->locator, leases,
	    batch->n, dispatch->draining, settle_on_released, batch);
	return true;
}

void
settle_target(struct target *target)
{
	while (settle_successes(target))
		;
	while (settle_failure(target))
		;
	while (settle_released(target))
		;
}
