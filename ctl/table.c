/* Tables for people: columns as wide as their widest cell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/out.h"

static size_t
table_columns(const struct table *table)
{
	size_t n = 0;

	while (table->heads[n] != NULL)
		n++;
	return n;
}

/* The room doubles at powers of two, which are the only sizes at which it is full. */
static void
table_take(struct table *table, char *cell)
{
	size_t n = table->ncells;

	if ((n & (n - 1)) == 0)
		table->cells =
		    xreallocarray(table->cells, n == 0 ? 1 : 2 * n, sizeof *table->cells);
	table->cells[table->ncells++] = cell;
}

void
table_addn(struct table *table, const char *s, size_t n)
{
	struct buf cell = {0};

	out_safe(&cell, s, n);
	buf_adds(&cell, "");
	table_take(table, buf_take(&cell, NULL));
}

void
table_add(struct table *table, const char *s)
{
	table_addn(table, s, strlen(s));
}

void
table_member(struct table *table, const struct json *object, const char *path)
{
	const char *dot = strchr(path, '.');
	struct buf cell = {0};

	if (dot != NULL) {
		char name[64];

		snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
		table_member(table, json_get(object, name), dot + 1);
		return;
	}
	out_value(
	    &cell, object != NULL && object->type == JSON_OBJECT ? json_get(object, path) : NULL);
	table_take(table, buf_take(&cell, NULL));
}

static void
table_print_row(const char *const *cells, const size_t *widths, size_t columns)
{
	for (size_t i = 0; i < columns; i++) {
		size_t n = utf8_count(cells[i], strlen(cells[i]));

		fputs(cells[i], stdout);
		if (i + 1 < columns)
			printf("%*s", (int)(widths[i] - n + 2), "");
	}
	putchar('\n');
}

void
table_print(struct table *table)
{
	size_t columns = table_columns(table);
	size_t *widths = xcalloc(columns, sizeof *widths);

	for (size_t i = 0; i < columns; i++)
		widths[i] = strlen(table->heads[i]);
	for (size_t from = 0; from + columns <= table->ncells; from += columns)
		for (size_t i = 0; i < columns; i++) {
			const char *cell = table->cells[from + i];
			size_t n = utf8_count(cell, strlen(cell));

			if (n > widths[i])
				widths[i] = n;
		}
	table_print_row(table->heads, widths, columns);
	for (size_t i = 0; i + columns <= table->ncells; i += columns)
		table_print_row((const char *const *)&table->cells[i], widths, columns);
	free(widths);
	table_clear(table);
}

void
table_clear(struct table *table)
{
	for (size_t i = 0; i < table->ncells; i++)
		free(table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->ncells = 0;
}
