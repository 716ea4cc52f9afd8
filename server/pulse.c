/* What happens twice a second. */
#include "server/pulse.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define PULSE_US 500000

struct pulse {
	struct event *timer;
	int64_t due_us; /* when the timer should come next, as libevent reckons it */
	struct histogram lag;
};

static void
pulse_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pulse *pulse = arg;
	int64_t now_us = clock_mono_us();

	(void)fd;
	(void)what;
	/* libevent's clock is coarse, so that the timer may also come a little early */
	histogram_add(&pulse->lag, now_us > pulse->due_us ? now_us - pulse->due_us : 0);
	pulse->due_us += PULSE_US;
	if (pulse->due_us < now_us)
		pulse->due_us = now_us + PULSE_US;
	log_tell_repeats();
}

struct pulse *
pulse_new(struct event_base *base)
{
	static const struct timeval every = {.tv_usec = PULSE_US};
	struct pulse *pulse = xcalloc(1, sizeof *pulse);

	pulse->timer = event_new(base, -1, EV_PERSIST, pulse_ev_timer, pulse);
	if (pulse->timer == NULL)
		abort(); /* out of memory, as in base/mem.c */
	pulse->due_us = clock_mono_us() + PULSE_US;
	event_add(pulse->timer, &every);
	return pulse;
}

void
pulse_free(struct pulse *pulse)
{
	if (pulse == NULL)
		return;
	event_free(pulse->timer);
	free(pulse);
}

const struct histogram *
pulse_lag(const struct pulse *pulse)
{
	return &pulse->lag;
}
