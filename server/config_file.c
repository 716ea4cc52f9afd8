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

static void
config_file_line(
    char *line, size_t n, const char *where, config_file_fn *fn, void *arg, struct buf *faults)
{
	char *end, *equals, *name;

	if (memchr(line, '\0', n)) {
		buf_printf(faults, "%s: has a NUL byte\n", where);
		return;
	}
	end = config_file_comment(line);
	line = config_file_trim(line, end);
	if (!*line)
		return;
	end = line + strlen(line);
	equals = strchr(line, '=');
	if (!equals || equals == line) {
		buf_printf(faults, "%s: is not \"name = value\"\n", where);
		return;
	}
	name = config_file_trim(line, equals);
	fn(arg, name, config_file_trim(equals + 1, end), where);
}

void
config_file_read(const char *path, config_file_fn *fn, void *arg, struct buf *faults)
{
	FILE *file = fopen(path, "re");
	struct buf where = {0};
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!file) {
		buf_printf(faults, "--config: %s: %s\n", path, strerror(errno));
		return;
	}
	for (unsigned number = 1; (n = getline(&line, &cap, file)) >= 0; number++) {
		buf_reset(&where);
		buf_printf(&where, "%s:%u", path, number);
		config_file_line(line, (size_t)n, buf_str(&where), fn, arg, faults);
		mem_wipe(line, cap);
	}
	if (ferror(file))
		buf_printf(faults, "--config: %s: %s\n", path, strerror(errno));
	buf_clear(&where);
	free(line);
	fclose(file);
}
