/* The copy of an event that a queue keeps for itself. */
#include <string.h>

#include "proto/event_copy.h"

static const char *
event_copy_text(const struct json *root, const char *key, const char *absent)
{
	const struct json *value = json_get(root, key);

	return value != NULL && value->type == JSON_STRING ? value->str : absent;
}

int
event_copy_read(struct event_copy *copy, const char *text, size_t len)
{
	struct event_parts *parts = &copy->parts;
	struct json_error error;
	const struct json *data;
	const struct json *timestamp;

	memset(copy, 0, sizeof *copy);
	if (json_parse(&copy->doc, text, len, 1, &error) != 0 ||
	    copy->doc.root->type != JSON_OBJECT)
		return -1;
	data = json_get(copy->doc.root, "data");
	timestamp = json_get(copy->doc.root, "timestamp");
	parts->locator = event_copy_text(copy->doc.root, "locator", NULL);
	parts->type = event_copy_text(copy->doc.root, "type", NULL);
	parts->request_id = event_copy_text(copy->doc.root, "requestId", NULL);
	parts->user_locator = event_copy_text(copy->doc.root, "userLocator", "");
	parts->trace_parent = event_copy_text(copy->doc.root, "traceparent", "");
	parts->trace_state = event_copy_text(copy->doc.root, "tracestate", "");
	if (parts->locator == NULL || parts->type == NULL || parts->request_id == NULL ||
	    data == NULL || data->type != JSON_OBJECT || timestamp == NULL ||
	    json_int(timestamp, &parts->timestamp) != 0)
		return -1;
	parts->data = data->raw;
	parts->data_len = data->raw_len;
	return 0;
}

void
event_copy_clear(struct event_copy *copy)
{
	json_doc_clear(&copy->doc);
}
