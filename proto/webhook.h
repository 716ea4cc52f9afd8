/* A webhook: its parts, the rules for them, and its JSON forms. */
#ifndef PROTO_WEBHOOK_H
#define PROTO_WEBHOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/address.h"
#include "proto/fault.h"
#include "proto/id.h"
#include "proto/json.h"

#define WEBHOOK_NAME_MAX 255 /* characters */
#define WEBHOOK_EVENT_TYPES_MAX 100
#define HEADER_VALUES_MAX 50  /* of an endpoint */
#define HEADER_BYTES_MAX 8192 /* names (once per value, as sent) and values of an endpoint */
#define RETRY_ATTEMPTS_MAX 10
#define ENDPOINT_TIMEOUT_MAX 60 /* seconds */
#define RETRY_INTERVAL_MAX 86400

/* A header with its values in order. */
struct header {
	char *name; /* as the client spelt it */
	char **values;
	size_t nvalues;
};

struct headers {
	struct header *list;
	size_t n;
};

struct endpoint {
	char *url;
	char *secret; /* "" for none */
	char *tag;    /* "" for none */
	bool hmac_enabled;
	bool secure_ssl;
	unsigned timeout_seconds; /* of an attempt; 0: as long as the process has it */
	struct headers headers;
};

enum retry_type { RETRY_EXPONENTIAL, RETRY_LINEAR };

struct retry_strategy {
	unsigned attempts; /* retries after the first try; 0 means there is no retryStrategy */
	unsigned interval_seconds;
	enum retry_type type;
};

/* Texts such as "4xx" or "503", in the order given, without duplicates. */
struct strings {
	char **list;
	size_t n;
};

struct failure_handling {
	struct strings triggers;
	struct retry_strategy retry;
	struct endpoint *alert; /* NULL for none */
	bool divert;
	bool suspend;
};

struct webhook {
	struct ulid locator;
	struct uuid tenant;
	int64_t version;
	int64_t created_at;   /* ms */
	int64_t updated_at;   /* ms */
	int64_t suspended_at; /* ms; 0 when it is not suspended */
	char *name;
	bool enabled;
	bool use_automation_plugin;
	struct endpoint endpoint;
	struct failure_handling failure;
	struct strings event_types;
	char *previous_secret;  /* "" or the secret that still signs beside the new one ... */
	int64_t previous_until; /* ... until then (ms, wall clock) */
};

/* What the rules depend on besides the body. */
struct webhook_rules {
	const struct egress *egress; /* NULL: addresses in URLs are not judged */
	int64_t now_ms;              /* wall clock */
	int64_t secret_overlap_ms;   /* how long a replaced secret goes on signing */
};

/* A webhook with every default and no name, url or event types.  webhook_free() it. */
struct webhook *webhook_new(void);
struct webhook *webhook_copy(const struct webhook *webhook); /* gives a deep copy */
void webhook_free(struct webhook *webhook);                  /* wipes secrets; NULL is fine */

/*
 * Fills a new webhook from a CreateWebhookRequest; times, locator, tenant and version are the
 * caller's to set.  All faults are gathered in *faults; the webhook may be used only when there
 * were none.
 */
void webhook_create(struct webhook *webhook, const struct json *body,
    const struct webhook_rules *rules, struct faults *faults);

/*
 * Judges an UpdateWebhookRequest by itself, without the webhook: types, spellings, unknown
 * properties, what is wrong whatever the webhook is.
 */
void webhook_check_update(
    const struct json *body, const struct webhook_rules *rules, struct faults *faults);
/*
 * Merges an UpdateWebhookRequest that passed webhook_check_update() into the webhook: removals
 * first, then additions; what is in both keeps its place.  Faults are then those of the result (a
 * tag without a secret, too many event types, …), which is not to be used when there are any.
 * Returns whether anything changed; version and updated_at are the caller's.
 *
 * When a secret that was signing gives way to another one, it becomes previous_secret for
 * secret_overlap_ms, or for secretOverlapSeconds if the request says so (0: not at all).  Without a
 * change of the secret, secretOverlapSeconds shortens what is left for the previous one (0 revokes
 * it) and never prolongs it, so that a repeated request does no harm.  Removing the secret, or
 * changing it while hmacEnabled was off, drops the previous one too.
 */
bool webhook_update(struct webhook *webhook, const struct json *body,
    const struct webhook_rules *rules, struct faults *faults);

bool webhook_is_active(const struct webhook *webhook); /* enabled and not suspended */
/* Whether it subscribes to that event type. */
bool webhook_matches(const struct webhook *webhook, const char *type);

enum webhook_write {
	WEBHOOK_WRITE_OPEN = 1, /* without the closing brace, for added members */
	WEBHOOK_WRITE_HIDE = 2  /* with "" for secrets and {} for headers */
};
/* Appends the WebhookResponse. */
void webhook_write(const struct webhook *webhook, struct buf *out, unsigned how);

/*
 * The stored form, two JSON texts: `doc` (what anyone who operates Redis may see) and `secrets`
 * (url, secureSsl, secret and headers of both endpoints, the previous secret: what is sent where is
 * one piece, so that none of it can be exchanged for another's).  Locator, tenant, version,
 * enabled, suspendedAt and the times are stored beside them and not in them.
 */
void webhook_store_doc(const struct webhook *webhook, struct buf *out);
void webhook_store_secrets(const struct webhook *webhook, struct buf *out);
/*
 * The way back: 0, or -1 when the texts are not what was stored (the webhook is then only fit for
 * webhook_free()).  All rules but the egress rules are applied again, so whoever makes a rule
 * stricter must see to what is stored already.  `old`: as it was when url and secureSsl stood in
 * `doc`; each form is refused as the other.
 */
int webhook_load(struct webhook *webhook, const char *doc, size_t doc_len, const char *secrets,
    size_t secrets_len, bool old);

#endif
