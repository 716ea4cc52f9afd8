/* The rules for single values: name, url, secret, tag, headers, event types, failure handling. */
#include <stdio.h>

#include "test/unit/webhook_help.h"

/* A create request with one value put in; its faults. */
static void
t_refused(const char *format, const char *value, const char *expected)
{
	struct buf body = {0};

	buf_add(&body, format, (size_t)(strchr(format, '@') - format));
	buf_adds(&body, value);
	buf_adds(&body, strchr(format, '@') + 1);
	help_create_refused(buf_str(&body), expected);
	buf_clear(&body);
}

static void
t_accepted(const char *format, const char *value)
{
	t_refused(format, value, "");
}

static char *
t_repeat(const char *s, size_t times)
{
	struct buf buf = {0};

	buf_adds(&buf, "");
	while (times-- > 0)
		buf_adds(&buf, s);
	return buf_take(&buf, NULL);
}

#define NAME "{'name':'@','enabled':true,'endpoint':{" HELP_URL "},'eventTypes':[]}"

static void
t_name(void **state)
{
	static const char *const controls[] = {
	    "a\\nb", "\\u007f", "\\u0085", "x\\u001f", "\\u009f"};
	char *longest = t_repeat("\xc3\xa9", 255), *longer = t_repeat("\xc3\xa9", 256);

	(void)state;
	t_accepted(NAME, "x");
	t_accepted(NAME, " \xc2\xa0 \xf0\x9f\x98\x80 \xc3\x80");
	t_accepted(NAME, longest);
	t_refused(NAME, "", "name: must have 1 to 255 characters\n");
	t_refused(NAME, longer, "name: must have 1 to 255 characters\n");
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		t_accepted(NAME, controls[i]);
	t_refused(NAME, "a\\u0000", "name: must not contain NUL\n");
	free(longest);
	free(longer);
}

#define URL "{'name':'n','enabled':true,'endpoint':{'url':'@'},'eventTypes':[]}"

/* Names are judged by their syntax only, literal addresses by the egress rules. */
static void
t_url(void **state)
{
	(void)state;
	t_accepted(URL, "https://localhost/");
	t_accepted(URL, "http://8.8.8.8:8080/x");
	t_accepted(URL, "https://[2606:4700::1111]/");
	t_refused(
	    URL, "https://10.0.0.1/", "endpoint.url: 10.0.0.1: the address is not a public one\n");
	t_refused(URL, "https://[::1]:8/", "endpoint.url: ::1: the address is not a public one\n");
	t_refused(URL, "https://u:p@h.example/",
	    "endpoint.url: must not hold credentials: use "
	    "headers\n");
	t_refused(URL, "https://h.example/#f", "endpoint.url: must not have a fragment\n");
	t_refused(URL, "/x", "endpoint.url: must be an absolute http:// or https:// URL\n");
	t_refused(URL, "", "endpoint.url: must be an absolute http:// or https:// URL\n");
	t_refused(URL, "https://h.example/\\u0000", "endpoint.url: must not contain NUL\n");
}

static void
t_url_allowed_egress(void **state)
{
	struct cidr ten;
	const struct egress egress = {.allow = &ten, .nallow = 1};
	const struct webhook_rules rules = {.egress = &egress};
	struct help_body body = help_parse(HELP_CREATE("'url':'http://10.1.2.3/'",
	    ",'failureHandling':{'alertEndpoint':{'url':'http://192.168.0.1/'}}"));
	struct webhook *webhook = webhook_new();
	struct faults faults = {0};

	(void)state;
	assert_int_equal(cidr_parse(&ten, "10.0.0.0/8"), 0);
	webhook_create(webhook, body.doc.root, &rules, &faults);
	help_assert_faults(&faults, "failureHandling.alertEndpoint.url: 192.168.0.1: "
				    "the address is not a public one\n");
	webhook_free(webhook);
	help_body_clear(&body);
}

/* Whoever tries one port after the other inside does not learn which are ours. */
static void
t_url_own_listener(void **state)
{
	struct sockaddr_storage own[2] = {{.ss_family = AF_INET}, {.ss_family = AF_INET}};
	struct sockaddr_in *admin = (struct sockaddr_in *)(void *)&own[0];
	struct sockaddr_in *api = (struct sockaddr_in *)(void *)&own[1];
	const struct egress egress = {.own = own, .nown = 2};
	const struct webhook_rules rules = {.egress = &egress};
	struct help_body body = help_parse(HELP_CREATE("'url':'http://127.0.0.1:9464/'",
	    ",'failureHandling':{'alertEndpoint':{'url':'http://8.8.8.8:8080/'}}"));
	struct webhook *webhook = webhook_new();
	struct faults faults = {0};

	(void)state;
	admin->sin_port = htons(9464);
	admin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	api->sin_port = htons(8080);
	api->sin_addr.s_addr = htonl(0x08080808);
	webhook_create(webhook, body.doc.root, &rules, &faults);
	help_assert_faults(&faults, "endpoint.url: 127.0.0.1: the address is not a public one\n"
				    "failureHandling.alertEndpoint.url: 8.8.8.8: "
				    "the address is one of this server's own listeners\n");
	webhook_free(webhook);
	help_body_clear(&body);
}

#define SECRET HELP_ENDPOINT("'secret':'@'")

static void
t_secret(void **state)
{
	char *longest = t_repeat("s", 256), *longer = t_repeat("s", 257);

	(void)state;
	t_accepted(SECRET, "");
	t_accepted(SECRET, HELP_SECRET);
	t_accepted(SECRET, longest);
	t_accepted(SECRET, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
	t_refused(SECRET, "fifteen-bytes-x", "endpoint.secret: must be 16 to 256 characters\n");
	t_refused(SECRET, longer, "endpoint.secret: must be 16 to 256 characters\n");
	t_refused(
	    SECRET, "whsec_not base64 at all", "endpoint.secret: must be base64 after whsec_\n");
	t_refused(SECRET, "sixteen-bytes-\\u0000k", "endpoint.secret: must not contain NUL\n");
	free(longest);
	free(longer);
}

#define TAG HELP_ENDPOINT("'secret':'" HELP_SECRET "','tag':'@'")

static void
t_tag(void **state)
{
	char *longest = t_repeat("t", 255), *longer = t_repeat("t", 256);

	(void)state;
	t_accepted(TAG, "");
	t_accepted(TAG, "key 2");
	t_accepted(TAG, longest);
	t_refused(TAG, longer, "endpoint.tag: must have at most 255 bytes\n");
	t_refused(TAG, "a\\r\\nX: y", "endpoint.tag: must not contain control characters\n");
	t_refused(TAG, " a", "endpoint.tag: must not begin or end with a space\n");
	help_create_refused(
	    HELP_ENDPOINT("'tag':'t'"), "endpoint.tag: names a secret, but there is none\n");
	help_create_refused(HELP_ENDPOINT("'tag':'t','secret':''"),
	    "endpoint.tag: names a secret, but there is none\n");
	webhook_free(help_create(HELP_ENDPOINT("'tag':'t','hmacEnabled':true")));
	free(longest);
	free(longer);
}

#define HEADER HELP_ENDPOINT("'headers':{'@':['v']}")
#define VALUE HELP_ENDPOINT("'headers':{'X':['@']}")

static void
t_header_names(void **state)
{
	static const char *const bad[] = {"", "A B", "A:", "A\xc3\xa9", "(A)"};
	static const char *const reserved[] = {"Host", "hOST", "Content-Length",
	    "Transfer-Encoding", "Connection", "Upgrade", "Expect", "TE", "Trailer", "Keep-Alive",
	    "Proxy-Authorization", "proxy-x", "Content-Type", "Content-Encoding", "traceparent",
	    "Tracestate", "webhook-id", "Webhook-Anything"};
	static const char *const good[] = {"Authorization", "X-A", "User-Agent", "Hosts",
	    "!#$%&*+-.^_`|~09azAZ", "Webhook", "Accept"};
	char expected[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(expected, sizeof(expected),
		    "endpoint.headers%s%s: is not a header name\n", *bad[i] != '\0' ? "." : "",
		    bad[i]);
		t_refused(HEADER, bad[i], expected);
	}
	t_refused(HEADER, "A\\u0000", "endpoint.headers.A: is not a header name\n");
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		(void)snprintf(expected, sizeof(expected),
		    "endpoint.headers.%s: is a header that must not be set\n", reserved[i]);
		t_refused(HEADER, reserved[i], expected);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		t_accepted(HEADER, good[i]);
	help_create_refused(HELP_ENDPOINT("'headers':{'X-Foo':['1'],'B':['2'],'x-foo':['3']}"),
	    "endpoint.headers.x-foo: differs from another only in case\n");
	/* a null member is absent */
	webhook_free(help_create(HELP_ENDPOINT("'headers':{'x-a':null,'X-A':['1'],'X-a':null}")));
}

static void
t_header_values(void **state)
{
	static const char *const bad[] = {"a\\rb", "a\\nb", "a\\tb", "\\u0001", "\\u007f"};

	(void)state;
	t_accepted(VALUE, "");
	t_accepted(VALUE, "Bearer a b");
	t_accepted(VALUE, "\xc3\xa9t\xc3\xa9");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		t_refused(
		    VALUE, bad[i], "endpoint.headers.X[0]: must not contain control characters\n");
	t_refused(VALUE, "\\u0000", "endpoint.headers.X[0]: must not contain NUL\n");
	t_refused(VALUE, "v ", "endpoint.headers.X[0]: must not begin or end with a space\n");
	help_create_refused(HELP_ENDPOINT("'headers':{'X':[]}"),
	    "endpoint.headers.X: must have at least one value\n");
}

/* n headers of that many values each, named H0, H1, ... */
static char *
t_headers(int n, int values, const char *value)
{
	struct buf buf = {0};

	for (int i = 0; i < n; i++) {
		buf_printf(&buf, "%s'H%d':[", i > 0 ? "," : "", i);
		for (int v = 0; v < values; v++)
			buf_printf(&buf, "%s'%s'", v > 0 ? "," : "", value);
		buf_adds(&buf, "]");
	}
	return buf_take(&buf, NULL);
}

static void
t_header_limits(void **state)
{
	char *fifty = t_headers(25, 2, "v"), *single = t_headers(50, 1, "v");
	char *over = t_headers(51, 1, "v"), *many = t_headers(1, 51, "v");
	char *v8189 = t_repeat("v", 8189), *v8190 = t_repeat("v", 8190),
	     *v8191 = t_repeat("v", 8191);
	char *bytes = t_headers(1, 1, v8190), *more_bytes = t_headers(1, 1, v8191);

	(void)state;
	t_accepted(HELP_ENDPOINT("'headers':{@}"), fifty);
	t_accepted(HELP_ENDPOINT("'headers':{@}"), single);
	t_accepted(HELP_ENDPOINT("'headers':{@}"), bytes);
	t_refused(
	    HELP_ENDPOINT("'headers':{@}"), over, "endpoint.headers: has more than 50 names\n");
	t_refused(HELP_ENDPOINT("'headers':{@}"), many,
	    "endpoint.headers: has more than 50 values in all\n");
	t_refused(HELP_ENDPOINT("'headers':{@}"), more_bytes,
	    "endpoint.headers: has more than 8192 bytes in all\n");
	/* a name counts once for each value, as it is sent */
	t_accepted(HELP_ENDPOINT("'headers':{'N':['1','@']}"), v8189);
	t_refused(HELP_ENDPOINT("'headers':{'N':['1','@']}"), v8190,
	    "endpoint.headers: has more than 8192 bytes in all\n");
	t_refused(HELP_FAILURE("'alertEndpoint':{" HELP_URL ",'headers':{@}}"), many,
	    "failureHandling.alertEndpoint.headers: has more than 50 values in all\n");
	free(fifty);
	free(single);
	free(over);
	free(many);
	free(v8189);
	free(v8190);
	free(v8191);
	free(bytes);
	free(more_bytes);
}

/* Event types e0 to e<n-1>, each as often as said. */
static char *
t_event_types(int n, int times)
{
	struct buf buf = {0};

	for (int i = 0; i < n * times; i++)
		buf_printf(&buf, "%s'e%d'", i > 0 ? "," : "", i % n);
	return buf_take(&buf, NULL);
}

#define TYPES "{'name':'n','enabled':true,'endpoint':{" HELP_URL "},'eventTypes':[@]}"

static void
t_event_type_limits(void **state)
{
	char *hundred = t_event_types(100, 10), *over = t_event_types(101, 1);
	char *items = t_event_types(1, 1001);

	(void)state;
	t_accepted(TYPES, "'*','a.*','a-b_C.9'");
	t_accepted(TYPES, hundred);
	t_refused(TYPES, over, "eventTypes: makes more than 100 event types\n");
	t_refused(TYPES, items, "eventTypes: has more than 1000 items\n");
	t_refused(TYPES, "'a','*.b','a.*.c',''",
	    "eventTypes[1]: must be an event type, an event type followed by .*, or *\n"
	    "eventTypes[2]: must be an event type, an event type followed by .*, or *\n"
	    "eventTypes[3]: must be an event type, an event type followed by .*, or *\n");
	free(hundred);
	free(over);
	free(items);
}

static void
t_triggers(void **state)
{
	static const char *const bad[] = {"399", "600", "6xx", "3xx", "4XX", "4x4", "40", "4000",
	    "Timeout", "", "overflow", "4 0", "503 "};

	(void)state;
	t_accepted(HELP_FAILURE("'triggers':[@]"), "'4xx','5xx','timeout','400','499','500','599'");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		t_refused(HELP_FAILURE("'triggers':['4xx','@']"), bad[i],
		    "failureHandling.triggers[1]: must be 4xx, 5xx, timeout, or a status code from "
		    "400 to 599\n");
}

static void
t_retry_strategy(void **state)
{
	static const char *const attempts[] = {
	    "0", "11", "-1", "3.0", "1e0", "'3'", "true", "99999999999999999999"};
	static const char *const intervals[] = {"0", "86401", "1.5"};

	(void)state;
	t_accepted(HELP_FAILURE("'retryStrategy':{'attempts':@}"), "1");
	t_accepted(HELP_FAILURE("'retryStrategy':{'attempts':@}"), "10");
	t_accepted(HELP_FAILURE("'retryStrategy':{'interval':@}"), "1");
	t_accepted(HELP_FAILURE("'retryStrategy':{'interval':@}"), "86400");
	t_accepted(HELP_FAILURE("'retryStrategy':{'type':'@'}"), "linear");
	t_accepted(HELP_FAILURE("'retryStrategy':{'type':'@'}"), "exponential");
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		t_refused(HELP_FAILURE("'retryStrategy':{'attempts':@}"), attempts[i],
		    "failureHandling.retryStrategy.attempts: must be an integer from 1 to 10\n");
	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++)
		t_refused(HELP_FAILURE("'retryStrategy':{'interval':@}"), intervals[i],
		    "failureHandling.retryStrategy.interval: must be an integer from 1 to "
		    "86400\n");
	t_refused(HELP_FAILURE("'retryStrategy':{'type':'@'}"), "Linear",
	    "failureHandling.retryStrategy.type: must be linear or exponential\n");
}

static void
t_endpoint_timeout(void **state)
{
	static const char *const wrong[] = {"0", "61", "1.5", "'3'"};

	(void)state;
	t_accepted(HELP_ENDPOINT("'timeoutSeconds':@"), "1");
	t_accepted(HELP_ENDPOINT("'timeoutSeconds':@"), "60");
	t_accepted(HELP_ENDPOINT("'timeoutSeconds':@"), "null");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		t_refused(HELP_ENDPOINT("'timeoutSeconds':@"), wrong[i],
		    "endpoint.timeoutSeconds: must be an integer from 1 to 60\n");
}

/* No message holds a secret. */
static void
t_messages_hide_secrets(void **state)
{
	struct help_body body =
	    help_parse(HELP_ENDPOINT("'secret':'hunter2','headers':{'A':['hunter2\\n']}"));
	struct webhook *webhook = webhook_new();
	struct faults faults = {0};
	char *text;

	(void)state;
	webhook_create(webhook, body.doc.root, &help_rules, &faults);
	assert_int_equal(faults.count, 2);
	text = help_faults_text(&faults);
	assert_null(strstr(text, "hunter2"));
	free(text);
	webhook_free(webhook);
	help_body_clear(&body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_name),
	    cmocka_unit_test(t_url),
	    cmocka_unit_test(t_url_allowed_egress),
	    cmocka_unit_test(t_url_own_listener),
	    cmocka_unit_test(t_secret),
	    cmocka_unit_test(t_tag),
	    cmocka_unit_test(t_header_names),
	    cmocka_unit_test(t_header_values),
	    cmocka_unit_test(t_header_limits),
	    cmocka_unit_test(t_event_type_limits),
	    cmocka_unit_test(t_triggers),
	    cmocka_unit_test(t_retry_strategy),
	    cmocka_unit_test(t_endpoint_timeout),
	    cmocka_unit_test(t_messages_hide_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
