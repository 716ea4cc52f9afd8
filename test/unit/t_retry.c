/* Failure handling as rules: delays, Retry-After, triggers, and what becomes of a failure. */
#include <stdio.h>

#include "proto/retry.h"
#include "test/unit/webhook_help.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HOUR_MS INT64_C(3600000)

/* The bounds of a delay: [base, 1.1 base], both ends (nearly) reached by some random value. */
static void
t_assert_delay(const struct retry_strategy *retry, unsigned n, int64_t after, int64_t base)
{
	int64_t least = INT64_MAX, most = 0;

	assert_int_equal(retry_delay_ms(retry, n, after, 0), base);
	for (uint64_t random = 0; random < 4000; random++) {
		/* odd multiples of the golden ratio spread evenly over 64 bits */
		int64_t delay =
		    retry_delay_ms(retry, n, after, random * UINT64_C(0x9e3779b97f4a7c15));

		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
	}
	assert_true(least >= base && least <= base + base / 100);
	assert_true(most <= base + base / 10 && most >= base + base * 9 / 100);
	assert_true(retry_delay_ms(retry, n, after, UINT64_MAX) <= base + base / 10);
}

static void
t_linear(void **state)
{
	struct retry_strategy retry = {10, 1, RETRY_LINEAR};

	(void)state;
	for (unsigned n = 1; n <= RETRY_ATTEMPTS_MAX; n++)
		t_assert_delay(&retry, n, -1, (int64_t)n * 1000);
	retry.interval_seconds = 36000;
	t_assert_delay(&retry, 2, -1, 20 * HOUR_MS);
	t_assert_delay(&retry, 3, -1, 24 * HOUR_MS);
	retry.interval_seconds = RETRY_INTERVAL_MAX;
	t_assert_delay(&retry, 1, -1, RETRY_DELAY_MAX_MS);
	t_assert_delay(&retry, RETRY_ATTEMPTS_MAX, -1, RETRY_DELAY_MAX_MS);
}

static void
t_exponential(void **state)
{
	struct retry_strategy retry = {10, 1, RETRY_EXPONENTIAL};
	int64_t expected = 1000;

	(void)state;
	for (unsigned n = 1; n <= RETRY_ATTEMPTS_MAX; n++, expected *= 2)
		t_assert_delay(&retry, n, -1, expected);
	retry.interval_seconds = 3600;
	t_assert_delay(&retry, 5, -1, 16 * HOUR_MS);
	t_assert_delay(&retry, 6, -1, 24 * HOUR_MS);
	retry.interval_seconds = RETRY_INTERVAL_MAX;
	t_assert_delay(&retry, RETRY_ATTEMPTS_MAX, -1, RETRY_DELAY_MAX_MS);
}

static void
t_retry_after_lengthens(void **state)
{
	struct retry_strategy retry = {3, 10, RETRY_LINEAR};

	(void)state;
	t_assert_delay(&retry, 1, 0, 10000);
	t_assert_delay(&retry, 1, 9999, 10000);
	t_assert_delay(&retry, 1, 10001, 10001);
	t_assert_delay(&retry, 1, HOUR_MS, HOUR_MS);
	t_assert_delay(&retry, 1, HOUR_MS + 1, HOUR_MS);
	t_assert_delay(&retry, 1, INT64_MAX, HOUR_MS);
	retry.interval_seconds = 7200; /* it never shortens */
	t_assert_delay(&retry, 1, HOUR_MS, 2 * HOUR_MS);
}

static void
t_retry_after_forms(void **state)
{
	static const struct {
		const char *value;
		int64_t ms;
	} cases[] = {
	    {NULL, -1},
	    {"", -1},
	    {" ", -1},
	    {"0", 0},
	    {"1", 1000},
	    {"120", 120000},
	    {"120 \t", 120000},
	    {"0000000120", 120000},
	    {"00000000000000000000000000", 0},
	    {"-1", -1},
	    {"+1", -1},
	    {"1.5", -1},
	    {"1e3", -1},
	    {"0x10", -1},
	    {"1, 2", -1},
	    {"soon", -1},
	    {"Fri, 15 Jan 2027 08:00:00 GMT", 0}, /* HELP_NOW itself */
	    {"Fri, 15 Jan 2027 08:00:01 GMT", 1000},
	    {"Fri, 15 Jan 2027 09:30:00 GMT", 5400000},
	    {"Friday, 15-Jan-27 08:01:00 GMT", 60000},
	    {"Fri Jan 15 08:01:00 2027", 60000},
	    {"Fri, 15 Jan 2027 07:59:59 GMT", 0}, /* past */
	    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
	    {"Fri, 15 Jan 2027 08:01:00", -1},
	    {"2027-01-15T08:01:00Z", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ms = retry_after_ms(cases[i].value, HELP_NOW);

		if (ms != cases[i].ms)
			fail_msg("\"%s\": %lld", cases[i].value, (long long)ms);
	}
	/* However many digits: a long time, which the cap then cuts. */
	assert_true(retry_after_ms("3601", HELP_NOW) >= HOUR_MS);
	assert_true(retry_after_ms("9999999", HELP_NOW) >= HOUR_MS);
	assert_true(retry_after_ms("99999999999999999999999999999999", HELP_NOW) >= HOUR_MS);
	assert_true(retry_after_ms("Fri, 31 Dec 9999 23:59:59 GMT", HELP_NOW) >= HOUR_MS);
}

static void
t_assert_triggers(const char *failure, const char *expected)
{
	static const int statuses[] = {
	    0, 101, 102, 103, 300, 302, 304, 399, 400, 404, 410, 429, 499, 500, 503, 599};
	struct webhook *webhook = help_create(failure);
	char text[COUNT(statuses) * 4 + 1] = "";

	for (size_t i = 0; i < COUNT(statuses); i++) {
		char code[12];

		if (!triggers_match(&webhook->failure.triggers, statuses[i]))
			continue;
		snprintf(code, sizeof code, "%s%d", *text != '\0' ? " " : "", statuses[i]);
		strncat(text, code, sizeof text - strlen(text) - 1);
	}
	webhook_free(webhook);
	assert_string_equal(text, expected);
}

#define CODES_4XX "101 102 103 300 302 304 399 400 404 410 429 499"
#define CODES_5XX "500 503 599"

static void
t_triggers(void **state)
{
	(void)state;
	t_assert_triggers(HELP_FAILURE("'triggers':['4xx']"), CODES_4XX);
	t_assert_triggers(HELP_FAILURE("'triggers':['5xx']"), CODES_5XX);
	t_assert_triggers(HELP_FAILURE("'triggers':['timeout']"), "0");
	t_assert_triggers(HELP_FAILURE("'triggers':['503']"), "503");
	t_assert_triggers(HELP_FAILURE("'triggers':['400','599','410']"), "400 410 599");
	t_assert_triggers(HELP_FAILURE("'triggers':['404','5xx']"), "404 " CODES_5XX);
	t_assert_triggers(HELP_FAILURE("'triggers':['4xx','timeout']"), "0 " CODES_4XX);
	t_assert_triggers(HELP_FAILURE("'triggers':[]"), "");
	t_assert_triggers(HELP_PLAIN, "0 " CODES_4XX " " CODES_5XX);
}

#define RETRY "'retryStrategy':{'attempts':2,'interval':5,'type':'linear'}"
#define ALERT "'alertEndpoint':{" HELP_URL "}"
#define ALL_OF_IT RETRY ",'divert':true,'suspend':true," ALERT

/* "verdict delay [suspend] [alert] [inactive]" of a failure */
static void
t_assert_judged(struct webhook *webhook, int status, unsigned attempt, const char *expected)
{
	struct judgement j = failure_judge(webhook, status, attempt, -1, 0);
	char text[80];

	snprintf(text, sizeof text, "%s %lld%s%s%s%s", verdict_name(j.verdict),
	    (long long)j.delay_ms, j.suspend ? " suspend" : "", j.alert ? " alert" : "",
	    j.inactive != NULL ? " " : "", j.inactive != NULL ? j.inactive : "");
	assert_string_equal(text, expected);
}

static void
t_assert_created(const char *quoted, int status, unsigned attempt, const char *expected)
{
	struct webhook *webhook = help_create(quoted);

	t_assert_judged(webhook, status, attempt, expected);
	webhook_free(webhook);
}

static void
t_judged_while_active(void **state)
{
	(void)state;
	t_assert_created(HELP_PLAIN, 500, 1, "fail 0");
	t_assert_created(HELP_FAILURE("'divert':true"), 500, 1, "divert 0");
	t_assert_created(HELP_FAILURE("'suspend':true"), 0, 1, "fail 0 suspend");
	t_assert_created(HELP_FAILURE(ALERT), 404, 1, "fail 0 alert");
	t_assert_created(HELP_FAILURE(ALL_OF_IT), 500, 1, "retry 5000");
	t_assert_created(HELP_FAILURE(ALL_OF_IT), 500, 2, "retry 10000");
	t_assert_created(HELP_FAILURE(ALL_OF_IT), 500, 3, "divert 0 suspend alert");
	/* the policy may have become shorter in the meantime */
	t_assert_created(HELP_FAILURE(ALL_OF_IT), 500, 9, "divert 0 suspend alert");
	/* no trigger matches: nothing follows */
	t_assert_created(HELP_FAILURE("'triggers':['5xx']," ALL_OF_IT), 404, 1, "fail 0");
	t_assert_created(HELP_FAILURE("'triggers':['5xx']," ALL_OF_IT), 0, 3, "fail 0");
	t_assert_created(HELP_FAILURE("'triggers':[]," ALL_OF_IT), 500, 3, "fail 0");
}

/* Inactive: diverted or dropped, whatever the triggers say, without retry, suspension or alert. */
static void
t_judged_while_inactive(void **state)
{
	static const int statuses[] = {0, 404, 500};
	struct webhook *diverting = help_create(HELP_FAILURE("'triggers':['599']," ALL_OF_IT));
	struct webhook *dropping = help_create(HELP_FAILURE(RETRY ",'suspend':true," ALERT));

	(void)state;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		diverting->enabled = dropping->enabled = true;
		diverting->suspended_at = dropping->suspended_at = HELP_NOW;
		t_assert_judged(diverting, statuses[i], 1, "divert 0 suspended");
		t_assert_judged(dropping, statuses[i], 1, "drop 0 suspended");
		diverting->suspended_at = dropping->suspended_at = 0;
		diverting->enabled = dropping->enabled = false;
		t_assert_judged(diverting, statuses[i], 3, "divert 0 disabled");
		t_assert_judged(dropping, statuses[i], 3, "drop 0 disabled");
	}
	webhook_free(diverting);
	webhook_free(dropping);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_linear),
	    cmocka_unit_test(t_exponential),
	    cmocka_unit_test(t_retry_after_lengthens),
	    cmocka_unit_test(t_retry_after_forms),
	    cmocka_unit_test(t_triggers),
	    cmocka_unit_test(t_judged_while_active),
	    cmocka_unit_test(t_judged_while_inactive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
