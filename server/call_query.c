/* The query of a call: taken apart when first asked for, typed values. */
#include "server/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/datetime.h"

struct call_param {
	const char *name, *value; /* decoded, in the call's arena */
};

static unsigned
call_query_hex(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	return (unsigned)((c | 0x20) - 'a') + 10;
}

/* Percent-encoding, and + for a space.  wire.c has refused malformed escapes and %00. */
static const char *
call_query_decode(struct call *call, const char *s, size_t n)
{
	char *out = arena_bytes(&call->arena, n + 1);
	size_t i, len = 0;

	for (i = 0; i < n; i++) {
		if (s[i] == '%' && n - i > 2) {
			out[len++] =
			    (char)(call_query_hex(s[i + 1]) << 4 | call_query_hex(s[i + 2]));
			i += 2;
		} else {
			out[len++] = (char)(s[i] == '+' ? ' ' : s[i]);
		}
	}
	out[len] = '\0';
	return out;
}

static void
call_query_read(struct call *call)
{
	const char *s = call->query, *end = s + call->query_len;
	size_t i, most = 1;

	if (call->params != NULL)
		return;
	for (i = 0; i < call->query_len; i++)
		most += s[i] == '&';
	call->params = arena_alloc(&call->arena, most * sizeof call->params[0]);
	for (; s < end; s++) {
		const char *amp = memchr(s, '&', (size_t)(end - s));
		const char *stop = amp != NULL ? amp : end;
		const char *equals = memchr(s, '=', (size_t)(stop - s));
		const char *name_end = equals != NULL ? equals : stop;
		const char *value = equals != NULL ? equals + 1 : stop;
		struct call_param *param = &call->params[call->nparams];

		if (stop > s) {
			param->name = call_query_decode(call, s, (size_t)(name_end - s));
			param->value = call_query_decode(call, value, (size_t)(stop - value));
			call->nparams++;
		}
		s = stop;
	}
}

const char *
call_query(struct call *call, const char *name, size_t i)
{
	size_t j;

	call_query_read(call);
	for (j = 0; j < call->nparams; j++) {
		if (strcmp(call->params[j].name, name) == 0 && i-- == 0)
			return call->params[j].value;
	}
	return NULL;
}

static int
call_query_fault(struct call *call, const char *name, const char *message)
{
	struct faults faults = {0};

	faults_add(&faults, "", name, "%s", message);
	call_problem_faults(call, "a query parameter is not valid", &faults);
	return -1;
}

/* *value is NULL when it is absent.  0, or -1 when it was given twice and 400 was answered. */
static int
call_query_one(struct call *call, const char *name, const char **value)
{
	*value = call_query(call, name, 0);
	if (*value != NULL && call_query(call, name, 1) != NULL)
		return call_query_fault(call, name, "must be given only once");
	return 0;
}

/* Decimal digits alone; 0 or -1. */
static int
call_query_digits(const char *s, int64_t *out)
{
	int64_t n = 0;

	if (*s == '\0')
		return -1;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *s - '0', &n))
			return -1;
	}
	*out = n;
	return 0;
}

int
call_query_int(struct call *call, const char *name, int64_t min, int64_t max, int64_t *out)
{
	struct faults faults = {0};
	const char *value;
	int64_t n;

	if (call_query_one(call, name, &value) != 0)
		return -1;
	if (value == NULL)
		return 0;
	if (call_query_digits(value, &n) != 0 || n < min || n > max) {
		faults_add(
		    &faults, "", name, "must be an integer from %" PRId64 " to %" PRId64, min, max);
		call_problem_faults(call, "a query parameter is not valid", &faults);
		return -1;
	}
	*out = n;
	return 0;
}

int
call_query_bool(struct call *call, const char *name, int *out)
{
	const char *value;

	if (call_query_one(call, name, &value) != 0)
		return -1;
	if (value == NULL)
		return 0;
	if (strcmp(value, "true") == 0)
		*out = 1;
	else if (strcmp(value, "false") == 0)
		*out = 0;
	else
		return call_query_fault(call, name, "must be true or false");
	return 0;
}

/*
 * RFC 3339, or with an offset that lacks its colon: so writes Python's strftime, which clients that
 * openapi-generator makes use for what stands in a query.
 */
static int
call_query_datetime(const char *value, int64_t *out)
{
	char text[48];
	size_t n = strlen(value);

	if (datetime_parse(value, n, out) == 0)
		return 0;
	if (n < 5 || n + 2 > sizeof(text) || (value[n - 5] != '+' && value[n - 5] != '-'))
		return -1;
	snprintf(text, sizeof(text), "%.*s:%s", (int)n - 2, value, value + n - 2);
	return datetime_parse(text, n + 1, out);
}

int
call_query_time(struct call *call, const char *name, int64_t *out)
{
	const char *value;

	if (call_query_one(call, name, &value) != 0)
		return -1;
	if (value != NULL && call_query_datetime(value, out) != 0)
		return call_query_fault(call, name, "must be a date and time as in RFC 3339");
	return 0;
}

/* Adds one to the list, unless it is there. */
static void
call_query_add(struct call *call, char **list, size_t *n, const char *s, size_t len)
{
	for (size_t i = 0; i < *n; i++)
		if (strncmp(list[i], s, len) == 0 && list[i][len] == '\0')
			return;
	list[(*n)++] = arena_strndup(&call->arena, s, len);
}

int
call_query_strings(struct call *call, const char *name, char ***out, size_t *n)
{
	size_t given = 0;

	call_query_read(call);
	*n = 0;
	*out = arena_alloc(&call->arena, CALL_QUERY_STRINGS_MAX * sizeof **out);
	for (size_t i = 0; i < call->nparams; i++) {
		const char *s = call->params[i].value;

		if (strcmp(call->params[i].name, name) != 0)
			continue;
		for (;; s++) {
			size_t len = strcspn(s, ",");

			if (len > 0 && ++given > CALL_QUERY_STRINGS_MAX)
				return call_query_fault(call, name, "must have at most 100 values");
			if (len > 0)
				call_query_add(call, *out, n, s, len);
			s += len;
			if (*s == '\0')
				break;
		}
	}
	return 0;
}
