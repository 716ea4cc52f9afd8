/* Creating and updating a webhook: the request is judged, merged, and the result judged. */
#include <string.h>

#include "base/mem.h"
#include "proto/webhook_internal.h"

/* Where a request names the things whose limits are judged on the result. */
struct webhook_merge_names {
	const char *event_types;
	const char *headers;
};

static const struct webhook_merge_names webhook_merge_create_names = {"eventTypes", "headers"};
static const struct webhook_merge_names webhook_merge_update_names = {
    "addEventTypes", "addHeaders"};

static void
webhook_merge_judge_limits(
    const struct webhook *webhook, const struct webhook_merge_names *names, struct faults *faults)
{
	if (webhook->event_types.n > WEBHOOK_EVENT_TYPES_MAX)
		faults_add(faults, "", names->event_types, "makes more than %d event types",
		    WEBHOOK_EVENT_TYPES_MAX);
	headers_judge(&webhook->endpoint.headers, "endpoint", names->headers, faults);
	if (webhook->failure.alert != NULL)
		headers_judge(&webhook->failure.alert->headers, "failureHandling.alertEndpoint",
		    names->headers, faults);
}

static void
webhook_merge_judge_tags(const struct webhook *webhook, struct faults *faults)
{
	endpoint_judge_tag(&webhook->endpoint, "endpoint", faults);
	if (webhook->failure.alert != NULL)
		endpoint_judge_tag(webhook->failure.alert, "failureHandling.alertEndpoint", faults);
}

static void
webhook_merge_body(struct webhook *webhook, const struct json *body)
{
	const struct json *endpoint = member_object(body, "endpoint");
	const struct json *failure = member_object(body, "failureHandling");

	member_text(body, "name", &webhook->name);
	member_bool(body, "enabled", &webhook->enabled);
	member_bool(body, "useAutomationPlugin", &webhook->use_automation_plugin);
	if (endpoint != NULL)
		endpoint_merge(&webhook->endpoint, endpoint);
	if (member_is_true(body, "removeFailureHandling"))
		failure_reset(&webhook->failure);
	if (failure != NULL)
		failure_merge(&webhook->failure, failure);
	strings_merge(&webhook->event_types, json_get(body, "eventTypes"), NULL);
	strings_merge(&webhook->event_types, json_get(body, "addEventTypes"),
	    json_get(body, "removeEventTypes"));
}

void
webhook_create(struct webhook *webhook, const struct json *body, const struct webhook_rules *rules,
    struct faults *faults)
{
	const struct shape_check check = {.egress = rules->egress, .faults = faults};

	shape_object(&check, "", "", body, &webhook_shape_create);
	if (body->type != JSON_OBJECT)
		return;
	webhook_merge_body(webhook, body);
	if (member_object(body, "endpoint") != NULL)
		endpoint_default_hmac(&webhook->endpoint, member_object(body, "endpoint"));
	webhook_merge_judge_limits(webhook, &webhook_merge_create_names, faults);
	webhook_merge_judge_tags(webhook, faults);
}

void
webhook_check_update(
    const struct json *body, const struct webhook_rules *rules, struct faults *faults)
{
	const struct shape_check check = {.egress = rules->egress, .faults = faults};
	struct webhook *scratch;

	shape_object(&check, "", "", body, &webhook_shape_update);
	if (body->type != JSON_OBJECT)
		return;
	/* what is too much for an empty webhook is too much for any: all that is added stays */
	scratch = webhook_new();
	webhook_merge_body(scratch, body);
	webhook_merge_judge_limits(scratch, &webhook_merge_update_names, faults);
	webhook_free(scratch);
}

static void
webhook_merge_drop_previous(struct webhook *webhook)
{
	member_text_set(&webhook->previous_secret, "");
	webhook->previous_until = 0;
}

/*
 * After the merge: what becomes of the secret in use `before`.  It goes on signing only if it was
 * signing, and beside a new one.  secretOverlapSeconds without a change of the secret shortens
 * what is left for the previous one and never prolongs it, so that a repeated request does no harm.
 */
static void
webhook_merge_previous(struct webhook *webhook, const char *before, bool was_signing,
    const struct json *body, const struct webhook_rules *rules)
{
	const struct json *endpoint = member_object(body, "endpoint");
	unsigned seconds = 0;
	bool given = endpoint != NULL && member_uint(endpoint, "secretOverlapSeconds", &seconds);
	int64_t until =
	    rules->now_ms + (given ? (int64_t)seconds * 1000 : rules->secret_overlap_ms);

	if (strcmp(before, webhook->endpoint.secret) == 0) {
		if (given && until < webhook->previous_until)
			webhook->previous_until = until;
	} else if (was_signing && webhook->endpoint.secret[0] != '\0') {
		member_text_set(&webhook->previous_secret, before);
		webhook->previous_until = until;
	} else {
		webhook_merge_drop_previous(webhook);
	}
}

/* All that a request can change, as text to compare. */
static struct buf
webhook_merge_snapshot(const struct webhook *webhook)
{
	struct buf snapshot = {.secret = true};

	json_add_bool(&snapshot, webhook->enabled);
	webhook_store_doc(webhook, &snapshot);
	webhook_store_secrets(webhook, &snapshot);
	return snapshot;
}

bool
webhook_update(struct webhook *webhook, const struct json *body, const struct webhook_rules *rules,
    struct faults *faults)
{
	struct buf before = webhook_merge_snapshot(webhook), after;
	char *secret = xstrdup(webhook->endpoint.secret);
	bool was_signing = webhook->endpoint.hmac_enabled, changed;

	webhook_merge_body(webhook, body);
	webhook_merge_judge_limits(webhook, &webhook_merge_update_names, faults);
	webhook_merge_judge_tags(webhook, faults);
	if (webhook->failure.alert != NULL && webhook->failure.alert->url[0] == '\0')
		faults_add(faults, "failureHandling.alertEndpoint", "url", "is required");
	webhook_merge_previous(webhook, secret, was_signing, body, rules);

	after = webhook_merge_snapshot(webhook);
	changed = before.len != after.len || memcmp(before.data, after.data, after.len) != 0;
	if (changed && webhook->previous_until <= rules->now_ms)
		webhook_merge_drop_previous(webhook);
	member_text_free(secret);
	buf_clear(&before);
	buf_clear(&after);
	return changed;
}
