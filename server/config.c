/* Reading the configuration: defaults, file, environment, command line, and what must fit. */
#include "server/config.h"

#include <config.h> /* of configure: PACKAGE_VERSION */

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "server/config_file.h"
#include "server/config_help.h"
#include "server/config_table.h"
#include "server/config_value.h"
#include "server/credentials.h"
#include "store/redisuri.h"

#define ENV_PREFIX "EVHOOK_"
#define ENV_TEST_PREFIX "EVHOOK_TEST_" /* the test suite's own */

/* One reading of all places. */
struct config_reader {
	struct config *config;
	unsigned only;                      /* options without one of these flags are passed over */
	unsigned place;                     /* counts up from place to place */
	unsigned given[CONFIG_OPTIONS_MAX]; /* the last place that gave the option */
	struct buf why;                     /* the fault */
};

#define CONFIG_ALL (~0u)

/* Appends "--name: fault (where)"; the fault is already in `fault`. */
static int
config_fault(struct config_reader *reader, const struct config_option *option, const char *fault,
    const char *where)
{
	buf_printf(&reader->why, "--%s: %s (%s)", option->name, fault, where);
	return -1;
}

static int
config_assign(struct config_reader *reader, const struct config_option *option, const char *text,
    const char *where)
{
	unsigned *given = &reader->given[option - config_table];
	struct buf fault = {0};
	int rc;

	if (reader->only != CONFIG_ALL && !(option->flags & reader->only))
		return 0;
	if (*given != reader->place)
		config_value_clear(reader->config, option);
	*given = reader->place;
	rc = config_value_set(reader->config, option, text, &fault);
	if (rc)
		config_fault(reader, option, buf_str(&fault), where);
	buf_clear(&fault);
	return rc;
}

static int
config_defaults(struct config_reader *reader)
{
	reader->place++;
	for (size_t i = 0; i < config_table_len; i++)
		if (config_table[i].deflt &&
		    config_assign(reader, &config_table[i], config_table[i].deflt, "default"))
			return -1;
	return 0;
}

static int
config_unknown(struct config_reader *reader, const char *where, const char *name)
{
	buf_printf(&reader->why, "%s: unknown option ", where);
	config_value_quote(&reader->why, name);
	return -1;
}

static int
config_on_line(void *arg, const char *name, const char *value, const char *where)
{
	struct config_reader *reader = arg;
	const struct config_option *option = config_table_find(name, strlen(name));

	if (!option || option->flags & CONFIG_NO_FILE)
		return config_unknown(reader, where, name);
	return config_assign(reader, option, value, where);
}

static int
config_from_file(struct config_reader *reader)
{
	const char *file = reader->config->file;

	reader->place++;
	return file ? config_file_read(file, config_on_line, reader, &reader->why) : 0;
}

/* "MAX_BODY" is max-body; n bytes. */
static const struct config_option *
config_env_option(const char *name, size_t n)
{
	char lower[64];

	if (n > sizeof lower)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (name[i] != '_' && !(name[i] >= 'A' && name[i] <= 'Z'))
			return NULL;
		lower[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
	}
	return config_table_find(lower, n);
}

/* The value of a variable; that of a repeatable option is a list. */
static int
config_env_assign(struct config_reader *reader, const struct config_option *option,
    const char *value, const char *where)
{
	char *list, *rest, *item;
	int rc = 0;

	if (!(option->flags & CONFIG_REPEAT))
		return config_assign(reader, option, value, where);
	list = rest = xstrdup(value);
	while (!rc && (item = strsep(&rest, ","))) {
		item += strspn(item, " ");
		item[strcspn(item, " ")] = '\0';
		rc = config_assign(reader, option, item, where);
	}
	free(list);
	return rc;
}

/*
 * Whether it is one of those that Kubernetes and Docker links set for a Service named "evhook":
 * EVHOOK_SERVICE_HOST, EVHOOK_SERVICE_PORT…, EVHOOK_PORT, EVHOOK_PORT_8080_TCP….
 */
static bool
config_env_is_service(const char *name, size_t n)
{
	static const char *const starts[] = {"SERVICE_HOST", "SERVICE_PORT", "PORT_", "PORT"};

	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		size_t len = strlen(starts[i]);

		if (n >= len && memcmp(name, starts[i], len) == 0 &&
		    (n == len || name[len] == '_' || name[len - 1] == '_'))
			return true;
	}
	return false;
}

static int
config_env_variable(struct config_reader *reader, const char *variable)
{
	const char *equals = strchr(variable, '=');
	size_t prefix = strlen(ENV_PREFIX);
	const struct config_option *option;
	char *name;
	int rc;

	if (!equals || strncmp(variable, ENV_PREFIX, prefix) ||
	    !strncmp(variable, ENV_TEST_PREFIX, strlen(ENV_TEST_PREFIX)))
		return 0;
	option = config_env_option(variable + prefix, (size_t)(equals - variable) - prefix);
	name = xstrndup(variable, (size_t)(equals - variable));
	if (!option &&
	    config_env_is_service(variable + prefix, (size_t)(equals - variable) - prefix)) {
		free(reader->config->passed_over);
		reader->config->passed_over = name;
		return 0;
	}
	if (!option || option->flags & CONFIG_NO_ENV)
		rc = config_unknown(reader, "environment", name);
	else
		rc = equals[1] ? config_env_assign(reader, option, equals + 1, name) : 0;
	free(name);
	return rc;
}

static int
config_from_env(struct config_reader *reader)
{
	reader->place++;
	for (char **variable = environ; variable && *variable; variable++)
		if (config_env_variable(reader, *variable))
			return -1;
	return 0;
}

/* ps shows argv to everyone: a URI with a password goes.  The value has been copied. */
static void
config_hide(char *value)
{
	size_t n = strlen(value);

	if (!strchr(value, '@'))
		return;
	mem_wipe(value, n);
	memcpy(value, "***", n < 3 ? n : 3);
}

/* One option of the command line; *i moves past what it used. */
static int
config_argument(struct config_reader *reader, char **argv, int argc, int *i)
{
	const char *where = "command line";
	char *argument = argv[*i], *value;
	const struct config_option *option;
	int rc;

	if (strncmp(argument, "--", 2)) {
		buf_adds(&reader->why, "unexpected argument ");
		config_value_quote(&reader->why, argument);
		buf_adds(&reader->why, ": see evhookd --help");
		return -1;
	}
	value = strchrnul(argument, '=');
	option = config_table_find(argument + 2, (size_t)(value - argument) - 2);
	if (!option) {
		char *name = xstrndup(argument, (size_t)(value - argument));

		config_unknown(reader, where, name);
		free(name);
		return -1;
	}
	if (*value)
		value++;
	else if (option->type == CONFIG_BOOL)
		return config_assign(reader, option, "true", where);
	else if (++*i < argc)
		value = argv[*i];
	else
		return config_fault(reader, option, "needs a value", where);
	rc = config_assign(reader, option, value, where);
	if (option->flags & CONFIG_SECRET && reader->only == CONFIG_ALL)
		config_hide(value);
	return rc;
}

static int
config_from_argv(struct config_reader *reader)
{
	const struct config *config = reader->config;

	reader->place++;
	for (int i = 1; i < config->argc; i++)
		if (config_argument(reader, config->argv, config->argc, &i))
			return -1;
	return 0;
}

static bool
config_is_loopback(const char *text)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *in = (struct sockaddr_in *)&address;
	const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;

	if (config_value_address(text, &address))
		return false;
	if (address.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* One password, and a place for it. */
static int
config_check_password(const struct config *config, struct buf *why)
{
	struct redisuri uri;
	bool has_password;

	if (config->redis == NULL) {
		buf_adds(why, "--redis-password-file: needs --redis too");
		return -1;
	}
	redisuri_parse(&uri, config->redis);
	has_password = uri.password != NULL;
	redisuri_clear(&uri);
	if (!has_password)
		return 0;
	buf_adds(why, "--redis-password-file: --redis has a password too");
	return -1;
}

static int
config_check_files(struct config_reader *reader)
{
	const struct config *config = reader->config;
	char *why = NULL;

	if (!config->tls_cert != !config->tls_key) {
		buf_adds(&reader->why, config->tls_cert ? "--tls-cert: needs --tls-key too"
							: "--tls-key: needs --tls-cert too");
		return -1;
	}
	if (config->redis_password_file && config_check_password(config, &reader->why))
		return -1;
	if (config->ca_file && access(config->ca_file, R_OK)) {
		buf_printf(&reader->why, "--ca-file: %s: %s", config->ca_file, strerror(errno));
		return -1;
	}
	if (!credentials_check(config, &why))
		return 0;
	buf_adds(&reader->why, why);
	free(why);
	return -1;
}

/* What no option can tell by itself. */
static int
config_check(struct config_reader *reader)
{
	const struct config *config = reader->config;

	if (config->lease_ms <= config->delivery_timeout_ms) {
		buf_printf(&reader->why,
		    "--lease: must be longer than --delivery-timeout: it is %" PRId64
		    " ms, the timeout %" PRId64 " ms",
		    config->lease_ms, config->delivery_timeout_ms);
		return -1;
	}
	if (config->max_bodies < config->max_body) {
		buf_adds(&reader->why, "--max-bodies: must be at least --max-body");
		return -1;
	}
	if (config_check_files(reader))
		return -1;
	for (size_t i = 0; i < config->listen.n && !config->no_auth && !config->auth_key.n; i++)
		if (!config_is_loopback(config->listen.list[i])) {
			buf_printf(&reader->why,
			    "--listen: %s is not a loopback address, and there is no "
			    "authentication: "
			    "give --auth-key, or --no-auth to let anyone in who can connect",
			    config->listen.list[i]);
			return -1;
		}
	return 0;
}

/* Reads all places in their order; which file is known already. */
static int
config_read_places(struct config_reader *reader)
{
	if (config_defaults(reader) || config_from_file(reader) || config_from_env(reader) ||
	    config_from_argv(reader))
		return -1;
	return 0;
}

static enum config_result
config_print(struct config_reader *reader, const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
	buf_clear(&reader->why);
	return CONFIG_EXIT_OK;
}

static enum config_result
config_print_help(struct config_reader *reader)
{
	struct buf help = {0};

	config_help_write(&help);
	config_print(reader, buf_str(&help));
	buf_clear(&help);
	return CONFIG_EXIT_OK;
}

static enum config_result
config_print_fault(struct config_reader *reader)
{
	fprintf(stderr, "%sevhookd: %s\n", log_priority(LOG_ERROR), buf_str(&reader->why));
	buf_clear(&reader->why);
	return CONFIG_EXIT_USAGE;
}

enum config_result
config_read(struct config *config, int argc, char **argv)
{
	struct config_reader reader = {.config = config, .only = CONFIG_EARLY};

	memset(config, 0, sizeof *config);
	config->max_client_connections = -1;
	config->argc = argc;
	config->argv = argv;
	if (config_from_argv(&reader))
		return config_print_fault(&reader);
	if (config->help)
		return config_print_help(&reader);
	if (config->version)
		return config_print(&reader, "evhookd " PACKAGE_VERSION "\n");
	/* which file: the environment says it, unless the command line does */
	if (config_from_env(&reader) || config_from_argv(&reader))
		return config_print_fault(&reader);
	reader.only = CONFIG_ALL;
	if (config_read_places(&reader) || config_check(&reader))
		return config_print_fault(&reader);
	if (config->check_config)
		return config_print(&reader, "the configuration is good\n");
	return CONFIG_RUN;
}

/* Swaps what may change while running. */
static void
config_take(struct config *config, struct config *fresh)
{
	struct config old = *config;

	config->log_level = fresh->log_level;
	config->log_deliveries = fresh->log_deliveries;
	config->auth_key = fresh->auth_key;
	config->auth_issuer = fresh->auth_issuer;
	config->auth_audience = fresh->auth_audience;
	config->secrets_key = fresh->secrets_key;
	fresh->auth_key = old.auth_key;
	fresh->auth_issuer = old.auth_issuer;
	fresh->auth_audience = old.auth_audience;
	fresh->secrets_key = old.secrets_key;
}

int
config_reload(struct config *config, char **why)
{
	struct config fresh = {.file = config->file, .argc = config->argc, .argv = config->argv};
	struct config_reader reader = {.config = &fresh, .only = CONFIG_RELOAD};
	int rc = config_read_places(&reader);

	if (rc)
		*why = buf_take(&reader.why, NULL);
	else
		config_take(config, &fresh);
	for (size_t i = 0; i < config_table_len; i++)
		if (config_table[i].flags & CONFIG_RELOAD)
			config_value_clear(&fresh, &config_table[i]);
	return rc;
}

void
config_clear(struct config *config)
{
	for (size_t i = 0; i < config_table_len; i++)
		config_value_clear(config, &config_table[i]);
	free(config->passed_over);
	memset(config, 0, sizeof *config);
}
