/* What the scripts found damaged in Redis. */
#ifndef STORE_DAMAGE_H
#define STORE_DAMAGE_H

#include "store/store.h"

struct damage;

struct damage *damage_new(struct store *store);
void damage_free(struct damage *damage); /* when all commands are answered */
/* "<key> <what of it>", as a script published it. */
void damage_hint(struct damage *damage, const char *text);

#endif
