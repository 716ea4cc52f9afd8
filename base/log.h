/* Logging: one record a line, logfmt or JSON, gathered and written once a turn of the loop. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

/*
 * A record is built field by field; the level is tested before any argument
 * is evaluated:
 *
 *	if (log_on(LOG_INFO)) {
 *		log_begin(LOG_INFO, "delivered");
 *		log_str("webhook", webhook->locator.s);
 *		log_int("status", status);
 *		log_end();
 *	}
 *
 * gives `time=2026-11-23T07:21:00.123Z level=info msg=delivered webhook=01J… status=200`.
 * Values are escaped: a record is always one line of printable UTF-8.
 * Records must not nest.
 */
void log_setup(enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
int log_level_parse(
    const char *name, enum log_level *level); /* error, warn, info, debug; 0 or -1 */
int log_format_parse(const char *name, enum log_format *format); /* logfmt, json; 0 or -1 */

/*
 * Whether stderr is systemd's journal: JOURNAL_STREAM names its device and inode.  There a line
 * begins with its priority, <N> (sd-daemon(3)), when log_set_priorities() says so; the journal
 * takes that off, and limits the rate of warnings apart from that of the rest.
 */
bool log_is_journal(void);
void log_set_priorities(bool on);
const char *log_priority(enum log_level level); /* "<N>", or "" while they are off */

bool log_on(enum log_level level);
void log_begin(enum log_level level, const char *msg);
/* A record that is never dropped: it waits until stderr takes it, before all others.  Before doing
 * what leaves one, look at log_is_behind(). */
void log_begin_kept(enum log_level level, const char *msg);
/* A record of what anybody can cause as often as he likes: of those from the same (some of them
 * together) more than 10 within a second are left out, and counted as log_tell_repeats() says. */
void log_begin_limited(enum log_level level, const char *msg, const char *from);
void log_str(const char *key, const char *value); /* NULL is written as the empty string */
void log_strn(const char *key, const char *value, size_t n);
void log_int(const char *key, int64_t value);
void log_end(void);

/*
 * Warnings and errors that say the same (message, and the field `reason`) more than 10 times within
 * a second are left out from then on; log_tell_repeats() says how many those were, once their
 * second is over.  Call it now and then; it also tries again what was kept.
 */
void log_tell_repeats(void);

/* Whether so many kept records wait for stderr that no more should come. */
bool log_is_behind(void);
/* Waits so long, at most, for stderr to take them. */
void log_finish(int64_t ms);

/* A record with nothing but a message. */
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Records wait in memory (at most 1 MiB; beyond it lines are dropped and
 * counted) until log_flush() writes them to stderr.  log_flush() never blocks:
 * what a full pipe does not take is dropped, and the next record that gets
 * through is preceded by a warning with the number.  `wake` is called when the
 * first record since the last flush was added; with none set, log_end()
 * flushes at once.  An LOG_ERROR record does not flush by itself either.
 */
void log_set_wake(void (*wake)(void *arg), void *arg);
void log_flush(void);

#endif
