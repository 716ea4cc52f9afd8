/* Lists of texts without duplicates, in order: event types and triggers. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/webhook_internal.h"

void
strings_add(struct strings *strings, const char *s)
{
	for (size_t i = 0; i < strings->n; i++) {
		if (strcmp(strings->list[i], s) == 0)
			return;
	}
	strings->list = xreallocarray(strings->list, strings->n + 1, sizeof(*strings->list));
	strings->list[strings->n++] = xstrdup(s);
}

void
strings_copy(struct strings *to, const struct strings *from)
{
	to->n = from->n;
	to->list = NULL;
	if (from->n > 0)
		to->list = xreallocarray(NULL, from->n, sizeof(*to->list));
	for (size_t i = 0; i < from->n; i++)
		to->list[i] = xstrdup(from->list[i]);
}

void
strings_clear(struct strings *strings)
{
	for (size_t i = 0; i < strings->n; i++)
		free(strings->list[i]);
	free(strings->list);
	*strings = (struct strings){0};
}

static const struct json *
strings_items(const struct json *array)
{
	if (array == NULL || array->type != JSON_ARRAY || array->count > SHAPE_ITEMS_MAX)
		return NULL;
	return array->child;
}

static bool
strings_has(const struct json *item, const char *s)
{
	for (; item != NULL; item = item->next) {
		if (json_str_is(item, s))
			return true;
	}
	return false;
}

void
strings_merge(struct strings *strings, const struct json *add, const struct json *remove)
{
	const struct json *added = strings_items(add), *removed = strings_items(remove);
	size_t kept = 0;

	for (size_t i = 0; i < strings->n; i++) {
		char *s = strings->list[i];

		if (strings_has(removed, s) && !strings_has(added, s))
			free(s);
		else
			strings->list[kept++] = s;
	}
	strings->n = kept;
	for (; added != NULL; added = added->next) {
		if (added->type == JSON_STRING)
			strings_add(strings, added->str);
	}
}

void
strings_write(const struct strings *strings, struct buf *out)
{
	json_open(out, '[');
	for (size_t i = 0; i < strings->n; i++)
		json_add_str(out, strings->list[i]);
	json_close(out, ']');
}
