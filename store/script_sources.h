/* The scripts' texts; script_sources.c is made from store/scripts/ (lib.lua before each). */
#ifndef STORE_SCRIPT_SOURCES_H
#define STORE_SCRIPT_SOURCES_H

struct script_source {
	const char *name;
	const char *text;
};

/* Ends with an entry whose name is NULL. */
extern const struct script_source script_sources[];

#endif
