/*
 * Where POSTs go, whosever webhooks they are for: a host bears no more because many webhooks, or
 * many tenants, point at it.
 *
 * While targets of other sites wait, a site has a quarter of all places at most; a tenant has its
 * share of what the site may have, as others may send there too.  And a site has a cap that its
 * answers make larger and failures to answer smaller, as a webhook has.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "deliver/dispatch_internal.h"

#define SITE_CAP_LEAST 8 /* however many time out: not all that go there need to be the same */

static struct site *
site_get(struct dispatch *dispatch, const struct url *url)
{
	size_t most = dispatch->opts.delivery_concurrency, first = (most + 3) / 4;
	struct site *site;
	char key[sizeof site->key];

	snprintf(key, sizeof key, "%s://%s:%u", url->tls ? "https" : "http", url->host, url->port);
	HASH_FIND_STR(dispatch->sites, key, site);
	if (site != NULL)
		return site;
	site = xcalloc(1, sizeof *site);
	memcpy(site->key, key, sizeof key);
	site->dispatch = dispatch;
	if (first < dispatch->opts.endpoint_concurrency)
		first = dispatch->opts.endpoint_concurrency;
	concurrency_init(&site->concurrency, first, SITE_CAP_LEAST, most);
	fair_init(&site->parked);
	TAILQ_INIT(&site->hungry);
	HASH_ADD_STR(dispatch->sites, key, site);
	return site;
}

struct visitor *
site_join(struct share *share, const struct url *url)
{
	struct site *site = site_get(share->dispatch, url);
	struct visitor *visitor;

	HASH_FIND_PTR(site->visitors, &share, visitor);
	if (visitor == NULL) {
		visitor = xcalloc(1, sizeof *visitor);
		visitor->site = site;
		visitor->share = share;
		fair_group_init(&visitor->parked, visitor);
		HASH_ADD_PTR(site->visitors, share, visitor);
	}
	visitor->destinations++;
	return visitor;
}

void
site_leave(struct visitor *visitor)
{
	struct site *site = visitor->site;

	if (--visitor->destinations > 0)
		return;
	HASH_DELETE(hh, site->visitors, visitor);
	free(visitor);
	if (site->visitors != NULL)
		return;
	HASH_DELETE(hh, site->dispatch->sites, site);
	free(site);
}

/* --- places --- */

static size_t
site_room(const struct visitor *visitor, size_t most)
{
	const struct site *site = visitor->site;
	size_t cap = site->concurrency.cap;

	return fair_room(cap < most ? cap : most, site->inflight, visitor->inflight,
	    HASH_COUNT(site->visitors) > 1);
}

bool
site_may_start(const struct target *target, size_t most)
{
	return target->destination == NULL || site_room(target->destination->at, most) > 0;
}

void
site_park(struct target *target)
{
	struct visitor *visitor = target->destination->at;
	struct site *site = visitor->site;

	if (site->parked.ngroups == 0)
		TAILQ_INSERT_TAIL(&site->dispatch->parked, site, entry);
	fair_join(&site->parked, &visitor->parked, &target->turn);
	target->is_parked = true;
}

void
site_unpark(struct target *target)
{
	struct site *site = target->destination->at->site;

	fair_leave(&site->parked, &target->turn);
	target->is_parked = false;
	if (site->parked.ngroups == 0)
		TAILQ_REMOVE(&site->dispatch->parked, site, entry);
}

static bool
site_may_unpark(void *arg, void *owner)
{
	const struct visitor *visitor = owner;

	return site_room(visitor, *(size_t *)arg) > 0 && share_may_start(visitor->share);
}

bool
site_unpark_all(struct dispatch *dispatch, size_t most)
{
	struct site *site, *next;
	struct target *target;
	bool any = false;

	for (site = TAILQ_FIRST(&dispatch->parked); site != NULL; site = next) {
		next = TAILQ_NEXT(site, entry);
		for (size_t n = site->inflight; n < most && n < site->concurrency.cap; n++) {
			target = fair_next(&site->parked, site_may_unpark, &most);
			if (target == NULL)
				break;
			target_unpark(target);
			any = true;
		}
	}
	return any;
}

static void
site_set_hungry(struct target *target, bool hungry)
{
	struct site *site = target->destination->at->site;

	if (hungry == target->is_hungry)
		return;
	target->is_hungry = hungry;
	if (hungry) {
		if (TAILQ_EMPTY(&site->hungry))
			TAILQ_INSERT_TAIL(&site->dispatch->hungry, site, hungry_entry);
		TAILQ_INSERT_TAIL(&site->hungry, target, hungry_entry);
		return;
	}
	TAILQ_REMOVE(&site->hungry, target, hungry_entry);
	if (TAILQ_EMPTY(&site->hungry))
		TAILQ_REMOVE(&site->dispatch->hungry, site, hungry_entry);
}

bool
site_starves(struct target *target)
{
	bool starves;

	if (target->destination == NULL)
		return false;
	starves = target->is_parked ||
		  !site_may_start(target, target->dispatch->opts.delivery_concurrency);
	site_set_hungry(target, starves);
	return starves;
}

void
site_forget(struct target *target)
{
	if (target->destination != NULL)
		site_set_hungry(target, false);
}

/* Those for which nothing waits in Redis have no use for the room. */
static void
site_feed(struct site *site, size_t most)
{
	size_t n = 0;
	struct target *target, *next;
	bool had_backlog;

	for (target = TAILQ_FIRST(&site->hungry); target != NULL && site->inflight + n < most &&
						  site->inflight + n < site->concurrency.cap;
	     target = next) {
		next = TAILQ_NEXT(target, hungry_entry);
		had_backlog = target->backlog;
		target_update(target);
		if (!target->is_hungry && had_backlog)
			n++;
	}
}

void
site_feed_all(struct dispatch *dispatch)
{
	struct site *site, *next;

	for (site = TAILQ_FIRST(&dispatch->hungry); site != NULL; site = next) {
		next = TAILQ_NEXT(site, hungry_entry);
		site_feed(site, dispatch->opts.delivery_concurrency);
	}
}

void
site_began(struct visitor *visitor)
{
	visitor->inflight++;
	visitor->site->inflight++;
}

void
site_ended(struct visitor *visitor)
{
	visitor->inflight--;
	visitor->site->inflight--;
}

/* --- what it takes --- */

void
site_answered(struct site *site, bool success)
{
	concurrency_answered(&site->concurrency, success);
}

void
site_failed(struct site *site, int64_t started_ms)
{
	concurrency_halve_once(&site->concurrency, started_ms, site->dispatch->now_ms);
}
