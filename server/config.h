/* Options: one table for the command line, EVHOOK_* environment, --config file, --help and the man
 * page. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "deliver/dispatch.h"
#include "proto/address.h"

struct config_strings {
	char **list;
	size_t n;
};

/* What was said of an option, and where. */
struct config_given {
	struct config_strings
	    texts;  /* without secrets; those of a repeatable option may be several */
	char *from; /* "default", "FILE:LINE", "EVHOOK_NAME", "command line"; NULL: nowhere */
};

struct config {
	struct config_strings listen;
	char *admin_listen;
	char *redis; /* fit for redisuri_parse(); NULL: the embedded one */
	char *data_dir;
	int64_t shards;
	int64_t lease_ms;
	struct config_strings dns;
	char *ca_file;  /* NULL: the system's */
	char *tls_cert; /* NULL: plain HTTP */
	char *tls_key;
	char *redis_password_file;
	struct config_strings secrets_key;
	struct cidr *allow_egress;
	size_t nallow_egress;
	int64_t max_body;
	int64_t max_bodies;
	int64_t max_header;
	int64_t max_connections;
	int64_t max_client_connections; /* 0: no cap; -1: not given */
	int64_t request_timeout_ms;
	int64_t max_webhooks;
	int64_t max_fanout;
	int64_t max_pending;
	int64_t max_diverted;
	int64_t max_tenant_bytes;
	int64_t idempotency_ttl_ms;
	int64_t event_retention_ms;
	int64_t events_kept;
	int64_t attempts_kept;
	int64_t secret_overlap_ms;
	int64_t redis_wait; /* replicas that must have a publish */
	int64_t redis_timeout_ms;
	int64_t delivery_timeout_ms;
	int64_t endpoint_concurrency;
	int64_t delivery_concurrency;
	int64_t drain_delay_ms;
	int64_t drain_timeout_ms;
	enum log_level log_level;
	enum log_format log_format;
	enum dispatch_log log_deliveries;
	struct config_strings auth_key; /* files */
	char *auth_issuer;              /* NULL: not checked */
	char *auth_audience;            /* NULL: not checked */
	bool no_auth;
	char *passed_over;          /* a variable of the environment that is no option's; NULL */
	struct config_given *given; /* of each option of the table */
	/* for config.c alone: */
	char *file;
	bool check_config;
	bool help;
	bool version;
	int argc;
	char **argv; /* borrowed from main() */
};

enum config_result { CONFIG_RUN, CONFIG_EXIT_OK, CONFIG_EXIT_USAGE };

/*
 * Reads defaults, then --config FILE, then EVHOOK_<NAME>, then argv; later wins, and a repeatable
 * option given in one place replaces what an earlier place gave.  --help and --version print to
 * stdout and say CONFIG_EXIT_OK; --check-config too, after all checks.  Each fault is one line on
 * stderr that names the option and where it came from; all are told, and then it is
 * CONFIG_EXIT_USAGE (exit status 2).
 * argv must stay for config_reload(); a Redis URI with a password in it is overwritten there, so
 * that ps does not show it.  config_clear() is due whatever the result.
 */
enum config_result config_read(struct config *config, int argc, char **argv);
/*
 * For SIGHUP: reads the same places again and takes over what may change while running (the log
 * level, and what tokens are judged by, the files with keys).  0, or -1 and *why in one line
 * (free()); nothing has changed then.
 */
int config_reload(struct config *config, char **why);
void config_clear(struct config *config);

#endif
