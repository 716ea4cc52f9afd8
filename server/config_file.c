/* Reading the configuration file. */
#include "server/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char blanks[] = " \t\r\n\f\v";

static char *
config_file_trim(char *s, char *end)
{
	while (s < end && strchr(blanks, *s))
		s++;
	while (end > s && strchr(blanks, end[-1]))
		end--;
	*end = '\0';
	return s;
}

static char *
config_file_comment(char *s)
{
	for (char *at = s; (at = strchr(at, '#')); at++)
		if (at == s || strchr(blanks, at[-1]))
			return at;
	return s + strlen(s);
}

static int
config_file_line(
    char *line, size_t n, const char *where, config_file_fn *fn, void *arg, struct buf *why)
{
	char *end, *equals, *name;

	if (memchr(line, '\0', n)) {
		buf_printf(why, "%s: has a NUL byte", where);
		return -1;
	}
	end = config_file_comment(line);
	line = config_file_trim(line, end);
	if (!*line)
		return 0;
	end = line + strlen(line);
	equals = strchr(line, '=');
	if (!equals || equals == line) {
		buf_printf(why, "%s: is not \"name = value\"", where);
		return -1;
	}
	name = config_file_trim(line, equals);
	return fn(arg, name, config_file_trim(equals + 1, end), where);
}

int
config_file_read(const char *path, config_file_fn *fn, void *arg, struct buf *why)
{
	FILE *file = fopen(path, "re");
	struct buf where = {0};
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc = 0;

	if (!file) {
		buf_printf(why, "--config: %s: %s", path, strerror(errno));
		return -1;
	}
	for (unsigned number = 1; !rc && (n = getline(&line, &cap, file)) >= 0; number++) {
		buf_reset(&where);
		buf_printf(&where, "%s:%u", path, number);
		rc = config_file_line(line, (size_t)n, buf_str(&where), fn, arg, why);
		mem_wipe(line, cap);
	}
	if (!rc && ferror(file)) {
		buf_printf(why, "--config: %s: %s", path, strerror(errno));
		rc = -1;
	}
	buf_clear(&where);
	free(line);
	fclose(file);
	return rc;
}
