/* The stored forms: what is in which, the way back, and random updates that survive it. */
#include "proto/sign.h"
#include "test/unit/webhook_help.h"

#define FULL                                                                                       \
	HELP_CREATE(HELP_URL ",'hmacEnabled':true,'secret':'" HELP_SECRET                          \
			     "','tag':'k1','headers':{'X-Key':['topsecret','2']}",                 \
	    ",'useAutomationPlugin':true,'failureHandling':{'triggers':['503','timeout'],"         \
	    "'retryStrategy':{'attempts':2,'type':'linear'},'alertEndpoint':{"                     \
	    "'url':'https://alert.example/','secret':'alert-secret-16-b',"                         \
	    "'headers':{'X-Alert':['hidden']}},'divert':true,'suspend':true}")

static void
t_forms(void **state)
{
	struct webhook *webhook = help_create(FULL);
	struct buf doc = {0}, secrets = {0};

	(void)state;
	help_store(webhook, &doc, &secrets);
	assert_string_equal(buf_str(&doc),
	    "{\"name\":\"n\",\"endpoint\":{\"hmacEnabled\":true,\"tag\":\"k1\",\"timeoutSeconds\":"
	    "null},"
	    "\"failureHandling\":{\"triggers\":[\"503\","
	    "\"timeout\"],\"retryStrategy\":{\"attempts\":2,\"interval\":10,"
	    "\"type\":\"linear\"},\"alertEndpoint\":{\"hmacEnabled\":true,\"tag\":\"\","
	    "\"timeoutSeconds\":null},"
	    "\"divert\":true,\"suspend\":true},"
	    "\"eventTypes\":[\"a.b\",\"c.*\"],\"useAutomationPlugin\":true}");
	assert_string_equal(buf_str(&secrets),
	    "{\"endpoint\":{\"secret\":\"" HELP_SECRET
	    "\",\"secureSsl\":true,\"url\":\"https://example.com/hook\","
	    "\"headers\":{\"X-Key\":[\"topsecret\",\"2\"]}},\"alertEndpoint\":{\"secret\":"
	    "\"alert-secret-16-b\",\"secureSsl\":true,\"url\":\"https://alert.example/\","
	    "\"headers\":{\"X-Alert\":[\"hidden\"]}},\"previousSecret\":\"\","
	    "\"previousUntil\":0}");
	buf_clear(&doc);
	buf_clear(&secrets);
	webhook_free(webhook);
}

static int
t_load_texts(struct webhook *webhook, const char *doc, const char *secrets)
{
	return webhook_load(webhook, doc, strlen(doc), secrets, strlen(secrets), false);
}

/* What is stored beside the forms. */
static void
t_take_beside(struct webhook *to, const struct webhook *from)
{
	to->locator = from->locator;
	to->tenant = from->tenant;
	to->version = from->version;
	to->enabled = from->enabled;
	to->created_at = from->created_at;
	to->updated_at = from->updated_at;
	to->suspended_at = from->suspended_at;
}

/* Storing, loading and storing again gives the same bytes and the same response. */
static void
t_assert_survives(const struct webhook *webhook)
{
	struct buf doc = {0}, secrets = {0}, doc2 = {0}, secrets2 = {0};
	struct webhook *loaded = webhook_new();
	char *before = help_response(webhook), *after;

	help_store(webhook, &doc, &secrets);
	assert_int_equal(t_load_texts(loaded, buf_str(&doc), buf_str(&secrets)), 0);
	t_take_beside(loaded, webhook);
	help_store(loaded, &doc2, &secrets2);
	assert_string_equal(buf_str(&doc), buf_str(&doc2));
	assert_string_equal(buf_str(&secrets), buf_str(&secrets2));
	assert_string_equal(webhook->previous_secret, loaded->previous_secret);
	assert_int_equal(webhook->previous_until, loaded->previous_until);
	after = help_response(loaded);
	assert_string_equal(before, after);
	free(before);
	free(after);
	buf_clear(&doc);
	buf_clear(&secrets);
	buf_clear(&doc2);
	buf_clear(&secrets2);
	webhook_free(loaded);
}

static void
t_round_trip(void **state)
{
	static const char *const bodies[] = {HELP_PLAIN, FULL, HELP_FAILURE("'triggers':[]"),
	    ("{'name':'\\\"\\\\ \xc3\xa9 \xf0\x9f\x98\x80','enabled':false,"
	     "'endpoint':{'url':'http://8.8.8.8/?q=%22','hmacEnabled':true},'eventTypes':[]}")};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct webhook *webhook = help_create(bodies[i]);

		t_assert_survives(webhook);
		(void)help_update(
		    webhook, "{'endpoint':{'hmacEnabled':true,'secret':'" HELP_SECRET "'}}");
		(void)help_update(webhook, "{'endpoint':{'secret':''}}");
		assert_string_equal(webhook->previous_secret, HELP_SECRET);
		t_assert_survives(webhook);
		webhook_free(webhook);
	}
}

/* Loading replaces what the webhook was. */
static void
t_load_replaces(void **state)
{
	struct webhook *plain = help_create(HELP_PLAIN), *full = help_create(FULL);
	struct buf doc = {0}, secrets = {0};
	char *before, *after;

	(void)state;
	assert_true(help_update(full, "{'addEventTypes':['*']}"));
	help_store(plain, &doc, &secrets);
	assert_int_equal(t_load_texts(full, buf_str(&doc), buf_str(&secrets)), 0);
	before = help_response(plain);
	after = help_response(full);
	assert_string_equal(before, after);
	free(before);
	free(after);
	buf_clear(&doc);
	buf_clear(&secrets);
	webhook_free(plain);
	webhook_free(full);
}

/* An address that was allowed when it was stored is for the connect to refuse. */
static void
t_load_ignores_egress(void **state)
{
	const struct webhook_rules rules = {0};
	struct help_body body = help_parse(HELP_CREATE("'url':'http://127.0.0.1:1/'", ""));
	struct webhook *webhook = webhook_new();
	struct faults faults = {0};

	(void)state;
	webhook_create(webhook, body.doc.root, &rules, &faults);
	help_assert_faults(&faults, "");
	t_assert_survives(webhook);
	help_body_clear(&body);
	webhook_free(webhook);
}

/* Replaces the first `from` in a copy of the text. */
static char *
t_replace(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	struct buf out = {0};

	assert_non_null(at);
	buf_add(&out, text, (size_t)(at - text));
	buf_adds(&out, to);
	buf_adds(&out, at + strlen(from));
	return buf_take(&out, NULL);
}

static void
t_assert_load(const char *doc, const char *secrets, int expected)
{
	struct webhook *webhook = webhook_new();

	assert_int_equal(t_load_texts(webhook, doc, secrets), expected);
	webhook_free(webhook);
}

/* As it was when url and secureSsl stood in `doc`, and retries had other names: read as that, and
 * as nothing else. */
static void
t_load_old(void **state)
{
	static const char doc[] =
	    "{\"name\":\"n\",\"endpoint\":{\"hmacEnabled\":true,\"secureSsl\":false,\"tag\":\"k\","
	    "\"url\":\"https://example.com/hook\"},\"failureHandling\":{\"triggers\":[],"
	    "\"retryStrategy\":{\"attempts\":2,\"intervalSeconds\":77,\"pattern\":\"linear\"},"
	    "\"alertEndpoint\":null,\"divert\":false,\"suspend\":false},"
	    "\"eventTypes\":[],\"useAutomationPlugin\":false}";
	static const char secrets[] =
	    "{\"endpoint\":{\"secret\":\"" HELP_SECRET "\",\"headers\":{}},\"previousSecret\":\"\","
	    "\"previousUntil\":0}";
	struct webhook *webhook = webhook_new();
	struct buf doc2 = {0}, secrets2 = {0};

	(void)state;
	assert_int_equal(t_load_texts(webhook, doc, secrets), -1);
	assert_int_equal(
	    webhook_load(webhook, doc, strlen(doc), secrets, strlen(secrets), true), 0);
	assert_string_equal(webhook->endpoint.url, "https://example.com/hook");
	assert_false(webhook->endpoint.secure_ssl);
	assert_int_equal(webhook->failure.retry.attempts, 2);
	assert_int_equal(webhook->failure.retry.interval_seconds, 77);
	assert_int_equal(webhook->failure.retry.type, RETRY_LINEAR);
	help_store(webhook, &doc2, &secrets2);
	assert_int_equal(
	    webhook_load(webhook, doc2.data, doc2.len, secrets2.data, secrets2.len, true), -1);
	assert_int_equal(
	    webhook_load(webhook, doc2.data, doc2.len, secrets, strlen(secrets), true), -1);
	assert_int_equal(
	    webhook_load(webhook, doc, strlen(doc), secrets2.data, secrets2.len, true), -1);
	buf_clear(&doc2);
	buf_clear(&secrets2);
	webhook_free(webhook);
}

static void
t_load_refuses_damage(void **state)
{
	static const struct {
		bool in_secrets;
		const char *from, *to;
	} damages[] = {
	    {false, "\"name\":\"n\",", ""},
	    {false, "\"name\":\"n\"", "\"name\":null"},
	    {false, "\"name\":\"n\"", "\"name\":\"n\",\"more\":1"},
	    {false, "\"hmacEnabled\":true,", ""},
	    {false, "\"attempts\":2", "\"attempts\":0"},
	    {false, "\"503\"", "\"nonsense\""},
	    {true, "https://example.com/hook", "gopher://x"},
	    {true, "\"url\":\"https://example.com/hook\",", ""},
	    {true, "\"secureSsl\":true,", ""},
	    {false, "\"tag\":\"k1\"", "\"tag\":\"k1\",\"url\":\"https://example.com/hook\""},
	    {false, "\"tag\":\"k1\"", "\"tag\":\"k1\",\"secureSsl\":true"},
	    {false, "\"c.*\"", "1"},
	    {false, "{\"hmacEnabled\":true,\"tag\":\"\",\"timeoutSeconds\":null}", "null"},
	    {false, "}", ""},
	    {true, HELP_SECRET, "short"},
	    {true, HELP_SECRET, ""},
	    {true, "\"previousSecret\":\"\",", ""},
	    {true, "\"previousUntil\":0", "\"previousUntil\":-1"},
	    {true, "X-Key", "X Key"},
	    {true, "\"alertEndpoint\"", "\"alert\""},
	    {true, "[\"topsecret\",\"2\"]", "\"topsecret\""},
	    {true, "{", "["},
	};
	struct webhook *webhook = help_create(FULL);
	struct buf doc = {0}, secrets = {0};

	(void)state;
	help_store(webhook, &doc, &secrets);
	t_assert_load(buf_str(&doc), buf_str(&secrets), 0);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		bool in_secrets = damages[i].in_secrets;
		char *text = t_replace(
		    buf_str(in_secrets ? &secrets : &doc), damages[i].from, damages[i].to);

		t_assert_load(
		    in_secrets ? buf_str(&doc) : text, in_secrets ? text : buf_str(&secrets), -1);
		free(text);
	}
	t_assert_load("", buf_str(&secrets), -1);
	t_assert_load(buf_str(&doc), "", -1);
	t_assert_load(buf_str(&secrets), buf_str(&doc), -1);
	t_assert_load("null", "null", -1);
	buf_clear(&doc);
	buf_clear(&secrets);
	webhook_free(webhook);
}

/* Random updates */

static uint64_t t_random_state;

static unsigned
t_random(unsigned n)
{
	t_random_state = t_random_state * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return (unsigned)(t_random_state >> 33) % n;
}

/* Members of the objects of an update; each is valid by itself. */
static const char *const t_top[] = {"'name':'a'", "'name':'b \xc3\xa9'", "'enabled':false",
    "'enabled':true", "'useAutomationPlugin':true", "'removeFailureHandling':true",
    "'addEventTypes':['a','b.*','*']", "'addEventTypes':['c','d','e','a']",
    "'removeEventTypes':['a','c','x.y']", "'removeEventTypes':['*','b.*']"};
static const char *const t_endpoint[] = {"'url':'http://one.example/'",
    "'url':'https://two.example:9/x'", "'hmacEnabled':true", "'hmacEnabled':false", "'secret':''",
    "'secret':'" HELP_SECRET "'", "'secret':'" HELP_SECRET2 "'", "'secureSsl':false",
    "'secureSsl':true", "'tag':''", "'tag':'t1'", "'addHeaders':{'X-A':['1','2'],'X-B':['']}",
    "'addHeaders':{'x-a':['3'],'X-C':['4']}", "'removeHeaders':['X-a','x-q']",
    "'removeHeaders':['X-C','X-B']"};
static const char *const t_overlap[] = {"'secretOverlapSeconds':0", "'secretOverlapSeconds':9"};
static const char *const t_failure[] = {"'addTriggers':['404','5xx']", "'addTriggers':['timeout']",
    "'removeTriggers':['5xx','timeout']", "'removeTriggers':['404']", "'retryStrategy':{}",
    "'retryStrategy':{'attempts':9}", "'retryStrategy':{'type':'linear','interval':5}",
    "'removeRetryStrategy':true", "'removeAlertEndpoint':true", "'divert':true", "'divert':false",
    "'suspend':true"};

/* The key of a member such as "'name':…", quotes included. */
static size_t
t_key_len(const char *member)
{
	return (size_t)(strchr(member, ':') - member);
}

/* Adds up to three members with different keys; `first` says whether a comma is due. */
static void
t_add_members(struct buf *body, const char *const *members, unsigned n, bool *first)
{
	const char *taken[3];
	size_t ntaken = 0;

	for (unsigned tries = t_random(4); tries > 0; tries--) {
		const char *member = members[t_random(n)];
		bool again = false;

		for (size_t i = 0; i < ntaken; i++)
			again |= t_key_len(member) == t_key_len(taken[i]) &&
				 memcmp(member, taken[i], t_key_len(member)) == 0;
		if (again)
			continue;
		taken[ntaken++] = member;
		buf_printf(body, "%s%s", *first ? "" : ",", member);
		*first = false;
	}
}

#define T_ADD(body, members, first)                                                                \
	t_add_members(body, members, sizeof(members) / sizeof((members)[0]), first)

static char *
t_random_update(void)
{
	struct buf body = {0};
	bool first = true;

	buf_adds(&body, "{'endpoint':{");
	T_ADD(&body, t_endpoint, &first);
	if (t_random(8) == 0)
		buf_printf(&body, "%s%s", first ? "" : ",", t_overlap[t_random(2)]);
	buf_adds(&body, "},'failureHandling':{");
	first = true;
	T_ADD(&body, t_failure, &first);
	if (t_random(2) == 0) {
		buf_printf(&body, "%s'alertEndpoint':{", first ? "" : ",");
		first = true;
		T_ADD(&body, t_endpoint, &first);
		buf_addc(&body, '}');
	}
	buf_addc(&body, '}');
	first = false;
	T_ADD(&body, t_top, &first);
	buf_addc(&body, '}');
	return buf_take(&body, NULL);
}

static void
t_assert_distinct(const struct strings *strings)
{
	for (size_t i = 0; i < strings->n; i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(strings->list[i], strings->list[j]);
	}
}

static void
t_assert_endpoint(const struct endpoint *endpoint)
{
	size_t secret_len = strlen(endpoint->secret);

	assert_true(endpoint->url[0] != '\0');
	assert_true(!endpoint->hmac_enabled || secret_len > 0);
	assert_true(endpoint->tag[0] == '\0' || secret_len > 0);
	assert_true(secret_len == 0 || secret_fault(endpoint->secret, secret_len) == NULL);
	for (size_t i = 0; i < endpoint->headers.n; i++) {
		assert_true(endpoint->headers.list[i].nvalues > 0);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(strcasecmp(endpoint->headers.list[i].name,
						 endpoint->headers.list[j].name),
			    0);
	}
}

static void
t_assert_invariants(const struct webhook *webhook)
{
	const struct retry_strategy *retry = &webhook->failure.retry;

	t_assert_endpoint(&webhook->endpoint);
	if (webhook->failure.alert != NULL)
		t_assert_endpoint(webhook->failure.alert);
	t_assert_distinct(&webhook->event_types);
	t_assert_distinct(&webhook->failure.triggers);
	assert_true(retry->attempts <= RETRY_ATTEMPTS_MAX);
	assert_true(retry->attempts == 0 || retry->interval_seconds >= 1);
	assert_true((webhook->previous_secret[0] == '\0') == (webhook->previous_until == 0));
	if (webhook->previous_secret[0] != '\0')
		assert_string_not_equal(webhook->previous_secret, webhook->endpoint.secret);
}

/* Merges a random update into a copy; gives the copy if it was fit, else NULL. */
static struct webhook *
t_random_step(const struct webhook *webhook, const char *quoted, int64_t now, bool *changed)
{
	struct webhook_rules rules = help_rules;
	struct webhook *copy = webhook_copy(webhook);
	struct help_body body = help_parse(quoted);
	struct faults faults = {0};

	rules.now_ms = now;
	webhook_check_update(body.doc.root, &rules, &faults);
	if (faults.count > 0)
		fail_msg("%s is refused", quoted);
	*changed = webhook_update(copy, body.doc.root, &rules, &faults);
	help_body_clear(&body);
	if (faults.count > 0) {
		webhook_free(copy);
		copy = NULL;
	}
	faults_clear(&faults);
	return copy;
}

static void
t_random_updates(void **state)
{
	struct webhook *webhook = help_create(HELP_PLAIN);
	unsigned fit = 0, unchanged = 0;

	(void)state;
	t_random_state = 20261123;
	for (int i = 0; i < 3000; i++) {
		char *body = t_random_update(), *before = help_response(webhook), *after;
		bool changed;
		struct webhook *next =
		    t_random_step(webhook, body, HELP_NOW + i * (HELP_DAY / 100), &changed);

		after = help_response(next != NULL ? next : webhook);
		if (next != NULL) {
			t_assert_invariants(next);
			t_assert_survives(next);
			fit++;
			unchanged += !changed;
			assert_true(changed || strcmp(before, after) == 0);
			webhook_free(webhook);
			webhook = next;
		}
		free(body);
		free(before);
		free(after);
	}
	/* the updates are worth the name: most are fit, some change nothing */
	assert_in_range(fit, 1500, 2999);
	assert_in_range(unchanged, 1, fit / 2);
	webhook_free(webhook);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_forms),
	    cmocka_unit_test(t_round_trip),
	    cmocka_unit_test(t_load_replaces),
	    cmocka_unit_test(t_load_ignores_egress),
	    cmocka_unit_test(t_load_old),
	    cmocka_unit_test(t_load_refuses_damage),
	    cmocka_unit_test(t_random_updates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
