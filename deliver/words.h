/* Why a POST had no answer, in words for an operator. */
#ifndef DELIVER_WORDS_H
#define DELIVER_WORDS_H

#include <stddef.h>

#include "deliver/conn.h"

/* Texts are constants or were written to buf.  error is an errno, http_error an enum
 * evhttp_request_error (-1: none). */
const char *words_connect(const struct conn *conn, int error);
const char *words_tls(const struct conn *conn, char *buf, size_t cap);
const char *words_exchange(const struct conn *conn, int http_error, char *buf, size_t cap);
const char *words_timeout(const struct conn *conn); /* NULL: it had none yet */

#endif
