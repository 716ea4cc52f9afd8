/* A webhook from its stored forms. */
#include "base/mem.h"
#include "proto/webhook_internal.h"

static int
webhook_load_parse(struct json_doc *doc, const char *text, size_t len, const struct shape *shape)
{
	struct faults faults = {0};
	const struct shape_check check = {.egress = NULL, .faults = &faults};
	struct json_error error;
	size_t count;

	if (json_parse(doc, text, len, SIZE_MAX, &error) != 0)
		return -1;
	shape_object(&check, "", "", doc->root, shape);
	count = faults.count;
	faults_clear(&faults);
	return count == 0 ? 0 : -1;
}

/* Secret and headers come first, so that hmacEnabled finds its secret and makes none. */
static int
webhook_load_endpoint(struct endpoint *endpoint, const struct json *secrets, const struct json *doc)
{
	endpoint_merge(endpoint, secrets);
	if (endpoint->secret[0] == '\0' && member_is_true(doc, "hmacEnabled"))
		return -1;
	endpoint_merge(endpoint, doc);
	return 0;
}

static int
webhook_load_failure(
    struct failure_handling *failure, const struct json *doc, const struct json *secrets)
{
	const struct json *doc_alert = member_object(doc, "alertEndpoint");

	if ((doc_alert == NULL) != (secrets == NULL))
		return -1;
	failure_reset(failure);
	if (doc_alert != NULL) {
		failure->alert = xmalloc(sizeof(*failure->alert));
		endpoint_init(failure->alert);
		if (webhook_load_endpoint(failure->alert, secrets, doc_alert) != 0)
			return -1;
	}
	failure_merge(failure, doc);
	return 0;
}

static int
webhook_load_parts(struct webhook *webhook, const struct json *doc, const struct json *secrets)
{
	endpoint_clear(&webhook->endpoint);
	endpoint_init(&webhook->endpoint);
	strings_clear(&webhook->event_types);
	member_text(doc, "name", &webhook->name);
	member_bool(doc, "useAutomationPlugin", &webhook->use_automation_plugin);
	strings_merge(&webhook->event_types, json_get(doc, "eventTypes"), NULL);
	member_text(secrets, "previousSecret", &webhook->previous_secret);
	(void)json_int(json_get(secrets, "previousUntil"), &webhook->previous_until);
	if (webhook_load_endpoint(
		&webhook->endpoint, json_get(secrets, "endpoint"), json_get(doc, "endpoint")) != 0)
		return -1;
	return webhook_load_failure(&webhook->failure, json_get(doc, "failureHandling"),
	    json_get(secrets, "alertEndpoint"));
}

int
webhook_load(struct webhook *webhook, const char *doc, size_t doc_len, const char *secrets,
    size_t secrets_len, bool old)
{
	struct json_doc doc_json = {0}, secrets_json = {0};
	int rc = -1;

	if (webhook_load_parse(
		&doc_json, doc, doc_len, old ? &webhook_shape_old_doc : &webhook_shape_doc) == 0 &&
	    webhook_load_parse(&secrets_json, secrets, secrets_len,
		old ? &webhook_shape_old_secrets : &webhook_shape_secrets) == 0)
		rc = webhook_load_parts(webhook, doc_json.root, secrets_json.root);
	json_doc_wipe(&doc_json); /* an old one has the url */
	json_doc_wipe(&secrets_json);
	return rc;
}
