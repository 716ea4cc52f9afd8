/* Failure handling as rules (contract.md, sections 2 and 4). */
#include <stdlib.h>
#include <string.h>

#include "proto/datetime.h"
#include "proto/retry.h"

int64_t
retry_delay_ms(
    const struct retry_strategy *retry, unsigned n, int64_t retry_after_ms, uint64_t random)
{
	int64_t delay = (int64_t)retry->interval_seconds * 1000;

	if (retry->type == RETRY_LINEAR)
		delay *= n;
	else
		for (unsigned i = 1; i < n && delay < RETRY_DELAY_MAX_MS; i++)
			delay *= 2;
	if (delay > RETRY_DELAY_MAX_MS)
		delay = RETRY_DELAY_MAX_MS;
	if (retry_after_ms > RETRY_AFTER_MAX_MS)
		retry_after_ms = RETRY_AFTER_MAX_MS;
	if (delay < retry_after_ms)
		delay = retry_after_ms;
	return delay + (int64_t)(random % (uint64_t)(delay / 10 + 1));
}

int64_t
retry_after_ms(const char *value, int64_t now_ms)
{
	size_t n = value == NULL ? 0 : strlen(value);
	int64_t at;

	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	if (n == 0)
		return -1;
	if (strspn(value, "0123456789") == n) {
		n -= strspn(value, "0");
		return n > 6 ? RETRY_AFTER_MAX_MS : strtol(value, NULL, 10) * 1000;
	}
	if (http_date_parse(value, n, &at) != 0)
		return -1;
	return at > now_ms ? at - now_ms : 0;
}

static bool
trigger_matches(const char *trigger, int status)
{
	if (strcmp(trigger, "timeout") == 0)
		return status == 0;
	if (strcmp(trigger, "4xx") == 0)
		return status > 0 && status < 500;
	if (strcmp(trigger, "5xx") == 0)
		return status >= 500;
	return strtol(trigger, NULL, 10) == status;
}

bool
triggers_match(const struct strings *triggers, int status)
{
	for (size_t i = 0; i < triggers->n; i++)
		if (trigger_matches(triggers->list[i], status))
			return true;
	return false;
}

const char *
verdict_name(enum verdict verdict)
{
	static const char *const names[] = {"retry", "divert", "drop", "fail"};

	return names[verdict];
}

struct judgement
failure_judge(const struct webhook *webhook, int status, unsigned attempt, int64_t retry_after_ms,
    uint64_t random)
{
	const struct failure_handling *failure = &webhook->failure;
	struct judgement judgement = {.verdict = VERDICT_FAIL};

	if (!webhook_is_active(webhook)) {
		judgement.inactive = webhook->enabled ? "suspended" : "disabled";
		judgement.verdict = failure->divert ? VERDICT_DIVERT : VERDICT_DROP;
		return judgement;
	}
	if (!triggers_match(&failure->triggers, status))
		return judgement;
	if (attempt <= failure->retry.attempts) {
		judgement.verdict = VERDICT_RETRY;
		judgement.delay_ms =
		    retry_delay_ms(&failure->retry, attempt, retry_after_ms, random);
		return judgement;
	}
	if (failure->divert)
		judgement.verdict = VERDICT_DIVERT;
	judgement.suspend = failure->suspend;
	judgement.alert = failure->alert != NULL;
	return judgement;
}
