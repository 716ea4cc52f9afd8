/*
 * The log of a webhook's attempts.  A script looks at a thousand of them; where a filter leaves
 * most out, many steps gather one list, and Redis serves others between them.
 *
 * A record is a line of words: when it ended, outcome, when the next attempt is due (0: never),
 * event, type, attempt, status, ms, trigger ("-" for none).  The first three are the scripts'. With
 * a message or a response two lines follow, the message and the response, which may have more.
 */
#include <stdio.h>
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

#define HEAD 3 /* elements before the records */

/* A list that is being gathered. */
struct attempts_op {
	struct store *store;
	struct attempts_query query; /* what is still to be found; texts are here: */
	char outcome[16];
	char event[ULID_LEN + 1];
	int64_t seen; /* records that were looked at */
	struct attempt_row *rows;
	size_t n;
	struct attempts_texts *texts;
	attempts_list_fn *fn;
	void *arg;
};

/* Where the parts of some rows live. */
struct attempts_texts {
	struct attempts_texts *next;
	char s[];
};

static void attempts_step(struct attempts_op *op);

/* The records of a step. */
static void
attempts_read_step(struct attempts_op *op, const redisReply *reply)
{
	struct attempts_texts *texts;
	size_t room = 0, len;
	char *text;

	for (size_t i = HEAD; i < reply->elements; i++) {
		reply_text(reply, i, &len);
		room += len + 1;
	}
	if (room == 0)
		return;
	texts = xmalloc(sizeof *texts + room);
	texts->next = op->texts;
	op->texts = texts;
	text = texts->s;
	op->rows = xrealloc(op->rows, (op->n + reply->elements - HEAD) * sizeof *op->rows);
	for (size_t i = HEAD; i < reply->elements; i++) {
		const char *record = reply_text(reply, i, &len);

		memcpy(text, record, len);
		text[len] = '\0';
		attempts_read(&op->rows[op->n++], text, len);
		text += len + 1;
	}
}

static void
attempts_finish(struct attempts_op *op, enum store_err err, bool completed)
{
	struct attempts_texts *texts;

	op->fn(op->arg, err, err == STORE_OK ? op->rows : NULL, err == STORE_OK ? op->n : 0,
	    completed);
	while ((texts = op->texts) != NULL) {
		op->texts = texts->next;
		free(texts);
	}
	free(op->rows);
	free(op);
}

static void
attempts_on_step(void *arg, enum answer answer, const redisReply *reply)
{
	struct attempts_op *op = arg;
	enum store_err err = store_judge("attempt_list", answer, reply);
	int64_t seen;

	if (err == STORE_OK && reply_is_array(reply, 1) && reply_is(reply, 0, "missing"))
		err = STORE_MISSING;
	else if (err == STORE_OK && !reply_is_array(reply, HEAD))
		err = STORE_UNAVAILABLE;
	if (err != STORE_OK) {
		attempts_finish(op, err, false);
		return;
	}
	attempts_read_step(op, reply);
	seen = reply_int(reply, 2);
	if (*reply_text(reply, 0, NULL) != '\0' || seen <= op->seen) {
		attempts_finish(op, STORE_OK, !reply_is(reply, 0, "0"));
		return;
	}
	op->seen = seen;
	op->query.offset = reply_int(reply, 1);
	op->query.count -= (int64_t)(reply->elements - HEAD);
	attempts_step(op);
}

static void
attempts_step(struct attempts_op *op)
{
	const struct attempts_query *query = &op->query;
	struct redis_cmd *cmd = store_script(op->store, "attempt_list", &query->tenant);

	redis_args(cmd, query->tenant.s);
	redis_args(cmd, query->webhook.s);
	redis_args(cmd, op->outcome);
	redis_args(cmd, op->event);
	redis_argi(cmd, query->offset);
	redis_argi(cmd, query->count);
	redis_argi(cmd, op->seen);
	redis_argi(cmd, query->kept);
	redis_send(op->store->redis, cmd, attempts_on_step, op);
}

void
attempts_list(
    struct store *store, const struct attempts_query *query, attempts_list_fn *fn, void *arg)
{
	struct attempts_op *op = xcalloc(1, sizeof *op);

	op->store = store;
	op->query = *query;
	snprintf(op->outcome, sizeof op->outcome, "%s", query->outcome);
	snprintf(op->event, sizeof op->event, "%s", query->event);
	op->fn = fn;
	op->arg = arg;
	attempts_step(op);
}
