/* Diverted events: kept, whatever is trimmed, until they are sent again or deleted. */
#ifndef STORE_DIVERTED_H
#define STORE_DIVERTED_H

#include "proto/event.h"
#include "store/store.h"

struct diverted_row {
	const char *failure_trigger;
	const char *failure_message;
	int64_t failure_timestamp; /* ms */
	int64_t attempts;
	struct event_parts event;
};

/* rows are borrowed until fn returns, oldest first; STORE_MISSING when there is no such webhook, or
 * no such diverted event. */
typedef void diverted_list_fn(
    void *arg, enum store_err err, const struct diverted_row *rows, size_t n, bool completed);
void diverted_list(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t offset, int64_t count, diverted_list_fn *fn, void *arg);
void diverted_get(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct ulid *event, diverted_list_fn *fn, void *arg);

/* STORE_MISSING as above, STORE_STALE when the webhook is not active, STORE_LIMIT when its queue
 * has max_pending. */
typedef void diverted_end_fn(void *arg, enum store_err err);
void diverted_delete(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct ulid *event, diverted_end_fn *fn, void *arg);
/* Back into the queue in one step, with its attempts counted afresh. */
void diverted_resend(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    const struct ulid *event, int64_t max_pending, diverted_end_fn *fn, void *arg);

/* All that are there now, in steps; stops early after `most`, and where the queue is full, and then
 * is not completed.  What fails again meanwhile and is diverted again is not sent a second time. */
typedef void diverted_resend_all_fn(void *arg, enum store_err err, int64_t resent, bool completed);
void diverted_resend_all(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t most, int64_t max_pending, diverted_resend_all_fn *fn, void *arg);

#endif
