/* The queues' scripts: acknowledging, failing, handing back. */
#include <stdlib.h>
#include <string.h>

#include "store/clock_watch.h"
#include "store/queue.h"
#include "store/store_internal.h"

struct queue_op {
	const char *what;
	queue_end_fn *fn;
	void *arg;
};

static void
queue_on_end(void *arg, enum answer answer, const redisReply *reply)
{
	struct queue_op *op = arg;
	enum store_err err = store_judge(op->what, answer, reply);

	op->fn(op->arg, err, err == STORE_OK ? reply->integer : 0);
	free(op);
}

static struct queue_op *
queue_op_new(const char *what, queue_end_fn *fn, void *arg)
{
	struct queue_op *op = xcalloc(1, sizeof *op);

	op->what = what;
	op->fn = fn;
	op->arg = arg;
	return op;
}

void
queue_ack(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t attempts_kept, const struct attempt *attempts, size_t n, queue_end_fn *fn, void *arg)
{
	struct redis_cmd *cmd = store_script(store, "ack", tenant);

	redis_arg(cmd, webhook->s, ULID_LEN);
	redis_arg(cmd, tenant->s, UUID_LEN);
	redis_argi(cmd, attempts_kept);
	for (size_t i = 0; i < n; i++)
		redis_arg(cmd, attempts[i].event.s, ULID_LEN);
	attempts_arg(cmd, attempts, n);
	redis_send(store->redis, cmd, queue_on_end, queue_op_new("ack", fn, arg));
}

struct queue_fail_op {
	queue_fail_fn *fn;
	void *arg;
};

static enum verdict
queue_read_verdict(const char *name)
{
	enum verdict verdict = VERDICT_RETRY;

	while (verdict != VERDICT_FAIL && strcmp(name, verdict_name(verdict)) != 0)
		verdict++;
	return verdict;
}

static void
queue_on_fail(void *arg, enum answer answer, const redisReply *reply)
{
	struct queue_fail_op *op = arg;
	enum store_err err = store_judge("fail", answer, reply);
	enum fail_outcome outcome = FAIL_GONE;
	enum verdict verdict = VERDICT_FAIL;

	if (err == STORE_OK && reply_is(reply, 0, "ok")) {
		outcome = FAIL_DONE;
		verdict = queue_read_verdict(reply_text(reply, 1, NULL));
	} else if (err == STORE_OK && reply_is(reply, 0, "moved")) {
		outcome = FAIL_MOVED;
	}
	op->fn(op->arg, err, outcome, verdict);
	free(op);
}

void
queue_fail(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t attempts_kept, int64_t max_diverted, const struct failure *failure, queue_fail_fn *fn,
    void *arg)
{
	struct redis_cmd *cmd = store_script(store, "fail", tenant);
	struct queue_fail_op *op = xcalloc(1, sizeof *op);
	const struct attempt *attempt = &failure->attempt;
	const struct judgement *judgement = &failure->judgement;
	char suffix[LOCATOR_SUFFIX_LEN + 1];

	op->fn = fn;
	op->arg = arg;
	locator_suffix(suffix, tenant);
	redis_arg(cmd, webhook->s, ULID_LEN);
	redis_argi(cmd, attempts_kept);
	redis_argi(cmd, attempt->lease_end);
	redis_arg(cmd, attempt->event.s, ULID_LEN);
	redis_argi(cmd, attempt->number);
	redis_args(cmd, attempt->type);
	redis_args(cmd, attempt->trigger);
	redis_args(cmd, attempt->message);
	attempts_arg(cmd, attempt, 1);
	redis_argi(cmd, failure->version);
	redis_args(cmd, verdict_name(judgement->verdict));
	redis_argi(cmd, judgement->delay_ms);
	redis_args(cmd, failure->request_id);
	redis_args(cmd, judgement->suspend ? "1" : "");
	redis_args(cmd, judgement->alert ? "1" : "");
	redis_argi(cmd, max_diverted);
	redis_args(cmd, suffix);
	redis_send(store->redis, cmd, queue_on_fail, op);
}

void
queue_end_alert(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    enum alert_end end, const struct attempt *attempt, int64_t delay_ms, queue_end_fn *fn,
    void *arg)
{
	static const char *const names[] = {"ack", "drop", "retry"};
	struct redis_cmd *cmd = store_script(store, "alert_end", tenant);

	redis_arg(cmd, webhook->s, ULID_LEN);
	redis_args(cmd, names[end]);
	redis_argi(cmd, attempt->lease_end);
	redis_arg(cmd, attempt->event.s, ULID_LEN);
	redis_argi(cmd, attempt->number);
	redis_argi(cmd, delay_ms);
	redis_send(store->redis, cmd, queue_on_end, queue_op_new("alert_end", fn, arg));
}

void
queue_record_test(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t attempts_kept, const struct attempt *attempt, queue_end_fn *fn, void *arg)
{
	struct redis_cmd *cmd = store_script(store, "attempt", tenant);

	redis_arg(cmd, webhook->s, ULID_LEN);
	redis_argi(cmd, attempts_kept);
	redis_args(cmd, attempt->trigger[0] == '\0' ? "delivered" : "failed");
	attempts_arg(cmd, attempt, 1);
	redis_send(store->redis, cmd, queue_on_end, queue_op_new("attempt", fn, arg));
}

struct queue_name
queue_name(const struct ulid *webhook, bool alert)
{
	static const char suffix[] = ":alert";
	struct queue_name name = {""};

	memcpy(name.s, webhook->s, ULID_LEN);
	if (alert)
		memcpy(name.s + ULID_LEN, suffix, sizeof suffix);
	return name;
}

void
queue_release(struct store *store, const struct uuid *tenant, const struct queue_name *queue,
    const struct lease *leases, size_t n, bool tell, queue_end_fn *fn, void *arg)
{
	struct redis_cmd *cmd = store_script(store, "release", tenant);

	redis_args(cmd, queue->s);
	redis_args(cmd, tell ? "1" : "");
	for (size_t i = 0; i < n; i++)
		redis_arg(cmd, leases[i].event.s, ULID_LEN);
	for (size_t i = 0; i < n; i++)
		redis_argi(cmd, leases[i].end);
	redis_send(store->redis, cmd, queue_on_end, queue_op_new("release", fn, arg));
}

/* --- what is due --- */

struct queue_due_op {
	struct store *store;
	int64_t lease_ms;
	queue_due_fn *fn;
	void *arg;
};

static void
queue_on_due(void *arg, enum answer answer, const redisReply *reply)
{
	struct queue_due_op *op = arg;
	unsigned shards = op->store->keys.shards;
	enum store_err err = store_judge("due", answer, reply);
	int64_t *in_ms = NULL;

	if (err == STORE_OK && !reply_is_array(reply, shards + 2))
		err = STORE_UNAVAILABLE;
	if (err == STORE_OK) {
		int64_t now = reply_int(reply, 0);

		clock_watch_saw(op->store->clock, op->lease_ms, now, reply_int(reply, 1));
		in_ms = xcalloc(shards, sizeof *in_ms);
		for (unsigned i = 0; i < shards; i++) {
			int64_t at = reply_int(reply, i + 2);
			bool none = *reply_text(reply, i + 2, NULL) == '\0';

			in_ms[i] = none ? -1 : at <= now ? 0 : at - now;
		}
	}
	op->fn(op->arg, err, in_ms, err == STORE_OK ? shards : 0);
	free(in_ms);
	free(op);
}

void
queue_due(struct store *store, int64_t lease_ms, queue_due_fn *fn, void *arg)
{
	struct queue_due_op *op = xcalloc(1, sizeof *op);
	struct redis_cmd *cmd = redis_script("due", store->keys.prefixes[0]);

	op->store = store;
	op->lease_ms = lease_ms;
	op->fn = fn;
	op->arg = arg;
	for (unsigned i = 0; i < store->keys.shards; i++)
		redis_args(cmd, store->keys.prefixes[i]);
	redis_send(store->redis, cmd, queue_on_due, op);
}

unsigned
queue_shards(const struct store *store)
{
	return store->keys.shards;
}

unsigned
queue_shard(const struct store *store, const struct uuid *tenant)
{
	return keys_shard(&store->keys, tenant);
}
