/* The files of --secrets-key. */
#ifndef SERVER_SECRETS_H
#define SERVER_SECRETS_H

#include "proto/secretbox.h"
#include "server/config.h"

/* The keys of all files, in their order; without files, none.  NULL and *why in one line
 * (free()) when one cannot be used.  secretbox_free() it. */
struct secretbox *secrets_read(const struct config_strings *files, char **why);

/* The password in a file: all of it but a line end.  NULL and *why in one line (free()); wipe it.
 */
char *secrets_read_password(const char *file, char **why);

#endif
