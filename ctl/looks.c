/* Readings of /metrics from several processes, and what two of them say together. */
#include "ctl/looks.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

bool
looks_is_shared(const char *name)
{
	static const char *const shared[] = {"evhookd_queue_entries", "evhookd_queues",
	    "evhookd_queue_oldest_due_seconds", "evhookd_tenant_bytes"};

	for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
		if (strncmp(name, shared[i], strlen(shared[i])) == 0)
			return true;
	return false;
}

/* The place behind a part's family and its other parts. */
static size_t
looks_behind(const struct metrics *metrics, const char *part)
{
	size_t len = strcspn(part, "{"), at = metrics->n;

	while (at > 0 && (strncmp(metrics->list[at - 1].name, part, len) != 0 ||
			     strcspn(metrics->list[at - 1].name, "{") != len))
		at--;
	return at > 0 ? at : metrics->n;
}

/* The family of that name, or the part; made when it is not there. */
static struct metric *
looks_get(struct metrics *metrics, const struct metric *of)
{
	size_t at;

	for (size_t i = 0; i < metrics->n; i++)
		if (strcmp(metrics->list[i].name, of->name) == 0)
			return &metrics->list[i];
	at = of->part ? looks_behind(metrics, of->name) : metrics->n;
	metrics->list = xreallocarray(metrics->list, metrics->n + 1, sizeof *metrics->list);
	memmove(
	    &metrics->list[at + 1], &metrics->list[at], (metrics->n - at) * sizeof *metrics->list);
	metrics->n++;
	metrics->list[at] =
	    (struct metric){.name = xstrdup(of->name), .part = of->part, .type = of->type};
	return &metrics->list[at];
}

static void
looks_add_bucket(struct metric *to, double le, double count)
{
	for (size_t i = 0; i < to->nbuckets; i++)
		if (!(to->buckets[i].le < le) && !(to->buckets[i].le > le)) {
			to->buckets[i].count += count;
			return;
		}
	to->buckets = xreallocarray(to->buckets, to->nbuckets + 1, sizeof *to->buckets);
	to->buckets[to->nbuckets++] = (struct metric_bucket){le, count};
}

void
looks_add(struct looks *looks, const struct metrics *before, const struct metrics *now)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct metric *of = &now->list[i];
		struct metric *to = looks_get(&looks->now, of);

		if (!looks_is_shared(of->name))
			to->value += of->value;
		else if (of->value > to->value)
			to->value = of->value;
		for (size_t k = 0; k < of->nbuckets; k++)
			looks_add_bucket(to, of->buckets[k].le, metrics_growth(before, of, k));
		looks_get(&looks->growth, of)->value += metrics_rate(before, now, of);
	}
}

void
looks_clear(struct looks *looks)
{
	metrics_clear(&looks->now);
	metrics_clear(&looks->growth);
}

double
looks_value(const struct looks *looks, const char *name)
{
	const struct metric *of = metrics_find(&looks->now, name);

	return of != NULL ? of->value : 0;
}

double
looks_rate(const struct looks *looks, const char *name)
{
	const struct metric *of = metrics_find(&looks->growth, name);

	return of != NULL ? of->value : 0;
}

double
looks_quantile(const struct looks *looks, const char *name, double share)
{
	static const struct metrics nothing = {0};
	const struct metric *of = metrics_find(&looks->now, name);

	return of != NULL ? metrics_quantile(&nothing, of, share) : -1;
}
