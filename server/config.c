/* Reading the configuration: defaults, file, environment, command line, and what must fit. */
#include "server/config.h"

#include <config.h> /* of configure: PACKAGE_VERSION */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "server/config_check.h"
#include "server/config_file.h"
#include "server/config_help.h"
#include "server/config_table.h"
#include "server/config_value.h"

#define ENV_PREFIX "EVHOOK_"
#define ENV_TEST_PREFIX "EVHOOK_TEST_" /* the test suite's own */

/* One reading of all places. */
struct config_reader {
	struct config *config;
	unsigned only;                      /* options without one of these flags are passed over */
	unsigned place;                     /* counts up from place to place */
	unsigned given[CONFIG_OPTIONS_MAX]; /* the last place that gave the option */
	bool faulty[CONFIG_OPTIONS_MAX];
	struct buf faults; /* a line each */
};

#define CONFIG_ALL (~0u)

/* Adds "--name: fault (where)". */
static void
config_fault(struct config_reader *reader, const struct config_option *option, const char *fault,
    const char *where)
{
	struct buf line = {0};

	reader->faulty[option - config_table] = true;
	buf_printf(&line, "--%s: %s (%s)\n", option->name, fault, where);
	if (strstr(buf_str(&reader->faults), buf_str(&line)) == NULL)
		buf_add(&reader->faults, line.data, line.len);
	buf_clear(&line);
}

static void
config_given_clear(struct config_given *given)
{
	for (size_t i = 0; i < given->texts.n; i++)
		free(given->texts.list[i]);
	free(given->texts.list);
	free(given->from);
	*given = (struct config_given){0};
}

/* Notes the text for config_show(); of a URI not what is before its @. */
static void
config_note(struct config_reader *reader, const struct config_option *option, const char *text,
    const char *where)
{
	struct config_given *given = &reader->config->given[option - config_table];
	const char *from = strstr(text, "://"), *at = strrchr(text, '@');
	struct buf shown = {0};

	if (option->flags & CONFIG_SECRET && from != NULL && at > from)
		buf_printf(&shown, "%.*s***%s", (int)(from + 3 - text), text, at);
	else
		buf_adds(&shown, text);
	given->texts.list =
	    xreallocarray(given->texts.list, given->texts.n + 1, sizeof *given->texts.list);
	given->texts.list[given->texts.n++] = buf_take(&shown, NULL);
	free(given->from);
	given->from = xstrdup(where);
}

static void
config_assign(struct config_reader *reader, const struct config_option *option, const char *text,
    const char *where)
{
	unsigned *given = &reader->given[option - config_table];
	struct config_given *noted = &reader->config->given[option - config_table];
	struct buf fault = {0};

	if (reader->only != CONFIG_ALL && !(option->flags & reader->only))
		return;
	if (*given != reader->place)
		config_value_clear(reader->config, option);
	if (*given != reader->place || !(option->flags & CONFIG_REPEAT))
		config_given_clear(noted);
	*given = reader->place;
	if (config_value_set(reader->config, option, text, &fault))
		config_fault(reader, option, buf_str(&fault), where);
	else
		config_note(reader, option, text, where);
	buf_clear(&fault);
}

static void
config_defaults(struct config_reader *reader)
{
	reader->place++;
	for (size_t i = 0; i < config_table_len; i++)
		if (config_table[i].deflt)
			config_assign(reader, &config_table[i], config_table[i].deflt, "default");
}

static void
config_unknown(struct config_reader *reader, const char *where, const char *name)
{
	buf_printf(&reader->faults, "%s: unknown option ", where);
	config_value_quote(&reader->faults, name);
	buf_addc(&reader->faults, '\n');
}

static void
config_on_line(void *arg, const char *name, const char *value, const char *where)
{
	struct config_reader *reader = arg;
	const struct config_option *option = config_table_find(name, strlen(name));

	if (!option || option->flags & CONFIG_NO_FILE)
		config_unknown(reader, where, name);
	else
		config_assign(reader, option, value, where);
}

static void
config_from_file(struct config_reader *reader)
{
	const char *file = reader->config->file;

	reader->place++;
	if (file)
		config_file_read(file, config_on_line, reader, &reader->faults);
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
static void
config_env_assign(struct config_reader *reader, const struct config_option *option,
    const char *value, const char *where)
{
	char *list, *rest, *item;

	if (!(option->flags & CONFIG_REPEAT)) {
		config_assign(reader, option, value, where);
		return;
	}
	list = rest = xstrdup(value);
	while ((item = strsep(&rest, ","))) {
		item += strspn(item, " ");
		item[strcspn(item, " ")] = '\0';
		config_assign(reader, option, item, where);
	}
	free(list);
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

static void
config_env_variable(struct config_reader *reader, const char *variable)
{
	const char *equals = strchr(variable, '=');
	size_t prefix = strlen(ENV_PREFIX);
	const struct config_option *option;
	char *name;

	if (!equals || strncmp(variable, ENV_PREFIX, prefix) ||
	    !strncmp(variable, ENV_TEST_PREFIX, strlen(ENV_TEST_PREFIX)))
		return;
	option = config_env_option(variable + prefix, (size_t)(equals - variable) - prefix);
	name = xstrndup(variable, (size_t)(equals - variable));
	if (!option &&
	    config_env_is_service(variable + prefix, (size_t)(equals - variable) - prefix)) {
		free(reader->config->passed_over);
		reader->config->passed_over = name;
		return;
	}
	if (!option || option->flags & CONFIG_NO_ENV)
		config_unknown(reader, "environment", name);
	else if (equals[1])
		config_env_assign(reader, option, equals + 1, name);
	free(name);
}

static void
config_from_env(struct config_reader *reader)
{
	reader->place++;
	for (char **variable = environ; variable && *variable; variable++)
		config_env_variable(reader, *variable);
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
static void
config_argument(struct config_reader *reader, char **argv, int argc, int *i)
{
	const char *where = "command line";
	char *argument = argv[*i], *value;
	const struct config_option *option;

	if (strncmp(argument, "--", 2)) {
		buf_adds(&reader->faults, "unexpected argument ");
		config_value_quote(&reader->faults, argument);
		buf_adds(&reader->faults, ": see evhookd --help\n");
		return;
	}
	value = strchrnul(argument, '=');
	option = config_table_find(argument + 2, (size_t)(value - argument) - 2);
	if (!option) {
		char *name = xstrndup(argument, (size_t)(value - argument));

		config_unknown(reader, where, name);
		free(name);
		/* what follows is its value, it seems */
		if (!*value && *i + 1 < argc && strncmp(argv[*i + 1], "--", 2))
			++*i;
		return;
	}
	if (*value) {
		value++;
	} else if (option->type == CONFIG_BOOL) {
		config_assign(reader, option, "true", where);
		return;
	} else if (++*i < argc) {
		value = argv[*i];
	} else {
		config_fault(reader, option, "needs a value", where);
		return;
	}
	config_assign(reader, option, value, where);
	if (option->flags & CONFIG_SECRET && reader->only == CONFIG_ALL)
		config_hide(value);
}

static void
config_from_argv(struct config_reader *reader)
{
	const struct config *config = reader->config;

	reader->place++;
	for (int i = 1; i < config->argc; i++)
		config_argument(reader, config->argv, config->argc, &i);
}

/* Reads all places in their order; which file is known already. */
static void
config_read_places(struct config_reader *reader)
{
	config_defaults(reader);
	config_from_file(reader);
	config_from_env(reader);
	config_from_argv(reader);
}

static bool
config_is_faulty(const void *arg, const char *name)
{
	const struct config_reader *reader = arg;

	return reader->faulty[config_table_find(name, strlen(name)) - config_table];
}

static enum config_result
config_print(struct config_reader *reader, const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
	buf_clear(&reader->faults);
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

/* Takes the lines. */
static void
config_print_lines(enum log_level level, struct buf *lines)
{
	const char *end;

	for (const char *at = buf_str(lines); (end = strchr(at, '\n')) != NULL; at = end + 1)
		fprintf(stderr, "%sevhookd: %.*s\n", log_priority(level), (int)(end - at), at);
	buf_clear(lines);
}

static enum config_result
config_print_faults(struct config_reader *reader)
{
	config_print_lines(LOG_ERROR, &reader->faults);
	return CONFIG_EXIT_USAGE;
}

/* --check-config goes further than a start, which finds these by itself. */
static enum config_result
config_read_tried(struct config_reader *reader)
{
	struct buf notes = {0};

	config_try(reader->config, &reader->faults, &notes);
	config_print_lines(LOG_WARN, &notes);
	if (reader->faults.len > 0)
		return config_print_faults(reader);
	return config_print(reader, "the configuration is good\n");
}

enum config_result
config_read(struct config *config, int argc, char **argv)
{
	struct config_reader reader = {.config = config, .only = CONFIG_EARLY};

	memset(config, 0, sizeof *config);
	config->max_client_connections = -1;
	config->argc = argc;
	config->argv = argv;
	config->given = xcalloc(config_table_len, sizeof *config->given);
	config_from_argv(&reader);
	if (reader.faults.len > 0 && (config->help || config->version))
		return config_print_faults(&reader);
	if (config->help)
		return config_print_help(&reader);
	if (config->version)
		return config_print(&reader, "evhookd " PACKAGE_VERSION "\n");
	/* which file: the environment says it, unless the command line does */
	config_from_env(&reader);
	config_from_argv(&reader);
	/* once more, now that the file is known; this finds the same faults again */
	buf_reset(&reader.faults);
	reader.only = CONFIG_ALL;
	config_read_places(&reader);
	config_check(config, config_is_faulty, &reader, &reader.faults);
	if (config->check_config)
		return config_read_tried(&reader);
	if (reader.faults.len > 0)
		return config_print_faults(&reader);
	buf_clear(&reader.faults);
	return CONFIG_RUN;
}

static void
config_given_free(struct config *config)
{
	for (size_t i = 0; config->given != NULL && i < config_table_len; i++)
		config_given_clear(&config->given[i]);
	free(config->given);
	config->given = NULL;
}

/* Swaps what may change while running. */
static void
config_take(struct config *config, struct config *fresh)
{
	struct config old = *config;

	for (size_t i = 0; i < config_table_len; i++)
		if (config_table[i].flags & CONFIG_RELOAD) {
			struct config_given given = config->given[i];

			config->given[i] = fresh->given[i];
			fresh->given[i] = given;
		}
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

/* All lines as one; takes them. */
static char *
config_one_line(struct buf *lines)
{
	struct buf line = {0};
	char *text = buf_take(lines, NULL), *rest = text, *one;

	while ((one = strsep(&rest, "\n")) != NULL && *one != '\0')
		buf_printf(&line, "%s%s", line.len > 0 ? "; " : "", one);
	free(text);
	return buf_take(&line, NULL);
}

int
config_reload(struct config *config, char **why)
{
	struct config fresh = {.file = config->file, .argc = config->argc, .argv = config->argv};
	struct config_reader reader = {.config = &fresh, .only = CONFIG_RELOAD};
	int rc;

	fresh.given = xcalloc(config_table_len, sizeof *fresh.given);
	config_read_places(&reader);
	rc = reader.faults.len > 0 ? -1 : 0;
	if (rc)
		*why = config_one_line(&reader.faults);
	else
		config_take(config, &fresh);
	config_given_free(&fresh);
	free(fresh.passed_over);
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
	config_given_free(config);
	memset(config, 0, sizeof *config);
}
