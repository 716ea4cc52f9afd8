/*
 * Publishing: the events of a request and every delivery that they cause, in one script.
 *
 * The requests of one tenant that come in one turn of the loop share a command: what the script
 * looks up is the same for all of them, and a script costs Redis as much as several events.  Few
 * wait for more while a command for that tenant is under way.  Each request is still stored as a
 * whole or not at all, and answered alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/encode.h"
#include "base/log.h"
#include "store/events.h"
#include "store/store_internal.h"

#define BATCH_EVENTS_MAX 1000
#define BATCH_ENOUGH 32 /* deliveries; more in one command saves little and holds others up */
#define BATCH_BYTES_MAX (256 * 1024)
/* As far as can be guessed: Redis serves nobody else meanwhile. */
#define BATCH_DELIVERIES_MAX 10000

/* One request. */
struct publish_op {
	STAILQ_ENTRY(publish_op) entry;
	struct publish_request request; /* but for what stands in the head of a command */
	events_publish_fn *fn;
	void *arg;
	struct publish_result *result; /* NULL until the script answered */
	bool again;                    /* what stands before it was work enough for one script */
};

/* One command. */
struct publish_batch {
	struct replicas_op op; /* first: with --redis-wait */
	struct store *store;
	struct publish_lane *lane; /* NULL: it has none, and is not waited for */
	struct redis_cmd *cmd;
	STAILQ_HEAD(, publish_op) ops;
	size_t n;                       /* events of all of them */
	struct publish_target *block;   /* all targets; events that go the same way share theirs */
	struct publish_target *targets; /* those of the event that was read last, in the block */
	size_t ntargets;
};

/* What is going on for a tenant; it ends when nothing is. */
struct publish_lane {
	UT_hash_handle hh;
	struct uuid tenant;
	struct publish_batch *open; /* takes more requests; NULL for none */
	unsigned underway;          /* batches that wait for their answer */
	bool is_ripe;
	STAILQ_ENTRY(publish_lane) ripe_entry;
};

struct publisher {
	struct event *flush;
	struct publish_lane *lanes;       /* by tenant */
	STAILQ_HEAD(, publish_lane) ripe; /* to be sent at the end of the turn */
	size_t per_event; /* deliveries that an event caused of late, the most; it fades */
};

static void
publish_result_free(struct publish_result *result)
{
	if (result == NULL)
		return;
	free(result->events);
	free(result);
}

/* --- reading the answer --- */

static const char *
publish_word(const char **at, size_t *n)
{
	const char *word = *at;

	while (**at != ' ' && **at != '\0')
		(*at)++;
	*n = (size_t)(*at - word);
	if (**at == ' ')
		(*at)++;
	return word;
}

/* "<webhook> <version> <how>" */
static int
publish_read_target(struct publish_target *target, const char **at)
{
	size_t n;
	const char *word = publish_word(at, &n);

	if (ulid_parse(&target->webhook, word, n) != 0)
		return -1;
	target->version = strtoll(publish_word(at, &n), NULL, 10);
	switch (*publish_word(at, &n)) {
	case 'l':
		target->how = TARGET_LEASED;
		return 0;
	case 'w':
		target->how = TARGET_WAITING;
		return 0;
	case 's':
		target->how = TARGET_SUSPENDED;
		return 0;
	case 'o':
		target->how = TARGET_OVERFLOW;
		return 0;
	default:
		return -1;
	}
}

/* Room for all targets of the answer. */
static struct publish_target *
publish_new_targets(const redisReply *reply)
{
	size_t spaces = 0;

	for (size_t i = 2; i < reply->elements; i++)
		for (const char *s = reply_text(reply, i, NULL); *s != '\0'; s++)
			spaces += *s == ' ';
	return xcalloc(spaces + 1, sizeof(struct publish_target));
}

/* "<locator> <target>…", or only "<locator>" for one that goes where the one before it goes. */
static int
publish_read_event(struct publish_batch *batch, struct publish_event *event, const char *text)
{
	size_t len = strcspn(text, " ");

	if (ulid_parse(&event->locator, text, len) != 0)
		return -1;
	text += len;
	if (*text == ' ') {
		batch->targets += batch->ntargets;
		batch->ntargets = 0;
		text++;
	}
	while (*text != '\0')
		if (publish_read_target(&batch->targets[batch->ntargets++], &text) != 0)
			return -1;
	event->targets = batch->targets;
	event->ntargets = batch->ntargets;
	return 0;
}

/* The request's events begin at the element `at`. */
static int
publish_read_stored(struct publish_batch *batch, struct publish_result *result,
    const redisReply *reply, size_t at, size_t n)
{
	result->outcome = PUBLISH_STORED;
	result->lease_end = reply_int(reply, 1);
	result->events = xcalloc(n, sizeof *result->events);
	result->n = n;
	for (size_t i = 0; i < n; i++)
		if (publish_read_event(
			batch, &result->events[i], reply_text(reply, at + i, NULL)) != 0)
			return -1;
	return 0;
}

/* "[:<user>] <locator> …" */
static int
publish_read_replay(struct publish_result *result, const char *at, size_t n)
{
	size_t user_len;
	const char *user = publish_word(&at, &user_len);

	result->outcome = PUBLISH_REPLAYED;
	if (user_len > 0 && uuid_parse(&result->user, user + 1, user_len - 1) != 0)
		return -1;
	result->events = xcalloc(n, sizeof *result->events);
	result->n = n;
	for (size_t i = 0; i < n; i++) {
		size_t len;
		const char *word = publish_word(&at, &len);

		if (ulid_parse(&result->events[i].locator, word, len) != 0)
			return -1;
	}
	return 0;
}

/* What the answer says of a request, from the element `at` on; NULL when that is odd. */
static struct publish_result *
publish_read(struct publish_batch *batch, const redisReply *reply, size_t at, struct publish_op *op)
{
	struct publish_result *result = xcalloc(1, sizeof *result);
	size_t n = op->request.n;
	int rc = -1;

	if (reply_is(reply, 0, "conflict")) {
		result->outcome = PUBLISH_CONFLICT;
		rc = 0;
	} else if (reply_is(reply, 0, "replay")) {
		rc = publish_read_replay(result, reply_text(reply, 1, NULL), n);
	} else if (reply_is(reply, 0, "ok") && *reply_text(reply, at, NULL) == '!') {
		result->outcome = reply_is(reply, at, "! fanout") ? PUBLISH_FANOUT : PUBLISH_WORK;
		rc = 0;
	} else if (reply_is(reply, 0, "ok") && at + n <= reply->elements) {
		rc = publish_read_stored(batch, result, reply, at, n);
		result->user = op->request.user;
	}
	if (rc == 0)
		return result;
	log_msg(LOG_ERROR, "the publish script gave an odd answer");
	publish_result_free(result);
	return NULL;
}

/* Whether the answer says that something is stored, now or by a request before. */
static bool
publish_is_promise(const struct publish_op *op)
{
	return op->result != NULL &&
	       (op->result->outcome == PUBLISH_STORED || op->result->outcome == PUBLISH_REPLAYED);
}

/* Answers every request of the batch, and frees it. */
static void
publish_finish(struct publish_batch *batch, enum store_err err)
{
	struct publish_op *op;

	while ((op = STAILQ_FIRST(&batch->ops)) != NULL) {
		STAILQ_REMOVE_HEAD(&batch->ops, entry);
		if ((err == STORE_OK || err == STORE_UNREPLICATED) && op->result != NULL)
			op->fn(op->arg, publish_is_promise(op) ? err : STORE_OK, op->result);
		else
			op->fn(op->arg, STORE_UNAVAILABLE, NULL);
		publish_result_free(op->result);
		free(op);
	}
	free(batch->block);
	free(batch);
}

static bool
publish_promises(const struct publish_batch *batch)
{
	const struct publish_op *op;

	STAILQ_FOREACH(op, &batch->ops, entry)
	if (publish_is_promise(op))
		return true;
	return false;
}

/* With --redis-wait the script's answer has been kept until enough replicas have what it wrote. */
static void
publish_on_replicated(struct replicas_op *op, enum store_err err)
{
	publish_finish((struct publish_batch *)op, err);
}

/* Learns from an answer how much an event may cause. */
static void
publish_note_fanout(const struct publish_batch *batch)
{
	struct publisher *publisher = batch->store->publisher;
	const struct publish_op *op;
	size_t deliveries = 0, n = 0;

	STAILQ_FOREACH(op, &batch->ops, entry)
	for (size_t i = 0; op->result != NULL && i < op->result->n; i++, n++)
		deliveries += op->result->events[i].ntargets;
	if (n == 0)
		return;
	publisher->per_event -= publisher->per_event / 4;
	if (publisher->per_event < deliveries / n)
		publisher->per_event = deliveries / n;
}

/* Sends what was gathered in the lane at the end of this turn. */
static void
publish_lane_ripen(struct publisher *publisher, struct publish_lane *lane)
{
	if (lane->is_ripe)
		return;
	lane->is_ripe = true;
	STAILQ_INSERT_TAIL(&publisher->ripe, lane, ripe_entry);
	event_active(publisher->flush, EV_TIMEOUT, 1);
}

/* Goes on with what was gathered, or ends the lane. */
static void
publish_lane_go_on(struct publisher *publisher, struct publish_lane *lane)
{
	if (lane->underway > 0 || lane->is_ripe)
		return;
	if (lane->open != NULL) {
		publish_lane_ripen(publisher, lane);
		return;
	}
	HASH_DELETE(hh, publisher->lanes, lane);
	free(lane);
}

static redis_fn publish_on_stored;

/* --- asking --- */

static struct publish_batch *
publish_batch_new(struct store *store, const struct publish_request *request)
{
	struct publish_batch *batch = xcalloc(1, sizeof *batch);

	batch->store = store;
	STAILQ_INIT(&batch->ops);
	batch->cmd = store_script(store, "publish", &request->tenant);
	publish_args_head(batch->cmd, request);
	return batch;
}

static void
publish_batch_add(struct publish_batch *batch, struct publish_op *op)
{
	STAILQ_INSERT_TAIL(&batch->ops, op, entry);
	batch->n += op->request.n;
	publish_args_request(batch->cmd, &op->request);
	/* borrowed for this command's head only, which has told them */
	op->request.full = NULL;
	op->request.nfull = 0;
	op->request.note_tenant = false;
}

/* --- gathering --- */

static struct publish_lane *
publish_lane_get(struct publisher *publisher, const struct uuid *tenant)
{
	struct publish_lane *lane;

	HASH_FIND(hh, publisher->lanes, tenant->s, UUID_LEN, lane);
	if (lane != NULL)
		return lane;
	lane = xcalloc(1, sizeof *lane);
	lane->tenant = *tenant;
	HASH_ADD(hh, publisher->lanes, tenant.s, UUID_LEN, lane);
	return lane;
}

static void
publish_lane_send(struct publish_lane *lane)
{
	struct publish_batch *batch = lane->open;

	lane->open = NULL;
	lane->underway++;
	redis_send(batch->store->publishing, batch->cmd, publish_on_stored, batch);
}

static bool
publish_batch_is_enough(const struct publish_batch *batch)
{
	size_t per_event = batch->store->publisher->per_event;

	return batch->n * (per_event > 0 ? per_event : 1) >= BATCH_ENOUGH;
}

static bool
publish_batch_takes(const struct publish_batch *batch, const struct publish_request *request)
{
	return !request->note_tenant && batch->n + request->n <= BATCH_EVENTS_MAX &&
	       (batch->n + request->n) * batch->store->publisher->per_event <=
		   BATCH_DELIVERIES_MAX &&
	       redis_cmd_size(batch->cmd) + request->body_len <= BATCH_BYTES_MAX;
}

/* Into the lane of its tenant. */
static void
publish_gather(struct store *store, struct publish_op *op)
{
	const struct publish_request *request = &op->request;
	struct publish_lane *lane = publish_lane_get(store->publisher, &request->tenant);

	if (lane->open != NULL && !publish_batch_takes(lane->open, request))
		publish_lane_send(lane);
	if (lane->open == NULL) {
		lane->open = publish_batch_new(store, request);
		lane->open->lane = lane;
	}
	publish_batch_add(lane->open, op);
	if (lane->underway == 0 || publish_batch_is_enough(lane->open))
		publish_lane_ripen(store->publisher, lane);
}

void
events_publish(
    struct store *store, const struct publish_request *request, events_publish_fn *fn, void *arg)
{
	struct publish_batch *batch;
	struct publish_op *op = xcalloc(1, sizeof *op);

	op->request = *request;
	op->fn = fn;
	op->arg = arg;
	if (request->idempotency_key == NULL) {
		publish_gather(store, op);
		return;
	}
	batch = publish_batch_new(store, request);
	publish_batch_add(batch, op);
	redis_send(store->publishing, batch->cmd, publish_on_stored, batch);
}

/* Reads the answer for each request; those that are to be sent again leave the batch for that. */
static void
publish_read_all(struct publish_batch *batch, const redisReply *reply)
{
	struct publish_op *op, *next;
	size_t at = 2;

	batch->targets = batch->block = publish_new_targets(reply);
	for (op = STAILQ_FIRST(&batch->ops); op != NULL; op = next) {
		next = STAILQ_NEXT(op, entry);
		/* never the first one, so that each time there is one less */
		op->again = at > 2 && reply_is(reply, 0, "ok") && reply_is(reply, at, "?");
		at += op->request.n;
		if (!op->again)
			op->result = publish_read(batch, reply, at - op->request.n, op);
	}
	publish_note_fanout(batch);
	for (op = STAILQ_FIRST(&batch->ops); op != NULL; op = next) {
		next = STAILQ_NEXT(op, entry);
		if (!op->again)
			continue;
		STAILQ_REMOVE(&batch->ops, op, publish_op, entry);
		op->again = false;
		publish_gather(batch->store, op);
	}
}

static void
publish_on_stored(void *arg, enum answer answer, const redisReply *reply)
{
	struct publish_batch *batch = arg;
	enum store_err err = store_judge("publish", answer, reply);

	if (batch->lane != NULL)
		batch->lane->underway--;
	if (err == STORE_OK)
		publish_read_all(batch, reply);
	if (batch->lane != NULL)
		publish_lane_go_on(batch->store->publisher, batch->lane);
	/* asked behind the script's answer, not together with it: the script may have to be sent
	 * again (NOSCRIPT), and WAIT is only about what stands before it */
	if (batch->store->replicas != NULL && publish_promises(batch)) {
		batch->op.fn = publish_on_replicated;
		replicas_await(batch->store->replicas, &batch->op);
	} else {
		publish_finish(batch, err);
	}
}

static void
publisher_send_ripe(struct publisher *publisher)
{
	struct publish_lane *lane;

	while ((lane = STAILQ_FIRST(&publisher->ripe)) != NULL) {
		STAILQ_REMOVE_HEAD(&publisher->ripe, ripe_entry);
		lane->is_ripe = false;
		if (lane->open != NULL &&
		    (lane->underway == 0 || publish_batch_is_enough(lane->open)))
			publish_lane_send(lane);
		else
			publish_lane_go_on(publisher, lane);
	}
}

void
publisher_flush(struct publisher *publisher)
{
	struct publish_lane *lane, *next;

	STAILQ_INIT(&publisher->ripe);
	HASH_ITER(hh, publisher->lanes, lane, next)
	{
		lane->is_ripe = false;
		if (lane->open != NULL)
			publish_lane_send(lane);
	}
}

/* Runs behind all that the loop found to do this turn. */
static void
publisher_ev_flush(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	publisher_send_ripe(arg);
}

struct publisher *
publisher_new(struct event_base *base)
{
	struct publisher *publisher = xcalloc(1, sizeof *publisher);

	STAILQ_INIT(&publisher->ripe);
	publisher->flush = evtimer_new(base, publisher_ev_flush, publisher);
	if (publisher->flush == NULL)
		abort();
	return publisher;
}

void
publisher_free(struct publisher *publisher)
{
	event_free(publisher->flush);
	free(publisher);
}
