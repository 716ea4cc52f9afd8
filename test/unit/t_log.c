/* base/log: both formats, escaping, and a stderr that takes nothing, a little or all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#define HEAD "time=2026-11-23T07:21:00.123Z level=info msg=m"
#define JSON_HEAD "{\"time\":\"2026-11-23T07:21:00.123Z\",\"level\":\"info\",\"msg\":\"m\""

static int pipe_fds[2], saved_stderr, wakes;
static struct buf got;

static int
open_pipe(void)
{
	if (pipe(pipe_fds) < 0 || fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) < 0)
		return -1;
	dup2(pipe_fds[1], STDERR_FILENO);
	close(pipe_fds[1]);
	return 0;
}

/* stderr is a pipe from here to teardown(). */
static int
setup(void **state)
{
	(void)state;
	saved_stderr = dup(STDERR_FILENO);
	clock_override(-1, 1795418460123);
	log_setup(LOG_INFO, LOG_LOGFMT);
	log_set_wake(NULL, NULL);
	wakes = 0;
	return open_pipe();
}

static int
teardown(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_fds[0]);
	buf_clear(&got);
	return 0;
}

static void
on_wake(void *arg)
{
	assert_ptr_equal(arg, &wakes);
	wakes++;
}

/* Everything the pipe holds. */
static const char *
drain(void)
{
	char part[4096];
	ssize_t n;

	buf_reset(&got);
	while ((n = read(pipe_fds[0], part, sizeof(part))) > 0)
		buf_add(&got, part, (size_t)n);
	return buf_str(&got);
}

static const char *
one_value(const char *value, size_t n)
{
	log_begin(LOG_INFO, "m");
	log_strn("k", value, n);
	log_end();
	return drain();
}

static void
test_journal_priorities(void **state)
{
	(void)state;
	log_set_priorities(true);
	log_begin(LOG_INFO, "m");
	log_end();
	assert_string_equal(drain(), "<6>" HEAD "\n");
	log_setup(LOG_DEBUG, LOG_JSON);
	log_begin(LOG_INFO, "m");
	log_end();
	assert_string_equal(drain(), "<6>" JSON_HEAD "}\n");
	log_msg(LOG_ERROR, "m");
	log_msg(LOG_WARN, "m");
	log_msg(LOG_DEBUG, "m");
	drain();
	assert_memory_equal(buf_str(&got), "<3>", 3);
	assert_non_null(strstr(buf_str(&got), "\n<4>"));
	assert_non_null(strstr(buf_str(&got), "\n<7>"));
	log_set_priorities(false);
}

/* The variable is inherited: what counts is that it names what stderr is. */
static void
test_journal_is_known_by_device_and_inode(void **state)
{
	struct stat st;
	char text[64];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	assert_false(log_is_journal());
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
	assert_true(log_is_journal());
	snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
	setenv("JOURNAL_STREAM", text, 1);
	assert_false(log_is_journal());
	setenv("JOURNAL_STREAM", "nonsense", 1);
	assert_false(log_is_journal());
	unsetenv("JOURNAL_STREAM");
}

static void
test_logfmt(void **state)
{
	(void)state;
	log_begin(LOG_INFO, "two words");
	log_str("a", "x_.:/@+-9Z");
	log_str("none", NULL);
	log_int("n", -5);
	log_end();
	assert_string_equal(drain(), "time=2026-11-23T07:21:00.123Z level=info msg=\"two words\" "
				     "a=x_.:/@+-9Z none=\"\" n=-5\n");
	assert_string_equal(
	    one_value("\"\\\n\r\t\0\x1b\x7f", 8), HEAD " k=\"\\\"\\\\\\n\\r\\t\\x00\\x1b\\x7f\"\n");
	assert_string_equal(one_value("gr\xc3\xbc\xc3\x9f", 6), HEAD " k=\"gr\xc3\xbc\xc3\x9f\"\n");
	assert_string_equal(one_value("a=b", 3), HEAD " k=\"a=b\"\n");
}

static void
test_json(void **state)
{
	(void)state;
	log_setup(LOG_INFO, LOG_JSON);
	log_begin(LOG_WARN, "two \"words\"");
	log_str("a", "b");
	log_int("n", INT64_MIN);
	log_end();
	assert_string_equal(drain(),
	    "{\"time\":\"2026-11-23T07:21:00.123Z\",\"level\":\"warn\",\"msg\":\"two "
	    "\\\"words\\\"\",\"a\":\"b\",\"n\":-9223372036854775808}\n");
	assert_string_equal(one_value("\\\n\r\t\0\x1b/", 7),
	    JSON_HEAD ",\"k\":\"\\\\\\n\\r\\t\\u0000\\u001b/\"}\n");
}

/* Not characters: overlong, surrogate, beyond U+10FFFF, cut short, a lone continuation. */
static void
test_invalid_utf8(void **state)
{
	static const char *const bad[] = {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
	    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80", "\xff"};
	struct buf want = {0};
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&want);
		buf_adds(&want, HEAD " k=\"");
		for (k = 0; k < strlen(bad[i]); k++)
			buf_printf(&want, "\\x%02x", (unsigned)(unsigned char)bad[i][k]);
		buf_adds(&want, "z\"\n");
		log_begin(LOG_INFO, "m");
		buf_reset(&got);
		buf_printf(&got, "%sz", bad[i]);
		log_strn("k", got.data, got.len);
		log_end();
		assert_string_equal(drain(), buf_str(&want));
	}
	buf_clear(&want);
	log_setup(LOG_INFO, LOG_JSON);
	assert_string_equal(one_value("\xff\xe2\x82\xac\x80", 5),
	    JSON_HEAD ",\"k\":\"\xef\xbf\xbd€\xef\xbf\xbd\"}\n");
}

/* Valid, but it would end the line, clear the screen or turn the text around. */
static void
test_unprintable_utf8(void **state)
{
	(void)state;
	assert_string_equal(one_value("\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xf0\x9f\x8e\xa3", 12),
	    HEAD " k=\"\\xc2\\x9b\\xe2\\x80\\xa8\\xe2\\x80\\xae\xf0\x9f\x8e\xa3\"\n");
	log_setup(LOG_INFO, LOG_JSON);
	assert_string_equal(one_value("\xc2\x9b\xe2\x80\xa8\xe2\x81\xa6", 8),
	    JSON_HEAD ",\"k\":\"\\u009b\\u2028\\u2066\"}\n");
}

static void
test_levels(void **state)
{
	enum log_level level;
	enum log_format format;

	(void)state;
	log_msg(LOG_DEBUG, "%s", "hidden");
	log_msg(LOG_INFO, "%d", 7);
	assert_string_equal(drain(), "time=2026-11-23T07:21:00.123Z level=info msg=7\n");
	log_set_level(LOG_ERROR);
	assert_false(log_on(LOG_WARN));
	assert_true(log_on(LOG_ERROR));
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_DEBUG);
	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_ERROR);
	assert_int_equal(log_level_parse("Debug", &level), -1);
	assert_int_equal(log_level_parse("", &level), -1);
	assert_int_equal(log_format_parse("json", &format), 0);
	assert_int_equal(format, LOG_JSON);
	assert_int_equal(log_format_parse("xml", &format), -1);
}

static void
test_time_moves(void **state)
{
	(void)state;
	clock_override(-1, 951782400000 - 1);
	log_msg(LOG_INFO, "m");
	clock_override(-1, 951782400000);
	log_msg(LOG_INFO, "m");
	assert_string_equal(drain(), "time=2000-02-28T23:59:59.999Z level=info msg=m\n"
				     "time=2000-02-29T00:00:00.000Z level=info msg=m\n");
}

static void
test_wake_once_a_turn(void **state)
{
	(void)state;
	log_set_wake(on_wake, &wakes);
	log_msg(LOG_INFO, "m");
	log_msg(LOG_ERROR, "m");
	assert_int_equal(wakes, 1);
	assert_string_equal(drain(), "");
	log_flush();
	assert_string_equal(drain(), HEAD "\ntime=2026-11-23T07:21:00.123Z level=error msg=m\n");
	log_flush();
	assert_string_equal(drain(), "");
	log_msg(LOG_INFO, "m");
	assert_int_equal(wakes, 2);
	log_flush();
}

/* Counts the whole lines of the text; fails on one that is not a record. */
static int
whole_lines(const char *text)
{
	int n = 0;
	const char *nl;

	for (; *text != '\0'; text = nl + 1, n++) {
		nl = strchr(text, '\n');
		assert_non_null(nl);
		assert_memory_equal(text, "time=2026-", 10);
	}
	return n;
}

static void
test_full_pipe_drops_whole_lines(void **state)
{
	char want[200];
	int i, through;

	(void)state;
	log_set_wake(on_wake, &wakes);
	for (i = 0; i < 4000; i++)
		log_msg(LOG_INFO, "line %d", i);
	log_flush(); /* would hang here if it could block */
	through = whole_lines(drain());
	assert_in_range(through, 500, 3000);
	log_msg(LOG_INFO, "m");
	log_flush();
	snprintf(want, sizeof(want),
	    "time=2026-11-23T07:21:00.123Z level=warn msg=\"log lines dropped\" lines=%d\n" HEAD
	    "\n",
	    4000 - through);
	assert_string_equal(drain(), want);
	log_msg(LOG_INFO, "m");
	log_flush();
	assert_string_equal(drain(), HEAD "\n");
}

static void
test_half_a_line_is_finished(void **state)
{
	char value[10000];
	struct buf all = {0};
	int turn;

	(void)state;
	assert_true(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 4096) >= 0);
	memset(value, 'v', sizeof(value));
	log_set_wake(on_wake, &wakes);
	log_begin(LOG_INFO, "m");
	log_strn("k", value, sizeof(value));
	log_end();
	log_msg(LOG_INFO, "lost");
	for (turn = 0; turn < 4; turn++) {
		log_flush();
		buf_adds(&all, drain());
	}
	assert_int_equal(whole_lines(buf_str(&all)), 2);
	assert_memory_equal(all.data + strlen(HEAD " k="), value, sizeof(value));
	assert_string_equal(all.data + strlen(HEAD " k=") + sizeof(value),
	    "\ntime=2026-11-23T07:21:00.123Z level=warn msg=\"log lines dropped\" lines=1\n");
	buf_clear(&all);
}

static void
test_waiting_is_capped(void **state)
{
	const int fit = (1 << 20) / (int)(strlen(HEAD " k=\n") + 1000);
	char value[1000], want[200];
	int i;

	(void)state;
	memset(value, 'v', sizeof(value));
	log_set_wake(on_wake, &wakes);
	for (i = 0; i < fit + 7; i++) {
		log_begin(LOG_INFO, "m");
		log_strn("k", value, sizeof(value));
		log_end();
	}
	assert_int_equal(wakes, 1);
	snprintf(want, sizeof(want), "msg=\"log lines dropped\" lines=7\n" HEAD " k=vvv");
	log_flush(); /* what the cap cost is said first, what the pipe costs at the next flush */
	assert_non_null(strstr(drain(), want));
	log_flush();
	assert_int_equal(whole_lines(drain()), 1);
}

static void
keep(int i)
{
	log_begin_kept(LOG_INFO, "kept");
	log_int("i", i);
	log_end();
}

/* What is kept comes through a pipe that is full of other lines, in order, and before them. */
static void
test_kept_is_never_dropped(void **state)
{
	struct buf all = {0};
	char want[40];
	const char *at;
	int i = 0;

	(void)state;
	log_set_wake(on_wake, &wakes);
	while (!log_is_behind()) {
		log_msg(LOG_INFO, "other");
		keep(i++);
		log_flush();
	}
	assert_in_range(i, 500, 5000);
	keep(i++); /* what was begun already is kept all the same */
	log_msg(LOG_INFO, "lost");
	for (int turn = 0; turn < 10; turn++) {
		buf_adds(&all, drain());
		log_tell_repeats(); /* tries again */
	}
	assert_false(log_is_behind());
	at = buf_str(&all);
	for (int n = 0; n < i; n++) {
		snprintf(want, sizeof want, "msg=kept i=%d\n", n);
		at = strstr(at, want);
		assert_non_null(at);
	}
	assert_non_null(strstr(at, "log lines dropped"));
	log_finish(0);
	buf_clear(&all);
}

static void
test_finish(void **state)
{
	(void)state;
	log_set_wake(on_wake, &wakes);
	keep(1);
	log_finish(0);
	assert_string_equal(drain(), "time=2026-11-23T07:21:00.123Z level=info msg=kept i=1\n");
	for (int i = 0; i < 5000; i++)
		keep(i);
	log_finish(10); /* gives up */
	do
		log_finish(10);
	while (drain()[0] != '\0');
	assert_false(log_is_behind());
}

static void
test_closed_pipe(void **state)
{
	(void)state;
	close(pipe_fds[0]);
	log_msg(LOG_INFO, "m"); /* SIGPIPE would kill the test */
	assert_int_equal(open_pipe(), 0);
	log_msg(LOG_INFO, "m");
	assert_string_equal(drain(),
	    "time=2026-11-23T07:21:00.123Z level=warn msg=\"log lines dropped\" lines=1\n" HEAD
	    "\n");
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static unsigned
count(const char *text, const char *word)
{
	unsigned n = 0;

	while ((text = strstr(text, word)) != NULL) {
		text += strlen(word);
		n++;
	}
	return n;
}

static void
complain(enum log_level level, const char *msg, const char *reason)
{
	log_begin(level, msg);
	log_str("reason", reason);
	log_end();
}

/* Ten of a kind within a second; others, and what is no complaint, are not touched. */
static void
test_repeats(void **state)
{
	const char *text;

	(void)state;
	clock_override(1000000, 1795418460123);
	for (int i = 0; i < 25; i++) {
		complain(LOG_WARN, "storm", "a");
		complain(LOG_INFO, "calm", "a");
		if (i < 10)
			complain(LOG_WARN, "storm", "b");
	}
	text = drain();
	assert_int_equal(count(text, "msg=storm reason=a"), 10);
	assert_int_equal(count(text, "msg=storm reason=b"), 10);
	assert_int_equal(count(text, "msg=calm"), 25);
	log_tell_repeats();
	assert_string_equal(drain(), ""); /* the second is not over */
	clock_override(1001000, 1795418461123);
	log_tell_repeats();
	text = drain();
	assert_int_equal(count(text, "\n"), 1);
	assert_non_null(strstr(text, "level=warn msg=\"log lines left out\" of=storm lines=15\n"));
	log_tell_repeats();
	assert_string_equal(drain(), "");
	complain(LOG_WARN, "storm", "a");
	assert_int_equal(count(drain(), "msg=storm"), 1);
}

/* What was left out is kept although the storm goes on into the next second. */
static void
test_repeats_go_on(void **state)
{
	(void)state;
	for (int64_t ms = 2000000; ms < 2002000; ms += 10) {
		clock_override(ms, 1795418460123);
		complain(LOG_ERROR, "gale", "");
	}
	assert_int_equal(count(drain(), "msg=gale"), 20);
	clock_override(2003000, 1795418460123);
	log_tell_repeats();
	assert_non_null(strstr(drain(), "of=gale lines=180\n"));
}

/* More kinds than can be remembered: none is lost. */
static void
test_repeats_of_many_kinds(void **state)
{
	char reason[16];
	unsigned passed = 0;

	(void)state;
	clock_override(3000000, 1795418460123);
	for (int i = 0; i < 100; i++) {
		snprintf(reason, sizeof reason, "%d", i);
		complain(LOG_WARN, "hail", reason);
		passed += count(drain(), "msg=hail");
	}
	assert_int_equal(passed, 100);
	log_tell_repeats();
	assert_string_equal(drain(), "");
}

/* Of what anybody can cause, ten a second of the same one, and some more of all together. */
static void
test_limited(void **state)
{
	char from[20];
	int i;

	(void)state;
	clock_override(1000000, 1795418460123);
	for (i = 0; i < 50; i++) {
		log_begin_limited(LOG_INFO, "refused", "a");
		log_int("i", i);
		log_end();
	}
	assert_int_equal(count(drain(), "msg=refused"), 10);
	for (i = 0; i < 1000; i++) {
		snprintf(from, sizeof from, "%d", i);
		log_begin_limited(LOG_INFO, "refused", from);
		log_end();
	}
	assert_in_range(count(drain(), "msg=refused"), 30, 70);
	clock_override(1001000, 1795418460123);
	log_tell_repeats();
	assert_in_range(count(drain(), "of=refused lines="), 2, 8);
	log_begin_limited(LOG_INFO, "refused", "a");
	log_end();
	assert_int_equal(count(drain(), "msg=refused"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LOG_TEST(test_logfmt),
	    LOG_TEST(test_journal_priorities),
	    LOG_TEST(test_journal_is_known_by_device_and_inode),
	    LOG_TEST(test_json),
	    LOG_TEST(test_invalid_utf8),
	    LOG_TEST(test_unprintable_utf8),
	    LOG_TEST(test_levels),
	    LOG_TEST(test_time_moves),
	    LOG_TEST(test_wake_once_a_turn),
	    LOG_TEST(test_full_pipe_drops_whole_lines),
	    LOG_TEST(test_half_a_line_is_finished),
	    LOG_TEST(test_waiting_is_capped),
	    LOG_TEST(test_kept_is_never_dropped),
	    LOG_TEST(test_finish),
	    LOG_TEST(test_limited),
	    LOG_TEST(test_closed_pipe),
	    LOG_TEST(test_repeats),
	    LOG_TEST(test_repeats_go_on),
	    LOG_TEST(test_repeats_of_many_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
