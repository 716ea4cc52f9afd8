/* The memory that bodies of requests may take, over all connections and by tenant. */
#ifndef SERVER_BODIES_H
#define SERVER_BODIES_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/id.h"

struct bodies;

/* What one body has been given; zero-initialise it. */
struct bodies_part {
	struct bodies_tenant *tenant; /* NULL: nothing */
	size_t bytes;
};

struct bodies *bodies_new(size_t max);
/* Only when all parts have been given back. */
void bodies_free(struct bodies *bodies);

/*
 * Makes the part that many bytes, or leaves it as it was: false.  A tenant has a quarter of all at
 * most, and the last quarter is for those that have nothing else under way: for one body, which
 * may be of any size.
 */
bool bodies_take(
    struct bodies *bodies, struct bodies_part *part, const struct uuid *tenant, size_t bytes);
void bodies_give_back(struct bodies *bodies, struct bodies_part *part);

size_t bodies_bytes(const struct bodies *bodies);

#endif
