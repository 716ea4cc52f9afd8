/* A webhook's JSON forms: the response and the stored texts. */
#include "proto/datetime.h"
#include "proto/webhook_internal.h"

static void
webhook_write_time(struct buf *out, const char *key, int64_t ms)
{
	char text[DATETIME_LEN + 1];

	json_key(out, key);
	datetime_format(text, ms);
	json_add_strn(out, text, DATETIME_LEN);
}

static void
webhook_write_suspension(const struct webhook *webhook, struct buf *out)
{
	bool suspended = webhook->suspended_at != 0;

	json_key(out, "suspended");
	json_add_bool(out, suspended);
	if (suspended) {
		webhook_write_time(out, "suspendedAt", webhook->suspended_at);
	} else {
		json_key(out, "suspendedAt");
		json_add_null(out);
	}
}

static void
webhook_write_event_types(const struct webhook *webhook, struct buf *out)
{
	json_key(out, "eventTypes");
	strings_write(&webhook->event_types, out);
	json_key(out, "useAutomationPlugin");
	json_add_bool(out, webhook->use_automation_plugin);
}

void
webhook_write(const struct webhook *webhook, struct buf *out, unsigned how)
{
	unsigned parts = ENDPOINT_PUBLIC | ENDPOINT_SECRET |
			 ((how & WEBHOOK_WRITE_HIDE) != 0 ? ENDPOINT_HIDE : 0);

	json_open(out, '{');
	json_key(out, "locator");
	json_add_str(out, webhook->locator.s);
	json_key(out, "name");
	json_add_str(out, webhook->name);
	json_key(out, "enabled");
	json_add_bool(out, webhook->enabled);
	endpoint_write(&webhook->endpoint, "endpoint", parts, out);
	failure_write(&webhook->failure, parts, out);
	webhook_write_suspension(webhook, out);
	webhook_write_event_types(webhook, out);
	webhook_write_time(out, "createdAt", webhook->created_at);
	webhook_write_time(out, "updatedAt", webhook->updated_at);
	json_key(out, "version");
	json_add_int(out, webhook->version);
	if ((how & WEBHOOK_WRITE_OPEN) == 0)
		json_close(out, '}');
}

void
webhook_store_doc(const struct webhook *webhook, struct buf *out)
{
	json_open(out, '{');
	json_key(out, "name");
	json_add_str(out, webhook->name);
	endpoint_write(&webhook->endpoint, "endpoint", ENDPOINT_PUBLIC, out);
	failure_write(&webhook->failure, ENDPOINT_PUBLIC, out);
	webhook_write_event_types(webhook, out);
	json_close(out, '}');
}

void
webhook_store_secrets(const struct webhook *webhook, struct buf *out)
{
	json_open(out, '{');
	endpoint_write(&webhook->endpoint, "endpoint", ENDPOINT_SECRET, out);
	if (webhook->failure.alert != NULL)
		endpoint_write(webhook->failure.alert, "alertEndpoint", ENDPOINT_SECRET, out);
	json_key(out, "previousSecret");
	json_add_str(out, webhook->previous_secret);
	json_key(out, "previousUntil");
	json_add_int(out, webhook->previous_until);
	json_close(out, '}');
}
