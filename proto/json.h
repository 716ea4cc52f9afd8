/* JSON (RFC 8259): a strict parser into a small tree, and a writer.  The only user of yajl. */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"

#define JSON_MAX_DEPTH 64 /* containers within containers; deeper is an error */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_OBJECT, JSON_ARRAY };

struct json {
	enum json_type type;
	bool truth;         /* JSON_BOOL */
	struct json *next;  /* the next member or item of the same container */
	struct json *child; /* first member or item; NULL below the depth that was kept */
	size_t count;       /* members or items (also below the kept depth: 0 there) */
	const char *key;    /* decoded, NUL-terminated; NULL for items and the root */
	size_t key_len;     /* a key may hold NUL */
	const char *str;    /* JSON_STRING: decoded, NUL-terminated; JSON_NUMBER: its spelling */
	size_t str_len;     /* a string may hold NUL */
	const char *raw;    /* the value's own bytes in the text that was parsed (borrowed) */
	size_t raw_len;
};

/* A parsed text; zero-initialise.  Owns all nodes, keys and strings, but not the text, which
 * the raw spans point into. */
struct json_doc {
	struct arena arena;
	struct json *root;
	size_t most; /* nodes at most, more is an error; 0: any number */
};

struct json_error {
	size_t offset; /* of the fault, bytes from 0 */
	size_t line;   /* from 1 */
	char text[128];
};

/*
 * Parses one JSON text.  Refuses: anything outside the grammar (also \v and \f as white space,
 * a BOM, trailing text), bytes that are not UTF-8 (overlong forms, surrogates, > U+10FFFF), lone
 * surrogate escapes, nesting deeper than JSON_MAX_DEPTH, duplicate keys in any object (compared
 * decoded), also in the parts that are not kept.  Nodes are made only for containers up to
 * `keep` levels: 1 keeps the root's members, whose containers have no children; SIZE_MAX keeps
 * all.  Time is linear in len whatever the text.
 * Returns 0, or -1 with *error filled; the document is to be cleared in both cases.
 */
int json_parse(
    struct json_doc *doc, const char *text, size_t len, size_t keep, struct json_error *error);

/* The same in steps of about so many bytes, for texts that would take too long at once.  Everything
 * is borrowed until the last step. */
struct json_parser *json_begin(struct json_doc *doc, const char *text, size_t len, size_t keep);
/* 1: there is more to do.  0 or -1, as above: it was the last step, and the parser is gone. */
int json_step(struct json_parser *parser, size_t bytes, struct json_error *error);

void json_doc_clear(struct json_doc *doc);
void json_doc_wipe(struct json_doc *doc); /* the same, for a text with secrets in it */

/* The member of that name, or NULL when it is absent or null. */
const struct json *json_get(const struct json *object, const char *key);
/* The value of a JSON number that is an integer in int64 (no fraction, no exponent); 0 or -1. */
int json_int(const struct json *value, int64_t *n);
bool json_str_is(const struct json *value, const char *s); /* a string with exactly these bytes */

/*
 * The writer appends to a buffer.  Commas come by themselves: a value or key writes one unless
 * the last byte is one of { [ : or the buffer is empty.
 */
void json_open(struct buf *buf, char bracket);  /* '{' or '[' */
void json_close(struct buf *buf, char bracket); /* '}' or ']' */
void json_key(struct buf *buf, const char *key);
void json_add_str(struct buf *buf, const char *s);
void json_add_strn(struct buf *buf, const char *s, size_t n); /* n bytes of UTF-8 */
void json_add_int(struct buf *buf, int64_t n);
void json_add_bool(struct buf *buf, bool truth);
void json_add_null(struct buf *buf);
void json_add_raw(struct buf *buf, const char *json, size_t n); /* n bytes that are JSON already */

/* How many of the n bytes, from the first, are well-formed UTF-8 (RFC 3629). */
size_t utf8_span(const char *s, size_t n);
/* Whether n bytes are well-formed UTF-8. */
bool utf8_valid(const char *s, size_t n);
/* The number of code points of well-formed UTF-8. */
size_t utf8_count(const char *s, size_t n);

#endif
