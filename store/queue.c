/* The queues' scripts: acknowledging, failing, handing back. */
#include <stdlib.h>
#include <string.h>

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
	redis_argi(cmd, attempts_kept);
	for (size_t i = 0; i < n; i++) {
		redis_arg(cmd, attempts[i].event.s, ULID_LEN);
		redis_argi(cmd, attempts[i].number);
		redis_args(cmd, attempts[i].type);
		redis_argi(cmd, attempts[i].status);
		redis_argi(cmd, attempts[i].duration_ms);
		redis_arg(cmd, attempts[i].response, attempts[i].response_len);
	}
	redis_send(store->redis, cmd, queue_on_end, queue_op_new("ack", fn, arg));
}

void
queue_fail(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t attempts_kept, const struct attempt *attempt, queue_end_fn *fn, void *arg)
{
	struct redis_cmd *cmd = store_script(store, "fail", tenant);

	redis_arg(cmd, webhook->s, ULID_LEN);
	redis_argi(cmd, attempts_kept);
	redis_argi(cmd, attempt->lease_end);
	redis_arg(cmd, attempt->event.s, ULID_LEN);
	redis_argi(cmd, attempt->number);
	redis_args(cmd, attempt->type);
	redis_argi(cmd, attempt->status);
	redis_argi(cmd, attempt->duration_ms);
	redis_args(cmd, attempt->trigger);
	redis_args(cmd, attempt->message);
	redis_arg(cmd, attempt->response, attempt->response_len);
	redis_send(store->redis, cmd, queue_on_end, queue_op_new("fail", fn, arg));
}

void
queue_release(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct lease *leases, size_t n, bool tell, queue_end_fn *fn, void *arg)
{
	struct redis_cmd *cmd = store_script(store, "release", tenant);

	redis_arg(cmd, webhook->s, ULID_LEN);
	redis_args(cmd, tell ? "1" : "");
	for (size_t i = 0; i < n; i++) {
		redis_argi(cmd, leases[i].end);
		redis_arg(cmd, leases[i].event.s, ULID_LEN);
	}
	redis_send(store->redis, cmd, queue_on_end, queue_op_new("release", fn, arg));
}

/* --- what is due --- */

struct queue_due_op {
	struct store *store;
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

	if (err == STORE_OK && !reply_is_array(reply, shards + 1))
		err = STORE_UNAVAILABLE;
	if (err == STORE_OK) {
		int64_t now = reply_int(reply, 0);

		in_ms = xcalloc(shards, sizeof *in_ms);
		for (unsigned i = 0; i < shards; i++) {
			int64_t at = reply_int(reply, i + 1);

			in_ms[i] = at == 0 ? -1 : at <= now ? 0 : at - now;
		}
	}
	op->fn(op->arg, err, in_ms, err == STORE_OK ? shards : 0);
	free(in_ms);
	free(op);
}

void
queue_due(struct store *store, queue_due_fn *fn, void *arg)
{
	struct queue_due_op *op = xcalloc(1, sizeof *op);
	struct redis_cmd *cmd = redis_script("due", store->keys.prefixes[0]);

	op->store = store;
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
