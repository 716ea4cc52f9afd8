/* Answers as bytes: in one piece and byte by byte they are the same answer. */
#include <string.h>

#include "deliver/answer.h"
#include "test/fuzz/fuzz.h"

#define MAX_BODY 200
#define KEEP 100

static size_t
fuzz_feed(struct answer *answer, const char *p, size_t n, size_t piece)
{
	size_t at = 0, some, used;

	answer_reset(answer, MAX_BODY, KEEP);
	while (at < n && !answer_is_over(answer)) {
		some = n - at < piece ? n - at : piece;
		used = answer_feed(answer, p + at, some);
		FUZZ_CHECK(used == some || (used < some && answer_is_over(answer)));
		at += used;
	}
	answer_end(answer);
	return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct answer whole = {0}, bytes = {0};
	size_t used = fuzz_feed(&whole, p, size, size + 1);

	FUZZ_CHECK(fuzz_feed(&bytes, p, size, 1) == used || whole.state != ANSWER_DONE);
	FUZZ_CHECK(bytes.state == whole.state && bytes.status == whole.status);
	FUZZ_CHECK(bytes.closes == whole.closes && bytes.why == whole.why);
	FUZZ_CHECK(strcmp(bytes.retry_after, whole.retry_after) == 0);
	FUZZ_CHECK(bytes.body.len == whole.body.len && whole.body.len <= KEEP);
	FUZZ_CHECK(
	    whole.body.len == 0 || memcmp(bytes.body.data, whole.body.data, whole.body.len) == 0);
	FUZZ_CHECK(!answer_has_head(&whole) || (whole.status >= 100 && whole.status <= 599));
	FUZZ_CHECK(answer_has_head(&whole) || whole.body.len == 0);
	answer_clear(&whole);
	answer_clear(&bytes);
	return 0;
}
