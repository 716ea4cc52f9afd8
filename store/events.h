/* The stored events: publishing them, and reading the stream. */
#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include "proto/event.h"
#include "store/store.h"

/* --- publishing --- */

/* Where one event goes. */
enum target_how {
	TARGET_LEASED,   /* leased to this instance, which is to deliver it now */
	TARGET_WAITING,  /* due now, for whoever has room */
	TARGET_OVERFLOW, /* the webhook's queue was full: diverted or dropped */
	TARGET_SUSPENDED /* likewise, as the webhook is suspended */
};

struct publish_target {
	struct ulid webhook;
	int64_t version; /* of the webhook now */
	enum target_how how;
};

struct publish_event {
	struct ulid locator;
	const struct publish_target *targets;
	size_t ntargets;
};

enum publish_outcome {
	PUBLISH_STORED,
	PUBLISH_REPLAYED, /* the Idempotency-Key was known: locators and user only */
	PUBLISH_CONFLICT, /* known, with another body */
	PUBLISH_FANOUT,   /* more deliveries than allowed */
	PUBLISH_WORK,     /* more subscriptions to look up than one step may */
	PUBLISH_FULL      /* more bytes than the tenant may have */
};

struct publish_result {
	enum publish_outcome outcome;
	struct publish_event *events; /* as many as drafts, in order */
	size_t n;
	struct uuid user;  /* of the events without a userLocator; "" for none */
	int64_t lease_end; /* ms, Redis' clock: the token of the leases */
	bool much; /* the tenant nears the bytes that it may have: its stream is to be trimmed */
};

/* How many deliveries of a webhook may be leased. */
struct publish_room {
	struct ulid webhook;
	size_t leases;
};

/* drafts, the body and the texts are borrowed until fn runs, rooms until the call returns. */
struct publish_request {
	struct uuid tenant;
	const struct event_draft *drafts;
	size_t n;
	struct uuid user;            /* of the drafts without a userLocator; "" for none */
	const char *idempotency_key; /* NULL: none */
	const void *body;            /* what was sent, for comparing replays */
	size_t body_len;
	int64_t idempotency_ttl_ms;
	int64_t request_ttl_ms;
	int64_t max_fanout;
	int64_t max_webhooks;
	int64_t max_pending;
	int64_t max_diverted;
	int64_t attempts_kept;
	int64_t max_tenant_bytes;
	int64_t lease_ms;
	size_t max_leases;                /* of this request, at most; what is not leased waits */
	size_t leases_each;               /* of one webhook, at most */
	const struct publish_room *rooms; /* webhooks of which other numbers may be leased */
	size_t nrooms;
	const char *trace_parent; /* "" for none */
	const char *trace_state;
	bool note_tenant; /* note the tenant for trimming */
};

/* The result is borrowed until fn returns; NULL unless STORE_OK or STORE_UNREPLICATED. */
typedef void events_publish_fn(void *arg, enum store_err err, const struct publish_result *result);
void events_publish(
    struct store *store, const struct publish_request *request, events_publish_fn *fn, void *arg);

/* --- reading --- */

/* parts are borrowed until fn returns. */
typedef void events_read_fn(
    void *arg, enum store_err err, const struct event_parts *const *parts, size_t n);
/* One event; STORE_MISSING when the stream has it no longer, or it is another tenant's. */
void events_get(struct store *store, const struct uuid *tenant, const struct ulid *locator,
    events_read_fn *fn, void *arg);
/* Those of one request, in order; none is STORE_OK with n = 0.  Their data is max_bytes at most,
 * and the last event's. */
void events_by_request(struct store *store, const struct uuid *tenant,
    const struct ulid *request_id, int64_t max_bytes, events_read_fn *fn, void *arg);

struct stream_id {
	int64_t ms;
	uint32_t seq;
};

struct events_query {
	struct uuid tenant;
	struct stream_id after; /* exclusive when `exclusive`, else inclusive */
	bool exclusive;
	bool newest_first; /* goes back from `after` */
	int64_t end_ms;    /* exclusive, or inclusive when it goes back; -1 for none */
	const char *type;  /* "" for all; borrowed until fn runs */
	unsigned page_size;
};

typedef void events_list_fn(void *arg, enum store_err err, const struct event_parts *const *parts,
    size_t n, const struct stream_id *last, bool more);
/* One page; *last is the place of the last entry looked at (that of the query if there was none).
 */
void events_list(
    struct store *store, const struct events_query *query, events_list_fn *fn, void *arg);

#endif
