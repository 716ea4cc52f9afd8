/* Untrusted text made fit for one line of a log. */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

#include "base/buf.h"

/* Appends the text bare if it is plain, else in double quotes with \" \\ \n \r \t;
 * other control bytes and invalid UTF-8 become \xNN. */
void escape_logfmt(struct buf *buf, const char *s, size_t n);
/* Appends a JSON string, quotes included; invalid UTF-8 becomes U+FFFD. */
void escape_json(struct buf *buf, const char *s, size_t n);

#endif
