/* Secrets at rest: AES-256-GCM (NIST SP 800-38D) over OpenSSL. */
#include "proto/secretbox.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/rnd.h"

#define BOX_VERSION "v2:"
#define BOX_VERSION_LEN 3
#define BOX_HEAD_LEN (BOX_VERSION_LEN + SECRETBOX_ID_LEN + 1)
#define BOX_NONCE_LEN 12
#define BOX_TAG_LEN 16
#define BOX_TEXT_MAX ((size_t)16 << 20) /* far above any webhook's secrets, far below INT_MAX */

struct secretbox_key {
	unsigned char bytes[SECRETBOX_KEY_LEN];
	char id[SECRETBOX_ID_LEN + 1];
};

struct secretbox {
	struct secretbox_key keys[SECRETBOX_KEYS_MAX];
	size_t n;
};

static void __attribute__((noreturn)) secretbox_die(void)
{
	static const char text[] = "evhookd: OpenSSL cannot encrypt with AES-256-GCM\n";
	ssize_t put = write(STDERR_FILENO, text, sizeof text - 1);

	(void)put; /* there is nowhere left to complain */
	abort();
}

struct secretbox *
secretbox_new(void)
{
	return xcalloc(1, sizeof(struct secretbox));
}

void
secretbox_free(struct secretbox *box)
{
	if (box == NULL)
		return;
	mem_wipe(box, sizeof *box);
	free(box);
}

/* --- keys --- */

static void
secretbox_name(struct secretbox_key *key)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct buf hex = {0};

	if (EVP_Digest(key->bytes, sizeof key->bytes, digest, NULL, EVP_sha256(), NULL) != 1)
		secretbox_die();
	hex_encode(&hex, digest, SECRETBOX_ID_LEN / 2);
	memcpy(key->id, buf_str(&hex), sizeof key->id);
	buf_clear(&hex);
}

static const struct secretbox_key *
secretbox_find(const struct secretbox *box, const char *id)
{
	for (size_t i = 0; i < box->n; i++)
		if (memcmp(box->keys[i].id, id, SECRETBOX_ID_LEN) == 0)
			return &box->keys[i];
	return NULL;
}

static const char *
secretbox_read_key(struct secretbox *box, struct secretbox_key *key, const char *text, size_t n)
{
	static const char blanks[] = " \t\r\n";

	while (n > 0 && memchr(blanks, text[0], sizeof blanks - 1) != NULL)
		text++, n--;
	while (n > 0 && memchr(blanks, text[n - 1], sizeof blanks - 1) != NULL)
		n--;
	if (base64_decode(key->bytes, sizeof key->bytes, text, n) != SECRETBOX_KEY_LEN)
		return "must be 32 bytes in base64, such as \"openssl rand -base64 32\" prints";
	secretbox_name(key);
	if (box->n == SECRETBOX_KEYS_MAX)
		return "there are too many keys";
	if (secretbox_find(box, key->id) != NULL)
		return "this key is given twice";
	return NULL;
}

const char *
secretbox_add(struct secretbox *box, const char *text, size_t n)
{
	struct secretbox_key key;
	const char *fault = secretbox_read_key(box, &key, text, n);

	if (fault == NULL)
		box->keys[box->n++] = key;
	mem_wipe(&key, sizeof key);
	return fault;
}

size_t
secretbox_count(const struct secretbox *box)
{
	return box->n;
}

const char *
secretbox_id(const struct secretbox *box, size_t i)
{
	return box->keys[i].id;
}

/* --- sealing --- */

static bool
secretbox_bind(EVP_CIPHER_CTX *ctx, const char *text)
{
	int len;

	return EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)text, (int)strlen(text)) ==
	       1;
}

/* Sets the cipher up with key, nonce and, as associated data, the form and the place. */
static bool
secretbox_start(EVP_CIPHER_CTX *ctx, const struct secretbox_key *key, const unsigned char *nonce,
    enum secretbox_form form, const char *place, int encrypt)
{
	return EVP_CipherInit_ex2(ctx, EVP_aes_256_gcm(), key->bytes, nonce, encrypt, NULL) == 1 &&
	       (form == SECRETBOX_V1 || secretbox_bind(ctx, BOX_VERSION)) &&
	       secretbox_bind(ctx, place);
}

void
secretbox_seal(
    const struct secretbox *box, const char *place, const void *text, size_t n, struct buf *out)
{
	size_t size = BOX_NONCE_LEN + n + BOX_TAG_LEN;
	unsigned char *raw, *body;
	EVP_CIPHER_CTX *ctx;
	int len;

	if (box->n == 0) {
		buf_add(out, text, n);
		return;
	}
	if (n > BOX_TEXT_MAX)
		secretbox_die();
	raw = xmalloc(size);
	body = raw + BOX_NONCE_LEN;
	rnd_bytes(raw, BOX_NONCE_LEN);
	ctx = EVP_CIPHER_CTX_new();
	if (ctx == NULL || !secretbox_start(ctx, &box->keys[0], raw, SECRETBOX_V2, place, 1) ||
	    EVP_CipherUpdate(ctx, body, &len, text, (int)n) != 1 || (size_t)len != n ||
	    EVP_CipherFinal_ex(ctx, body + n, &len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, BOX_TAG_LEN, body + n) != 1)
		secretbox_die();
	EVP_CIPHER_CTX_free(ctx); /* wipes its copy of the key */
	buf_adds(out, BOX_VERSION);
	buf_adds(out, box->keys[0].id);
	buf_addc(out, ':');
	buf_reserve(out, BASE64_LEN(size) + 1);
	base64_encode(out->data + out->len, raw, size);
	out->len += BASE64_LEN(size);
	free(raw);
}

/* --- opening --- */

/* raw: nonce, ciphertext, tag; decrypts in place.  False when the tag does not fit. */
static bool
secretbox_decrypt(const struct secretbox_key *key, enum secretbox_form form, const char *place,
    unsigned char *raw, size_t size)
{
	unsigned char *body = raw + BOX_NONCE_LEN, *tag = raw + size - BOX_TAG_LEN;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len;
	bool ok;

	if (ctx == NULL || !secretbox_start(ctx, key, raw, form, place, 0))
		secretbox_die();
	ok = EVP_CipherUpdate(ctx, body, &len, body, (int)(tag - body)) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, BOX_TAG_LEN, tag) == 1 &&
	     EVP_CipherFinal_ex(ctx, tag, &len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static enum secretbox_result
secretbox_open_sealed(const struct secretbox_key *key, enum secretbox_form form, const char *place,
    const char *text, size_t n, struct buf *out)
{
	enum secretbox_result result = SECRETBOX_DAMAGED;
	unsigned char *raw;
	ssize_t size;

	if (n > BASE64_LEN(BOX_TEXT_MAX))
		return SECRETBOX_DAMAGED;
	raw = xmalloc(n);
	size = base64_decode(raw, n, text, n);
	if (size >= BOX_NONCE_LEN + BOX_TAG_LEN &&
	    secretbox_decrypt(key, form, place, raw, (size_t)size)) {
		buf_add(out, raw + BOX_NONCE_LEN, (size_t)size - BOX_NONCE_LEN - BOX_TAG_LEN);
		result = SECRETBOX_OPEN;
	}
	mem_wipe(raw, n);
	free(raw);
	return result;
}

enum secretbox_form
secretbox_form(const char *sealed, size_t n)
{
	if (n >= BOX_VERSION_LEN && memcmp(sealed, "v1:", BOX_VERSION_LEN) == 0)
		return SECRETBOX_V1;
	if (n >= BOX_VERSION_LEN && memcmp(sealed, BOX_VERSION, BOX_VERSION_LEN) == 0)
		return SECRETBOX_V2;
	return SECRETBOX_PLAIN;
}

bool
secretbox_is_current(const struct secretbox *box, const char *sealed, size_t n)
{
	return secretbox_form(sealed, n) == SECRETBOX_V2 && n > BOX_HEAD_LEN &&
	       memcmp(sealed + BOX_VERSION_LEN, box->keys[0].id, SECRETBOX_ID_LEN) == 0;
}

enum secretbox_result
secretbox_open(const struct secretbox *box, const char *place, const char *sealed, size_t n,
    struct buf *out, char id[SECRETBOX_ID_LEN + 1])
{
	enum secretbox_form form = secretbox_form(sealed, n);
	const struct secretbox_key *key;

	id[0] = '\0';
	if (form == SECRETBOX_PLAIN) {
		buf_add(out, sealed, n);
		return SECRETBOX_OPEN;
	}
	if (n < BOX_HEAD_LEN || sealed[BOX_HEAD_LEN - 1] != ':')
		return SECRETBOX_DAMAGED;
	memcpy(id, sealed + BOX_VERSION_LEN, SECRETBOX_ID_LEN);
	id[SECRETBOX_ID_LEN] = '\0';
	key = secretbox_find(box, id);
	if (key == NULL)
		return SECRETBOX_NO_KEY;
	return secretbox_open_sealed(
	    key, form, place, sealed + BOX_HEAD_LEN, n - BOX_HEAD_LEN, out);
}
