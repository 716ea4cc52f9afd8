/* Dates: RFC 3339 as a regular expression and the C library's calendar see it; round trips. */
#include <regex.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "proto/datetime.h"
#include "test/fuzz/fuzz.h"

#define DAY_S INT64_C(86400)
#define MIN_MS INT64_C(-62135596800000)
#define MAX_MS INT64_C(253402300799999)

static regex_t fuzz_grammar;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_CHECK(regcomp(&fuzz_grammar,
		       "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}"
		       "(\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
		       REG_EXTENDED) == 0);
	return 0;
}

/* A NUL-terminated date by the reference: 0 or -1. */
static int
fuzz_reference(const char *s, int64_t *ms)
{
	struct tm tm = {0}, norm;
	regmatch_t parts[4];
	const char *zone;
	char fraction[4] = "000";
	int64_t t;

	if (regexec(&fuzz_grammar, s, 4, parts, 0) != 0)
		return -1;
	FUZZ_CHECK(sscanf(s, "%4d-%2d-%2d%*c%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		       &tm.tm_hour, &tm.tm_min, &tm.tm_sec) == 6);
	if (tm.tm_year < 1 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	norm = tm;
	norm.tm_sec = 0;
	t = timegm(&norm);
	if (norm.tm_year != tm.tm_year || norm.tm_mon != tm.tm_mon || norm.tm_mday != tm.tm_mday)
		return -1;
	zone = s + parts[2].rm_so;
	if (*zone == '+' || *zone == '-') {
		int64_t east = atoi(zone + 1) * 3600 + atoi(zone + 4) * 60;

		t -= *zone == '+' ? east : -east;
	}
	t += tm.tm_sec;
	if (tm.tm_sec == 60 && t % DAY_S != 0)
		return -1;
	for (regoff_t i = 0; parts[1].rm_so >= 0 && i < 3; i++)
		if (parts[1].rm_so + 1 + i < parts[1].rm_eo)
			fraction[i] = s[parts[1].rm_so + 1 + i];
	*ms = t * 1000 + atoi(fraction);
	return *ms < MIN_MS || *ms > MAX_MS ? -1 : 0;
}

static void
fuzz_check_text(const char *data, size_t size)
{
	char *copy = xstrndup(data, size), text[DATETIME_LEN + 1], http[40];
	int64_t ms, expected, again;
	struct tm tm;
	time_t t;
	int rc = datetime_parse(data, size, &ms);

	if (strlen(copy) != size) {
		FUZZ_CHECK(rc == -1);
	} else {
		FUZZ_CHECK(rc == fuzz_reference(copy, &expected));
		FUZZ_CHECK(rc == -1 || ms == expected);
	}
	if (rc == 0) {
		datetime_format(text, ms);
		FUZZ_CHECK(strlen(text) == DATETIME_LEN);
		FUZZ_CHECK(datetime_parse(text, DATETIME_LEN, &again) == 0 && again == ms);
	}
	if (http_date_parse(data, size, &ms) == 0) {
		FUZZ_CHECK(ms >= MIN_MS && ms <= MAX_MS && ms % 1000 == 0);
		t = ms / 1000;
		FUZZ_CHECK(gmtime_r(&t, &tm) != NULL);
		/* %Y does not fill up with zeros everywhere */
		if (tm.tm_year + 1900 >= 1000) {
			FUZZ_CHECK(strftime(http, sizeof http, "%a, %d %b %Y %H:%M:%S GMT", &tm));
			FUZZ_CHECK(http_date_parse(http, strlen(http), &again) == 0 && again == ms);
		}
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[DATETIME_LEN + 1];
	int64_t ms, again;

	fuzz_check_text((const char *)data, size);
	if (size >= sizeof ms) {
		memcpy(&ms, data, sizeof ms);
		datetime_format(text, ms);
		FUZZ_CHECK(datetime_parse(text, DATETIME_LEN, &again) == 0);
		FUZZ_CHECK(again == (ms < MIN_MS ? MIN_MS : ms > MAX_MS ? MAX_MS : ms));
	}
	return 0;
}
