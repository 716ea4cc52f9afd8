/* Dates: RFC 3339 in, UTC with milliseconds out. */
#ifndef PROTO_DATETIME_H
#define PROTO_DATETIME_H

#include <stddef.h>
#include <stdint.h>

#define DATETIME_LEN 24

/* Any offset, 0-9 fraction digits (cut to ms), case-insensitive T and Z, leap second 60 taken as
 * the next second; years 0001-9999, real calendar days only.  0, or -1 when it is not one. */
int datetime_parse(const char *s, size_t n, int64_t *ms);
/* 2026-11-23T07:21:00.123Z and a NUL. */
void datetime_format(char out[DATETIME_LEN + 1], int64_t ms);
/* IMF-fixdate, RFC 850 and asctime forms of RFC 9110, section 5.6.7.  0 or -1. */
int http_date_parse(const char *s, size_t n, int64_t *ms);

#endif
