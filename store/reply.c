/* Reading Redis' replies without trusting their shape. */
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"

bool
reply_is_array(const redisReply *reply, size_t least)
{
	return reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

const char *
reply_text(const redisReply *array, size_t i, size_t *n)
{
	const redisReply *element =
	    array->type == REDIS_REPLY_ARRAY && i < array->elements ? array->element[i] : NULL;

	if (element == NULL ||
	    (element->type != REDIS_REPLY_STRING && element->type != REDIS_REPLY_STATUS)) {
		if (n != NULL)
			*n = 0;
		return "";
	}
	if (n != NULL)
		*n = element->len;
	return element->str;
}

int64_t
reply_int(const redisReply *array, size_t i)
{
	if (array->type != REDIS_REPLY_ARRAY || i >= array->elements)
		return 0;
	if (array->element[i]->type == REDIS_REPLY_INTEGER)
		return array->element[i]->integer;
	return strtoll(reply_text(array, i, NULL), NULL, 10);
}

bool
reply_is(const redisReply *array, size_t i, const char *text)
{
	return strcmp(reply_text(array, i, NULL), text) == 0;
}

const redisReply *
reply_field(const redisReply *fields, const char *name)
{
	size_t i;

	if (fields->type != REDIS_REPLY_ARRAY)
		return NULL;
	for (i = 0; i + 1 < fields->elements; i += 2)
		if (reply_is(fields, i, name) && fields->element[i + 1]->type == REDIS_REPLY_STRING)
			return fields->element[i + 1];
	return NULL;
}

int64_t
reply_field_int(const redisReply *fields, const char *name)
{
	const redisReply *value = reply_field(fields, name);

	return value == NULL ? 0 : strtoll(value->str, NULL, 10);
}

int
event_row_read(struct event_row *row, const char *id, const redisReply *fields)
{
	const redisReply *type = reply_field(fields, "type");
	const redisReply *data = reply_field(fields, "data");
	const redisReply *suffix = reply_field(fields, "suffix");
	const redisReply *request = reply_field(fields, "requestId");
	const redisReply *user = reply_field(fields, "userLocator");
	const redisReply *timestamp = reply_field(fields, "timestamp");
	const redisReply *trace_parent = reply_field(fields, "traceparent");
	const redisReply *trace_state = reply_field(fields, "tracestate");
	char *end;
	int64_t ms = strtoll(id, &end, 10);
	unsigned long seq = *end == '-' ? strtoul(end + 1, NULL, 10) : LOCATOR_SEQ_MAX + 1;

	if (type == NULL || data == NULL || suffix == NULL || suffix->len != LOCATOR_SUFFIX_LEN ||
	    seq > LOCATOR_SEQ_MAX)
		return -1;
	locator_make(&row->locator, ms, (uint32_t)seq, suffix->str);
	row->parts = (struct event_parts){
	    .locator = row->locator.s,
	    .type = type->str,
	    .data = data->str,
	    .data_len = data->len,
	    .request_id = request == NULL ? row->locator.s : request->str,
	    .user_locator = user == NULL ? "" : user->str,
	    .timestamp = timestamp == NULL ? ms : strtoll(timestamp->str, NULL, 10),
	    .trace_parent = trace_parent == NULL ? "" : trace_parent->str,
	    .trace_state = trace_state == NULL ? "" : trace_state->str,
	};
	return 0;
}
