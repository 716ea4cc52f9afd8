/* Failure handling as rules: which failures count, and what follows from them. */
#ifndef PROTO_RETRY_H
#define PROTO_RETRY_H

#include "proto/webhook.h"

#define RETRY_DELAY_MAX_MS (24 * 60 * 60 * 1000LL)
#define RETRY_AFTER_MAX_MS (60 * 60 * 1000LL)

/*
 * How long to wait before the n-th retry (from 1): interval*n (linear) or interval*2^(n-1), at most
 * 24 h, or retry_after_ms (-1: none; at most 1 h of it) when that is longer; up to 10 % of random
 * delay is added, taken from `random`.
 */
int64_t retry_delay_ms(
    const struct retry_strategy *retry, unsigned n, int64_t retry_after_ms, uint64_t random);
/* Retry-After (RFC 9110, 10.2.3), seconds or a date; -1 for NULL or when it is neither. */
int64_t retry_after_ms(const char *value, int64_t now_ms);

/* Whether a failure with that status (0: no answer) is one that the triggers name; a 3xx and an
 * interim 1xx count under 4xx. */
bool triggers_match(const struct strings *triggers, int status);

enum verdict { VERDICT_RETRY, VERDICT_DIVERT, VERDICT_DROP, VERDICT_FAIL };
const char *verdict_name(enum verdict verdict); /* retry, divert, drop, fail: for the script */

struct judgement {
	enum verdict verdict;
	int64_t delay_ms;     /* with VERDICT_RETRY */
	bool suspend;         /* the webhook */
	bool alert;           /* notify its alertEndpoint */
	const char *inactive; /* "disabled" or "suspended" takes the trigger's place; NULL */
};

/* What becomes of a delivery whose attempt (from 1) failed, by the webhook as it is now. */
struct judgement failure_judge(const struct webhook *webhook, int status, unsigned attempt,
    int64_t retry_after_ms, uint64_t random);

#endif
