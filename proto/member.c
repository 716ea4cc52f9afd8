/* Typed members of a JSON object that is merged into a webhook. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/webhook_internal.h"

void
member_text_free(char *text)
{
	if (text != NULL)
		mem_wipe(text, strlen(text));
	free(text);
}

void
member_text_set(char **text, const char *s)
{
	char *copy = xstrdup(s);

	member_text_free(*text);
	*text = copy;
}

void
member_text(const struct json *object, const char *key, char **text)
{
	const struct json *value = json_get(object, key);

	if (value != NULL && value->type == JSON_STRING)
		member_text_set(text, value->str);
}

void
member_bool(const struct json *object, const char *key, bool *truth)
{
	const struct json *value = json_get(object, key);

	if (value != NULL && value->type == JSON_BOOL)
		*truth = value->truth;
}

bool
member_uint(const struct json *object, const char *key, unsigned *n)
{
	const struct json *value = json_get(object, key);
	int64_t i;

	if (value == NULL || value->type != JSON_NUMBER || json_int(value, &i) != 0 || i < 0 ||
	    i > INT32_MAX)
		return false;
	*n = (unsigned)i;
	return true;
}

bool
member_is_null(const struct json *object, const char *key)
{
	const struct json *member = object->child;

	while (member != NULL && strcmp(member->key, key) != 0)
		member = member->next;
	return member != NULL && member->type == JSON_NULL;
}

bool
member_is_true(const struct json *object, const char *key)
{
	bool truth = false;

	member_bool(object, key, &truth);
	return truth;
}

const struct json *
member_object(const struct json *object, const char *key)
{
	const struct json *value = json_get(object, key);

	return value != NULL && value->type == JSON_OBJECT ? value : NULL;
}
