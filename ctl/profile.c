/*
 * Profiles: options under a name, in $XDG_CONFIG_HOME/evhookctl/profiles or
 * ~/.config/evhookctl/profiles:
 *
 *	[production]
 *	url = https://hooks.example.com
 *	tenant = 6f1f2b5e-7a0c-4a53-9c39-0f2f5d3e8a11
 *	token-file = ~/.config/evhookctl/production.token
 */
#include "ctl/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PROFILE_BLANKS " \t\r\n"

static bool
profile_path(struct buf *path)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config != NULL && *config != '\0')
		buf_adds(path, config);
	else if (home != NULL && *home != '\0')
		buf_printf(path, "%s/.config", home);
	else
		return false;
	buf_adds(path, "/evhookctl/profiles");
	return true;
}

/* Without blanks at both ends. */
static char *
profile_trim(char *s)
{
	size_t n;

	s += strspn(s, PROFILE_BLANKS);
	n = strlen(s);
	while (n > 0 && strchr(PROFILE_BLANKS, s[n - 1]) != NULL)
		s[--n] = '\0';
	return s;
}

/* "[name]": the name; else NULL. */
static char *
profile_head(char *line)
{
	size_t n = strlen(line);

	if (n < 3 || line[0] != '[' || line[n - 1] != ']')
		return NULL;
	line[n - 1] = '\0';
	return profile_trim(line + 1);
}

/* ~/ at the beginning of a file's name is the home directory. */
static char *
profile_value(const struct ctl_option *option, const char *text)
{
	const char *home = getenv("HOME");
	struct buf value = {0};

	if (strcmp(option->value, "FILE") == 0 && strncmp(text, "~/", 2) == 0 && home != NULL) {
		buf_adds(&value, home);
		text++;
	}
	buf_adds(&value, text);
	return buf_take(&value, NULL);
}

/* "name = value" */
static int
profile_line(struct ctl *ctl, char *line, const char *path, unsigned number)
{
	char *equals = strchr(line, '='), *name = line;
	const struct ctl_option *option;

	if (equals == NULL)
		return ctl_fail(CTL_USAGE, "%s:%u: is not \"name = value\"", path, number);
	*equals = '\0';
	name = profile_trim(name);
	option = ctl_find_option(name, strlen(name));
	if (option == NULL || option->value == NULL || strcmp(name, "profile") == 0)
		return ctl_fail(CTL_USAGE, "%s:%u: there is no option %s that takes a value", path,
		    number, name);
	ctl->profile = xreallocarray(ctl->profile, ctl->nprofile + 1, sizeof *ctl->profile);
	ctl->profile[ctl->nprofile].option = option;
	ctl->profile[ctl->nprofile].hidden = profile_value(option, profile_trim(equals + 1));
	ctl->profile[ctl->nprofile].text = ctl->profile[ctl->nprofile].hidden;
	ctl->nprofile++;
	return CTL_OK;
}

static int
profile_read(struct ctl *ctl, const char *wanted, FILE *file, const char *path)
{
	bool within = false, found = false;
	char *line = NULL, *head;
	size_t cap = 0;
	int code = CTL_OK;

	for (unsigned number = 1; code == CTL_OK && getline(&line, &cap, file) >= 0; number++) {
		char *text = profile_trim(line);

		if (*text == '\0' || *text == '#')
			continue;
		head = profile_head(text);
		if (head != NULL) {
			within = strcmp(head, wanted) == 0;
			found = found || within;
		} else if (within) {
			code = profile_line(ctl, text, path, number);
		}
	}
	free(line);
	if (code == CTL_OK && !found)
		code = ctl_fail(CTL_USAGE, "%s has no profile [%s]", path, wanted);
	return code;
}

int
profile_load(struct ctl *ctl)
{
	const char *wanted = ctl_get(ctl, "profile");
	struct buf path = {0};
	FILE *file;
	int code;

	if (wanted == NULL || *wanted == '\0')
		return CTL_OK;
	if (!profile_path(&path))
		return ctl_fail(CTL_USAGE, "--profile: there is no HOME to look for its file in");
	file = fopen(buf_str(&path), "re");
	if (file != NULL) {
		code = profile_read(ctl, wanted, file, buf_str(&path));
		fclose(file);
	} else {
		code = ctl_fail(
		    CTL_USAGE, "--profile: cannot read %s: %s", buf_str(&path), strerror(errno));
	}
	buf_clear(&path);
	return code;
}

void
profile_each(void (*fn)(void *arg, const char *name), void *arg)
{
	struct buf path = {0};
	char *line = NULL, *head;
	size_t cap = 0;
	FILE *file = profile_path(&path) ? fopen(buf_str(&path), "re") : NULL;

	while (file != NULL && getline(&line, &cap, file) >= 0)
		if ((head = profile_head(profile_trim(line))) != NULL)
			fn(arg, head);
	if (file != NULL)
		fclose(file);
	free(line);
	buf_clear(&path);
}
