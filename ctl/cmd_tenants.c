/* evhookctl tenants: who has events in Redis, those with most first. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/api.h"
#include "ctl/out.h"
#include "ctl/rds.h"

#define TENANTS_STEP 1000 /* read of a shard at a time */

struct tenant {
	struct uuid locator;
	int64_t bytes;
};

struct tenants {
	struct rds *rds;
	struct keys keys;
	struct tenant *list; /* most bytes first in the end */
	size_t n;
	size_t most;
	int64_t all; /* in Redis */
};

static int
cmd_tenants_compare(const void *a, const void *b)
{
	const struct tenant *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->locator.s, y->locator.s);
}

/* {tenant, bytes, …} of a shard */
static void
cmd_tenants_on_shard(void *arg, const redisReply *reply)
{
	struct tenants *tenants = arg;

	if (reply->type != REDIS_REPLY_ARRAY)
		return;
	tenants->list = xreallocarray(
	    tenants->list, tenants->n + reply->elements / 2 + 1, sizeof *tenants->list);
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *score = reply->element[i + 1];
		struct tenant tenant;

		if (name->type != REDIS_REPLY_STRING || score->type != REDIS_REPLY_STRING ||
		    uuid_parse(&tenant.locator, name->str, name->len) != 0)
			continue;
		tenant.bytes = strtoll(score->str, NULL, 10);
		tenants->list[tenants->n++] = tenant;
	}
}

/* Of each shard as many as are wanted in all, as they may all be in one. */
static int
cmd_tenants_shard(struct tenants *tenants, unsigned shard)
{
	struct buf key = {0};
	int64_t n = 0;
	int code;

	buf_printf(&key, "%sbytes", tenants->keys.prefixes[shard]);
	code = rds_ask_int(tenants->rds, rds_cmd("ZCARD", buf_str(&key), NULL), &n);
	tenants->all += n;
	for (size_t from = 0; code == CTL_OK && (int64_t)from < n && from < tenants->most;
	     from += TENANTS_STEP) {
		size_t end =
		    from + TENANTS_STEP < tenants->most ? from + TENANTS_STEP : tenants->most;
		char first[24], last[24];

		snprintf(first, sizeof first, "%zu", from);
		snprintf(last, sizeof last, "%zu", end - 1);
		code = rds_ask(tenants->rds,
		    rds_cmd("ZREVRANGE", buf_str(&key), first, last, "WITHSCORES", NULL),
		    cmd_tenants_on_shard, tenants);
	}
	buf_clear(&key);
	return code;
}

static int
cmd_tenants_count(struct tenants *tenants, const struct uuid *tenant, const char *command,
    const char *name, int64_t *n)
{
	struct buf key = {0};
	int code;

	buf_printf(&key, "%s%s:%s", keys_prefix(&tenants->keys, tenant), name, tenant->s);
	code = rds_ask_int(tenants->rds, rds_cmd(command, buf_str(&key), NULL), n);
	buf_clear(&key);
	return code;
}

static int
cmd_tenants_print(const struct ctl *ctl, struct tenants *tenants)
{
	static const char *const heads[] = {"TENANT", "BYTES", "EVENTS", "WEBHOOKS", NULL};
	struct table table = {.heads = heads};
	int code = CTL_OK;

	for (size_t i = 0; i < tenants->n && code == CTL_OK; i++) {
		const struct tenant *tenant = &tenants->list[i];
		int64_t n[3] = {tenant->bytes, 0, 0};

		code = cmd_tenants_count(tenants, &tenant->locator, "XLEN", "ev", &n[1]);
		if (code == CTL_OK)
			code = cmd_tenants_count(tenants, &tenant->locator, "ZCARD", "whs", &n[2]);
		if (code == CTL_OK && ctl_is(ctl, "json"))
			printf("%s{\"tenant\":\"%s\",\"bytes\":%" PRId64 ",\"events\":%" PRId64
			       ",\"webhooks\":%" PRId64 "}",
			    i == 0 ? "[\n" : ",\n", tenant->locator.s, n[0], n[1], n[2]);
		table_add(&table, tenant->locator.s);
		for (size_t k = 0; k < 3; k++) {
			char text[24];

			snprintf(text, sizeof text, "%" PRId64, n[k]);
			table_add(&table, text);
		}
	}
	if (code == CTL_OK && ctl_is(ctl, "json"))
		puts(tenants->n == 0 ? "[]" : "\n]");
	else if (code == CTL_OK)
		table_print(&table);
	table_clear(&table);
	return code;
}

int
cmd_tenants(struct ctl *ctl)
{
	struct tenants tenants = {0};
	int64_t count;
	unsigned shards;
	int code = api_count(ctl, &count);

	if (code == CTL_OK)
		code = rds_open(ctl, &tenants.rds);
	if (code == CTL_OK)
		code = rds_shards(ctl, tenants.rds, &shards);
	if (code == CTL_OK) {
		keys_init(&tenants.keys, shards);
		tenants.most = count < 0 ? INT32_MAX : (size_t)count;
		for (unsigned i = 0; i < shards && code == CTL_OK; i++)
			code = cmd_tenants_shard(&tenants, i);
		if (tenants.n > 0)
			qsort(tenants.list, tenants.n, sizeof *tenants.list, cmd_tenants_compare);
		if (tenants.n > tenants.most)
			tenants.n = tenants.most;
		if (code == CTL_OK)
			code = cmd_tenants_print(ctl, &tenants);
		if (code == CTL_OK && tenants.all > (int64_t)tenants.n)
			api_say_more((int64_t)tenants.n);
	}
	free(tenants.list);
	keys_clear(&tenants.keys);
	rds_close(tenants.rds);
	return code;
}
