/* Keys that tokens are verified with: an HMAC secret or a public key, each for one algorithm. */
#ifndef PROTO_JWT_KEY_H
#define PROTO_JWT_KEY_H

#include <stdbool.h>
#include <stddef.h>

#define JWT_SECRET_MIN 32 /* bytes: as many as the hash has (RFC 7518, 3.2) */

struct jwt_key;

/*
 * Takes the bytes of a key file: a PEM public key if they begin with "-----BEGIN" (RSA of at least
 * 2048 bits, EC on P-256, Ed25519), else an HMAC secret, less one final newline, but no public key
 * in another form, which as a secret would be known to all.  The bytes may be wiped afterwards.
 * NULL, and *why is a constant text, when they are not fit.
 */
struct jwt_key *jwt_key_new(const void *bytes, size_t len, const char **why);
void jwt_key_free(struct jwt_key *key); /* wipes the secret; NULL is fine */

bool jwt_key_is_secret(const struct jwt_key *key); /* else it is a public key */
/* The one algorithm that the key is for: HS256, RS256, ES256 or EdDSA. */
const char *jwt_key_alg(const struct jwt_key *key);
/* Whether sig is the key's signature of the text, by that algorithm. */
bool jwt_key_verify(
    const struct jwt_key *key, const void *text, size_t len, const void *sig, size_t sig_len);

#endif
