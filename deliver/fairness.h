/* Whose turn it is among those who share something, and how much of it one may take. */
#ifndef DELIVER_FAIRNESS_H
#define DELIVER_FAIRNESS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

/*
 * Of `most` in all, `taken` of them by somebody and `own` by the one who asks: how many more that
 * one may take.  A quarter of all while others wait; and never more than three times what is left,
 * so that one alone gets three quarters, the next one three quarters of the rest, and whoever comes
 * finds some.
 */
size_t fair_room(size_t most, size_t taken, size_t own, bool others);

/* Turns on two levels: groups in turn, and the members of each in turn. */

struct fair_member {
	TAILQ_ENTRY(fair_member) entry;
	struct fair_group *group; /* NULL while it is in none */
	void *owner;
};

struct fair_group {
	TAILQ_ENTRY(fair_group) entry; /* while it has members */
	TAILQ_HEAD(, fair_member) members;
	void *owner;
};

struct fair {
	TAILQ_HEAD(, fair_group) groups; /* those with members */
	size_t ngroups;
};

void fair_init(struct fair *fair);
void fair_group_init(struct fair_group *group, void *owner);
/* Its turn comes last.  Not while it is in any group. */
void fair_join(struct fair *fair, struct fair_group *group, struct fair_member *member);
void fair_leave(struct fair *fair, struct fair_member *member);
/* The owner of the member whose turn it is: it stays, and its next turn comes after the others'.
 * Groups for whose owner `may` is false are passed over; NULL when it is for all of them. */
typedef bool fair_may_fn(void *arg, void *group_owner);
void *fair_next(struct fair *fair, fair_may_fn *may, void *arg);

#endif
