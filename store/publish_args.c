/* The arguments of the publish script: once for all requests, and for each of them. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "store/events.h"
#include "store/store_internal.h"

/* And the rest of that argument. */
static void
publish_args_sha256(struct redis_cmd *cmd, const void *p, size_t n, const char *rest)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	struct buf hex = {0};

	if (EVP_Digest(p, n, digest, &len, EVP_sha256(), NULL) != 1)
		abort();
	hex_encode(&hex, digest, len);
	buf_adds(&hex, rest);
	redis_arg(cmd, hex.data, hex.len);
	buf_clear(&hex);
}

/* None when the value is "". */
static void
publish_args_field(struct redis_cmd *cmd, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	redis_args(cmd, name);
	redis_args(cmd, value);
}

/* The i-th event of a request, as the script takes it. */
static void
publish_args_event(struct redis_cmd *cmd, const struct publish_request *request, size_t i)
{
	const struct event_draft *draft = &request->drafts[i];
	const char *id = draft->request_id.s;
	const char *user =
	    draft->user_locator.s[0] != '\0' ? draft->user_locator.s : request->user.s;
	bool has_time = draft->timestamp >= 0, has_size = i == 0 && request->n > 1;
	int fields = (id[0] != '\0') + (user[0] != '\0') + has_time + has_size +
		     (request->trace_parent[0] != '\0') + (request->trace_state[0] != '\0');
	char suffix[LOCATOR_SUFFIX_LEN + 1];

	locator_suffix(suffix, &request->tenant);
	redis_args(cmd, draft->type);
	redis_arg(cmd, draft->data, draft->data_len);
	redis_arg(cmd, suffix, LOCATOR_SUFFIX_LEN);
	redis_argi(cmd, 2 * fields);
	publish_args_field(cmd, "requestId", id);
	publish_args_field(cmd, "userLocator", user);
	if (has_time) {
		redis_args(cmd, "timestamp");
		redis_argi(cmd, draft->timestamp);
	}
	publish_args_field(cmd, "traceparent", request->trace_parent);
	publish_args_field(cmd, "tracestate", request->trace_state);
	if (has_size) {
		redis_args(cmd, "n");
		redis_argi(cmd, (int64_t)request->n);
	}
}

static void
publish_args_idempotency(struct redis_cmd *cmd, const struct publish_request *request)
{
	const char *key = request->idempotency_key;
	char user[1 + sizeof request->user.s] = "";

	if (key == NULL) {
		redis_args(cmd, "");
		redis_args(cmd, "");
		return;
	}
	if (request->user.s[0] != '\0')
		snprintf(user, sizeof user, ":%s", request->user.s);
	publish_args_sha256(cmd, key, strlen(key), "");
	publish_args_sha256(cmd, request->body, request->body_len, user);
}

void
publish_args_head(struct redis_cmd *cmd, const struct publish_request *request)
{
	redis_arg(cmd, request->tenant.s, UUID_LEN);
	redis_argi(cmd, request->lease_ms);
	redis_argi(cmd, (int64_t)request->max_leases);
	redis_argi(cmd, request->max_fanout);
	redis_argi(cmd, request->max_pending);
	redis_argi(cmd, request->max_diverted);
	redis_argi(cmd, request->max_tenant_bytes);
	publish_args_idempotency(cmd, request);
	redis_argi(cmd, request->idempotency_ttl_ms);
	redis_argi(cmd, request->request_ttl_ms);
	redis_args(cmd, request->note_tenant ? "1" : "");
	redis_argi(cmd, request->max_webhooks);
	redis_argi(cmd, (int64_t)request->leases_each);
	redis_argi(cmd, request->attempts_kept);
	redis_argi(cmd, (int64_t)request->nrooms);
	for (size_t i = 0; i < request->nrooms; i++) {
		redis_arg(cmd, request->rooms[i].webhook.s, ULID_LEN);
		redis_argi(cmd, (int64_t)request->rooms[i].leases);
	}
}

void
publish_args_request(struct redis_cmd *cmd, const struct publish_request *request)
{
	redis_argi(cmd, (int64_t)request->n);
	for (size_t i = 0; i < request->n; i++)
		publish_args_event(cmd, request, i);
}
