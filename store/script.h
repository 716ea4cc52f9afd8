/* The Lua scripts that are compiled in: their texts and SHA-1 names. */
#ifndef STORE_SCRIPT_H
#define STORE_SCRIPT_H

#include <stddef.h>

struct script {
	const char *name;
	const char *text;
	char sha[41];
};

/* Computes the SHA-1 names at first use.  Ends with an entry whose name is NULL. */
const struct script *script_all(void);
/* Dies when there is none of that name: a mistake in the program. */
const struct script *script_find(const char *name);

#endif
