/* Brings the secrets of all stored webhooks under the key that seals now; for store.c alone. */
#ifndef STORE_RESEAL_H
#define STORE_RESEAL_H

#include <stdbool.h>

struct store;
struct reseal;

struct reseal *reseal_new(struct store *store); /* borrows the store */
void reseal_free(struct reseal *reseal);        /* after the connection: nothing is under way */

/* Once the connection is up: begins, unless there are no keys or it was done with this one.  It
 * goes on by itself, in small steps, and says in the log when it is done. */
void reseal_start(struct reseal *reseal);
/* Whether all that was stored was looked at, and what could be read was sealed. */
bool reseal_is_done(const struct reseal *reseal);
void reseal_stop(struct reseal *reseal); /* the connection was lost */

#endif
