/* An event on its way out. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "deliver/payload.h"

struct payload *
payload_new(const struct event_parts *parts)
{
	struct payload *payload = xcalloc(1, sizeof *payload);
	size_t n = strnlen(parts->type, EVENTTYPE_MAX);

	payload->refs = 1;
	memcpy(payload->locator.s, parts->locator, ULID_LEN);
	memcpy(payload->type, parts->type, n);
	if (parts->trace_parent[0] != '\0')
		payload->trace_parent = xstrdup(parts->trace_parent);
	if (parts->trace_state[0] != '\0')
		payload->trace_state = xstrdup(parts->trace_state);
	buf_reserve(&payload->body, parts->data_len + 320);
	event_write(parts, true, &payload->body);
	return payload;
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
