/* A delivery as evhookctl listen shows it. */
#ifndef CTL_RECEIVED_H
#define CTL_RECEIVED_H

#include <stdbool.h>

#include <event2/http.h>

#include "proto/sign.h"

enum received_form { RECEIVED_TEXT, RECEIVED_HEADERS, RECEIVED_JSON };

/* Verifies (Standard Webhooks; signer NULL: not at all) and prints it, with the status that it will
 * get.  0, or -1 when it did not verify. */
int received_print(
    struct evhttp_request *request, struct signer *signer, int status, enum received_form form);

#endif
