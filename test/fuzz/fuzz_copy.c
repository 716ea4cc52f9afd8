/*
 * What publishing accepts can be read back from wherever it stands: from its stream entry, as a
 * claim or a retry gets it, as a diverted event, and from the copies of schema 1.  The input is
 * traceparent, a newline, tracestate, a newline, body.
 */
#include <string.h>

#include "base/mem.h"
#include "proto/trace.h"
#include "store/diverted_text.h"
#include "store/events.h"
#include "store/redis_internal.h"
#include "test/fuzz/fuzz.h"

#define TENANT "6f1f2b5e-7a0c-4a53-9c39-0f2f5d3e8a11"
#define NOW_MS INT64_C(1800000000000)
#define WORDS_MAX 64

/* The arguments of the script, as Redis takes them apart. */
struct fuzz_words {
	redisReply replies[WORDS_MAX];
	redisReply *elements[WORDS_MAX];
	size_t n;
	char *bytes;
};

static void
fuzz_take_apart(struct fuzz_words *words, struct redis_cmd *cmd)
{
	size_t n;
	const char *bytes = redis_cmd_bytes(cmd, &n);
	char *at, *end;

	words->bytes = xstrndup(bytes, n);
	end = words->bytes + n;
	at = strchr(words->bytes, '\n') + 1; /* the number of arguments */
	while (at < end) {
		redisReply *word = &words->replies[words->n];

		FUZZ_CHECK(words->n < WORDS_MAX && *at == '$');
		word->type = REDIS_REPLY_STRING;
		word->len = strtoul(at + 1, &at, 10);
		word->str = at + 2;
		at += 2 + word->len + 2;
		word->str[word->len] = '\0';
		words->elements[words->n++] = word;
	}
}

/* The stream entry that publish.lua makes of an event whose arguments begin at `from`: type, data,
 * suffix and its further fields. */
struct fuzz_entry {
	redisReply names[3];
	redisReply *elements[WORDS_MAX];
	redisReply fields;
	char id[48];
	struct ulid locator;
};

static void
fuzz_add(struct fuzz_entry *entry, redisReply *word)
{
	entry->elements[entry->fields.elements++] = word;
}

static void
fuzz_store(struct fuzz_entry *entry, struct fuzz_words *words, size_t from, uint32_t seq)
{
	static const char *const names[] = {"type", "data", "suffix"};
	size_t more = strtoul(words->replies[from + 3].str, NULL, 10);

	memset(entry, 0, sizeof *entry);
	entry->fields.type = REDIS_REPLY_ARRAY;
	entry->fields.element = entry->elements;
	for (size_t i = 0; i < 3; i++) {
		entry->names[i].type = REDIS_REPLY_STRING;
		entry->names[i].str = (char *)(uintptr_t)names[i];
		entry->names[i].len = strlen(names[i]);
		fuzz_add(entry, &entry->names[i]);
		fuzz_add(entry, &words->replies[from + i]);
	}
	for (size_t i = 0; i < more; i++)
		fuzz_add(entry, &words->replies[from + 4 + i]);
	snprintf(entry->id, sizeof entry->id, "%lld-%u", (long long)NOW_MS, seq);
	locator_make(&entry->locator, NOW_MS, seq, words->replies[from + 2].str);
}

/* As event_text() in lib.lua has it. */
static void
fuzz_join(const struct fuzz_entry *entry, const char *before, struct buf *out)
{
	buf_adds(out, before);
	for (size_t i = 0; i < entry->fields.elements; i++) {
		if (i > 0)
			buf_addc(out, '\0');
		buf_add(out, entry->elements[i]->str, entry->elements[i]->len);
	}
	buf_str(out);
}

/* As copy_of() in lib.lua has it. */
static void
fuzz_copy(const struct event_parts *parts, struct buf *out)
{
	json_open(out, '{');
	json_key(out, "locator");
	json_add_str(out, parts->locator);
	json_key(out, "type");
	json_add_str(out, parts->type);
	json_key(out, "data");
	json_add_raw(out, parts->data, parts->data_len);
	json_key(out, "requestId");
	json_add_str(out, parts->request_id);
	if (parts->user_locator[0] != '\0') {
		json_key(out, "userLocator");
		json_add_str(out, parts->user_locator);
	}
	json_key(out, "traceparent");
	json_add_str(out, parts->trace_parent);
	json_key(out, "tracestate");
	json_add_str(out, parts->trace_state);
	json_key(out, "timestamp");
	json_add_int(out, parts->timestamp);
	json_close(out, '}');
}

static void
fuzz_check_same(const struct event_parts *a, const struct event_parts *b)
{
	FUZZ_CHECK(strcmp(a->locator, b->locator) == 0);
	FUZZ_CHECK(strcmp(a->type, b->type) == 0);
	FUZZ_CHECK(a->data_len == b->data_len && memcmp(a->data, b->data, a->data_len) == 0);
	FUZZ_CHECK(strcmp(a->request_id, b->request_id) == 0);
	FUZZ_CHECK(strcmp(a->user_locator, b->user_locator) == 0);
	FUZZ_CHECK(a->timestamp == b->timestamp);
	FUZZ_CHECK(strcmp(a->trace_parent, b->trace_parent) == 0);
	FUZZ_CHECK(strcmp(a->trace_state, b->trace_state) == 0);
}

static void
fuzz_check_claimed(const struct fuzz_entry *entry, const struct event_parts *parts)
{
	static const char *const before[] = {"", "3 "};

	for (size_t i = 0; i < 2; i++) {
		struct event_text text = {0};
		struct buf joined = {0};

		fuzz_join(entry, before[i], &joined);
		FUZZ_CHECK(event_text_read(&text, &entry->locator, joined.data, joined.len) == 0);
		FUZZ_CHECK(text.attempts == (i == 0 ? 0 : 3));
		fuzz_check_same(&text.parts, parts);
		event_text_clear(&text);
		buf_clear(&joined);
	}
}

static void
fuzz_check_diverted(const struct fuzz_entry *entry, const struct event_parts *parts, bool has_copy)
{
	struct diverted_text text = {0};
	struct diverted_row row = {0};
	struct buf record = {0}, event = {0};

	buf_adds(&record, "{\"failureTrigger\":\"503\",\"failureMessage\":\"\\\"event\\\":\","
			  "\"failureTimestamp\":1,\"attempts\":2");
	if (has_copy) {
		buf_adds(&record, ",\"event\":");
		fuzz_copy(parts, &record);
	} else {
		fuzz_join(entry, "", &event);
	}
	buf_addc(&record, '}');
	buf_str(&record);
	buf_str(&event);
	FUZZ_CHECK(diverted_text_read(&text, &row, &entry->locator, record.data, record.len,
		       event.data, event.len) == 0);
	FUZZ_CHECK(row.attempts == 2 && strcmp(row.failure_message, "\"event\":") == 0);
	fuzz_check_same(&row.event, parts);
	diverted_text_clear(&text);
	buf_clear(&record);
	buf_clear(&event);
}

static void
fuzz_check_copy(const struct fuzz_entry *entry, const struct event_parts *parts)
{
	struct event_text text = {0};
	struct buf json = {0}, copy = {0};

	fuzz_copy(parts, &json);
	buf_printf(&copy, "12 %s", buf_str(&json));
	buf_clear(&json);
	FUZZ_CHECK(event_text_read(&text, &entry->locator, copy.data, copy.len) == 0);
	FUZZ_CHECK(text.attempts == 12);
	fuzz_check_same(&text.parts, parts);
	event_text_clear(&text);
	buf_clear(&copy);
}

static void
fuzz_check_stored(struct fuzz_words *words, const struct publish_request *request)
{
	const struct event_draft *draft = &request->drafts[0];
	struct fuzz_entry entry;
	struct event_row row = {0};

	fuzz_store(&entry, words, 1, 7); /* behind the number of events */
	FUZZ_CHECK(event_row_read(&row, entry.id, &entry.fields) == 0);
	FUZZ_CHECK(strcmp(row.parts.type, draft->type) == 0);
	FUZZ_CHECK(row.parts.data_len == draft->data_len &&
		   memcmp(row.parts.data, draft->data, draft->data_len) == 0);
	FUZZ_CHECK(strcmp(row.parts.trace_parent, request->trace_parent) == 0);
	FUZZ_CHECK(strcmp(row.parts.trace_state, request->trace_state) == 0);
	FUZZ_CHECK(draft->timestamp < 0 || row.parts.timestamp == draft->timestamp);
	fuzz_check_claimed(&entry, &row.parts);
	fuzz_check_diverted(&entry, &row.parts, false);
	fuzz_check_diverted(&entry, &row.parts, true);
	fuzz_check_copy(&entry, &row.parts);
}

static void
fuzz_publish(const struct event_draft *draft, const char *parent, const char *state)
{
	struct publish_request request = {.drafts = draft, .n = 1};
	struct redis_cmd *cmd = redis_cmd_new();
	struct fuzz_words words = {0};

	uuid_parse(&request.tenant, TENANT, sizeof TENANT - 1);
	request.trace_parent = trace_parent_or_none(parent);
	request.trace_state = *request.trace_parent == '\0' ? "" : trace_state_or_none(state);
	publish_args_request(cmd, &request);
	fuzz_take_apart(&words, cmd);
	fuzz_check_stored(&words, &request);
	free(words.bytes);
	redis_cmd_free(cmd);
}

/* The line up to the newline, which becomes a NUL; "" when there is none. */
static char *
fuzz_line(char **at)
{
	static char none[] = "";
	char *line = *at, *end = strchr(line, '\n');

	if (end == NULL)
		return none;
	*end = '\0';
	*at = end + 1;
	return line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	char *body = text;
	const char *parent = fuzz_line(&body), *state = fuzz_line(&body);
	struct json_doc doc = {0};
	struct json_error error;
	struct event_draft *drafts;
	struct faults faults = {0};
	bool single;

	if (json_parse(&doc, body, size - (size_t)(body - text), EVENT_JSON_KEEP, &error) == 0) {
		size_t n = event_read_drafts(doc.root, &drafts, &single, &faults);

		for (size_t i = 0; faults.count == 0 && i < n; i++)
			fuzz_publish(&drafts[i], parent, state);
		free(drafts);
		faults_clear(&faults);
	}
	json_doc_clear(&doc);
	free(text);
	return 0;
}
