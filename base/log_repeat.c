/* Which log records repeat others too often.  A few kinds of record are remembered, each for the
 * second in which it came; while more kinds than that come, those beyond pass. */
#include "base/log_repeat.h"

#include <string.h>

#define LOG_REPEAT_MAX 10 /* within a second */
#define LOG_REPEAT_KINDS 32
#define LOG_REPEAT_SHARES 8

struct log_repeat_kind {
	uint64_t sense;
	int64_t since_ms;
	unsigned seen; /* since then; 0: not in use */
	struct log_repeats left_out;
};

/* The shares stand behind the kinds. */
static struct log_repeat_kind log_repeat_kinds[LOG_REPEAT_KINDS + LOG_REPEAT_SHARES];

/* FNV-1a, 64 bits (RFC 9923). */
uint64_t
log_repeat_mix(uint64_t sense, const char *text, size_t n)
{
	uint64_t hash = sense ^ 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
	return hash;
}

static bool
log_repeat_is_over(const struct log_repeat_kind *kind, int64_t now_ms)
{
	return kind->seen == 0 || now_ms - kind->since_ms >= 1000;
}

/* The kind of that sense, or a place for it; NULL when all are taken. */
static struct log_repeat_kind *
log_repeat_find(uint64_t sense, int64_t now_ms)
{
	struct log_repeat_kind *kind, *free_one = NULL;

	for (size_t i = 0; i < LOG_REPEAT_KINDS; i++) {
		kind = &log_repeat_kinds[i];
		if (kind->seen > 0 && kind->sense == sense)
			return kind;
		if (log_repeat_is_over(kind, now_ms) && kind->left_out.n == 0)
			free_one = kind;
	}
	if (free_one != NULL)
		free_one->seen = 0;
	return free_one;
}

static bool
log_repeat_count(struct log_repeat_kind *kind, uint64_t sense, const char *said, int64_t now_ms)
{
	if (log_repeat_is_over(kind, now_ms)) {
		kind->sense = sense;
		kind->since_ms = now_ms;
		kind->seen = 0;
	}
	if (kind->seen < LOG_REPEAT_MAX) {
		kind->seen++;
		return false;
	}
	if (kind->left_out.n++ == 0) {
		size_t n = strnlen(said, sizeof kind->left_out.said - 1);

		memcpy(kind->left_out.said, said, n);
		kind->left_out.said[n] = '\0';
	}
	return true;
}

bool
log_repeat_is_one(uint64_t sense, const char *said, int64_t now_ms)
{
	struct log_repeat_kind *kind = log_repeat_find(sense, now_ms);

	return kind != NULL && log_repeat_count(kind, sense, said, now_ms);
}

bool
log_repeat_is_over_share(uint64_t from, const char *said, int64_t now_ms)
{
	size_t share = LOG_REPEAT_KINDS + from % LOG_REPEAT_SHARES;

	return log_repeat_count(&log_repeat_kinds[share], from, said, now_ms);
}

bool
log_repeat_next(int64_t now_ms, struct log_repeats *repeats)
{
	for (size_t i = 0; i < LOG_REPEAT_KINDS + LOG_REPEAT_SHARES; i++) {
		struct log_repeat_kind *kind = &log_repeat_kinds[i];

		if (kind->left_out.n == 0 || !log_repeat_is_over(kind, now_ms))
			continue;
		*repeats = kind->left_out;
		kind->left_out.n = 0;
		kind->seen = 0;
		return true;
	}
	return false;
}
