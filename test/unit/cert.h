/* Certificates made for one test run. */
#ifndef TEST_UNIT_CERT_H
#define TEST_UNIT_CERT_H

#include <openssl/ssl.h>

struct cert {
	X509 *x509;
	EVP_PKEY *key;
};

/* san: "DNS:a.test,IP:127.0.0.1", NULL for a CA.  from and to: seconds from now.  issuer NULL:
 * signed by itself. */
struct cert cert_new(
    const struct cert *issuer, const char *name, const char *san, long from, long to);
/* The same for a key that is there: taken. */
struct cert cert_new_with(EVP_PKEY *key, const struct cert *issuer, const char *name,
    const char *san, long from, long to);
void cert_clear(struct cert *cert);
void cert_write(const struct cert *cert, const char *path);                      /* PEM */
SSL_CTX *cert_server(const struct cert *cert, int min_version, int max_version); /* 0: any */

#endif
