/* The store as a whole: opening it, whether it is up, and the hints of other instances. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "base/histogram.h"
#include "proto/id.h"
#include "proto/secretbox.h"

struct store;

enum store_err {
	STORE_OK,
	STORE_UNAVAILABLE, /* Redis is away, refuses to write, or did not answer: it may have run */
	STORE_UNREPLICATED, /* it has run, but fewer than redis_wait replicas have it */
	STORE_MISSING,
	STORE_STALE,     /* the version is another by now */
	STORE_LIMIT,     /* a limit was reached */
	STORE_UNREADABLE /* what is stored is damaged, or sealed under a key that is not given */
};

struct store_opts {
	struct event_base *base;
	const char *redis_uri;      /* as --redis has it */
	const char *redis_password; /* instead of the one in it; NULL for none */
	unsigned shards;
	int64_t timeout_ms;              /* of each command */
	const struct secretbox *secrets; /* the keys for webhooks' secrets; borrowed */
	int64_t redis_wait; /* replicas that must have a publish before it is acknowledged */
	void (*on_up)(void *arg);
	void (*on_down)(void *arg);
	/* At the start: what is stored does not fit this program (schema, shards, secrets), so it
	 * should end.  What comes to be so later only keeps the store down. */
	void (*on_misfit)(void *arg, const char *why);
	/* Another instance or this one changed the webhook. */
	void (*on_webhook_hint)(void *arg, const struct ulid *webhook);
	/* Something in some queue became due early. */
	void (*on_due_hint)(void *arg);
	void *arg;
};

/* Callbacks of every store operation run exactly once and never before the call returned, with
 * STORE_UNAVAILABLE at the latest within store_free(). */
struct store *store_new(const struct store_opts *opts, const char **why);
void store_free(struct store *store);
bool store_is_up(const struct store *store);
/* Why it is not up, in Redis' words or ours; NULL when it is, "" when that is not known. */
const char *store_trouble(const struct store *store);
/* Takes other keys into use (borrowed) and brings what is stored under the first of them. */
void store_use_secrets(struct store *store, const struct secretbox *secrets);
/* Another password, for the connections to come. */
void store_use_password(struct store *store, const char *password);

struct store_stats {
	uint64_t commands;   /* sent to Redis */
	uint64_t errors;     /* of them, refused */
	uint64_t unanswered; /* of them, lost with the connection */
	uint64_t connects;   /* tried */
	uint64_t losses;     /* of connections that were up */
	size_t pending;
	struct histogram latency; /* from sending a command to its answer */
};
void store_stats(const struct store *store, struct store_stats *stats);

#endif
