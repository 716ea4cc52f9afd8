/* The endpoint's secret: given, generated, removed, and the previous one's overlap. */
#include "proto/sign.h"
#include "test/unit/webhook_help.h"

#define SIGNED HELP_ENDPOINT("'hmacEnabled':true,'secret':'" HELP_SECRET "'")

static struct webhook_rules
t_rules(int64_t now)
{
	struct webhook_rules rules = help_rules;

	rules.now_ms = now;
	return rules;
}

static bool
t_update_at(struct webhook *webhook, int64_t now, const char *quoted)
{
	const struct webhook_rules rules = t_rules(now);

	return help_update_faulty(webhook, quoted, &rules, "");
}

static void
t_assert_generated(const char *secret)
{
	assert_int_equal(strlen(secret), SECRET_GENERATED_LEN);
	assert_memory_equal(secret, "whsec_", 6);
	assert_null(secret_fault(secret, strlen(secret)));
}

static void
t_assert_previous(const struct webhook *webhook, const char *secret, int64_t until)
{
	assert_string_equal(webhook->previous_secret, secret);
	assert_int_equal(webhook->previous_until, until);
}

static void
t_create(void **state)
{
	struct webhook *given = help_create(SIGNED);
	struct webhook *none = help_create(HELP_ENDPOINT("'secret':''"));
	struct webhook *kept = help_create(HELP_ENDPOINT("'secret':'" HELP_SECRET "'"));
	struct webhook *unused =
	    help_create(HELP_ENDPOINT("'hmacEnabled':false,'secret':'" HELP_SECRET "'"));
	struct webhook *signed_alert =
	    help_create(HELP_FAILURE("'alertEndpoint':{" HELP_URL ",'secret':'" HELP_SECRET "'}"));
	struct webhook *made = help_create(HELP_ENDPOINT("'hmacEnabled':true"));
	struct webhook *made2 = help_create(HELP_ENDPOINT("'secret':'','hmacEnabled':true"));
	struct webhook *alert =
	    help_create(HELP_FAILURE("'alertEndpoint':{" HELP_URL ",'hmacEnabled':true}"));

	(void)state;
	assert_string_equal(given->endpoint.secret, HELP_SECRET);
	assert_string_equal(none->endpoint.secret, "");
	assert_false(none->endpoint.hmac_enabled);
	assert_string_equal(kept->endpoint.secret, HELP_SECRET);
	assert_true(kept->endpoint.hmac_enabled); /* what is given is meant */
	assert_false(unused->endpoint.hmac_enabled);
	assert_true(signed_alert->failure.alert->hmac_enabled);
	t_assert_generated(made->endpoint.secret);
	t_assert_generated(made2->endpoint.secret);
	assert_string_not_equal(made->endpoint.secret, made2->endpoint.secret);
	t_assert_generated(alert->failure.alert->secret);
	assert_string_equal(alert->endpoint.secret, "");
	t_assert_previous(given, "", 0);
	t_assert_previous(made, "", 0);
	webhook_free(given);
	webhook_free(none);
	webhook_free(kept);
	webhook_free(unused);
	webhook_free(signed_alert);
	webhook_free(made);
	webhook_free(made2);
	webhook_free(alert);
}

static void
t_change_keeps_the_newest_previous(void **state)
{
	struct webhook *webhook = help_create(SIGNED);

	(void)state;
	assert_false(help_update(webhook, "{'endpoint':{'secret':'" HELP_SECRET "'}}"));
	t_assert_previous(webhook, "", 0);
	assert_true(help_update(webhook, "{'endpoint':{'secret':'" HELP_SECRET2 "'}}"));
	assert_string_equal(webhook->endpoint.secret, HELP_SECRET2);
	t_assert_previous(webhook, HELP_SECRET, HELP_NOW + HELP_DAY);
	/* the same again is no change and does not prolong anything */
	assert_false(
	    t_update_at(webhook, HELP_NOW + 1, "{'endpoint':{'secret':'" HELP_SECRET2 "'}}"));
	t_assert_previous(webhook, HELP_SECRET, HELP_NOW + HELP_DAY);
	assert_true(t_update_at(
	    webhook, HELP_NOW + 1, "{'endpoint':{'secret':'the-third-secret-of-all'}}"));
	t_assert_previous(webhook, HELP_SECRET2, HELP_NOW + 1 + HELP_DAY);
	/* and back */
	assert_true(
	    t_update_at(webhook, HELP_NOW + 2, "{'endpoint':{'secret':'" HELP_SECRET2 "'}}"));
	assert_string_equal(webhook->endpoint.secret, HELP_SECRET2);
	t_assert_previous(webhook, "the-third-secret-of-all", HELP_NOW + 2 + HELP_DAY);
	webhook_free(webhook);
}

static void
t_empty_secret_makes_a_new_one(void **state)
{
	struct webhook *webhook = help_create(SIGNED);
	char *first;

	(void)state;
	assert_true(help_update(webhook, "{'endpoint':{'secret':''}}"));
	t_assert_generated(webhook->endpoint.secret);
	t_assert_previous(webhook, HELP_SECRET, HELP_NOW + HELP_DAY);
	first = xstrdup(webhook->endpoint.secret);
	assert_true(help_update(webhook, "{'endpoint':{'secret':'','hmacEnabled':true}}"));
	t_assert_generated(webhook->endpoint.secret);
	assert_string_not_equal(webhook->endpoint.secret, first);
	t_assert_previous(webhook, first, HELP_NOW + HELP_DAY);
	free(first);
	webhook_free(webhook);
}

static void
t_switching_on_and_off(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);
	char *made;

	(void)state;
	assert_true(help_update(webhook, "{'endpoint':{'hmacEnabled':true}}"));
	t_assert_generated(webhook->endpoint.secret);
	t_assert_previous(webhook, "", 0);
	made = xstrdup(webhook->endpoint.secret);
	assert_false(help_update(webhook, "{'endpoint':{'hmacEnabled':true}}"));
	/* off keeps the secret, on takes it up again */
	assert_true(help_update(webhook, "{'endpoint':{'hmacEnabled':false}}"));
	assert_string_equal(webhook->endpoint.secret, made);
	assert_true(help_update(webhook, "{'endpoint':{'hmacEnabled':true}}"));
	assert_string_equal(webhook->endpoint.secret, made);
	t_assert_previous(webhook, "", 0);
	/* off and removed in one */
	assert_true(help_update(webhook, "{'endpoint':{'secret':'','hmacEnabled':false}}"));
	assert_string_equal(webhook->endpoint.secret, "");
	t_assert_previous(webhook, "", 0);
	free(made);
	webhook_free(webhook);
}

/* A secret that was not signing has no receivers to be kept for. */
static void
t_unused_secret_is_not_kept(void **state)
{
	struct webhook *webhook =
	    help_create(HELP_ENDPOINT("'hmacEnabled':false,'secret':'" HELP_SECRET "'"));

	(void)state;
	assert_true(
	    help_update(webhook, "{'endpoint':{'hmacEnabled':true,'secret':'" HELP_SECRET2 "'}}"));
	t_assert_previous(webhook, "", 0);
	webhook_free(webhook);
}

static void
t_removing_drops_the_previous_too(void **state)
{
	struct webhook *webhook = help_create(SIGNED);

	(void)state;
	assert_true(help_update(webhook, "{'endpoint':{'secret':'" HELP_SECRET2 "'}}"));
	assert_true(help_update(webhook, "{'endpoint':{'secret':'','hmacEnabled':false}}"));
	t_assert_previous(webhook, "", 0);
	webhook_free(webhook);
}

static void
t_overlap_given(void **state)
{
	struct webhook *webhook = help_create(SIGNED);

	(void)state;
	assert_true(help_update(
	    webhook, "{'endpoint':{'secret':'" HELP_SECRET2 "','secretOverlapSeconds':2592000}}"));
	t_assert_previous(webhook, HELP_SECRET, HELP_NOW + 30 * HELP_DAY);
	/* without a new secret: shorter, never longer */
	assert_true(help_update(webhook, "{'endpoint':{'secretOverlapSeconds':60}}"));
	t_assert_previous(webhook, HELP_SECRET, HELP_NOW + 60000);
	assert_false(help_update(webhook, "{'endpoint':{'secretOverlapSeconds':61}}"));
	assert_false(
	    t_update_at(webhook, HELP_NOW + 1, "{'endpoint':{'secretOverlapSeconds':60}}"));
	t_assert_previous(webhook, HELP_SECRET, HELP_NOW + 60000);
	/* 0 revokes at once */
	assert_true(help_update(webhook, "{'endpoint':{'secretOverlapSeconds':0}}"));
	t_assert_previous(webhook, "", 0);
	assert_false(help_update(webhook, "{'endpoint':{'secretOverlapSeconds':0}}"));
	webhook_free(webhook);
}

static void
t_overlap_zero_with_a_new_secret(void **state)
{
	struct webhook *webhook = help_create(SIGNED);

	(void)state;
	assert_true(help_update(
	    webhook, "{'endpoint':{'secret':'" HELP_SECRET2 "','secretOverlapSeconds':0}}"));
	assert_string_equal(webhook->endpoint.secret, HELP_SECRET2);
	t_assert_previous(webhook, "", 0);
	/* also an older previous one */
	assert_true(help_update(webhook, "{'endpoint':{'secret':'" HELP_SECRET "'}}"));
	assert_true(help_update(webhook, "{'endpoint':{'secret':'','secretOverlapSeconds':0}}"));
	t_assert_generated(webhook->endpoint.secret);
	t_assert_previous(webhook, "", 0);
	webhook_free(webhook);
}

static void
t_overlap_limits(void **state)
{
	static const char *const bad[] = {"-1", "2592001", "1.0", "true"};
	struct buf body = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&body);
		buf_printf(&body, "{'endpoint':{'secretOverlapSeconds':%s}}", bad[i]);
		help_check_refused(buf_str(&body),
		    "endpoint.secretOverlapSeconds: must be an integer from 0 to 2592000\n");
	}
	buf_clear(&body);
	help_create_refused(HELP_ENDPOINT("'secretOverlapSeconds':1"),
	    "endpoint.secretOverlapSeconds: is not a known property\n");
}

/* One that has run out goes with the next change, and is no change by itself. */
static void
t_expired_previous(void **state)
{
	struct webhook *webhook = help_create(SIGNED);
	int64_t later = HELP_NOW + HELP_DAY;

	(void)state;
	assert_true(help_update(webhook, "{'endpoint':{'secret':'" HELP_SECRET2 "'}}"));
	assert_false(t_update_at(webhook, later, "{}"));
	assert_true(t_update_at(webhook, later - 1, "{'name':'x'}"));
	t_assert_previous(webhook, HELP_SECRET, later);
	assert_true(t_update_at(webhook, later, "{'name':'y'}"));
	t_assert_previous(webhook, "", 0);
	webhook_free(webhook);
}

static void
t_alert_secret_changes_at_once(void **state)
{
	struct webhook *webhook = help_create(HELP_FAILURE(
	    "'alertEndpoint':{" HELP_URL ",'hmacEnabled':true,'secret':'" HELP_SECRET "'}"));

	(void)state;
	assert_true(help_update(
	    webhook, "{'failureHandling':{'alertEndpoint':{'secret':'" HELP_SECRET2 "'}}}"));
	assert_string_equal(webhook->failure.alert->secret, HELP_SECRET2);
	t_assert_previous(webhook, "", 0);
	assert_true(help_update(webhook, "{'failureHandling':{'alertEndpoint':{'secret':''}}}"));
	t_assert_generated(webhook->failure.alert->secret);
	assert_true(help_update(
	    webhook, "{'failureHandling':{'alertEndpoint':{'secret':'','hmacEnabled':false}}}"));
	assert_string_equal(webhook->failure.alert->secret, "");
	webhook_free(webhook);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_create),
	    cmocka_unit_test(t_change_keeps_the_newest_previous),
	    cmocka_unit_test(t_empty_secret_makes_a_new_one),
	    cmocka_unit_test(t_switching_on_and_off),
	    cmocka_unit_test(t_unused_secret_is_not_kept),
	    cmocka_unit_test(t_removing_drops_the_previous_too),
	    cmocka_unit_test(t_overlap_given),
	    cmocka_unit_test(t_overlap_zero_with_a_new_secret),
	    cmocka_unit_test(t_overlap_limits),
	    cmocka_unit_test(t_expired_previous),
	    cmocka_unit_test(t_alert_secret_changes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
