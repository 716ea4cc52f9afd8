/* A blocking HTTP client over evhttp: one server, one request at a time, TLS verified. */
#ifndef CTL_HTTP_H
#define CTL_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct http;

/* ca_file NULL: the system's.  NULL and *why (free()) when the URL or the file cannot be used. */
struct http *http_new(const char *url, const char *ca_file, int64_t timeout_ms, char **why);
void http_free(struct http *http); /* NULL is fine */

struct http_field {
	const char *name;
	const char *value; /* NULL: left out */
};

struct http_request {
	const char *method; /* GET, POST, PATCH or DELETE */
	const char *target; /* below the URL's own path; begins with a slash, is encoded already;
			       NULL: the URL's own */
	const char *body;   /* NULL for none; JSON, unless fields have another Content-Type */
	size_t body_len;
	const struct http_field *fields; /* ends with a NULL name; NULL for none */
};

struct http_answer {
	int status;
	struct buf body;
};

/* Waits for the answer, at most the time set.  0, or -1 and *why (free()); the answer is to be
 * cleared in both cases.  The connection is kept for the next request. */
int http_ask(
    struct http *http, const struct http_request *request, struct http_answer *answer, char **why);
void http_answer_clear(struct http_answer *answer);

#endif
