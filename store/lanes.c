/*
 * Whose publishing goes to Redis next.
 *
 * Redis answers in the order of asking, and a command of many deliveries takes it many
 * milliseconds. So a tenant has only so much under way, and what all have under way is bounded too:
 * another one's command waits for that at most, and for its turn among those that wait.  The turns
 * go round: a lane that sent one is behind all others.
 */
#include "store/lanes.h"

#include <stdlib.h>

#include "base/mem.h"

/* Deliveries; when more is under way, the next one waits. */
#define LANE_COST 1024
#define LANES_COST 4096
/* Lanes that are kept, as their events cause many deliveries each. */
#define LANES_KEPT 1024
#define LANE_WIDE 8

void
lanes_init(struct lanes *lanes)
{
	*lanes = (struct lanes){0};
	STAILQ_INIT(&lanes->ripe);
	TAILQ_INIT(&lanes->kept);
}

static void
lanes_forget(struct lanes *lanes, struct lane *lane)
{
	if (lane->is_kept) {
		TAILQ_REMOVE(&lanes->kept, lane, kept_entry);
		lanes->nkept--;
	}
	HASH_DELETE(hh, lanes->table, lane);
	free(lane);
}

void
lanes_clear(struct lanes *lanes)
{
	struct lane *lane, *next;

	HASH_ITER(hh, lanes->table, lane, next)
	{
		lanes_forget(lanes, lane);
	}
}

struct lane *
lanes_get(struct lanes *lanes, const struct uuid *tenant)
{
	struct lane *lane;

	HASH_FIND(hh, lanes->table, tenant->s, UUID_LEN, lane);
	if (lane == NULL) {
		lane = xcalloc(1, sizeof *lane);
		lane->tenant = *tenant;
		lane->per_event = lanes->per_event;
		STAILQ_INIT(&lane->waiting);
		HASH_ADD(hh, lanes->table, tenant.s, UUID_LEN, lane);
	} else if (lane->is_kept) {
		TAILQ_REMOVE(&lanes->kept, lane, kept_entry);
		lane->is_kept = false;
		lanes->nkept--;
	}
	return lane;
}

static void
lanes_ripen(struct lanes *lanes, struct lane *lane)
{
	if (lane->is_ripe || STAILQ_EMPTY(&lane->waiting))
		return;
	lane->is_ripe = true;
	STAILQ_INSERT_TAIL(&lanes->ripe, lane, ripe_entry);
}

void
lanes_add(struct lanes *lanes, struct lane *lane, struct lane_item *item, size_t cost)
{
	item->lane = lane;
	item->cost = cost;
	STAILQ_INSERT_TAIL(&lane->waiting, item, entry);
	lanes_ripen(lanes, lane);
}

/* The first of the lane goes. */
static struct lane_item *
lanes_take(struct lanes *lanes, struct lane *lane)
{
	struct lane_item *item = STAILQ_FIRST(&lane->waiting);

	STAILQ_REMOVE_HEAD(&lane->waiting, entry);
	lane->underway++;
	lane->cost += item->cost;
	lanes->underway++;
	lanes->cost += item->cost;
	lanes_ripen(lanes, lane);
	return item;
}

static struct lane *
lanes_pick(struct lanes *lanes)
{
	struct lane *lane = STAILQ_FIRST(&lanes->ripe);

	if (lane != NULL) {
		STAILQ_REMOVE_HEAD(&lanes->ripe, ripe_entry);
		lane->is_ripe = false;
	}
	return lane;
}

struct lane_item *
lanes_next(struct lanes *lanes)
{
	struct lane *lane;

	if (lanes->cost > LANES_COST)
		return NULL;
	while ((lane = lanes_pick(lanes)) != NULL)
		if (lane->cost <= LANE_COST)
			return lanes_take(lanes, lane);
	return NULL; /* those that have too much under way come again when it is answered */
}

struct lane_item *
lanes_drain(struct lanes *lanes)
{
	struct lane *lane, *next;

	while ((lane = lanes_pick(lanes)) != NULL)
		;
	HASH_ITER(hh, lanes->table, lane, next)
	{
		if (!STAILQ_EMPTY(&lane->waiting))
			return lanes_take(lanes, lane);
	}
	return NULL;
}

void
lanes_done(struct lanes *lanes, struct lane_item *item)
{
	struct lane *lane = item->lane;

	lane->underway--;
	lane->cost -= item->cost;
	lanes->underway--;
	lanes->cost -= item->cost;
	lanes_ripen(lanes, lane);
}

static void
lanes_learn_one(size_t *per_event, size_t now)
{
	*per_event -= *per_event / 4;
	if (*per_event < now)
		*per_event = now;
}

void
lanes_learn(struct lanes *lanes, struct lane *lane, size_t events, size_t deliveries)
{
	if (events == 0)
		return;
	lanes_learn_one(&lane->per_event, deliveries / events);
	lanes_learn_one(&lanes->per_event, deliveries / events);
}

bool
lane_is_free(const struct lane *lane)
{
	return lane->underway == 0 && STAILQ_EMPTY(&lane->waiting);
}

void
lanes_put(struct lanes *lanes, struct lane *lane)
{
	if (!lane_is_free(lane) || lane->open != NULL || lane->is_due || lane->is_kept)
		return;
	if (lane->per_event < LANE_WIDE) {
		lanes_forget(lanes, lane);
		return;
	}
	if (lanes->nkept >= LANES_KEPT)
		lanes_forget(lanes, TAILQ_FIRST(&lanes->kept));
	lane->is_kept = true;
	TAILQ_INSERT_TAIL(&lanes->kept, lane, kept_entry);
	lanes->nkept++;
}
