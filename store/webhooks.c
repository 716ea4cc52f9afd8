/* The stored webhooks: hashes, a list for each tenant, and the index of subscriptions. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/store_internal.h"
#include "store/webhooks.h"

/* The operation under way, whichever it is. */
struct webhooks_op {
	struct store *store;
	struct uuid tenant;
	struct ulid locator;
	unsigned count;
	union {
		webhooks_get_fn *get;
		webhooks_put_fn *put;
		webhooks_delete_fn *delete;
		webhooks_page_fn *page;
	} fn;
	void *arg;
};

static struct webhooks_op *
webhooks_op_new(struct store *store, const struct uuid *tenant, void *arg)
{
	struct webhooks_op *op = xcalloc(1, sizeof *op);

	op->store = store;
	op->tenant = *tenant;
	op->arg = arg;
	return op;
}

/* --- reading --- */

/* Gives the webhook when STORE_OK. */
static enum store_err
webhooks_read(struct store *store, const struct ulid *locator, const struct uuid *tenant,
    const redisReply *fields, struct webhook **result)
{
	const redisReply *owner = reply_field(fields, "tenant");
	const redisReply *doc = reply_field(fields, "doc");
	const redisReply *secrets = reply_field(fields, "secrets");
	struct webhook *webhook;
	enum store_err err;

	if (owner == NULL || doc == NULL || secrets == NULL || strcmp(owner->str, tenant->s) != 0)
		return STORE_MISSING;
	webhook = webhook_new();
	webhook->locator = *locator;
	webhook->tenant = *tenant;
	err = store_load_webhook(store, webhook, doc, secrets);
	if (err != STORE_OK) {
		webhook_free(webhook);
		return err;
	}
	webhook->version = reply_field_int(fields, "version");
	webhook->enabled = reply_field_int(fields, "enabled") == 1;
	webhook->suspended_at = reply_field_int(fields, "suspendedAt");
	webhook->created_at = reply_field_int(fields, "createdAt");
	webhook->updated_at = reply_field_int(fields, "updatedAt");
	*result = webhook;
	return STORE_OK;
}

static void
webhooks_on_get(void *arg, enum answer answer, const redisReply *reply)
{
	struct webhooks_op *op = arg;
	enum store_err err = store_judge("HGETALL", answer, reply);
	struct webhook *webhook = NULL;

	if (err == STORE_OK)
		err = webhooks_read(op->store, &op->locator, &op->tenant, reply, &webhook);
	op->fn.get(op->arg, err, webhook);
	free(op);
}

void
webhooks_get(struct store *store, const struct uuid *tenant, const struct ulid *locator,
    webhooks_get_fn *fn, void *arg)
{
	struct webhooks_op *op = webhooks_op_new(store, tenant, arg);
	struct redis_cmd *cmd = redis_cmd_new();
	struct buf key = {0};

	op->locator = *locator;
	op->fn.get = fn;
	buf_adds(&key, keys_prefix(&store->keys, tenant));
	buf_adds(&key, "wh:");
	buf_adds(&key, locator->s);
	redis_args(cmd, "HGETALL");
	redis_arg(cmd, key.data, key.len);
	buf_clear(&key);
	redis_send(store->redis, cmd, webhooks_on_get, op);
}

/* --- writing --- */

static enum store_err
webhooks_outcome(const char *word)
{
	if (strcmp(word, "ok") == 0)
		return STORE_OK;
	if (strcmp(word, "missing") == 0)
		return STORE_MISSING;
	if (strcmp(word, "limit") == 0)
		return STORE_LIMIT;
	return STORE_STALE;
}

static void
webhooks_on_put(void *arg, enum answer answer, const redisReply *reply)
{
	struct webhooks_op *op = arg;
	enum store_err err = store_judge("webhook_put", answer, reply);
	int64_t version = 0;

	if (err == STORE_OK) {
		err = webhooks_outcome(reply_text(reply, 0, NULL));
		version = reply_int(reply, 1);
	}
	op->fn.put(op->arg, err, version);
	free(op);
}

static void
webhooks_arg_subscriptions(struct redis_cmd *cmd, const struct webhook *webhook)
{
	struct buf text = {0};

	for (size_t i = 0; i < webhook->event_types.n; i++) {
		if (i > 0)
			buf_addc(&text, ' ');
		buf_adds(&text, webhook->event_types.list[i]);
	}
	redis_arg(cmd, buf_str(&text), text.len);
	buf_clear(&text);
}

/* What the scripts do with events that cannot be queued. */
static void
webhooks_arg_fate(struct redis_cmd *cmd, const struct webhook *webhook)
{
	struct buf text = {0};

	buf_adds(&text, webhook->failure.divert ? "divert" : "drop");
	if (webhook->failure.alert != NULL)
		buf_adds(&text, " alert");
	redis_arg(cmd, text.data, text.len);
	buf_clear(&text);
}

void
webhooks_put(struct store *store, const struct webhook *webhook, int64_t max_webhooks,
    webhooks_put_fn *fn, void *arg)
{
	struct webhooks_op *op = webhooks_op_new(store, &webhook->tenant, arg);
	struct redis_cmd *cmd = store_script(store, "webhook_put", &webhook->tenant);
	struct buf text = {0};

	op->fn.put = fn;
	redis_args(cmd, webhook->tenant.s);
	redis_args(cmd, webhook->locator.s);
	redis_argi(cmd, webhook->version);
	redis_argi(cmd, max_webhooks);
	redis_args(cmd, webhook->enabled ? "1" : "0");
	redis_argi(cmd, webhook->suspended_at);
	redis_argi(cmd, webhook->created_at);
	redis_argi(cmd, webhook->updated_at);
	webhook_store_doc(webhook, &text);
	redis_arg(cmd, text.data, text.len);
	buf_reset(&text);
	store_seal_secrets(store, webhook, &text);
	redis_arg(cmd, text.data, text.len);
	mem_wipe(text.data, text.len);
	buf_clear(&text);
	webhooks_arg_subscriptions(cmd, webhook);
	webhooks_arg_fate(cmd, webhook);
	redis_send(store->redis, cmd, webhooks_on_put, op);
}

static void
webhooks_on_delete(void *arg, enum answer answer, const redisReply *reply)
{
	struct webhooks_op *op = arg;
	enum store_err err = store_judge("webhook_delete", answer, reply);

	if (err == STORE_OK)
		err = webhooks_outcome(reply->type == REDIS_REPLY_STRING ? reply->str : "");
	op->fn.delete(op->arg, err);
	free(op);
}

void
webhooks_delete(struct store *store, const struct uuid *tenant, const struct ulid *locator,
    int64_t version, webhooks_delete_fn *fn, void *arg)
{
	struct webhooks_op *op = webhooks_op_new(store, tenant, arg);
	struct redis_cmd *cmd = store_script(store, "webhook_delete", tenant);

	op->fn.delete = fn;
	redis_args(cmd, tenant->s);
	redis_args(cmd, locator->s);
	if (version >= 0)
		redis_argi(cmd, version);
	else
		redis_args(cmd, "");
	redis_send(store->redis, cmd, webhooks_on_delete, op);
}

/* --- listing --- */

#define ROW_ELEMENTS 5 /* locator, hash, counters, pending, diverted */

static enum store_err
webhooks_read_row(struct webhooks_op *op, struct webhook_row *row, const struct ulid *locator,
    redisReply *const *elements)
{
	const redisReply *counters = elements[2];

	row->counters.pending = elements[3]->integer;
	row->counters.diverted = elements[4]->integer;
	row->counters.delivered = reply_field_int(counters, "delivered");
	row->counters.failed = reply_field_int(counters, "failed");
	row->counters.dropped = reply_field_int(counters, "dropped");
	row->counters.last_delivered_at = reply_field_int(counters, "lastDeliveredAt");
	row->counters.last_failed_at = reply_field_int(counters, "lastFailedAt");
	return webhooks_read(op->store, locator, &op->tenant, elements[1], &row->webhook);
}

static void
webhooks_on_page(void *arg, enum answer answer, const redisReply *reply)
{
	struct webhooks_op *op = arg;
	enum store_err err = store_judge("webhook_list", answer, reply);
	size_t found = err == STORE_OK ? reply->elements / ROW_ELEMENTS : 0;
	struct webhook_row *rows = xcalloc(found + 1, sizeof *rows);
	struct ulid last = {""};
	size_t n = 0;

	/* One that cannot be read spoils the page: left out, it would seem not to be there. */
	for (size_t i = 0; i < found && err == STORE_OK; i++) {
		enum store_err row;
		size_t len;
		const char *locator = reply_text(reply, i * ROW_ELEMENTS, &len);

		if (ulid_parse(&last, locator, len) != 0)
			continue;
		row = webhooks_read_row(op, &rows[n], &last, reply->element + i * ROW_ELEMENTS);
		if (row == STORE_OK)
			n++;
		else if (row == STORE_UNREADABLE)
			err = row;
	}
	if (found < op->count)
		last.s[0] = '\0';
	op->fn.page(op->arg, err, rows, n, &last);
	for (size_t i = 0; i < n; i++)
		webhook_free(rows[i].webhook);
	free(rows);
	free(op);
}

void
webhooks_page(struct store *store, const struct uuid *tenant, const struct ulid *after,
    unsigned count, bool counters, webhooks_page_fn *fn, void *arg)
{
	struct webhooks_op *op = webhooks_op_new(store, tenant, arg);
	struct redis_cmd *cmd = store_script(store, "webhook_list", tenant);

	op->fn.page = fn;
	op->count = count;
	redis_args(cmd, tenant->s);
	redis_args(cmd, after->s);
	redis_argi(cmd, count);
	redis_args(cmd, counters ? "1" : "");
	redis_send(store->redis, cmd, webhooks_on_page, op);
}
