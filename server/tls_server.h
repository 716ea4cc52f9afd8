/* TLS for the API's listeners: one certificate, replaced while running. */
#ifndef SERVER_TLS_SERVER_H
#define SERVER_TLS_SERVER_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct tls_server;

/* The files are PEM: the certificate and its chain, and its private key.  NULL and *why in one
 * line (free()) when they cannot be used. */
struct tls_server *tls_server_new(const char *cert_file, const char *key_file, char **why);
void tls_server_free(struct tls_server *tls); /* NULL is fine */

/* Reads the files again: 0, and new connections get what is in them now; or -1 and *why, and
 * everything stays as it was. */
int tls_server_reload(struct tls_server *tls, char **why);

bool tls_server_is_expired(const struct tls_server *tls); /* its certificate */

/* Gives the server's side of a new connection. */
SSL *tls_server_accept(struct tls_server *tls);
/* Tells the peer that nothing follows, unless the connection is broken; before it is closed. */
void tls_server_end(SSL *ssl);

#endif
