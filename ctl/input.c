/* What commands read. */
#include "ctl/input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

#define INPUT_MAX (256 * 1024 * 1024)

static int
input_stream(FILE *file, const char *name, struct buf *out)
{
	char block[16384];
	size_t n;

	do { /* less than a block is the end, or an error: a terminal is not asked once more */
		n = fread(block, 1, sizeof block, file);
		if (out->len + n > INPUT_MAX)
			return ctl_fail(CTL_FAILED, "%s is larger than 256 MiB", name);
		buf_add(out, block, n);
	} while (n == sizeof block);
	if (ferror(file))
		return ctl_fail(CTL_FAILED, "cannot read %s: %s", name, strerror(errno));
	return CTL_OK;
}

static int
input_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "re");
	int code;

	if (file == NULL)
		return ctl_fail(CTL_FAILED, "cannot read %s: %s", path, strerror(errno));
	code = input_stream(file, path, out);
	fclose(file);
	return code;
}

int
input_read(const char *arg, struct buf *out)
{
	if (strcmp(arg, "-") == 0)
		return input_stream(stdin, "standard input", out);
	if (arg[0] == '@')
		return input_file(arg + 1, out);
	buf_adds(out, arg);
	return CTL_OK;
}

int
input_secret(const char *file, struct buf *out)
{
	int code = input_file(file, out);

	if (code == CTL_OK && out->len > 0 && out->data[out->len - 1] == '\n')
		out->len--;
	return code;
}
