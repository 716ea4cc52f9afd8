/* What the server is given in files and may be given anew: certificate and keys. */
#ifndef SERVER_CREDENTIALS_H
#define SERVER_CREDENTIALS_H

#include "server/app.h"

/* Appends a line for each file that the config names and that cannot be used. */
void credentials_check(const struct config *config, struct buf *faults);

/* Reads the files that app->config names.  0, or -1 and *why. */
int credentials_open(struct app *app, char **why);
/* Reads them again while the server runs: all count from now on, or, with -1, none. */
int credentials_reload(struct app *app, char **why);
/* After the store and the listeners are gone. */
void credentials_close(struct app *app);

#endif
