/* A request target through the router and the query: one answer or a route, values canonical,
 * parameters as a plain reading has them. */
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "server/call.h"
#include "server/route.h"
#include "test/fuzz/fuzz.h"

static unsigned fuzz_answers; /* to the call under way */

/* --- what call.c does for a real request --- */

void
call_set_header(struct call *call, const char *name, const char *value)
{
	(void)call;
	FUZZ_CHECK(strcmp(name, "Allow") == 0 && strpbrk(value, "\r\n") == NULL);
}

void
call_reply_empty(struct call *call, int status)
{
	FUZZ_CHECK(status == 204 && call->method == CALL_OPTIONS);
	fuzz_answers++;
}

void
call_problem(struct call *call, int status, const char *fmt, ...)
{
	(void)call;
	(void)fmt;
	FUZZ_CHECK(status == 400 || status == 404 || status == 405);
	fuzz_answers++;
}

void
call_problem_faults(struct call *call, const char *detail, struct faults *faults)
{
	(void)call;
	(void)detail;
	FUZZ_CHECK(faults->count == 1);
	faults_clear(faults);
	fuzz_answers++;
}

/* --- the routes: those of the API in their shapes --- */

static void
fuzz_handle(struct call *call)
{
	(void)call;
}

/* clang-format off */
const struct route routes[] = {
	{"GET", "/event/{tenant}/webhooks/list", fuzz_handle, NULL, {NULL}, false},
	{"GET", "/event/{tenant}/webhooks/{locator}", fuzz_handle, NULL, {NULL}, false},
	{"POST", "/event/{tenant}/webhooks", fuzz_handle, NULL, {NULL}, true},
	{"PATCH", "/event/{tenant}/webhooks/{locator}", fuzz_handle, NULL, {NULL}, true},
	{"GET", "/event/{tenant}/events/request/{locator}", fuzz_handle, NULL, {NULL}, false},
	{"DELETE", "/event/{tenant}/webhooks/{locator}/diverted/{locator}", fuzz_handle, NULL, {NULL}, false},
	{"GET", "/healthz", fuzz_handle, NULL, {NULL}, false},
	{NULL, NULL, NULL, NULL, {NULL}, false},
};
/* clang-format on */

static const struct {
	const char *name;
	enum call_method method;
	bool head;
} fuzz_methods[] = {
    {"GET", CALL_GET, false},
    {"POST", CALL_POST, false},
    {"PATCH", CALL_PATCH, false},
    {"DELETE", CALL_DELETE, false},
    {"OPTIONS", CALL_OPTIONS, false},
    {"HEAD", CALL_GET, true},
    {"PUT", CALL_OTHER, false},
};

/* What reaches the router is printable, without a fragment, and well percent-encoded. */
static bool
fuzz_is_target(const char *s)
{
	if (*s != '/' && strcmp(s, "*") != 0)
		return false;
	for (; *s != '\0'; s++) {
		if (*s < 0x21 || *s > 0x7e || *s == '#')
			return false;
		if (*s == '%' &&
		    (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]) ||
			(s[1] == '0' && s[2] == '0')))
			return false;
	}
	return true;
}

/* The reference of percent-decoding: gives the text. */
static char *
fuzz_decode(const char *s, size_t n)
{
	char *out = xmalloc(n + 1), *to = out;

	for (size_t i = 0; i < n; i++) {
		char hex[3] = "";

		if (s[i] == '%') {
			memcpy(hex, s + i + 1, 2);
			*to++ = (char)strtol(hex, NULL, 16);
			i += 2;
		} else {
			*to++ = (char)(s[i] == '+' ? ' ' : s[i]);
		}
	}
	*to = '\0';
	return out;
}

/* Each parameter of the query is found under its name, in its turn. */
static void
fuzz_check_query(struct call *call, const char *query)
{
	char *names[64], *name, *value;
	size_t n = 0, earlier;

	while (*query != '\0' && n < 64) {
		size_t len = strcspn(query, "&"), name_len = strcspn(query, "=&");

		if (len > 0) {
			name = fuzz_decode(query, name_len);
			value = name_len < len
				    ? fuzz_decode(query + name_len + 1, len - name_len - 1)
				    : xstrdup("");
			earlier = 0;
			for (size_t i = 0; i < n; i++)
				earlier += strcmp(names[i], name) == 0;
			FUZZ_CHECK(call_query(call, name, earlier) != NULL);
			FUZZ_CHECK(strcmp(call_query(call, name, earlier), value) == 0);
			free(value);
			names[n++] = name;
		}
		query += len + (query[len] == '&');
	}
	while (n > 0)
		free(names[--n]);
}

/* The typed parameters: a value in its bounds, or one answer. */
static void
fuzz_check_typed(struct call *call)
{
	int64_t n = 7, ms = 7;
	char **list;
	size_t values;
	int truth = 0;

	fuzz_answers = 0;
	if (call_query_int(call, "pageSize", 1, 1000, &n) == 0)
		FUZZ_CHECK(n >= 1 && n <= 1000 && fuzz_answers == 0);
	else
		FUZZ_CHECK(n == 7 && fuzz_answers == 1);
	fuzz_answers = 0;
	FUZZ_CHECK((call_query_bool(call, "counters", &truth) == 0) == (fuzz_answers == 0));
	FUZZ_CHECK(truth == 0 || truth == 1);
	fuzz_answers = 0;
	FUZZ_CHECK((call_query_time(call, "startTimestamp", &ms) == 0) == (fuzz_answers == 0));
	fuzz_answers = 0;
	FUZZ_CHECK(
	    (call_query_strings(call, "outcome", &list, &values) == 0) == (fuzz_answers == 0));
	for (size_t i = 0; i < values; i++)
		FUZZ_CHECK(*list[i] != '\0' && strchr(list[i], ',') == NULL);
}

static void
fuzz_check_route(struct call *call)
{
	struct uuid uuid;
	struct ulid ulid;

	fuzz_answers = 0;
	if (!route_match(call)) {
		FUZZ_CHECK(fuzz_answers == 1 && call->route == NULL);
		return;
	}
	FUZZ_CHECK(fuzz_answers == 0 && call->route->handler == fuzz_handle);
	if (!route_values(call)) {
		FUZZ_CHECK(fuzz_answers == 1);
		return;
	}
	FUZZ_CHECK(fuzz_answers == 0);
	if (strstr(call->route->pattern, "{tenant}") != NULL) {
		FUZZ_CHECK(uuid_parse(&uuid, call->tenant.s, UUID_LEN) == 0);
		FUZZ_CHECK(strcmp(uuid.s, call->tenant.s) == 0);
	}
	if (strstr(call->route->pattern, "{locator}") != NULL) {
		FUZZ_CHECK(ulid_parse(&ulid, call->locator[0].s, ULID_LEN) == 0);
		FUZZ_CHECK(strcmp(ulid.s, call->locator[0].s) == 0);
	}
}

/* The first byte chooses the method, the rest is the target. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t method, count = sizeof fuzz_methods / sizeof fuzz_methods[0];
	struct call call = {.query = "", .body = ""};
	char *target, *query;

	if (size == 0)
		return 0;
	target = xstrndup((const char *)data + 1, size - 1);
	method = (strcmp(target, "*") == 0 ? 4 : data[0]) % count;
	call.method_name = fuzz_methods[method].name;
	call.method = fuzz_methods[method].method;
	call.head = fuzz_methods[method].head;
	if (fuzz_is_target(target)) {
		query = strchr(target, '?');
		call.path = target;
		call.path_len = query != NULL ? (size_t)(query - target) : strlen(target);
		call.query = query != NULL ? query + 1 : "";
		call.query_len = strlen(call.query);
		fuzz_check_route(&call);
		fuzz_check_query(&call, call.query);
		fuzz_check_typed(&call);
	}
	arena_clear(&call.arena);
	free(target);
	return 0;
}
