/* The command line of evhookctl, and the environment beside it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ctl.h"
#include "ctl/out.h"

int
ctl_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("evhookctl: ", stderr);
	va_start(ap, fmt);
	out_vsay(fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static bool
ctl_has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
		if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return true;
	return false;
}

bool
ctl_takes(const struct ctl_command *command, const char *option)
{
	return ctl_has_word(ctl_common, option) || ctl_has_word(command->options, option);
}

const struct ctl_option *
ctl_find_option(const char *name, size_t n)
{
	for (const struct ctl_option *option = ctl_options; option->name != NULL; option++)
		if (strlen(option->name) == n && memcmp(option->name, name, n) == 0)
			return option;
	return NULL;
}

/* ps shows the command line to everyone: a URI with a password goes from it. */
static void
ctl_hide(struct ctl_value *value, char *text)
{
	size_t n = strlen(text);

	if (strcmp(value->option->name, "redis") != 0 || strchr(text, '@') == NULL)
		return;
	value->text = value->hidden = xstrdup(text);
	mem_wipe(text, n);
	memcpy(text, "***", n < 3 ? n : 3);
}

/* Reads the option at argv[*i] and its value; *i is then at the last word read. */
static int
ctl_parse_option(struct ctl *ctl, int argc, char **argv, int *i)
{
	char *name = argv[*i] + 2;
	char *equals = strchr(name, '=');
	size_t n = equals != NULL ? (size_t)(equals - name) : strlen(name);
	const struct ctl_option *option = ctl_find_option(name, n);
	char *text = equals != NULL ? equals + 1 : NULL;

	if (option == NULL)
		return ctl_fail(CTL_USAGE, "there is no option --%.*s", (int)n, name);
	if (option->value == NULL && text != NULL)
		return ctl_fail(CTL_USAGE, "--%s takes no value", option->name);
	if (option->value != NULL && text == NULL) {
		if (*i + 1 == argc)
			return ctl_fail(CTL_USAGE, "--%s needs a value", option->name);
		text = argv[++*i];
	}
	ctl->values[ctl->nvalues] = (struct ctl_value){option, text != NULL ? text : "", NULL};
	if (text != NULL)
		ctl_hide(&ctl->values[ctl->nvalues], text);
	ctl->nvalues++;
	return CTL_OK;
}

/* Of two words before those of one that begin the same: the table has them in that order. */
const struct ctl_command *
ctl_find_command(const char *const *words, size_t n, size_t *used)
{
	const struct ctl_command *command;

	for (command = ctl_commands; command->name != NULL; command++) {
		const char *space = strchr(command->name, ' ');
		size_t len =
		    space != NULL ? (size_t)(space - command->name) : strlen(command->name);

		if (n == 0 || strncmp(words[0], command->name, len) != 0 || words[0][len] != '\0')
			continue;
		if (space != NULL && (n < 2 || strcmp(words[1], space + 1) != 0))
			continue;
		*used = space != NULL ? 2 : 1;
		return command;
	}
	return NULL;
}

size_t
ctl_placeholder(const struct ctl_command *command, size_t place, const char **name)
{
	const char *at = command->args;
	size_t n = strcspn(at, " ");

	for (; place > 0 && at[n] == ' '; place--) {
		at += n + 1;
		n = strcspn(at, " ");
	}
	*name = at + (at[0] == '[');
	return strcspn(*name, ".] ");
}

/* What is to be a locator is one, before the server says so of a part of a path. */
static int
ctl_check_argument(const struct ctl_command *command, size_t place, const char *text)
{
	static const char *const ulids[] = {"WEBHOOK", "EVENT", "REQUEST"};
	const char *name;
	size_t n = ctl_placeholder(command, place, &name);
	struct ulid ulid;
	struct uuid uuid;

	for (size_t i = 0; i < sizeof ulids / sizeof ulids[0]; i++)
		if (strlen(ulids[i]) == n && memcmp(name, ulids[i], n) == 0 &&
		    ulid_parse(&ulid, text, strlen(text)) != 0)
			return ctl_fail(CTL_USAGE,
			    "%s is a ULID, 26 letters and digits, not \"%s\"", ulids[i], text);
	if (n == 6 && memcmp(name, "TENANT", 6) == 0 && uuid_parse(&uuid, text, strlen(text)) != 0)
		return ctl_fail(CTL_USAGE, "TENANT is a UUID, not \"%s\"", text);
	return CTL_OK;
}

static int
ctl_check(const struct ctl *ctl)
{
	const struct ctl_command *command = ctl->command;

	for (size_t i = 0; i < ctl->nvalues; i++)
		if (!ctl_takes(command, ctl->values[i].option->name))
			return ctl_fail(CTL_USAGE, "%s does not take --%s", command->name,
			    ctl->values[i].option->name);
	if (ctl_is(ctl, "help"))
		return CTL_OK;
	if (ctl->nargs < command->min || ctl->nargs > command->max)
		return ctl_fail(CTL_USAGE, "usage: evhookctl %s%s%s [OPTION...]", command->name,
		    command->args[0] != '\0' ? " " : "", command->args);
	for (size_t i = 0; i < ctl->nargs; i++)
		if (ctl_check_argument(command, i, ctl->args[i]) != CTL_OK)
			return CTL_USAGE;
	return CTL_OK;
}

bool
ctl_is_group(const struct ctl_command *command, const char *word)
{
	size_t n = strlen(word);

	return strncmp(command->name, word, n) == 0 && command->name[n] == ' ';
}

/* No command is named; of a group, its commands are. */
static int
ctl_refuse_command(const struct ctl *ctl)
{
	const char *word = ctl->args[0];
	struct buf list = {0};
	int code;

	for (const struct ctl_command *command = ctl_commands; command->name != NULL; command++)
		if (ctl_is_group(command, word))
			buf_printf(&list, "%s%s", list.len > 0 ? ", " : "",
			    command->name + strlen(word) + 1);
	if (list.len > 0 && ctl_is(ctl, "help"))
		code = CTL_OK;
	else if (list.len > 0)
		code = ctl_fail(CTL_USAGE, "%s is followed by one of: %s", word, buf_str(&list));
	else
		code =
		    ctl_fail(CTL_USAGE, "there is no command %s: evhookctl help lists them", word);
	buf_clear(&list);
	return code;
}

/* No word at all: what there is. */
static int
ctl_usage(void)
{
	help_all(stderr, NULL);
	return CTL_USAGE;
}

int
ctl_parse(struct ctl *ctl, int argc, char **argv)
{
	bool options = true;
	size_t used;

	ctl->words = xcalloc((size_t)argc + 1, sizeof *ctl->words);
	ctl->args = ctl->words;
	ctl->values = xcalloc((size_t)argc + 1, sizeof *ctl->values);
	for (int i = 1; i < argc; i++) {
		int code;

		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (options && strcmp(argv[i], "-h") == 0) {
			ctl->values[ctl->nvalues++] =
			    (struct ctl_value){.option = ctl_find_option("help", 4), .text = ""};
		} else if (options && argv[i][0] == '-' && argv[i][1] != '-' &&
			   argv[i][1] != '\0') {
			return ctl_fail(CTL_USAGE, "there is no option %s", argv[i]);
		} else if (options && strncmp(argv[i], "--", 2) == 0) {
			code = ctl_parse_option(ctl, argc, argv, &i);
			if (code != CTL_OK)
				return code;
		} else {
			ctl->args[ctl->nargs++] = argv[i];
		}
	}
	ctl->command = ctl_find_command(ctl->args, ctl->nargs, &used);
	if (ctl->command != NULL) {
		ctl->args += used;
		ctl->nargs -= used;
		return ctl_check(ctl);
	}
	if (ctl_is(ctl, "help") && ctl->nargs == 0)
		return CTL_OK;
	if (ctl->nargs == 0)
		return ctl_usage();
	return ctl_refuse_command(ctl);
}

const char *
ctl_next(const struct ctl *ctl, const char *name, size_t *at)
{
	while (*at < ctl->nvalues) {
		const struct ctl_value *value = &ctl->values[(*at)++];

		if (strcmp(value->option->name, name) == 0)
			return value->text;
	}
	return NULL;
}

const char *
ctl_get(const struct ctl *ctl, const char *name)
{
	const struct ctl_option *option = ctl_find_option(name, strlen(name));
	const char *given = NULL, *found = NULL, *text;
	size_t at = 0;

	while ((text = ctl_next(ctl, name, &at)) != NULL)
		given = text;
	for (size_t i = 0; i < ctl->nprofile && given == NULL; i++)
		if (ctl->profile[i].option == option)
			found = ctl->profile[i].text;
	if (given != NULL)
		found = given;
	if (found == NULL && option->env != NULL)
		found = getenv(option->env);
	return found != NULL ? found : option->deflt;
}

bool
ctl_is(const struct ctl *ctl, const char *flag)
{
	size_t at = 0;

	return ctl_next(ctl, flag, &at) != NULL;
}

/* All of it digits, at most max; 0 or -1. */
static int
ctl_read_int(const char *s, size_t n, int64_t max, int64_t *value)
{
	int64_t sum = 0;

	if (n == 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9' || sum > (max - (s[i] - '0')) / 10)
			return -1;
		sum = sum * 10 + (s[i] - '0');
	}
	*value = sum;
	return 0;
}

int
ctl_int(const struct ctl *ctl, const char *name, int64_t min, int64_t max, int64_t *n)
{
	const char *text = ctl_get(ctl, name);
	int64_t value;

	if (text == NULL)
		return CTL_OK;
	if (ctl_read_int(text, strlen(text), max, &value) != 0 || value < min)
		return ctl_fail(CTL_USAGE, "--%s is a number from %lld to %lld", name,
		    (long long)min, (long long)max);
	*n = value;
	return CTL_OK;
}

int
ctl_read_time(const char *s, int64_t *ms)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {
	    {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	size_t digits = strspn(s, "0123456789");
	int64_t n;

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(s + digits, units[i].name) == 0) {
			if (ctl_read_int(s, digits, INT64_C(1000000000), &n) != 0)
				return -1;
			*ms = n * units[i].ms;
			return 0;
		}
	return -1;
}

int
ctl_time(const struct ctl *ctl, const char *name, int64_t *ms)
{
	const char *text = ctl_get(ctl, name);

	if (text != NULL && ctl_read_time(text, ms) != 0)
		return ctl_fail(CTL_USAGE,
		    "--%s is a number of seconds, or a number with ms, s, m, h or d", name);
	return CTL_OK;
}

int
ctl_since(const struct ctl *ctl, const char *option, char date[DATETIME_LEN + 1])
{
	const char *text = ctl_get(ctl, option);
	int64_t ms;

	if (text == NULL)
		return CTL_OK;
	if (ctl_read_time(text, &ms) == 0)
		ms = clock_wall_ms() - ms;
	else if (datetime_parse(text, strlen(text), &ms) != 0)
		return ctl_fail(
		    CTL_USAGE, "--%s is a date as in RFC 3339, or a time ago such as 10m", option);
	datetime_format(date, ms);
	return CTL_OK;
}
