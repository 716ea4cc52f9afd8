/* GET /worst on the admin address: which webhooks and tenants the figures of /metrics come from. */
#include "server/app.h"

static void
worst_add_text(struct buf *out, const char *key, const char *text)
{
	json_key(out, key);
	if (*text != '\0')
		json_add_str(out, text);
	else
		json_add_null(out);
}

static void
worst_add_int(struct buf *out, const char *key, int64_t n)
{
	json_key(out, key);
	json_add_int(out, n);
}

static void
worst_add_queue(struct buf *out, const struct depth_queue *queue)
{
	json_open(out, '{');
	worst_add_text(out, "tenant", queue->tenant.s);
	worst_add_text(out, "webhook", queue->webhook.s);
	json_key(out, "notices");
	json_add_bool(out, queue->alert);
	worst_add_int(out, "entries", queue->entries);
	worst_add_int(out, "due", queue->due);
	worst_add_int(out, "dueForMs", queue->due_for_ms);
	json_close(out, '}');
}

static void
worst_reply(void *arg)
{
	struct call *call = arg;
	struct buf *out = call_body(call);
	struct depth_stats depth;

	depth_stats(call->app->depth, &depth);
	if (!depth.known || !store_is_up(call->app->store)) {
		call_problem(call, 503, "Redis has not been counted yet");
		return;
	}
	json_open(out, '{');
	json_key(out, "queues");
	json_open(out, '[');
	for (size_t i = 0; i < depth.nlongest; i++)
		worst_add_queue(out, &depth.longest[i]);
	json_close(out, ']');
	json_key(out, "oldest");
	if (depth.oldest.entries > 0)
		worst_add_queue(out, &depth.oldest);
	else
		json_add_null(out);
	json_key(out, "tenants");
	json_open(out, '[');
	for (size_t i = 0; i < depth.nfullest; i++) {
		json_open(out, '{');
		worst_add_text(out, "tenant", depth.fullest[i].tenant.s);
		worst_add_int(out, "bytes", depth.fullest[i].bytes);
		json_close(out, '}');
	}
	json_close(out, ']');
	json_close(out, '}');
	call_reply(call, 200);
}

void
api_worst(struct call *call)
{
	if (!depth_ask(call->app->depth, worst_reply, call))
		worst_reply(call);
}
