/* Brings the secrets of all stored webhooks under the key that seals now; for store.c alone. */
#ifndef STORE_RESEAL_H
#define STORE_RESEAL_H

struct store;
struct reseal;

struct reseal *reseal_new(struct store *store); /* borrows the store */
void reseal_free(struct reseal *reseal);        /* after the connection: nothing is under way */

/* Once the connection is up: begins, unless there are no keys or it was done with this one.  It
 * goes on by itself, in small steps, and says in the log when it is done. */
void reseal_start(struct reseal *reseal);
void reseal_stop(struct reseal *reseal); /* the connection was lost */

#endif
