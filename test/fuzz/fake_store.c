/*
 * The store's collections from memory, in their place at link time.  Nothing is kept, so that an
 * input always meets the same: the last character of a locator says what becomes of it.
 */
#include "test/fuzz/fake_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/attempts.h"
#include "store/diverted.h"
#include "store/events.h"
#include "store/store_internal.h"
#include "store/webhooks.h"
#include "test/fuzz/fuzz.h"

#define FAKE_LOCATOR "01K8QZ5V7C0000ABCDEFGH1234"
#define FAKE_TENANT "0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a11"
#define FAKE_MS INT64_C(1800000000000)
#define FAKE_ROWS 3u

struct event_base *fake_store_base;

/* An answer that is due. */
struct fake {
	void (*run)(struct fake *fake);
	void (*fn)(void); /* the caller's, of the type that run knows */
	void *arg;
	enum store_err err;
	int64_t n;
	const char *key; /* of an idempotent publish, borrowed */
};

static enum store_err
fake_err(const struct ulid *locator)
{
	switch (locator->s[ULID_LEN - 1]) {
	case '0':
		return STORE_MISSING;
	case '1':
		return STORE_UNAVAILABLE;
	case '2':
		return STORE_STALE;
	default:
		return STORE_OK;
	}
}

static void
fake_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct fake *fake = arg;

	(void)fd;
	(void)what;
	fake->run(fake);
	free(fake);
}

static struct fake *
fake_later(void (*run)(struct fake *fake), void (*fn)(void), void *arg, enum store_err err)
{
	struct fake *fake = xcalloc(1, sizeof *fake);
	struct timeval now = {0};

	fake->run = run;
	fake->fn = fn;
	fake->arg = arg;
	fake->err = err;
	FUZZ_CHECK(event_base_once(fake_store_base, -1, EV_TIMEOUT, fake_on_turn, fake, &now) == 0);
	return fake;
}

/* --- webhooks --- */

/* Its endpoint is one that no egress rule lets through: nothing is ever sent. */
static struct webhook *
fake_webhook(void)
{
	static const char body[] =
	    "{\"name\":\"n\",\"enabled\":true,\"endpoint\":{\"url\":\"http://127.0.0.1:1/\","
	    "\"hmacEnabled\":true,\"secret\":\"sixteen-bytes-ok\",\"headers\":{\"X-A\":[\"1\"]}},"
	    "\"eventTypes\":[\"a.b\",\"c.*\"],\"failureHandling\":{\"triggers\":[\"5xx\"],"
	    "\"retryStrategy\":{\"attempts\":2},\"divert\":true}}";
	struct webhook *webhook = webhook_new();
	struct webhook_rules rules = {.now_ms = FAKE_MS};
	struct json_doc doc = {0};
	struct json_error error;
	struct faults faults = {0};

	FUZZ_CHECK(json_parse(&doc, body, sizeof body - 1, SIZE_MAX, &error) == 0);
	webhook_create(webhook, doc.root, &rules, &faults);
	FUZZ_CHECK(faults.count == 0);
	json_doc_clear(&doc);
	strcpy(webhook->locator.s, FAKE_LOCATOR);
	strcpy(webhook->tenant.s, FAKE_TENANT);
	webhook->version = 3;
	webhook->created_at = webhook->updated_at = FAKE_MS;
	webhook->suspended_at = FAKE_MS;
	return webhook;
}

static void
fake_run_get(struct fake *fake)
{
	webhooks_get_fn *fn = (webhooks_get_fn *)fake->fn;

	fn(fake->arg, fake->err, fake->err == STORE_OK ? fake_webhook() : NULL);
}

void
webhooks_get(struct store *store, const struct uuid *tenant, const struct ulid *locator,
    webhooks_get_fn *fn, void *arg)
{
	enum store_err err = fake_err(locator);

	(void)store;
	(void)tenant;
	fake_later(fake_run_get, (void (*)(void))fn, arg, err == STORE_STALE ? STORE_OK : err);
}

static void
fake_run_put(struct fake *fake)
{
	((webhooks_put_fn *)fake->fn)(fake->arg, fake->err, fake->n);
}

void
webhooks_put(struct store *store, const struct webhook *webhook, int64_t max_webhooks,
    webhooks_put_fn *fn, void *arg)
{
	struct buf text = {0};
	enum store_err err = STORE_OK;

	(void)store;
	(void)max_webhooks;
	webhook_store_doc(webhook, &text);
	webhook_store_secrets(webhook, &text);
	buf_clear(&text);
	if (webhook->name[0] == '~')
		err = webhook->version == 0 ? STORE_LIMIT : STORE_STALE;
	fake_later(fake_run_put, (void (*)(void))fn, arg, err)->n = webhook->version + 1;
}

static void
fake_run_delete(struct fake *fake)
{
	((webhooks_delete_fn *)fake->fn)(fake->arg, fake->err);
}

void
webhooks_delete(struct store *store, const struct uuid *tenant, const struct ulid *locator,
    int64_t version, webhooks_delete_fn *fn, void *arg)
{
	(void)store;
	(void)tenant;
	(void)version;
	fake_later(fake_run_delete, (void (*)(void))fn, arg, fake_err(locator));
}

static void
fake_run_page(struct fake *fake)
{
	struct webhook_row rows[FAKE_ROWS] = {0};
	struct ulid last = {""};

	for (size_t i = 0; i < FAKE_ROWS; i++)
		rows[i].webhook = fake_webhook();
	((webhooks_page_fn *)fake->fn)(fake->arg, fake->err, rows,
	    (size_t)fake->n < FAKE_ROWS ? (size_t)fake->n : FAKE_ROWS, &last);
	for (size_t i = 0; i < FAKE_ROWS; i++)
		webhook_free(rows[i].webhook);
}

void
webhooks_page(struct store *store, const struct uuid *tenant, const struct ulid *after,
    unsigned count, bool counters, webhooks_page_fn *fn, void *arg)
{
	(void)store;
	(void)tenant;
	(void)after;
	(void)counters;
	fake_later(fake_run_page, (void (*)(void))fn, arg, STORE_OK)->n = count;
}

/* --- events --- */

static void
fake_run_publish(struct fake *fake)
{
	struct publish_target target = {.version = 1, .how = TARGET_OVERFLOW};
	struct publish_result result = {.n = (size_t)fake->n};
	char suffix[LOCATOR_SUFFIX_LEN + 1];
	struct uuid tenant = {FAKE_TENANT};

	strcpy(target.webhook.s, FAKE_LOCATOR);
	locator_suffix(suffix, &tenant);
	result.events = xcalloc(result.n, sizeof *result.events);
	for (size_t i = 0; i < result.n; i++) {
		locator_make(&result.events[i].locator, FAKE_MS, (uint32_t)i, suffix);
		result.events[i].targets = &target;
		result.events[i].ntargets = 1;
	}
	switch (fake->key == NULL ? '\0' : fake->key[0]) {
	case 'R':
		result.outcome = PUBLISH_REPLAYED;
		break;
	case 'C':
		result.outcome = PUBLISH_CONFLICT;
		break;
	case 'F':
		result.outcome = PUBLISH_FANOUT;
		break;
	case 'B':
		result.outcome = PUBLISH_FULL;
		break;
	case 'W':
		result.outcome = PUBLISH_WORK;
		break;
	default:
		result.outcome = PUBLISH_STORED;
		break;
	}
	((events_publish_fn *)fake->fn)(
	    fake->arg, fake->err, fake->err == STORE_OK ? &result : NULL);
	free(result.events);
}

void
events_publish(
    struct store *store, const struct publish_request *request, events_publish_fn *fn, void *arg)
{
	enum store_err err = request->idempotency_key != NULL && request->idempotency_key[0] == 'U'
				 ? STORE_UNAVAILABLE
				 : STORE_OK;
	struct fake *fake = fake_later(fake_run_publish, (void (*)(void))fn, arg, err);

	(void)store;
	fake->n = (int64_t)request->n;
	fake->key = request->idempotency_key;
}

/* store.c asks for it, and only publish.c needs it. */
struct publisher *
publisher_new(struct event_base *base)
{
	(void)base;
	return NULL;
}

void
publisher_flush(struct publisher *publisher)
{
	FUZZ_CHECK(publisher == NULL);
}

void
publisher_free(struct publisher *publisher)
{
	FUZZ_CHECK(publisher == NULL);
}

static const struct event_parts fake_parts = {.locator = FAKE_LOCATOR,
    .type = "a.b",
    .data = "{\"x\":1}",
    .data_len = 7,
    .request_id = FAKE_LOCATOR,
    .user_locator = "",
    .timestamp = FAKE_MS,
    .trace_parent = "",
    .trace_state = ""};
static const struct event_parts *const fake_list[FAKE_ROWS] = {
    &fake_parts, &fake_parts, &fake_parts};

static void
fake_run_read(struct fake *fake)
{
	((events_read_fn *)fake->fn)(
	    fake->arg, fake->err, fake_list, fake->err == STORE_OK ? (size_t)fake->n : 0);
}

void
events_get(struct store *store, const struct uuid *tenant, const struct ulid *locator,
    events_read_fn *fn, void *arg)
{
	(void)store;
	(void)tenant;
	fake_later(fake_run_read, (void (*)(void))fn, arg, fake_err(locator))->n = 1;
}

void
events_by_request(struct store *store, const struct uuid *tenant, const struct ulid *request_id,
    int64_t max_bytes, events_read_fn *fn, void *arg)
{
	(void)store;
	(void)tenant;
	(void)request_id;
	(void)max_bytes;
	fake_later(fake_run_read, (void (*)(void))fn, arg, STORE_OK)->n = FAKE_ROWS;
}

static void
fake_run_list(struct fake *fake)
{
	struct stream_id last = {FAKE_MS, 1};
	size_t n = (size_t)fake->n < FAKE_ROWS ? (size_t)fake->n : FAKE_ROWS;

	((events_list_fn *)fake->fn)(fake->arg, fake->err, fake_list, n, &last, n < FAKE_ROWS);
}

void
events_list(struct store *store, const struct events_query *query, events_list_fn *fn, void *arg)
{
	(void)store;
	fake_later(fake_run_list, (void (*)(void))fn, arg, STORE_OK)->n = query->page_size;
}

/* --- attempts and diverted events --- */

static void
fake_run_attempts(struct fake *fake)
{
	struct attempt_row row = {.timestamp = FAKE_MS,
	    .event = FAKE_LOCATOR,
	    .type = "a.b",
	    .outcome = "failed",
	    .number = 1,
	    .status = 503,
	    .trigger = "503",
	    .message = "HTTP 503",
	    .response = "",
	    .next_at = FAKE_MS};

	((attempts_list_fn *)fake->fn)(
	    fake->arg, fake->err, &row, fake->err == STORE_OK ? 1 : 0, true);
}

void
attempts_list(
    struct store *store, const struct attempts_query *query, attempts_list_fn *fn, void *arg)
{
	(void)store;
	fake_later(fake_run_attempts, (void (*)(void))fn, arg, fake_err(&query->webhook));
}

static void
fake_run_diverted(struct fake *fake)
{
	struct diverted_row row = {.failure_trigger = "timeout",
	    .failure_message = "timed out",
	    .failure_timestamp = FAKE_MS,
	    .attempts = 3,
	    .event = fake_parts};

	((diverted_list_fn *)fake->fn)(
	    fake->arg, fake->err, &row, fake->err == STORE_OK ? 1 : 0, true);
}

void
diverted_list(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t offset, int64_t count, diverted_list_fn *fn, void *arg)
{
	(void)store;
	(void)tenant;
	(void)offset;
	(void)count;
	fake_later(fake_run_diverted, (void (*)(void))fn, arg, fake_err(webhook));
}

void
diverted_get(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct ulid *event, diverted_list_fn *fn, void *arg)
{
	(void)store;
	(void)tenant;
	(void)webhook;
	fake_later(fake_run_diverted, (void (*)(void))fn, arg, fake_err(event));
}

void
diverted_delete(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct ulid *event, diverted_end_fn *fn, void *arg)
{
	(void)store;
	(void)tenant;
	(void)webhook;
	fake_later(fake_run_delete, (void (*)(void))fn, arg, fake_err(event));
}

void
diverted_resend(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct ulid *event, int64_t max_pending, diverted_end_fn *fn, void *arg)
{
	(void)max_pending;
	diverted_delete(store, tenant, webhook, event, fn, arg);
}

static void
fake_run_resend_all(struct fake *fake)
{
	((diverted_resend_all_fn *)fake->fn)(fake->arg, fake->err, 3, true);
}

void
diverted_resend_all(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t most, int64_t max_pending, diverted_resend_all_fn *fn, void *arg)
{
	(void)store;
	(void)tenant;
	(void)most;
	(void)max_pending;
	fake_later(fake_run_resend_all, (void (*)(void))fn, arg, fake_err(webhook));
}
