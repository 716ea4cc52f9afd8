/* UpdateWebhookRequest: merging, add-remove semantics, faults, and whether anything changed. */
#include "test/unit/webhook_help.h"

static void
t_absent_is_unchanged(void **state)
{
	struct webhook *webhook = help_create(
	    HELP_CREATE(HELP_URL ",'hmacEnabled':true,'secret':'" HELP_SECRET "','tag':'t',"
				 "'secureSsl':false,'headers':{'X':['1']}",
		",'useAutomationPlugin':true,'failureHandling':{'triggers':['503'],"
		"'retryStrategy':{'attempts':5,'interval':60,'type':'linear'},"
		"'alertEndpoint':{" HELP_URL "},'divert':true,'suspend':true}"));
	static const char *const nothing[] = {"{}", "{'endpoint':{},'failureHandling':{}}",
	    "{'name':null,'enabled':null,'endpoint':null,'failureHandling':null,"
	    "'removeFailureHandling':null,'addEventTypes':null,'removeEventTypes':null,"
	    "'useAutomationPlugin':null}",
	    "{'endpoint':{'url':null,'hmacEnabled':null,'secret':null,'secureSsl':null,"
	    "'tag':null,'addHeaders':null,'removeHeaders':null,'secretOverlapSeconds':null},"
	    "'failureHandling':{'addTriggers':null,'removeTriggers':null,'retryStrategy':null,"
	    "'removeRetryStrategy':null,'alertEndpoint':null,'removeAlertEndpoint':null,"
	    "'divert':null,'suspend':null}}",
	    "{'removeFailureHandling':false,'addEventTypes':[],'removeEventTypes':[],"
	    "'endpoint':{'addHeaders':{},'removeHeaders':[]},"
	    "'failureHandling':{'addTriggers':[],'removeTriggers':[],'retryStrategy':{},"
	    "'removeRetryStrategy':false,'alertEndpoint':{},'removeAlertEndpoint':false}}"};
	char *before = help_response(webhook);

	(void)state;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		char *after;

		assert_false(help_update(webhook, nothing[i]));
		after = help_response(webhook);
		assert_string_equal(before, after);
		free(after);
	}
	free(before);
	webhook_free(webhook);
}

static void
t_simple_properties(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);

	(void)state;
	assert_true(help_update(webhook, "{'name':'other'}"));
	assert_false(help_update(webhook, "{'name':'other'}"));
	assert_true(help_update(webhook, "{'enabled':false}"));
	assert_false(help_update(webhook, "{'enabled':false}"));
	assert_true(help_update(webhook, "{'useAutomationPlugin':true}"));
	assert_false(help_update(webhook, "{'useAutomationPlugin':true}"));
	help_assert_response_has(webhook, "'name':'other','enabled':false,");
	help_assert_response_has(webhook, "'useAutomationPlugin':true");
	help_assert_response_has(webhook, "'eventTypes':['a.b','c.*']");
	webhook_free(webhook);
}

/* A request that carries every property of the schema works. */
static void
t_every_property(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);

	(void)state;
	assert_true(help_update(webhook,
	    "{'name':'full','enabled':false,'endpoint':{'url':'http://new.example/',"
	    "'addHeaders':{'X':['1']},'removeHeaders':['Y'],'hmacEnabled':true,"
	    "'secret':'" HELP_SECRET "','secureSsl':false,'tag':'k','secretOverlapSeconds':60},"
	    "'failureHandling':{'addTriggers':['410'],'removeTriggers':['5xx'],"
	    "'retryStrategy':{'attempts':1},'removeRetryStrategy':false,"
	    "'alertEndpoint':{" HELP_URL ",'addHeaders':{'Z':['2']}},"
	    "'removeAlertEndpoint':false,'divert':true,'suspend':true},"
	    "'removeFailureHandling':false,'addEventTypes':['d'],'removeEventTypes':['a.b']}"));
	help_assert_response_has(webhook,
	    "'name':'full','enabled':false,'endpoint':{'hmacEnabled':true,'secret':'" HELP_SECRET
	    "','secureSsl':false,'tag':'k','timeoutSeconds':null,'url':'http://new.example/"
	    "','headers':{'X':['1']}},"
	    "'failureHandling':{'triggers':['4xx','timeout','410'],'retryStrategy':{'attempts':1,"
	    "'interval':10,'type':'exponential'},'alertEndpoint':{'hmacEnabled':false,"
	    "'secret':'','secureSsl':true,'tag':'',"
	    "'timeoutSeconds':null," HELP_URL ",'headers':{'Z':['2']}},"
	    "'divert':true,'suspend':true},");
	help_assert_response_has(webhook, "'eventTypes':['c.*','d']");
	webhook_free(webhook);
}

static void
t_endpoint_merges(void **state)
{
	struct webhook *webhook = help_create(HELP_ENDPOINT("'headers':{'X':['1']}"));

	(void)state;
	assert_true(help_update(webhook, "{'endpoint':{'secureSsl':false}}"));
	help_assert_response_has(webhook,
	    "'secureSsl':false,'tag':'','timeoutSeconds':null," HELP_URL ",'headers':"
	    "{'X':['1']}");
	assert_true(help_update(webhook, "{'endpoint':{'url':'https://b.example/'}}"));
	help_assert_response_has(webhook, "'secureSsl':false,'tag':'','timeoutSeconds':null,"
					  "'url':'https://b.example/','headers':{'X':['1']}");
	webhook_free(webhook);
}

static void
t_timeout(void **state)
{
	struct webhook *webhook = help_create(HELP_ENDPOINT("'timeoutSeconds':7"));

	(void)state;
	assert_true(help_update(webhook, "{'endpoint':{'timeoutSeconds':60}}"));
	help_assert_response_has(webhook, "'timeoutSeconds':60,");
	assert_false(help_update(webhook, "{'endpoint':{}}"));
	assert_true(help_update(webhook, "{'endpoint':{'timeoutSeconds':null}}")); /* the default */
	help_assert_response_has(webhook, "'timeoutSeconds':null,");
	webhook_free(webhook);
}

static void
t_event_types(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN); /* a.b and c.* */

	(void)state;
	assert_true(help_update(webhook, "{'addEventTypes':['d','d','a.b']}"));
	help_assert_response_has(webhook, "'eventTypes':['a.b','c.*','d']");
	assert_true(help_update(webhook, "{'removeEventTypes':['c.*','never.there']}"));
	help_assert_response_has(webhook, "'eventTypes':['a.b','d']");
	assert_false(help_update(webhook, "{'removeEventTypes':['c.*','D']}"));
	/* removals first: what is in both stays */
	assert_false(
	    help_update(webhook, "{'removeEventTypes':['a.b','d'],'addEventTypes':['d','a.b']}"));
	assert_true(
	    help_update(webhook, "{'removeEventTypes':['a.b','d','e'],'addEventTypes':['e']}"));
	help_assert_response_has(webhook, "'eventTypes':['e']");
	assert_true(help_update(webhook, "{'removeEventTypes':['e']}"));
	help_assert_response_has(webhook, "'eventTypes':[]");
	webhook_free(webhook);
}

static void
t_headers(void **state)
{
	struct webhook *webhook =
	    help_create(HELP_ENDPOINT("'headers':{'X-A':['1','2'],'X-B':['3'],'X-C':['4']}"));

	(void)state;
	/* added ones take the place of the values of that name, whatever its case */
	assert_true(help_update(webhook, "{'endpoint':{'addHeaders':{'x-a':['9'],'X-D':['5']}}}"));
	help_assert_response_has(
	    webhook, "'headers':{'x-a':['9'],'X-B':['3'],'X-C':['4'],'X-D':['5']}");
	assert_true(help_update(webhook, "{'endpoint':{'removeHeaders':['x-B','X-None']}}"));
	help_assert_response_has(webhook, "'headers':{'x-a':['9'],'X-C':['4'],'X-D':['5']}");
	assert_false(help_update(webhook, "{'endpoint':{'removeHeaders':['x-B']}}"));
	assert_false(help_update(
	    webhook, "{'endpoint':{'removeHeaders':['X-C'],'addHeaders':{'X-C':['4']}}}"));
	assert_true(help_update(webhook,
	    "{'endpoint':{'removeHeaders':['X-A','x-c'],'addHeaders':{'X-C':['7','8']}}}"));
	help_assert_response_has(webhook, "'headers':{'X-C':['7','8'],'X-D':['5']}");
	/* a null member is absent, so it adds nothing and saves nothing */
	assert_true(help_update(
	    webhook, "{'endpoint':{'removeHeaders':['X-C','X-D'],'addHeaders':{'X-C':null}}}"));
	help_assert_response_has(webhook, "'headers':{}");
	webhook_free(webhook);
}

static void
t_triggers(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);

	(void)state;
	assert_true(help_update(webhook,
	    "{'failureHandling':{'removeTriggers':['4xx','599'],'addTriggers':['404','5xx']}}"));
	help_assert_response_has(webhook, "'triggers':['5xx','timeout','404']");
	assert_false(help_update(
	    webhook, "{'failureHandling':{'removeTriggers':['5xx'],'addTriggers':['5xx']}}"));
	webhook_free(webhook);
}

static void
t_retry_strategy(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);

	(void)state;
	assert_true(help_update(webhook, "{'failureHandling':{'retryStrategy':{'attempts':7}}}"));
	help_assert_response_has(
	    webhook, "'retryStrategy':{'attempts':7,'interval':10,'type':'exponential'}");
	assert_true(
	    help_update(webhook, "{'failureHandling':{'retryStrategy':{'type':'linear'}}}"));
	assert_true(help_update(webhook, "{'failureHandling':{'retryStrategy':{'interval':20}}}"));
	help_assert_response_has(
	    webhook, "'retryStrategy':{'attempts':7,'interval':20,'type':'linear'}");
	/* removed first, then made afresh from the defaults */
	assert_true(help_update(webhook, "{'failureHandling':{'removeRetryStrategy':true,"
					 "'retryStrategy':{'attempts':4}}}"));
	help_assert_response_has(
	    webhook, "'retryStrategy':{'attempts':4,'interval':10,'type':'exponential'}");
	assert_true(help_update(webhook, "{'failureHandling':{'removeRetryStrategy':true}}"));
	help_assert_response_has(webhook, "'retryStrategy':null");
	assert_false(help_update(webhook, "{'failureHandling':{'removeRetryStrategy':true}}"));
	assert_true(help_update(webhook, "{'failureHandling':{'retryStrategy':{}}}"));
	help_assert_response_has(
	    webhook, "'retryStrategy':{'attempts':3,'interval':10,'type':'exponential'}");
	webhook_free(webhook);
}

static void
t_alert_endpoint(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);

	(void)state;
	help_result_refused(webhook, "{'failureHandling':{'alertEndpoint':{'secureSsl':false}}}",
	    "failureHandling.alertEndpoint.url: is required\n");
	help_result_refused(webhook, "{'failureHandling':{'alertEndpoint':{}}}",
	    "failureHandling.alertEndpoint.url: is required\n");
	assert_true(help_update(webhook,
	    "{'failureHandling':{'alertEndpoint':{" HELP_URL ",'addHeaders':{'X':['1']}}}}"));
	assert_true(
	    help_update(webhook, "{'failureHandling':{'alertEndpoint':{'secureSsl':false}}}"));
	help_assert_response_has(webhook,
	    "'alertEndpoint':{'hmacEnabled':false,'secret':'','secureSsl':false,'tag':'',"
	    "'timeoutSeconds':null," HELP_URL ",'headers':{'X':['1']}}");
	/* removed first: what follows makes a new one and needs a url */
	help_result_refused(webhook,
	    "{'failureHandling':{'removeAlertEndpoint':true,'alertEndpoint':{'tag':''}}}",
	    "failureHandling.alertEndpoint.url: is required\n");
	assert_true(help_update(webhook,
	    "{'failureHandling':{'removeAlertEndpoint':true,'alertEndpoint':{" HELP_URL "}}}"));
	help_assert_response_has(webhook,
	    "'alertEndpoint':{'hmacEnabled':false,'secret':'','secureSsl':true,'tag':'',"
	    "'timeoutSeconds':null," HELP_URL ",'headers':{}}");
	assert_true(help_update(webhook, "{'failureHandling':{'removeAlertEndpoint':true}}"));
	help_assert_response_has(webhook, "'alertEndpoint':null");
	assert_false(help_update(webhook, "{'failureHandling':{'removeAlertEndpoint':true}}"));
	webhook_free(webhook);
}

static void
t_remove_failure_handling(void **state)
{
	struct webhook *webhook = help_create(
	    HELP_FAILURE("'triggers':['503'],'retryStrategy':{'attempts':9,'interval':99},"
			 "'alertEndpoint':{" HELP_URL "},'divert':true,'suspend':true"));

	(void)state;
	/* the defaults first, then what the request says */
	assert_true(help_update(webhook,
	    "{'removeFailureHandling':true,'failureHandling':{'divert':true,"
	    "'removeTriggers':['4xx'],'addTriggers':['410'],'retryStrategy':{'attempts':2}}}"));
	help_assert_response_has(webhook,
	    "'failureHandling':{'triggers':['5xx','timeout','410'],'retryStrategy':{'attempts':2,"
	    "'interval':10,'type':'exponential'},'alertEndpoint':null,'divert':true,"
	    "'suspend':false}");
	assert_true(help_update(webhook, "{'removeFailureHandling':true}"));
	help_assert_response_has(webhook,
	    "'failureHandling':{'triggers':['4xx','5xx','timeout'],'retryStrategy':null,"
	    "'alertEndpoint':null,'divert':false,'suspend':false}");
	assert_false(help_update(webhook, "{'removeFailureHandling':true}"));
	webhook_free(webhook);
}

static void
t_removals_take_any_right_form(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);

	(void)state;
	assert_false(help_update(webhook,
	    "{'removeEventTypes':['not.there','*'],'endpoint':{'removeHeaders':['Host','X-None']},"
	    "'failureHandling':{'removeTriggers':['404']}}"));
	help_check_refused("{'removeEventTypes':['a','b..c'],'endpoint':{'removeHeaders':['a b']},"
			   "'failureHandling':{'removeTriggers':['x']}}",
	    "removeEventTypes[1]: must be an event type, an event type followed by .*, or *\n"
	    "endpoint.removeHeaders[0]: is not a header name\n"
	    "failureHandling.removeTriggers[0]: must be 4xx, 5xx, timeout, or a status code from "
	    "400 to 599\n");
	webhook_free(webhook);
}

static void
t_unknown_properties(void **state)
{
	(void)state;
	help_check_refused("{'suspended':false,'suspendedAt':null,'eventTypes':[],'locator':'x',"
			   "'version':1,'endpoint':{'headers':{},'host':1},"
			   "'failureHandling':{'triggers':[],'alertEndpoint':{'headers':{},"
			   "'secretOverlapSeconds':0},'retryStrategy':{'count':1}}}",
	    "suspended: is not a known property\nsuspendedAt: is not a known property\n"
	    "eventTypes: is not a known property\nlocator: is not a known property\n"
	    "version: is not a known property\nendpoint.headers: is not a known property\n"
	    "endpoint.host: is not a known property\n"
	    "failureHandling.triggers: is not a known property\n"
	    "failureHandling.alertEndpoint.headers: is not a known property\n"
	    "failureHandling.alertEndpoint.secretOverlapSeconds: is not a known property\n"
	    "failureHandling.retryStrategy.count: is not a known property\n");
}

static void
t_types(void **state)
{
	(void)state;
	help_check_refused("[]", ": must be an object\n");
	help_check_refused(
	    "{'name':1,'enabled':1,'endpoint':{'url':1,'hmacEnabled':1,'secret':1,'secureSsl':1,"
	    "'tag':1,'addHeaders':[],'removeHeaders':{},'secretOverlapSeconds':'1'},"
	    "'failureHandling':{'addTriggers':1,'removeTriggers':1,'retryStrategy':1,"
	    "'removeRetryStrategy':1,'alertEndpoint':1,'removeAlertEndpoint':1,'divert':1,"
	    "'suspend':1},'removeFailureHandling':1,'addEventTypes':1,'removeEventTypes':[1],"
	    "'useAutomationPlugin':'true'}",
	    "name: must be a string\nenabled: must be a boolean\nendpoint.url: must be a string\n"
	    "endpoint.hmacEnabled: must be a boolean\nendpoint.secret: must be a string\n"
	    "endpoint.secureSsl: must be a boolean\nendpoint.tag: must be a string\n"
	    "endpoint.addHeaders: must be an object\nendpoint.removeHeaders: must be an array\n"
	    "endpoint.secretOverlapSeconds: must be an integer from 0 to 2592000\n"
	    "failureHandling.addTriggers: must be an array\n"
	    "failureHandling.removeTriggers: must be an array\n"
	    "failureHandling.retryStrategy: must be an object\n"
	    "failureHandling.removeRetryStrategy: must be a boolean\n"
	    "failureHandling.alertEndpoint: must be an object\n"
	    "failureHandling.removeAlertEndpoint: must be a boolean\n"
	    "failureHandling.divert: must be a boolean\n"
	    "failureHandling.suspend: must be a boolean\n"
	    "removeFailureHandling: must be a boolean\naddEventTypes: must be an array\n"
	    "removeEventTypes[0]: must be a string\nuseAutomationPlugin: must be a boolean\n");
}

static void
t_value_rules_apply(void **state)
{
	(void)state;
	help_check_refused(
	    "{'name':'','endpoint':{'url':'http://127.0.0.1/','secret':'short',"
	    "'addHeaders':{'Host':['x'],'X':['a\\r\\n'],'A':['1'],'a':['2']},'tag':'\\n'},"
	    "'failureHandling':{'retryStrategy':{'attempts':11},"
	    "'alertEndpoint':{'url':'http://[fe80::1]/'}}}",
	    "name: must have 1 to 255 characters\n"
	    "endpoint.url: 127.0.0.1: the address is not a public one\n"
	    "endpoint.secret: must be 16 to 256 characters\n"
	    "endpoint.addHeaders.Host: is a header that must not be set\n"
	    "endpoint.addHeaders.X[0]: must not contain control characters\n"
	    "endpoint.addHeaders.a: differs from another only in case\n"
	    "endpoint.tag: must not contain control characters\n"
	    "failureHandling.retryStrategy.attempts: must be an integer from 1 to 10\n"
	    "failureHandling.alertEndpoint.url: fe80::1: the address is not a public one\n");
}

/* Appends event types from e<from> up to, not with, e<to>. */
static void
t_add_types(struct buf *body, int from, int to)
{
	for (int i = from; i < to; i++)
		buf_printf(body, "%s'e%d'", i > from ? "," : "", i);
}

static void
t_event_type_limit(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN); /* has two */
	struct buf body = {0};

	(void)state;
	buf_adds(&body, "{'name':'','addEventTypes':[");
	t_add_types(&body, 0, 101);
	buf_adds(&body, "]}");
	help_check_refused(buf_str(&body), "name: must have 1 to 255 characters\n"
					   "addEventTypes: makes more than 100 event types\n");
	buf_reset(&body);
	buf_adds(&body, "{'addEventTypes':[");
	t_add_types(&body, 0, 99);
	buf_adds(&body, "]}");
	help_result_refused(
	    webhook, buf_str(&body), "addEventTypes: makes more than 100 event types\n");
	body.len -= strlen("}");
	buf_adds(&body, ",'removeEventTypes':['a.b']}");
	assert_true(help_update(webhook, buf_str(&body)));
	assert_int_equal(webhook->event_types.n, 100);
	buf_clear(&body);
	webhook_free(webhook);
}

static void
t_header_limit(void **state)
{
	struct webhook *webhook = help_create(HELP_ENDPOINT("'headers':{'A':['1'],'B':['2']}"));
	struct buf body = {0};

	(void)state;
	buf_adds(&body, "{'endpoint':{'addHeaders':{'X':[");
	t_add_types(&body, 0, 49);
	buf_adds(&body, "]}");
	buf_adds(&body, "}}");
	help_result_refused(
	    webhook, buf_str(&body), "endpoint.addHeaders: has more than 50 values in all\n");
	body.len -= strlen("}}");
	buf_adds(&body, ",'removeHeaders':['b']}}");
	assert_true(help_update(webhook, buf_str(&body)));
	buf_clear(&body);
	webhook_free(webhook);
}

static void
t_tag_needs_a_secret(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);

	(void)state;
	help_result_refused(webhook,
	    "{'endpoint':{'tag':'t'},'failureHandling':{'alertEndpoint':{" HELP_URL ",'tag':'u'}}}",
	    "endpoint.tag: names a secret, but there is none\n"
	    "failureHandling.alertEndpoint.tag: names a secret, but there is none\n");
	assert_true(help_update(webhook, "{'endpoint':{'tag':'t','secret':'" HELP_SECRET "'}}"));
	help_result_refused(webhook, "{'endpoint':{'secret':''}}",
	    "endpoint.tag: names a secret, but there is none\n");
	assert_true(help_update(webhook, "{'endpoint':{'secret':'','tag':''}}"));
	assert_true(help_update(webhook, "{'endpoint':{'tag':'t','hmacEnabled':true}}"));
	webhook_free(webhook);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_absent_is_unchanged),
	    cmocka_unit_test(t_simple_properties),
	    cmocka_unit_test(t_every_property),
	    cmocka_unit_test(t_endpoint_merges),
	    cmocka_unit_test(t_timeout),
	    cmocka_unit_test(t_event_types),
	    cmocka_unit_test(t_headers),
	    cmocka_unit_test(t_triggers),
	    cmocka_unit_test(t_retry_strategy),
	    cmocka_unit_test(t_alert_endpoint),
	    cmocka_unit_test(t_remove_failure_handling),
	    cmocka_unit_test(t_removals_take_any_right_form),
	    cmocka_unit_test(t_unknown_properties),
	    cmocka_unit_test(t_types),
	    cmocka_unit_test(t_value_rules_apply),
	    cmocka_unit_test(t_event_type_limit),
	    cmocka_unit_test(t_header_limit),
	    cmocka_unit_test(t_tag_needs_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
