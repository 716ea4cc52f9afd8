/* Events: reads what a publisher sends, writes what subscribers receive. */
#include "proto/event.h"

#include <stdio.h>
#include <string.h>

#include "proto/datetime.h"
#include "proto/eventtype.h"

enum event_property {
	EVENT_TYPE,
	EVENT_DATA,
	EVENT_REQUEST_ID,
	EVENT_USER_LOCATOR,
	EVENT_TIMESTAMP,
	EVENT_PROPERTIES
};

static const char *const event_names[EVENT_PROPERTIES] = {
    "type", "data", "requestId", "userLocator", "timestamp"};

struct event_reader {
	struct event_draft *draft;
	struct faults *faults;
	size_t index; /* of the item; SIZE_MAX when the body is the event */
};

static void
event_fault(const struct event_reader *reader, const char *name, const char *message)
{
	char prefix[32] = "";

	if (reader->index != SIZE_MAX)
		(void)snprintf(prefix, sizeof prefix, "[%zu]", reader->index);
	faults_add(reader->faults, prefix, name, "%s", message);
}

/* The rule of each property returns what is wrong with a value that is not null, or NULL. */

static const char *
event_read_type(struct event_draft *draft, const struct json *value)
{
	if (value->type != JSON_STRING || !eventtype_valid(value->str, value->str_len))
		return "must be 1 to 16 segments of letters, digits, _ and -, joined by dots, "
		       "128 characters at most";
	draft->type = value->str;
	return NULL;
}

static const char *
event_read_data(struct event_draft *draft, const struct json *value)
{
	if (value->type != JSON_OBJECT)
		return "must be an object";
	draft->data = value->raw;
	draft->data_len = value->raw_len;
	return NULL;
}

static const char *
event_read_request_id(struct event_draft *draft, const struct json *value)
{
	if (value->type != JSON_STRING ||
	    ulid_parse(&draft->request_id, value->str, value->str_len) != 0)
		return "must be a ULID";
	return NULL;
}

static const char *
event_read_user_locator(struct event_draft *draft, const struct json *value)
{
	if (value->type != JSON_STRING ||
	    uuid_parse(&draft->user_locator, value->str, value->str_len) != 0)
		return "must be a UUID";
	return NULL;
}

static const char *
event_read_timestamp(struct event_draft *draft, const struct json *value)
{
	int64_t ms;

	if (value->type != JSON_STRING || datetime_parse(value->str, value->str_len, &ms) != 0)
		return "must be a date and time such as 2026-11-23T07:21:00.123Z";
	if (ms < 0) /* -1 stands for none */
		return "must not be before 1970";
	draft->timestamp = ms;
	return NULL;
}

static const char *(*const event_rules[EVENT_PROPERTIES])(
    struct event_draft *draft, const struct json *value) = {event_read_type, event_read_data,
    event_read_request_id, event_read_user_locator, event_read_timestamp};

static void
event_read_member(struct event_reader *reader, const struct json *member, bool *seen)
{
	const char *wrong;
	size_t i;

	for (i = 0; i < EVENT_PROPERTIES; i++)
		if (strlen(event_names[i]) == member->key_len &&
		    memcmp(event_names[i], member->key, member->key_len) == 0)
			break;
	if (i == EVENT_PROPERTIES) {
		event_fault(reader, member->key, "is not a known property");
		return;
	}
	if (member->type == JSON_NULL)
		return;
	seen[i] = true;
	wrong = event_rules[i](reader->draft, member);
	if (wrong != NULL)
		event_fault(reader, event_names[i], wrong);
}

static void
event_read(struct event_reader *reader, const struct json *item)
{
	bool seen[EVENT_PROPERTIES] = {false};
	const struct json *member;

	reader->draft->timestamp = -1;
	if (item->type != JSON_OBJECT) {
		event_fault(reader, "", "must be an object");
		return;
	}
	for (member = item->child; member != NULL && !faults_full(reader->faults);
	     member = member->next)
		event_read_member(reader, member, seen);
	if (!seen[EVENT_TYPE])
		event_fault(reader, event_names[EVENT_TYPE], "is required");
	if (!seen[EVENT_DATA])
		event_fault(reader, event_names[EVENT_DATA], "is required");
}

size_t
event_read_drafts(
    const struct json *body, struct event_draft **drafts, bool *single, struct faults *faults)
{
	struct event_reader reader = {NULL, faults, SIZE_MAX};
	const struct json *item;

	*drafts = NULL;
	*single = body->type == JSON_OBJECT;
	if (!*single && body->type != JSON_ARRAY) {
		faults_add(faults, "", "", "must be an event or an array of events");
		return 0;
	}
	if (*single) {
		*drafts = reader.draft = xcalloc(1, sizeof **drafts);
		event_read(&reader, body);
		return 1;
	}
	if (body->count == 0 || body->count > EVENTS_PER_REQUEST) {
		faults_add(faults, "", "", "must hold 1 to %d events", EVENTS_PER_REQUEST);
		return 0;
	}
	*drafts = reader.draft = xcalloc(body->count, sizeof **drafts);
	reader.index = 0;
	for (item = body->child; item != NULL && !faults_full(faults); item = item->next) {
		event_read(&reader, item);
		reader.draft++;
		reader.index++;
	}
	return body->count;
}

void
event_write(const struct event_parts *parts, bool with_data, struct buf *out)
{
	char timestamp[DATETIME_LEN + 1];

	datetime_format(timestamp, parts->timestamp);
	json_open(out, '{');
	json_key(out, "locator");
	json_add_str(out, parts->locator);
	json_key(out, "type");
	json_add_str(out, parts->type);
	json_key(out, "timestamp");
	json_add_strn(out, timestamp, DATETIME_LEN);
	if (with_data) {
		json_key(out, "data");
		json_add_raw(out, parts->data, parts->data_len);
	}
	json_key(out, "requestId");
	json_add_str(out, parts->request_id);
	json_key(out, "userLocator");
	if (*parts->user_locator != '\0')
		json_add_str(out, parts->user_locator);
	else
		json_add_null(out);
	json_close(out, '}');
}
