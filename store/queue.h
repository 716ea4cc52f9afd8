/* The queues: claiming due deliveries, and ending leases. */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "proto/event.h"
#include "proto/retry.h"
#include "store/store.h"

/*
 * A queue member is owed until removed.  Its lease is named by its end (ms, Redis' clock): scripts
 * that end a lease otherwise than by a 2xx act only if it is still the caller's.
 */

/* A webhook's queue, or that of its alert notices: "<locator>" or "<locator>:alert". */
struct queue_name {
	char s[ULID_LEN + sizeof ":alert"];
};

struct queue_name queue_name(const struct ulid *webhook, bool alert);

/* --- claiming --- */

struct claim_event {
	struct ulid locator;
	unsigned attempts; /* made before */
	struct event_parts parts;
};

struct claim_group {
	struct ulid webhook;
	bool alert; /* these are notices for its alertEndpoint */
	struct uuid tenant;
	int64_t version; /* of the webhook now; it is active, but for alerts */
	struct claim_event *events;
	size_t n;
};

/* Taken off the queue of a webhook that was found suspended or disabled. */
struct claim_swept {
	struct ulid webhook;
	struct uuid tenant;
	bool disabled;
	uint64_t diverted;
	uint64_t dropped;
};

struct claim_result {
	int64_t lease_end;
	int64_t position;   /* to go on from; -1 when all due queues were looked at */
	bool more;          /* queues that were not passed over still have due deliveries */
	int64_t next_in_ms; /* until the next queue is due; -1 for none */
	struct claim_group *groups;
	size_t n;
	struct claim_swept *swept;
	size_t nswept;
	size_t unreadable; /* events that nobody can read: they were ended as failed */
};

/* A queue with another room than `each`. */
struct claim_limit {
	struct queue_name queue;
	size_t first_tries;
	size_t retries; /* besides */
};

/* A tenant that has another room here than `of_tenant`. */
struct claim_tenant {
	struct uuid tenant;
	size_t room;
};

struct claim_request {
	unsigned shard;
	int64_t lease_ms;
	size_t wanted;    /* deliveries at most */
	size_t each;      /* first tries of one queue at most, but for those with a limit */
	int64_t position; /* in the shard's wake-up index; 0 to begin */
	const struct claim_limit *limits;
	size_t nlimits;
	size_t npassed;   /* limits of them that are 0: these cost little, and may be looked at
			     besides */
	size_t of_tenant; /* of one tenant at most */
	const struct claim_tenant *tenants;
	size_t ntenants;
	int64_t max_diverted;  /* of a webhook */
	int64_t attempts_kept; /* likewise */
};

#define CLAIM_LOOKS_MAX 100 /* queues that one claim looks into */

/* The result is borrowed until fn returns; NULL unless STORE_OK. */
typedef void queue_claim_fn(void *arg, enum store_err err, const struct claim_result *result);
void queue_claim(
    struct store *store, const struct claim_request *request, queue_claim_fn *fn, void *arg);

/* Which shards have due queues: one command for all of them.  in_ms[i] is how long until shard i
 * has one (0: now), -1 for none.  Borrowed.  lease_ms: as claims have it. */
typedef void queue_due_fn(void *arg, enum store_err err, const int64_t *in_ms, unsigned shards);
void queue_due(struct store *store, int64_t lease_ms, queue_due_fn *fn, void *arg);

unsigned queue_shards(const struct store *store);
unsigned queue_shard(const struct store *store, const struct uuid *tenant);

/* --- ending leases --- */

/* What an attempt brought, for its record; texts are borrowed during the call. */
struct attempt {
	struct ulid event;
	const char *type;
	unsigned number; /* 1 for the first try */
	int64_t lease_end;
	int status; /* 0: no answer */
	int64_t duration_ms;
	const char *trigger;  /* "503", "timeout"; "" for a success */
	const char *message;  /* "" for a success */
	const char *response; /* the answer's first bytes, made UTF-8 by the caller */
	size_t response_len;
};

#define ACK_MAX 100 /* attempts in one queue_ack() */

/* settled: how many of them were still owed. */
typedef void queue_end_fn(void *arg, enum store_err err, int64_t settled);
/* Answered with 2xx: they leave the queue.  Safe to repeat. */
void queue_ack(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t attempts_kept, const struct attempt *attempts, size_t n, queue_end_fn *fn, void *arg);

/* A failed attempt, and what is to become of it. */
struct failure {
	struct attempt attempt;
	int64_t version; /* of the webhook that it was judged by */
	struct judgement judgement;
	const char *request_id; /* of the event; borrowed */
};

enum fail_outcome {
	FAIL_GONE,  /* the lease is somebody else's by now, or the webhook was deleted */
	FAIL_MOVED, /* the webhook is of another version: judge again */
	FAIL_DONE
};
/* verdict: what was done; a full list of diverted events turns VERDICT_DIVERT into VERDICT_DROP. */
typedef void queue_fail_fn(
    void *arg, enum store_err err, enum fail_outcome outcome, enum verdict verdict);
/* Safe to repeat. */
void queue_fail(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t attempts_kept, int64_t max_diverted, const struct failure *failure, queue_fail_fn *fn,
    void *arg);

/* The end of attempts to deliver alert notices: delivered, given up, or put off. */
enum alert_end { ALERT_DELIVERED, ALERT_GIVEN_UP, ALERT_RETRY };
void queue_end_alert(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    enum alert_end end, const struct attempt *attempt, int64_t delay_ms, queue_end_fn *fn,
    void *arg);

/* An attempt that no queue knows of: a test event's. */
void queue_record_test(struct store *store, const struct uuid *tenant, const struct ulid *webhook,
    int64_t attempts_kept, const struct attempt *attempt, queue_end_fn *fn, void *arg);

struct lease {
	struct ulid event;
	int64_t end;
};

/* Not started: due now for whoever has room; `tell` wakes the others.  At most ACK_MAX. */
void queue_release(struct store *store, const struct uuid *tenant, const struct queue_name *queue,
    const struct lease *leases, size_t n, bool tell, queue_end_fn *fn, void *arg);

#endif
