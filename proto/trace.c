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

/* Printable ASCII: whatever is behind what we know is passed on, and has to be readable. */
static bool
trace_is_text(const char *value)
{
	for (; *value != '\0'; value++)
		if (*value < 0x20 || *value > 0x7e)
			return false;
	return true;
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
	return strncmp(value, "00", 2) != 0 && value[55] == '-' && strlen(value) < 128 &&
		       trace_is_text(value)
		   ? value
		   : "";
}

const char *
trace_state_or_none(const char *value)
{
	size_t n = value == NULL ? 0 : strlen(value);

	return n > 0 && n <= TRACE_STATE_MAX && trace_is_text(value) ? value : "";
}
