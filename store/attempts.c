/*
 * The log of a webhook's attempts.
 *
 * A record is a line of words: when it ended, outcome, when the next attempt is due (0: never),
 * event, type, attempt, status, ms, trigger ("-" for none).  The first three are the scripts'. With
 * a message or a response two lines follow, the message and the response, which may have more.
 */
#include <stdlib.h>
#include <string.h>

#include "store/attempts.h"
#include "store/queue.h"
#include "store/store_internal.h"

/* Cuts the next word or line off; "" at the end. */
static const char *
attempts_cut(char **at, const char *stop)
{
	const char *word = strsep(at, stop);

	return word == NULL ? "" : word;
}

static int64_t
attempts_cut_int(char **at)
{
	return strtoll(attempts_cut(at, " "), NULL, 10);
}

/* Cuts a record up into its row. */
static void
attempts_read(struct attempt_row *row, char *record, size_t len)
{
	char *rest = record;
	char *line = strsep(&rest, "\n");

	row->timestamp = attempts_cut_int(&line);
	row->outcome = attempts_cut(&line, " ");
	row->next_at = attempts_cut_int(&line);
	row->event = attempts_cut(&line, " ");
	row->type = attempts_cut(&line, " ");
	row->number = attempts_cut_int(&line);
	row->status = attempts_cut_int(&line);
	row->duration_ms = attempts_cut_int(&line);
	row->trigger = attempts_cut(&line, " ");
	if (strcmp(row->trigger, "-") == 0)
		row->trigger = "";
	row->message = attempts_cut(&rest, "\n");
	row->response = rest == NULL ? "" : rest;
	row->response_len = rest == NULL ? 0 : len - (size_t)(rest - record);
}

/* All records behind the reply's first element; *texts is where the rows' parts live. */
static struct attempt_row *
attempts_read_all(const redisReply *reply, char **texts)
{
	struct attempt_row *rows = xcalloc(reply->elements, sizeof *rows);
	size_t room = 0, len;
	char *text;

	for (size_t i = 1; i < reply->elements; i++) {
		reply_text(reply, i, &len);
		room += len + 1;
	}
	text = *texts = xmalloc(room + 1);
	for (size_t i = 1; i < reply->elements; i++) {
		const char *record = reply_text(reply, i, &len);

		memcpy(text, record, len);
		text[len] = '\0';
		attempts_read(&rows[i - 1], text, len);
		text += len + 1;
	}
	return rows;
}

struct attempts_op {
	attempts_list_fn *fn;
	void *arg;
};

static void
attempts_on_list(void *arg, enum answer answer, const redisReply *reply)
{
	struct attempts_op *op = arg;
	enum store_err err = store_judge("attempt_list", answer, reply);
	struct attempt_row *rows = NULL;
	char *texts = NULL;

	if (err == STORE_OK && !reply_is_array(reply, 1))
		err = STORE_UNAVAILABLE;
	if (err == STORE_OK && reply_is(reply, 0, "missing"))
		err = STORE_MISSING;
	if (err == STORE_OK)
		rows = attempts_read_all(reply, &texts);
	op->fn(op->arg, err, rows, rows == NULL ? 0 : reply->elements - 1,
	    err == STORE_OK && reply_is(reply, 0, "1"));
	free(rows);
	free(texts);
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
