/* An event on its way out. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "deliver/payload.h"

/* A text of at most n characters; out has room for a NUL behind them. */
static void
payload_text(char *out, const char *s, size_t n)
{
	memcpy(out, s, strnlen(s, n));
}

/* What the parts were, so that a retry can store a copy of the event: data is in the body. */
static void
payload_remember(struct payload *payload, const struct event_parts *parts)
{
	static const char before[] = ",\"data\":";
	const char *data = memmem(payload->body.data, payload->body.len, before, sizeof before - 1);

	if (data == NULL)
		abort(); /* event_write() always writes it, and nothing before it can hold this */
	payload->data_at = (size_t)(data - payload->body.data) + sizeof before - 1;
	payload->data_len = parts->data_len;
	payload_text(payload->request_id.s, parts->request_id, ULID_LEN);
	payload_text(payload->user_locator.s, parts->user_locator, UUID_LEN);
	payload->timestamp = parts->timestamp;
}

struct payload *
payload_new(const struct event_parts *parts, int64_t accepted_us)
{
	struct payload *payload = xcalloc(1, sizeof *payload);
	size_t n = strnlen(parts->type, EVENTTYPE_MAX);

	payload->refs = 1;
	payload->accepted_us = accepted_us;
	memcpy(payload->locator.s, parts->locator, ULID_LEN);
	memcpy(payload->type, parts->type, n);
	if (parts->trace_parent[0] != '\0')
		payload->trace_parent = xstrdup(parts->trace_parent);
	if (parts->trace_state[0] != '\0')
		payload->trace_state = xstrdup(parts->trace_state);
	buf_reserve(&payload->body, parts->data_len + 320);
	event_write(parts, true, &payload->body);
	payload_remember(payload, parts);
	return payload;
}

struct event_parts
payload_parts(const struct payload *payload)
{
	return (struct event_parts){
	    .locator = payload->locator.s,
	    .type = payload->type,
	    .data = payload->body.data + payload->data_at,
	    .data_len = payload->data_len,
	    .request_id = payload->request_id.s,
	    .user_locator = payload->user_locator.s,
	    .timestamp = payload->timestamp,
	    .trace_parent = payload->trace_parent == NULL ? "" : payload->trace_parent,
	    .trace_state = payload->trace_state == NULL ? "" : payload->trace_state,
	};
}

struct payload *
payload_ref(struct payload *payload)
{
	payload->refs++;
	return payload;
}

void
payload_unref(struct payload *payload)
{
	if (--payload->refs > 0)
		return;
	free(payload->trace_parent);
	free(payload->trace_state);
	buf_clear(&payload->body);
	free(payload);
}
