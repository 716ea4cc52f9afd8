/* The end of the process, stage by stage: not ready, no new connections, nothing held, over. */
#ifndef SERVER_DRAIN_H
#define SERVER_DRAIN_H

#include <stdbool.h>

#include "server/app.h"
#include "server/notify.h"

struct drain;

/* Borrows both. */
struct drain *drain_new(struct app *app, struct notify *notify);
void drain_free(struct drain *drain);
/* Not ready from now on; at last the loop is left. */
void drain_begin(struct drain *drain);
/* The loop is left at once. */
void drain_skip(struct drain *drain);
/* Whether neither has been called. */
bool drain_is_off(const struct drain *drain);

#endif
