/*
 * Publishing: the events of a request and every delivery that they cause, in one script.
 *
 * The requests of one tenant that come in one turn of the loop share a command: what the script
 * looks up is the same for all of them, and a script costs Redis as much as several events.  Few
 * wait for more while a command for that tenant is under way.  Tenants take turns (lanes.c).  Each
 * request is still stored as a whole or not at all, and answered alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/encode.h"
#include "base/log.h"
#include "store/events.h"
#include "store/lanes.h"
#include "store/store_internal.h"

#define BATCH_EVENTS_MAX 1000
#define BATCH_ENOUGH 32 /* deliveries; more in one command saves little and holds others up */
#define BATCH_BYTES_MAX (256 * 1024)
#define BYTES_PER_COST 4096 /* so many are as much work for Redis as a delivery */
/* As far as can be guessed: Redis serves nobody else meanwhile. */
#define BATCH_DELIVERIES_MAX 1000

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
	struct lane_item item;
	struct store *store;
	struct lane *lane;
	struct redis_cmd *cmd;
	STAILQ_HEAD(, publish_op) ops;
	size_t n;                       /* events of all of them */
	struct publish_target *block;   /* all targets; events that go the same way share theirs */
	struct publish_target *targets; /* those of the event that was read last, in the block */
	size_t ntargets;
};

struct publisher {
	struct event *flush;
	struct lanes lanes;
	STAILQ_HEAD(, lane) due; /* to be looked at at the end of the turn */
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

/* Whether the answer goes on with each event. */
static bool
publish_is_stored(const redisReply *reply)
{
	return reply_is(reply, 0, "ok") || reply_is(reply, 0, "much");
}

/* What the answer says of a request, from the element `at` on; NULL when that is odd. */
static struct publish_result *
publish_read(struct publish_batch *batch, const redisReply *reply, size_t at, struct publish_op *op)
{
	struct publish_result *result = xcalloc(1, sizeof *result);
	size_t n = op->request.n;
	int rc = -1;
	bool stored = publish_is_stored(reply);

	result->much = reply_is(reply, 0, "much");
	if (reply_is(reply, 0, "conflict")) {
		result->outcome = PUBLISH_CONFLICT;
		rc = 0;
	} else if (reply_is(reply, 0, "full")) {
		result->outcome = PUBLISH_FULL;
		rc = 0;
	} else if (reply_is(reply, 0, "replay")) {
		rc = publish_read_replay(result, reply_text(reply, 1, NULL), n);
	} else if (stored && *reply_text(reply, at, NULL) == '!') {
		result->outcome = reply_is(reply, at, "! fanout") ? PUBLISH_FANOUT : PUBLISH_WORK;
		rc = 0;
	} else if (stored && at + n <= reply->elements) {
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
	const struct publish_op *op;
	size_t deliveries = 0, n = 0;

	STAILQ_FOREACH(op, &batch->ops, entry)
	for (size_t i = 0; op->result != NULL && i < op->result->n; i++, n++)
		deliveries += op->result->events[i].ntargets;
	lanes_learn(&batch->store->publisher->lanes, batch->lane, n, deliveries);
}

/* Looks at the lane at the end of this turn. */
static void
publish_look_later(struct publisher *publisher, struct lane *lane)
{
	if (!lane->is_due) {
		lane->is_due = true;
		STAILQ_INSERT_TAIL(&publisher->due, lane, due_entry);
	}
	event_active(publisher->flush, EV_TIMEOUT, 1);
}

static redis_fn publish_on_stored;

/* --- asking --- */

static struct publish_batch *
publish_batch_new(struct store *store, struct lane *lane, const struct publish_request *request)
{
	struct publish_batch *batch = xcalloc(1, sizeof *batch);

	batch->store = store;
	batch->lane = lane;
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
	/* borrowed for this command's head only, which has told them; another one leases nothing */
	op->request.rooms = NULL;
	op->request.nrooms = 0;
	op->request.max_leases = 0;
	op->request.note_tenant = false;
}

/* --- gathering --- */

/* Deliveries, as far as can be guessed. */
static size_t
publish_batch_cost(const struct publish_batch *batch, size_t more)
{
	size_t per_event = batch->lane->per_event;

	return (batch->n + more) * (per_event > 0 ? per_event : 1);
}

static bool
publish_batch_is_enough(const struct publish_batch *batch)
{
	return publish_batch_cost(batch, 0) >= BATCH_ENOUGH;
}

static bool
publish_batch_takes(const struct publish_batch *batch, const struct publish_request *request)
{
	return !request->note_tenant && batch->n + request->n <= BATCH_EVENTS_MAX &&
	       publish_batch_cost(batch, request->n) <= BATCH_DELIVERIES_MAX &&
	       redis_cmd_size(batch->cmd) + request->body_len <= BATCH_BYTES_MAX;
}

/* Nothing more comes to it: it goes to Redis when it is its turn. */
static void
publish_batch_close(struct publish_batch *batch)
{
	struct publisher *publisher = batch->store->publisher;
	size_t cost = publish_batch_cost(batch, 0) + redis_cmd_size(batch->cmd) / BYTES_PER_COST;

	if (batch->lane->open == batch)
		batch->lane->open = NULL;
	lanes_add(&publisher->lanes, batch->lane, &batch->item, cost);
}

/* Into the lane of its tenant. */
static void
publish_gather(struct store *store, struct publish_op *op)
{
	const struct publish_request *request = &op->request;
	struct lane *lane = lanes_get(&store->publisher->lanes, &request->tenant);

	if (lane->open != NULL && !publish_batch_takes(lane->open, request)) {
		publish_batch_close(lane->open);
		publish_look_later(store->publisher, lane);
	}
	if (lane->open == NULL)
		lane->open = publish_batch_new(store, lane, request);
	publish_batch_add(lane->open, op);
	if (lane_is_free(lane) || publish_batch_is_enough(lane->open))
		publish_look_later(store->publisher, lane);
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
	batch = publish_batch_new(
	    store, lanes_get(&store->publisher->lanes, &request->tenant), request);
	publish_batch_add(batch, op);
	publish_batch_close(batch);
	publish_look_later(store->publisher, batch->lane);
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
		op->again = at > 2 && publish_is_stored(reply) && reply_is(reply, at, "?");
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
	struct publisher *publisher = batch->store->publisher;
	enum store_err err = store_judge("publish", answer, reply);

	lanes_done(&publisher->lanes, &batch->item);
	if (err == STORE_OK)
		publish_read_all(batch, reply);
	publish_look_later(publisher, batch->lane);
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
publish_send(struct lane_item *item)
{
	struct publish_batch *batch =
	    (struct publish_batch *)(void *)((char *)item - offsetof(struct publish_batch, item));

	redis_send(batch->store->publishing, batch->cmd, publish_on_stored, batch);
}

/* Closes what has gathered enough, or need not wait, and sends what may go. */
static void
publisher_send(struct publisher *publisher)
{
	struct lane_item *item;
	struct lane *lane;

	while ((lane = STAILQ_FIRST(&publisher->due)) != NULL) {
		STAILQ_REMOVE_HEAD(&publisher->due, due_entry);
		if (lane->open != NULL &&
		    (lane_is_free(lane) || publish_batch_is_enough(lane->open)))
			publish_batch_close(lane->open);
		lane->is_due = false;
		lanes_put(&publisher->lanes, lane);
	}
	while ((item = lanes_next(&publisher->lanes)) != NULL)
		publish_send(item);
}

void
publisher_flush(struct publisher *publisher)
{
	struct lane_item *item;
	struct lane *lane, *next;

	HASH_ITER(hh, publisher->lanes.table, lane, next)
	{
		if (lane->open != NULL)
			publish_batch_close(lane->open);
	}
	while ((item = lanes_drain(&publisher->lanes)) != NULL)
		publish_send(item);
}

/* Runs behind all that the loop found to do this turn. */
static void
publisher_ev_flush(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	publisher_send(arg);
}

struct publisher *
publisher_new(struct event_base *base)
{
	struct publisher *publisher = xcalloc(1, sizeof *publisher);

	STAILQ_INIT(&publisher->due);
	lanes_init(&publisher->lanes);
	publisher->flush = evtimer_new(base, publisher_ev_flush, publisher);
	if (publisher->flush == NULL)
		abort();
	return publisher;
}

void
publisher_free(struct publisher *publisher)
{
	event_free(publisher->flush);
	lanes_clear(&publisher->lanes);
	free(publisher);
}
