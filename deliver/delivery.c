/* One delivery on this instance, from its lease to what Redis is to know of it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "deliver/dispatch_internal.h"
#include "proto/trace.h"

static void delivery_on_head(void *arg, const struct post_result *result);
static void delivery_on_post(void *arg, const struct post_result *result);

/* --- states --- */

static const char *
delivery_state_name(enum delivery_state state)
{
	static const char *const names[] = {
	    "WAITING", "POSTING", "READING", "SETTLING", "RELEASING"};

	return names[state];
}

static enum tell_kind
delivery_tell_kind(const struct delivery *delivery)
{
	if (delivery->state == DELIVERY_RELEASING)
		return TELL_RELEASE;
	if (delivery->kind == DELIVERY_TEST)
		return TELL_TEST;
	return delivery->success ? TELL_ACK : TELL_FAILURE;
}

static struct delivery_list *
delivery_list_of(struct delivery *delivery)
{
	struct target *target = delivery->target;

	switch (delivery->state) {
	case DELIVERY_WAITING:
		return &target->waiting;
	case DELIVERY_POSTING:
		return &target->posting;
	case DELIVERY_READING:
		return &target->reading;
	case DELIVERY_SETTLING:
	case DELIVERY_RELEASING:
	default:
		return delivery->sent ? &target->telling
				      : &target->untold[delivery_tell_kind(delivery)];
	}
}

bool
delivery_is_undecided(const struct delivery *delivery)
{
	return delivery->state == DELIVERY_SETTLING && !delivery->success && !delivery->sent &&
	       delivery->kind == DELIVERY_QUEUED && !delivery->target->alert;
}

/* More attempts first: how many there may be, and what follows then, is a matter of time too. */
static void
delivery_insert(struct delivery *delivery)
{
	struct delivery_list *list = delivery_list_of(delivery);
	struct delivery *behind = NULL;

	if (delivery->state == DELIVERY_WAITING && delivery->number > 1) {
		behind = TAILQ_FIRST(list);
		while (behind != NULL && behind->number >= delivery->number)
			behind = TAILQ_NEXT(behind, entry);
	}
	if (behind != NULL)
		TAILQ_INSERT_BEFORE(behind, delivery, entry);
	else
		TAILQ_INSERT_TAIL(list, delivery, entry);
}

/* Adds or takes away what the delivery counts for in its state. */
static void
delivery_count(struct delivery *delivery, bool in)
{
	struct target *target = delivery->target;
	struct dispatch *dispatch = target->dispatch;
	size_t one = in ? 1 : (size_t)-1;

	if (in)
		delivery_insert(delivery);
	else
		TAILQ_REMOVE(delivery_list_of(delivery), delivery, entry);
	if (delivery->state == DELIVERY_WAITING) {
		target->nwaiting += one;
		target->nretries += delivery->number > 1 ? one : 0;
		target->share->waiting += one;
		dispatch->waiting += one;
		if (target_is_ready(target)) {
			dispatch->startable += one;
			target->share->startable += one;
		}
	} else if (delivery->state == DELIVERY_POSTING) {
		target->inflight += one;
		target->share->inflight += one;
		dispatch->inflight += one;
		(in ? site_began : site_ended)(delivery->destination->at);
	} else if (delivery_is_undecided(delivery)) {
		target->nundecided += one;
	}
}

void
delivery_mark_sent(struct delivery *delivery, bool sent)
{
	delivery_count(delivery, false);
	delivery->sent = sent;
	delivery_count(delivery, true);
}

/* The only place where the state changes. */
static void
delivery_enter(struct delivery *delivery, enum delivery_state state)
{
	struct target *target = delivery->target;

	if (log_on(LOG_DEBUG)) {
		log_begin(LOG_DEBUG, "delivery state");
		log_str("event", delivery->payload->locator.s);
		log_str("webhook", target->locator.s);
		log_str("from", delivery_state_name(delivery->state));
		log_str("to", delivery_state_name(state));
		log_end();
	}
	delivery_count(delivery, false);
	if (delivery->state == DELIVERY_POSTING)
		dispatch_run_turn(target->dispatch); /* for its place */
	delivery->state = state;
	delivery_count(delivery, true);
	if (state == DELIVERY_SETTLING || state == DELIVERY_RELEASING)
		target_mark_dirty(target);
	target_update(target);
}

/* --- life --- */

struct delivery *
delivery_new(struct target *target, struct payload *payload, unsigned number, int64_t lease_end,
    int64_t asked_ms)
{
	struct dispatch *dispatch = target->dispatch;
	struct delivery *delivery = xcalloc(1, sizeof *delivery);

	delivery->target = target;
	delivery->payload = payload_ref(payload);
	delivery->lease_end = lease_end;
	delivery->start_by_ms = asked_ms + dispatch->start_within_ms;
	delivery->number = number;
	delivery->state = DELIVERY_WAITING;
	share_hold(target->share, payload);
	delivery_count(delivery, true);
	return delivery;
}

/* Cancels the POST if it is under way. */
static void
delivery_end_post(struct delivery *delivery)
{
	if (delivery->post != NULL)
		post_cancel(delivery->post);
	delivery->post = NULL;
}

/* Behind the change of state: a POST counts for where it goes. */
static void
delivery_leave_destination(struct delivery *delivery)
{
	destination_unref(delivery->destination);
	delivery->destination = NULL;
}

void
delivery_forget(struct delivery *delivery)
{
	struct target *target = delivery->target;
	struct dispatch *dispatch = target->dispatch;

	delivery_end_post(delivery);
	delivery_count(delivery, false);
	delivery_leave_destination(delivery);
	target->ntests -= delivery->kind == DELIVERY_TEST ? 1 : 0;
	share_let_go(target->share, delivery->payload);
	payload_unref(delivery->payload);
	free(delivery->message);
	free(delivery->response);
	free(delivery);
	target->idle_since_ms = clock_mono_ms();
	target_update(target);
	share_check_backlog(target->share);
	dispatch_run_turn(dispatch);
}

/* A test event that does not come to its try, or not to the end of it: that is what is recorded. */
static void
delivery_end_test(struct delivery *delivery)
{
	const struct target *target = delivery->target;
	const char *why = "there was no room for it in time";

	if (target->dispatch->draining)
		why = "evhookd is ending";
	else if (target->state == TARGET_READY && !target_may_start(target))
		why = "the webhook is not active any more";
	strcpy(delivery->trigger, "timeout");
	delivery->message = xstrdup(why);
	delivery_enter(delivery, DELIVERY_SETTLING);
}

void
delivery_release(struct delivery *delivery)
{
	delivery_end_post(delivery);
	if (delivery->kind == DELIVERY_TEST) {
		delivery_end_test(delivery);
		return;
	}
	delivery_enter(delivery, DELIVERY_RELEASING);
}

/* --- the attempt --- */

/* Decimal digits and a NUL, ending at the end of text; returns where they begin. */
static const char *
delivery_decimal(char text[24], uint64_t n)
{
	char *p = text + 23;

	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return p;
}

/* "v1,…", and a second one while a replaced secret still counts. */
static void
delivery_sign(const struct delivery *delivery, int64_t now_ms, char out[2 * SIGNATURE_LEN + 2])
{
	const struct target *target = delivery->target;
	const struct payload *payload = delivery->payload;
	const struct buf *body = &payload->body;

	signer_sign(target->signer, payload->locator.s, now_ms / 1000, body->data, body->len, out);
	if (target->previous_signer == NULL || target->webhook->previous_until <= now_ms)
		return;
	out[SIGNATURE_LEN] = ' ';
	signer_sign(target->previous_signer, payload->locator.s, now_ms / 1000, body->data,
	    body->len, out + SIGNATURE_LEN + 1);
}

/* The endpoint's own, but no longer than the process allows: leases are made for that. */
static int64_t
delivery_timeout_ms(const struct target *target)
{
	int64_t most = target->dispatch->opts.delivery_timeout_ms;
	int64_t own = (int64_t)target->endpoint->timeout_seconds * 1000;

	return own > 0 && own < most ? own : most;
}

#define DELIVERY_OWN_HEADERS 7

void
delivery_start(struct delivery *delivery)
{
	struct target *target = delivery->target;
	struct dispatch *dispatch = target->dispatch;
	int64_t now_ms = clock_wall_ms();
	struct post_header headers[HEADER_VALUES_MAX + 2 + DELIVERY_OWN_HEADERS];
	char timestamp[24], number[24], signature[2 * SIGNATURE_LEN + 2];
	size_t n = 0;
	struct post_request request = {
	    .url = &target->destination->url,
	    .group = target->share,
	    .verify = target->endpoint->secure_ssl,
	    .headers = headers,
	    .body = delivery->payload->body.data,
	    .body_len = delivery->payload->body.len,
	    .timeout_ms = delivery_timeout_ms(target),
	    .on_head = delivery_on_head,
	};

	headers[n++] = target->headers[0]; /* Content-Type first, as people expect it */
	headers[n++] = (struct post_header){"webhook-id", delivery->payload->locator.s};
	headers[n++] = (struct post_header){
	    "webhook-timestamp", delivery_decimal(timestamp, (uint64_t)(now_ms / 1000))};
	if (target->signer != NULL) {
		delivery_sign(delivery, now_ms, signature);
		headers[n++] = (struct post_header){"webhook-signature", signature};
	}
	headers[n++] = (struct post_header){"webhook-event-type", delivery->payload->type};
	headers[n++] =
	    (struct post_header){"webhook-attempt", delivery_decimal(number, delivery->number)};
	if (delivery->payload->trace_parent != NULL)
		headers[n++] = (struct post_header){"traceparent", delivery->payload->trace_parent};
	if (delivery->payload->trace_state != NULL)
		headers[n++] = (struct post_header){"tracestate", delivery->payload->trace_state};
	for (size_t i = 1; i < target->nheaders; i++)
		headers[n++] = target->headers[i];
	request.nheaders = n;
	delivery->destination = target->destination;
	delivery->destination->refs++;
	delivery->started_ms = clock_mono_ms();
	delivery->post = post_start(dispatch->opts.poster, &request, delivery_on_post, delivery);
	delivery_enter(delivery, DELIVERY_POSTING);
}

static void
delivery_keep_response(struct delivery *delivery, const struct post_result *result)
{
	size_t n = result->body_len < RESPONSE_KEPT ? result->body_len : RESPONSE_KEPT;

	if (n == 0)
		return;
	delivery->response = xstrndup(result->body, n);
	delivery->response_len = n;
	for (size_t i = 0; i < n; i++)
		if (delivery->response[i] == '\0')
			delivery->response[i] = ' ';
	/* cut a character that the limit split, and what was never UTF-8 */
	for (int cut = 0; cut < 3 && delivery->response_len > 0; cut++) {
		if (utf8_valid(delivery->response, delivery->response_len))
			return;
		delivery->response_len--;
	}
	for (size_t i = 0; i < delivery->response_len; i++)
		if ((unsigned char)delivery->response[i] >= 0x80)
			delivery->response[i] = '?';
}

static void
delivery_judge(struct delivery *delivery, const struct post_result *result)
{
	struct buf message = {0};

	delivery->status = result->status;
	delivery->retry_after_ms = -1;
	delivery->success = result->status >= 200 && result->status <= 299;
	if (delivery->success)
		return;
	if (result->status == 0) {
		strcpy(delivery->trigger, "timeout");
		delivery->message = xstrdup(result->message);
		return;
	}
	delivery->retry_after_ms = result->status == 429 || result->status == 503
				       ? retry_after_ms(result->retry_after, clock_wall_ms())
				       : -1;
	buf_addi(&message, result->status);
	memcpy(delivery->trigger, message.data, message.len);
	buf_reset(&message);
	buf_printf(&message, "the endpoint answered %d", result->status);
	delivery->message = buf_take(&message, NULL);
}

static void
delivery_tally(const struct delivery *delivery, enum tally_outcome outcome)
{
	const char *inactive = delivery->judgement.inactive;
	enum tally_trigger trigger = TALLY_NO_TRIGGER;
	enum tally_kind kind = TALLY_EVENT;

	if (delivery->kind == DELIVERY_TEST)
		kind = TALLY_TEST;
	else if (delivery->target->alert)
		kind = TALLY_ALERT;
	if (inactive != NULL)
		trigger = *inactive == 'd' ? TALLY_DISABLED : TALLY_SUSPENDED;
	else if (!delivery->success)
		trigger = tally_trigger_of(delivery->status);
	delivery->target->dispatch->tally.attempts[kind][outcome][trigger]++;
}

/* What was asked, as its publisher knows it. */
static void
delivery_log_origin(const struct payload *payload)
{
	log_strn("request", payload->request_id.s, ULID_LEN);
	if (payload->trace_parent != NULL)
		log_strn("trace", payload->trace_parent + TRACE_ID_AT, TRACE_ID_LEN);
}

void
delivery_tell(const struct delivery *delivery, enum tally_outcome outcome)
{
	const struct target *target = delivery->target;
	enum dispatch_log log = target->dispatch->opts.log;

	delivery_tally(delivery, outcome);
	if (!log_on(LOG_INFO) || log == DISPATCH_LOG_NONE ||
	    (log == DISPATCH_LOG_FAILURES && delivery->success))
		return;
	log_begin(LOG_INFO, target->alert ? "alert" : "delivery");
	log_str("outcome", tally_outcome_name(outcome));
	log_str("tenant", target->share->tenant.s);
	log_str("webhook", target->locator.s);
	log_str("event", delivery->payload->locator.s);
	log_int("attempt", delivery->number);
	log_int("status", delivery->status);
	log_int("ms", delivery->duration_ms);
	if (!delivery->success)
		log_str("reason", delivery->message);
	delivery_log_origin(delivery->payload);
	log_end();
}

/* There was no file descriptor for it: ours is the fault, so it waits for better times. */
static void
delivery_put_off(struct delivery *delivery)
{
	struct dispatch *dispatch = delivery->target->dispatch;

	dispatch_rest(dispatch);
	if (dispatch->draining)
		delivery_release(delivery);
	else
		delivery_enter(delivery, DELIVERY_WAITING);
	delivery_leave_destination(delivery);
}

static void
delivery_count_latency(const struct delivery *delivery, int64_t now_us)
{
	struct tally *tally = &delivery->target->dispatch->tally;

	if (delivery->kind == DELIVERY_QUEUED && !delivery->target->alert)
		histogram_add(delivery->number == 1 ? &tally->first : &tally->later,
		    now_us - delivery->payload->accepted_us);
}

/* The outcome stands, with an answer or without. */
static void
delivery_decide(struct delivery *delivery, const struct post_result *result)
{
	struct target *target = delivery->target;
	int64_t now_us = clock_mono_us();

	delivery->duration_ms = now_us / 1000 - delivery->started_ms;
	target->share->ended++;
	target->dispatch->totals.ended++;
	target_took(target, delivery->duration_ms);
	delivery_judge(delivery, result);
	if (result->status == 0)
		site_failed(delivery->destination->at->site, delivery->started_ms);
	else
		site_answered(delivery->destination->at->site, delivery->success);
	if (result->timed_out)
		target_timed_out(target);
	else if (result->status == 0)
		target_refused(target);
	else
		target_answered(target, delivery->success);
	if (delivery->success) {
		delivery_count_latency(delivery, now_us);
		delivery_tell(delivery, TALLY_DELIVERED);
	}
}

static void
delivery_on_head(void *arg, const struct post_result *result)
{
	struct delivery *delivery = arg;

	delivery_decide(delivery, result);
	delivery_enter(delivery, DELIVERY_READING);
}

static void
delivery_on_post(void *arg, const struct post_result *result)
{
	struct delivery *delivery = arg;

	delivery->post = NULL;
	if (result->starved) {
		delivery_put_off(delivery);
		return;
	}
	if (delivery->state == DELIVERY_POSTING)
		delivery_decide(delivery, result);
	delivery_keep_response(delivery, result);
	delivery_enter(delivery, DELIVERY_SETTLING);
}

void
delivery_settle(struct delivery *delivery)
{
	delivery_end_post(delivery);
	delivery_enter(delivery, DELIVERY_SETTLING);
}

void
delivery_judge_again(struct delivery *delivery)
{
	delivery_mark_sent(delivery, false);
	target_changed(delivery->target);
}

void
delivery_give_up_waiting(struct target *target)
{
	struct delivery *delivery;

	while ((delivery = TAILQ_FIRST(&target->waiting)) != NULL) {
		strcpy(delivery->trigger, "timeout");
		delivery->message = xstrdup("there is no alertEndpoint any more");
		delivery_enter(delivery, DELIVERY_SETTLING);
		delivery->number =
		    ALERT_RETRIES + 1; /* none is left; it counted as waiting till now */
	}
}
