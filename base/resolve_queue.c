/* The names that wait to be asked for: groups take turns, and none gets all places. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/resolve_internal.h"

void
resolve_queue_init(struct resolve_queue *queue)
{
	queue->groups = NULL;
	queue->under_way = 0;
	TAILQ_INIT(&queue->ready);
}

static struct resolve_group *
resolve_group_find(struct resolve_queue *queue, const void *key)
{
	struct resolve_group *group;

	HASH_FIND_PTR(queue->groups, &key, group);
	if (group != NULL)
		return group;
	group = xcalloc(1, sizeof *group);
	group->key = key;
	TAILQ_INIT(&group->waiting);
	HASH_ADD_PTR(queue->groups, key, group);
	return group;
}

/* Whether it takes part in the turns, or is of no more use. */
static void
resolve_group_review(struct resolve_queue *queue, struct resolve_group *group)
{
	bool ready = !TAILQ_EMPTY(&group->waiting) && group->under_way < RESOLVE_SHARE;

	if (ready && !group->ready)
		TAILQ_INSERT_TAIL(&queue->ready, group, link);
	else if (!ready && group->ready)
		TAILQ_REMOVE(&queue->ready, group, link);
	group->ready = ready;
	if (TAILQ_EMPTY(&group->waiting) && group->under_way == 0) {
		HASH_DEL(queue->groups, group);
		free(group);
	}
}

void
resolve_queue_add(struct resolve_queue *queue, struct resolve_turn *turn, const void *key)
{
	turn->group = resolve_group_find(queue, key);
	turn->under_way = false;
	TAILQ_INSERT_TAIL(&turn->group->waiting, turn, link);
	resolve_group_review(queue, turn->group);
}

struct resolve_turn *
resolve_queue_next(struct resolve_queue *queue)
{
	struct resolve_group *group = TAILQ_FIRST(&queue->ready);
	struct resolve_turn *turn;

	if (group == NULL || queue->under_way == RESOLVE_PLACES)
		return NULL;
	turn = TAILQ_FIRST(&group->waiting);
	TAILQ_REMOVE(&group->waiting, turn, link);
	turn->under_way = true;
	group->under_way++;
	queue->under_way++;
	TAILQ_REMOVE(&queue->ready, group, link);
	group->ready = false;
	resolve_group_review(queue, group); /* to the end, if at all */
	return turn;
}

void
resolve_queue_remove(struct resolve_queue *queue, struct resolve_turn *turn)
{
	struct resolve_group *group = turn->group;

	if (group == NULL)
		return;
	if (turn->under_way) {
		group->under_way--;
		queue->under_way--;
	} else {
		TAILQ_REMOVE(&group->waiting, turn, link);
	}
	turn->group = NULL;
	turn->under_way = false;
	resolve_group_review(queue, group);
}
