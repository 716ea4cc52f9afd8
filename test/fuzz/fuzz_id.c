/* UUIDs, ULIDs and locators: accepted by their grammar alone, canonical once, and back. */
#include <regex.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "proto/id.h"
#include "test/fuzz/fuzz.h"

static regex_t fuzz_uuid, fuzz_ulid;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_CHECK(
	    regcomp(&fuzz_uuid, "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
		REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0);
	FUZZ_CHECK(regcomp(&fuzz_ulid, "^[0-7][0-9a-hjkmnp-tv-z]{25}$",
		       REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0);
	return 0;
}

static void
fuzz_check_text(const char *data, size_t size)
{
	char *copy = xstrndup(data, size);
	bool whole = strlen(copy) == size;
	struct uuid uuid, uuid2;
	struct ulid ulid, ulid2;
	int64_t ms;
	uint32_t seq;
	int rc;

	rc = uuid_parse(&uuid, data, size);
	FUZZ_CHECK((rc == 0) == (whole && regexec(&fuzz_uuid, copy, 0, NULL, 0) == 0));
	if (rc == 0) {
		FUZZ_CHECK(strcasecmp(uuid.s, copy) == 0);
		FUZZ_CHECK(strpbrk(uuid.s, "ABCDEF") == NULL);
		FUZZ_CHECK(uuid_parse(&uuid2, uuid.s, UUID_LEN) == 0);
		FUZZ_CHECK(strcmp(uuid.s, uuid2.s) == 0);
	}
	rc = ulid_parse(&ulid, data, size);
	FUZZ_CHECK((rc == 0) == (whole && regexec(&fuzz_ulid, copy, 0, NULL, 0) == 0));
	if (rc == 0) {
		FUZZ_CHECK(strcasecmp(ulid.s, copy) == 0);
		locator_stream_id(&ulid, &ms, &seq);
		FUZZ_CHECK(ms == ulid_ms(&ulid) && ms >= 0 && ms < INT64_C(1) << 48);
		FUZZ_CHECK(seq <= LOCATOR_SEQ_MAX);
		locator_make(&ulid2, ms, seq, ulid.s + ULID_LEN - LOCATOR_SUFFIX_LEN);
		FUZZ_CHECK(strcmp(ulid.s, ulid2.s) == 0);
	}
	free(copy);
}

/* Locators order as their stream ids do. */
static void
fuzz_check_order(const uint8_t *data)
{
	char suffix[LOCATOR_SUFFIX_LEN + 1];
	struct uuid tenant = {"0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a11"};
	struct ulid ids[2], parsed;
	int64_t ms[2], ms_back;
	uint32_t seq[2], seq_back;
	int order;

	memcpy(ms, data, sizeof ms);
	memcpy(seq, data + sizeof ms, sizeof seq);
	locator_suffix(suffix, &tenant);
	for (size_t i = 0; i < 2; i++) {
		ms[i] &= (INT64_C(1) << 48) - 1;
		seq[i] &= LOCATOR_SEQ_MAX;
		locator_make(&ids[i], ms[i], seq[i], suffix);
		FUZZ_CHECK(ulid_parse(&parsed, ids[i].s, ULID_LEN) == 0);
		FUZZ_CHECK(strcmp(parsed.s, ids[i].s) == 0);
		locator_stream_id(&ids[i], &ms_back, &seq_back);
		FUZZ_CHECK(ms_back == ms[i] && seq_back == seq[i]);
	}
	order = strcmp(ids[0].s, ids[1].s);
	if (ms[0] != ms[1])
		FUZZ_CHECK((order < 0) == (ms[0] < ms[1]));
	else
		FUZZ_CHECK((order < 0) == (seq[0] < seq[1]) && (order > 0) == (seq[0] > seq[1]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_check_text((const char *)data, size);
	if (size >= 2 * (sizeof(int64_t) + sizeof(uint32_t)))
		fuzz_check_order(data);
	return 0;
}
