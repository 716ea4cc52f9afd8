/* A reading of /metrics. */
#include "ctl/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The labels whose values are of interest by themselves. */
static const struct {
	const char *family, *label;
} metrics_parted[] = {
    {"evhookd_attempts_total", "outcome"},
    {"evhookd_attempt_phase_seconds", "phase"},
    {"evhookd_deliveries_held", "state"},
    {"evhookd_delivery_latency_seconds", "attempt"},
    {"evhookd_endpoint_connections", "state"},
    {"evhookd_queue_entries", "state"},
    {"evhookd_deliveries_unqueued_total", "reason"},
};

static struct metric *
metrics_lookup(const struct metrics *metrics, const char *name, size_t n)
{
	for (size_t i = metrics->n; i-- > 0;)
		if (strncmp(metrics->list[i].name, name, n) == 0 &&
		    metrics->list[i].name[n] == '\0')
			return &metrics->list[i];
	return NULL;
}

const struct metric *
metrics_find(const struct metrics *metrics, const char *name)
{
	return metrics_lookup(metrics, name, strlen(name));
}

/* "# TYPE name type" */
static void
metrics_declare(struct metrics *metrics, const char *line)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	size_t n = strcspn(line, " ");

	if (line[n] == '\0' || metrics_lookup(metrics, line, n) != NULL)
		return;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(line + n + 1, types[i]) == 0) {
			metrics->list =
			    xreallocarray(metrics->list, metrics->n + 1, sizeof *metrics->list);
			metrics->list[metrics->n++] =
			    (struct metric){.name = xstrndup(line, n), .type = (enum metric_type)i};
		}
}

/* Behind the family and its other parts. */
static struct metric *
metrics_insert_part(struct metrics *metrics, size_t at, char *name)
{
	enum metric_type type = metrics->list[at].type;

	for (at++; at < metrics->n && metrics->list[at].part;)
		at++;
	metrics->list = xreallocarray(metrics->list, metrics->n + 1, sizeof *metrics->list);
	memmove(
	    metrics->list + at + 1, metrics->list + at, (metrics->n - at) * sizeof *metrics->list);
	metrics->n++;
	metrics->list[at] = (struct metric){.name = name, .part = true, .type = type};
	return &metrics->list[at];
}

/* The part of a family that a sample with these labels, up to a '}', belongs to, or NULL. */
static struct metric *
metrics_part(struct metrics *metrics, const char *family, const char *labels)
{
	struct buf name = {0};
	struct metric *part;
	const char *at = NULL;
	size_t n;

	for (size_t i = 0; i < sizeof metrics_parted / sizeof metrics_parted[0]; i++)
		if (strcmp(metrics_parted[i].family, family) == 0)
			at = strstr(labels, metrics_parted[i].label);
	if (at == NULL)
		return NULL;
	n = strcspn(at, ",}");
	buf_adds(&name, family);
	buf_addc(&name, '{');
	buf_add(&name, at, n);
	buf_addc(&name, '}');
	part = metrics_lookup(metrics, name.data, name.len);
	if (part == NULL)
		return metrics_insert_part(metrics,
		    (size_t)(metrics_find(metrics, family) - metrics->list), buf_take(&name, NULL));
	buf_clear(&name);
	return part;
}

static void
metrics_add_bucket(struct metric *metric, const char *labels, double value)
{
	const char *le = strstr(labels, "le=\"");
	double bound;

	if (le == NULL)
		return;
	bound = strtod(le + 4, NULL); /* "+Inf" too */
	for (size_t i = 0; i < metric->nbuckets; i++)
		if (!(metric->buckets[i].le < bound) && !(metric->buckets[i].le > bound)) {
			metric->buckets[i].count += value;
			return;
		}
	metric->buckets =
	    xreallocarray(metric->buckets, metric->nbuckets + 1, sizeof *metric->buckets);
	metric->buckets[metric->nbuckets++] = (struct metric_bucket){bound, value};
}

/* name{labels} value */
static void
metrics_add_sample(struct metrics *metrics, const char *line)
{
	size_t n = strcspn(line, "{ ");
	const char *space = strrchr(line, ' ');
	struct metric *metric;
	bool bucket = false;
	double value;

	if (space == NULL)
		return;
	value = strtod(space + 1, NULL);
	metric = metrics_lookup(metrics, line, n);
	if (metric == NULL && n > 7 && memcmp(line + n - 7, "_bucket", 7) == 0) {
		bucket = true;
		metric = metrics_lookup(metrics, line, n - 7);
	} else if (metric == NULL && n > 6 && memcmp(line + n - 6, "_count", 6) == 0) {
		metric = metrics_lookup(metrics, line, n - 6);
	}
	for (int i = 0; i < 2 && metric != NULL; i++) {
		if (bucket)
			metrics_add_bucket(metric, line + n, value);
		else
			metric->value += value;
		if (i == 0) /* may move what metric points to */
			metric = metrics_part(metrics, metric->name, line + n);
	}
}

void
metrics_read(struct metrics *metrics, struct buf *text, int64_t at_ms)
{
	char *copy = xstrdup(buf_str(text)), *rest = copy, *line;

	*metrics = (struct metrics){.at_ms = at_ms};
	while ((line = strsep(&rest, "\n")) != NULL)
		if (strncmp(line, "# TYPE ", 7) == 0)
			metrics_declare(metrics, line + 7);
		else if (line[0] != '#' && line[0] != '\0')
			metrics_add_sample(metrics, line);
	free(copy);
}

void
metrics_clear(struct metrics *metrics)
{
	for (size_t i = 0; i < metrics->n; i++) {
		free(metrics->list[i].name);
		free(metrics->list[i].buckets);
	}
	free(metrics->list);
	*metrics = (struct metrics){0};
}

double
metrics_rate(const struct metrics *before, const struct metrics *now, const struct metric *of)
{
	const struct metric *old = metrics_find(before, of->name);
	int64_t ms = now->at_ms - before->at_ms;

	if (old == NULL || ms <= 0 || of->value < old->value)
		return 0;
	return (of->value - old->value) * 1000 / (double)ms;
}

double
metrics_growth(const struct metrics *before, const struct metric *of, size_t k)
{
	const struct metric *old = metrics_find(before, of->name);
	const struct metric_bucket *bucket = &of->buckets[k];

	for (size_t i = 0; old != NULL && i < old->nbuckets; i++)
		if (!(old->buckets[i].le < bucket->le) && !(old->buckets[i].le > bucket->le))
			return bucket->count < old->buckets[i].count
				   ? bucket->count
				   : bucket->count - old->buckets[i].count;
	return bucket->count;
}

double
metrics_quantile(const struct metrics *before, const struct metric *of, double share)
{
	double all;

	if (of->nbuckets == 0)
		return -1;
	all = metrics_growth(before, of, of->nbuckets - 1);
	if (all <= 0)
		return -1;
	for (size_t i = 0; i < of->nbuckets; i++)
		if (metrics_growth(before, of, i) >= share * all)
			return of->buckets[i].le;
	return of->buckets[of->nbuckets - 1].le;
}
