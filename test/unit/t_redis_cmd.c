/* Commands for Redis: the wire form, and that a used one is as new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/redis_internal.h"

static void
expect(struct redis_cmd *cmd, const char *wire)
{
	size_t n;
	const char *bytes = redis_cmd_bytes(cmd, &n);

	assert_int_equal(n, strlen(wire));
	assert_memory_equal(bytes, wire, n);
}

static void
test_wire(void **state)
{
	struct redis_cmd *cmd = redis_cmd_new();

	(void)state;
	redis_args(cmd, "SET");
	redis_argi(cmd, INT64_MIN);
	redis_arg(cmd, "", 0);
	expect(cmd, "*3\r\n$3\r\nSET\r\n$20\r\n-9223372036854775808\r\n$0\r\n\r\n");
	redis_cmd_free(cmd);
}

static void
test_as_new(void **state)
{
	struct redis_cmd *cmd, *again;

	(void)state;
	cmd = redis_cmd_new();
	redis_args(cmd, "AUTH");
	redis_args(cmd, "secret of somebody");
	expect(cmd, "*2\r\n$4\r\nAUTH\r\n$18\r\nsecret of somebody\r\n");
	cmd->script = (const struct script *)cmd;
	cmd->redis = (struct redis *)cmd;
	cmd->fn = (redis_fn *)(uintptr_t)cmd;
	cmd->arg = cmd;
	cmd->sent_us = 7;
	cmd->repeated = true;
	redis_cmd_free(cmd);
	again = redis_cmd_new();
	assert_ptr_equal(again, cmd);
	assert_int_equal(again->start + again->argc, 0);
	assert_null(again->script);
	assert_null(again->redis);
	assert_null(again->arg);
	assert_true(again->fn == NULL && !again->repeated);
	assert_int_equal(again->sent_us, 0);
	redis_args(again, "PING");
	expect(again, "*1\r\n$4\r\nPING\r\n");
	redis_cmd_free(again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wire),
	    cmocka_unit_test(test_as_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
