/* The options: names, types, bounds, defaults and help. */
#include "server/config_table.h"

#include <assert.h>
#include <string.h>

#include "server/config.h"

#define AT(field) offsetof(struct config, field)
#define K (INT64_C(1) << 10)
#define M (INT64_C(1) << 20)
#define SECONDS(n) (INT64_C(1000) * (n))
#define HOURS(n) (SECONDS(3600) * (n))
#define DAYS(n) (HOURS(24) * (n))

/* clang-format off */
const struct config_option config_table[] = {
	{ "Listening", "listen", CONFIG_ADDRESS, "ADDR:PORT", "127.0.0.1:8080",
	    "the API", AT(listen), 0, 65535, CONFIG_REPEAT },
	{ NULL, "admin-listen", CONFIG_ADDRESS, "ADDR:PORT", "127.0.0.1:9464",
	    "/metrics, /config, /worst, and health", AT(admin_listen), 0, 65535, 0 },
	{ NULL, "auth-key", CONFIG_STRING, "FILE", NULL,
	    "PEM public key or secret to verify tokens with", AT(auth_key), 0, 0,
	    CONFIG_REPEAT | CONFIG_RELOAD },
	{ NULL, "auth-issuer", CONFIG_STRING, "NAME", NULL,
	    "the iss that tokens must have", AT(auth_issuer), 0, 0, CONFIG_RELOAD },
	{ NULL, "auth-audience", CONFIG_STRING, "NAME", NULL,
	    "the aud that tokens must have", AT(auth_audience), 0, 0, CONFIG_RELOAD },
	{ NULL, "no-auth", CONFIG_BOOL, NULL, NULL,
	    "without keys: let anyone in who can connect, beyond loopback too", AT(no_auth), 0, 0, 0 },
	{ NULL, "tls-cert", CONFIG_STRING, "FILE", NULL,
	    "certificate and chain (PEM): the API speaks TLS", AT(tls_cert), 0, 0, 0 },
	{ NULL, "tls-key", CONFIG_STRING, "FILE", NULL,
	    "its private key (PEM)", AT(tls_key), 0, 0, 0 },
	{ NULL, "max-connections", CONFIG_INT, "N", "10000",
	    "open connections to the API", AT(max_connections), 1, 1000000, 0 },
	{ NULL, "max-connections-per-client", CONFIG_INT, "N", NULL,
	    "of them from one address, else a quarter; 0: any number", AT(max_client_connections), 0, 1000000, 0 },
	{ NULL, "max-header", CONFIG_SIZE, "SIZE", "16k",
	    "largest head of a request", AT(max_header), K, M, 0 },
	{ NULL, "max-body", CONFIG_SIZE, "SIZE", "1M",
	    "largest body of a request", AT(max_body), K, 256 * M, 0 },
	{ NULL, "max-bodies", CONFIG_SIZE, "SIZE", "256M",
	    "for all bodies under way; a tenant has a quarter", AT(max_bodies), K, 1024 * 1024 * M, 0 },
	{ NULL, "request-timeout", CONFIG_TIME, "TIME", "30s",
	    "for a whole request, and a whole answer", AT(request_timeout_ms), 100, HOURS(1), 0 },

	{ "Storage", "redis", CONFIG_REDIS, "URI", NULL,
	    "redis://[user:pass@]host:port/db or unix:///path?db=N", AT(redis), 0, 0,
	    CONFIG_SECRET },
	{ NULL, "redis-password-file", CONFIG_STRING, "FILE", NULL,
	    "the password for it", AT(redis_password_file), 0, 0, 0 },
	{ NULL, "data-dir", CONFIG_STRING, "DIR", "./evhook-data",
	    "for the private redis-server", AT(data_dir), 0, 0, 0 },
	{ NULL, "secrets-key", CONFIG_STRING, "FILE", NULL,
	    "seals endpoint secrets, URLs; the first one, all open", AT(secrets_key), 0, 0,
	    CONFIG_REPEAT | CONFIG_RELOAD },
	{ NULL, "redis-timeout", CONFIG_TIME, "TIME", "5s",
	    "for an answer of Redis", AT(redis_timeout_ms), 100, SECONDS(600), 0 },
	{ NULL, "redis-wait", CONFIG_INT, "N", "0",
	    "replicas that must have what is published", AT(redis_wait), 0, 100, 0 },
	{ NULL, "shards", CONFIG_INT, "N", "64",
	    "parts of the data; fixed at the first start", AT(shards), 1, 16384, 0 },

	{ "Webhooks and events", "max-webhooks", CONFIG_INT, "N", "1000",
	    "webhooks of a tenant", AT(max_webhooks), 1, 1000000, 0 },
	{ NULL, "max-fanout", CONFIG_INT, "N", "10000",
	    "deliveries that one publish request may cause", AT(max_fanout), 1, 1000000, 0 },
	{ NULL, "max-pending", CONFIG_INT, "N", "1000000",
	    "events that wait for one webhook", AT(max_pending), 1, 1000000000, 0 },
	{ NULL, "max-diverted", CONFIG_INT, "N", "100000",
	    "diverted events kept for one webhook", AT(max_diverted), 1, 1000000000, 0 },
	{ NULL, "max-tenant-bytes", CONFIG_SIZE, "SIZE", "4G",
	    "events of one tenant, kept and owed", AT(max_tenant_bytes), 1024 * 1024,
	    INT64_C(1) << 50, 0 },
	{ NULL, "idempotency-ttl", CONFIG_TIME, "TIME", "24h",
	    "how long an Idempotency-Key is known", AT(idempotency_ttl_ms), SECONDS(1), DAYS(365), 0 },
	{ NULL, "event-retention", CONFIG_TIME, "TIME", "7d",
	    "how long events are kept", AT(event_retention_ms), SECONDS(1), DAYS(3650), 0 },
	{ NULL, "events-kept", CONFIG_INT, "N", "1000000",
	    "events kept for a tenant", AT(events_kept), 1, 1000000000, 0 },
	{ NULL, "attempts-kept", CONFIG_INT, "N", "1000",
	    "attempts kept for a webhook", AT(attempts_kept), 1, 1000000, 0 },
	{ NULL, "secret-overlap", CONFIG_TIME, "TIME", "24h",
	    "how long a replaced secret goes on signing", AT(secret_overlap_ms), 0, DAYS(365), 0 },

	{ "Delivery", "delivery-timeout", CONFIG_TIME, "TIME", "15s",
	    "for an attempt, up to the head of the answer", AT(delivery_timeout_ms), 100,
	    HOURS(1), 0 },
	{ NULL, "delivery-concurrency", CONFIG_INT, "N", "1024",
	    "attempts at a time", AT(delivery_concurrency), 1, 100000, 0 },
	{ NULL, "endpoint-concurrency", CONFIG_INT, "N", "32",
	    "of them to one webhook", AT(endpoint_concurrency), 1, 10000, 0 },
	{ NULL, "lease", CONFIG_TIME, "TIME", "30s",
	    "after that, others take over a delivery", AT(lease_ms), 200, DAYS(1), 0 },
	{ NULL, "dns", CONFIG_ADDRESS, "ADDR:PORT", NULL,
	    "name server, instead of the system's", AT(dns), 1, 65535, CONFIG_REPEAT },
	{ NULL, "ca-file", CONFIG_STRING, "FILE", NULL,
	    "trusted certificates, instead of the system's", AT(ca_file), 0, 0, 0 },
	{ NULL, "allow-egress", CONFIG_CIDR, "CIDR", NULL,
	    "deliver there too, though not public", AT(allow_egress), 0, 0, CONFIG_REPEAT },

	{ "Stopping", "drain-delay", CONFIG_TIME, "TIME", "0s",
	    "not ready, but still accepting, after SIGTERM", AT(drain_delay_ms), 0, HOURS(1), 0 },
	{ NULL, "drain-timeout", CONFIG_TIME, "TIME", "20s",
	    "then, for what is in flight to finish", AT(drain_timeout_ms), 0, HOURS(1), 0 },

	{ "Logging", "log-level", CONFIG_LEVEL, "LEVEL", "info",
	    "error, warn, info or debug", AT(log_level), 0, 0, CONFIG_RELOAD },
	{ NULL, "log-format", CONFIG_FORMAT, "FORMAT", "logfmt",
	    "logfmt or json", AT(log_format), 0, 0, 0 },
	{ NULL, "log-deliveries", CONFIG_DELIVERIES, "WHICH", "all",
	    "all, failures or none", AT(log_deliveries), 0, 0, CONFIG_RELOAD },

	{ "This program", "config", CONFIG_STRING, "FILE", NULL,
	    "lines of \"name = value\", an option each", AT(file), 0, 0,
	    CONFIG_EARLY | CONFIG_NO_FILE },
	{ NULL, "check-config", CONFIG_BOOL, NULL, NULL,
	    "check all options and exit", AT(check_config), 0, 0, CONFIG_NO_FILE | CONFIG_NO_ENV },
	{ NULL, "help", CONFIG_BOOL, NULL, NULL,
	    "print this and exit", AT(help), 0, 0, CONFIG_EARLY | CONFIG_NO_FILE | CONFIG_NO_ENV },
	{ NULL, "version", CONFIG_BOOL, NULL, NULL,
	    "print the version and exit", AT(version), 0, 0,
	    CONFIG_EARLY | CONFIG_NO_FILE | CONFIG_NO_ENV },
};
/* clang-format on */

const size_t config_table_len = sizeof config_table / sizeof config_table[0];
static_assert(sizeof config_table / sizeof config_table[0] <= CONFIG_OPTIONS_MAX,
    "the table has outgrown CONFIG_OPTIONS_MAX");

const struct config_option *
config_table_find(const char *name, size_t n)
{
	for (size_t i = 0; i < config_table_len; i++)
		if (strlen(config_table[i].name) == n && !memcmp(config_table[i].name, name, n))
			return &config_table[i];
	return NULL;
}
