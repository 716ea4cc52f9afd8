/* Standard Webhooks signatures: secrets and HMAC-SHA256, over OpenSSL. */
#include "proto/sign.h"
#include "proto/json.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/mem.h"
#include "base/rnd.h"

#define SIGN_PREFIX "whsec_"
#define SIGN_PREFIX_LEN 6
#define SIGN_VERSION "v1,"
#define SIGN_VERSION_LEN 3
#define SIGN_KEY_MIN 24 /* bytes after the prefix, decoded */
#define SIGN_KEY_MAX 64
#define SIGN_KEY_GENERATED 32
#define SIGN_MAC_LEN 32

struct signer {
	EVP_MAC_CTX *ctx; /* initialised with the key; each signature starts it anew */
	struct buf head;  /* "id.timestamp." of the signature at hand */
};

static void __attribute__((noreturn)) sign_die(void)
{
	static const char text[] = "evhookd: OpenSSL cannot compute HMAC-SHA256\n";
	ssize_t put = write(STDERR_FILENO, text, sizeof text - 1);

	(void)put; /* there is nowhere left to complain */
	abort();
}

const char *
secret_fault(const char *secret, size_t n)
{
	unsigned char key[SECRET_MAX];
	ssize_t len;
	size_t characters = utf8_count(secret, n);

	if (characters < SECRET_MIN || characters > SECRET_MAX)
		return "must be 16 to 256 characters";
	if (memchr(secret, '\0', n) != NULL)
		return "must not contain a NUL character";
	if (memcmp(secret, SIGN_PREFIX, SIGN_PREFIX_LEN) != 0)
		return NULL;
	len = base64_decode(key, sizeof key, secret + SIGN_PREFIX_LEN, n - SIGN_PREFIX_LEN);
	mem_wipe(key, sizeof key);
	if (len < 0)
		return "must be base64 after whsec_";
	if (len < SIGN_KEY_MIN || len > SIGN_KEY_MAX)
		return "must be base64 of 24 to 64 bytes after whsec_";
	return NULL;
}

void
secret_generate(char out[SECRET_GENERATED_LEN + 1])
{
	unsigned char key[SIGN_KEY_GENERATED];

	rnd_bytes(key, sizeof key);
	memcpy(out, SIGN_PREFIX, SIGN_PREFIX_LEN + 1);
	base64_encode(out + SIGN_PREFIX_LEN, key, sizeof key);
	mem_wipe(key, sizeof key);
}

struct signer *
signer_new(const char *secret)
{
	struct signer *signer = xcalloc(1, sizeof *signer);
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	const unsigned char *key = (const unsigned char *)secret;
	unsigned char decoded[SECRET_MAX];
	ssize_t len = (ssize_t)strlen(secret);

	if (strncmp(secret, SIGN_PREFIX, SIGN_PREFIX_LEN) == 0) {
		key = decoded;
		len = base64_decode(decoded, sizeof decoded, secret + SIGN_PREFIX_LEN,
		    (size_t)len - SIGN_PREFIX_LEN);
	}
	if (mac != NULL)
		signer->ctx = EVP_MAC_CTX_new(mac);
	if (len < 0 || signer->ctx == NULL ||
	    EVP_MAC_init(signer->ctx, key, (size_t)len, params) != 1)
		sign_die();
	mem_wipe(decoded, sizeof decoded);
	EVP_MAC_free(mac); /* the context holds its own reference */
	return signer;
}

void
signer_free(struct signer *signer)
{
	if (signer == NULL)
		return;
	EVP_MAC_CTX_free(signer->ctx); /* OpenSSL cleanses the key and the digest states */
	buf_clear(&signer->head);
	free(signer);
}

void
signer_sign(struct signer *signer, const char *id, int64_t timestamp, const void *body, size_t len,
    char out[SIGNATURE_LEN + 1])
{
	unsigned char mac[SIGN_MAC_LEN];
	size_t n = 0;

	buf_reset(&signer->head);
	buf_adds(&signer->head, id);
	buf_addc(&signer->head, '.');
	buf_addi(&signer->head, timestamp);
	buf_addc(&signer->head, '.');
	/* Without a key, init goes back to the state right after the key: two hash blocks saved. */
	if (EVP_MAC_init(signer->ctx, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(signer->ctx, (unsigned char *)signer->head.data, signer->head.len) !=
		1 ||
	    EVP_MAC_update(signer->ctx, body, len) != 1 ||
	    EVP_MAC_final(signer->ctx, mac, &n, sizeof mac) != 1 || n != sizeof mac)
		sign_die();
	memcpy(out, SIGN_VERSION, SIGN_VERSION_LEN + 1);
	base64_encode(out + SIGN_VERSION_LEN, mac, sizeof mac);
}
