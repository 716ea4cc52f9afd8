/*
 * evhookctl complete WORD...: what the last word may become, one a line, what it is behind a tab;
 * for the shells' completion.  Nothing is said when something is wrong, and where a file belongs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/api.h"
#include "ctl/out.h"
#include "ctl/profile.h"

#define COMPLETE_MOST 100 /* locators */

struct complete {
	struct ctl ctl;                    /* as the words before say it */
	const char *current;               /* the last word; behind "--name=" of it */
	size_t skip;                       /* of what is printed: "--name=" goes before it */
	const char *before;                /* that */
	const struct ctl_option *value_of; /* the option whose value it is; NULL: none */
	const char *member;                /* what of an item stands behind its locator */
	const char *locator;               /* and how that is called */
};

static void
cmd_complete_offer(struct complete *complete, const char *word, const char *text)
{
	if (strncmp(word, complete->current, strlen(complete->current)) != 0)
		return;
	printf("%.*s%s%s%s\n", (int)complete->skip, complete->before, word,
	    text != NULL && *text != '\0' ? "\t" : "", text != NULL ? text : "");
}

static void
cmd_complete_on_profile(void *arg, const char *name)
{
	cmd_complete_offer(arg, name, NULL);
}

/* The words that the option may have; of a file, a URL and the like none are known. */
static void
cmd_complete_value(struct complete *complete)
{
	static const struct {
		const char *option, *words;
	} known[] = {
	    {"enabled", "true false"},
	    {"hmac", "true false"},
	    {"secure-ssl", "true false"},
	    {"divert", "true false"},
	    {"suspend", "true false"},
	    {"outcome", "delivered retrying diverted dropped failed"},
	    {"state", "active enabled disabled suspended"},
	    {"retry-type", "linear exponential"},
	    {"trigger", "4xx 5xx timeout"},
	    {"remove-trigger", "4xx 5xx timeout"},
	    {"permissions", "*.* webhooks.* events.* diverted-events.*"},
	};
	const char *name = complete->value_of->name;

	if (strcmp(name, "profile") == 0)
		profile_each(cmd_complete_on_profile, complete);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		char *list, *rest, *word;

		if (strcmp(name, known[i].option) != 0)
			continue;
		list = rest = xstrdup(known[i].words);
		while ((word = strsep(&rest, " ")) != NULL)
			cmd_complete_offer(complete, word, NULL);
		free(list);
	}
}

static void
cmd_complete_options(struct complete *complete, const struct ctl_command *command)
{
	static const struct ctl_command none = {.options = ""};

	for (const struct ctl_option *option = ctl_options; option->name != NULL; option++) {
		struct buf name = {0};

		if (!ctl_takes(command != NULL ? command : &none, option->name))
			continue;
		buf_printf(&name, "--%s", option->name);
		cmd_complete_offer(complete, buf_str(&name), option->help);
		buf_clear(&name);
	}
}

/* The first words, or the second ones behind a first. */
static void
cmd_complete_commands(struct complete *complete)
{
	const struct ctl *ctl = &complete->ctl;
	const char *last = "";

	for (const struct ctl_command *command = ctl_commands; command->name != NULL; command++) {
		const char *space = strchr(command->name, ' ');
		char first[32];

		if (ctl->nargs == 1 && space != NULL && ctl_is_group(command, ctl->args[0]))
			cmd_complete_offer(complete, space + 1, command->help);
		if (ctl->nargs > 0)
			continue;
		snprintf(first, sizeof first, "%.*s",
		    space != NULL ? (int)(space - command->name) : (int)strlen(command->name),
		    command->name);
		if (strncmp(last, first, strlen(first)) != 0 ||
		    (last[strlen(first)] != ' ' && last[strlen(first)] != '\0'))
			cmd_complete_offer(complete, first, space == NULL ? command->help : NULL);
		last = command->name;
	}
}

/* --- locators --- */

static int
cmd_complete_on_item(void *arg, const struct json *item)
{
	struct complete *complete = arg;
	const struct json *locator;
	struct buf text = {0};

	if (item->type != JSON_OBJECT)
		return CTL_OK;
	locator = json_get(item, complete->locator);
	if (locator == NULL || locator->type != JSON_STRING)
		return CTL_OK;
	out_value(&text, json_get(item, complete->member));
	cmd_complete_offer(complete, locator->str, buf_str(&text));
	buf_clear(&text);
	return CTL_OK;
}

static void
cmd_complete_events(struct complete *complete)
{
	struct buf path = {0};
	struct api_answer answer;
	const struct json *list = NULL;

	api_path(&complete->ctl, &path, "events", "list", NULL);
	api_query(&path, "order", "desc");
	if (api_call(&complete->ctl, "GET", &path, NULL, NULL, &answer) == CTL_OK &&
	    answer.doc.root != NULL && answer.doc.root->type == JSON_OBJECT)
		list = json_get(answer.doc.root, "events");
	if (list != NULL && list->type == JSON_ARRAY)
		for (list = list->child; list != NULL; list = list->next)
			cmd_complete_on_item(complete, list);
	api_clear(&answer);
	buf_clear(&path);
}

/* The argument that comes next. */
static void
cmd_complete_argument(struct complete *complete)
{
	struct ctl *ctl = &complete->ctl;
	struct api_pages pages = {.count = COMPLETE_MOST};
	struct buf path = {0};
	const char *name;
	size_t n = ctl_placeholder(ctl->command, ctl->nargs, &name);
	bool webhook = n == 7 && memcmp(name, "WEBHOOK", n) == 0;
	bool event = n == 5 && memcmp(name, "EVENT", n) == 0;

	if (strcmp(ctl->command->name, "help") == 0) {
		ctl->nargs = ctl->nargs > 1 ? 2 : ctl->nargs;
		cmd_complete_commands(complete);
		return;
	}
	if ((!webhook && !event) || api_open(ctl) != CTL_OK)
		return;
	complete->locator = "locator";
	complete->member = webhook ? "name" : "type";
	if (event && strncmp(ctl->command->name, "diverted", 8) != 0) {
		cmd_complete_events(complete);
		return;
	}
	pages.key = webhook ? "items" : NULL;
	if (webhook) {
		api_path(ctl, &path, "webhooks", "list", NULL);
	} else {
		complete->locator = "eventLocator";
		complete->member = "eventType";
		api_path(ctl, &path, "webhooks", ctl->args[0], "diverted", NULL);
	}
	api_each(ctl, &path, &pages, cmd_complete_on_item, complete);
	buf_clear(&path);
}

/* --- the words before --- */

static void
cmd_complete_note(struct complete *complete, const struct ctl_option *option, const char *text)
{
	struct ctl *ctl = &complete->ctl;

	ctl->values[ctl->nvalues++] = (struct ctl_value){.option = option, .text = text};
}

/* All but the last. */
static void
cmd_complete_read(struct complete *complete, const struct ctl *ctl)
{
	for (size_t i = 0; i + 1 < ctl->nargs; i++) {
		const char *word = ctl->args[i];
		const struct ctl_option *option;
		size_t n = strcspn(word, "=");

		if (strncmp(word, "--", 2) != 0) {
			complete->ctl.args[complete->ctl.nargs++] = word;
			continue;
		}
		option = ctl_find_option(word + 2, n - 2);
		if (option == NULL || option->value == NULL)
			continue;
		if (word[n] == '=')
			cmd_complete_note(complete, option, word + n + 1);
		else if (i + 2 < ctl->nargs)
			cmd_complete_note(complete, option, ctl->args[++i]);
		else
			complete->value_of = option;
	}
}

static void
cmd_complete_split(struct complete *complete)
{
	const char *equals = strchr(complete->current, '=');

	if (strncmp(complete->current, "--", 2) != 0 || equals == NULL)
		return;
	complete->value_of =
	    ctl_find_option(complete->current + 2, (size_t)(equals - complete->current) - 2);
	complete->before = complete->current;
	complete->skip = (size_t)(equals - complete->current) + 1;
	complete->current = equals + 1;
}

int
cmd_complete(struct ctl *ctl)
{
	struct complete complete = {.current = ctl->args[ctl->nargs - 1], .before = ""};
	struct ctl *sub = &complete.ctl;
	size_t used = 0;

	sub->words = xcalloc(ctl->nargs + 1, sizeof *sub->words);
	sub->args = sub->words;
	sub->values = xcalloc(ctl->nargs + 2, sizeof *sub->values);
	cmd_complete_note(&complete, ctl_find_option("timeout", 7), "2");
	cmd_complete_read(&complete, ctl);
	sub->command = ctl_find_command(sub->args, sub->nargs, &used);
	if (complete.value_of == NULL)
		cmd_complete_split(&complete);
	if (complete.value_of != NULL) {
		cmd_complete_value(&complete);
	} else if (complete.current[0] == '-' && complete.skip == 0) {
		cmd_complete_options(&complete, sub->command);
	} else if (complete.skip == 0 && used != 2 && sub->nargs <= 1) {
		/* "attempts" is a command and the beginning of another */
		cmd_complete_commands(&complete);
	}
	if (complete.value_of == NULL && sub->command != NULL && complete.skip == 0 &&
	    complete.current[0] != '-' && profile_load(sub) == CTL_OK) {
		sub->args += used;
		sub->nargs -= used;
		cmd_complete_argument(&complete);
	}
	ctl_clear(sub);
	return CTL_OK;
}
