/* Trace context headers: what is passed on, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/trace.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void
t_parent_valid(void **state)
{
	static const char *const valid[] = {
	    "00-" TRACE "-" SPAN "-01",
	    "00-" TRACE "-" SPAN "-00",
	    "01-" TRACE "-" SPAN "-01",
	    "cc-" TRACE "-" SPAN "-01-what-comes-later",
	};

	(void)state;
	for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
		assert_ptr_equal(trace_parent_or_none(valid[i]), valid[i]);
}

static void
t_parent_invalid(void **state)
{
	static const char *const invalid[] = {
	    "",
	    "00",
	    "ff-" TRACE "-" SPAN "-01",
	    "00-" TRACE "-" SPAN "-01-more",
	    "00-" TRACE "-" SPAN "-1",
	    "00-" TRACE "-" SPAN "-0g",
	    "00-" TRACE "-0000000000000000-01",
	    "00-00000000000000000000000000000000-" SPAN "-01",
	    "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
	    "00_" TRACE "-" SPAN "-01",
	    "00-" TRACE "_" SPAN "-01",
	    "00-" TRACE "-" SPAN "_01",
	    "01-" TRACE "-" SPAN "-01.more",
	    "01-" TRACE "-" SPAN "-01-caf\xe9",
	    "01-" TRACE "-" SPAN "-01-a\tb",
	    " 00-" TRACE "-" SPAN "-01",
	    "0-" TRACE "-" SPAN "-01x",
	};

	(void)state;
	assert_string_equal(trace_parent_or_none(NULL), "");
	for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
		assert_string_equal(trace_parent_or_none(invalid[i]), "");
}

static void
t_state(void **state)
{
	char longest[514];

	(void)state;
	assert_string_equal(trace_state_or_none("a=1,b@c=\"x\""), "a=1,b@c=\"x\"");
	assert_string_equal(trace_state_or_none(NULL), "");
	assert_string_equal(trace_state_or_none(""), "");
	assert_string_equal(trace_state_or_none("a=\t1"), "");
	assert_string_equal(trace_state_or_none("a=\xc3\xa9"), "");
	memset(longest, 'a', 512);
	longest[512] = '\0';
	assert_ptr_equal(trace_state_or_none(longest), longest);
	memset(longest, 'a', 513);
	longest[513] = '\0';
	assert_string_equal(trace_state_or_none(longest), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_parent_valid),
	    cmocka_unit_test(t_parent_invalid),
	    cmocka_unit_test(t_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
