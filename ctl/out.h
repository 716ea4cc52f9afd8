/* Output: text that is safe on a terminal, tables, cards, JSON, progress. */
#ifndef CTL_OUT_H
#define CTL_OUT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "proto/json.h"

/* Appends the text with control characters and what is not UTF-8 as \xNN: whoever wrote it must not
 * steer the terminal. */
void out_safe(struct buf *buf, const char *s, size_t n);
/* Appends JSON text with those characters as \uNNNN, which is the same JSON. */
void out_json(struct buf *buf, const char *json, size_t n);
/* The same with an end of line, to standard output. */
void out_json_line(const char *json, size_t n);
/* Text made safe, to standard error. */
void out_vsay(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
void out_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A JSON value as people write it: strings bare, null as "-", arrays with commas. */
void out_value(struct buf *buf, const struct json *value);

/* Appends JSON as it is, but on one line. */
void out_line(struct buf *buf, const struct json *value);
/* A line of JSON. */
void out_raw(const struct json *value);
/* Property by property, one a line. */
void out_card(const struct json *object);
/* JSON on several lines. */
void out_pretty(const struct json *value, int indent);

/* A table: cells are added row by row. */
struct table {
	const char *const *heads; /* ends with NULL */
	char **cells;
	size_t ncells;
};
void table_add(struct table *table, const char *s);
void table_addn(struct table *table, const char *s, size_t n);
/* A member of an object, by a name with dots. */
void table_member(struct table *table, const struct json *object, const char *path);
/* Prints and empties it. */
void table_print(struct table *table);
void table_clear(struct table *table);

/* A line on the terminal that the next one replaces; nothing when stderr is no terminal. */
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void progress_end(void);

#endif
