/* The copy of an event that a queue has of its own: data comes out byte for byte. */
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

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define DATA "{ \"b\":1.50,\"a\":[1e400,12345678901234567890],\"\\u0041\":\"\\/\"}"

static void
t_whole(void **state)
{
	static const char text[] =
	    "{\"locator\":\"" LOCATOR "\",\"type\":\"policy.issue\",\"data\":" DATA
	    ",\"requestId\":\"" REQUEST "\",\"userLocator\":\"" USER "\",\"traceparent\":\"" TRACE
	    "\",\"tracestate\":\"a=\\\"b\\\\c\\\"\",\"timestamp\":"
	    "1795428308923}";
	struct event_copy copy;

	(void)state;
	assert_int_equal(event_copy_read(&copy, text, sizeof text - 1), 0);
	assert_string_equal(copy.parts.locator, LOCATOR);
	assert_string_equal(copy.parts.type, "policy.issue");
	assert_int_equal(copy.parts.data_len, sizeof DATA - 1);
	assert_memory_equal(copy.parts.data, DATA, sizeof DATA - 1);
	assert_string_equal(copy.parts.request_id, REQUEST);
	assert_string_equal(copy.parts.user_locator, USER);
	assert_int_equal(copy.parts.timestamp, 1795428308923);
	assert_string_equal(copy.parts.trace_parent, TRACE);
	assert_string_equal(copy.parts.trace_state, "a=\"b\\c\"");
	event_copy_clear(&copy);
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
	    ("{\"locator\":\"x\",\"type\":\"a\",\"data\":{},\"requestId\":\"r\",\"timestamp\":"
	     "\"1\"}"),
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
