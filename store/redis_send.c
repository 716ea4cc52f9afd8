/*
 * Commands on a connection to Redis: sending them, their deadline, their answers.  A command is
 * kept, formatted, until it was answered, so that it can be repeated after NOSCRIPT.
 */
#include <string.h>

#include "base/clock.h"
#include "store/redis_internal.h"

#define REDIS_PENDING_MAX (64 * 1024)
#define REDIS_PENDING_BYTES_MAX (256 * 1024 * 1024)

static void redis_on_reply(redisAsyncContext *context, void *reply, void *arg);

/* The timer runs while anything waits; it is not touched for each command. */
void
redis_check_deadline(struct redis *redis)
{
	struct redis_cmd *oldest = TAILQ_FIRST(&redis->pending);
	int64_t since, waited;

	if (oldest == NULL)
		return;
	since = oldest->sent_us > redis->freed_us ? oldest->sent_us : redis->freed_us;
	waited = (clock_mono_us() - since) / 1000;
	if (waited >= redis->opts.timeout_ms)
		redis_close(redis, "no answer in time");
	else
		redis_arm(redis, redis->opts.timeout_ms - waited);
}

void
redis_answer_unsent(struct redis *redis)
{
	struct redis_cmd_list list;
	struct redis_cmd *cmd;

	TAILQ_INIT(&list);
	TAILQ_CONCAT(&list, &redis->unsent, entry);
	while ((cmd = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, cmd, entry);
		cmd->fn(cmd->arg, ANSWER_LOST, NULL);
		redis_cmd_free(cmd);
	}
}

static void
redis_fail_later(struct redis *redis, struct redis_cmd *cmd)
{
	TAILQ_INSERT_TAIL(&redis->unsent, cmd, entry);
	event_active(redis->later, EV_TIMEOUT, 1);
}

static bool
redis_has_room(const struct redis *redis)
{
	return redis->npending < REDIS_PENDING_MAX &&
	       redis->pending_bytes < REDIS_PENDING_BYTES_MAX;
}

static void
redis_submit(struct redis *redis, struct redis_cmd *cmd)
{
	size_t n;
	const char *bytes = redis_cmd_bytes(cmd, &n);

	cmd->redis = redis;
	if (redis->context == NULL || !redis_has_room(redis) ||
	    redisAsyncFormattedCommand(redis->context, redis_on_reply, cmd, bytes, n) != REDIS_OK) {
		redis_fail_later(redis, cmd);
		return;
	}
	cmd->sent_us = clock_mono_us();
	TAILQ_INSERT_TAIL(&redis->pending, cmd, entry);
	redis->npending++;
	redis->pending_bytes += n;
	redis->totals.commands++;
	if (redis->state == REDIS_UP && !event_pending(redis->timer, EV_TIMEOUT, NULL))
		redis_arm(redis, redis->opts.timeout_ms);
}

void
redis_send(struct redis *redis, struct redis_cmd *cmd, redis_fn *fn, void *arg)
{
	cmd->fn = fn;
	cmd->arg = arg;
	if (redis->state == REDIS_UP)
		redis_submit(redis, cmd);
	else
		redis_fail_later(redis, cmd);
}

void
redis_send_setup(struct redis *redis, struct redis_cmd *cmd, redis_fn *fn, void *arg)
{
	cmd->fn = fn;
	cmd->arg = arg;
	if (redis->state == REDIS_SETTING_UP || redis->state == REDIS_UP)
		redis_submit(redis, cmd);
	else
		redis_fail_later(redis, cmd);
}

static void
redis_ignore(void *arg, enum answer answer, const redisReply *reply)
{
	(void)arg;
	(void)answer;
	(void)reply;
}

/* NOSCRIPT: load the script, and send the same bytes again behind it. */
static bool
redis_repeat_script(struct redis *redis, struct redis_cmd *cmd, const redisReply *reply)
{
	struct redis_cmd *load;

	if (cmd->script == NULL || cmd->repeated || strncmp(reply->str, "NOSCRIPT", 8) != 0)
		return false;
	load = redis_cmd_new();
	redis_args(load, "SCRIPT");
	redis_args(load, "LOAD");
	redis_args(load, cmd->script->text);
	redis_send_setup(redis, load, redis_ignore, NULL);
	cmd->repeated = true;
	redis_submit(redis, cmd);
	return true;
}

static bool
redis_begins(const char *error, const char *with)
{
	return strncmp(error, with, strlen(with)) == 0;
}

/* A right that is missing is found and named when connecting again. */
static bool
redis_is_forbidden(const char *error)
{
	return redis_begins(error, "NOPERM") ||
	       redis_begins(error, "ERR The user executing the script") || /* Redis 7.0 */
	       redis_begins(error, "ERR ACL failure in script");
}

/* Errors that mean that this server cannot serve us now, whatever we ask. */
static bool
redis_is_unfit(const struct redis_cmd *cmd, const char *error)
{
	return redis_begins(error, "READONLY") || redis_begins(error, "LOADING") ||
	       redis_begins(error, "MASTERDOWN") || redis_begins(error, "NOAUTH") ||
	       (cmd->script != NULL && redis_is_forbidden(error));
}

static void
redis_on_reply(redisAsyncContext *context, void *data, void *arg)
{
	struct redis_cmd *cmd = arg;
	struct redis *redis = cmd->redis;
	const redisReply *reply = data;
	size_t n;

	(void)context;
	redis_cmd_bytes(cmd, &n);
	TAILQ_REMOVE(&redis->pending, cmd, entry);
	redis->npending--;
	redis->pending_bytes -= n;
	if (cmd->blocks)
		redis->freed_us = clock_mono_us();
	if (reply == NULL) {
		redis->totals.unanswered++;
		cmd->fn(cmd->arg, ANSWER_LOST, NULL);
		redis_cmd_free(cmd);
		return;
	}
	histogram_add(&redis->totals.latency, clock_mono_us() - cmd->sent_us);
	if (reply->type == REDIS_REPLY_ERROR) {
		if (redis_repeat_script(redis, cmd, reply))
			return;
		redis->totals.errors++;
		if (redis_is_unfit(cmd, reply->str) && redis->state == REDIS_UP)
			redis_close(redis, reply->str);
		cmd->fn(cmd->arg, ANSWER_ERROR, reply);
	} else {
		cmd->fn(cmd->arg, ANSWER_OK, reply);
	}
	redis_cmd_free(cmd);
}

/* --- messages --- */

static void
redis_on_message(redisAsyncContext *context, void *data, void *arg)
{
	struct redis *redis = arg;
	const redisReply *reply = data;

	(void)context;
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
		return;
	if (redis->state == REDIS_SETTING_UP)
		redis_setup_done(redis); /* it is the confirmation */
	else if (reply->element[2]->type == REDIS_REPLY_STRING &&
		 strcmp(reply->element[0]->str, "message") == 0)
		redis->message_fn(redis->message_arg, reply->element[2]->str);
}

void
redis_subscribe(struct redis *redis, const char *channel, redis_message_fn *fn, void *arg)
{
	redis->message_fn = fn;
	redis->message_arg = arg;
	if (redis->context == NULL || redisAsyncCommand(redis->context, redis_on_message, redis,
					  "SUBSCRIBE %s", channel) != REDIS_OK)
		redis_close(redis, "cannot subscribe");
}
