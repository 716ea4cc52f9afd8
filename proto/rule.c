/* The rules for the single values of a webhook (contract.md, section 2). */
#include "proto/rule.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"
#include "proto/eventtype.h"
#include "proto/sign.h"
#include "proto/url.h"
#include "proto/webhook.h"

/* Unicode's Cc: C0, DEL, and C1, which is C2 80 to C2 9F in UTF-8. */
static bool
rule_has_control(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f)
			return true;
		if (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0)
			return true;
	}
	return false;
}

void
rule_name(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	size_t n;

	if (!shape_string(check, prefix, name, value))
		return;
	n = utf8_count(value->str, value->str_len);
	if (n < 1 || n > WEBHOOK_NAME_MAX)
		faults_add(
		    check->faults, prefix, name, "must have 1 to %d characters", WEBHOOK_NAME_MAX);
}

static void
rule_event_type(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	if (shape_string(check, prefix, name, value) &&
	    !subscription_valid(value->str, value->str_len))
		faults_add(check->faults, prefix, name,
		    "must be an event type, an event type followed by .*, or *");
}

void
rule_event_types(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	shape_array(check, prefix, name, value, rule_event_type);
}

static void
rule_address(
    const struct shape_check *check, const char *prefix, const char *name, const struct url *url)
{
	const struct sockaddr *sa = (const struct sockaddr *)(const void *)&url->addr;
	const char *why = egress_refusal(check->egress, sa);

	if (why != NULL && !address_is_public(sa))
		why = "the address is not a public one"; /* inside, who listens is not told */
	if (why != NULL)
		faults_add(check->faults, prefix, name, "%s: %s", url->host, why);
}

void
rule_url(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	struct url url;
	const char *why;

	if (!shape_string(check, prefix, name, value))
		return;
	if (url_parse(&url, value->str, value->str_len, &why) != 0)
		faults_add(check->faults, prefix, name, "%s", why);
	else if (url.kind != URL_HOST_NAME && check->egress != NULL)
		rule_address(check, prefix, name, &url);
	mem_wipe(&url, sizeof url);
}

void
rule_secret(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	const char *why;

	if (!shape_string(check, prefix, name, value) || value->str_len == 0)
		return;
	why = secret_fault(value->str, value->str_len);
	if (why != NULL)
		faults_add(check->faults, prefix, name, "%s", why);
}

/* What a header line can carry unchanged: white space at the ends would be stripped (RFC 9110,
 * section 5.5).  Tabs within are refused with the other control characters. */
static void
rule_header_value(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	size_t n = value->str_len;

	if (!shape_string(check, prefix, name, value) || n == 0)
		return;
	if (rule_has_control(value->str, n))
		faults_add(check->faults, prefix, name, "must not contain control characters");
	if (value->str[0] == ' ' || value->str[n - 1] == ' ')
		faults_add(check->faults, prefix, name, "must not begin or end with a space");
}

void
rule_tag(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	rule_header_value(check, prefix, name, value);
	if (value->type == JSON_STRING && value->str_len > RULE_TAG_MAX)
		faults_add(check->faults, prefix, name, "must have at most %d bytes", RULE_TAG_MAX);
}

void
rule_overlap(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	(void)shape_int(check, prefix, name, value, 0, RULE_OVERLAP_MAX);
}

/* RFC 9110, section 5.6.2. */
static bool
rule_is_token(const char *s, size_t n)
{
	static const char tchar[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return n > 0 && memchr(s, '\0', n) == NULL && strspn(s, tchar) == n;
}

/* Headers that are ours to set, or that would change how the request is framed. */
static bool
rule_is_reserved(const char *name)
{
	static const char *const names[] = {"Host", "Content-Length", "Transfer-Encoding",
	    "Connection", "Upgrade", "Expect", "TE", "Trailer", "Keep-Alive", "Content-Type",
	    "Content-Encoding", "traceparent", "tracestate"};
	static const char *const prefixes[] = {"proxy-", "webhook-"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

static void
rule_header(const struct shape_check *check, const char *prefix, const struct json *header)
{
	if (!rule_is_token(header->key, header->key_len))
		faults_add(check->faults, prefix, header->key, "is not a header name");
	else if (rule_is_reserved(header->key))
		faults_add(check->faults, prefix, header->key, "is a header that must not be set");
	shape_array(check, prefix, header->key, header, rule_header_value);
	if (header->type == JSON_ARRAY && header->count == 0)
		faults_add(check->faults, prefix, header->key, "must have at least one value");
}

/* Whether an earlier header of the map has the same name but for case. */
static bool
rule_is_repeated(const struct json *map, const struct json *header)
{
	for (const struct json *h = map->child; h != header; h = h->next) {
		if (h->type != JSON_NULL && strcasecmp(h->key, header->key) == 0)
			return true;
	}
	return false;
}

void
rule_headers(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	char path[SHAPE_PATH_SIZE];

	if (value->type != JSON_OBJECT) {
		faults_add(check->faults, prefix, name, "must be an object");
		return;
	}
	if (value->count > HEADER_VALUES_MAX) {
		faults_add(
		    check->faults, prefix, name, "has more than %d names", HEADER_VALUES_MAX);
		return;
	}
	shape_path(path, prefix, name);
	for (const struct json *header = value->child; header != NULL; header = header->next) {
		if (header->type == JSON_NULL)
			continue;
		rule_header(check, path, header);
		if (rule_is_repeated(value, header))
			faults_add(
			    check->faults, path, header->key, "differs from another only in case");
	}
}

static void
rule_header_name(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	if (shape_string(check, prefix, name, value) && !rule_is_token(value->str, value->str_len))
		faults_add(check->faults, prefix, name, "is not a header name");
}

void
rule_header_names(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	shape_array(check, prefix, name, value, rule_header_name);
}

static bool
rule_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
rule_trigger(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	const char *s = value->str;

	if (!shape_string(check, prefix, name, value))
		return;
	if (value->str_len == 3 && (s[0] == '4' || s[0] == '5') &&
	    (strcmp(s + 1, "xx") == 0 || (rule_is_digit(s[1]) && rule_is_digit(s[2]))))
		return;
	if (strcmp(s, "timeout") != 0)
		faults_add(check->faults, prefix, name,
		    "must be 4xx, 5xx, timeout, or a status code from 400 to 599");
}

void
rule_triggers(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	shape_array(check, prefix, name, value, rule_trigger);
}

void
rule_attempts(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	(void)shape_int(check, prefix, name, value, 1, RETRY_ATTEMPTS_MAX);
}

void
rule_timeout(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	(void)shape_int(check, prefix, name, value, 1, ENDPOINT_TIMEOUT_MAX);
}

void
rule_interval(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	(void)shape_int(check, prefix, name, value, 1, RETRY_INTERVAL_MAX);
}

void
rule_retry_type(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	if (shape_string(check, prefix, name, value) && !json_str_is(value, "linear") &&
	    !json_str_is(value, "exponential"))
		faults_add(check->faults, prefix, name, "must be linear or exponential");
}

void
rule_time(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	(void)shape_int(check, prefix, name, value, 0, INT64_MAX);
}
