/* Publish bodies: drafts hold what was sent, the EventResponse says it again. */
#include <string.h>

#include "proto/event.h"
#include "proto/eventtype.h"
#include "test/fuzz/fuzz.h"
#include "test/fuzz/reference.h"

#define NOW_MS INT64_C(1800000000000)
#define LOCATOR "01K8QZ5V7C0000ABCDEFGH1234"

static void
fuzz_check_faults(const struct faults *faults)
{
	struct buf text = {0};

	faults_write(faults, &text);
	FUZZ_CHECK(reference_json(text.data, text.len));
	buf_clear(&text);
}

static void
fuzz_check_response(const struct event_draft *draft, const struct buf *text)
{
	struct json_doc doc = {0};
	struct json_error error;
	const struct json *data, *user;

	FUZZ_CHECK(json_parse(&doc, text->data, text->len, EVENT_JSON_KEEP, &error) == 0);
	FUZZ_CHECK(doc.root->count == 6);
	FUZZ_CHECK(json_str_is(json_get(doc.root, "type"), draft->type));
	data = json_get(doc.root, "data");
	FUZZ_CHECK(data->raw_len == draft->data_len);
	FUZZ_CHECK(memcmp(data->raw, draft->data, data->raw_len) == 0);
	user = json_get(doc.root, "userLocator");
	FUZZ_CHECK((user == NULL) == (draft->user_locator.s[0] == '\0'));
	FUZZ_CHECK(user == NULL || json_str_is(user, draft->user_locator.s));
	json_doc_clear(&doc);
}

static void
fuzz_check_draft(const struct event_draft *draft)
{
	struct event_parts parts = {.locator = LOCATOR,
	    .type = draft->type,
	    .data = draft->data,
	    .data_len = draft->data_len,
	    .request_id = draft->request_id.s[0] != '\0' ? draft->request_id.s : LOCATOR,
	    .user_locator = draft->user_locator.s,
	    .timestamp = draft->timestamp >= 0 ? draft->timestamp : NOW_MS,
	    .trace_parent = "",
	    .trace_state = ""};
	struct buf text = {0}, brief = {0};

	FUZZ_CHECK(eventtype_valid(draft->type, strlen(draft->type)));
	FUZZ_CHECK(draft->data_len >= 2 && draft->data[0] == '{');
	event_write(&parts, true, &text);
	event_write(&parts, false, &brief);
	FUZZ_CHECK(reference_json(text.data, text.len));
	FUZZ_CHECK(reference_json(brief.data, brief.len));
	fuzz_check_response(draft, &text);
	buf_clear(&text);
	buf_clear(&brief);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_doc doc = {0};
	struct json_error error;
	struct event_draft *drafts;
	struct faults faults = {0};
	bool single;
	size_t n;

	if (json_parse(&doc, (const char *)data, size, EVENT_JSON_KEEP, &error) == 0) {
		n = event_read_drafts(doc.root, &drafts, &single, &faults);
		if (faults.count == 0) {
			FUZZ_CHECK(n >= 1 && n <= EVENTS_PER_REQUEST && (!single || n == 1));
			for (size_t i = 0; i < n; i++)
				fuzz_check_draft(&drafts[i]);
		} else {
			fuzz_check_faults(&faults);
		}
		free(drafts);
		faults_clear(&faults);
	}
	json_doc_clear(&doc);
	return 0;
}
