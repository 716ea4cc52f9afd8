/* Logging: one record a line, logfmt or JSON, gathered and written once a turn of the loop. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/log_repeat.h"

#define LOG_WAITING_MAX (1024 * 1024) /* bytes that may wait for log_flush() */
#define LOG_WRITE_MAX 4096u           /* a pipe that poll() calls writable takes a page */
#define LOG_KEPT_MOST (64 * 1024)     /* bytes of kept records, before their makers wait */

static const char *const log_levels[] = {"error", "warn", "info", "debug"};
static const char *const log_formats[] = {"logfmt", "json"};

static enum log_level log_level = LOG_INFO;
static enum log_format log_format = LOG_LOGFMT;

static bool log_priorities; /* before each line */

static struct buf log_waiting; /* whole lines, and the record being built */
static size_t log_start;       /* where that begins */
static const char *log_said;   /* its message, while it may be a repeat; else NULL */
static uint64_t log_sense;     /* stands for message and reason */
static enum { LOG_PLAIN, LOG_KEPT, LOG_LEFT_OUT } log_kind; /* of the record being built */
static struct buf log_kept;                                 /* whole lines that are never dropped */
static struct buf log_rest;  /* what is left of a line stderr took half of */
static uint64_t log_dropped; /* lines lost and not yet confessed */
static bool log_woken;       /* wake was called since the last flush */
static void (*log_wake)(void *arg);
static void *log_wake_arg;

void
log_setup(enum log_level level, enum log_format format)
{
	log_level = level;
	log_format = format;
}

void
log_set_level(enum log_level level)
{
	log_level = level;
}

bool
log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	char *end;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	device = strtoull(stream, &end, 10);
	if (end == stream || *end != ':')
		return false;
	stream = end + 1;
	inode = strtoull(stream, &end, 10);
	return end != stream && *end == '\0' && device == st.st_dev && inode == st.st_ino;
}

void
log_set_priorities(bool on)
{
	log_priorities = on;
}

const char *
log_priority(enum log_level level)
{
	static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"}; /* syslog's */

	return log_priorities ? priorities[level] : "";
}

static int
log_find(const char *name, const char *const *names, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

int
log_level_parse(const char *name, enum log_level *level)
{
	int i = log_find(name, log_levels, LOG_DEBUG + 1);

	if (i < 0)
		return -1;
	*level = (enum log_level)i;
	return 0;
}

int
log_format_parse(const char *name, enum log_format *format)
{
	int i = log_find(name, log_formats, LOG_JSON + 1);

	if (i < 0)
		return -1;
	*format = (enum log_format)i;
	return 0;
}

bool
log_on(enum log_level level)
{
	return level <= log_level;
}

/* Appends 2026-11-23T07:21:00.123Z; the calendar is asked once a second. */
static void
log_add_time(struct buf *buf)
{
	static char text[32];
	static time_t second = -1;
	int64_t now = clock_wall_ms();
	int ms = (int)(now % 1000);
	struct tm tm;

	if (second != (time_t)(now / 1000)) {
		second = (time_t)(now / 1000);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.", gmtime_r(&second, &tm));
	}
	buf_adds(buf, text);
	buf_addc(buf, (char)('0' + ms / 100));
	buf_addc(buf, (char)('0' + ms / 10 % 10));
	buf_addc(buf, (char)('0' + ms % 10));
	buf_addc(buf, 'Z');
}

static void
log_add_key(struct buf *buf, const char *key)
{
	if (log_format == LOG_JSON) {
		buf_adds(buf, ",\"");
		buf_adds(buf, key);
		buf_adds(buf, "\":");
	} else {
		buf_addc(buf, ' ');
		buf_adds(buf, key);
		buf_addc(buf, '=');
	}
}

static void
log_add_str(struct buf *buf, const char *key, const char *value, size_t n)
{
	log_add_key(buf, key);
	if (log_format == LOG_JSON)
		escape_json(buf, value, n);
	else
		escape_logfmt(buf, value, n);
}

static void
log_add_head(struct buf *buf, enum log_level level, const char *msg, size_t n)
{
	buf_adds(buf, log_priority(level));
	buf_adds(buf, log_format == LOG_JSON ? "{\"time\":\"" : "time=");
	log_add_time(buf);
	if (log_format == LOG_JSON)
		buf_addc(buf, '"');
	log_add_str(buf, "level", log_levels[level], strlen(log_levels[level]));
	log_add_str(buf, "msg", msg, n);
}

static void
log_add_int(struct buf *buf, const char *key, int64_t value)
{
	log_add_key(buf, key);
	buf_addi(buf, value);
}

static void
log_add_tail(struct buf *buf)
{
	if (log_format == LOG_JSON)
		buf_addc(buf, '}');
	buf_addc(buf, '\n');
}

void
log_begin(enum log_level level, const char *msg)
{
	log_start = log_waiting.len;
	log_kind = LOG_PLAIN;
	log_said = level <= LOG_WARN ? msg : NULL;
	if (level <= LOG_WARN)
		log_sense = log_repeat_mix(0, msg, strlen(msg));
	log_add_head(&log_waiting, level, msg, strlen(msg));
}

void
log_begin_kept(enum log_level level, const char *msg)
{
	log_begin(level, msg);
	log_said = NULL;
	log_kind = LOG_KEPT;
}

void
log_begin_limited(enum log_level level, const char *msg, const char *from)
{
	log_begin(level, msg);
	log_said = NULL;
	if (log_repeat_is_over_share(log_repeat_mix(0, from, strlen(from)), msg, clock_mono_ms()))
		log_kind = LOG_LEFT_OUT;
}

void
log_str(const char *key, const char *value)
{
	log_strn(key, value, value != NULL ? strlen(value) : 0);
}

void
log_strn(const char *key, const char *value, size_t n)
{
	if (log_said != NULL && strcmp(key, "reason") == 0)
		log_sense = log_repeat_mix(log_sense, value, n);
	log_add_str(&log_waiting, key, value, n);
}

void
log_int(const char *key, int64_t value)
{
	log_add_int(&log_waiting, key, value);
}

void
log_end(void)
{
	if (log_kind == LOG_LEFT_OUT ||
	    (log_said != NULL && log_repeat_is_one(log_sense, log_said, clock_mono_ms()))) {
		log_waiting.len = log_start;
		return;
	}
	log_add_tail(&log_waiting);
	if (log_kind == LOG_KEPT) {
		buf_add(&log_kept, log_waiting.data + log_start, log_waiting.len - log_start);
		log_waiting.len = log_start;
	}
	if (log_waiting.len > LOG_WAITING_MAX) {
		log_waiting.len = log_start;
		log_dropped++;
	}
	if (log_wake == NULL) {
		log_flush();
	} else if (!log_woken) {
		log_woken = true;
		log_wake(log_wake_arg);
	}
}

void
log_tell_repeats(void)
{
	struct log_repeats repeats;

	while (log_repeat_next(clock_mono_ms(), &repeats)) {
		log_begin(LOG_WARN, "log lines left out");
		log_said = NULL;
		log_str("of", repeats.said);
		log_int("lines", (int64_t)repeats.n);
		log_end();
	}
	if (log_kept.len > 0)
		log_flush();
}

void
log_msg(enum log_level level, const char *fmt, ...)
{
	struct buf text = {0};
	va_list ap;

	if (!log_on(level))
		return;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	log_begin(level, buf_str(&text));
	log_end();
	buf_clear(&text);
}

void
log_set_wake(void (*wake)(void *arg), void *arg)
{
	log_wake = wake;
	log_wake_arg = arg;
}

/*
 * stderr's file description is shared with other processes, so it is not made
 * non-blocking; poll() says whether a write would wait.  It could still wait
 * where another process fills the pipe in between.
 */
static bool
log_writable(void)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	int n;

	do
		n = poll(&fd, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1 && fd.revents == POLLOUT;
}

/* How much of the text goes into one write: whole lines if there is an end of one. */
static size_t
log_portion(const char *p, size_t n)
{
	const char *nl;

	if (n <= LOG_WRITE_MAX)
		return n;
	nl = memrchr(p, '\n', LOG_WRITE_MAX);
	return nl != NULL ? (size_t)(nl - p) + 1 : LOG_WRITE_MAX;
}

/* Returns how many bytes stderr took without waiting. */
static size_t
log_write(const char *p, size_t n)
{
	size_t done = 0;

	while (done < n && log_writable()) {
		ssize_t put = write(STDERR_FILENO, p + done, log_portion(p + done, n - done));

		if (put > 0)
			done += (size_t)put;
		else if (put == 0 || errno != EINTR)
			break;
	}
	return done;
}

/* Writes lines; keeps the rest of one that has begun, so that no reader sees half
 * a record.  Returns how many bytes are dealt with: always whole lines. */
static size_t
log_put(const char *p, size_t n)
{
	size_t done = log_write(p, n);
	const char *nl;

	if (done == 0 || p[done - 1] == '\n')
		return done;
	nl = memchr(p + done, '\n', n - done);
	buf_add(&log_rest, p + done, (size_t)(nl + 1 - (p + done)));
	return (size_t)(nl + 1 - p);
}

static bool
log_put_rest(void)
{
	size_t done = log_write(log_rest.data, log_rest.len);

	if (done > 0)
		memmove(log_rest.data, log_rest.data + done, log_rest.len - done);
	log_rest.len -= done;
	return log_rest.len == 0;
}

/* Says how many lines were lost; false if that does not get through either. */
static bool
log_put_dropped(void)
{
	struct buf line = {0};

	log_add_head(&line, LOG_WARN, "log lines dropped", strlen("log lines dropped"));
	log_add_int(&line, "lines", (int64_t)log_dropped);
	log_add_tail(&line);
	if (log_put(line.data, line.len) > 0)
		log_dropped = 0;
	buf_clear(&line);
	return log_dropped == 0 && log_rest.len == 0;
}

/* False when some are left. */
static bool
log_put_kept(void)
{
	size_t done;

	if (log_kept.len == 0)
		return true;
	done = log_put(log_kept.data, log_kept.len);
	memmove(log_kept.data, log_kept.data + done, log_kept.len - done);
	log_kept.len -= done;
	return log_kept.len == 0 && log_rest.len == 0;
}

bool
log_is_behind(void)
{
	if (log_kept.len > LOG_KEPT_MOST)
		log_flush(); /* it may have been read meanwhile */
	return log_kept.len > LOG_KEPT_MOST;
}

void
log_finish(int64_t ms)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	int64_t end_ms = clock_mono_ms() + ms, left_ms;

	for (log_flush(); log_kept.len + log_rest.len > 0; log_flush()) {
		left_ms = end_ms - clock_mono_ms();
		if (left_ms <= 0 || poll(&fd, 1, (int)left_ms) <= 0 || fd.revents != POLLOUT)
			break;
	}
}

void
log_flush(void)
{
	bool open = log_put_rest() && log_put_kept() && (log_dropped == 0 || log_put_dropped());
	size_t at = open ? log_put(log_waiting.data, log_waiting.len) : 0;

	for (; at < log_waiting.len; at++)
		if (log_waiting.data[at] == '\n')
			log_dropped++;
	buf_reset(&log_waiting);
	log_woken = false;
}
