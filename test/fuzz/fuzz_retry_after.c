/* Retry-After and the delay that comes of it: bounds, and seconds by plain arithmetic. */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "proto/datetime.h"
#include "proto/retry.h"
#include "test/fuzz/fuzz.h"

#define NOW_MS INT64_C(1800000000000)

/* Seconds as digits with blanks behind them, cut to the most that counts; -1: not that. */
static int64_t
fuzz_reference(const char *s)
{
	int64_t ms = 0;

	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9'; s++) {
		ms = ms * 10 + (*s - '0') * 1000;
		if (ms > RETRY_AFTER_MAX_MS)
			ms = RETRY_AFTER_MAX_MS;
	}
	return s[strspn(s, " \t")] == '\0' ? ms : -1;
}

static void
fuzz_check_delay(int64_t after_ms, size_t size)
{
	struct retry_strategy retry = {.attempts = RETRY_ATTEMPTS_MAX,
	    .interval_seconds = 1 + (unsigned)(size * 7919 % RETRY_INTERVAL_MAX),
	    .type = size % 2 == 0 ? RETRY_LINEAR : RETRY_EXPONENTIAL};
	int64_t wait = after_ms < RETRY_AFTER_MAX_MS ? after_ms : RETRY_AFTER_MAX_MS, delay;

	for (unsigned n = 1; n <= RETRY_ATTEMPTS_MAX; n++) {
		delay = retry_delay_ms(&retry, n, after_ms, UINT64_MAX / n);
		FUZZ_CHECK(delay >= wait);
		FUZZ_CHECK(delay >= (int64_t)retry.interval_seconds * 1000);
		FUZZ_CHECK(delay <= RETRY_DELAY_MAX_MS / 10 * 11);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *value = xstrndup((const char *)data, size);
	int64_t ms = retry_after_ms(value, NOW_MS), expected = fuzz_reference(value), at;
	size_t n = strlen(value);

	FUZZ_CHECK(ms >= -1);
	if (expected >= 0)
		FUZZ_CHECK((ms < RETRY_AFTER_MAX_MS ? ms : RETRY_AFTER_MAX_MS) == expected);
	else if (http_date_parse(value, n, &at) == 0)
		FUZZ_CHECK(ms == (at > NOW_MS ? at - NOW_MS : 0));
	else if (n == 0 || strchr(" \t", value[n - 1]) == NULL)
		FUZZ_CHECK(ms == -1);
	fuzz_check_delay(ms, size);
	free(value);
	return 0;
}
