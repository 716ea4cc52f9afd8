/* Redis for commands that wait. */
#include "ctl/rds.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ctl/input.h"

#define RDS_TIMEOUT_MS 10000 /* a script on large keys may take a while */
#define RDS_CONNECT_S 5

struct rds {
	struct event_base *base;
	struct redisuri uri;
	struct redis *redis;
	bool up;
	bool answered;
	int code;
	rds_fn *fn;
	void *arg;
};

static void
rds_on_setup(void *arg)
{
	struct rds *rds = arg;

	redis_setup_done(rds->redis);
}

static void
rds_on_up(void *arg)
{
	struct rds *rds = arg;

	rds->up = true;
	event_base_loopbreak(rds->base);
}

static void
rds_on_down(void *arg)
{
	struct rds *rds = arg;

	rds->up = false;
}

/* That of --redis-password-file, if there is one. */
static int
rds_password(const struct ctl *ctl, struct redisuri *uri)
{
	const char *file = ctl_get(ctl, "redis-password-file");
	struct buf password = {0};
	int code = CTL_OK;

	if (file == NULL)
		return CTL_OK;
	code = input_secret(file, &password);
	if (code == CTL_OK && password.len == 0)
		code = ctl_fail(CTL_USAGE, "%s is empty", file);
	if (code == CTL_OK)
		redisuri_set_password(uri, buf_str(&password));
	if (password.data != NULL)
		mem_wipe(password.data, password.cap);
	buf_clear(&password);
	return code;
}

int
rds_open(const struct ctl *ctl, struct rds **out)
{
	const char *uri = ctl_get(ctl, "redis");
	struct timeval limit = {.tv_sec = RDS_CONNECT_S};
	struct rds *rds;
	int code;

	*out = NULL;
	if (uri == NULL)
		return ctl_fail(CTL_USAGE, "no Redis: say --redis or set EVHOOKCTL_REDIS");
	if (redisuri_fault(uri) != NULL)
		return ctl_fail(CTL_USAGE, "the URI of Redis %s", redisuri_fault(uri));
	rds = xcalloc(1, sizeof *rds);
	redisuri_parse(&rds->uri, uri);
	code = rds_password(ctl, &rds->uri);
	if (code != CTL_OK) {
		redisuri_clear(&rds->uri);
		free(rds);
		return code;
	}
	rds->base = event_base_new();
	if (rds->base == NULL)
		abort();
	rds->redis = redis_new(&(struct redis_opts){.base = rds->base,
	    .uri = &rds->uri,
	    .label = "redis",
	    .timeout_ms = RDS_TIMEOUT_MS,
	    .on_setup = rds_on_setup,
	    .on_up = rds_on_up,
	    .on_down = rds_on_down,
	    .arg = rds});
	event_base_loopexit(rds->base, &limit);
	event_base_dispatch(rds->base);
	if (!rds->up) {
		rds_close(rds);
		return ctl_fail(
		    CTL_UNAVAILABLE, "Redis does not answer within %d s", RDS_CONNECT_S);
	}
	*out = rds;
	return CTL_OK;
}

void
rds_close(struct rds *rds)
{
	if (rds == NULL)
		return;
	redis_free(rds->redis);
	event_base_loop(rds->base, EVLOOP_NONBLOCK);
	event_base_free(rds->base);
	redisuri_clear(&rds->uri);
	free(rds);
}

static void
rds_on_answer(void *arg, enum answer answer, const redisReply *reply)
{
	struct rds *rds = arg;

	if (answer == ANSWER_OK && rds->fn != NULL)
		rds->fn(rds->arg, reply);
	else if (answer == ANSWER_ERROR)
		rds->code = ctl_fail(CTL_FAILED, "Redis said: %s", reply->str);
	else if (answer == ANSWER_LOST)
		rds->code = ctl_fail(CTL_UNAVAILABLE, "Redis did not answer");
	rds->answered = true;
	event_base_loopbreak(rds->base);
}

int
rds_ask(struct rds *rds, struct redis_cmd *cmd, rds_fn *fn, void *arg)
{
	rds->answered = false;
	rds->code = CTL_OK;
	rds->fn = fn;
	rds->arg = arg;
	redis_send(rds->redis, cmd, rds_on_answer, rds);
	while (!rds->answered)
		event_base_dispatch(rds->base);
	return rds->code;
}

static void
rds_on_int(void *arg, const redisReply *reply)
{
	int64_t *n = arg;

	if (reply->type == REDIS_REPLY_INTEGER)
		*n = reply->integer;
	else if (reply->type == REDIS_REPLY_STRING)
		*n = strtoll(reply->str, NULL, 10);
}

int
rds_ask_int(struct rds *rds, struct redis_cmd *cmd, int64_t *n)
{
	*n = 0;
	return rds_ask(rds, cmd, rds_on_int, n);
}

struct redis_cmd *
rds_cmd(const char *word, ...)
{
	struct redis_cmd *cmd = redis_cmd_new();
	va_list ap;

	va_start(ap, word);
	for (; word != NULL; word = va_arg(ap, const char *))
		redis_args(cmd, word);
	va_end(ap);
	return cmd;
}

int
rds_shards(const struct ctl *ctl, struct rds *rds, unsigned *shards)
{
	int64_t n = 0;
	int code;

	if (rds == NULL) {
		code = ctl_int(ctl, "shards", 1, SHARDS_MAX, &n);
		*shards = (unsigned)n;
		return code;
	}
	code = rds_ask_int(rds, rds_cmd("HGET", "evhook:meta", "shards", NULL), &n);
	if (code == CTL_OK && (n < 1 || n > SHARDS_MAX))
		code = ctl_fail(CTL_FAILED, "this Redis holds no data of evhookd (evhook:meta)");
	*shards = (unsigned)n;
	return code;
}
