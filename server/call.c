/* One API request: its headers and body, and the one answer it gets. */
#include "server/call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "proto/trace.h"
#include "server/http.h"
#include "server/problem.h"
#include "server/route.h"
#include "server/wire.h"

#define CALL_KEPT 4096 /* bytes of memory that a connection keeps */

static const struct {
	const char *name;
	enum call_method method;
} call_methods[] = {
    {"GET", CALL_GET},
    {"POST", CALL_POST},
    {"PATCH", CALL_PATCH},
    {"DELETE", CALL_DELETE},
    {"HEAD", CALL_GET},
    {"OPTIONS", CALL_OPTIONS},
};

/* --- the beginning --- */

static void
call_set_method(struct call *call, const char *name)
{
	size_t i;

	call->method = CALL_OTHER;
	call->method_name = name;
	call->head = strcmp(name, "HEAD") == 0;
	for (i = 0; i < sizeof call_methods / sizeof call_methods[0]; i++) {
		if (strcmp(call_methods[i].name, name) == 0)
			call->method = call_methods[i].method;
	}
}

void
call_choose_id(char id[129], const char *given, size_t len)
{
	static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ._:+/=@-";
	struct ulid made;

	if (len > 0 && len < 129) {
		memcpy(id, given, len);
		id[len] = '\0';
		if (strspn(id, allowed) == len)
			return;
	}
	ulid_new(&made, clock_wall_ms());
	memcpy(id, made.s, sizeof made.s);
}

static void
call_set_request_id(struct call *call)
{
	const char *given = call_header(call, "X-Request-Id");

	call_choose_id(call->request_id, given, given != NULL ? strlen(given) : 0);
}

/* The target's form is known to be right (wire.c). */
static void
call_set_target(struct call *call, const char *s)
{
	const char *query;

	if (*s != '/' && *s != '*') { /* absolute-form: we serve any authority */
		s = strstr(s, "://") + 3;
		s += strcspn(s, "/?");
	}
	query = strchr(s, '?');
	call->path = s;
	call->path_len = query != NULL ? (size_t)(query - s) : strlen(s);
	call->query = query != NULL ? query + 1 : "";
	call->query_len = strlen(call->query);
}

/* Ends the first word, or line, of a text at the byte given, and goes behind it. */
static char *
call_cut(char **text, char at)
{
	char *begin = *text, *end = strchr(begin, at);

	*end = '\0';
	*text = end + 1;
	return begin;
}

/* The head as wire has it: lines in one form, one space where there is space. */
static void
call_take_apart(struct call *call, struct wire *wire)
{
	char *at = wire->out.data, *end = at + wire->out.len;

	call->body = "";
	call->body_len = 0;
	call_set_method(call, call_cut(&at, ' '));
	call_set_target(call, call_cut(&at, ' '));
	call_cut(&at, '\n');
	call->fields = at;
	call->fields_end = end - 2;
	while (at < end - 2) {
		call_cut(&at, '\r');
		at++;
	}
}

void
call_start(struct call *call, struct wire *wire)
{
	size_t i;

	call->route = NULL;
	call->tenant.s[0] = '\0';
	for (i = 0; i < CALL_MAX_LOCATORS; i++)
		call->locator[i].s[0] = '\0';
	call->params = NULL;
	call->nparams = 0;
	call->read = (struct reads_part){0};
	call->sub = "";
	call->token = NULL;
	call->secret = wire->secret;
	call->reply.secret = wire->secret;
	call->reads_webhooks = false;
	call->audit = false;
	call->close = wire_is_last(wire);
	call->stays = wire->minor == 0 && !call->close;
	call->excess = wire->excess;
	call->open = true;
	call->started_us = clock_mono_us();
	call_take_apart(call, wire);
	call_set_request_id(call);
}

void
call_resume(struct call *call, const struct wire *wire)
{
	call->started_us = clock_mono_us();
	call->excess = wire->excess;
	call->close = wire_is_last(wire);
}

void
call_take_body(struct call *call, struct wire *wire)
{
	if (!call->route->takes_body || wire->body.len == 0)
		return;
	call->body = buf_str(&wire->body);
	call->body_len = wire->body.len;
}

void
call_clear(struct call *call)
{
	arena_clear(&call->arena);
	buf_clear(&call->reply);
	buf_clear(&call->headers);
}

/* --- what was asked --- */

const char *
call_header(struct call *call, const char *name)
{
	size_t len = strlen(name);
	const char *line;

	for (line = call->fields; line < call->fields_end; line += strlen(line) + 2) {
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 2;
	}
	return NULL;
}

/* Whether a parameter of a media type lets us read the body as UTF-8; moves *s behind it. */
static bool
call_accept_parameter(const char **s)
{
	const char *name = *s, *value;
	size_t name_len = strcspn(name, "=; \t"), len;

	if (name_len == 0 || name[name_len] != '=')
		return false;
	value = name + name_len + 1;
	if (*value == '"') {
		len = strcspn(++value, "\"\\");
		if (value[len] != '"')
			return false;
		*s = value + len + 1;
	} else {
		len = strcspn(value, "; \t");
		*s = value + len;
	}
	return name_len != 7 || strncasecmp(name, "charset", 7) != 0 ||
	       (len == 5 && strncasecmp(value, "utf-8", 5) == 0);
}

/* RFC 9110, 8.3.1: application/json, parameters behind it. */
static bool
call_is_json(const char *s)
{
	static const char json[] = "application/json";

	if (s == NULL || strncasecmp(s, json, sizeof json - 1) != 0)
		return false;
	for (s += sizeof json - 1;;) {
		s += strspn(s, " \t");
		if (*s == '\0')
			return true;
		if (*s++ != ';')
			return false;
		s += strspn(s, " \t");
		if (*s != ';' && *s != '\0' && !call_accept_parameter(&s))
			return false;
	}
}

bool
call_accept_body(struct call *call, size_t max_body)
{
	const char *coding = call_header(call, "Content-Encoding");

	if (call->route->takes_body && !call_is_json(call_header(call, "Content-Type"))) {
		call_problem(call, 415, "the body must be application/json in UTF-8");
		return false;
	}
	if (call->route->takes_body && coding != NULL && strcasecmp(coding, "identity") != 0) {
		call_problem(call, 415, "the body must not have a Content-Encoding");
		return false;
	}
	if (call->excess) {
		call_problem(call, 413, "the body is longer than %zu bytes", max_body);
		return false;
	}
	return true;
}

/* --- the answer --- */

void
call_set_header(struct call *call, const char *name, const char *value)
{
	if (strpbrk(value, "\r\n") != NULL) {
		log_msg(LOG_ERROR, "bug: the value for %s has more than a line", name);
		return;
	}
	buf_adds(&call->headers, name);
	buf_adds(&call->headers, ": ");
	buf_adds(&call->headers, value);
	buf_adds(&call->headers, "\r\n");
}

static bool
call_has_set(struct call *call, const char *name)
{
	const char *line, *end;
	size_t len = strlen(name);

	for (line = buf_str(&call->headers); *line != '\0'; line = end + 1) {
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return true;
		end = strchr(line, '\n');
	}
	return false;
}

static void
call_set_default(struct call *call, const char *name, const char *value)
{
	if (!call_has_set(call, name))
		call_set_header(call, name, value);
}

struct buf *
call_body(struct call *call)
{
	return &call->reply;
}

static void
call_log(struct call *call, int status)
{
	const char *trace;

	if (!log_on(LOG_DEBUG))
		return;
	log_begin(LOG_DEBUG, "request");
	log_str("method", call->method_name);
	log_strn("path", call->path, call->path_len);
	log_int("status", status);
	log_int("ms", (clock_mono_us() - call->started_us) / 1000);
	log_str("request", call->request_id);
	trace = trace_parent_or_none(call_header(call, "traceparent"));
	if (*trace != '\0')
		log_strn("trace", trace + TRACE_ID_AT, TRACE_ID_LEN);
	log_end();
}

/* Who changed what; the arena, and the sub in it, must still be there.  What was refused is told so
 * often only; of the rest, which may have been done, no line is lost (5xx, too: what Redis did not
 * answer it may have done). */
static void
call_log_audit(const struct call *call, int status)
{
	if (!call->audit || !log_on(LOG_INFO))
		return;
	if (status >= 400 && status < 500)
		log_begin_limited(LOG_INFO, "audit", call->sub);
	else
		log_begin_kept(LOG_INFO, "audit");
	log_str("sub", call->sub);
	log_str("tenant", call->tenant.s);
	log_str("method", call->method_name);
	log_strn("path", call->path, call->path_len);
	log_int("status", status);
	log_str("request", call->request_id);
	log_end();
}

/* What a connection keeps for its next call. */
static void
call_keep(struct buf *buf)
{
	if (buf->cap > CALL_KEPT)
		buf_clear(buf);
	else
		buf_reset(buf);
}

/* Every answer ends here. */
static void
call_answer(struct call *call, int status, const char *content_type)
{
	bool bodiless = status == 204 || status == 304;

	if (!call->open) {
		log_msg(LOG_ERROR, "bug: request %s was answered twice", call->request_id);
		log_flush();
		assert(call->open);
		return;
	}
	call_log(call, status);
	call_log_audit(call, status);
	call_set_header(call, "X-Request-Id", call->request_id);
	if (content_type != NULL)
		call_set_header(call, "Content-Type", content_type);
	if (!bodiless) { /* for HEAD, what GET would have sent (RFC 9110, 8.6) */
		buf_adds(&call->headers, "Content-Length: ");
		buf_addu(&call->headers, call->reply.len);
		buf_adds(&call->headers, "\r\n");
	}
	call->close = call->close || http_closing(call);
	if (call->close)
		call_set_header(call, "Connection", "close");
	else if (call->stays)
		call_set_header(call, "Connection", "keep-alive");
	call->open = false;
	reads_leave(&call->read);
	if (call->secret)
		arena_wipe(&call->arena);
	else
		arena_clear(&call->arena);
	http_send(call, status, problem_title(status), !bodiless && !call->head);
	call_keep(&call->reply);
	call_keep(&call->headers);
}

/* The JSON is whole; a line end behind it is for people at a terminal. */
void
call_reply(struct call *call, int status)
{
	buf_addc(&call->reply, '\n');
	call_answer(call, status, "application/json");
}

void
call_reply_as(struct call *call, int status, const char *content_type)
{
	call_answer(call, status, content_type);
}

void
call_reply_empty(struct call *call, int status)
{
	buf_reset(&call->reply);
	call_answer(call, status, NULL);
}

static void
call_answer_problem(struct call *call, int status, const char *detail, const struct faults *faults)
{
	if (status == 401)
		call_set_default(call, "WWW-Authenticate", "Bearer");
	if (status == 429 || status == 503)
		call_set_default(call, "Retry-After", "1");
	buf_reset(&call->reply);
	problem_write(&call->reply, status, detail, call->request_id, faults);
	call_answer(call, status, "application/problem+json");
}

void
call_problem(struct call *call, int status, const char *fmt, ...)
{
	struct buf detail = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&detail, fmt, ap);
	va_end(ap);
	call_answer_problem(call, status, buf_str(&detail), NULL);
	buf_clear(&detail);
}

void
call_problem_faults(struct call *call, const char *detail, struct faults *faults)
{
	call_answer_problem(call, 400, detail, faults);
	faults_clear(faults);
}
