/* Secrets at rest: AES-256-GCM under one of several keys, bound to the place where they are kept.
 */
#ifndef PROTO_SECRETBOX_H
#define PROTO_SECRETBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define SECRETBOX_KEY_LEN 32 /* bytes of a key */
#define SECRETBOX_ID_LEN 8   /* of a key: the first hex digits of its SHA-256 */
#define SECRETBOX_KEYS_MAX 16

/*
 * The keys, in their order: the first one seals, all of them open.  Without any, sealing leaves the
 * text as it is, and only such texts can be opened.
 */
struct secretbox;

struct secretbox *secretbox_new(void);
void secretbox_free(struct secretbox *box); /* wipes the keys; NULL is fine */

/* Adds a key: base64 of 32 bytes, white space around it is ignored.  NULL, or what is wrong, a
 * constant text. */
const char *secretbox_add(struct secretbox *box, const char *text, size_t n);
size_t secretbox_count(const struct secretbox *box);
const char *secretbox_id(const struct secretbox *box, size_t i); /* of the i-th key, borrowed */

/*
 * Appends what is to be stored instead of the text: "v2:<key id>:<base64 of nonce, ciphertext and
 * tag>".  The place (any text: which record of whom) is authenticated with it, behind "v2:", and
 * must be the same at opening.  In "v1:", which other texts were sealed as, it was the place alone.
 */
void secretbox_seal(
    const struct secretbox *box, const char *place, const void *text, size_t n, struct buf *out);

/* What a stored text is, by its beginning; without any it was never sealed. */
enum secretbox_form { SECRETBOX_PLAIN, SECRETBOX_V1, SECRETBOX_V2 };
enum secretbox_form secretbox_form(const char *sealed, size_t n);
/* Whether it was sealed in the present form with the first key. */
bool secretbox_is_current(const struct secretbox *box, const char *sealed, size_t n);

enum secretbox_result {
	SECRETBOX_OPEN,
	SECRETBOX_NO_KEY, /* sealed under a key that is not there */
	SECRETBOX_DAMAGED /* not what was sealed for this place under that key */
};

/*
 * The way back; a text that was never sealed is taken as it is.
 * Appends to *out, which the caller wipes, when SECRETBOX_OPEN.  id gets the key's id, or "" when
 * there is none.
 */
enum secretbox_result secretbox_open(const struct secretbox *box, const char *place,
    const char *sealed, size_t n, struct buf *out, char id[SECRETBOX_ID_LEN + 1]);

#endif
