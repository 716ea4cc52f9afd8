/*
 * The pace of publishing: so many deliveries' worth of requests in a turn of the loop, the rest in
 * the next ones.
 *
 * A turn serves whatever sockets are ready.  Hundreds of publishing connections always are, while a
 * webhook has at most --endpoint-concurrency answers to bring: unpaced, most of each turn goes into
 * taking in, and the queues grow though no endpoint is slow.  Paced, a request that has to wait is
 * not answered yet, which slows its client down; and where nothing is to be delivered the turns are
 * so short that nobody waits.
 */
#include "server/pace.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

#define PACE_PER_TURN 32 /* the default of --endpoint-concurrency */

struct pace {
	TAILQ_HEAD(, pace_wait) waiting;
	struct event *turn; /* pending while anything waits */
	ptrdiff_t left;     /* of this turn; negative after a large request */
};

static void
pace_arm(struct pace *pace)
{
	struct timeval next_turn = {0};

	event_add(pace->turn, &next_turn);
}

static void
pace_next(struct pace *pace)
{
	struct pace_wait *wait = TAILQ_FIRST(&pace->waiting);

	TAILQ_REMOVE(&pace->waiting, wait, entry);
	pace->left--;
	wait->go(wait->arg);
}

static void
pace_ev_turn(evutil_socket_t fd, short what, void *arg)
{
	struct pace *pace = arg;

	(void)fd;
	(void)what;
	pace->left = pace->left < 0 ? pace->left + PACE_PER_TURN : PACE_PER_TURN;
	while (pace->left > 0 && !TAILQ_EMPTY(&pace->waiting))
		pace_next(pace);
	if (!TAILQ_EMPTY(&pace->waiting))
		pace_arm(pace);
}

void
pace_enter(struct pace *pace, struct pace_wait *wait, pace_go_fn *go, void *arg)
{
	bool alone = TAILQ_EMPTY(&pace->waiting);

	wait->go = go;
	wait->arg = arg;
	TAILQ_INSERT_TAIL(&pace->waiting, wait, entry);
	if (alone && pace->left > 0)
		pace_next(pace);
	else if (alone)
		pace_arm(pace);
}

void
pace_charge(struct pace *pace, size_t more)
{
	pace->left -= (ptrdiff_t)more;
}

struct pace *
pace_new(struct event_base *base)
{
	struct pace *pace = xcalloc(1, sizeof *pace);

	TAILQ_INIT(&pace->waiting);
	pace->left = PACE_PER_TURN;
	pace->turn = evtimer_new(base, pace_ev_turn, pace);
	if (pace->turn == NULL)
		abort(); /* out of memory, as in base/mem.c */
	return pace;
}

void
pace_free(struct pace *pace)
{
	if (pace == NULL)
		return;
	while (!TAILQ_EMPTY(&pace->waiting))
		pace_next(pace);
	event_free(pace->turn);
	free(pace);
}
