/* The headers of an endpoint: names with their values, in order. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/webhook_internal.h"

static void
headers_free_one(struct header *header)
{
	for (size_t i = 0; i < header->nvalues; i++)
		member_text_free(header->values[i]);
	free(header->values);
	free(header->name);
}

void
headers_clear(struct headers *headers)
{
	for (size_t i = 0; i < headers->n; i++)
		headers_free_one(&headers->list[i]);
	free(headers->list);
	*headers = (struct headers){0};
}

static struct header
headers_copy_one(const struct header *from)
{
	struct header to = {.name = xstrdup(from->name), .nvalues = from->nvalues};

	to.values = xreallocarray(NULL, from->nvalues, sizeof(*to.values));
	for (size_t i = 0; i < from->nvalues; i++)
		to.values[i] = xstrdup(from->values[i]);
	return to;
}

void
headers_copy(struct headers *to, const struct headers *from)
{
	to->n = from->n;
	to->list = NULL;
	if (from->n > 0)
		to->list = xreallocarray(NULL, from->n, sizeof(*to->list));
	for (size_t i = 0; i < from->n; i++)
		to->list[i] = headers_copy_one(&from->list[i]);
}

static const struct json *
headers_members(const struct json *map)
{
	if (map == NULL || map->type != JSON_OBJECT || map->count > HEADER_VALUES_MAX)
		return NULL;
	return map->child;
}

static bool
headers_is_listed(const struct json *names, const char *name)
{
	if (names == NULL || names->type != JSON_ARRAY || names->count > SHAPE_ITEMS_MAX)
		return false;
	for (const struct json *item = names->child; item != NULL; item = item->next) {
		if (item->type == JSON_STRING && strcasecmp(item->str, name) == 0)
			return true;
	}
	return false;
}

static bool
headers_is_added(const struct json *members, const char *name)
{
	for (; members != NULL; members = members->next) {
		if (members->type == JSON_ARRAY && strcasecmp(members->key, name) == 0)
			return true;
	}
	return false;
}

static void
headers_remove(struct headers *headers, const struct json *remove, const struct json *added)
{
	size_t kept = 0;

	for (size_t i = 0; i < headers->n; i++) {
		struct header *header = &headers->list[i];

		if (headers_is_listed(remove, header->name) &&
		    !headers_is_added(added, header->name))
			headers_free_one(header);
		else
			headers->list[kept++] = *header;
	}
	headers->n = kept;
}

/* A place for that name, its old header freed. */
static struct header *
headers_place(struct headers *headers, const char *name)
{
	for (size_t i = 0; i < headers->n; i++) {
		if (strcasecmp(headers->list[i].name, name) == 0) {
			headers_free_one(&headers->list[i]);
			return &headers->list[i];
		}
	}
	headers->list = xreallocarray(headers->list, headers->n + 1, sizeof(*headers->list));
	return &headers->list[headers->n++];
}

static void
headers_put(struct headers *headers, const struct json *member)
{
	struct header *header;

	if (member->type != JSON_ARRAY || member->count == 0 || member->count > SHAPE_ITEMS_MAX)
		return;
	header = headers_place(headers, member->key);
	*header = (struct header){.name = xstrdup(member->key)};
	header->values = xreallocarray(NULL, member->count, sizeof(*header->values));
	for (const struct json *item = member->child; item != NULL; item = item->next) {
		if (item->type == JSON_STRING)
			header->values[header->nvalues++] = xstrdup(item->str);
	}
}

void
headers_merge(struct headers *headers, const struct json *add, const struct json *remove)
{
	const struct json *added = headers_members(add);

	headers_remove(headers, remove, added);
	for (; added != NULL; added = added->next)
		headers_put(headers, added);
}

void
headers_judge(
    const struct headers *headers, const char *prefix, const char *name, struct faults *faults)
{
	size_t nvalues = 0, bytes = 0;

	for (size_t i = 0; i < headers->n; i++) {
		const struct header *header = &headers->list[i];

		nvalues += header->nvalues;
		bytes += strlen(header->name) * header->nvalues;
		for (size_t v = 0; v < header->nvalues; v++)
			bytes += strlen(header->values[v]);
	}
	if (nvalues > HEADER_VALUES_MAX)
		faults_add(
		    faults, prefix, name, "has more than %d values in all", HEADER_VALUES_MAX);
	if (bytes > HEADER_BYTES_MAX)
		faults_add(faults, prefix, name, "has more than %d bytes in all", HEADER_BYTES_MAX);
}

void
headers_write(const struct headers *headers, struct buf *out)
{
	json_open(out, '{');
	for (size_t i = 0; i < headers->n; i++) {
		const struct header *header = &headers->list[i];

		json_key(out, header->name);
		json_open(out, '[');
		for (size_t v = 0; v < header->nvalues; v++)
			json_add_str(out, header->values[v]);
		json_close(out, ']');
	}
	json_close(out, '}');
}
