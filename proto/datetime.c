/* Dates: RFC 3339 and HTTP dates to milliseconds since 1970, and RFC 3339 back. */
#include "proto/datetime.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"

#define DATETIME_DAY_MS INT64_C(86400000)
#define DATETIME_MIN INT64_C(-62135596800000) /* 0001-01-01T00:00:00.000Z */
#define DATETIME_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* The text that is still to be read. */
struct datetime_text {
	const char *at;
	const char *end;
};

struct datetime_fields {
	int year;
	int month;
	int day;
	int hour;
	int minute;
	int second;
	int ms;
	int offset; /* minutes east of UTC */
};

/*
 * Days since 1970 of a day in the proleptic Gregorian calendar, year 1 and later, and back;
 * years are taken to begin in March (Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms").
 */
static int64_t
datetime_days(int year, int month, int day)
{
	int y = month <= 2 ? year - 1 : year;
	int era = y / 400;
	int yoe = y - era * 400;
	int doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return (int64_t)era * 146097 + doe - 719468;
}

static void
datetime_civil(int64_t days, struct datetime_fields *f)
{
	int z = (int)days + 719468; /* since 0000-03-01 */
	int era = z / 146097;
	int doe = z - era * 146097;
	int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int mp = (5 * doy + 2) / 153;

	f->day = doy - (153 * mp + 2) / 5 + 1;
	f->month = mp < 10 ? mp + 3 : mp - 9;
	f->year = yoe + era * 400 + (f->month <= 2 ? 1 : 0);
}

static bool
datetime_is_day(int year, int month, int day)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static int64_t
datetime_join(const struct datetime_fields *f)
{
	int64_t minutes =
	    datetime_days(f->year, f->month, f->day) * 1440 + f->hour * 60 + f->minute - f->offset;

	return (minutes * 60 + f->second) * 1000 + f->ms;
}

/* Judges the fields and puts them together. */
static int
datetime_finish(const struct datetime_fields *f, int64_t *ms)
{
	int64_t t;

	if (!datetime_is_day(f->year, f->month, f->day) || f->hour > 23 || f->minute > 59 ||
	    f->second > 60)
		return -1;
	t = datetime_join(f);
	/* A leap second ends a day of UTC (RFC 3339, section 5.7). */
	if (f->second == 60 && (t - f->ms) % DATETIME_DAY_MS != 0)
		return -1;
	/* The offset may lead out of the years that can be written. */
	if (t < DATETIME_MIN || t > DATETIME_MAX)
		return -1;
	*ms = t;
	return 0;
}

/* Exactly n digits. */
static bool
datetime_digits(struct datetime_text *t, int n, int *value)
{
	int v = 0;

	if (t->end - t->at < n)
		return false;
	for (; n > 0; n--, t->at++) {
		if (*t->at < '0' || *t->at > '9')
			return false;
		v = v * 10 + (*t->at - '0');
	}
	*value = v;
	return true;
}

static bool
datetime_word(struct datetime_text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0)
		return false;
	t->at += n;
	return true;
}

static bool
datetime_time(struct datetime_text *t, struct datetime_fields *f)
{
	return datetime_digits(t, 2, &f->hour) && datetime_word(t, ":") &&
	       datetime_digits(t, 2, &f->minute) && datetime_word(t, ":") &&
	       datetime_digits(t, 2, &f->second);
}

/* "." and 1-9 digits, or nothing. */
static bool
datetime_fraction(struct datetime_text *t, int *ms)
{
	int digits = 0, digit;

	*ms = 0;
	if (!datetime_word(t, "."))
		return true;
	for (int unit = 100; datetime_digits(t, 1, &digit); unit /= 10, digits++)
		*ms += digit * unit;
	return digits >= 1 && digits <= 9;
}

/* "Z", or a sign, hours and minutes. */
static bool
datetime_offset(struct datetime_text *t, int *offset)
{
	int sign, hours, minutes;

	*offset = 0;
	if (datetime_word(t, "Z") || datetime_word(t, "z"))
		return true;
	if (datetime_word(t, "+"))
		sign = 1;
	else if (datetime_word(t, "-"))
		sign = -1;
	else
		return false;
	if (!datetime_digits(t, 2, &hours) || !datetime_word(t, ":") ||
	    !datetime_digits(t, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*offset = sign * (hours * 60 + minutes);
	return true;
}

int
datetime_parse(const char *s, size_t n, int64_t *ms)
{
	struct datetime_text t = {s, s + n};
	struct datetime_fields f;

	if (!datetime_digits(&t, 4, &f.year) || !datetime_word(&t, "-") ||
	    !datetime_digits(&t, 2, &f.month) || !datetime_word(&t, "-") ||
	    !datetime_digits(&t, 2, &f.day))
		return -1;
	if (!datetime_word(&t, "T") && !datetime_word(&t, "t"))
		return -1;
	if (!datetime_time(&t, &f) || !datetime_fraction(&t, &f.ms) ||
	    !datetime_offset(&t, &f.offset) || t.at != t.end)
		return -1;
	return datetime_finish(&f, ms);
}

static void
datetime_put(char *out, int n, int v)
{
	while (n > 0) {
		out[--n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void
datetime_format(char out[DATETIME_LEN + 1], int64_t ms)
{
	struct datetime_fields f;
	int64_t days;
	int rest; /* ms of the day */

	/* A time that has no such form is written as the nearest that has one. */
	if (ms < DATETIME_MIN)
		ms = DATETIME_MIN;
	if (ms > DATETIME_MAX)
		ms = DATETIME_MAX;
	days = (ms - DATETIME_MIN) / DATETIME_DAY_MS + DATETIME_MIN / DATETIME_DAY_MS;
	rest = (int)(ms - days * DATETIME_DAY_MS);
	datetime_civil(days, &f);
	memcpy(out, "0000-00-00T00:00:00.000Z", DATETIME_LEN + 1);
	datetime_put(out, 4, f.year);
	datetime_put(out + 5, 2, f.month);
	datetime_put(out + 8, 2, f.day);
	datetime_put(out + 11, 2, rest / 3600000);
	datetime_put(out + 14, 2, rest / 60000 % 60);
	datetime_put(out + 17, 2, rest / 1000 % 60);
	datetime_put(out + 20, 3, rest % 1000);
}

/* One of the words of a list that ends with NULL; its number, or -1. */
static int
datetime_word_of(struct datetime_text *t, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++) {
		if (datetime_word(t, words[i]))
			return i;
	}
	return -1;
}

static bool
datetime_month(struct datetime_text *t, int *month)
{
	static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
	    "Sep", "Oct", "Nov", "Dec", NULL};

	*month = datetime_word_of(t, names) + 1;
	return *month > 0;
}

/* Two digits of a year: never more than 50 years ahead (RFC 9110, section 5.6.7). */
static void
datetime_century(struct datetime_fields *f)
{
	struct datetime_fields now;
	int64_t wall = clock_wall_ms();

	datetime_civil(wall / DATETIME_DAY_MS, &now);
	f->year += now.year / 100 * 100;
	now = *f;
	now.year -= 50;
	if (datetime_join(&now) > wall)
		f->year -= 100;
}

/* After the day's name: " Nov  6 08:49:37 1994", asctime() of C. */
static bool
datetime_asctime(struct datetime_text *t, struct datetime_fields *f)
{
	if (!datetime_word(t, " ") || !datetime_month(t, &f->month) || !datetime_word(t, " "))
		return false;
	if (!datetime_digits(t, datetime_word(t, " ") ? 1 : 2, &f->day))
		return false;
	return datetime_word(t, " ") && datetime_time(t, f) && datetime_word(t, " ") &&
	       datetime_digits(t, 4, &f->year);
}

/* After "Sun, " or "Sunday, ": the date with blanks and four digits, or dashes and two. */
static bool
datetime_gmt(struct datetime_text *t, struct datetime_fields *f, bool rfc850)
{
	const char *sep = rfc850 ? "-" : " ";

	return datetime_digits(t, 2, &f->day) && datetime_word(t, sep) &&
	       datetime_month(t, &f->month) && datetime_word(t, sep) &&
	       datetime_digits(t, rfc850 ? 2 : 4, &f->year) && datetime_word(t, " ") &&
	       datetime_time(t, f) && datetime_word(t, " GMT");
}

int
http_date_parse(const char *s, size_t n, int64_t *ms)
{
	static const char *const full[] = {
	    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", NULL};
	static const char *const abbr[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", NULL};
	struct datetime_text t = {s, s + n};
	struct datetime_fields f = {0};
	bool rfc850 = datetime_word_of(&t, full) >= 0;

	/* Whether the day's name fits the date is not judged: the date alone says when. */
	if (!rfc850 && datetime_word_of(&t, abbr) < 0)
		return -1;
	if (datetime_word(&t, ", ")) {
		if (!datetime_gmt(&t, &f, rfc850))
			return -1;
	} else if (rfc850 || !datetime_asctime(&t, &f)) {
		return -1;
	}
	if (t.at != t.end)
		return -1;
	if (rfc850)
		datetime_century(&f);
	return datetime_finish(&f, ms);
}
