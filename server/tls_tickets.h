/* The keys that seal TLS sessions into tickets: each for an hour, and another one to open them. */
#ifndef SERVER_TLS_TICKETS_H
#define SERVER_TLS_TICKETS_H

#include <openssl/ssl.h>

/* Gives the context keys of its own; they are wiped with it. */
void tls_tickets_use(SSL_CTX *ctx);

#endif
