/* Whose turn it is among those who share something, and how much of it one may take. */
#include "deliver/fairness.h"

size_t
fair_room(size_t most, size_t taken, size_t own, bool others)
{
	size_t left = most > taken ? most - taken : 0;
	size_t quarter = (most + 3) / 4;
	size_t room;

	/* one more as long as own < 3 * left, where each takes one from what is left */
	room = 3 * left > own ? (3 * left - own + 3) / 4 : 0;
	if (others && own + room > quarter)
		room = own < quarter ? quarter - own : 0;
	return room;
}

void
fair_init(struct fair *fair)
{
	TAILQ_INIT(&fair->groups);
	fair->ngroups = 0;
}

void
fair_group_init(struct fair_group *group, void *owner)
{
	TAILQ_INIT(&group->members);
	group->owner = owner;
}

void
fair_join(struct fair *fair, struct fair_group *group, struct fair_member *member)
{
	if (TAILQ_EMPTY(&group->members)) {
		TAILQ_INSERT_TAIL(&fair->groups, group, entry);
		fair->ngroups++;
	}
	TAILQ_INSERT_TAIL(&group->members, member, entry);
	member->group = group;
}

void
fair_leave(struct fair *fair, struct fair_member *member)
{
	struct fair_group *group = member->group;

	TAILQ_REMOVE(&group->members, member, entry);
	member->group = NULL;
	if (TAILQ_EMPTY(&group->members)) {
		TAILQ_REMOVE(&fair->groups, group, entry);
		fair->ngroups--;
	}
}

void *
fair_next(struct fair *fair, fair_may_fn *may, void *arg)
{
	for (size_t passed = 0; passed < fair->ngroups; passed++) {
		struct fair_group *group = TAILQ_FIRST(&fair->groups);
		struct fair_member *member;

		TAILQ_REMOVE(&fair->groups, group, entry);
		TAILQ_INSERT_TAIL(&fair->groups, group, entry);
		if (!may(arg, group->owner))
			continue;
		member = TAILQ_FIRST(&group->members);
		TAILQ_REMOVE(&group->members, member, entry);
		TAILQ_INSERT_TAIL(&group->members, member, entry);
		return member->owner;
	}
	return NULL;
}
