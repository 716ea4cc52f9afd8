/* The answer to a request: HTTP/1 read from bytes as they come (RFC 9112). */
#ifndef DELIVER_ANSWER_H
#define DELIVER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Bytes of heads, interim ones included; and as many of what frames a body: the sizes of chunks
 * beyond their digits, and trailers. */
#define ANSWER_HEAD_MAX 65536
#define ANSWER_LINE_MAX 16384 /* bytes of a line */

/*
 * STATUS -> FIELDS                     and back to STATUS after an interim head
 * FIELDS -> BODY, SIZE, REST or DONE   the head is whole: how the body is framed
 * SIZE -> DATA -> DATA_END -> SIZE     a chunk;  SIZE -> TRAILERS -> DONE after the last
 * any -> FAILED                        FIELDS of a final status -> FAILED_BODY
 *
 * From BODY on the status stands, whatever becomes of the rest; so does a final status whose head
 * is faulty behind its first line.
 */
enum answer_state {
	ANSWER_STATUS,
	ANSWER_FIELDS,
	ANSWER_FAILED_HEAD, /* `why` says what is wrong with it */
	ANSWER_BODY,        /* of a known length */
	ANSWER_SIZE,        /* a chunk's size and extensions */
	ANSWER_DATA,        /* a chunk's data */
	ANSWER_DATA_END,    /* the line's end after it */
	ANSWER_TRAILERS,
	ANSWER_REST, /* until the connection ends */
	ANSWER_DONE,
	ANSWER_FAILED_BODY /* broken or too long, or the head was: what follows is not read */
};

struct answer {
	enum answer_state state;
	/* the head's */
	int status;      /* 100-599; 101 is the only interim one that stands */
	const char *why; /* a constant */
	bool closes;     /* the connection is not to be used again, by the answer's own account or
			    because what follows could be mistaken */
	char retry_after[64]; /* the header's value; "" when there is none, or a longer one */
	/* the body's */
	size_t max_body; /* more of it is not read */
	size_t keep;     /* the first bytes of it that are kept in body */
	size_t body_len; /* bytes so far */
	struct buf body;
	/* how far it is read */
	struct buf line; /* the beginning of a line that is not all there */
	size_t framing;  /* bytes of lines that the limits are about */
	unsigned lengths, codings;
	bool chunked;
	uint64_t length, left; /* Content-Length; bytes to come of the body or chunk */
};

/* Begins a new one; keeps the memory of the old. */
void answer_reset(struct answer *answer, size_t max_body, size_t keep);
void answer_clear(struct answer *answer);

/* Reads; returns how many of the n bytes belong to this answer: fewer only when it is DONE or
 * FAILED, where nothing more is taken. */
size_t answer_feed(struct answer *answer, const char *p, size_t n);
/* The connection ended: so does a body that has no other end. */
void answer_end(struct answer *answer);

/* What came so far is no answer, nor the beginning of one. */
bool answer_is_foreign(const struct answer *answer);
bool answer_has_head(const struct answer *answer); /* the status stands */
bool answer_is_over(const struct answer *answer);  /* DONE or FAILED */

#endif
