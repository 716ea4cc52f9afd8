/* Client TLS: what both kinds of endpoints (verified or not) have in common. */
#ifndef DELIVER_TLS_H
#define DELIVER_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "proto/url.h"

struct tls;

/* ca_file NULL: the system's.  NULL when it is unusable; *why says it in one line (free()). */
struct tls *tls_new(const char *ca_file, char **why);
void tls_free(struct tls *tls);
/* Reads the CA file again, for connections to come.  0, or -1 and *why (free()): the old one stays.
 */
int tls_reload(struct tls *tls, char **why);

/* A client side for one connection: name sent, name or address checked if verify.  Gives the SSL;
 * NULL when OpenSSL refuses. */
SSL *tls_client(struct tls *tls, const struct url *url, bool verify);

/* Sessions that servers offer are kept in the slot (one session, SSL_SESSION_free()); it must
 * outlive the SSL or be taken away with NULL.  True when the one that was there is offered; one
 * that is over is freed. */
bool tls_keep_session(SSL *ssl, SSL_SESSION **slot);

/* What verify_error is of a certificate whose key is so large that it would cost us too much. */
#define TLS_KEY_TOO_LARGE X509_V_ERR_APPLICATION_VERIFICATION

#endif
