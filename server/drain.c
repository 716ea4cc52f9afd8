/*
 * The end of the process: not ready, and each answer ends its connection; in the last moment of
 * --drain-delay no connection begins; then the listeners close, and the dispatcher drains; when the
 * last request is answered and nothing is held any more, or --drain-timeout passed, the loop ends.
 */
#include <stdlib.h>

#include <event2/event.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/drain.h"

#define LAST_MS 250       /* a handshake and its request, from far away */
#define CUT_GRACE_MS 1000 /* for handing back what was cut off */

enum drain_stage {
	DRAIN_OFF,
	DRAIN_DELAY,
	DRAIN_LAST,
	DRAIN_REQUESTS,
	DRAIN_DELIVERIES,
	DRAIN_CUT,
	DRAIN_OVER
};

struct drain {
	struct app *app;
	struct notify *notify;
	struct event *timer;
	enum drain_stage stage;
};

static void drain_enter(struct drain *drain, enum drain_stage stage);

static void
drain_on_requests_done(void *arg)
{
	drain_enter(arg, DRAIN_DELIVERIES);
}

static void
drain_on_deliveries_done(void *arg)
{
	drain_enter(arg, DRAIN_OVER);
}

static void
drain_arm(struct drain *drain, int64_t ms)
{
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

	event_add(drain->timer, &tv);
}

static int64_t
drain_last_ms(const struct drain *drain)
{
	int64_t delay_ms = drain->app->config->drain_delay_ms;

	return delay_ms < LAST_MS ? delay_ms : LAST_MS;
}

/* The only place where the stage changes. */
static void
drain_enter(struct drain *drain, enum drain_stage stage)
{
	struct app *app = drain->app;

	if (stage <= drain->stage)
		return;
	drain->stage = stage;
	switch (stage) {
	case DRAIN_OFF:
		break;
	case DRAIN_DELAY:
		log_msg(LOG_INFO, "draining");
		app->draining = true;
		notify_stopping(drain->notify);
		http_wane(app->http);
		drain_arm(drain, app->config->drain_delay_ms - drain_last_ms(drain));
		break;
	case DRAIN_LAST:
		http_hold_off(app->http);
		drain_arm(drain, drain_last_ms(drain));
		break;
	case DRAIN_REQUESTS:
		drain_arm(drain, app->config->drain_timeout_ms);
		http_drain(app->http, drain_on_requests_done, drain);
		/* already, so that a client that takes its time costs no delivery its own */
		dispatch_drain(app->dispatch, NULL, NULL);
		break;
	case DRAIN_DELIVERIES:
		dispatch_drain(app->dispatch, drain_on_deliveries_done, drain);
		break;
	case DRAIN_CUT:
		log_msg(LOG_WARN, "the drain timeout passed: cutting off what is still under way");
		drain_arm(drain, CUT_GRACE_MS);
		dispatch_cut(app->dispatch);
		break;
	case DRAIN_OVER:
		event_base_loopbreak(app->base);
		break;
	}
}

static void
drain_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	struct drain *drain = arg;

	(void)fd;
	(void)what;
	switch (drain->stage) {
	case DRAIN_DELAY:
		drain_enter(drain, DRAIN_LAST);
		break;
	case DRAIN_LAST:
		drain_enter(drain, DRAIN_REQUESTS);
		break;
	case DRAIN_REQUESTS:
		drain_enter(drain, DRAIN_DELIVERIES);
		drain_enter(drain, DRAIN_CUT);
		break;
	case DRAIN_DELIVERIES:
		drain_enter(drain, DRAIN_CUT);
		break;
	case DRAIN_OFF:
	case DRAIN_CUT:
	case DRAIN_OVER:
		drain_enter(drain, DRAIN_OVER);
		break;
	}
}

struct drain *
drain_new(struct app *app, struct notify *notify)
{
	struct drain *drain = xcalloc(1, sizeof *drain);

	drain->app = app;
	drain->notify = notify;
	drain->timer = evtimer_new(app->base, drain_ev_timer, drain);
	if (drain->timer == NULL)
		abort();
	return drain;
}

void
drain_free(struct drain *drain)
{
	event_free(drain->timer);
	free(drain);
}

void
drain_begin(struct drain *drain)
{
	drain_enter(drain, DRAIN_DELAY);
}

void
drain_skip(struct drain *drain)
{
	drain_enter(drain, DRAIN_OVER);
}

bool
drain_is_off(const struct drain *drain)
{
	return drain->stage == DRAIN_OFF;
}
