/* What no option can tell by itself: what must fit together, and what must be there. */
#ifndef SERVER_CONFIG_CHECK_H
#define SERVER_CONFIG_CHECK_H

#include <stdbool.h>

#include "base/buf.h"
#include "server/config.h"

/* Whether the option of that name has a fault of its own: then nothing is said of what it goes
 * with. */
typedef bool config_faulty_fn(const void *arg, const char *name);

/* Appends a line for each fault: of what must fit together, and of the files that are named. */
void config_check(
    const struct config *config, config_faulty_fn *faulty, const void *arg, struct buf *faults);
/* For --check-config: tries what is first used when it runs.  Appends a line for each fault, and
 * one for each thing that may be as it should: an address that is in use, by another evhookd
 * perhaps. */
void config_try(const struct config *config, struct buf *faults, struct buf *notes);

#endif
