/*
 * One connection to Redis that is kept up: connecting, setting up, closing, back-off.
 *
 *   DOWN ──timer──▶ RESOLVING ──▶ CONNECTING ──▶ REACHED ──▶ SETTING_UP ──▶ UP
 *    ▲                  │             │             │             │          │
 *    │                  ▼             ▼             ▼             ▼          ▼
 *    ├──────────────────┴────────── CLOSING ◀───────┴─────────────┴──────────┘
 *    └─ no other address ──────────────┤
 *              RESOLVING ◀── the next ─┘  (but not after UP: then the name is looked up again)
 *
 * hiredis 0.14 has no timeouts, frees its context by itself after a failed connect or a
 * disconnect, and must not be freed from within onConnect and onDisconnect: so every end goes
 * through CLOSING, whose context is freed from an event of our own.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rnd.h"
#include "store/redis_internal.h"

#define REDIS_BACKOFF_MIN_MS 100
#define REDIS_BACKOFF_MAX_MS 5000
#define REDIS_STEADY_MS 1000 /* having been up that long makes the back-off short again */

static const char *
redis_state_name(enum redis_state state)
{
	static const char *const names[] = {
	    "DOWN", "RESOLVING", "CONNECTING", "REACHED", "SETTING_UP", "UP", "CLOSING"};

	return names[state];
}

/* Without credentials; valid until the next call. */
static const char *
redis_address(const struct redis *redis)
{
	const struct redisuri *uri = redis->opts.uri;
	static struct buf text;

	if (uri->path != NULL)
		return uri->path;
	buf_reset(&text);
	buf_printf(&text, "%s:%d", uri->host, uri->port);
	return buf_str(&text);
}

/* Of a name also which of its addresses it is. */
static void
redis_log_address(const struct redis *redis)
{
	log_str("address", redis_address(redis));
	if (redis->ip[0] != '\0' && strcmp(redis->ip, redis->opts.uri->host) != 0)
		log_str("ip", redis->ip);
}

void
redis_arm(struct redis *redis, int64_t ms)
{
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

	event_add(redis->timer, &tv);
}

/* --- states --- */

static void
redis_on_auth(void *arg, enum answer answer, const redisReply *reply)
{
	struct redis *redis = arg;

	if (answer == ANSWER_ERROR)
		redis_setup_failed(redis, reply->str);
}

static void
redis_authenticate(struct redis *redis)
{
	const struct redisuri *uri = redis->opts.uri;
	struct redis_cmd *cmd;

	if (uri->password != NULL || uri->user != NULL) {
		cmd = redis_cmd_new();
		redis_args(cmd, "AUTH");
		if (uri->user != NULL)
			redis_args(cmd, uri->user);
		redis_args(cmd, uri->password == NULL ? "" : uri->password);
		redis_send_setup(redis, cmd, redis_on_auth, redis);
	}
	if (uri->db != 0) {
		cmd = redis_cmd_new();
		redis_args(cmd, "SELECT");
		redis_argi(cmd, uri->db);
		redis_send_setup(redis, cmd, redis_on_auth, redis);
	}
}

static void
redis_go_down(struct redis *redis)
{
	int64_t jitter = (int64_t)rnd_below((uint64_t)redis->backoff_ms / 4 + 1);

	redis_arm(redis, redis->backoff_ms + jitter);
	redis->backoff_ms *= 2;
	if (redis->backoff_ms > REDIS_BACKOFF_MAX_MS)
		redis->backoff_ms = REDIS_BACKOFF_MAX_MS;
}

static void
redis_come_up(struct redis *redis)
{
	if (log_on(LOG_INFO)) {
		log_begin(LOG_INFO, "redis is up");
		log_str("connection", redis->opts.label);
		redis_log_address(redis);
		if (redis->failures.len > 0)
			log_str("others", buf_str(&redis->failures));
		log_end();
	}
	free(redis->last_fault);
	redis->last_fault = NULL;
	redis->up_ms = clock_mono_ms();
	redis->was_up = true;
	if (redis->opts.on_up != NULL)
		redis->opts.on_up(redis->opts.arg);
}

/* The only place where the state changes. */
void
redis_enter(struct redis *redis, enum redis_state state)
{
	if (log_on(LOG_DEBUG)) {
		log_begin(LOG_DEBUG, "redis state");
		log_str("connection", redis->opts.label);
		log_str("from", redis_state_name(redis->state));
		log_str("to", redis_state_name(state));
		log_end();
	}
	redis->state = state;
	event_del(redis->timer);
	switch (state) {
	case REDIS_DOWN:
		redis_go_down(redis);
		break;
	case REDIS_RESOLVING:
	case REDIS_CONNECTING:
		redis_arm(redis, redis->opts.timeout_ms);
		break;
	case REDIS_REACHED:
		redis_arm(redis, redis->opts.timeout_ms);
		event_active(redis->later, EV_TIMEOUT, 1);
		break;
	case REDIS_SETTING_UP:
		redis_arm(redis, redis->opts.timeout_ms);
		break;
	case REDIS_UP:
		if (!TAILQ_EMPTY(&redis->pending))
			redis_arm(redis, redis->opts.timeout_ms);
		redis_come_up(redis);
		break;
	case REDIS_CLOSING:
		event_active(redis->later, EV_TIMEOUT, 1);
		break;
	}
}

/* One log line for each new reason, not for each try. */
static void
redis_log_fault(struct redis *redis, const char *why)
{
	if (redis->last_fault != NULL && strcmp(redis->last_fault, why) == 0)
		return;
	free(redis->last_fault);
	redis->last_fault = xstrdup(why);
	log_begin(LOG_WARN, redis->was_up ? "redis connection lost" : "redis cannot be reached");
	log_str("connection", redis->opts.label);
	redis_log_address(redis);
	log_str("reason", why);
	log_end();
}

/* Whether another address of the host is to be tried before the back-off. */
static bool
redis_has_next(const struct redis *redis)
{
	return !redis->was_up && redis->tried < redis->naddrs;
}

void
redis_close(struct redis *redis, const char *why)
{
	if (redis->state == REDIS_CLOSING)
		return;
	resolve_cancel(&redis->wait);
	if (!redis->was_up && redis->naddrs > 1) {
		buf_printf(&redis->failures, "%s%s: %s", redis->failures.len > 0 ? "; " : "",
		    redis->ip, why);
		why = buf_str(&redis->failures);
	}
	if (!redis_has_next(redis))
		redis_log_fault(redis, why);
	redis_enter(redis, REDIS_CLOSING);
}

static void
redis_finish_closing(struct redis *redis)
{
	redisAsyncContext *context = redis->context;

	redis->context = NULL;
	if (context != NULL)
		redisAsyncFree(context); /* answers what is pending with NULL */
	if (redis_has_next(redis)) {
		redis_enter(redis, REDIS_RESOLVING);
		redis_try_next(redis);
		return;
	}
	if (redis->was_up) {
		if (clock_mono_ms() - redis->up_ms >= REDIS_STEADY_MS)
			redis->backoff_ms = REDIS_BACKOFF_MIN_MS;
		redis->was_up = false;
		redis->totals.losses++;
		if (redis->opts.on_down != NULL)
			redis->opts.on_down(redis->opts.arg);
	}
	redis_enter(redis, REDIS_DOWN);
}

static void
redis_ev_later(evutil_socket_t fd, short what, void *arg)
{
	struct redis *redis = arg;

	(void)fd;
	(void)what;
	redis_answer_unsent(redis);
	if (redis->state == REDIS_REACHED) {
		redis_enter(redis, REDIS_SETTING_UP);
		redis_authenticate(redis);
		redis->opts.on_setup(redis->opts.arg);
	} else if (redis->state == REDIS_CLOSING) {
		redis_finish_closing(redis);
	}
}

static void
redis_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	struct redis *redis = arg;

	(void)fd;
	(void)what;
	switch (redis->state) {
	case REDIS_DOWN:
		redis_connect(redis);
		break;
	case REDIS_RESOLVING:
		redis_close(redis, "the host name was not resolved in time");
		break;
	case REDIS_CONNECTING:
		redis_close(redis, "no connection in time");
		break;
	case REDIS_REACHED:
	case REDIS_SETTING_UP:
		redis_close(redis, "no answer in time");
		break;
	case REDIS_UP:
		redis_check_deadline(redis);
		break;
	case REDIS_CLOSING:
		break;
	}
}

/* --- life --- */

struct redis *
redis_new(const struct redis_opts *opts)
{
	struct redis *redis = xcalloc(1, sizeof *redis);

	redis->opts = *opts;
	redis->backoff_ms = REDIS_BACKOFF_MIN_MS;
	TAILQ_INIT(&redis->pending);
	TAILQ_INIT(&redis->unsent);
	redis->timer = evtimer_new(opts->base, redis_ev_timer, redis);
	redis->later = evtimer_new(opts->base, redis_ev_later, redis);
	if (redis->timer == NULL || redis->later == NULL)
		abort();
	redis_arm(redis, 0); /* DOWN, and due at once */
	return redis;
}

void
redis_free(struct redis *redis)
{
	if (redis == NULL)
		return;
	redis->state = REDIS_CLOSING;
	if (redis->context != NULL)
		redisAsyncFree(redis->context);
	while (!TAILQ_EMPTY(&redis->unsent))
		redis_answer_unsent(redis);
	event_free(redis->timer);
	event_free(redis->later);
	resolve_free(redis->resolver);
	buf_clear(&redis->failures);
	free(redis->last_fault);
	free(redis);
}

bool
redis_is_up(const struct redis *redis)
{
	return redis->state == REDIS_UP;
}

const char *
redis_fault(const struct redis *redis)
{
	return redis->last_fault == NULL ? "" : redis->last_fault;
}

void
redis_setup_done(struct redis *redis)
{
	if (redis->state == REDIS_SETTING_UP)
		redis_enter(redis, REDIS_UP);
}

void
redis_setup_failed(struct redis *redis, const char *why)
{
	redis_close(redis, why);
}

void
redis_reset(struct redis *redis, const char *why)
{
	if (redis->context != NULL)
		redis_close(redis, why);
}

void
redis_stats(const struct redis *redis, struct redis_stats *stats)
{
	*stats = redis->totals;
	stats->pending = redis->npending;
}
