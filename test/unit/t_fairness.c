/* Turns on two levels, and shares of what many take from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deliver/fairness.h"

/* --- shares --- */

/* Takes one by one as long as there is room: where room() of one step and of many must agree. */
static size_t
take_all(size_t most, size_t *taken, bool others)
{
	size_t own = 0, room = fair_room(most, *taken, 0, others);

	while (fair_room(most, *taken, own, others) > 0) {
		own++;
		++*taken;
	}
	assert_int_equal(own, room);
	return own;
}

static void
test_one_alone_gets_three_quarters(void **state)
{
	static const size_t rows[][2] = {
	    {0, 0}, {1, 1}, {2, 2}, {3, 3}, {4, 3}, {8, 6}, {100, 75}, {1024, 768}, {8192, 6144}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t taken = 0;

		assert_int_equal(take_all(rows[i][0], &taken, false), rows[i][1]);
	}
}

static void
test_each_newcomer_finds_some(void **state)
{
	size_t taken = 0;

	(void)state;
	assert_int_equal(take_all(1024, &taken, false), 768);
	assert_int_equal(take_all(1024, &taken, true), 192);
	assert_int_equal(take_all(1024, &taken, true), 48);
	assert_int_equal(take_all(1024, &taken, true), 12);
	assert_int_equal(take_all(1024, &taken, true), 3);
	assert_int_equal(take_all(1024, &taken, true), 1);
}

static void
test_a_quarter_while_others_wait(void **state)
{
	size_t taken = 0;

	(void)state;
	assert_int_equal(fair_room(1024, 0, 0, true), 256);
	assert_int_equal(fair_room(1024, 300, 255, true), 1);
	assert_int_equal(fair_room(1024, 300, 256, true), 0);
	assert_int_equal(fair_room(1024, 768, 768, true), 0);
	assert_int_equal(fair_room(1, 0, 0, true), 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(take_all(1024, &taken, true), 256);
	assert_int_equal(take_all(1024, &taken, true), 192);
}

static void
test_nothing_is_left_beyond_all(void **state)
{
	(void)state;
	assert_int_equal(fair_room(8, 8, 0, false), 0);
	assert_int_equal(fair_room(8, 9, 3, false), 0);
	assert_int_equal(fair_room(0, 0, 0, true), 0);
}

/* --- turns --- */

#define GROUPS 3
#define MEMBERS 3

struct world {
	struct fair fair;
	struct fair_group groups[GROUPS];
	struct fair_member members[GROUPS][MEMBERS];
	char names[GROUPS][MEMBERS]; /* "abc", "def", "ghi": members' owners */
	bool closed[GROUPS];         /* groups' owners */
};

static void
world_init(struct world *world)
{
	fair_init(&world->fair);
	for (int g = 0; g < GROUPS; g++) {
		world->closed[g] = false;
		fair_group_init(&world->groups[g], &world->closed[g]);
		for (int m = 0; m < MEMBERS; m++) {
			world->names[g][m] = (char)('a' + g * MEMBERS + m);
			world->members[g][m] = (struct fair_member){.owner = &world->names[g][m]};
		}
	}
}

static bool
is_open(void *arg, void *owner)
{
	(void)arg;
	return !*(bool *)owner;
}

static void
assert_turns(struct world *world, const char *names)
{
	for (; *names != '\0'; names++) {
		const char *owner = fair_next(&world->fair, is_open, NULL);

		assert_non_null(owner);
		assert_int_equal(*owner, *names);
	}
}

static void
test_groups_take_turns_and_their_members(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (int m = 0; m < MEMBERS; m++)
		fair_join(&w.fair, &w.groups[0], &w.members[0][m]);
	fair_join(&w.fair, &w.groups[1], &w.members[1][0]);
	assert_int_equal(w.fair.ngroups, 2);
	assert_turns(&w, "adbdcdad");
	fair_join(&w.fair, &w.groups[2], &w.members[2][1]);
	assert_turns(&w, "bdhcdhadh");
}

static void
test_groups_that_may_not_are_passed_over(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (int g = 0; g < GROUPS; g++)
		fair_join(&w.fair, &w.groups[g], &w.members[g][0]);
	w.closed[1] = true;
	assert_turns(&w, "agag");
	w.closed[0] = w.closed[2] = true;
	assert_null(fair_next(&w.fair, is_open, NULL));
	w.closed[1] = false;
	assert_turns(&w, "dd");
}

static void
test_who_leaves_has_no_turn(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	assert_null(fair_next(&w.fair, is_open, NULL));
	for (int m = 0; m < MEMBERS; m++)
		fair_join(&w.fair, &w.groups[0], &w.members[0][m]);
	assert_turns(&w, "ab");
	fair_leave(&w.fair, &w.members[0][2]);
	assert_null(w.members[0][2].group);
	assert_turns(&w, "aba");
	fair_leave(&w.fair, &w.members[0][0]);
	fair_leave(&w.fair, &w.members[0][1]);
	assert_int_equal(w.fair.ngroups, 0);
	assert_null(fair_next(&w.fair, is_open, NULL));
	fair_join(&w.fair, &w.groups[0], &w.members[0][1]);
	assert_turns(&w, "bb");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_alone_gets_three_quarters),
	    cmocka_unit_test(test_each_newcomer_finds_some),
	    cmocka_unit_test(test_a_quarter_while_others_wait),
	    cmocka_unit_test(test_nothing_is_left_beyond_all),
	    cmocka_unit_test(test_groups_take_turns_and_their_members),
	    cmocka_unit_test(test_groups_that_may_not_are_passed_over),
	    cmocka_unit_test(test_who_leaves_has_no_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
