/* Claiming due deliveries: one script, and reading what it gave. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/event_text.h"
#include "store/queue.h"
#include "store/store_internal.h"

#define UNREADABLE_MAX 100 /* of a queue, ended by one claim: the others' leases end */

struct claim_op {
	struct store *store;
	int64_t attempts_kept;
	queue_claim_fn *fn;
	void *arg;
	struct claim_result result;
	struct event_text **texts; /* as many as events */
	size_t ntexts;
};

static int
claim_read_event(struct claim_op *op, struct claim_event *event, const redisReply *locator,
    const redisReply *what)
{
	struct event_text *text;

	if (locator->type != REDIS_REPLY_STRING || what->type != REDIS_REPLY_STRING ||
	    ulid_parse(&event->locator, locator->str, locator->len) != 0)
		return -1;
	text = xcalloc(1, sizeof *text);
	op->texts[op->ntexts++] = text;
	if (event_text_read(text, &event->locator, what->str, what->len) != 0)
		return -1;
	event->attempts = text->attempts;
	event->parts = text->parts;
	return 0;
}

static void
claim_on_ended(void *arg, enum answer answer, const redisReply *reply)
{
	(void)arg;
	/* where that failed its lease ends, and it is claimed again */
	store_judge("unreadable", answer, reply);
}

/* Nothing can come of these: they end as failed. */
static void
claim_end_unreadable(struct claim_op *op, const struct claim_group *group,
    const redisReply *const *locators, const struct attempt *attempts, size_t n)
{
	struct queue_name name = queue_name(&group->webhook, group->alert);
	struct redis_cmd *cmd = store_script(op->store, "unreadable", &group->tenant);

	redis_args(cmd, name.s);
	redis_args(cmd, group->tenant.s);
	redis_argi(cmd, op->attempts_kept);
	redis_argi(cmd, op->result.lease_end);
	for (size_t i = 0; i < n; i++)
		redis_arg(cmd, locators[i]->str, locators[i]->len);
	attempts_arg(cmd, attempts, n);
	redis_send(op->store->redis, cmd, claim_on_ended, NULL);
	op->result.unreadable += n;
}

/* Notes one that cannot be read, for the log and for its record. */
static void
claim_note_unreadable(const struct claim_group *group, struct attempt *attempt,
    const redisReply *locator, const redisReply *what)
{
	bool nowhere = what->type == REDIS_REPLY_STRING && what->len == 0;

	*attempt = (struct attempt){
	    .type = "unknown",
	    .number = 1,
	    .trigger = "",
	    .message = nowhere ? "the event is nowhere" : "the stored event cannot be read",
	};
	snprintf(attempt->event.s, sizeof attempt->event.s, "%s", locator->str);
	log_begin(LOG_ERROR, "a queued event cannot be read; it ends as failed");
	log_str("tenant", group->tenant.s);
	log_str("webhook", group->webhook.s);
	log_str("event", attempt->event.s);
	log_str("why", attempt->message);
	log_end();
}

static int
claim_read_group(struct claim_op *op, struct claim_group *group, const redisReply *reply)
{
	const redisReply *locators[UNREADABLE_MAX];
	struct attempt attempts[UNREADABLE_MAX];
	const char *text;
	size_t n, nfaulty = 0;

	if (!reply_is_array(reply, 5))
		return -1;
	text = reply_text(reply, 0, &n);
	group->alert = n == ULID_LEN + strlen(":alert");
	if (ulid_parse(&group->webhook, text, group->alert ? ULID_LEN : n) != 0)
		return -1;
	text = reply_text(reply, 1, &n);
	if (uuid_parse(&group->tenant, text, n) != 0)
		return -1;
	group->version = reply_int(reply, 2);
	group->events = xcalloc(reply->elements / 2, sizeof *group->events);
	for (size_t i = 3; i + 1 < reply->elements; i += 2) {
		const redisReply *locator = reply->element[i], *what = reply->element[i + 1];

		if (claim_read_event(op, &group->events[group->n], locator, what) == 0) {
			group->n++;
		} else if (nfaulty < UNREADABLE_MAX && locator->type == REDIS_REPLY_STRING) {
			claim_note_unreadable(group, &attempts[nfaulty], locator, what);
			locators[nfaulty++] = locator;
		}
	}
	if (nfaulty > 0)
		claim_end_unreadable(op, group, locators, attempts, nfaulty);
	return 0;
}

/* {webhook, tenant, trigger, diverted, dropped} */
static int
claim_read_swept(struct claim_swept *swept, const redisReply *reply)
{
	const char *text;
	size_t n;

	if (!reply_is_array(reply, 5))
		return -1;
	text = reply_text(reply, 0, &n);
	if (ulid_parse(&swept->webhook, text, n) != 0)
		return -1;
	text = reply_text(reply, 1, &n);
	if (uuid_parse(&swept->tenant, text, n) != 0)
		return -1;
	swept->disabled = reply_is(reply, 2, "disabled");
	swept->diverted = (uint64_t)reply_int(reply, 3);
	swept->dropped = (uint64_t)reply_int(reply, 4);
	return 0;
}

static void
claim_read_all_swept(struct claim_result *result, const redisReply *reply)
{
	if (!reply_is_array(reply, 0))
		return;
	result->swept = xcalloc(reply->elements + 1, sizeof *result->swept);
	for (size_t i = 0; i < reply->elements; i++)
		if (claim_read_swept(&result->swept[result->nswept], reply->element[i]) == 0)
			result->nswept++;
}

static void
claim_read(struct claim_op *op, const redisReply *reply)
{
	struct claim_result *result = &op->result;
	const size_t first = 6;
	size_t most = 0;
	int64_t now = reply_int(reply, 0);
	int64_t next = reply_int(reply, 3);

	result->lease_end = reply_int(reply, 1);
	result->position = *reply_text(reply, 2, NULL) == '\0' ? -1 : reply_int(reply, 2);
	result->more = reply_is(reply, 4, "1");
	result->next_in_ms = next == 0 ? -1 : next > now ? next - now : 0;
	claim_read_all_swept(result, reply->element[5]);
	for (size_t i = first; i < reply->elements; i++)
		most += reply->element[i]->elements;
	op->texts = xcalloc(most + 1, sizeof *op->texts);
	result->groups = xcalloc(reply->elements, sizeof *result->groups);
	for (size_t i = first; i < reply->elements; i++)
		if (claim_read_group(op, &result->groups[result->n], reply->element[i]) == 0)
			result->n++;
}

static void
claim_op_free(struct claim_op *op)
{
	for (size_t i = 0; i < op->ntexts; i++) {
		event_text_clear(op->texts[i]);
		free(op->texts[i]);
	}
	for (size_t i = 0; i < op->result.n; i++)
		free(op->result.groups[i].events);
	free(op->result.groups);
	free(op->result.swept);
	free(op->texts);
	free(op);
}

static void
claim_on_reply(void *arg, enum answer answer, const redisReply *reply)
{
	struct claim_op *op = arg;
	enum store_err err = store_judge("claim", answer, reply);

	if (err == STORE_OK && !reply_is_array(reply, 6))
		err = STORE_UNAVAILABLE;
	if (err == STORE_OK)
		claim_read(op, reply);
	op->fn(op->arg, err, err == STORE_OK ? &op->result : NULL);
	claim_op_free(op);
}

void
queue_claim(struct store *store, const struct claim_request *request, queue_claim_fn *fn, void *arg)
{
	struct claim_op *op = xcalloc(1, sizeof *op);
	struct redis_cmd *cmd = redis_script("claim", store->keys.prefixes[request->shard]);

	op->store = store;
	op->attempts_kept = request->attempts_kept;
	op->fn = fn;
	op->arg = arg;
	redis_argi(cmd, request->lease_ms);
	redis_argi(cmd, (int64_t)request->wanted);
	redis_argi(cmd, (int64_t)request->each);
	redis_argi(cmd, request->position);
	redis_argi(cmd, (int64_t)(CLAIM_LOOKS_MAX + request->npassed));
	redis_argi(cmd, request->max_diverted);
	redis_argi(cmd, (int64_t)request->nlimits);
	for (size_t i = 0; i < request->nlimits; i++) {
		redis_args(cmd, request->limits[i].queue.s);
		redis_argi(cmd, (int64_t)request->limits[i].first_tries);
		redis_argi(cmd, (int64_t)request->limits[i].retries);
	}
	redis_argi(cmd, (int64_t)request->of_tenant);
	for (size_t i = 0; i < request->ntenants; i++) {
		redis_arg(cmd, request->tenants[i].tenant.s, UUID_LEN);
		redis_argi(cmd, (int64_t)request->tenants[i].room);
	}
	redis_send(store->redis, cmd, claim_on_reply, op);
}
