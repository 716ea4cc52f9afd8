/* The log of a webhook's attempts. */
#ifndef STORE_ATTEMPTS_H
#define STORE_ATTEMPTS_H

#include "store/store.h"

/* One record; texts are borrowed and "" where there is none. */
struct attempt_row {
	int64_t timestamp; /* ms */
	const char *event;
	const char *type;
	const char *outcome; /* delivered, retrying, diverted, dropped, failed */
	int64_t number;
	int64_t status; /* 0: no answer */
	int64_t duration_ms;
	const char *trigger;
	const char *message;
	const char *response;
	size_t response_len;
	int64_t next_at; /* ms; 0: no further attempt */
};

struct attempts_query {
	struct uuid tenant;
	struct ulid webhook;
	const char *outcome; /* "" for all */
	const char *event;   /* "" for all */
	int64_t offset;
	int64_t count;
	int64_t kept; /* --attempts-kept */
};

/* rows are borrowed until fn returns, newest first; STORE_MISSING when there is no such webhook. */
typedef void attempts_list_fn(
    void *arg, enum store_err err, const struct attempt_row *rows, size_t n, bool completed);
void attempts_list(
    struct store *store, const struct attempts_query *query, attempts_list_fn *fn, void *arg);

#endif
