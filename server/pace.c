/*
 * The pace of publishing: so many deliveries' worth of requests in a turn of the loop, tenant by
 * tenant, the rest in the next ones.  While deliveries of a tenant wait for a place, a turn takes
 * in as many of its requests as it saw deliveries of it end.
 *
 * A turn serves whatever sockets are ready.  Hundreds of publishing connections always are, while a
 * webhook has at most --endpoint-concurrency answers to bring: unpaced, most of each turn goes into
 * taking in, and the queues grow though no endpoint is slow.  Paced, a request that has to wait is
 * not answered yet, which slows its client down; and where nothing is to be delivered the turns are
 * so short that nobody waits.  An endpoint that is slow holds nobody up: turns are short then too,
 * and each lets a few requests go.
 *
 * Tenants stand in a ring while they have requests waiting or a debt.  In a turn each gets an
 * allowance when it is come to for the first time, then one request of each goes after the other.
 * What a request costs beyond its allowance, which may turn out long after it was let go, is the
 * debt of its tenant alone, and paid from its next allowances.
 */
#include "server/pace.h"

#include <stdbool.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/mem.h"

#define PACE_PER_TURN 32  /* the default of --endpoint-concurrency */
#define PACE_LEAST 4      /* of a turn, however far deliveries are behind */
#define PACE_BEHIND 64    /* deliveries that wait: fewer are only on their way */
#define PACE_BEHIND_ONE 8 /* at least so many of a tenant, however many others there are */

struct pace_tenant {
	UT_hash_handle hh;
	TAILQ_ENTRY(pace_tenant) entry; /* in the ring, always */
	struct uuid tenant;
	TAILQ_HEAD(, pace_wait) waiting;
	ptrdiff_t left; /* of this turn; negative: a debt */
	uint64_t ended; /* attempts, when it got its last allowance */
	uint64_t turn;  /* in which that was */
};

struct pace {
	struct pace_tenant *tenants;
	TAILQ_HEAD(pace_ring, pace_tenant) ring;
	size_t ntenants;
	struct event *next; /* pending while anybody is in the ring */
	uint64_t turn;
	ptrdiff_t left;  /* of this turn, for all */
	ptrdiff_t given; /* what it began with */
	uint64_t ended;  /* attempts of all, when it began */
	bool ending;
	pace_load_fn *load;
	void *arg;
};

/* --- tenants --- */

static struct pace_tenant *
pace_find(const struct pace *pace, const struct uuid *name)
{
	struct pace_tenant *tenant;

	HASH_FIND(hh, pace->tenants, name->s, UUID_LEN, tenant);
	return tenant;
}

static struct pace_tenant *
pace_get(struct pace *pace, const struct uuid *name)
{
	static const struct timeval next_turn = {0};
	struct pace_tenant *tenant = pace_find(pace, name);

	if (tenant != NULL)
		return tenant;
	tenant = xcalloc(1, sizeof *tenant);
	tenant->tenant = *name;
	TAILQ_INIT(&tenant->waiting);
	HASH_ADD(hh, pace->tenants, tenant.s, UUID_LEN, tenant);
	TAILQ_INSERT_TAIL(&pace->ring, tenant, entry);
	if (pace->ntenants++ == 0)
		event_add(pace->next, &next_turn);
	return tenant;
}

static void
pace_drop(struct pace *pace, struct pace_tenant *tenant)
{
	HASH_DELETE(hh, pace->tenants, tenant);
	TAILQ_REMOVE(&pace->ring, tenant, entry);
	pace->ntenants--;
	free(tenant);
}

/* --- allowances --- */

/* As many as ended since it was asked for the last time, but not too few, and not too many. */
static ptrdiff_t
pace_as_ended(uint64_t now, uint64_t *before)
{
	uint64_t ended = now >= *before ? now - *before : now;

	*before = now;
	if (ended >= PACE_PER_TURN)
		return PACE_PER_TURN;
	return ended > PACE_LEAST ? (ptrdiff_t)ended : PACE_LEAST;
}

/* How many deliveries of a tenant may wait: the more tenants publish, the fewer of each. */
static size_t
pace_behind(const struct pace *pace)
{
	size_t each = PACE_BEHIND / pace->ntenants;

	return each > PACE_BEHIND_ONE ? each : PACE_BEHIND_ONE;
}

static void
pace_begin(struct pace *pace)
{
	struct pace_load load;

	pace->load(pace->arg, NULL, &load);
	pace->turn++;
	pace->left = pace->given = pace_as_ended(load.ended, &pace->ended);
}

/* Gives a tenant its allowance of this turn. */
static void
pace_allow(struct pace *pace, struct pace_tenant *tenant)
{
	struct pace_load load;
	ptrdiff_t allowance;

	tenant->turn = pace->turn;
	pace->load(pace->arg, &tenant->tenant, &load);
	allowance = pace_as_ended(load.ended, &tenant->ended);
	if (load.waiting < pace_behind(pace)) {
		allowance = PACE_PER_TURN;
		pace->left += PACE_PER_TURN - pace->given;
		pace->given = PACE_PER_TURN;
	}
	tenant->left = allowance + (tenant->left < 0 ? tenant->left : 0);
}

/* --- turns --- */

/* Lets one go; the tenant is behind all others then. */
static void
pace_let_go(struct pace *pace, struct pace_tenant *tenant)
{
	struct pace_wait *wait = TAILQ_FIRST(&tenant->waiting);

	TAILQ_REMOVE(&tenant->waiting, wait, entry);
	TAILQ_REMOVE(&pace->ring, tenant, entry);
	TAILQ_INSERT_TAIL(&pace->ring, tenant, entry);
	tenant->left -= (ptrdiff_t)wait->cost;
	pace->left -= (ptrdiff_t)wait->cost;
	wait->go(wait->arg);
}

/* Goes around the ring until nobody in it may go any more, or the turn is used up. */
static void
pace_go_round(struct pace *pace)
{
	size_t passed = 0;

	pace_begin(pace);
	while (pace->left > 0 && passed < pace->ntenants) {
		struct pace_tenant *tenant = TAILQ_FIRST(&pace->ring);

		if (tenant->turn != pace->turn)
			pace_allow(pace, tenant);
		if (tenant->left > 0 && TAILQ_EMPTY(&tenant->waiting)) {
			pace_drop(pace, tenant);
		} else if (tenant->left > 0) {
			pace_let_go(pace, tenant);
			passed = 0;
		} else {
			TAILQ_REMOVE(&pace->ring, tenant, entry);
			TAILQ_INSERT_TAIL(&pace->ring, tenant, entry);
			passed++;
		}
	}
}

static void
pace_ev_next(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval next_turn = {0};
	struct pace *pace = arg;

	(void)fd;
	(void)what;
	pace_go_round(pace);
	if (pace->ntenants > 0)
		event_add(pace->next, &next_turn);
}

void
pace_enter(struct pace *pace, struct pace_wait *wait, const struct uuid *tenant, size_t cost,
    pace_go_fn *go, void *arg)
{
	wait->cost = cost;
	wait->go = go;
	wait->arg = arg;
	if (pace->ntenants == 0 && pace->left > 0 && !pace->ending) {
		pace->left -= (ptrdiff_t)cost;
		go(arg);
		return;
	}
	TAILQ_INSERT_TAIL(&pace_get(pace, tenant)->waiting, wait, entry);
}

void
pace_charge(struct pace *pace, const struct uuid *name, size_t more)
{
	struct pace_tenant *tenant = pace_find(pace, name);

	pace->left -= (ptrdiff_t)more;
	if (tenant == NULL && more > PACE_PER_TURN)
		tenant = pace_get(pace, name);
	if (tenant != NULL)
		tenant->left -= (ptrdiff_t)more;
}

struct pace *
pace_new(struct event_base *base, pace_load_fn *load, void *arg)
{
	struct pace *pace = xcalloc(1, sizeof *pace);

	TAILQ_INIT(&pace->ring);
	pace->left = pace->given = PACE_PER_TURN;
	pace->load = load;
	pace->arg = arg;
	pace->next = evtimer_new(base, pace_ev_next, pace);
	if (pace->next == NULL)
		abort(); /* out of memory, as in base/mem.c */
	return pace;
}

void
pace_free(struct pace *pace)
{
	struct pace_tenant *tenant;

	if (pace == NULL)
		return;
	pace->ending = true;
	while ((tenant = TAILQ_FIRST(&pace->ring)) != NULL)
		if (TAILQ_EMPTY(&tenant->waiting))
			pace_drop(pace, tenant);
		else
			pace_let_go(pace, tenant);
	event_free(pace->next);
	free(pace);
}
