/* A webhook that this process delivers to: its settings, its cap, and which lists it is in. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "deliver/dispatch_internal.h"
#include "store/webhooks.h"

static void target_ask(struct target *target);
static void target_set_full(struct target *target, bool full);
static void target_set_tight(struct target *target, bool tight);

/* --- life --- */

struct target *
target_find(struct dispatch *dispatch, const struct ulid *webhook, bool alert)
{
	struct queue_name queue = queue_name(webhook, alert);
	struct target *target;

	HASH_FIND_STR(dispatch->targets, queue.s, target);
	return target;
}

struct target *
target_get(
    struct dispatch *dispatch, const struct uuid *tenant, const struct ulid *webhook, bool alert)
{
	struct target *target = target_find(dispatch, webhook, alert);

	if (target != NULL)
		return target;
	target = xcalloc(1, sizeof *target);
	target->locator = *webhook;
	target->alert = alert;
	target->queue = queue_name(webhook, alert);
	target->dispatch = dispatch;
	target->share = share_get(dispatch, tenant);
	TAILQ_INSERT_HEAD(&target->share->fit, target, full_entry);
	target->turn.owner = target;
	concurrency_init(
	    &target->concurrency, CAP_AT_FIRST, 1, dispatch->opts.endpoint_concurrency);
	target->idle_since_ms = clock_mono_ms();
	TAILQ_INIT(&target->waiting);
	TAILQ_INIT(&target->posting);
	TAILQ_INIT(&target->reading);
	for (size_t kind = 0; kind < TELL_KINDS; kind++)
		TAILQ_INIT(&target->untold[kind]);
	TAILQ_INIT(&target->telling);
	HASH_ADD_STR(dispatch->targets, queue.s, target);
	dispatch_arm_tick(dispatch);
	return target;
}

void
destination_unref(struct destination *destination)
{
	if (destination == NULL || --destination->refs > 0)
		return;
	site_leave(destination->at);
	mem_wipe(destination, sizeof *destination); /* its URL may be all that it takes to send */
	free(destination);
}

static void
target_drop_settings(struct target *target)
{
	signer_free(target->signer);
	signer_free(target->previous_signer);
	target->signer = NULL;
	target->previous_signer = NULL;
	free(target->headers);
	target->headers = NULL;
	target->nheaders = 0;
	target->endpoint = NULL;
	site_forget(target);
	destination_unref(target->destination);
	target->destination = NULL;
	webhook_free(target->webhook);
	target->webhook = NULL;
}

void
target_free(struct target *target)
{
	struct dispatch *dispatch = target->dispatch;

	target_update(target); /* it holds nothing: out of the lists */
	target_set_full(target, false);
	TAILQ_REMOVE(&target->share->fit, target, full_entry);
	target_set_tight(target, false);
	if (target->is_dirty)
		TAILQ_REMOVE(&dispatch->dirty, target, dirty_entry);
	HASH_DELETE(hh, dispatch->targets, target);
	if (target->rested != NULL)
		event_free(target->rested);
	target_drop_settings(target);
	share_put(target->share);
	free(target);
}

void
target_mark_dirty(struct target *target)
{
	if (!target->is_dirty) {
		target->is_dirty = true;
		TAILQ_INSERT_TAIL(&target->dispatch->dirty, target, dirty_entry);
	}
	dispatch_run_turn(target->dispatch);
}

/* --- lists --- */

static void
target_set_ready(struct target *target, bool ready)
{
	struct share *share = target->share;
	struct dispatch *dispatch = target->dispatch;
	size_t n = ready ? target->nwaiting : -target->nwaiting;

	if (target->is_parked || target->is_slow) {
		if (!ready)
			(target->is_slow ? share_unpark : site_unpark)(target);
		return;
	}
	if (ready == target_is_ready(target))
		return;
	dispatch->startable += n;
	share->startable += n;
	if (ready)
		fair_join(&dispatch->ready, &share->ready, &target->turn);
	else
		fair_leave(&dispatch->ready, &target->turn);
}

void
target_park(struct target *target)
{
	target_set_ready(target, false);
	site_park(target);
	target_update(target);
}

void
target_park_slow(struct target *target)
{
	target_set_ready(target, false);
	share_park(target);
}

void
target_unpark(struct target *target)
{
	(target->is_slow ? share_unpark : site_unpark)(target);
	target_set_ready(target, true);
}

static void
target_set_full(struct target *target, bool full)
{
	struct share *share = target->share;

	if (full == target->is_full)
		return;
	target->is_full = full;
	if (full) {
		TAILQ_REMOVE(&share->fit, target, full_entry);
		TAILQ_INSERT_TAIL(&share->full, target, full_entry);
		share->nfull++;
		return;
	}
	TAILQ_REMOVE(&share->full, target, full_entry);
	TAILQ_INSERT_HEAD(&share->fit, target, full_entry);
	share->nfull--;
	if (target->backlog) {
		target->backlog = false;
		claimer_poke(target->dispatch->claimer, &share->tenant);
	}
}

static void
target_set_tight(struct target *target, bool tight)
{
	if (tight == target->is_tight)
		return;
	target->is_tight = tight;
	if (tight)
		TAILQ_INSERT_TAIL(&target->share->tight, target, tight_entry);
	else
		TAILQ_REMOVE(&target->share->tight, target, tight_entry);
}

bool
target_is_ready(const struct target *target)
{
	return target->turn.group != NULL && !target->is_parked && !target->is_slow;
}

void
target_update(struct target *target)
{
	bool wants = target->nwaiting > 0 || target->nundecided > 0;
	bool ready = target->nwaiting > 0 && target->state == TARGET_READY &&
		     target->inflight < target->concurrency.cap && !target_rests(target);
	bool was_ready = target_is_ready(target);
	size_t room = target_room(target);
	size_t may_wait = target_most(target) - target->concurrency.cap;

	if (wants && target->state == TARGET_UNKNOWN && target->dispatch->up)
		target_ask(target);
	target_set_ready(target, ready);
	/* full when there is no room, or retries take all places there are; no longer when half of
	 * what may wait has room again */
	target_set_full(target, site_starves(target) || room == 0 ||
				    target->nretries >= target->concurrency.cap ||
				    (target->is_full && room < may_wait / 2));
	target_set_tight(target, room < TIGHT_ROOM || target->is_deep);
	if (!was_ready && target_is_ready(target))
		dispatch_run_turn(target->dispatch);
}

/* --- settings --- */

static const char *
target_state_name(enum target_state state)
{
	static const char *const names[] = {"UNKNOWN", "ASKING", "READY"};

	return names[state];
}

/* The only place where the state changes. */
static void
target_enter(struct target *target, enum target_state state)
{
	if (log_on(LOG_DEBUG) && target->state != state) {
		log_begin(LOG_DEBUG, "webhook settings");
		log_str("webhook", target->locator.s);
		log_str("from", target_state_name(target->state));
		log_str("to", target_state_name(state));
		log_end();
	}
	target->state = state;
	if (state == TARGET_READY)
		target->checked_ms = clock_mono_ms();
}

bool
target_is_fresh(const struct target *target)
{
	return target->state == TARGET_READY &&
	       clock_mono_ms() - target->checked_ms <= SETTINGS_FRESH_MS;
}

void
target_changed(struct target *target)
{
	target->changed++;
	if (target->state == TARGET_READY)
		target_enter(target, TARGET_UNKNOWN);
	target_update(target);
}

/* Redis said in the same step in which it gave us a delivery which version is in force. */
void
target_saw_version(struct target *target, int64_t version)
{
	if (target->webhook == NULL || target->state != TARGET_READY)
		return;
	if (target->webhook->version == version)
		target->checked_ms = clock_mono_ms();
	else if (target->webhook->version < version)
		target_changed(target);
}

static size_t
target_count_headers(const struct headers *headers)
{
	size_t n = 0;

	for (size_t i = 0; i < headers->n; i++)
		n += headers->list[i].nvalues;
	return n;
}

static void
target_add_header(struct target *target, const char *name, const char *value)
{
	target->headers[target->nheaders++] = (struct post_header){name, value};
}

static void
target_prepare_headers(struct target *target)
{
	const struct endpoint *endpoint = target->endpoint;
	const struct headers *own = &endpoint->headers;

	target->headers = xcalloc(target_count_headers(own) + 2, sizeof *target->headers);
	target_add_header(target, "Content-Type", "application/json");
	if (endpoint->tag[0] != '\0')
		target_add_header(target, "webhook-secret-tag", endpoint->tag);
	for (size_t i = 0; i < own->n; i++)
		for (size_t j = 0; j < own->list[i].nvalues; j++)
			target_add_header(target, own->list[i].name, own->list[i].values[j]);
}

static void
target_prepare_signers(struct target *target)
{
	const struct webhook *webhook = target->webhook;

	if (!target->endpoint->hmac_enabled)
		return;
	target->signer = signer_new(target->endpoint->secret);
	if (!target->alert && webhook->previous_secret[0] != '\0')
		target->previous_signer = signer_new(webhook->previous_secret);
}

/* Takes the webhook. */
static void
target_use(struct target *target, struct webhook *webhook)
{
	const char *why, *url;

	target_drop_settings(target);
	target->webhook = webhook;
	target->endpoint = target->alert ? webhook->failure.alert : &webhook->endpoint;
	if (target->endpoint == NULL)
		return;
	url = target->endpoint->url;
	target->destination = xcalloc(1, sizeof *target->destination);
	target->destination->refs = 1;
	if (url_parse(&target->destination->url, url, strlen(url), &why) != 0) {
		log_begin(LOG_ERROR, "a stored webhook's url cannot be read");
		log_str("webhook", target->locator.s);
		log_str("reason", why);
		log_end();
	}
	target->destination->at = site_join(target->share, &target->destination->url);
	target_prepare_headers(target);
	target_prepare_signers(target);
}

/* What waits for an inactive webhook goes back: the claiming script knows what becomes of it. */
static void
target_release_waiting(struct target *target)
{
	while (!TAILQ_EMPTY(&target->waiting))
		delivery_release(TAILQ_FIRST(&target->waiting));
}

/* The webhook was deleted, and its queue with it: nothing is left to be done, or to be judged. */
static void
target_gone(struct target *target)
{
	struct delivery *delivery, *next;

	while (!TAILQ_EMPTY(&target->waiting))
		delivery_forget(TAILQ_FIRST(&target->waiting));
	for (delivery = TAILQ_FIRST(&target->untold[TELL_FAILURE]); delivery != NULL;
	     delivery = next) {
		next = TAILQ_NEXT(delivery, entry);
		if (delivery_is_undecided(delivery))
			delivery_forget(delivery);
	}
}

/* Whether anything may start: a webhook has to be active, a notice needs somewhere to go. */
bool
target_may_start(const struct target *target)
{
	return target->alert ? target->endpoint != NULL : webhook_is_active(target->webhook);
}

void
target_turn_away(struct target *target)
{
	if (target->alert)
		delivery_give_up_waiting(target);
	else
		target_release_waiting(target);
}

/* What the settings mean for what waits. */
static void
target_apply(struct target *target)
{
	if (!target_may_start(target))
		target_turn_away(target);
	if (target->nundecided > 0)
		target_mark_dirty(target);
}

struct target_ask {
	struct target *target;
	int64_t changed;
};

static void
target_on_settings(void *arg, enum store_err err, struct webhook *webhook)
{
	struct target_ask *ask = arg;
	struct target *target = ask->target;
	bool current = ask->changed == target->changed;

	free(ask);
	if (err == STORE_OK)
		target_use(target, webhook);
	if (err == STORE_OK && current)
		target_enter(target, TARGET_READY);
	else
		target_enter(target, TARGET_UNKNOWN);
	if (err == STORE_MISSING)
		target_gone(target);
	else if (err == STORE_OK && current)
		target_apply(target);
	/* else the next tick asks again */
	if (err != STORE_UNAVAILABLE && err != STORE_UNREADABLE)
		target_update(target);
}

static void
target_ask(struct target *target)
{
	struct target_ask *ask = xcalloc(1, sizeof *ask);

	ask->target = target;
	ask->changed = target->changed;
	target_enter(target, TARGET_ASKING);
	webhooks_get(target->dispatch->opts.store, &target->share->tenant, &target->locator,
	    target_on_settings, ask);
}
