/*
 * evhookctl top: one screen, drawn again and again: rates and latencies from two readings of
 * /metrics, what evhookd holds just now, and the worst endpoints of the tenant, if one is named.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/api.h"
#include "ctl/metrics.h"
#include "ctl/out.h"
#include "ctl/wait.h"

#define TOP_PREFIX "evhookd_"
#define TOP_WORST 10

struct top_webhook {
	char *locator;
	char *name;
	int64_t pending, diverted, failed, delivered;
};

struct top {
	struct ctl *ctl;
	struct http *admin;
	struct metrics before, now;
	bool json;
	struct top_webhook *webhooks; /* of this look */
	size_t nwebhooks;
};

static int
cmd_top_metrics(struct top *top)
{
	struct http_request request = {.method = "GET", .target = "/metrics"};
	struct http_answer answer;
	int code = CTL_OK;
	char *why;

	if (http_ask(top->admin, &request, &answer, &why) != 0) {
		code = ctl_fail(CTL_UNAVAILABLE, "%s", why);
		free(why);
	} else if (answer.status != 200) {
		code = ctl_fail(CTL_FAILED, "/metrics is answered with %d", answer.status);
	} else {
		metrics_clear(&top->before);
		top->before = top->now;
		metrics_read(&top->now, &answer.body, clock_mono_ms());
	}
	http_answer_clear(&answer);
	return code;
}

/* --- the worst endpoints --- */

static int64_t
cmd_top_number(const struct json *stats, const char *name)
{
	const struct json *value =
	    stats != NULL && stats->type == JSON_OBJECT ? json_get(stats, name) : NULL;
	int64_t n = 0;

	return value != NULL && json_int(value, &n) == 0 ? n : 0;
}

static char *
cmd_top_text(const struct json *webhook, const char *name)
{
	struct buf text = {0};

	out_value(&text, json_get(webhook, name));
	return buf_take(&text, NULL);
}

static int
cmd_top_on_webhook(void *arg, const struct json *webhook)
{
	struct top *top = arg;
	const struct json *stats;

	if (webhook->type != JSON_OBJECT)
		return CTL_OK;
	stats = json_get(webhook, "stats");
	top->webhooks = xreallocarray(top->webhooks, top->nwebhooks + 1, sizeof *top->webhooks);
	top->webhooks[top->nwebhooks++] = (struct top_webhook){
	    .locator = cmd_top_text(webhook, "locator"),
	    .name = cmd_top_text(webhook, "name"),
	    .pending = cmd_top_number(stats, "pending"),
	    .diverted = cmd_top_number(stats, "diverted"),
	    .failed = cmd_top_number(stats, "failed"),
	    .delivered = cmd_top_number(stats, "delivered"),
	};
	return CTL_OK;
}

static int64_t
cmd_top_badness(const struct top_webhook *webhook)
{
	return webhook->pending + webhook->diverted + webhook->failed;
}

static int
cmd_top_compare(const void *a, const void *b)
{
	int64_t x = cmd_top_badness(a), y = cmd_top_badness(b);

	return x < y ? 1 : x > y ? -1 : 0;
}

static int
cmd_top_webhooks(struct top *top)
{
	struct api_pages pages = {.key = "items", .count = -1};
	struct buf path = {0};
	int code;

	if (top->ctl->http == NULL)
		return CTL_OK;
	api_path(top->ctl, &path, "webhooks", "list", NULL);
	api_query(&path, "extended", "true");
	code = api_each(top->ctl, &path, &pages, cmd_top_on_webhook, top);
	buf_clear(&path);
	if (top->nwebhooks > 0)
		qsort(top->webhooks, top->nwebhooks, sizeof *top->webhooks, cmd_top_compare);
	return code;
}

static void
cmd_top_forget(struct top *top)
{
	for (size_t i = 0; i < top->nwebhooks; i++) {
		free(top->webhooks[i].locator);
		free(top->webhooks[i].name);
	}
	free(top->webhooks);
	top->webhooks = NULL;
	top->nwebhooks = 0;
}

/* --- the screen --- */

static void
cmd_top_cell(struct table *table, const char *fmt, double value)
{
	struct buf text = {0};

	if (value < 0)
		buf_addc(&text, '-');
	else if (isinf(value))
		buf_adds(&text, "above all");
	else if (strcmp(fmt, "s") == 0)
		buf_printf(&text, "%g ms", value * 1000);
	else if (strcmp(fmt, "/s") == 0)
		buf_printf(&text, "%.1f/s", value);
	else
		buf_printf(&text, "%.15g", value);
	table_add(table, buf_str(&text));
	buf_clear(&text);
}

/* A family's name without evhookd_ in front and _total behind; of a part, its label's value. */
static void
cmd_top_name(struct table *table, const struct metric *metric)
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
cmd_top_print_family(const struct top *top, enum metric_type type)
{
	static const char *const heads[][5] = {{"RATE", "NOW", "IN ALL", NULL},
	    {"GAUGE", "NOW", NULL}, {"LATENCY", "RATE", "P50 BELOW", "P99 BELOW", NULL}};
	struct table table = {.heads = heads[type]};

	for (size_t i = 0; i < top->now.n; i++) {
		const struct metric *metric = &top->now.list[i];

		if (metric->type != type ||
		    strncmp(metric->name, TOP_PREFIX, sizeof TOP_PREFIX - 1) != 0 ||
		    strcmp(metric->name, TOP_PREFIX "build_info") == 0)
			continue;
		if (type != METRIC_GAUGE && !(metric->value > 0))
			continue; /* there is little room on a screen */
		cmd_top_name(&table, metric);
		if (type != METRIC_GAUGE)
			cmd_top_cell(&table, "/s", metrics_rate(&top->before, &top->now, metric));
		if (type != METRIC_HISTOGRAM) {
			cmd_top_cell(&table, "", metric->value);
			continue;
		}
		cmd_top_cell(&table, "s", metrics_quantile(&top->before, metric, 0.5));
		cmd_top_cell(&table, "s", metrics_quantile(&top->before, metric, 0.99));
	}
	if (table.ncells > 0) {
		table_print(&table);
		putchar('\n');
	}
	table_clear(&table);
}

static void
cmd_top_print_webhooks(const struct top *top)
{
	static const char *const heads[] = {
	    "WORST ENDPOINTS", "NAME", "PENDING", "DIVERTED", "FAILED", "DELIVERED", NULL};
	struct table table = {.heads = heads};

	if (top->ctl->http == NULL) {
		puts("(the worst endpoints of a tenant: --tenant)");
		return;
	}
	for (size_t i = 0; i < top->nwebhooks && i < TOP_WORST; i++) {
		table_add(&table, top->webhooks[i].locator);
		table_add(&table, top->webhooks[i].name);
		cmd_top_cell(&table, "", (double)top->webhooks[i].pending);
		cmd_top_cell(&table, "", (double)top->webhooks[i].diverted);
		cmd_top_cell(&table, "", (double)top->webhooks[i].failed);
		cmd_top_cell(&table, "", (double)top->webhooks[i].delivered);
	}
	table_print(&table);
}

static void
cmd_top_json_number(struct buf *out, const char *key, double value)
{
	json_key(out, key);
	if (value < 0 || isinf(value))
		json_add_null(out);
	else
		buf_printf(out, "%.15g", value);
}

static void
cmd_top_print_json(const struct top *top)
{
	struct buf out = {0};

	json_open(&out, '{');
	json_key(&out, "metrics");
	json_open(&out, '{');
	for (size_t i = 0; i < top->now.n; i++) {
		const struct metric *metric = &top->now.list[i];

		json_key(&out, metric->name);
		json_open(&out, '{');
		cmd_top_json_number(&out, "value", metric->value);
		if (metric->type != METRIC_GAUGE)
			cmd_top_json_number(
			    &out, "rate", metrics_rate(&top->before, &top->now, metric));
		if (metric->type == METRIC_HISTOGRAM) {
			cmd_top_json_number(
			    &out, "p50", metrics_quantile(&top->before, metric, 0.5));
			cmd_top_json_number(
			    &out, "p99", metrics_quantile(&top->before, metric, 0.99));
		}
		json_close(&out, '}');
	}
	json_close(&out, '}');
	json_key(&out, "worst");
	json_open(&out, '[');
	for (size_t i = 0; i < top->nwebhooks && i < TOP_WORST; i++) {
		const struct top_webhook *webhook = &top->webhooks[i];

		json_open(&out, '{');
		json_key(&out, "webhook");
		json_add_str(&out, webhook->locator);
		json_key(&out, "name");
		json_add_str(&out, webhook->name);
		cmd_top_json_number(&out, "pending", (double)webhook->pending);
		cmd_top_json_number(&out, "diverted", (double)webhook->diverted);
		cmd_top_json_number(&out, "failed", (double)webhook->failed);
		cmd_top_json_number(&out, "delivered", (double)webhook->delivered);
		json_close(&out, '}');
	}
	json_close(&out, ']');
	json_close(&out, '}');
	out_json_line(buf_str(&out), out.len);
	buf_clear(&out);
}

static int
cmd_top_look(struct top *top)
{
	int code = cmd_top_metrics(top);

	if (code == CTL_OK)
		code = cmd_top_webhooks(top);
	if (code == CTL_OK && top->json) {
		cmd_top_print_json(top);
	} else if (code == CTL_OK) {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		cmd_top_print_family(top, METRIC_COUNTER);
		cmd_top_print_family(top, METRIC_HISTOGRAM);
		cmd_top_print_family(top, METRIC_GAUGE);
		cmd_top_print_webhooks(top);
	}
	cmd_top_forget(top);
	return code;
}

int
cmd_top(struct ctl *ctl)
{
	struct top top = {.ctl = ctl, .json = ctl_is(ctl, "json")};
	int64_t interval = 2000, left = -1, timeout_ms;
	int code = ctl_time(ctl, "interval", &interval);
	char *why;

	if (code == CTL_OK)
		code = ctl_int(ctl, "count", 1, INT32_MAX, &left);
	if (code == CTL_OK)
		code = ctl_time(ctl, "timeout", &timeout_ms);
	if (code == CTL_OK && ctl_get(ctl, "tenant") != NULL)
		code = api_open(ctl);
	if (code != CTL_OK)
		return code;
	top.admin = http_new(ctl_get(ctl, "admin-url"), ctl_get(ctl, "ca-file"), timeout_ms, &why);
	if (top.admin == NULL) {
		code = ctl_fail(CTL_USAGE, "%s", why);
		free(why);
		return code;
	}
	wait_begin();
	do {
		code = cmd_top_look(&top);
		left -= left > 0 ? 1 : 0;
	} while (code == CTL_OK && left != 0 && fflush(stdout) == 0 && wait_ms(interval));
	metrics_clear(&top.before);
	metrics_clear(&top.now);
	http_free(top.admin);
	return code;
}
