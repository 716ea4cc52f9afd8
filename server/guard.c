/*
 * The guard: refuses requests that HTTP's grammar does not allow but evhttp lets through.
 *
 * evhttp 2.1.12 is lenient where leniency is dangerous: it takes the first of two Content-Length
 * fields, ignores a Transfer-Encoding that it does not know, and keeps a field name with a space
 * as it is.  A proxy in front that decides otherwise sees another end of the request than we do
 * (RFC 9112, section 11.2).  Each check below looks at what evhttp parsed.
 */
#include "server/guard.h"

#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

/* The fields that decide about framing and routing, and how often they came. */
struct guard_fields {
	const char *host, *length, *coding;
	unsigned hosts, lengths, codings;
};

static bool
guard_is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
guard_is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* RFC 9110, 5.6.2: tchar. */
static bool
guard_is_token(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (!guard_is_alnum(*s) && strchr("!#$%&'*+-.^_`|~", *s) == NULL)
			return false;
	}
	return true;
}

static bool
guard_is_digits(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return true;
}

/* RFC 9110, 7.2: uri-host [ ":" port ]; the host may be empty, userinfo is not allowed. */
static bool
guard_is_host(const char *s, size_t n)
{
	size_t i = 0;

	if (n > 0 && s[0] == '[') {
		for (i = 1; i < n && (guard_is_hex(s[i]) || s[i] == ':' || s[i] == '.'); i++)
			;
		if (i == 1 || i == n || s[i] != ']')
			return false;
		i++;
	} else {
		for (; i < n && s[i] != ':'; i++) {
			if (s[i] == '%') {
				if (n - i < 3 || !guard_is_hex(s[i + 1]) || !guard_is_hex(s[i + 2]))
					return false;
				i += 2;
			} else if (!guard_is_alnum(s[i]) &&
				   (s[i] == '\0' || strchr("-._~!$&'()*+,;=", s[i]) == NULL)) {
				return false;
			}
		}
	}
	return i == n || (s[i] == ':' && guard_is_digits(s + i + 1, n - i - 1));
}

static const char *
guard_check_target_bytes(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s < 0x21 || *s > 0x7e)
			return "the request target holds a byte that must be percent-encoded";
		if (*s == '#')
			return "the request target holds a fragment";
		if (*s != '%')
			continue;
		if (!guard_is_hex(s[1]) || !guard_is_hex(s[2]))
			return "the request target holds a % without two hex digits";
		if (s[1] == '0' && s[2] == '0')
			return "the request target holds %00";
	}
	return NULL;
}

static const char *
guard_check_target(struct call *call)
{
	const char *s = evhttp_request_get_uri(call->req), *why, *query;
	size_t scheme = 0, authority;

	if ((why = guard_check_target_bytes(s)) != NULL)
		return why;
	if (strncasecmp(s, "http://", 7) == 0)
		scheme = 7;
	else if (strncasecmp(s, "https://", 8) == 0)
		scheme = 8;
	if (scheme > 0) { /* absolute-form (RFC 9112, 3.2.2): we serve any authority */
		s += scheme;
		authority = strcspn(s, "/?");
		if (authority == 0 || *s == ':' || !guard_is_host(s, authority))
			return "the authority of the request target is not valid";
		s += authority;
	} else if (*s != '/' && (strcmp(s, "*") != 0 || call->method != CALL_OPTIONS)) {
		return "the request target must be a path";
	}
	query = strchr(s, '?');
	call->path = s;
	call->path_len = query != NULL ? (size_t)(query - s) : strlen(s);
	if (query != NULL) {
		call->query = query + 1;
		call->query_len = strlen(query + 1);
	}
	return NULL;
}

static const char *
guard_read_fields(struct call *call, struct guard_fields *fields)
{
	const struct evkeyval *field;

	TAILQ_FOREACH(field, evhttp_request_get_input_headers(call->req), next)
	{
		if (!guard_is_token(field->key))
			return "a header field's name is not a token";
		if (strcasecmp(field->key, "Host") == 0) {
			fields->host = field->value;
			fields->hosts++;
		} else if (strcasecmp(field->key, "Content-Length") == 0) {
			fields->length = field->value;
			fields->lengths++;
		} else if (strcasecmp(field->key, "Transfer-Encoding") == 0) {
			fields->coding = field->value;
			fields->codings++;
		}
	}
	return NULL;
}

/* Where the body ends must be beyond doubt (RFC 9112, 6.3). */
static const char *
guard_check_framing(const struct call *call, const struct guard_fields *fields)
{
	bool bodiless = call->head || strcmp(call->method_name, "TRACE") == 0;

	if (fields->lengths > 1)
		return "there is more than one Content-Length";
	if (fields->lengths == 1 &&
	    (*fields->length == '\0' || !guard_is_digits(fields->length, strlen(fields->length))))
		return "Content-Length is not a number";
	if (fields->codings > 0) {
		if (fields->lengths > 0)
			return "there are both Content-Length and Transfer-Encoding";
		if (fields->codings > 1 || strcasecmp(fields->coding, "chunked") != 0)
			return "the only Transfer-Encoding understood is chunked";
		if (call->req->minor == 0)
			return "HTTP/1.0 does not have Transfer-Encoding";
	}
	/* evhttp would take such a body for the next request */
	if (bodiless &&
	    (fields->codings > 0 ||
		(fields->lengths > 0 && strspn(fields->length, "0") != strlen(fields->length))))
		return "a request with this method must not have a body";
	return NULL;
}

const char *
guard_check(struct call *call)
{
	struct evhttp_request *req = call->req;
	struct guard_fields fields = {0};
	const char *why;

	if (req->major != 1 || (req->minor != 0 && req->minor != 1)) {
		req->major = 1; /* evhttp answers with the request's version */
		req->minor = 1;
		return "the only versions understood are HTTP/1.1 and HTTP/1.0";
	}
	if ((why = guard_read_fields(call, &fields)) != NULL ||
	    (why = guard_check_framing(call, &fields)) != NULL)
		return why;
	if (fields.hosts > 1 || (fields.hosts == 0 && req->minor == 1))
		return "there must be exactly one Host";
	if (fields.hosts == 1 && !guard_is_host(fields.host, strlen(fields.host)))
		return "Host is not valid";
	return guard_check_target(call);
}
