/* Event types and subscriptions: what is well-formed, and what a pattern matches. */
#include "proto/eventtype.h"

#include <string.h>

static bool
eventtype_is_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

bool
eventtype_valid(const char *s, size_t n)
{
	size_t segments = 1;

	if (n == 0 || n > EVENTTYPE_MAX || s[0] == '.' || s[n - 1] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (s[i - 1] == '.')
				return false;
			segments++;
		} else if (!eventtype_is_char(s[i])) {
			return false;
		}
	}
	return segments <= EVENTTYPE_SEGMENTS;
}

bool
subscription_valid(const char *s, size_t n)
{
	if (n == 1 && s[0] == '*')
		return true;
	if (n > EVENTTYPE_MAX)
		return false;
	if (n >= 2 && s[n - 2] == '.' && s[n - 1] == '*')
		n -= 2;
	return eventtype_valid(s, n);
}

bool
subscription_matches(const char *pattern, const char *type)
{
	size_t n = strlen(pattern);

	if (strcmp(pattern, "*") == 0)
		return true;
	if (n < 2 || strcmp(pattern + n - 2, ".*") != 0)
		return strcmp(pattern, type) == 0;
	/* All but the star, and at least one character where it stands. */
	return strncmp(pattern, type, n - 1) == 0 && type[n - 1] != '\0';
}
