/* What the files of the webhook share: its parts' lives and merging, and the request shapes. */
#ifndef PROTO_WEBHOOK_INTERNAL_H
#define PROTO_WEBHOOK_INTERNAL_H

#include "proto/rule.h"
#include "proto/shape.h"
#include "proto/webhook.h"

/*
 * Merging reads what the shapes below let pass, but must be safe with anything: a create request
 * is merged although it has faults, to find those of the whole.  What has the wrong type is passed
 * over, and so is an array or map that is longer than allowed.
 */

extern const struct shape webhook_shape_create;
extern const struct shape webhook_shape_update;
extern const struct shape webhook_shape_doc;     /* as webhook_store_doc() writes it */
extern const struct shape webhook_shape_secrets; /* as webhook_store_secrets() writes it */
/* As they were before. */
extern const struct shape webhook_shape_old_doc;
extern const struct shape webhook_shape_old_secrets;

/* member.c: typed members of an object; absent, null or of another type leaves things alone. */
void member_text(const struct json *object, const char *key, char **text); /* wipes the old one */
void member_bool(const struct json *object, const char *key, bool *truth);
bool member_uint(const struct json *object, const char *key, unsigned *n); /* whether it is there */
bool member_is_null(const struct json *object, const char *key);           /* given as null */
bool member_is_true(const struct json *object, const char *key);
const struct json *member_object(const struct json *object, const char *key); /* or NULL */
void member_text_set(char **text, const char *s); /* wipes and frees *text, copies s */
void member_text_free(char *text);                /* wipes; NULL is fine */

/* strings.c */
void strings_add(struct strings *strings, const char *s); /* unless it is there */
void strings_copy(struct strings *to, const struct strings *from);
void strings_clear(struct strings *strings);
/* Drops what is in `remove` and not in `add`, then adds; either may be NULL.  What is in both
 * keeps its place. */
void strings_merge(struct strings *strings, const struct json *add, const struct json *remove);
void strings_write(const struct strings *strings, struct buf *out); /* the array's value */

/* headers.c */
void headers_copy(struct headers *to, const struct headers *from);
void headers_clear(struct headers *headers);
/* As strings_merge(): `add` maps names to values, `remove` holds names; the case of a name does
 * not count, an added header takes the place of its namesake. */
void headers_merge(struct headers *headers, const struct json *add, const struct json *remove);
void headers_judge(
    const struct headers *headers, const char *prefix, const char *name, struct faults *faults);
void headers_write(const struct headers *headers, struct buf *out); /* the map's value */

/* endpoint.c */
void endpoint_init(struct endpoint *endpoint); /* the defaults, no url */
void endpoint_copy(struct endpoint *to, const struct endpoint *from);
void endpoint_clear(struct endpoint *endpoint);
/* Takes over the members of a create, update or stored endpoint; generates the secret. */
void endpoint_merge(struct endpoint *endpoint, const struct json *body);
/* Of a new endpoint, after the merge: without a word about hmacEnabled a secret means signed. */
void endpoint_default_hmac(struct endpoint *endpoint, const struct json *body);
/* A tag wants a secret. */
void endpoint_judge_tag(const struct endpoint *endpoint, const char *prefix, struct faults *faults);
enum endpoint_part {
	ENDPOINT_PUBLIC = 1, /* hmacEnabled, tag */
	ENDPOINT_SECRET = 2, /* secret, secureSsl, url, headers */
	ENDPOINT_HIDE = 4    /* the secret as "", the headers as {} */
};
/* Writes the members of those parts as an object under that key. */
void endpoint_write(
    const struct endpoint *endpoint, const char *key, unsigned parts, struct buf *out);

/* failure.c */
void failure_init(struct failure_handling *failure); /* the defaults */
void failure_copy(struct failure_handling *to, const struct failure_handling *from);
void failure_clear(struct failure_handling *failure);
void failure_reset(struct failure_handling *failure); /* to the defaults */
void failure_merge(struct failure_handling *failure, const struct json *body);
/* The member failureHandling, its alertEndpoint with those parts. */
void failure_write(const struct failure_handling *failure, unsigned alert_parts, struct buf *out);

#endif
