/* The option table as text for people. */
#include "server/config_help.h"

#include <stdbool.h>
#include <string.h>

#include "server/config_table.h"

static size_t
config_help_width(const struct config_option *option)
{
	return strlen("  --") + strlen(option->name) + (option->arg ? 1 + strlen(option->arg) : 0);
}

static void
config_help_row(struct buf *out, const struct config_option *option, size_t width)
{
	bool repeat = option->flags & CONFIG_REPEAT;

	if (option->group)
		buf_printf(out, "\n%s:\n", option->group);
	buf_printf(out, "  --%s%s%s%*s%s", option->name, option->arg ? " " : "",
	    option->arg ? option->arg : "", (int)(width + 2 - config_help_width(option)), "",
	    option->help);
	if (option->deflt || repeat)
		buf_printf(out, " (%s%s%s%s)", repeat ? "repeatable" : "",
		    repeat && option->deflt ? ", " : "", option->deflt ? "default " : "",
		    option->deflt ? option->deflt : "");
	buf_addc(out, '\n');
}

void
config_help_write(struct buf *out)
{
	size_t width = 0;

	for (size_t i = 0; i < config_table_len; i++)
		if (config_help_width(&config_table[i]) > width)
			width = config_help_width(&config_table[i]);
	buf_adds(out,
	    "Usage: evhookd [--OPTION VALUE | --OPTION=VALUE]...\n"
	    "Takes events over HTTP and delivers them to the webhooks that subscribe to them.\n");
	for (size_t i = 0; i < config_table_len; i++)
		config_help_row(out, &config_table[i], width);
	buf_adds(out,
	    "\nTIME is in seconds, or with ms, s, m, h or d; SIZE in bytes, or with k, M or G.\n"
	    "An option is also a line \"name = value\" of the --config file, and EVHOOK_NAME in "
	    "the\n"
	    "environment.  The command line wins over the environment, that over the file.\n");
}
