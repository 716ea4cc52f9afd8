/* What evhookctl top draws: one screen of 80 by 24, or every family, or JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/out.h"
#include "ctl/top.h"
#include "proto/datetime.h"

#define TOP_PREFIX "evhookd_"
#define TOP_WIDTH 80
#define TOP_QUEUES 7 /* what is left of 24 lines */

/* "12.5 ms", or "-" for none, and what is beyond the last bucket. */
static const char *
top_ms(double seconds, char text[24])
{
	if (seconds < 0)
		snprintf(text, 24, "-");
	else if (isinf(seconds))
		snprintf(text, 24, "above all");
	else
		snprintf(text, 24, "%g ms", seconds * 1000);
	return text;
}

/* "380 ms", "12.3 s", "5m12s", "3h04m", "2d05h" */
static void
top_add_span(struct buf *out, int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		buf_printf(out, "%" PRId64 " ms", ms);
	else if (s < 60)
		buf_printf(out, "%.1f s", (double)ms / 1000);
	else if (s < 3600)
		buf_printf(out, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		buf_printf(out, "%" PRId64 "h%02" PRId64 "m", s / 3600, s % 3600 / 60);
	else
		buf_printf(out, "%" PRId64 "d%02" PRId64 "h", s / 86400, s % 86400 / 3600);
}

/* A line of at most 80 columns; takes it. */
static void
top_put(struct buf *line)
{
	size_t n = line->len;

	while (n > 0 && utf8_count(line->data, n) > TOP_WIDTH)
		n--;
	while (n > 0 && line->data[n - 1] == ' ')
		n--;
	printf("%.*s\n", (int)n, buf_str(line));
	buf_reset(line);
}

static void
top_print_head(const struct top *top, struct buf *line)
{
	char date[DATETIME_LEN + 1];
	double redis = looks_value(&top->looks, "evhookd_redis_up");

	datetime_format(date, clock_wall_ms());
	buf_printf(line, "%zu of %zu processes answer, ", top->up, top->admins.n);
	if (redis >= (double)top->up)
		buf_adds(line, "Redis is up");
	else
		buf_printf(line, "%.0f of them cannot use Redis", (double)top->up - redis);
	if (looks_value(&top->looks, "evhookd_draining") > 0)
		buf_printf(line, ", %.0f draining", looks_value(&top->looks, "evhookd_draining"));
	buf_printf(line, "  %.8sZ", date + 11);
	top_put(line);
	for (size_t i = 0; i < top->admins.n && top->up < top->admins.n; i++)
		if (!top->processes[i].up) {
			buf_printf(line, "no answer: %s", top->processes[i].why);
			top_put(line);
			break;
		}
}

static void
top_print_rates(const struct top *top, struct buf *line)
{
	static const struct {
		const char *rate, *counter, *also, *latency, *histogram;
	} rows[] = {
	    {"requests", "evhookd_http_requests_total", NULL, "accepted to 2xx, first try",
		"evhookd_delivery_latency_seconds{attempt=\"first\"}"},
	    {"events", "evhookd_events_accepted_total", NULL, "accepted to 2xx, later try",
		"evhookd_delivery_latency_seconds{attempt=\"later\"}"},
	    {"attempts", "evhookd_attempts_total", NULL, "an attempt",
		"evhookd_attempt_duration_seconds"},
	    {"delivered", "evhookd_deliveries_delivered_total", NULL, "  name looked up",
		"evhookd_attempt_phase_seconds{phase=\"dns\"}"},
	    {"retried", "evhookd_deliveries_retried_total", NULL, "  connected",
		"evhookd_attempt_phase_seconds{phase=\"connect\"}"},
	    {"diverted", "evhookd_deliveries_diverted_total", NULL, "  TLS agreed",
		"evhookd_attempt_phase_seconds{phase=\"tls\"}"},
	    {"dropped", "evhookd_deliveries_dropped_total", NULL, "  first byte of the answer",
		"evhookd_attempt_phase_seconds{phase=\"first_byte\"}"},
	    {"failed", "evhookd_deliveries_failed_total", NULL, "a command to Redis",
		"evhookd_redis_command_duration_seconds"},
	    {"unqueued", "evhookd_deliveries_unqueued_total", NULL, "a timer's lag",
		"evhookd_loop_lag_seconds"},
	    {"401, 403", "evhookd_auth_unauthorized_total", "evhookd_auth_forbidden_total", NULL,
		NULL},
	};
	char p50[24], p99[24];

	printf(
	    "%-10s%10s   %-28s%12s%12s\n", "RATE", "A SECOND", "LATENCY", "P50 BELOW", "P99 BELOW");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		double rate = looks_rate(&top->looks, rows[i].counter);

		if (rows[i].also != NULL)
			rate += looks_rate(&top->looks, rows[i].also);
		buf_printf(line, "%-10s%10.1f", rows[i].rate, rate);
		if (rows[i].latency != NULL)
			buf_printf(line, "   %-28s%12s%12s", rows[i].latency,
			    top_ms(looks_quantile(&top->looks, rows[i].histogram, 0.5), p50),
			    top_ms(looks_quantile(&top->looks, rows[i].histogram, 0.99), p99));
		top_put(line);
	}
}

static void
top_print_held(const struct top *top, struct buf *line)
{
	const struct looks *looks = &top->looks;
	double oldest = looks_value(looks, "evhookd_queue_oldest_due_seconds");

	buf_printf(line, "queues: %.0f due, %.0f soon, %.0f later",
	    looks_value(looks, "evhookd_queue_entries{state=\"due\"}"),
	    looks_value(looks, "evhookd_queue_entries{state=\"soon\"}"),
	    looks_value(looks, "evhookd_queue_entries{state=\"deferred\"}"));
	if (oldest > 0) {
		buf_adds(line, "; due for ");
		top_add_span(line, (int64_t)(oldest * 1000));
	}
	top_put(line);
	buf_printf(line,
	    "held: %.0f waiting, %.0f in flight, %.0f settling; connections: %.0f busy, %.0f idle",
	    looks_value(looks, "evhookd_deliveries_held{state=\"waiting\"}"),
	    looks_value(looks, "evhookd_deliveries_held{state=\"inflight\"}"),
	    looks_value(looks, "evhookd_deliveries_held{state=\"settling\"}"),
	    looks_value(looks, "evhookd_endpoint_connections{state=\"busy\"}"),
	    looks_value(looks, "evhookd_endpoint_connections{state=\"idle\"}"));
	top_put(line);
}

static int64_t
top_int(const struct json *object, const char *name)
{
	const struct json *value = json_get(object, name);
	int64_t n = 0;

	return value != NULL && json_int(value, &n) == 0 ? n : 0;
}

static void
top_print_queue(const struct json *queue, struct buf *line)
{
	struct buf tenant = {0}, webhook = {0}, span = {0};

	if (queue->type != JSON_OBJECT)
		return;
	out_value(&tenant, json_get(queue, "tenant"));
	out_value(&webhook, json_get(queue, "webhook"));
	if (top_int(queue, "due") > 0)
		top_add_span(&span, top_int(queue, "dueForMs"));
	buf_printf(line, "%-36s %-26s %7" PRId64 " %7s", buf_str(&tenant), buf_str(&webhook),
	    top_int(queue, "entries"), span.len > 0 ? buf_str(&span) : "-");
	top_put(line);
	buf_clear(&tenant);
	buf_clear(&webhook);
	buf_clear(&span);
}

/* Of all tenants: the longest queues, and the one that is due longest. */
static void
top_print_queues(const struct top *top, struct buf *line)
{
	const struct json *root = top->worst.root, *list, *oldest;
	size_t n = 0;

	if (root == NULL || root->type != JSON_OBJECT ||
	    (list = json_get(root, "queues")) == NULL || list->type != JSON_ARRAY)
		return;
	oldest = json_get(root, "oldest");
	printf("%-36s %-26s %7s %7s\n", "LONGEST QUEUES: TENANT", "WEBHOOK", "ENTRIES", "DUE FOR");
	for (list = list->child; list != NULL && n < TOP_QUEUES - 2; list = list->next, n++)
		top_print_queue(list, line);
	if (oldest != NULL && oldest->type == JSON_OBJECT) {
		puts("DUE LONGEST");
		top_print_queue(oldest, line);
	}
}

/* A name cut to its column. */
static void
top_add_column(struct buf *line, const char *text, size_t width)
{
	size_t n = strlen(text), columns;

	while ((columns = utf8_count(text, n)) > width)
		n--;
	while (n > 0 && text[n] != '\0' && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	buf_add(line, text, n);
	columns = utf8_count(text, n);
	buf_printf(line, "%*s", (int)(width - columns), "");
}

static void
top_print_webhooks(const struct top *top, struct buf *line)
{
	printf("%-26s %-20s%8s%8s%8s%9s\n", "WORST WEBHOOKS", "NAME", "PENDING", "DIVERT", "FAILED",
	    "DELIVER");
	for (size_t i = 0; i < top->nwebhooks && i < TOP_QUEUES; i++) {
		const struct top_webhook *webhook = &top->webhooks[i];

		buf_printf(line, "%-26s ", webhook->locator);
		top_add_column(line, webhook->name, 20);
		buf_printf(line, "%8" PRId64 "%8" PRId64 "%8" PRId64 "%9" PRId64, webhook->pending,
		    webhook->diverted, webhook->failed, webhook->delivered);
		top_put(line);
	}
}

void
top_print_screen(const struct top *top)
{
	struct buf line = {0};

	top_print_head(top, &line);
	top_print_rates(top, &line);
	top_print_held(top, &line);
	if (top->ctl->http != NULL)
		top_print_webhooks(top, &line);
	else
		top_print_queues(top, &line);
	buf_clear(&line);
}

/* --- every family --- */

/* A family's name without evhookd_ in front and _total behind; of a part, its label's value. */
static void
top_add_name(struct table *table, const struct metric *metric)
{
	const char *name = metric->name, *quote = strchr(name, '"');
	struct buf text = {0};
	size_t n;

	if (metric->part && quote != NULL) {
		buf_adds(&text, "  ");
		buf_add(&text, quote + 1, strcspn(quote + 1, "\""));
		table_add(table, buf_str(&text));
		buf_clear(&text);
		return;
	}
	if (strncmp(name, TOP_PREFIX, sizeof TOP_PREFIX - 1) == 0)
		name += sizeof TOP_PREFIX - 1;
	n = strlen(name);
	if (n > 6 && strcmp(name + n - 6, "_total") == 0)
		n -= 6;
	table_addn(table, name, n);
}

static void
top_add_number(struct table *table, const char *fmt, double value)
{
	char text[32];

	snprintf(text, sizeof text, *fmt == '/' ? "%.1f/s" : "%.15g", value);
	table_add(table, text);
}

static void
top_print_family(const struct top *top, enum metric_type type)
{
	static const char *const heads[][5] = {{"RATE", "NOW", "IN ALL", NULL},
	    {"GAUGE", "NOW", NULL}, {"LATENCY", "RATE", "P50 BELOW", "P99 BELOW", NULL}};
	struct table table = {.heads = heads[type]};
	char text[24];

	for (size_t i = 0; i < top->looks.now.n; i++) {
		const struct metric *metric = &top->looks.now.list[i];

		if (metric->type != type ||
		    strncmp(metric->name, TOP_PREFIX, sizeof TOP_PREFIX - 1) != 0 ||
		    strcmp(metric->name, TOP_PREFIX "build_info") == 0)
			continue;
		if (type != METRIC_GAUGE && !(metric->value > 0))
			continue;
		top_add_name(&table, metric);
		if (type != METRIC_GAUGE)
			top_add_number(&table, "/", looks_rate(&top->looks, metric->name));
		if (type != METRIC_HISTOGRAM) {
			top_add_number(&table, "", metric->value);
			continue;
		}
		table_add(&table, top_ms(looks_quantile(&top->looks, metric->name, 0.5), text));
		table_add(&table, top_ms(looks_quantile(&top->looks, metric->name, 0.99), text));
	}
	if (table.ncells > 0) {
		table_print(&table);
		putchar('\n');
	}
	table_clear(&table);
}

void
top_print_all(const struct top *top)
{
	struct buf line = {0};

	top_print_head(top, &line);
	putchar('\n');
	top_print_family(top, METRIC_COUNTER);
	top_print_family(top, METRIC_HISTOGRAM);
	top_print_family(top, METRIC_GAUGE);
	if (top->ctl->http != NULL)
		top_print_webhooks(top, &line);
	top_print_queues(top, &line);
	buf_clear(&line);
}

/* --- JSON --- */

static void
top_json_number(struct buf *out, const char *key, double value)
{
	json_key(out, key);
	if (value < 0 || isinf(value))
		json_add_null(out);
	else
		buf_printf(out, "%.15g", value);
}

static void
top_json_metrics(const struct top *top, struct buf *out)
{
	json_open(out, '{');
	for (size_t i = 0; i < top->looks.now.n; i++) {
		const struct metric *metric = &top->looks.now.list[i];

		json_key(out, metric->name);
		json_open(out, '{');
		top_json_number(out, "value", metric->value);
		if (metric->type != METRIC_GAUGE)
			top_json_number(out, "rate", looks_rate(&top->looks, metric->name));
		if (metric->type == METRIC_HISTOGRAM) {
			top_json_number(out, "p50", looks_quantile(&top->looks, metric->name, 0.5));
			top_json_number(
			    out, "p99", looks_quantile(&top->looks, metric->name, 0.99));
		}
		json_close(out, '}');
	}
	json_close(out, '}');
}

static void
top_json_webhooks(const struct top *top, struct buf *out)
{
	json_open(out, '[');
	for (size_t i = 0; i < top->nwebhooks && i < TOP_WORST; i++) {
		const struct top_webhook *webhook = &top->webhooks[i];

		json_open(out, '{');
		json_key(out, "webhook");
		json_add_str(out, webhook->locator);
		json_key(out, "name");
		json_add_str(out, webhook->name);
		top_json_number(out, "pending", (double)webhook->pending);
		top_json_number(out, "diverted", (double)webhook->diverted);
		top_json_number(out, "failed", (double)webhook->failed);
		top_json_number(out, "delivered", (double)webhook->delivered);
		json_close(out, '}');
	}
	json_close(out, ']');
}

void
top_print_json(const struct top *top)
{
	struct buf out = {0};

	json_open(&out, '{');
	json_key(&out, "processes");
	json_open(&out, '[');
	for (size_t i = 0; i < top->admins.n; i++) {
		json_open(&out, '{');
		json_key(&out, "url");
		json_add_str(&out, top->admins.list[i].url);
		json_key(&out, "trouble");
		if (top->processes[i].up)
			json_add_null(&out);
		else
			json_add_str(&out, top->processes[i].why);
		json_close(&out, '}');
	}
	json_close(&out, ']');
	json_key(&out, "metrics");
	top_json_metrics(top, &out);
	json_key(&out, "worst");
	top_json_webhooks(top, &out);
	json_key(&out, "all");
	if (top->worst.root != NULL)
		json_add_raw(&out, top->worst.root->raw, top->worst.root->raw_len);
	else
		json_add_null(&out);
	json_close(&out, '}');
	puts(buf_str(&out));
	buf_clear(&out);
}
