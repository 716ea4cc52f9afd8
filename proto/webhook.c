/* A webhook's life, and what follows from it as it is. */
#include "proto/webhook.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/eventtype.h"
#include "proto/webhook_internal.h"

struct webhook *
webhook_new(void)
{
	struct webhook *webhook = xcalloc(1, sizeof(*webhook));

	webhook->name = xstrdup("");
	webhook->enabled = true;
	webhook->previous_secret = xstrdup("");
	endpoint_init(&webhook->endpoint);
	failure_init(&webhook->failure);
	return webhook;
}

struct webhook *
webhook_copy(const struct webhook *webhook)
{
	struct webhook *copy = xmemdup(webhook, sizeof(*webhook));

	copy->name = xstrdup(webhook->name);
	copy->previous_secret = xstrdup(webhook->previous_secret);
	endpoint_copy(&copy->endpoint, &webhook->endpoint);
	failure_copy(&copy->failure, &webhook->failure);
	strings_copy(&copy->event_types, &webhook->event_types);
	return copy;
}

void
webhook_free(struct webhook *webhook)
{
	if (webhook == NULL)
		return;
	free(webhook->name);
	member_text_free(webhook->previous_secret);
	endpoint_clear(&webhook->endpoint);
	failure_clear(&webhook->failure);
	strings_clear(&webhook->event_types);
	free(webhook);
}

bool
webhook_is_active(const struct webhook *webhook)
{
	return webhook->enabled && webhook->suspended_at == 0;
}

bool
webhook_matches(const struct webhook *webhook, const char *type)
{
	for (size_t i = 0; i < webhook->event_types.n; i++) {
		if (subscription_matches(webhook->event_types.list[i], type))
			return true;
	}
	return false;
}
