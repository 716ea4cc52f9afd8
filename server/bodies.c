/* The memory that bodies of requests may take, over all connections and by tenant. */
#include "server/bodies.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/mem.h"

#define BODIES_IDLE 64 /* tenants without a part that are kept: most will be back at once */

struct bodies_tenant {
	struct uuid tenant;
	size_t bytes;
	size_t parts;
	TAILQ_ENTRY(bodies_tenant) link; /* in bodies->idle, without a part */
	UT_hash_handle hh;
};

struct bodies {
	size_t max;
	size_t bytes;
	struct bodies_tenant *tenants;
	TAILQ_HEAD(bodies_idle, bodies_tenant) idle;
	size_t nidle;
};

/* --- tenants --- */

static struct bodies_tenant *
bodies_owner(struct bodies *bodies, const struct uuid *tenant)
{
	struct bodies_tenant *owner;

	HASH_FIND_STR(bodies->tenants, tenant->s, owner);
	if (owner != NULL)
		return owner;
	owner = xcalloc(1, sizeof *owner);
	owner->tenant = *tenant;
	HASH_ADD_STR(bodies->tenants, tenant.s, owner);
	TAILQ_INSERT_TAIL(&bodies->idle, owner, link);
	bodies->nidle++;
	return owner;
}

static void
bodies_trim(struct bodies *bodies, size_t most)
{
	struct bodies_tenant *owner;

	while (bodies->nidle > most) {
		owner = TAILQ_FIRST(&bodies->idle);
		TAILQ_REMOVE(&bodies->idle, owner, link);
		bodies->nidle--;
		HASH_DEL(bodies->tenants, owner);
		free(owner);
	}
}

/* --- parts --- */

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
		owner = bodies_owner(bodies, tenant);
	if (!bodies_has_room(bodies, owner->bytes - part->bytes, owner->bytes, more)) {
		bodies_trim(bodies, BODIES_IDLE);
		return false;
	}
	if (owner->parts == 0) {
		TAILQ_REMOVE(&bodies->idle, owner, link);
		bodies->nidle--;
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
	TAILQ_INSERT_TAIL(&bodies->idle, owner, link);
	bodies->nidle++;
	bodies_trim(bodies, BODIES_IDLE);
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
	TAILQ_INIT(&bodies->idle);
	return bodies;
}

void
bodies_free(struct bodies *bodies)
{
	bodies_trim(bodies, 0);
	free(bodies);
}
