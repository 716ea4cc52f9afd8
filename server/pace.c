/*
 * The pace of publishing: so many deliveries' worth of requests in a turn of the loop, the rest in
 * the next ones.  While deliveries wait for a place, a turn takes in as many as it saw end.
 *
 * A turn serves whatever sockets are ready.  Hundreds of publishing connections always are, while a
 * webhook has at most --endpoint-concurrency answers to bring: unpaced, most of each turn goes into
 * taking in, and the queues grow though no endpoint is slow.  Paced, a request that has to wait is
 * not answered yet, which slows its client down; and where nothing is to be delivered the turns are
 * so short that nobody waits.  An endpoint that is slow holds nobody up: turns are short then too,
 * and each lets a few requests go.
 */
#include "server/pace.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

#define PACE_PER_TURN 32 /* the default of --endpoint-concurrency */
#define PACE_LEAST 4     /* of a turn, however far deliveries are behind */
#define PACE_BEHIND 64   /* deliveries that wait: fewer are only on their way */

struct pace {
	TAILQ_HEAD(, pace_wait) waiting;
	struct event *turn; /* pending while anything waits */
	ptrdiff_t left;     /* of this turn; negative after a large request */
	uint64_t ended;     /* attempts, when the last turn began */
	pace_load_fn *load;
	void *arg;
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

/* What a turn may take in. */
static ptrdiff_t
pace_allowance(struct pace *pace)
{
	struct pace_load load;
	uint64_t ended;

	pace->load(pace->arg, &load);
	ended = load.ended - pace->ended;
	pace->ended = load.ended;
	if (load.waiting < PACE_BEHIND || ended >= PACE_PER_TURN)
		return PACE_PER_TURN;
	return ended > PACE_LEAST ? (ptrdiff_t)ended : PACE_LEAST;
}

static void
pace_ev_turn(evutil_socket_t fd, short what, void *arg)
{
	struct pace *pace = arg;

	(void)fd;
	(void)what;
	pace->left = pace_allowance(pace) + (pace->left < 0 ? pace->left : 0);
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
pace_new(struct event_base *base, pace_load_fn *load, void *arg)
{
	struct pace *pace = xcalloc(1, sizeof *pace);

	TAILQ_INIT(&pace->waiting);
	pace->left = PACE_PER_TURN;
	pace->load = load;
	pace->arg = arg;
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
