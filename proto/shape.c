/* Judging a JSON object by a table of the properties that it may have. */
#include "proto/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
shape_path(char out[SHAPE_PATH_SIZE], const char *prefix, const char *name)
{
	(void)snprintf(out, SHAPE_PATH_SIZE, "%s%s%s", prefix, *prefix != '\0' ? "." : "", name);
}

static const struct property *
shape_find(const struct shape *shape, const struct json *member)
{
	for (size_t i = 0; i < shape->n; i++) {
		const char *name = shape->list[i].name;

		/* by length, for a key may hold NUL */
		if (strlen(name) == member->key_len &&
		    memcmp(name, member->key, member->key_len) == 0)
			return &shape->list[i];
	}
	return NULL;
}

static void
shape_member(const struct shape_check *check, const char *path, const struct shape *shape,
    const struct json *member)
{
	const struct property *property = shape_find(shape, member);

	if (property == NULL)
		faults_add(check->faults, path, member->key, "is not a known property");
	else if (member->type == JSON_NULL)
		return;
	else if (property->shape != NULL)
		shape_object(check, path, property->name, member, property->shape);
	else
		property->judge(check, path, property->name, member);
}

void
shape_object(const struct shape_check *check, const char *prefix, const char *name,
    const struct json *value, const struct shape *shape)
{
	char path[SHAPE_PATH_SIZE];

	if (value->type != JSON_OBJECT) {
		faults_add(check->faults, prefix, name, "must be an object");
		return;
	}
	shape_path(path, prefix, name);
	for (const struct json *member = value->child;
	     member != NULL && !faults_full(check->faults); member = member->next)
		shape_member(check, path, shape, member);
	for (size_t i = 0; i < shape->n; i++) {
		if (shape->list[i].required && json_get(value, shape->list[i].name) == NULL)
			faults_add(check->faults, path, shape->list[i].name, "is required");
	}
}

void
shape_bool(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	if (value->type != JSON_BOOL)
		faults_add(check->faults, prefix, name, "must be a boolean");
}

bool
shape_string(
    const struct shape_check *check, const char *prefix, const char *name, const struct json *value)
{
	if (value->type != JSON_STRING) {
		faults_add(check->faults, prefix, name, "must be a string");
		return false;
	}
	if (memchr(value->str, '\0', value->str_len) != NULL) {
		faults_add(check->faults, prefix, name, "must not contain NUL");
		return false;
	}
	return true;
}

bool
shape_int(const struct shape_check *check, const char *prefix, const char *name,
    const struct json *value, int64_t min, int64_t max)
{
	int64_t n;

	if (value->type == JSON_NUMBER && json_int(value, &n) == 0 && n >= min && n <= max)
		return true;
	faults_add(check->faults, prefix, name, "must be an integer from %" PRId64 " to %" PRId64,
	    min, max);
	return false;
}

void
shape_array(const struct shape_check *check, const char *prefix, const char *name,
    const struct json *value, shape_judge_fn *judge)
{
	char path[SHAPE_PATH_SIZE], index[32];
	size_t i = 0;

	if (value->type != JSON_ARRAY) {
		faults_add(check->faults, prefix, name, "must be an array");
		return;
	}
	if (value->count > SHAPE_ITEMS_MAX) {
		faults_add(check->faults, prefix, name, "has more than %d items", SHAPE_ITEMS_MAX);
		return;
	}
	shape_path(path, prefix, name);
	for (const struct json *item = value->child; item != NULL && !faults_full(check->faults);
	     item = item->next) {
		(void)snprintf(index, sizeof(index), "[%zu]", i++);
		judge(check, path, index, item);
	}
}
