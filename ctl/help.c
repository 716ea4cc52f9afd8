/* What evhookctl says about itself. */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static void
help_options(FILE *out, const char *list, const struct ctl_command *command)
{
	for (const struct ctl_option *option = ctl_options; option->name != NULL; option++) {
		char head[64];
		bool common = ctl_takes(&(struct ctl_command){.options = ""}, option->name);

		if (command != NULL ? common || !ctl_takes(command, option->name) : !common)
			continue;
		snprintf(head, sizeof head, "--%s%s%s", option->name, option->value ? " " : "",
		    option->value ? option->value : "");
		fprintf(out, "%s  %-28s%s%s%s%s%s", list, head, option->help,
		    option->repeatable ? " (repeatable)" : "", option->deflt ? " (default " : "",
		    option->deflt ? option->deflt : "", option->deflt ? ")" : "");
		if (option->env != NULL)
			fprintf(out, " [$%s]", option->env);
		putc('\n', out);
		list = "";
	}
}

void
help_all(FILE *out, const char *group)
{
	const struct ctl_command *command;

	fputs("Usage: evhookctl COMMAND [ARGUMENT...] [--OPTION [VALUE]...]\n"
	      "Operates evhookd through its API; evhookctl help COMMAND says more.\n\n",
	    out);
	for (command = ctl_commands; command->name != NULL; command++) {
		char head[64];

		if (group != NULL && !ctl_is_group(command, group))
			continue;
		snprintf(head, sizeof head, "%s %s", command->name, command->args);
		fprintf(out, "  %-38s%s\n", head, command->help);
	}
	help_options(out, "\nOptions of every command:\n", NULL);
	fputs(
	    "\nExit codes: 0 done, 1 failed, 2 bad command line, 3 no such thing, 4 not allowed,\n"
	    "5 no answer or not now, 6 conflict.\n",
	    out);
}

void
help_command(const struct ctl_command *command)
{
	printf("Usage: evhookctl %s%s%s [--OPTION [VALUE]...]\n%s\n", command->name,
	    command->args[0] != '\0' ? " " : "", command->args, command->help);
	help_options(stdout, "\nOptions:\n", command);
	help_options(stdout, "\nOptions of every command:\n", NULL);
}

int
help_words(struct ctl *ctl)
{
	const struct ctl_command *command;
	const char *word = ctl->nargs > 0 ? ctl->args[0] : NULL;
	size_t used;

	command = ctl_find_command(ctl->args, ctl->nargs, &used);
	if (command != NULL && used == ctl->nargs) {
		help_command(command);
		return CTL_OK;
	}
	for (command = ctl_commands; command->name != NULL && word != NULL; command++)
		if (ctl->nargs == 1 && ctl_is_group(command, word))
			break;
	if (word != NULL && command->name == NULL)
		return ctl_fail(CTL_USAGE, "there is no command %s%s%s: evhookctl help lists them",
		    word, ctl->nargs > 1 ? " " : "", ctl->nargs > 1 ? ctl->args[1] : "");
	help_all(stdout, word);
	return CTL_OK;
}

int
help_version(struct ctl *ctl)
{
	if (ctl_is(ctl, "json"))
		puts("{\"version\":\"" PACKAGE_VERSION "\"}");
	else
		puts("evhookctl " PACKAGE_VERSION);
	return CTL_OK;
}

int
help_commands(struct ctl *ctl)
{
	const struct ctl_command *command;

	(void)ctl;
	for (command = ctl_commands; command->name != NULL; command++) {
		fputs(command->name, stdout);
		putchar(':');
		for (const struct ctl_option *option = ctl_options; option->name != NULL; option++)
			if (ctl_takes(command, option->name))
				printf(" --%s%s", option->name, option->value != NULL ? "=" : "");
		putchar('\n');
	}
	return CTL_OK;
}
