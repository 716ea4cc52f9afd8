/* Claiming due deliveries: one script, and reading what it gave. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/event_copy.h"
#include "store/queue.h"
#include "store/store_internal.h"

#define FIELDS_MAX 12 /* of a stream entry; it has nine */

/* Where the parts of one claimed event live until the callback returned. */
struct claim_text {
	struct event_row row;   /* from the stream, or */
	struct event_copy copy; /* from the queue's own copy */
};

struct claim_op {
	queue_claim_fn *fn;
	void *arg;
	struct claim_result result;
	struct claim_text **texts; /* as many as events */
	size_t ntexts;
};

/* "<attempts> <copy>" */
static int
claim_read_copy(struct claim_text *text, struct claim_event *event, const redisReply *reply)
{
	char *end;

	event->attempts = (unsigned)strtoul(reply->str, &end, 10);
	if (*end != ' ')
		return -1;
	end++;
	if (event_copy_read(&text->copy, end, reply->len - (size_t)(end - reply->str)) != 0)
		return -1;
	event->parts = text->copy.parts;
	return 0;
}

/* Names and values with NULs between them. */
static int
claim_read_fields(struct claim_text *text, struct claim_event *event, const redisReply *reply)
{
	redisReply words[2 * FIELDS_MAX] = {0};
	redisReply *elements[2 * FIELDS_MAX];
	redisReply fields = {.type = REDIS_REPLY_ARRAY, .element = elements};
	char *at = reply->str, *end = reply->str + reply->len;
	char id[48];
	int64_t ms;
	uint32_t seq;

	while (at <= end && fields.elements < 2 * FIELDS_MAX) {
		redisReply *word = &words[fields.elements];

		word->type = REDIS_REPLY_STRING;
		word->str = at;
		word->len = strlen(at);
		elements[fields.elements++] = word;
		at += word->len + 1;
	}
	locator_stream_id(&event->locator, &ms, &seq);
	snprintf(id, sizeof id, "%lld-%u", (long long)ms, seq);
	if (event_row_read(&text->row, id, &fields) != 0)
		return -1;
	event->parts = text->row.parts;
	return strcmp(text->row.locator.s, event->locator.s) == 0 ? 0 : -1;
}

static int
claim_read_event(struct claim_op *op, struct claim_event *event, const redisReply *locator,
    const redisReply *what)
{
	struct claim_text *text;

	if (locator->type != REDIS_REPLY_STRING || what->type != REDIS_REPLY_STRING ||
	    ulid_parse(&event->locator, locator->str, locator->len) != 0)
		return -1;
	text = xcalloc(1, sizeof *text);
	op->texts[op->ntexts++] = text;
	return what->str[0] >= '0' && what->str[0] <= '9' ? claim_read_copy(text, event, what)
							  : claim_read_fields(text, event, what);
}

static int
claim_read_group(struct claim_op *op, struct claim_group *group, const redisReply *reply)
{
	const char *text;
	size_t n;

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
		if (claim_read_event(op, &group->events[group->n], reply->element[i],
			reply->element[i + 1]) == 0) {
			group->n++;
			continue;
		}
		log_begin(LOG_ERROR, "a queued event cannot be read");
		log_str("webhook", group->webhook.s);
		log_str("event", group->events[group->n].locator.s);
		log_end();
	}
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
		event_copy_clear(&op->texts[i]->copy);
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

	op->fn = fn;
	op->arg = arg;
	redis_argi(cmd, request->lease_ms);
	redis_argi(cmd, (int64_t)request->wanted);
	redis_argi(cmd, (int64_t)request->each);
	redis_argi(cmd, request->position);
	redis_argi(cmd, CLAIM_LOOKS_MAX);
	redis_argi(cmd, request->max_diverted);
	redis_argi(cmd, (int64_t)request->nlimits);
	for (size_t i = 0; i < request->nlimits; i++) {
		redis_args(cmd, request->limits[i].queue.s);
		redis_argi(cmd, (int64_t)request->limits[i].first_tries);
		redis_argi(cmd, (int64_t)request->limits[i].retries);
	}
	redis_send(store->redis, cmd, claim_on_reply, op);
}
