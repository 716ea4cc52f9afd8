/* What evhookctl says about itself. */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static void
help_options(const char *list, const struct ctl_command *command)
{
	for (const struct ctl_option *option = ctl_options; option->name != NULL; option++) {
		char head[64];
		bool common = ctl_takes(&(struct ctl_command){.options = ""}, option->name);

		if (command != NULL ? common || !ctl_takes(command, option->name) : !common)
			continue;
		snprintf(head, sizeof head, "--%s%s%s", option->name, option->value ? " " : "",
		    option->value ? option->value : "");
		printf("%s  %-28s%s%s%s%s%s", list, head, option->help,
		    option->repeatable ? " (repeatable)" : "", option->deflt ? " (default " : "",
		    option->deflt ? option->deflt : "", option->deflt ? ")" : "");
		if (option->env != NULL)
			printf(" [$%s]", option->env);
		putchar('\n');
		list = "";
	}
}

void
help_all(const char *group)
{
	const struct ctl_command *command;

	puts("Usage: evhookctl COMMAND [ARGUMENT...] [--OPTION [VALUE]...]\n"
	     "Operates evhookd through its API; evhookctl COMMAND --help says more.\n");
	for (command = ctl_commands; command->name != NULL; command++) {
		char head[64];

		if (group != NULL && !ctl_is_group(command, group))
			continue;
		snprintf(head, sizeof head, "%s %s", command->name, command->args);
		printf("  %-38s%s\n", head, command->help);
	}
	help_options("\nOptions of every command:\n", NULL);
	puts("\nExit codes: 0 done, 1 failed, 2 bad command line, 3 no such thing, 4 not allowed,\n"
	     "5 no answer or not now, 6 conflict.");
}

void
help_command(const struct ctl_command *command)
{
	printf("Usage: evhookctl %s%s%s [--OPTION [VALUE]...]\n%s\n", command->name,
	    command->args[0] != '\0' ? " " : "", command->args, command->help);
	help_options("\nOptions:\n", command);
	help_options("\nOptions of every command:\n", NULL);
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
