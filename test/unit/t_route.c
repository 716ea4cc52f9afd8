/* The router alone: what it matches, what it answers itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/route.h"

#define UUID "0190A5E2-0b4e-7cc1-8d5c-2f0f8b8f3a11"
#define ULID "01arz3ndektsv4rrffq69g5fav"

const struct route routes[] = {
    {"GET", "/", NULL, NULL, {NULL}, false},
    {"GET", "/t/{tenant}/w/{locator}", NULL, NULL, {NULL}, false},
    {"PATCH", "/t/{tenant}/w/{locator}", NULL, NULL, {NULL}, true},
    {"GET", "/t/{tenant}/w/list", NULL, NULL, {NULL}, false},
    {"DELETE", "/t/{tenant}/w/list", NULL, NULL, {NULL}, false},
    {"POST", "/t/{tenant}/w/{locator}/d/{locator}/resend", NULL, NULL, {NULL}, false},
    {"POST", "/t/{tenant}/w/{locator}/d/resend", NULL, NULL, {NULL}, false},
    {"GET", "/t/all/w/{locator}", NULL, NULL, {NULL}, false},
    {NULL, NULL, NULL, NULL, {NULL}, false},
};

/* --- what the router answers with, kept for the tests --- */

static int status;
static char allow[100];

void
call_set_header(struct call *call, const char *name, const char *value)
{
	(void)call;
	assert_string_equal(name, "Allow");
	strncpy(allow, value, sizeof allow - 1);
}

void
call_reply_empty(struct call *call, int code)
{
	(void)call;
	assert_int_equal(status, 0);
	status = code;
}

void
call_problem(struct call *call, int code, const char *fmt, ...)
{
	(void)call;
	(void)fmt;
	assert_int_equal(status, 0);
	status = code;
}

/* --- tests --- */

static struct call call;

static bool
match(const char *method, const char *path)
{
	static const char *const names[] = {"GET", "POST", "PATCH", "DELETE", "OPTIONS"};
	size_t i;

	arena_clear(&call.arena);
	memset(&call, 0, sizeof call);
	status = 0;
	allow[0] = '\0';
	call.method_name = method;
	call.method = CALL_OTHER;
	for (i = 0; i < 5; i++) {
		if (strcmp(method, names[i]) == 0)
			call.method = (enum call_method)i;
	}
	call.head = strcmp(method, "HEAD") == 0;
	if (call.head)
		call.method = CALL_GET;
	call.path = path;
	call.path_len = strlen(path);
	return route_match(&call);
}

static void
expect_route(const char *method, const char *path, size_t route)
{
	assert_true(match(method, path));
	assert_int_equal(status, 0);
	assert_int_equal(call.route - routes, route);
}

static void
expect_answer(const char *method, const char *path, int code)
{
	assert_false(match(method, path));
	assert_int_equal(status, code);
}

static void
test_match(void **state)
{
	(void)state;
	expect_route("GET", "/", 0);
	expect_route("GET", "/t/x/w/y", 1);
	expect_route("HEAD", "/t/x/w/y", 1);
	expect_route("PATCH", "/t/x/w/y", 2);
	expect_route("GET", "/t/x/w/y/", 1);
	expect_route("GET", "/t/x/%77/l%69st", 3);
	expect_route("GET", "/t/x/w/a%2Fb", 1);
	expect_route("POST", "/t/x/w/y/d/z/resend", 5);
	arena_clear(&call.arena);
}

static void
test_literals_first(void **state)
{
	(void)state;
	expect_route("GET", "/t/x/w/list", 3);
	expect_route("DELETE", "/t/x/w/list", 4);
	expect_answer("PATCH", "/t/x/w/list", 405);
	assert_string_equal(allow, "GET, HEAD, DELETE, OPTIONS");
	expect_route("POST", "/t/x/w/y/d/resend", 6);
	expect_route("GET", "/t/all/w/y", 7);
	expect_route("GET", "/t/all/w/list", 7); /* the earlier literal counts more */
	arena_clear(&call.arena);
}

static void
test_nothing_there(void **state)
{
	static const char *const paths[] = {"", "//", "/t", "/t/x", "/t/x/w", "/t/x/w/y/z",
	    "/T/x/w/y", "/t/x/w/y//", "//t/x/w/y", "/t/x%2Fw/y", "/t/x/w%00/y", "/tt/x/w/y",
	    "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		if (strcmp(paths[i], "") == 0)
			expect_route("GET", paths[i], 0); /* absolute-form without a path */
		else
			expect_answer("GET", paths[i], 404);
		assert_string_equal(allow, "");
	}
	arena_clear(&call.arena);
}

static void
test_methods(void **state)
{
	(void)state;
	expect_answer("PUT", "/t/x/w/y", 405);
	assert_string_equal(allow, "GET, HEAD, PATCH, OPTIONS");
	expect_answer("DELETE", "/t/x/w/y", 405);
	expect_answer("HEAD", "/t/x/w/y/d/resend", 405);
	assert_string_equal(allow, "POST, OPTIONS");
	expect_answer("OPTIONS", "/t/x/w/y", 204);
	assert_string_equal(allow, "GET, HEAD, PATCH, OPTIONS");
	expect_answer("OPTIONS", "/nothing", 404);
	expect_answer("OPTIONS", "*", 204);
	assert_string_equal(allow, "GET, HEAD, POST, PATCH, DELETE, OPTIONS");
	arena_clear(&call.arena);
}

static void
test_values(void **state)
{
	(void)state;
	assert_true(match("GET", "/t/" UUID "/w/" ULID));
	assert_true(route_values(&call));
	assert_string_equal(call.tenant.s, "0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a11");
	assert_string_equal(call.locator[0].s, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
	assert_true(match("POST", "/t/%30"
				  "190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a11/w/" ULID
				  "/d/01ARZ3NDEKTSV4RRFFQ69G5FA%57/resend"));
	assert_true(route_values(&call));
	assert_string_equal(call.tenant.s, "0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a11");
	assert_string_equal(call.locator[1].s, "01ARZ3NDEKTSV4RRFFQ69G5FAW");
	assert_true(match("GET", "/t/all/w/" ULID));
	assert_true(route_values(&call));
	assert_string_equal(call.tenant.s, "");
	arena_clear(&call.arena);
}

static void
test_malformed_values(void **state)
{
	static const char *const paths[] = {"/t/x/w/" ULID, "/t/" UUID "/w/x", "/t//w/" ULID,
	    "/t/" UUID "/w/81ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/" UUID "x/w/" ULID,
	    "/t/" UUID "/w/" ULID "%00", "/t/" UUID "/w/%2F" ULID};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		assert_true(match("GET", paths[i]));
		assert_false(route_values(&call));
		assert_int_equal(status, 400);
	}
	arena_clear(&call.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_literals_first),
	    cmocka_unit_test(test_nothing_there),
	    cmocka_unit_test(test_methods),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_malformed_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
