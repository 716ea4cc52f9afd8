/* Failure handling: defaults, merging, and its JSON. */
#include <stdlib.h>

#include "base/mem.h"
#include "proto/webhook_internal.h"

#define FAILURE_ATTEMPTS 3
#define FAILURE_INTERVAL 10 /* seconds */

void
failure_init(struct failure_handling *failure)
{
	*failure = (struct failure_handling){0};
	strings_add(&failure->triggers, "4xx");
	strings_add(&failure->triggers, "5xx");
	strings_add(&failure->triggers, "timeout");
}

void
failure_copy(struct failure_handling *to, const struct failure_handling *from)
{
	*to = *from;
	strings_copy(&to->triggers, &from->triggers);
	if (from->alert != NULL) {
		to->alert = xmalloc(sizeof(*to->alert));
		endpoint_copy(to->alert, from->alert);
	}
}

static void
failure_drop_alert(struct failure_handling *failure)
{
	if (failure->alert != NULL)
		endpoint_clear(failure->alert);
	free(failure->alert);
	failure->alert = NULL;
}

void
failure_clear(struct failure_handling *failure)
{
	strings_clear(&failure->triggers);
	failure_drop_alert(failure);
	*failure = (struct failure_handling){0};
}

void
failure_reset(struct failure_handling *failure)
{
	failure_clear(failure);
	failure_init(failure);
}

static void
failure_merge_triggers(struct failure_handling *failure, const struct json *body)
{
	const struct json *whole = json_get(body, "triggers");

	if (whole != NULL) {
		strings_clear(&failure->triggers);
		strings_merge(&failure->triggers, whole, NULL);
	}
	strings_merge(
	    &failure->triggers, json_get(body, "addTriggers"), json_get(body, "removeTriggers"));
}

static void
failure_merge_retry(struct retry_strategy *retry, const struct json *body)
{
	const struct json *strategy = member_object(body, "retryStrategy");
	const struct json *type;

	if (member_is_true(body, "removeRetryStrategy"))
		*retry = (struct retry_strategy){0};
	if (strategy == NULL)
		return;
	if (retry->attempts == 0) {
		retry->attempts = FAILURE_ATTEMPTS;
		retry->interval_seconds = FAILURE_INTERVAL;
		retry->type = RETRY_EXPONENTIAL;
	}
	(void)member_uint(strategy, "attempts", &retry->attempts);
	/* the second name of each is that of old stored documents; requests cannot have it */
	if (!member_uint(strategy, "interval", &retry->interval_seconds))
		(void)member_uint(strategy, "intervalSeconds", &retry->interval_seconds);
	type = json_get(strategy, "type");
	if (type == NULL)
		type = json_get(strategy, "pattern");
	if (type != NULL)
		retry->type = json_str_is(type, "linear") ? RETRY_LINEAR : RETRY_EXPONENTIAL;
}

static void
failure_merge_alert(struct failure_handling *failure, const struct json *body)
{
	const struct json *alert = member_object(body, "alertEndpoint");
	bool is_new = false;

	if (member_is_true(body, "removeAlertEndpoint"))
		failure_drop_alert(failure);
	if (alert == NULL)
		return;
	if (failure->alert == NULL) {
		failure->alert = xmalloc(sizeof(*failure->alert));
		endpoint_init(failure->alert);
		is_new = true;
	}
	endpoint_merge(failure->alert, alert);
	if (is_new)
		endpoint_default_hmac(failure->alert, alert);
}

void
failure_merge(struct failure_handling *failure, const struct json *body)
{
	failure_merge_triggers(failure, body);
	failure_merge_retry(&failure->retry, body);
	failure_merge_alert(failure, body);
	member_bool(body, "divert", &failure->divert);
	member_bool(body, "suspend", &failure->suspend);
}

static void
failure_write_retry(const struct retry_strategy *retry, struct buf *out)
{
	json_key(out, "retryStrategy");
	if (retry->attempts == 0) {
		json_add_null(out);
		return;
	}
	json_open(out, '{');
	json_key(out, "attempts");
	json_add_int(out, retry->attempts);
	json_key(out, "interval");
	json_add_int(out, retry->interval_seconds);
	json_key(out, "type");
	json_add_str(out, retry->type == RETRY_LINEAR ? "linear" : "exponential");
	json_close(out, '}');
}

void
failure_write(const struct failure_handling *failure, unsigned alert_parts, struct buf *out)
{
	json_key(out, "failureHandling");
	json_open(out, '{');
	json_key(out, "triggers");
	strings_write(&failure->triggers, out);
	failure_write_retry(&failure->retry, out);
	if (failure->alert != NULL) {
		endpoint_write(failure->alert, "alertEndpoint", alert_parts, out);
	} else {
		json_key(out, "alertEndpoint");
		json_add_null(out);
	}
	json_key(out, "divert");
	json_add_bool(out, failure->divert);
	json_key(out, "suspend");
	json_add_bool(out, failure->suspend);
	json_close(out, '}');
}
