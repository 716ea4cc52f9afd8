/* The stored webhooks. */
#ifndef STORE_WEBHOOKS_H
#define STORE_WEBHOOKS_H

#include "proto/webhook.h"
#include "store/store.h"

/* webhook is given to the caller; NULL unless STORE_OK. */
typedef void webhooks_get_fn(void *arg, enum store_err err, struct webhook *webhook);
/* STORE_MISSING also when it is another tenant's. */
void webhooks_get(struct store *store, const struct uuid *tenant, const struct ulid *locator,
    webhooks_get_fn *fn, void *arg);

typedef void webhooks_put_fn(void *arg, enum store_err err, int64_t version);
/*
 * Writes a webhook, complete with its times, if the stored version still is webhook->version (0: it
 * must not exist); version is then the new one.  STORE_STALE when it is another, STORE_MISSING when
 * it was deleted, STORE_LIMIT when the tenant has max_webhooks already.
 */
void webhooks_put(struct store *store, const struct webhook *webhook, int64_t max_webhooks,
    webhooks_put_fn *fn, void *arg);

typedef void webhooks_delete_fn(void *arg, enum store_err err);
/* With its queue, attempts and diverted events.  version -1 stands for any. */
void webhooks_delete(struct store *store, const struct uuid *tenant, const struct ulid *locator,
    int64_t version, webhooks_delete_fn *fn, void *arg);

struct webhook_counters {
	int64_t pending, diverted, delivered, failed, dropped;
	int64_t last_delivered_at, last_failed_at; /* ms; 0 for never */
};

struct webhook_row {
	struct webhook *webhook; /* the caller may take it and leave NULL */
	struct webhook_counters counters;
};

typedef void webhooks_page_fn(
    void *arg, enum store_err err, struct webhook_row *rows, size_t n, const struct ulid *last);
/*
 * Up to count webhooks behind `after` ("" to begin), in the order of their locators.  rows are
 * borrowed; *last is where to go on, "" when these were the last ones.
 */
void webhooks_page(struct store *store, const struct uuid *tenant, const struct ulid *after,
    unsigned count, bool counters, webhooks_page_fn *fn, void *arg);

#endif
