/* Webhooks, one JSON text a line: a create, then updates.  Each state survives being stored. */
#include <string.h>

#include "proto/webhook.h"
#include "test/fuzz/fuzz.h"
#include "test/fuzz/reference.h"

static const struct egress fuzz_egress;
static const struct webhook_rules fuzz_rules = {
    .egress = &fuzz_egress, .now_ms = INT64_C(1800000000000), .secret_overlap_ms = 86400000};

/* The two stored texts, and the response, in one. */
static void
fuzz_store(const struct webhook *webhook, struct buf *doc, struct buf *secrets, struct buf *all)
{
	webhook_store_doc(webhook, doc);
	webhook_store_secrets(webhook, secrets);
	buf_add(all, doc->data, doc->len);
	buf_add(all, secrets->data, secrets->len);
}

static void
fuzz_check_survives(const struct webhook *webhook)
{
	struct webhook *loaded = webhook_new();
	struct buf doc = {0}, secrets = {0}, all = {0}, doc2 = {0}, secrets2 = {0}, all2 = {0};
	struct buf response = {0};

	fuzz_store(webhook, &doc, &secrets, &all);
	FUZZ_CHECK(webhook_load(loaded, doc.data, doc.len, secrets.data, secrets.len, false) == 0);
	fuzz_store(loaded, &doc2, &secrets2, &all2);
	FUZZ_CHECK(all.len == all2.len && memcmp(all.data, all2.data, all.len) == 0);
	FUZZ_CHECK(!webhook->endpoint.hmac_enabled || webhook->endpoint.secret[0] != '\0');
	webhook_write(webhook, &response, 0);
	FUZZ_CHECK(reference_json(response.data, response.len));
	buf_clear(&doc);
	buf_clear(&secrets);
	buf_clear(&all);
	buf_clear(&doc2);
	buf_clear(&secrets2);
	buf_clear(&all2);
	buf_clear(&response);
	webhook_free(loaded);
}

static bool
fuzz_same(const struct webhook *a, const struct webhook *b)
{
	struct buf doc = {0}, secrets = {0}, all = {0}, doc2 = {0}, secrets2 = {0}, all2 = {0};
	bool same;

	fuzz_store(a, &doc, &secrets, &all);
	fuzz_store(b, &doc2, &secrets2, &all2);
	same = a->enabled == b->enabled && all.len == all2.len &&
	       memcmp(all.data, all2.data, all.len) == 0;
	buf_clear(&doc);
	buf_clear(&secrets);
	buf_clear(&all);
	buf_clear(&doc2);
	buf_clear(&secrets2);
	buf_clear(&all2);
	return same;
}

/* Whether there were none; what there was is JSON. */
static bool
fuzz_faultless(struct faults *faults)
{
	bool none = faults->count == 0;
	struct buf text = {0};

	faults_write(faults, &text);
	FUZZ_CHECK(reference_json(text.data, text.len));
	buf_clear(&text);
	faults_clear(faults);
	return none;
}

static struct webhook *
fuzz_create(const struct json *body)
{
	struct webhook *webhook = webhook_new();
	struct faults faults = {0};

	webhook_create(webhook, body, &fuzz_rules, &faults);
	if (fuzz_faultless(&faults)) {
		fuzz_check_survives(webhook);
		return webhook;
	}
	webhook_free(webhook);
	return NULL;
}

/* Whether an endpoint's secret is to be made anew: "" with hmacEnabled. */
static bool
fuzz_makes_secret(const struct json *body)
{
	const struct json *endpoint = json_get(body, "endpoint"), *secret;
	const struct json *failure = json_get(body, "failureHandling");

	for (size_t i = 0; i < 2; i++) {
		secret = endpoint != NULL ? json_get(endpoint, "secret") : NULL;
		if (secret != NULL && secret->str_len == 0)
			return true;
		endpoint = failure != NULL ? json_get(failure, "alertEndpoint") : NULL;
	}
	return false;
}

/* Gives the webhook as it is then. */
static struct webhook *
fuzz_update(struct webhook *webhook, const struct json *body)
{
	struct webhook *next = webhook_copy(webhook);
	struct faults faults = {0};
	bool changed;

	webhook_check_update(body, &fuzz_rules, &faults);
	if (!fuzz_faultless(&faults)) {
		webhook_free(next);
		return webhook;
	}
	changed = webhook_update(next, body, &fuzz_rules, &faults);
	if (!fuzz_faultless(&faults)) {
		webhook_free(next);
		return webhook;
	}
	FUZZ_CHECK(changed == !fuzz_same(webhook, next));
	fuzz_check_survives(next);
	webhook_free(webhook);
	if (!fuzz_makes_secret(body)) { /* the same request once more changes nothing */
		FUZZ_CHECK(!webhook_update(next, body, &fuzz_rules, &faults));
		FUZZ_CHECK(fuzz_faultless(&faults));
	}
	return next;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data, *end = s + size;
	struct webhook *webhook = NULL;

	while (s < end) {
		const char *line = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((line != NULL ? line : end) - s);
		struct json_doc doc = {0};
		struct json_error error;

		if (json_parse(&doc, s, n, SIZE_MAX, &error) == 0) {
			if (webhook == NULL)
				webhook = fuzz_create(doc.root);
			else
				webhook = fuzz_update(webhook, doc.root);
		}
		json_doc_clear(&doc);
		s += n + (line != NULL);
	}
	webhook_free(webhook);
	return 0;
}
