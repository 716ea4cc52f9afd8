/* The memory that bodies of requests may take, over all connections and by tenant. */
#include "server/bodies.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"

struct bodies_tenant {
	struct uuid tenant;
	size_t bytes;
	size_t parts;
	UT_hash_handle hh;
};

struct bodies {
	size_t max;
	size_t bytes;
	struct bodies_tenant *tenants; /* those that have a part */
};

static bool
bodies_has_room(const struct bodies *bodies, size_t others, size_t own, size_t more)
{
	size_t quarter = bodies->max / 4;

	if (more > bodies->max || bodies->bytes > bodies->max - more)
		return false;
	return others == 0 ||
	       (own + more <= quarter && bodies->bytes + more <= bodies->max - quarter);
}

bool
bodies_take(
    struct bodies *bodies, struct bodies_part *part, const struct uuid *tenant, size_t bytes)
{
	struct bodies_tenant *owner = part->tenant;
	size_t more = bytes - part->bytes;

	if (bytes <= part->bytes)
		return true;
	if (owner == NULL)
		HASH_FIND_STR(bodies->tenants, tenant->s, owner);
	if (!bodies_has_room(bodies, owner != NULL ? owner->bytes - part->bytes : 0,
		owner != NULL ? owner->bytes : 0, more))
		return false;
	if (owner == NULL) {
		owner = xcalloc(1, sizeof *owner);
		owner->tenant = *tenant;
		HASH_ADD_STR(bodies->tenants, tenant.s, owner);
	}
	if (part->tenant == NULL)
		owner->parts++;
	part->tenant = owner;
	part->bytes = bytes;
	owner->bytes += more;
	bodies->bytes += more;
	return true;
}

void
bodies_give_back(struct bodies *bodies, struct bodies_part *part)
{
	struct bodies_tenant *owner = part->tenant;

	if (owner == NULL)
		return;
	owner->bytes -= part->bytes;
	bodies->bytes -= part->bytes;
	*part = (struct bodies_part){0};
	if (--owner->parts > 0)
		return;
	HASH_DEL(bodies->tenants, owner);
	free(owner);
}

size_t
bodies_bytes(const struct bodies *bodies)
{
	return bodies->bytes;
}

struct bodies *
bodies_new(size_t max)
{
	struct bodies *bodies = xcalloc(1, sizeof *bodies);

	bodies->max = max;
	return bodies;
}

void
bodies_free(struct bodies *bodies)
{
	free(bodies);
}
