/*
 * evhookctl top: one screen, drawn again and again: rates and latencies from two readings of
 * /metrics of each process, what they hold just now, and the worst webhooks: of the tenant, if one
 * is named, else those of all tenants with the longest queues.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/api.h"
#include "ctl/out.h"
#include "ctl/top.h"
#include "ctl/wait.h"

/* One that does not answer begins anew when it does again. */
static void
cmd_top_read(struct top *top, size_t i)
{
	struct top_process *process = &top->processes[i];
	struct http_answer answer = {0};

	free(process->why);
	process->why = NULL;
	metrics_clear(&process->before);
	process->before = process->now;
	process->now = (struct metrics){0};
	process->up = admin_get(&top->admins.list[i], "/metrics", &answer, &process->why) == CTL_OK;
	if (process->up) {
		metrics_read(&process->now, &answer.body, clock_mono_ms());
		looks_add(&top->looks, &process->before, &process->now);
		top->up++;
	}
	http_answer_clear(&answer);
}

static int
cmd_top_metrics(struct top *top)
{
	looks_clear(&top->looks);
	top->up = 0;
	for (size_t i = 0; i < top->admins.n; i++)
		cmd_top_read(top, i);
	if (top->up > 0)
		return CTL_OK;
	return ctl_fail(CTL_UNAVAILABLE, "%s", top->processes[0].why);
}

/* --- the worst --- */

/* Of one process, as all say the same; without Redis there is none. */
static void
cmd_top_worst(struct top *top)
{
	bool known = false;

	json_doc_clear(&top->worst);
	for (size_t i = 0; i < top->admins.n && !known; i++) {
		struct http_answer *answer = &top->worst_text;
		struct json_error error;
		char *why = NULL;

		if (!top->processes[i].up)
			continue;
		json_doc_clear(&top->worst);
		http_answer_clear(answer);
		known = admin_get(&top->admins.list[i], "/worst", answer, &why) == CTL_OK &&
			json_parse(&top->worst, answer->body.data, answer->body.len, SIZE_MAX,
			    &error) == 0;
		if (!known)
			json_doc_clear(&top->worst);
		free(why);
	}
}

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

static int
cmd_top_look(struct top *top)
{
	int code = cmd_top_metrics(top);

	if (code == CTL_OK) {
		cmd_top_worst(top);
		code = cmd_top_webhooks(top);
	}
	if (code == CTL_OK && ctl_is(top->ctl, "json")) {
		top_print_json(top);
	} else if (code == CTL_OK) {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		if (ctl_is(top->ctl, "all"))
			top_print_all(top);
		else
			top_print_screen(top);
	}
	cmd_top_forget(top);
	return code;
}

static void
cmd_top_free(struct top *top)
{
	for (size_t i = 0; i < top->admins.n; i++) {
		metrics_clear(&top->processes[i].before);
		metrics_clear(&top->processes[i].now);
		free(top->processes[i].why);
	}
	free(top->processes);
	looks_clear(&top->looks);
	json_doc_clear(&top->worst);
	http_answer_clear(&top->worst_text);
	admins_close(&top->admins);
}

int
cmd_top(struct ctl *ctl)
{
	struct top top = {.ctl = ctl};
	int64_t interval = 2000, left = -1;
	int code = ctl_time(ctl, "interval", &interval);

	if (code == CTL_OK)
		code = ctl_int(ctl, "count", 1, INT32_MAX, &left);
	if (code == CTL_OK && ctl_get(ctl, "tenant") != NULL)
		code = api_open(ctl);
	if (code == CTL_OK)
		code = admins_open(ctl, &top.admins);
	top.processes = xcalloc(top.admins.n + 1, sizeof *top.processes);
	wait_begin();
	while (code == CTL_OK) {
		code = cmd_top_look(&top);
		left -= left > 0 ? 1 : 0;
		if (left == 0 || fflush(stdout) != 0 || !wait_ms(interval))
			break;
	}
	cmd_top_free(&top);
	return code;
}
