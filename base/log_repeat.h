/* Which log records repeat others too often: for log.c alone. */
#ifndef BASE_LOG_REPEAT_H
#define BASE_LOG_REPEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stands for texts, one after the other; begin with 0. */
uint64_t log_repeat_mix(uint64_t sense, const char *text, size_t n);
/* Counts a record; whether it is one too many within a second. */
bool log_repeat_is_one(uint64_t sense, const char *said, int64_t now_ms);

/* The same for what `from` stands for, of which some share a place: none passes unlimited. */
bool log_repeat_is_over_share(uint64_t from, const char *said, int64_t now_ms);

struct log_repeats {
	char said[64]; /* the message, perhaps cut */
	uint64_t n;    /* how many records were left out */
};
/* What was left out in a second that is over, each once; false when there is no more. */
bool log_repeat_next(int64_t now_ms, struct log_repeats *repeats);

#endif
