/* W3C Trace Context headers. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "proto/trace.h"

#define TRACE_STATE_MAX 512

/* n lower-case hex digits and the dash behind them, or the end; not all zeros. */
static bool
trace_is_field(const char *s, size_t n, bool may_be_zero)
{
	if (strspn(s, "0123456789abcdef") != n)
		return false;
	return may_be_zero || strspn(s, "0") < n;
}

const char *
trace_parent_or_none(const char *value)
{
	if (value == NULL || strlen(value) < 55 || !trace_is_field(value, 2, true) ||
	    strncmp(value, "ff", 2) == 0 || value[2] != '-' ||
	    !trace_is_field(value + 3, 32, false) || value[35] != '-' ||
	    !trace_is_field(value + 36, 16, false) || value[52] != '-' ||
	    !trace_is_field(value + 53, 2, true))
		return "";
	/* version 00 ends there; later ones may go on behind a dash */
	if (value[55] == '\0')
		return value;
	return strncmp(value, "00", 2) != 0 && value[55] == '-' && strlen(value) < 128 ? value : "";
}

const char *
trace_state_or_none(const char *value)
{
	size_t n = value == NULL ? 0 : strlen(value);

	if (n == 0 || n > TRACE_STATE_MAX)
		return "";
	for (size_t i = 0; i < n; i++)
		if (value[i] < 0x20 || value[i] > 0x7e)
			return "";
	return value;
}
