/*
 * evhookctl why: what happened to an event, webhook by webhook, in the order of the webhooks'
 * locators and within each in the order of time.  Asks the API for the event, the webhooks, and
 * each webhook's attempts and diverted copy; with --redis also for what its queue owes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/api.h"
#include "ctl/out.h"
#include "ctl/rds.h"
#include "proto/datetime.h"
#include "proto/eventtype.h"

struct why {
	struct ctl *ctl;
	const char *event;
	char *type;   /* NULL when the event is gone */
	int64_t time; /* of the event, from its locator */
	bool json;
	bool any; /* of the webhooks has something to say */
	size_t others;
	struct rds *rds; /* NULL without --redis */
	struct keys keys;
	struct buf out; /* JSON */
	/* of the webhook at hand */
	char **attempts; /* newest first: JSON, or lines for people */
	size_t nattempts;
	char *outcome; /* of the newest */
};

static void
cmd_why_field(struct buf *line, const struct json *attempt, const char *name, const char *before)
{
	const struct json *value = json_get(attempt, name);

	if (value == NULL || (value->type == JSON_STRING && value->str_len == 0))
		return;
	buf_adds(line, before);
	out_value(line, value);
}

static int
cmd_why_on_attempt(void *arg, const struct json *attempt)
{
	struct why *why = arg;
	struct buf line = {0};

	if (attempt->type != JSON_OBJECT)
		return CTL_OK;
	if (why->json) {
		buf_add(&line, attempt->raw, attempt->raw_len);
	} else {
		cmd_why_field(&line, attempt, "timestamp", "  ");
		cmd_why_field(&line, attempt, "attempt", "  attempt ");
		cmd_why_field(&line, attempt, "outcome", "  ");
		cmd_why_field(&line, attempt, "statusCode", "  status ");
		cmd_why_field(&line, attempt, "durationMs", "  ms ");
		cmd_why_field(&line, attempt, "failureTrigger", "  trigger ");
		cmd_why_field(&line, attempt, "failureMessage", "  ");
		cmd_why_field(&line, attempt, "nextAttemptAt", "  next at ");
	}
	if (why->nattempts == 0) {
		struct buf outcome = {0};

		out_value(&outcome, json_get(attempt, "outcome"));
		why->outcome = buf_take(&outcome, NULL);
	}
	why->attempts = xreallocarray(why->attempts, why->nattempts + 1, sizeof *why->attempts);
	why->attempts[why->nattempts++] = buf_take(&line, NULL);
	return CTL_OK;
}

static int
cmd_why_attempts(struct why *why, const char *webhook)
{
	struct api_pages pages = {.key = "items", .count = -1};
	struct buf path = {0};
	int code;

	api_path(why->ctl, &path, "webhooks", webhook, "attempts", NULL);
	api_query(&path, "eventLocator", why->event);
	code = api_each(why->ctl, &path, &pages, cmd_why_on_attempt, why);
	buf_clear(&path);
	return code;
}

/* The diverted copy; root of the answer is NULL when there is none. */
static int
cmd_why_diverted(struct why *why, const char *webhook, struct api_answer *answer)
{
	struct buf path = {0};
	int code;

	api_path(why->ctl, &path, "webhooks", webhook, "diverted", why->event, NULL);
	code = api_try(why->ctl, "GET", &path, NULL, NULL, answer);
	buf_clear(&path);
	if (code == CTL_OK && answer->status == 404)
		json_doc_clear(&answer->doc);
	else if (code == CTL_OK)
		code = api_judge(why->ctl, answer);
	if (answer->doc.root != NULL && answer->doc.root->type != JSON_OBJECT)
		json_doc_clear(&answer->doc);
	return code;
}

static void
cmd_why_on_score(void *arg, const redisReply *reply)
{
	char *score = arg;

	if (reply->type == REDIS_REPLY_STRING)
		snprintf(score, 32, "%s", reply->str);
}

/* "due at …", "leased until …", or "" when the queue owes nothing or is not asked. */
static int
cmd_why_queue(struct why *why, const char *webhook, char text[64])
{
	struct buf key = {0};
	char score[32] = "", date[DATETIME_LEN + 1];
	int64_t at;
	int code;

	text[0] = '\0';
	if (why->rds == NULL)
		return CTL_OK;
	buf_printf(&key, "%sq:%s", keys_prefix(&why->keys, &why->ctl->tenant), webhook);
	code = rds_ask(
	    why->rds, rds_cmd("ZSCORE", buf_str(&key), why->event, NULL), cmd_why_on_score, score);
	buf_clear(&key);
	if (score[0] == '\0')
		return code;
	at = strtoll(score, NULL, 10);
	datetime_format(date, at);
	snprintf(text, 64, "%s %s", at % 2 != 0 ? "leased until" : "due at", date);
	return code;
}

static bool
cmd_why_subscribes(const struct why *why, const struct json *webhook)
{
	const struct json *types = json_get(webhook, "eventTypes");

	if (why->type == NULL || types == NULL || types->type != JSON_ARRAY)
		return false;
	for (const struct json *at = types->child; at != NULL; at = at->next)
		if (at->type == JSON_STRING && subscription_matches(at->str, why->type))
			return true;
	return false;
}

/* In a few words, what became of the event there; NULL when the webhook has nothing to do with it.
 */
static const char *
cmd_why_verdict(const struct why *why, const struct json *webhook, bool diverted, const char *queue)
{
	const struct json *created = json_get(webhook, "createdAt");
	int64_t ms;

	if (why->outcome != NULL && strcmp(why->outcome, "delivered") == 0)
		return "delivered";
	if (diverted)
		return "diverted";
	if (queue[0] != '\0')
		return "waiting";
	if (why->outcome != NULL)
		return why->outcome;
	if (!cmd_why_subscribes(why, webhook))
		return NULL;
	if (created != NULL && created->type == JSON_STRING &&
	    datetime_parse(created->str, created->str_len, &ms) == 0 && ms > why->time)
		return "not sent: the webhook was made later";
	return why->rds != NULL ? "not owed, and no attempt is kept"
				: "no attempt is kept: it may be waiting (--redis tells)";
}

static void
cmd_why_json(struct why *why, const struct json *webhook, const struct json *diverted,
    const char *queue, const char *verdict)
{
	json_open(&why->out, '{');
	json_key(&why->out, "webhook");
	json_add_str(&why->out, json_get(webhook, "locator")->str);
	json_key(&why->out, "name");
	json_add_raw(&why->out, json_get(webhook, "name")->raw, json_get(webhook, "name")->raw_len);
	json_key(&why->out, "verdict");
	json_add_str(&why->out, verdict);
	json_key(&why->out, "queue");
	if (queue[0] != '\0')
		json_add_str(&why->out, queue);
	else
		json_add_null(&why->out);
	json_key(&why->out, "diverted");
	if (diverted != NULL)
		json_add_raw(&why->out, diverted->raw, diverted->raw_len);
	else
		json_add_null(&why->out);
	json_key(&why->out, "attempts");
	json_open(&why->out, '[');
	for (size_t i = why->nattempts; i-- > 0;)
		json_add_raw(&why->out, why->attempts[i], strlen(why->attempts[i]));
	json_close(&why->out, ']');
	json_close(&why->out, '}');
}

static void
cmd_why_text(struct why *why, const struct json *webhook, const struct json *diverted,
    const char *queue, const char *verdict)
{
	struct buf line = {0};

	out_value(&line, json_get(webhook, "locator"));
	buf_adds(&line, "  ");
	out_value(&line, json_get(webhook, "name"));
	printf("%s: %s\n", buf_str(&line), verdict);
	for (size_t i = why->nattempts; i-- > 0;)
		puts(why->attempts[i]);
	buf_reset(&line);
	if (diverted != NULL) {
		cmd_why_field(&line, diverted, "failureTimestamp", "  ");
		buf_adds(&line, "  diverted");
		cmd_why_field(&line, diverted, "failureTrigger", "  trigger ");
		cmd_why_field(&line, diverted, "failureMessage", "  ");
		puts(buf_str(&line));
	}
	if (queue[0] != '\0')
		printf("  in the queue, %s\n", queue);
	buf_clear(&line);
}

static void
cmd_why_forget(struct why *why)
{
	for (size_t i = 0; i < why->nattempts; i++)
		free(why->attempts[i]);
	free(why->attempts);
	free(why->outcome);
	why->attempts = NULL;
	why->nattempts = 0;
	why->outcome = NULL;
}

static int
cmd_why_on_webhook(void *arg, const struct json *webhook)
{
	struct why *why = arg;
	struct api_answer diverted = {0};
	const struct json *locator;
	const char *verdict;
	char queue[64];
	int code;

	if (webhook->type != JSON_OBJECT || json_get(webhook, "name") == NULL ||
	    (locator = json_get(webhook, "locator")) == NULL || locator->type != JSON_STRING)
		return ctl_fail(CTL_FAILED, "the server's answer is not a list of webhooks");
	code = cmd_why_attempts(why, locator->str);
	if (code == CTL_OK)
		code = cmd_why_diverted(why, locator->str, &diverted);
	if (code == CTL_OK)
		code = cmd_why_queue(why, locator->str, queue);
	if (code == CTL_OK) {
		verdict = cmd_why_verdict(why, webhook, diverted.doc.root != NULL, queue);
		if (verdict == NULL)
			why->others++;
		else if (why->json)
			cmd_why_json(why, webhook, diverted.doc.root, queue, verdict);
		else
			cmd_why_text(why, webhook, diverted.doc.root, queue, verdict);
		why->any |= verdict != NULL;
	}
	api_clear(&diverted);
	cmd_why_forget(why);
	/* One that was deleted meanwhile has nothing to say any more. */
	return code == CTL_MISSING ? CTL_OK : code;
}

static int
cmd_why_event(struct why *why)
{
	struct buf path = {0};
	struct api_answer answer;
	const struct json *root, *type;
	int code;

	api_path(why->ctl, &path, "events", why->event, NULL);
	code = api_try(why->ctl, "GET", &path, NULL, NULL, &answer);
	buf_clear(&path);
	root = answer.doc.root;
	if (code == CTL_OK && answer.status != 404)
		code = api_judge(why->ctl, &answer);
	json_key(&why->out, "event");
	if (code == CTL_OK && answer.status == 200 && root != NULL && root->type == JSON_OBJECT) {
		type = json_get(root, "type");
		if (type != NULL && type->type == JSON_STRING)
			why->type = xstrdup(type->str);
		json_add_raw(&why->out, root->raw, root->raw_len);
		if (!why->json) {
			struct buf line = {0};

			out_value(&line, type);
			printf("%s  %s\n", why->event, buf_str(&line));
			buf_clear(&line);
		}
	} else {
		json_add_null(&why->out);
		if (code == CTL_OK && !why->json)
			printf(
			    "%s is not in the stream: it never was, or was trimmed\n", why->event);
	}
	api_clear(&answer);
	return code;
}

static int
cmd_why_webhooks(struct why *why)
{
	struct api_pages pages = {.key = "items", .count = -1};
	struct buf path = {0};
	int code;

	json_key(&why->out, "webhooks");
	json_open(&why->out, '[');
	api_path(why->ctl, &path, "webhooks", "list", NULL);
	code = api_each(why->ctl, &path, &pages, cmd_why_on_webhook, why);
	buf_clear(&path);
	if (code != CTL_OK)
		return code;
	json_close(&why->out, ']');
	json_close(&why->out, '}');
	if (why->json)
		out_json_line(buf_str(&why->out), why->out.len);
	else if (why->others > 0)
		printf("%zu other webhooks have nothing to do with it\n", why->others);
	if (why->type == NULL && !why->any)
		return ctl_fail(CTL_MISSING, "nothing is known of this event");
	return CTL_OK;
}

int
cmd_why(struct ctl *ctl)
{
	struct why why = {.ctl = ctl, .json = ctl_is(ctl, "json")};
	unsigned shards;
	struct ulid event;
	int code = api_open(ctl);

	if (code != CTL_OK)
		return code;
	if (ulid_parse(&event, ctl->args[0], strlen(ctl->args[0])) != 0)
		return ctl_fail(CTL_USAGE, "the event is not a ULID");
	why.event = event.s;
	why.time = ulid_ms(&event);
	if (ctl_get(ctl, "redis") != NULL) {
		code = rds_open(ctl, &why.rds);
		if (code == CTL_OK)
			code = rds_shards(ctl, why.rds, &shards);
		if (code == CTL_OK)
			keys_init(&why.keys, shards);
	}
	json_open(&why.out, '{');
	if (code == CTL_OK)
		code = cmd_why_event(&why);
	if (code == CTL_OK)
		code = cmd_why_webhooks(&why);
	buf_clear(&why.out);
	free(why.type);
	keys_clear(&why.keys);
	rds_close(why.rds);
	return code;
}
