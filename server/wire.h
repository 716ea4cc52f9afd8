/* HTTP/1 requests as bytes: what the grammar allows, made plain; the rest refused. */
#ifndef SERVER_WIRE_H
#define SERVER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * What another reader of the same bytes might understand otherwise is refused (RFC 9112, section
 * 11.2: request smuggling); what is allowed is written anew in one form: "name: value" lines
 * without the white space around values, the fields about framing and the connection left out, and
 * an empty line; the body without its chunks.  A request with too long a body comes without it:
 * there may be other reasons to refuse it, which come first.
 */
enum wire_result {
	WIRE_MORE,  /* all was taken; the request goes on, or none has begun */
	WIRE_HEAD,  /* the head is in out, and a body follows: said once, before any of it is taken
		     */
	WIRE_WHOLE, /* the request is in out and body; wire_next() before the next byte */
	WIRE_FAULT  /* status and why say what; nothing more is taken */
};

enum wire_state {
	WIRE_START, /* the request line, or one empty line before it */
	WIRE_FIELDS,
	WIRE_BODY,     /* of a known length */
	WIRE_SIZE,     /* a chunk's size and extensions */
	WIRE_DATA,     /* a chunk's data */
	WIRE_DATA_END, /* the CRLF after it */
	WIRE_TRAILERS,
	WIRE_DONE,
	WIRE_FAILED
};

struct wire {
	enum wire_state state;
	size_t max_header, max_body;
	struct buf out;  /* the head in its plain form */
	struct buf body; /* without its chunks */
	struct buf line; /* the beginning of a line that is not all there */
	/* the fault: an HTTP status, a constant text, and a number of bytes that belongs behind it,
	 * or 0 */
	int status;
	const char *why;
	size_t limit;
	/* what the request says so far */
	bool secret; /* it is about webhooks, and may hold secrets: no copy of it may stay behind */
	bool blank;  /* an empty line came before it */
	unsigned minor;
	bool head, bodiless; /* the method: HEAD; one that has no body */
	bool close, keep_alive;
	bool expects; /* 100 Continue before the body */
	bool chunked;
	bool excess;  /* the body is too long: it was left out, and nothing may follow */
	bool at_body; /* WIRE_HEAD is to be said */
	bool skips;   /* the body is not kept */
	unsigned hosts, lengths, codings, tokens, keys, fields;
	uint64_t length;   /* Content-Length, saturated */
	size_t id, id_len; /* where out has the first X-Request-Id's value */
	/* where we are */
	size_t head_len;  /* bytes of the head's whole lines; then of the trailers' */
	size_t extra_len; /* bytes in chunk sizes beyond what a size needs */
	size_t taken;     /* bytes of the body */
	uint64_t left;    /* bytes to come of the body or chunk */
};

/* The longest head (also: all trailers together) and body, in bytes. */
void wire_init(struct wire *wire, size_t max_header, size_t max_body);
void wire_clear(struct wire *wire);
/* Reads from the n bytes; *used of them were taken. */
enum wire_result wire_feed(struct wire *wire, const char *p, size_t n, size_t *used);
/* What comes of the body is not kept from now on, and what is here forgotten. */
void wire_skip(struct wire *wire);
/* Gives the body's memory back, unless it is little: nobody needs it any more. */
void wire_drop_body(struct wire *wire);
/* Forgets the request that was whole. */
void wire_next(struct wire *wire);
/* Whether a request has begun and is not whole. */
bool wire_is_within(const struct wire *wire);
/* Whether its head is whole, and its body is not. */
bool wire_is_in_body(const struct wire *wire);
/* Whether the client waits for 100 Continue: it asked for it, and no byte of the body is here. */
bool wire_is_expecting(const struct wire *wire);
/* Whether the connection ends with this request, by what it says itself. */
bool wire_is_last(const struct wire *wire);

#endif
