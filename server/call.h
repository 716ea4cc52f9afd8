/* One API request: what it asked, and the one answer it gets. */
#ifndef SERVER_CALL_H
#define SERVER_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/fault.h"
#include "proto/id.h"
#include "server/reads.h"

struct app; /* what handlers work with: main.c has it */
struct call;
struct jwt;
struct route;
struct wire;

typedef void call_handler_fn(struct call *call);

enum call_method { CALL_GET, CALL_POST, CALL_PATCH, CALL_DELETE, CALL_OPTIONS, CALL_OTHER };

#define CALL_MAX_LOCATORS 2

struct call {
	struct app *app;
	struct arena arena;      /* lives as long as the call: use it for the handler's context */
	enum call_method method; /* HEAD is CALL_GET with head set */
	bool head;
	const struct route *route;
	struct uuid tenant; /* path values, canonical */
	struct ulid locator[CALL_MAX_LOCATORS];
	const char *body; /* in one piece; "" when there was none */
	size_t body_len;
	char request_id[129];   /* the client's X-Request-Id, or a new ULID */
	int64_t started_us;     /* clock_mono_us */
	struct reads_part read; /* in from app_read() to the answer */
	const char *sub;        /* the token's subject, "" for none */
	/* For the files of the HTTP side alone (http, route, call): */
	const char *method_name; /* as in the request line */
	const char *path;        /* raw; both borrowed from the request's target */
	size_t path_len;
	const char *query; /* raw, "" for none */
	size_t query_len;
	struct call_param *params; /* the query taken apart, NULL until somebody asks */
	size_t nparams;
	const struct jwt *token; /* from auth_admit() to auth_permit() */
	bool secret;             /* no copy of it or of its answer may stay behind */
	bool reads_webhooks;     /* the token may, or none is needed */
	bool audit;              /* the answer leaves a line with the sub */
	bool open;               /* not answered yet */
	bool close;              /* the connection ends with the answer */
	bool stays;              /* it does not, though that is HTTP/1.0 */
	bool excess;             /* the body was too long and is not here */
	const char *fields;      /* the request's, each "name: value" NUL and a byte */
	const char *fields_end;
	struct http_conn *conn;
	struct buf headers; /* of the answer, as lines */
	struct buf reply;
};

/* --- what was asked --- */

/* The value of a request header (the first of that name), or NULL. */
const char *call_header(struct call *call, const char *name);
/* The i-th value of a query parameter, percent-decoded, NUL-terminated; NULL beyond the last.
 * A parameter without "=" has the value "". */
const char *call_query(struct call *call, const char *name, size_t i);
#define CALL_QUERY_STRINGS_MAX 100

/*
 * Typed query parameters; absent leaves *out as it is.  On a fault they answer 400 with the
 * parameter's name in `errors` and return -1: the handler just returns.
 */
int call_query_int(struct call *call, const char *name, int64_t min, int64_t max, int64_t *out);
int call_query_bool(struct call *call, const char *name, int *out);     /* 0 or 1 */
int call_query_time(struct call *call, const char *name, int64_t *out); /* RFC 3339, ms */
/* Repeated and comma-separated values together, in the call's arena, each once; empty ones are left
 * out.  At most CALL_QUERY_STRINGS_MAX may be given. */
int call_query_strings(struct call *call, const char *name, char ***out, size_t *n);

/* --- the answer: exactly one of these ends the call, which must not be touched afterwards --- */

/* Sets a header of the answer; call before the answer. */
void call_set_header(struct call *call, const char *name, const char *value);
/* The buffer to write the answer's body into. */
struct buf *call_body(struct call *call);
/* Answers with what call_body() holds as application/json. */
void call_reply(struct call *call, int status);
/* The same with another media type, a constant text. */
void call_reply_as(struct call *call, int status, const char *content_type);
/* Answers without a body (204, 202, 304). */
void call_reply_empty(struct call *call, int status);
/* Answers RFC 9457 problem+json; the title comes from the status; detail may be "".
 * 401 adds WWW-Authenticate, 429 and 503 Retry-After: 1 unless set before. */
void call_problem(struct call *call, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* 400 with `errors`; clears the faults. */
void call_problem_faults(struct call *call, const char *detail, struct faults *faults);

/* --- for http.c --- */

/* The id to answer a request with: the given one when it is sane, else a new one. */
void call_choose_id(char id[129], const char *given, size_t len);
/* Makes the call ready for the request whose head is whole in wire (borrowed until the answer, and
 * changed: it is taken apart in its place). */
void call_start(struct call *call, struct wire *wire);
/* The rest of it has come, after call_start(). */
void call_resume(struct call *call, const struct wire *wire);
/* Looks at what the head says of the body, as the call's route wants it; false when it answered 415
 * or 413 itself. */
bool call_accept_body(struct call *call, size_t max_body);
/* For the handler: the body, if its route wants one. */
void call_take_body(struct call *call, struct wire *wire);
void call_clear(struct call *call); /* frees what it holds */

#endif
