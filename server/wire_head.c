/* The head of a request: its lines judged one by one, and all of it at its end. */
#include <string.h>
#include <strings.h>

#include "proto/grammar.h"
#include "server/wire_internal.h"

/* --- the request line --- */

static const struct {
	const char *name;
	size_t len;
	bool head, bodiless;
} wire_methods[] = {
    {"GET", 3, false, false},
    {"POST", 4, false, false},
    {"PATCH", 5, false, false},
    {"DELETE", 6, false, false},
    {"HEAD", 4, true, true},
    {"OPTIONS", 7, false, false},
    {"PUT", 3, false, false},
    {"TRACE", 5, false, true},
};

static void
wire_method(struct wire *wire, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof wire_methods / sizeof wire_methods[0]; i++) {
		if (wire_methods[i].len == n && memcmp(wire_methods[i].name, s, n) == 0) {
			wire->head = wire_methods[i].head;
			wire->bodiless = wire_methods[i].bodiless;
			return;
		}
	}
	if (n == 7 && memcmp(s, "CONNECT", 7) == 0)
		wire_fail(wire, 501, "this is not a proxy");
	else
		wire_fail(wire, 501, "the method is not one of those understood");
}

static bool
wire_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
wire_version(struct wire *wire, const char *s, size_t n)
{
	if (n != 8 || memcmp(s, "HTTP/", 5) != 0 || !wire_is_digit(s[5]) || s[6] != '.' ||
	    !wire_is_digit(s[7]))
		wire_fail(wire, 400, "the request line does not end with an HTTP version");
	else if (s[5] != '1' || s[7] > '1')
		wire_fail(wire, 505, "the only versions understood are HTTP/1.1 and HTTP/1.0");
	else
		wire->minor = (unsigned)(s[7] - '0');
}

/* By the path, for nothing else is known yet: percent-encoded it may be any. */
static bool
wire_is_secret(const char *target, size_t n)
{
	return memmem(target, n, "/webhooks", 9) != NULL || memchr(target, '%', n) != NULL;
}

void
wire_request_line(struct wire *wire, const char *s, size_t n)
{
	const char *end = s + n, *target, *version, *why;

	if (n == 0) { /* RFC 9112, 2.2: at least one is to be ignored */
		if (wire->blank)
			wire_fail(wire, 400, "there are empty lines before the request line");
		wire->blank = true;
		return;
	}
	target = memchr(s, ' ', n);
	version = target != NULL ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
	if (version == NULL || !grammar_is_token(s, (size_t)(target - s))) {
		wire_fail(wire, 400, "the request line is not method, target and version");
		return;
	}
	wire_version(wire, version + 1, (size_t)(end - version - 1));
	if (wire->status == 0)
		wire_method(wire, s, (size_t)(target - s));
	if (wire->status != 0)
		return;
	why = wire_check_target(
	    target + 1, (size_t)(version - target - 1), n > 8 && memcmp(s, "OPTIONS ", 8) == 0);
	if (why != NULL) {
		wire_fail(wire, 400, why);
		return;
	}
	wire->secret = wire_is_secret(target + 1, (size_t)(version - target - 1));
	wire->body.secret = wire->secret;
	buf_add(&wire->out, s, n + 2);
	wire->state = WIRE_FIELDS;
}

/* --- fields --- */

/* A field that concerns us: whether it stays in the request. */
typedef bool wire_field_fn(struct wire *wire, const char *s, size_t n);

static bool
wire_host(struct wire *wire, const char *s, size_t n)
{
	if (wire->hosts++ > 0)
		wire_fail(wire, 400, "there is more than one Host");
	else if (!wire_is_host(s, n))
		wire_fail(wire, 400, "Host is not valid");
	return true;
}

static bool
wire_content_length(struct wire *wire, const char *s, size_t n)
{
	if (wire->lengths++ > 0)
		wire_fail(wire, 400, "there is more than one Content-Length");
	else if (!grammar_read_digits(s, n, &wire->length))
		wire_fail(wire, 400, "Content-Length is not a number");
	return false;
}

static bool
wire_transfer_encoding(struct wire *wire, const char *s, size_t n)
{
	if (wire->codings++ > 0 || n != 7 || strncasecmp(s, "chunked", 7) != 0)
		wire_fail(wire, 400, "the only Transfer-Encoding understood is chunked");
	return false;
}

/* RFC 9110, 10.1.1: HTTP/1.0 does not have it. */
static bool
wire_expect(struct wire *wire, const char *s, size_t n)
{
	if (wire->minor == 0)
		return false;
	if (n != 12 || strncasecmp(s, "100-continue", 12) != 0)
		wire_fail(wire, 417, "the only expectation understood is 100-continue");
	wire->expects = true;
	return false;
}

/* Of two, one would count and the other be what somebody in between looked at. */
static bool
wire_authorization(struct wire *wire, const char *s, size_t n)
{
	(void)s;
	(void)n;
	if (wire->tokens++ > 0)
		wire_fail(wire, 400, "there is more than one Authorization");
	return true;
}

static bool
wire_idempotency_key(struct wire *wire, const char *s, size_t n)
{
	(void)s;
	(void)n;
	if (wire->keys++ > 0)
		wire_fail(wire, 400, "there is more than one Idempotency-Key");
	return true;
}

static bool
wire_connection(struct wire *wire, const char *s, size_t n)
{
	wire->close = wire->close || grammar_lists(s, n, "close");
	wire->keep_alive = wire->keep_alive || grammar_lists(s, n, "keep-alive");
	return false;
}

static const struct {
	const char *name;
	size_t len;
	wire_field_fn *fn;
} wire_fields[] = {
    {"Host", 4, wire_host},
    {"Content-Length", 14, wire_content_length},
    {"Transfer-Encoding", 17, wire_transfer_encoding},
    {"Connection", 10, wire_connection},
    {"Expect", 6, wire_expect},
    {"Authorization", 13, wire_authorization},
    {"Idempotency-Key", 15, wire_idempotency_key},
    {"X-Idempotency-Key", 17, wire_idempotency_key},
};

static bool
wire_field_known(struct wire *wire, const char *name, size_t len, const char *value, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof wire_fields / sizeof wire_fields[0]; i++) {
		if (wire_fields[i].len == len && strncasecmp(wire_fields[i].name, name, len) == 0)
			return wire_fields[i].fn(wire, value, n);
	}
	return true;
}

static void
wire_field_add(struct wire *wire, const char *name, size_t len, const char *value, size_t n)
{
	buf_add(&wire->out, name, len);
	buf_add(&wire->out, ": ", 2);
	buf_add(&wire->out, value, n);
	buf_add(&wire->out, "\r\n", 2);
	if (wire->id == 0 && len == 12 && strncasecmp(name, "X-Request-Id", 12) == 0) {
		wire->id = wire->out.len - 2 - n;
		wire->id_len = n;
	}
}

/* Takes a field line apart; the value comes without the white space around it.  False: a fault. */
static bool
wire_field_split(
    struct wire *wire, const char *s, size_t n, size_t *name, const char **value, size_t *value_len)
{
	const char *colon = memchr(s, ':', n);

	if (*s == ' ' || *s == '\t') {
		wire_fail(wire, 400, "a header field is folded over two lines");
		return false;
	}
	if (colon == NULL) {
		wire_fail(wire, 400, "a header field has no colon");
		return false;
	}
	*name = (size_t)(colon - s);
	if (!grammar_is_token(s, *name)) {
		wire_fail(wire, 400, "a header field's name is not a token");
		return false;
	}
	*value_len = n - *name - 1;
	*value = grammar_trim(colon + 1, value_len);
	if (!grammar_is_value(*value, *value_len)) {
		wire_fail(wire, 400, "a header field's value holds a control character");
		return false;
	}
	if (++wire->fields > WIRE_MAX_FIELDS) {
		wire_fail(wire, 431, "there are too many header fields");
		return false;
	}
	return true;
}

void
wire_field(struct wire *wire, const char *s, size_t n)
{
	size_t name, len;
	const char *value;

	if (wire_field_split(wire, s, n, &name, &value, &len) &&
	    wire_field_known(wire, s, name, value, len))
		wire_field_add(wire, s, name, value, len);
}

/* Checked and left out: nothing in a trailer may change what was read (RFC 9110, 6.5.1). */
void
wire_trailer(struct wire *wire, const char *s, size_t n)
{
	size_t name, len;
	const char *value;

	wire_field_split(wire, s, n, &name, &value, &len);
}

/* --- its end --- */

/* Where the body ends must be beyond doubt (RFC 9112, 6.3). */
static const char *
wire_check_head(const struct wire *wire)
{
	if (wire->codings > 0 && wire->lengths > 0)
		return "there are both Content-Length and Transfer-Encoding";
	if (wire->codings > 0 && wire->minor == 0)
		return "HTTP/1.0 does not have Transfer-Encoding";
	if (wire->bodiless && (wire->codings > 0 || wire->length > 0))
		return "a request with this method must not have a body";
	if (wire->hosts == 0 && wire->minor > 0)
		return "there must be a Host";
	return NULL;
}

void
wire_head_end(struct wire *wire)
{
	const char *why = wire_check_head(wire);

	if (why != NULL) {
		wire_fail(wire, 400, why);
		return;
	}
	wire->chunked = wire->codings > 0;
	buf_add(&wire->out, "\r\n", 2);
	wire->left = wire->length;
	wire->head_len = 0;
	wire->fields = 0;
	if (wire->length > wire->max_body)
		wire_exceed(wire);
	else
		wire->state = wire->chunked ? WIRE_SIZE : wire->left > 0 ? WIRE_BODY : WIRE_DONE;
	wire->at_body = wire->state != WIRE_DONE;
}
