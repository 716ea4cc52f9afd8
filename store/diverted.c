/* Diverted events. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/diverted.h"
#include "store/diverted_text.h"
#include "store/store_internal.h"

struct diverted_op {
	struct store *store;
	struct uuid tenant;
	struct ulid webhook;
	union {
		diverted_list_fn *list;
		diverted_end_fn *end;
		diverted_resend_all_fn *all;
	} fn;
	void *arg;
	int64_t resent;
	int64_t most;
	int64_t max_pending;
};

static struct diverted_op *
diverted_op_new(
    struct store *store, const struct uuid *tenant, const struct ulid *webhook, void *arg)
{
	struct diverted_op *op = xcalloc(1, sizeof *op);

	op->store = store;
	op->tenant = *tenant;
	op->webhook = *webhook;
	op->arg = arg;
	return op;
}

static struct redis_cmd *
diverted_cmd(const struct diverted_op *op, const char *script)
{
	struct redis_cmd *cmd = store_script(op->store, script, &op->tenant);

	redis_args(cmd, op->tenant.s);
	redis_args(cmd, op->webhook.s);
	return cmd;
}

/* --- reading --- */

/* Three elements of the reply: locator, record, event. */
static int
diverted_read(struct diverted_row *row, struct diverted_text *text, const redisReply *const *from)
{
	struct ulid locator;

	for (int i = 0; i < 3; i++)
		if (from[i]->type != REDIS_REPLY_STRING)
			return -1;
	if (ulid_parse(&locator, from[0]->str, from[0]->len) != 0)
		return -1;
	return diverted_text_read(
	    text, row, &locator, from[1]->str, from[1]->len, from[2]->str, from[2]->len);
}

static void
diverted_on_list(void *arg, enum answer answer, const redisReply *reply)
{
	struct diverted_op *op = arg;
	enum store_err err = store_judge("diverted_list", answer, reply);
	struct diverted_row *rows = NULL;
	struct diverted_text *texts = NULL;
	size_t most = 0, n = 0;

	if (err == STORE_OK && !reply_is_array(reply, 1))
		err = STORE_UNAVAILABLE;
	if (err == STORE_OK && reply_is(reply, 0, "missing"))
		err = STORE_MISSING;
	if (err == STORE_OK) {
		most = reply->elements / 3;
		rows = xcalloc(most + 1, sizeof *rows);
		texts = xcalloc(most + 1, sizeof *texts);
	}
	for (size_t i = 0; i < most; i++) {
		if (diverted_read(&rows[n], &texts[i],
			(const redisReply *const *)&reply->element[1 + 3 * i]) == 0) {
			n++;
			continue;
		}
		log_begin(LOG_ERROR, "a diverted event cannot be read");
		log_str("tenant", op->tenant.s);
		log_str("webhook", op->webhook.s);
		log_str("event", reply_text(reply, 1 + 3 * i, NULL));
		log_end();
	}
	op->fn.list(op->arg, err, rows, n, err == STORE_OK && reply_is(reply, 0, "1"));
	for (size_t i = 0; i < most; i++) {
		diverted_text_clear(&texts[i]);
	}
	free(texts);
	free(rows);
	free(op);
}

void
diverted_list(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t offset, int64_t count, diverted_list_fn *fn, void *arg)
{
	struct diverted_op *op = diverted_op_new(store, tenant, webhook, arg);
	struct redis_cmd *cmd = diverted_cmd(op, "diverted_list");

	op->fn.list = fn;
	redis_argi(cmd, offset);
	redis_argi(cmd, count);
	redis_send(store->redis, cmd, diverted_on_list, op);
}

void
diverted_get(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct ulid *event, diverted_list_fn *fn, void *arg)
{
	struct diverted_op *op = diverted_op_new(store, tenant, webhook, arg);
	struct redis_cmd *cmd = diverted_cmd(op, "diverted_list");

	op->fn.list = fn;
	redis_args(cmd, "");
	redis_args(cmd, "");
	redis_args(cmd, event->s);
	redis_send(store->redis, cmd, diverted_on_list, op);
}

/* --- deleting --- */

static void
diverted_on_delete(void *arg, enum answer answer, const redisReply *reply)
{
	struct diverted_op *op = arg;
	enum store_err err = store_judge("diverted_delete", answer, reply);

	if (err == STORE_OK && (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, "ok") != 0))
		err = STORE_MISSING;
	op->fn.end(op->arg, err);
	free(op);
}

void
diverted_delete(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct ulid *event, diverted_end_fn *fn, void *arg)
{
	struct diverted_op *op = diverted_op_new(store, tenant, webhook, arg);
	struct redis_cmd *cmd = diverted_cmd(op, "diverted_delete");

	op->fn.end = fn;
	redis_args(cmd, event->s);
	redis_send(store->redis, cmd, diverted_on_delete, op);
}

/* --- sending again --- */

static enum store_err
diverted_outcome(enum answer answer, const redisReply *reply)
{
	enum store_err err = store_judge("diverted_resend", answer, reply);

	if (err != STORE_OK)
		return err;
	if (reply_is(reply, 0, "inactive"))
		return STORE_STALE;
	if (reply_is(reply, 0, "full"))
		return STORE_LIMIT;
	return reply_is(reply, 0, "ok") ? STORE_OK : STORE_MISSING;
}

static void
diverted_on_resend(void *arg, enum answer answer, const redisReply *reply)
{
	struct diverted_op *op = arg;

	op->fn.end(op->arg, diverted_outcome(answer, reply));
	free(op);
}

void
diverted_resend(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct ulid *event, int64_t max_pending, diverted_end_fn *fn, void *arg)
{
	struct diverted_op *op = diverted_op_new(store, tenant, webhook, arg);
	struct redis_cmd *cmd = diverted_cmd(op, "diverted_resend");

	op->fn.end = fn;
	redis_argi(cmd, max_pending);
	redis_args(cmd, event->s);
	redis_args(cmd, "");
	redis_args(cmd, "");
	redis_send(store->redis, cmd, diverted_on_resend, op);
}

static redis_fn diverted_on_step;

static void
diverted_send_step(struct diverted_op *op, const char *after, const char *last)
{
	struct redis_cmd *cmd = diverted_cmd(op, "diverted_resend");

	redis_argi(cmd, op->max_pending);
	redis_args(cmd, "");
	redis_args(cmd, after);
	redis_args(cmd, last);
	redis_send(op->store->redis, cmd, diverted_on_step, op);
}

static void
diverted_on_step(void *arg, enum answer answer, const redisReply *reply)
{
	struct diverted_op *op = arg;
	enum store_err err = diverted_outcome(answer, reply);
	const char *at = "";

	if (err == STORE_OK) {
		op->resent += reply_int(reply, 1);
		at = reply_text(reply, 2, NULL);
	}
	if (err == STORE_OK && *at != '\0' && op->resent < op->most) {
		diverted_send_step(op, at, reply_text(reply, 3, NULL));
		return;
	}
	/* a webhook that became inactive on the way ends what was begun, and is no fault then; nor
	 * is a queue that is full, which has room for the rest later */
	if (err == STORE_LIMIT || (err == STORE_STALE && op->resent > 0))
		op->fn.all(op->arg, STORE_OK, op->resent, false);
	else
		op->fn.all(op->arg, err, op->resent, *at == '\0');
	free(op);
}

void
diverted_resend_all(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t most, int64_t max_pending, diverted_resend_all_fn *fn, void *arg)
{
	struct diverted_op *op = diverted_op_new(store, tenant, webhook, arg);

	op->fn.all = fn;
	op->most = most;
	op->max_pending = max_pending;
	diverted_send_step(op, "", "");
}
