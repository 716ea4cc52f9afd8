/*
 * Reading by turns: a few requests of each tenant read from Redis at a time, the others wait.
 *
 * Redis answers in the order of asking, on one connection for all tenants, and a step of a list is
 * milliseconds of work for it and for the loop.  Forty lists that one tenant asks for at a time
 * would put forty steps before each command of the others, again and again.
 */
#include "server/reads.h"

#include <stdbool.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/mem.h"

struct reads_tenant {
	UT_hash_handle hh;
	struct uuid tenant;
	unsigned underway;
	TAILQ_HEAD(, reads_part) waiting;
	bool ripe; /* some wait, and one may go */
	TAILQ_ENTRY(reads_tenant) entry;
};

struct reads {
	struct reads_tenant *tenants; /* those that read */
	TAILQ_HEAD(, reads_tenant) ripe;
	size_t nripe;
	struct event *next; /* pending while any is ripe */
	bool ending;
};

static struct reads_tenant *
reads_get(struct reads *reads, const struct uuid *name)
{
	struct reads_tenant *tenant;

	HASH_FIND(hh, reads->tenants, name->s, UUID_LEN, tenant);
	if (tenant != NULL)
		return tenant;
	tenant = xcalloc(1, sizeof *tenant);
	tenant->tenant = *name;
	TAILQ_INIT(&tenant->waiting);
	HASH_ADD(hh, reads->tenants, tenant.s, UUID_LEN, tenant);
	return tenant;
}

/* Has the next one of a tenant go soon, if there is one and it may. */
static void
reads_ripen(struct reads *reads, struct reads_tenant *tenant)
{
	static const struct timeval next_turn = {0};

	if (tenant->ripe || tenant->underway >= READS_MAX || TAILQ_EMPTY(&tenant->waiting))
		return;
	tenant->ripe = true;
	TAILQ_INSERT_TAIL(&reads->ripe, tenant, entry);
	if (reads->nripe++ == 0)
		event_add(reads->next, &next_turn);
}

/* Lets one of a ripe tenant go; the tenant is behind all others then. */
static void
reads_let_go(struct reads *reads, struct reads_tenant *tenant)
{
	struct reads_part *part = TAILQ_FIRST(&tenant->waiting);

	TAILQ_REMOVE(&reads->ripe, tenant, entry);
	tenant->ripe = false;
	reads->nripe--;
	TAILQ_REMOVE(&tenant->waiting, part, entry);
	tenant->underway++;
	reads_ripen(reads, tenant);
	part->go(part->arg);
}

static void
reads_ev_next(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval next_turn = {0};
	struct reads *reads = arg;

	(void)fd;
	(void)what;
	for (size_t left = reads->nripe; left > 0 && reads->nripe > 0; left--)
		reads_let_go(reads, TAILQ_FIRST(&reads->ripe));
	if (reads->nripe > 0)
		event_add(reads->next, &next_turn);
}

void
reads_enter(struct reads *reads, struct reads_part *part, const struct uuid *tenant,
    reads_go_fn *go, void *arg)
{
	part->reads = reads;
	part->tenant = reads_get(reads, tenant);
	part->go = go;
	part->arg = arg;
	if (reads->ending ||
	    (part->tenant->underway < READS_MAX && TAILQ_EMPTY(&part->tenant->waiting))) {
		part->tenant->underway++;
		go(arg);
	} else {
		TAILQ_INSERT_TAIL(&part->tenant->waiting, part, entry);
	}
}

void
reads_leave(struct reads_part *part)
{
	struct reads_tenant *tenant = part->tenant;

	if (tenant == NULL)
		return;
	part->tenant = NULL;
	tenant->underway--;
	reads_ripen(part->reads, tenant);
	if (tenant->underway == 0 && TAILQ_EMPTY(&tenant->waiting)) {
		HASH_DELETE(hh, part->reads->tenants, tenant);
		free(tenant);
	}
}

struct reads *
reads_new(struct event_base *base)
{
	struct reads *reads = xcalloc(1, sizeof *reads);

	TAILQ_INIT(&reads->ripe);
	reads->next = evtimer_new(base, reads_ev_next, reads);
	if (reads->next == NULL)
		abort(); /* out of memory, as in base/mem.c */
	return reads;
}

void
reads_end(struct reads *reads)
{
	struct reads_tenant *tenant = reads->tenants, *next;

	reads->ending = true;
	for (; tenant != NULL; tenant = next) {
		struct reads_part *part;

		tenant->underway++; /* so that it stays */
		while ((part = TAILQ_FIRST(&tenant->waiting)) != NULL) {
			TAILQ_REMOVE(&tenant->waiting, part, entry);
			tenant->underway++;
			part->go(part->arg);
		}
		if (tenant->ripe) {
			TAILQ_REMOVE(&reads->ripe, tenant, entry);
			tenant->ripe = false;
			reads->nripe--;
		}
		next = tenant->hh.next;
		if (--tenant->underway == 0) {
			HASH_DELETE(hh, reads->tenants, tenant);
			free(tenant);
		}
	}
	event_del(reads->next);
}

void
reads_free(struct reads *reads)
{
	if (reads == NULL)
		return;
	event_free(reads->next);
	free(reads);
}
