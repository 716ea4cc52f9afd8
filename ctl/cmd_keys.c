/* evhookctl shard and keys: where in Redis things are. */
#include <stdio.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/rds.h"

enum keys_owner { OF_WEBHOOK, OF_TENANT, OF_BOTH };

struct keys_row {
	const char *name; /* behind the prefix, before the locator */
	enum keys_owner owner;
	const char *suffix; /* behind the locator */
	const char *type;
	const char *size; /* the command that counts what is in it */
	const char *text;
};

/* doc/redis.md */
static const struct keys_row keys_rows[] = {
    {"wh:", OF_WEBHOOK, "", "hash", "HLEN", "the webhook"},
    {"q:", OF_WEBHOOK, "", "zset", "ZCARD", "what is owed: due times, or ends of leases (odd)"},
    {"rt:", OF_WEBHOOK, "", "hash", "HLEN", "how many attempts were made for what is owed"},
    {"rq:", OF_WEBHOOK, "", "zset", "ZCARD", "which of what is owed are retries, and when due"},
    {"q:", OF_WEBHOOK, ":alert", "zset", "ZCARD", "alert notices owed"},
    {"rt:", OF_WEBHOOK, ":alert", "hash", "HLEN", "these notices"},
    {"dv:", OF_WEBHOOK, "", "hash", "HLEN", "diverted events: why"},
    {"dvx:", OF_WEBHOOK, "", "zset", "ZCARD", "their order"},
    {"at:", OF_WEBHOOK, "", "list", "LLEN", "attempts"},
    {"st:", OF_WEBHOOK, "", "hash", "HLEN", "counters"},
    {"whs:", OF_TENANT, "", "zset", "ZCARD", "the tenant's webhooks"},
    {"ev:", OF_TENANT, "", "stream", "XLEN", "the tenant's events"},
    {"kp:", OF_TENANT, "", "hash", "HLEN", "events kept beyond the stream"},
    {"kn:", OF_TENANT, "", "hash", "HLEN", "how many webhooks need each of them"},
    {"kr:", OF_BOTH, "", "set", "SCARD", "which of them the webhook needs"},
};

/* The tenant's locator, from the argument or the option. */
static int
cmd_keys_tenant(struct ctl *ctl, const char *text)
{
	if (text == NULL)
		return ctl_fail(CTL_USAGE, "no tenant: say --tenant or set EVHOOKCTL_TENANT");
	if (uuid_parse(&ctl->tenant, text, strlen(text)) != 0)
		return ctl_fail(CTL_USAGE, "the tenant is not a UUID");
	return CTL_OK;
}

static int
cmd_keys_open(const struct ctl *ctl, struct rds **rds, struct keys *keys)
{
	unsigned shards;
	int code;

	*rds = NULL;
	*keys = (struct keys){0};
	if (ctl_get(ctl, "redis") != NULL) {
		code = rds_open(ctl, rds);
		if (code != CTL_OK)
			return code;
	}
	code = rds_shards(ctl, *rds, &shards);
	if (code == CTL_OK)
		keys_init(keys, shards);
	return code;
}

int
cmd_shard(struct ctl *ctl)
{
	int code = cmd_keys_tenant(ctl, ctl->nargs > 0 ? ctl->args[0] : ctl_get(ctl, "tenant"));
	struct keys keys;
	struct rds *rds;

	if (code != CTL_OK)
		return code;
	code = cmd_keys_open(ctl, &rds, &keys);
	if (code == CTL_OK && ctl_is(ctl, "json"))
		printf("{\"tenant\":\"%s\",\"shard\":%u,\"shards\":%u,\"prefix\":\"%s\"}\n",
		    ctl->tenant.s, keys_shard(&keys, &ctl->tenant), keys.shards,
		    keys_prefix(&keys, &ctl->tenant));
	else if (code == CTL_OK)
		printf("shard %u of %u, keys begin with %s\n", keys_shard(&keys, &ctl->tenant),
		    keys.shards, keys_prefix(&keys, &ctl->tenant));
	keys_clear(&keys);
	rds_close(rds);
	return code;
}

static int
cmd_keys_row(const struct ctl *ctl, struct rds *rds, const struct keys_row *row, const char *key,
    struct table *table)
{
	bool json = ctl_is(ctl, "json");
	char size[24] = "-";
	int64_t n;

	if (rds != NULL) {
		int code = rds_ask_int(rds, rds_cmd(row->size, key, NULL), &n);

		if (code != CTL_OK)
			return code;
		snprintf(size, sizeof size, "%lld", (long long)n);
	}
	if (json) {
		printf("%s{\"key\":\"%s\",\"type\":\"%s\",\"size\":%s,\"holds\":\"%s\"}",
		    row == keys_rows ? "[\n" : ",\n", key, row->type, rds != NULL ? size : "null",
		    row->text);
		return CTL_OK;
	}
	table_add(table, key);
	table_add(table, row->type);
	table_add(table, size);
	table_add(table, row->text);
	return CTL_OK;
}

int
cmd_keys(struct ctl *ctl)
{
	static const char *const heads[] = {"KEY", "TYPE", "SIZE", "HOLDS", NULL};
	int code = cmd_keys_tenant(ctl, ctl_get(ctl, "tenant"));
	struct table table = {.heads = heads};
	struct ulid webhook;
	struct keys keys;
	struct rds *rds;

	if (code != CTL_OK)
		return code;
	if (ulid_parse(&webhook, ctl->args[0], strlen(ctl->args[0])) != 0)
		return ctl_fail(CTL_USAGE, "the webhook is not a ULID");
	code = cmd_keys_open(ctl, &rds, &keys);
	for (size_t i = 0; i < sizeof keys_rows / sizeof keys_rows[0] && code == CTL_OK; i++) {
		const struct keys_row *row = &keys_rows[i];
		struct buf key = {0};

		buf_printf(&key, "%s%s%s%s%s%s", keys_prefix(&keys, &ctl->tenant), row->name,
		    row->owner != OF_WEBHOOK ? ctl->tenant.s : "", row->owner == OF_BOTH ? ":" : "",
		    row->owner != OF_TENANT ? webhook.s : "", row->suffix);
		code = cmd_keys_row(ctl, rds, row, buf_str(&key), &table);
		buf_clear(&key);
	}
	if (code == CTL_OK && ctl_is(ctl, "json"))
		puts("\n]");
	else if (code == CTL_OK)
		table_print(&table);
	table_clear(&table);
	keys_clear(&keys);
	rds_close(rds);
	return code;
}
