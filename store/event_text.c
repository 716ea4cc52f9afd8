/* An event as scripts pass it on: event_text() in lib.lua, or a copy of a queue's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/event_text.h"
#include "store/store_internal.h"

#define FIELDS_MAX 12 /* of a stream entry; it has nine */

/* Names and values with NULs between them. */
static int
event_text_fields(struct event_text *text, const struct ulid *locator, char *at, const char *end)
{
	redisReply words[2 * FIELDS_MAX] = {0};
	redisReply *elements[2 * FIELDS_MAX];
	redisReply fields = {.type = REDIS_REPLY_ARRAY, .element = elements};
	char id[48];
	int64_t ms;
	uint32_t seq;

	while (at <= end && fields.elements < 2 * FIELDS_MAX) {
		redisReply *word = &words[fields.elements];

		word->type = REDIS_REPLY_STRING;
		word->str = at;
		word->len = strlen(at);
		elements[fields.elements++] = word;
		at += word->len + 1;
	}
	locator_stream_id(locator, &ms, &seq);
	snprintf(id, sizeof id, "%lld-%u", (long long)ms, seq);
	if (event_row_read(&text->row, id, &fields) != 0)
		return -1;
	text->parts = text->row.parts;
	return strcmp(text->row.locator.s, locator->s) == 0 ? 0 : -1;
}

int
event_text_read(struct event_text *text, const struct ulid *locator, char *at, size_t len)
{
	char *end = at + len;

	text->attempts = 0;
	if (*at >= '0' && *at <= '9') {
		text->attempts = (unsigned)strtoul(at, &at, 10);
		if (*at != ' ')
			return -1;
		at++;
	}
	if (*at != '{')
		return event_text_fields(text, locator, at, end);
	if (event_copy_read(&text->copy, at, (size_t)(end - at)) != 0 ||
	    strcmp(text->copy.parts.locator, locator->s) != 0)
		return -1;
	text->parts = text->copy.parts;
	return 0;
}

void
event_text_clear(struct event_text *text)
{
	event_copy_clear(&text->copy);
}
