/* evhookctl: what its files share: exit codes, the tables, the command line. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "proto/datetime.h"
#include "proto/id.h"

/* Exit codes (documented in doc/evhookctl.1). */
enum ctl_exit {
	CTL_OK,
	CTL_FAILED,      /* refused, or anything that has no code of its own */
	CTL_USAGE,       /* the command line */
	CTL_MISSING,     /* there is no such webhook, event, … (404) */
	CTL_DENIED,      /* no token, a bad one, or one without the permission (401, 403) */
	CTL_UNAVAILABLE, /* no answer, or the server says: later (429, 503) */
	CTL_CONFLICT     /* the state is in the way (409, 412) */
};

struct ctl_option {
	const char *name;
	const char *value; /* placeholder; NULL for a flag */
	const char *env;   /* variable that stands in for it; NULL for none */
	const char *deflt; /* NULL for none */
	const char *help;
	bool repeatable;
};

struct ctl;
struct ctl_command {
	const char *name;    /* one or two words */
	const char *args;    /* placeholders */
	const char *options; /* names with spaces between them, besides the common ones */
	const char *help;
	unsigned min, max; /* arguments */
	int (*run)(struct ctl *ctl);
};

extern const struct ctl_option ctl_options[]; /* both end with a name of NULL */
extern const struct ctl_command ctl_commands[];
extern const char ctl_common[]; /* options of every command */

struct ctl_value {
	const struct ctl_option *option;
	const char *text;
	char *hidden; /* text, when it was taken from argv; else NULL */
};

struct ctl {
	const struct ctl_command *command;
	const char **words; /* all that is no option; owned */
	const char **args;  /* those behind the command */
	size_t nargs;
	struct ctl_value *values; /* in the order given */
	size_t nvalues;
	struct ctl_value *profile; /* what --profile names; texts owned */
	size_t nprofile;
	const char
	    *about; /* what a refusal is about, when several are named; else NULL; borrowed */
	struct http *http; /* to the API; NULL until first needed */
	struct buf token;  /* "Bearer …"; empty for none */
	struct uuid tenant;
};

/* Writes "evhookctl: …" to stderr and returns the code. */
int ctl_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- options.c --- */

/* The option of that name, n bytes; NULL when there is none. */
const struct ctl_option *ctl_find_option(const char *name, size_t n);
/* The placeholder of an argument, by its place from 0, or the last when that repeats: its length.
 */
size_t ctl_placeholder(const struct ctl_command *command, size_t place, const char **name);
/* Whether the command takes that option. */
bool ctl_takes(const struct ctl_command *command, const char *option);
/* Whether the word is the first of the command's two. */
bool ctl_is_group(const struct ctl_command *command, const char *word);
/* Reads the command line; CTL_OK or CTL_USAGE. */
int ctl_parse(struct ctl *ctl, int argc, char **argv);
/* The command that the first words name, and how many they are; NULL when there is none. */
const struct ctl_command *ctl_find_command(const char *const *words, size_t n, size_t *used);
void ctl_clear(struct ctl *ctl);
/* What was given last, else the profile's, else the environment's, else the default, else NULL. */
const char *ctl_get(const struct ctl *ctl, const char *name);
/* The next value of a repeatable option; *at begins with 0.  NULL at the end. */
const char *ctl_next(const struct ctl *ctl, const char *name, size_t *at);
bool ctl_is(const struct ctl *ctl, const char *flag);
/* CTL_OK and *n as it was when the option is absent; CTL_USAGE and a message when it is odd. */
int ctl_int(const struct ctl *ctl, const char *name, int64_t min, int64_t max, int64_t *n);
int ctl_time(const struct ctl *ctl, const char *name, int64_t *ms);
/* A date, or a time ago, as a date; as it was when the option is absent. */
int ctl_since(const struct ctl *ctl, const char *name, char date[DATETIME_LEN + 1]);
/* Seconds, or a number with ms, s, m, h or d; 0 or -1. */
int ctl_read_time(const char *s, int64_t *ms);

/* --- help.c --- */

void help_all(FILE *out, const char *group); /* NULL: of all */
void help_command(const struct ctl_command *command);
int help_words(struct ctl *ctl); /* "help COMMAND" */
int help_version(struct ctl *ctl);
/* For completion: a line for each command, with its options. */
int help_commands(struct ctl *ctl);

/* --- the commands --- */

int cmd_webhooks_list(struct ctl *ctl);
int cmd_webhooks_get(struct ctl *ctl);
int cmd_webhooks_create(struct ctl *ctl);
int cmd_webhooks_update(struct ctl *ctl);
int cmd_webhooks_delete(struct ctl *ctl);
int cmd_webhooks_unsuspend(struct ctl *ctl);
int cmd_webhooks_test(struct ctl *ctl);
int cmd_events_publish(struct ctl *ctl);
int cmd_events_get(struct ctl *ctl);
int cmd_events_list(struct ctl *ctl);
int cmd_events_request(struct ctl *ctl);
int cmd_events_tail(struct ctl *ctl);
int cmd_diverted_list(struct ctl *ctl);
int cmd_diverted_get(struct ctl *ctl);
int cmd_diverted_resend(struct ctl *ctl);
int cmd_diverted_resend_all(struct ctl *ctl);
int cmd_diverted_delete(struct ctl *ctl);
int cmd_attempts(struct ctl *ctl);
int cmd_attempts_tail(struct ctl *ctl);
int cmd_why(struct ctl *ctl);
int cmd_listen(struct ctl *ctl);
int cmd_token(struct ctl *ctl);
int cmd_shard(struct ctl *ctl);
int cmd_keys(struct ctl *ctl);
int cmd_purge(struct ctl *ctl);
int cmd_fsck(struct ctl *ctl);
int cmd_config(struct ctl *ctl);
int cmd_complete(struct ctl *ctl);
int cmd_tenants(struct ctl *ctl);
int cmd_top(struct ctl *ctl);
int cmd_ready(struct ctl *ctl);

#endif
