/* The log of a webhook's attempts. */
#include <stdlib.h>

#include "store/attempts.h"
#include "store/store_internal.h"

struct attempts_op {
	attempts_list_fn *fn;
	void *arg;
};

static const char *
attempts_text(const redisReply *fields, const char *name, size_t *n)
{
	const redisReply *value = reply_field(fields, name);

	if (n != NULL)
		*n = value == NULL ? 0 : value->len;
	return value == NULL ? "" : value->str;
}

static void
attempts_read(struct attempt_row *row, const redisReply *entry)
{
	const redisReply *fields = entry->element[1];

	row->timestamp = strtoll(reply_text(entry, 0, NULL), NULL, 10);
	row->event = attempts_text(fields, "event", NULL);
	row->type = attempts_text(fields, "type", NULL);
	row->outcome = attempts_text(fields, "outcome", NULL);
	row->number = reply_field_int(fields, "attempt");
	row->status = reply_field_int(fields, "status");
	row->duration_ms = reply_field_int(fields, "ms");
	row->trigger = attempts_text(fields, "trigger", NULL);
	row->message = attempts_text(fields, "message", NULL);
	row->response = attempts_text(fields, "response", &row->response_len);
	row->next_at = reply_field_int(fields, "next");
}

static void
attempts_on_list(void *arg, enum answer answer, const redisReply *reply)
{
	struct attempts_op *op = arg;
	enum store_err err = store_judge("attempt_list", answer, reply);
	struct attempt_row *rows = NULL;
	size_t n = 0;

	if (err == STORE_OK && !reply_is_array(reply, 1))
		err = STORE_UNAVAILABLE;
	if (err == STORE_OK && reply_is(reply, 0, "missing"))
		err = STORE_MISSING;
	if (err == STORE_OK) {
		rows = xcalloc(reply->elements, sizeof *rows);
		for (size_t i = 1; i < reply->elements; i++)
			if (reply_is_array(reply->element[i], 2))
				attempts_read(&rows[n++], reply->element[i]);
	}
	op->fn(op->arg, err, rows, n, err == STORE_OK && reply_is(reply, 0, "1"));
	free(rows);
	free(op);
}

void
attempts_list(
    struct store *store, const struct attempts_query *query, attempts_list_fn *fn, void *arg)
{
	struct attempts_op *op = xcalloc(1, sizeof *op);
	struct redis_cmd *cmd = store_script(store, "attempt_list", &query->tenant);

	op->fn = fn;
	op->arg = arg;
	redis_args(cmd, query->tenant.s);
	redis_args(cmd, query->webhook.s);
	redis_args(cmd, query->outcome);
	redis_args(cmd, query->event);
	redis_argi(cmd, query->offset);
	redis_argi(cmd, query->count);
	redis_argi(cmd, query->kept);
	redis_send(store->redis, cmd, attempts_on_list, op);
}
