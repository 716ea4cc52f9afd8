/* CreateWebhookRequest: defaults, required and unknown properties, the response. */
#include <stdio.h>

#include "test/unit/webhook_help.h"

static void
t_defaults(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);
	char *text;

	(void)state;
	assert_int_equal(ulid_parse(&webhook->locator, "01jdabcdefghjkmnpqrstvwxyz", ULID_LEN), 0);
	webhook->created_at = HELP_NOW;
	webhook->updated_at = HELP_NOW + 1;
	webhook->version = 1;
	text = help_response(webhook);
	assert_string_equal(text,
	    "{'locator':'01JDABCDEFGHJKMNPQRSTVWXYZ','name':'n','enabled':true,"
	    "'endpoint':{'hmacEnabled':false,'secret':'','secureSsl':true,'tag':'',"
	    "'timeoutSeconds':null,'url':'https://example.com/hook','headers':{}},"
	    "'failureHandling':{'triggers':['4xx','5xx','timeout'],'retryStrategy':null,"
	    "'alertEndpoint':null,'divert':false,'suspend':false},"
	    "'suspended':false,'suspendedAt':null,'eventTypes':['a.b','c.*'],"
	    "'useAutomationPlugin':false,'createdAt':'2027-01-15T08:00:00.000Z',"
	    "'updatedAt':'2027-01-15T08:00:00.001Z','version':1}");
	free(text);
	webhook_free(webhook);
}

static void
t_everything_given(void **state)
{
	struct webhook *webhook = help_create(
	    "{'name':'all','enabled':false,'useAutomationPlugin':true,'eventTypes':['*'],"
	    "'endpoint':{'url':'http://a.example:8080/"
	    "x?y=1','timeoutSeconds':60,'hmacEnabled':true,"
	    "'secret':'" HELP_SECRET "','secureSsl':false,'tag':'v1',"
	    "'headers':{'X-A':['1','2'],'Authorization':['Bearer t']}},"
	    "'failureHandling':{'triggers':['503','4xx'],"
	    "'retryStrategy':{'attempts':10,'interval':86400,'type':'linear'},"
	    "'alertEndpoint':{'url':'https://alert.example/'},'divert':true,'suspend':true}}");

	(void)state;
	assert_false(webhook_is_active(webhook));
	help_assert_response_has(webhook,
	    "'name':'all','enabled':false,"
	    "'endpoint':{'hmacEnabled':true,'secret':'" HELP_SECRET
	    "','secureSsl':false,'tag':'v1',"
	    "'timeoutSeconds':60,'url':'http://a.example:8080/x?y=1','headers':"
	    "{'X-A':['1','2'],'Authorization':['Bearer t']}},");
	help_assert_response_has(webhook,
	    "'failureHandling':{'triggers':['503','4xx'],'retryStrategy':"
	    "{'attempts':10,'interval':86400,'type':'linear'},'alertEndpoint':"
	    "{'hmacEnabled':false,'secret':'','secureSsl':true,'tag':'',"
	    "'timeoutSeconds':null,'url':'https://alert.example/"
	    "','headers':{}},'divert':true,'suspend':true}");
	help_assert_response_has(webhook, "'eventTypes':['*'],'useAutomationPlugin':true");
	webhook_free(webhook);
}

static void
t_required(void **state)
{
	(void)state;
	help_create_refused("{}", "name: is required\nenabled: is required\n"
				  "endpoint: is required\neventTypes: is required\n");
	help_create_refused("{'name':null,'enabled':null,'endpoint':{'url':null},"
			    "'eventTypes':null}",
	    "endpoint.url: is required\nname: is required\nenabled: is required\n"
	    "eventTypes: is required\n");
	help_create_refused(
	    HELP_FAILURE("'alertEndpoint':{}"), "failureHandling.alertEndpoint.url: is required\n");
	help_create_refused("[]", ": must be an object\n");
	help_create_refused("null", ": must be an object\n");
}

static void
t_null_is_absent(void **state)
{
	struct webhook *plain = help_create(HELP_PLAIN);
	struct webhook *nulls =
	    help_create(HELP_CREATE(HELP_URL ",'hmacEnabled':null,'secret':null,'secureSsl':null,"
					     "'tag':null,'headers':{'X-A':null,'x-a':null}",
		",'useAutomationPlugin':null,'failureHandling':{'triggers':null,"
		"'retryStrategy':null,'alertEndpoint':null,'divert':null,'suspend':null}"));
	struct webhook *none = help_create(HELP_CREATE(HELP_URL, ",'failureHandling':null"));
	char *a = help_response(plain), *b = help_response(nulls), *c = help_response(none);

	(void)state;
	assert_string_equal(a, b);
	assert_string_equal(a, c);
	free(a);
	free(b);
	free(c);
	webhook_free(plain);
	webhook_free(nulls);
	webhook_free(none);
}

static void
t_unknown_properties(void **state)
{
	(void)state;
	help_create_refused(
	    HELP_CREATE(HELP_URL ",'Url':1",
		",'evenTypes':[],'failureHandling':{'retry':null,"
		"'retryStrategy':{'tries':1},'alertEndpoint':{" HELP_URL ",'addHeaders':{}}}"),
	    "endpoint.Url: is not a known property\n"
	    "evenTypes: is not a known property\n"
	    "failureHandling.retry: is not a known property\n"
	    "failureHandling.retryStrategy.tries: is not a known property\n"
	    "failureHandling.alertEndpoint.addHeaders: is not a known property\n");
	/* a name that goes on after a NUL is another name */
	help_create_refused(HELP_CREATE(HELP_URL ",'tag\\u0000':'x'", ""),
	    "endpoint.tag: is not a known property\n");
}

/* What the server decides is not the client's to send. */
static void
t_read_only_properties(void **state)
{
	static const char *const names[] = {
	    "locator", "suspended", "suspendedAt", "createdAt", "updatedAt", "version", "stats"};
	char body[512], expected[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(body, sizeof(body),
		    "{'%s':true,'name':'n','enabled':true,'endpoint':{" HELP_URL
		    "},'eventTypes':[]}",
		    names[i]);
		(void)snprintf(
		    expected, sizeof(expected), "%s: is not a known property\n", names[i]);
		help_create_refused(body, expected);
	}
}

static void
t_types(void **state)
{
	(void)state;
	help_create_refused("{'name':1,'enabled':'true','endpoint':[],'eventTypes':{},"
			    "'failureHandling':'x','useAutomationPlugin':0}",
	    "name: must be a string\nenabled: must be a boolean\nendpoint: must be an object\n"
	    "eventTypes: must be an array\nfailureHandling: must be an object\n"
	    "useAutomationPlugin: must be a boolean\n");
	help_create_refused(
	    HELP_CREATE("'url':1,'hmacEnabled':1,'secret':1,'secureSsl':1,'tag':1,'headers':[]",
		",'failureHandling':{'triggers':{},'retryStrategy':[],'alertEndpoint':'x',"
		"'divert':1,'suspend':1}"),
	    "endpoint.url: must be a string\nendpoint.hmacEnabled: must be a boolean\n"
	    "endpoint.secret: must be a string\nendpoint.secureSsl: must be a boolean\n"
	    "endpoint.tag: must be a string\nendpoint.headers: must be an object\n"
	    "failureHandling.triggers: must be an array\n"
	    "failureHandling.retryStrategy: must be an object\n"
	    "failureHandling.alertEndpoint: must be an object\n"
	    "failureHandling.divert: must be a boolean\n"
	    "failureHandling.suspend: must be a boolean\n");
	help_create_refused(
	    HELP_CREATE("'url':'https://e.example','headers':{'X':'1','Y':[1,null]}",
		",'failureHandling':{'triggers':[503]}"),
	    "endpoint.headers.X: must be an array\nendpoint.headers.Y[0]: must be a string\n"
	    "endpoint.headers.Y[1]: must be a string\n"
	    "failureHandling.triggers[0]: must be a string\n");
}

/* Faults of single values and of the whole come together, in one answer. */
static void
t_all_faults_at_once(void **state)
{
	(void)state;
	help_create_refused(
	    "{'name':'','enabled':1,'endpoint':{'url':'ftp://x','tag':'t',"
	    "'headers':{'X-Foo':['ok','a\\nb'],'Host':['h']}},"
	    "'eventTypes':['a','b','c','d..e'],'failureHandling':{'triggers':['6xx'],"
	    "'alertEndpoint':{'url':'https://u:p@x.example/','tag':'t'}},'extra':1}",
	    "name: must have 1 to 255 characters\n"
	    "enabled: must be a boolean\n"
	    "endpoint.url: must be an absolute http:// or https:// URL\n"
	    "endpoint.headers.X-Foo[1]: must not contain control characters\n"
	    "endpoint.headers.Host: is a header that must not be set\n"
	    "eventTypes[3]: must be an event type, an event type followed by .*, or *\n"
	    "failureHandling.triggers[0]: must be 4xx, 5xx, timeout, or a status code from 400 to "
	    "599\n"
	    "failureHandling.alertEndpoint.url: must not hold credentials: use headers\n"
	    "extra: is not a known property\n"
	    "endpoint.tag: names a secret, but there is none\n"
	    "failureHandling.alertEndpoint.tag: names a secret, but there is none\n");
}

static void
t_retry_strategy_parts(void **state)
{
	struct webhook *webhook = help_create(HELP_FAILURE("'retryStrategy':{}"));

	(void)state;
	help_assert_response_has(
	    webhook, "'retryStrategy':{'attempts':3,'interval':10,'type':'exponential'}");
	webhook_free(webhook);
	webhook = help_create(HELP_FAILURE("'retryStrategy':{'interval':7}"));
	help_assert_response_has(
	    webhook, "'retryStrategy':{'attempts':3,'interval':7,'type':'exponential'}");
	webhook_free(webhook);
}

static void
t_duplicates_are_dropped(void **state)
{
	struct webhook *webhook =
	    help_create("{'name':'n','enabled':true,'endpoint':{" HELP_URL "},"
			"'eventTypes':['b','a','b','a.*','a'],"
			"'failureHandling':{'triggers':['5xx','503','5xx']}}");

	(void)state;
	help_assert_response_has(webhook, "'eventTypes':['b','a','a.*']");
	help_assert_response_has(webhook, "'triggers':['5xx','503']");
	webhook_free(webhook);
}

static void
t_empty_lists(void **state)
{
	struct webhook *webhook =
	    help_create("{'name':'n','enabled':true,'endpoint':{" HELP_URL "},'eventTypes':[],"
			"'failureHandling':{'triggers':[]}}");

	(void)state;
	help_assert_response_has(webhook, "'eventTypes':[]");
	help_assert_response_has(webhook, "'triggers':[]");
	assert_false(webhook_matches(webhook, "a"));
	webhook_free(webhook);
}

static void
t_matches(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN); /* a.b and c.* */

	(void)state;
	assert_true(webhook_matches(webhook, "a.b"));
	assert_true(webhook_matches(webhook, "c.d"));
	assert_true(webhook_matches(webhook, "c.d.e"));
	assert_false(webhook_matches(webhook, "c"));
	assert_false(webhook_matches(webhook, "a"));
	assert_false(webhook_matches(webhook, "a.b.c"));
	webhook_free(webhook);
}

static void
t_suspension(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);
	struct buf out = {0};

	(void)state;
	assert_true(webhook_is_active(webhook));
	webhook->suspended_at = HELP_NOW;
	assert_false(webhook_is_active(webhook));
	help_assert_response_has(
	    webhook, "'suspended':true,'suspendedAt':'2027-01-15T08:00:00.000Z'");

	webhook_write(webhook, &out, WEBHOOK_WRITE_OPEN);
	json_key(&out, "more");
	json_add_int(&out, 1);
	json_close(&out, '}');
	assert_non_null(strstr(buf_str(&out), "\"version\":0,\"more\":1}"));
	buf_clear(&out);
	webhook_free(webhook);
}

/* An endpoint and a failureHandling as fetched make the same webhook again. */
static void
t_fetched_parts_can_be_sent_back(void **state)
{
	static const char *const bodies[] = {HELP_PLAIN,
	    HELP_FAILURE("'retryStrategy':{},'alertEndpoint':{" HELP_URL ",'hmacEnabled':true}"),
	    HELP_ENDPOINT("'hmacEnabled':true,'tag':'t','headers':{'X':['1']}")};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct webhook *first = help_create(bodies[i]), *second;
		char *text = help_response(first), *again;
		struct buf body = {0};
		size_t endpoint = (size_t)(strstr(text, "'endpoint'") - text);
		size_t suspended = (size_t)(strstr(text, ",'suspended'") - text);

		buf_printf(&body, "{'name':'n','enabled':true,'eventTypes':['a.b','c.*'],%.*s}",
		    (int)(suspended - endpoint), text + endpoint);
		second = help_create(buf_str(&body));
		again = help_response(second);
		assert_string_equal(text, again);
		buf_clear(&body);
		free(text);
		free(again);
		webhook_free(first);
		webhook_free(second);
	}
}

static void
t_copy_is_deep(void **state)
{
	struct webhook *webhook =
	    help_create(HELP_CREATE(HELP_URL ",'secret':'" HELP_SECRET "','tag':'t',"
					     "'headers':{'X':['1','2']}",
		",'failureHandling':{'alertEndpoint':{" HELP_URL ",'headers':{'Y':['3']}}}"));
	struct webhook *copy = webhook_copy(webhook);
	char *before = help_response(webhook), *after;

	(void)state;
	webhook_free(webhook);
	after = help_response(copy);
	assert_string_equal(before, after);
	free(before);
	free(after);
	webhook_free(copy);
	webhook_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_defaults),
	    cmocka_unit_test(t_everything_given),
	    cmocka_unit_test(t_required),
	    cmocka_unit_test(t_null_is_absent),
	    cmocka_unit_test(t_unknown_properties),
	    cmocka_unit_test(t_read_only_properties),
	    cmocka_unit_test(t_types),
	    cmocka_unit_test(t_all_faults_at_once),
	    cmocka_unit_test(t_retry_strategy_parts),
	    cmocka_unit_test(t_duplicates_are_dropped),
	    cmocka_unit_test(t_empty_lists),
	    cmocka_unit_test(t_matches),
	    cmocka_unit_test(t_suspension),
	    cmocka_unit_test(t_fetched_parts_can_be_sent_back),
	    cmocka_unit_test(t_copy_is_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
