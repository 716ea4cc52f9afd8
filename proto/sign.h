/* Standard Webhooks signatures: secrets, and HMAC-SHA256 over "id.timestamp.body". */
#ifndef PROTO_SIGN_H
#define PROTO_SIGN_H

#include <stddef.h>
#include <stdint.h>

#define SECRET_MIN 16 /* characters */
#define SECRET_MAX 256
#define SECRET_GENERATED_LEN 50 /* "whsec_" and base64 of 32 bytes */
#define SIGNATURE_LEN 47        /* "v1," and base64 of 32 bytes */

/* NULL when the secret is fit (16-256 characters; after "whsec_" base64 of 24-64 bytes), else why
 * not.
 */
const char *secret_fault(const char *secret, size_t n);
/* A new one: "whsec_" and base64 of 32 random bytes, and a NUL. */
void secret_generate(char out[SECRET_GENERATED_LEN + 1]);

/* A key ready to sign with; keeps OpenSSL's prepared context.  The secret must be fit. */
struct signer;
struct signer *signer_new(const char *secret);
void signer_free(struct signer *signer); /* wipes the key; NULL is fine */
/* out gets "v1,…" and a NUL; timestamp is Unix seconds. */
void signer_sign(struct signer *signer, const char *id, int64_t timestamp, const void *body,
    size_t len, char out[SIGNATURE_LEN + 1]);

#endif
