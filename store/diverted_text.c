/* Reading a diverted event. */
#include <string.h>

#include "store/diverted_text.h"

/* Cuts off a copy of the event with which the record may end, so that neither is deeper than what
 * was published; NULL when there is none. */
static char *
diverted_text_cut(char *record, size_t len, size_t *copy_len)
{
	static const char name[] = ",\"event\":";
	char *at = strstr(record, name);
	char *copy;

	if (at == NULL)
		return NULL;
	copy = at + sizeof name - 1;
	if (copy == record + len)
		return NULL;
	*copy_len = (size_t)(record + len - copy) - 1; /* without the record's brace */
	copy[*copy_len] = '\0';
	memcpy(at, "}", 2);
	return copy;
}

static const char *
diverted_text_string(const struct json *root, const char *key)
{
	const struct json *value = json_get(root, key);

	return value != NULL && value->type == JSON_STRING ? value->str : "";
}

static int
diverted_text_int(const struct json *root, const char *key, int64_t *n)
{
	const struct json *value = json_get(root, key);

	return value != NULL ? json_int(value, n) : -1;
}

int
diverted_text_read(struct diverted_text *text, struct diverted_row *row, const struct ulid *locator,
    char *record, size_t record_len, char *event, size_t event_len)
{
	struct json_error error;
	const struct json *root;
	size_t len = event_len;
	char *copy = diverted_text_cut(record, record_len, &len);

	if (json_parse(&text->doc, record, strlen(record), 1, &error) != 0 ||
	    text->doc.root->type != JSON_OBJECT)
		return -1;
	root = text->doc.root;
	row->failure_trigger = diverted_text_string(root, "failureTrigger");
	row->failure_message = diverted_text_string(root, "failureMessage");
	if (diverted_text_int(root, "failureTimestamp", &row->failure_timestamp) != 0 ||
	    diverted_text_int(root, "attempts", &row->attempts) != 0 ||
	    event_text_read(&text->event, locator, copy != NULL ? copy : event, len) != 0)
		return -1;
	row->event = text->event.parts;
	return 0;
}

void
diverted_text_clear(struct diverted_text *text)
{
	event_text_clear(&text->event);
	json_doc_clear(&text->doc);
}
