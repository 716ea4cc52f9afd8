/* Publishing: the events of a request and every delivery that they cause, in one script. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "store/events.h"
#include "store/store_internal.h"

struct publish_op {
	struct store *store;
	size_t n;
	events_publish_fn *fn;
	void *arg;
	/* with --redis-wait: the script's answer is kept until enough replicas have it */
	bool waits;
	struct publish_result *result;
};

static void
publish_result_free(struct publish_result *result)
{
	if (result == NULL)
		return;
	if (result->n > 0)
		free(result->events[0].targets); /* one block for all of them */
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

static size_t
publish_count_targets(const redisReply *reply, size_t first)
{
	size_t spaces = 0;

	for (size_t i = first; i < reply->elements; i++)
		for (const char *s = reply_text(reply, i, NULL); *s != '\0'; s++)
			spaces += *s == ' ';
	return spaces / 3;
}

static int
publish_read_stored(struct publish_result *result, const redisReply *reply, size_t n)
{
	const size_t first = 2;
	struct publish_target *target;

	if (reply->elements != first + n)
		return -1;
	target = xcalloc(publish_count_targets(reply, first) + 1, sizeof *target);
	result->outcome = PUBLISH_STORED;
	result->lease_end = reply_int(reply, 1);
	result->events = xcalloc(n, sizeof *result->events);
	result->n = n;
	result->events[0].targets = target;
	for (size_t i = 0; i < n; i++) {
		struct publish_event *event = &result->events[i];
		const char *at = reply_text(reply, first + i, NULL);
		size_t len;
		const char *word = publish_word(&at, &len);

		event->targets = target;
		if (ulid_parse(&event->locator, word, len) != 0)
			return -1;
		for (; *at != '\0'; event->ntargets++)
			if (publish_read_target(target++, &at) != 0)
				return -1;
	}
	return 0;
}

static int
publish_read_replay(struct publish_result *result, const char *at, size_t n)
{
	result->outcome = PUBLISH_REPLAYED;
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

/* NULL when the answer is none of the script's. */
static struct publish_result *
publish_read(const redisReply *reply, size_t n)
{
	struct publish_result *result = xcalloc(1, sizeof *result);
	int rc = -1;

	if (reply_is(reply, 0, "ok")) {
		rc = publish_read_stored(result, reply, n);
	} else if (reply_is(reply, 0, "replay")) {
		rc = publish_read_replay(result, reply_text(reply, 1, NULL), n);
	} else if (reply_is(reply, 0, "conflict")) {
		result->outcome = PUBLISH_CONFLICT;
		rc = 0;
	} else if (reply_is(reply, 0, "fanout")) {
		result->outcome = PUBLISH_FANOUT;
		result->fanout = reply_int(reply, 1);
		rc = 0;
	}
	if (rc == 0)
		return result;
	log_msg(LOG_ERROR, "the publish script gave an odd answer");
	publish_result_free(result);
	return NULL;
}

static void
publish_finish(struct publish_op *op, enum store_err err)
{
	op->fn(op->arg, err, err == STORE_OK ? op->result : NULL);
	publish_result_free(op->result);
	free(op);
}

static void
publish_on_stored(void *arg, enum answer answer, const redisReply *reply)
{
	struct publish_op *op = arg;

	if (store_judge("publish", answer, reply) == STORE_OK)
		op->result = publish_read(reply, op->n);
	if (!op->waits)
		publish_finish(op, op->result == NULL ? STORE_UNAVAILABLE : STORE_OK);
}

static void
publish_on_replicated(void *arg, enum answer answer, const redisReply *reply)
{
	struct publish_op *op = arg;
	enum store_err err = store_judge("WAIT", answer, reply);

	if (op->result == NULL)
		err = STORE_UNAVAILABLE;
	else if (err == STORE_OK && reply->integer < op->store->opts.redis_wait &&
		 op->result->outcome == PUBLISH_STORED) {
		log_msg(LOG_WARN, "only %lld replicas had an event in time", reply->integer);
		err = STORE_UNAVAILABLE;
	}
	publish_finish(op, err);
}

/* --- asking --- */

static void
publish_arg_sha256(struct redis_cmd *cmd, const void *p, size_t n)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	struct buf hex = {0};

	if (EVP_Digest(p, n, digest, &len, EVP_sha256(), NULL) != 1)
		abort();
	hex_encode(&hex, digest, len);
	redis_arg(cmd, hex.data, hex.len);
	buf_clear(&hex);
}

static void
publish_arg_draft(struct redis_cmd *cmd, const struct event_draft *draft, const char *suffix)
{
	redis_args(cmd, draft->type);
	redis_arg(cmd, draft->data, draft->data_len);
	redis_args(cmd, draft->request_id.s);
	redis_args(cmd, draft->user_locator.s);
	if (draft->timestamp >= 0)
		redis_argi(cmd, draft->timestamp);
	else
		redis_args(cmd, "");
	redis_arg(cmd, suffix, LOCATOR_SUFFIX_LEN);
}

static void
publish_send_wait(struct publish_op *op)
{
	struct redis_cmd *cmd = redis_cmd_new();

	op->waits = true;
	redis_args(cmd, "WAIT");
	redis_argi(cmd, op->store->opts.redis_wait);
	redis_argi(cmd, op->store->opts.timeout_ms / 2);
	redis_send(op->store->redis, cmd, publish_on_replicated, op);
}

void
events_publish(
    struct store *store, const struct publish_request *request, events_publish_fn *fn, void *arg)
{
	struct publish_op *op = xcalloc(1, sizeof *op);
	struct redis_cmd *cmd = store_script(store, "publish", &request->tenant);
	char suffix[LOCATOR_SUFFIX_LEN + 1];

	op->store = store;
	op->n = request->n;
	op->fn = fn;
	op->arg = arg;
	redis_arg(cmd, request->tenant.s, UUID_LEN);
	redis_argi(cmd, request->lease_ms);
	redis_argi(cmd, (int64_t)request->max_leases);
	redis_argi(cmd, request->max_fanout);
	redis_argi(cmd, request->max_pending);
	if (request->idempotency_key != NULL) {
		publish_arg_sha256(cmd, request->idempotency_key, strlen(request->idempotency_key));
		publish_arg_sha256(cmd, request->body, request->body_len);
	} else {
		redis_args(cmd, "");
		redis_args(cmd, "");
	}
	redis_argi(cmd, request->idempotency_ttl_ms);
	redis_argi(cmd, request->request_ttl_ms);
	redis_args(cmd, request->note_tenant ? "1" : "");
	redis_args(cmd, request->trace_parent);
	redis_args(cmd, request->trace_state);
	redis_argi(cmd, request->max_diverted);
	redis_argi(cmd, (int64_t)request->nfull);
	for (size_t i = 0; i < request->nfull; i++)
		redis_arg(cmd, request->full[i].s, ULID_LEN);
	for (size_t i = 0; i < request->n; i++) {
		locator_suffix(suffix, &request->tenant);
		publish_arg_draft(cmd, &request->drafts[i], suffix);
	}
	redis_send(store->redis, cmd, publish_on_stored, op);
	if (store->opts.redis_wait > 0)
		publish_send_wait(op);
}
