/* Why a POST had no answer, in words for an operator. */
#ifndef DELIVER_WORDS_H
#define DELIVER_WORDS_H

#include <stddef.h>

#include "deliver/conn.h"

/* Of a connection that is dead.  The text is a constant or was written to buf. */
const char *words_end(const struct conn *conn, char *buf, size_t cap);
/* Of one whose time is over. */
const char *words_timeout(const struct conn *conn);

#endif
