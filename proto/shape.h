/* Judging a JSON object by a table of the properties that it may have. */
#ifndef PROTO_SHAPE_H
#define PROTO_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/address.h"
#include "proto/fault.h"
#include "proto/json.h"

#define SHAPE_ITEMS_MAX 1000 /* of any array, so that comparing items stays cheap */
#define SHAPE_PATH_SIZE 512

struct shape_check {
	const struct egress *egress; /* NULL: addresses are not judged */
	struct faults *faults;
};

/* Adds the faults of one value, which is not null and is called prefix.name (see faults_add()). */
typedef void shape_judge_fn(const struct shape_check *check, const char *prefix, const char *name,
    const struct json *value);

struct shape;

struct property {
	const char *name;
	shape_judge_fn *judge;
	const struct shape *shape; /* instead of judge: an object of this shape */
	bool required;
};

struct shape {
	const struct property *list;
	size_t n;
};

/* Type, unknown properties, missing properties, and each property by its own rule.  A null
 * property counts as absent, a null value (the root) does not pass for an object. */
void shape_object(const struct shape_check *check, const char *prefix, const char *name,
    const struct json *value, const struct shape *shape);

/* Each judges one type; true when the value has it (and, for texts, holds no NUL). */
shape_judge_fn shape_bool;
bool shape_string(const struct shape_check *check, const char *prefix, const char *name,
    const struct json *value);
bool shape_int(const struct shape_check *check, const char *prefix, const char *name,
    const struct json *value, int64_t min, int64_t max);
/* An array of at most SHAPE_ITEMS_MAX items; `judge` gets each, named "[0]", "[1]", ...; none when
 * there are more. */
void shape_array(const struct shape_check *check, const char *prefix, const char *name,
    const struct json *value, shape_judge_fn *judge);

/* prefix.name, cut to fit. */
void shape_path(char out[SHAPE_PATH_SIZE], const char *prefix, const char *name);

#endif
