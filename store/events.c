/* Reading the stream of a tenant's events. */
#include <stdlib.h>
#include <string.h>

#include "store/events.h"
#include "store/store_internal.h"

#define LIST_LOOKS_MAX 1000 /* entries that one script may look at, ... */
#define LIST_STEPS_MAX 10   /* ... and scripts that look for the first one of a page */

struct events_op {
	struct store *store;
	struct ulid locator;
	struct events_query query; /* of a list: what is left of it */
	unsigned steps;
	union {
		events_read_fn *read;
		events_list_fn *list;
	} fn;
	void *arg;
};

/* The rows of a reply's entries from the first-th element on. */
struct events_rows {
	struct event_row *rows;
	const struct event_parts **parts;
	size_t n;
};

static void
events_rows_read(struct events_rows *rows, const redisReply *reply, size_t first)
{
	size_t most = reply->elements > first ? reply->elements - first : 0;

	rows->rows = xcalloc(most + 1, sizeof *rows->rows);
	rows->parts = xcalloc(most + 1, sizeof *rows->parts);
	rows->n = 0;
	for (size_t i = first; i < reply->elements; i++) {
		const redisReply *entry = reply->element[i];
		struct event_row *row = &rows->rows[rows->n];

		if (!reply_is_array(entry, 2) ||
		    event_row_read(row, reply_text(entry, 0, NULL), entry->element[1]) != 0)
			continue;
		rows->parts[rows->n++] = &row->parts;
	}
}

static void
events_rows_clear(struct events_rows *rows)
{
	free(rows->rows);
	free(rows->parts);
}

static void
events_arg_key(struct redis_cmd *cmd, const struct store *store, const struct uuid *tenant)
{
	struct buf key = {0};

	buf_adds(&key, keys_prefix(&store->keys, tenant));
	buf_adds(&key, "ev:");
	buf_adds(&key, tenant->s);
	redis_arg(cmd, key.data, key.len);
	buf_clear(&key);
}

static void
events_arg_id(struct redis_cmd *cmd, const struct stream_id *id, bool exclusive)
{
	struct buf text = {0};

	if (exclusive)
		buf_addc(&text, '(');
	buf_addi(&text, id->ms);
	buf_addc(&text, '-');
	buf_addu(&text, id->seq);
	redis_arg(cmd, text.data, text.len);
	buf_clear(&text);
}

static struct stream_id
events_id_of(const struct ulid *locator)
{
	struct stream_id id;

	locator_stream_id(locator, &id.ms, &id.seq);
	return id;
}

/* --- one --- */

static void
events_on_get(void *arg, enum answer answer, const redisReply *reply)
{
	struct events_op *op = arg;
	enum store_err err = store_judge("XRANGE", answer, reply);
	struct events_rows rows = {0};

	if (err == STORE_OK) {
		events_rows_read(&rows, reply, 0);
		if (rows.n != 1 || strcmp(rows.rows[0].locator.s, op->locator.s) != 0)
			err = STORE_MISSING;
	}
	op->fn.read(op->arg, err, rows.parts, err == STORE_OK ? 1 : 0);
	events_rows_clear(&rows);
	free(op);
}

void
events_get(struct store *store, const struct uuid *tenant, const struct ulid *locator,
    events_read_fn *fn, void *arg)
{
	struct events_op *op = xcalloc(1, sizeof *op);
	struct redis_cmd *cmd = redis_cmd_new();
	struct stream_id id = events_id_of(locator);

	op->locator = *locator;
	op->fn.read = fn;
	op->arg = arg;
	redis_args(cmd, "XRANGE");
	events_arg_key(cmd, store, tenant);
	events_arg_id(cmd, &id, false);
	events_arg_id(cmd, &id, false);
	redis_send(store->redis, cmd, events_on_get, op);
}

/* --- those of a request --- */

static void
events_on_request(void *arg, enum answer answer, const redisReply *reply)
{
	struct events_op *op = arg;
	enum store_err err = store_judge("event_request", answer, reply);
	struct events_rows rows = {0};

	if (err == STORE_OK)
		events_rows_read(&rows, reply, 0);
	op->fn.read(op->arg, err, rows.parts, rows.n);
	events_rows_clear(&rows);
	free(op);
}

void
events_by_request(struct store *store, const struct uuid *tenant, const struct ulid *request_id,
    int64_t max_bytes, events_read_fn *fn, void *arg)
{
	struct events_op *op = xcalloc(1, sizeof *op);
	struct redis_cmd *cmd = store_script(store, "event_request", tenant);
	struct stream_id id = events_id_of(request_id);

	op->fn.read = fn;
	op->arg = arg;
	redis_args(cmd, tenant->s);
	redis_args(cmd, request_id->s);
	events_arg_id(cmd, &id, false);
	redis_argi(cmd, max_bytes);
	redis_send(store->redis, cmd, events_on_request, op);
}

/* --- pages --- */

static void events_list_step(struct events_op *op);

static void
events_on_list(void *arg, enum answer answer, const redisReply *reply)
{
	struct events_op *op = arg;
	enum store_err err = store_judge("event_list", answer, reply);
	struct events_rows rows = {0};
	struct stream_id last = op->query.after;
	bool more = false;

	if (err == STORE_OK) {
		const char *id = reply_text(reply, 0, NULL);
		char *end;

		if (*id != '\0') {
			last.ms = strtoll(id, &end, 10);
			last.seq = *end == '-' ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
		}
		more = reply_is(reply, 1, "1");
		events_rows_read(&rows, reply, 2);
	}
	if (err == STORE_OK && rows.n == 0 && more && ++op->steps < LIST_STEPS_MAX) {
		events_rows_clear(&rows);
		op->query.exclusive = op->query.exclusive || *reply_text(reply, 0, NULL) != '\0';
		op->query.after = last;
		events_list_step(op);
		return;
	}
	op->fn.list(op->arg, err, rows.parts, rows.n, &last, more);
	events_rows_clear(&rows);
	free(op);
}

static void
events_list_step(struct events_op *op)
{
	const struct events_query *query = &op->query;
	struct redis_cmd *cmd = store_script(op->store, "event_list", &query->tenant);
	struct stream_id end = {query->end_ms, 0};

	redis_args(cmd, query->tenant.s);
	events_arg_id(cmd, &query->after, query->exclusive);
	if (query->end_ms >= 0)
		events_arg_id(cmd, &end, !query->newest_first);
	else
		redis_args(cmd, query->newest_first ? "-" : "+");
	redis_args(cmd, query->type);
	redis_argi(cmd, query->page_size);
	redis_argi(cmd, LIST_LOOKS_MAX);
	redis_args(cmd, query->newest_first ? "XREVRANGE" : "XRANGE");
	redis_send(op->store->redis, cmd, events_on_list, op);
}

void
events_list(struct store *store, const struct events_query *query, events_list_fn *fn, void *arg)
{
	struct events_op *op = xcalloc(1, sizeof *op);

	op->store = store;
	op->query = *query;
	op->fn.list = fn;
	op->arg = arg;
	events_list_step(op);
}
