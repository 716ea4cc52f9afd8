/* The copy of an event that a queue keeps: what goes in comes out, data byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/event_copy.h"

#define LOCATOR "01M83XVNXV0000CSQZDK5AHJ3A"
#define REQUEST "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define USER "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

static const char data[] = "{ \"b\":1.50,\"a\":[1e400,12345678901234567890],\"\\u0041\":\"\\/\"}";

static void
t_whole(void **state)
{
	const struct event_parts parts = {
	    .locator = LOCATOR,
	    .type = "policy.issue",
	    .data = data,
	    .data_len = sizeof data - 1,
	    .request_id = REQUEST,
	    .user_locator = USER,
	    .timestamp = 1795428308923,
	    .trace_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	    .trace_state = "a=\"b\\c\"",
	};
	struct event_copy copy;
	struct buf text = {0};

	(void)state;
	event_copy_write(&parts, &text);
	assert_int_equal(event_copy_read(&copy, text.data, text.len), 0);
	assert_string_equal(copy.parts.locator, parts.locator);
	assert_string_equal(copy.parts.type, parts.type);
	assert_int_equal(copy.parts.data_len, parts.data_len);
	assert_memory_equal(copy.parts.data, data, parts.data_len);
	assert_string_equal(copy.parts.request_id, parts.request_id);
	assert_string_equal(copy.parts.user_locator, parts.user_locator);
	assert_int_equal(copy.parts.timestamp, parts.timestamp);
	assert_string_equal(copy.parts.trace_parent, parts.trace_parent);
	assert_string_equal(copy.parts.trace_state, parts.trace_state);
	event_copy_clear(&copy);
	buf_clear(&text);
}

static void
t_bare(void **state)
{
	static const char text[] = "{\"locator\":\"" LOCATOR "\",\"type\":\"a\",\"data\":{},"
				   "\"requestId\":\"" REQUEST "\",\"timestamp\":-1}";
	struct event_copy copy;

	(void)state;
	assert_int_equal(event_copy_read(&copy, text, sizeof text - 1), 0);
	assert_string_equal(copy.parts.user_locator, "");
	assert_string_equal(copy.parts.trace_parent, "");
	assert_string_equal(copy.parts.trace_state, "");
	assert_int_equal(copy.parts.timestamp, -1);
	event_copy_clear(&copy);
}

static void
t_none(void **state)
{
	static const char *const none[] = {
	    "",
	    "[]",
	    "{}",
	    "{\"locator\":\"x\",\"type\":\"a\",\"data\":[],\"requestId\":\"r\",\"timestamp\":1}",
	    "{\"locator\":\"x\",\"type\":\"a\",\"data\":{},\"requestId\":\"r\",\"timestamp\":"
	    "\"1\"}",
	    "{\"locator\":\"x\",\"type\":\"a\",\"data\":{},\"timestamp\":1}",
	    "{\"locator\":\"x\",\"data\":{},\"requestId\":\"r\",\"timestamp\":1}",
	    "{\"type\":\"a\",\"data\":{},\"requestId\":\"r\",\"timestamp\":1}",
	    "{\"locator\":\"x\",\"type\":\"a\",\"data\":{},\"requestId\":\"r\",\"timestamp\":1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		struct event_copy copy;

		assert_int_equal(event_copy_read(&copy, none[i], strlen(none[i])), -1);
		event_copy_clear(&copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_whole),
	    cmocka_unit_test(t_bare),
	    cmocka_unit_test(t_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
