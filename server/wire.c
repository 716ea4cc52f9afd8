/*
 * HTTP/1 requests as bytes: lines are gathered and judged, bodies counted.
 *
 *   START -> FIELDS                      [wire_request_line]
 *   FIELDS -> BODY, SIZE or DONE         [wire_head_end]
 *   FIELDS, SIZE -> DONE                 [wire_exceed]
 *   BODY -> DONE                         [wire_take_data]
 *   SIZE -> DATA or TRAILERS             [wire_size]
 *   DATA -> DATA_END                     [wire_take_data]
 *   DATA_END -> SIZE, TRAILERS -> DONE   [wire_line]
 *   DONE -> START                        [wire_next]
 *   anything but DONE -> FAILED          [wire_fail]
 *
 * A verdict depends on the bytes alone, never on how they were cut into pieces: a line is judged
 * when its LF is there, or when it has reached the length that it may have.
 */
#include "server/wire.h"

#include <string.h>

#include "proto/grammar.h"
#include "server/wire_internal.h"

#define WIRE_KEPT 4096          /* bytes of memory that an idle connection may keep */
#define WIRE_PLAIN_SIZE_LINE 18 /* bytes: 16 digits and CRLF */

void
wire_fail(struct wire *wire, int status, const char *why)
{
	wire->state = WIRE_FAILED;
	wire->status = status;
	wire->why = why;
}

void
wire_exceed(struct wire *wire)
{
	buf_clear(&wire->body);
	wire->excess = true;
	wire->state = WIRE_DONE;
}

/* --- lines --- */

/* A chunk's size, or 0 for the last. */
static void
wire_size(struct wire *wire, const char *s, size_t n)
{
	uint64_t size;

	if (!grammar_read_size(s, n, &size)) {
		wire_fail(wire, 400, "a chunk's size is not valid");
		return;
	}
	if (n + 2 > WIRE_PLAIN_SIZE_LINE)
		wire->extra_len += n + 2 - WIRE_PLAIN_SIZE_LINE;
	if (wire->extra_len > wire->max_header) {
		wire_fail(wire, 413, "the chunk extensions are longer than");
		wire->limit = wire->max_header;
	} else if (size > wire->max_body - wire->taken) {
		wire_exceed(wire);
	} else {
		wire->left = size;
		wire->state = size > 0 ? WIRE_DATA : WIRE_TRAILERS;
	}
}

/* A line with its LF. */
static void
wire_line(struct wire *wire, const char *s, size_t n)
{
	wire->head_len += n;
	if (n < 2 || s[n - 2] != '\r') {
		wire_fail(wire, 400, "a line does not end with CRLF");
		return;
	}
	n -= 2;
	switch (wire->state) {
	case WIRE_START:
		wire_request_line(wire, s, n);
		break;
	case WIRE_FIELDS:
		if (n > 0)
			wire_field(wire, s, n);
		else
			wire_head_end(wire);
		break;
	case WIRE_SIZE:
		wire->head_len = 0;
		wire_size(wire, s, n);
		break;
	case WIRE_DATA_END:
		wire->head_len = 0;
		if (n > 0)
			wire_fail(wire, 400, "a chunk's data is not followed by CRLF");
		else
			wire->state = WIRE_SIZE;
		break;
	case WIRE_TRAILERS:
		if (n > 0)
			wire_trailer(wire, s, n);
		else
			wire->state = WIRE_DONE;
		break;
	default: /* no lines there */
		break;
	}
}

/* How long the present line may be. */
static size_t
wire_line_max(const struct wire *wire)
{
	if (wire->state == WIRE_SIZE)
		return WIRE_MAX_SIZE_LINE;
	if (wire->state == WIRE_DATA_END)
		return 2;
	return wire->max_header - wire->head_len;
}

static void
wire_line_too_long(struct wire *wire)
{
	switch (wire->state) {
	case WIRE_SIZE:
		wire_fail(wire, 400, "a chunk's size line is too long");
		return;
	case WIRE_DATA_END:
		wire_fail(wire, 400, "a chunk's data is not followed by CRLF");
		return;
	case WIRE_START:
		wire_fail(wire, 414, "the request line is longer than");
		break;
	default:
		wire_fail(wire, 431, "the header fields are longer than");
		break;
	}
	wire->limit = wire->max_header;
}

/* Takes bytes up to the end of the line at most, and gives their number. */
static size_t
wire_take_line(struct wire *wire, const char *p, size_t n)
{
	size_t room = wire_line_max(wire) - wire->line.len, len = n < room ? n : room;
	const char *lf = memchr(p, '\n', len);

	/* no need to wait for the end of what cannot become a request: TLS, for example */
	if (wire->state == WIRE_START && wire->line.len == 0 && *p != '\r' &&
	    !grammar_is_tchar(*p)) {
		wire_fail(wire, 400, "this is not HTTP");
		return 1;
	}
	if (lf != NULL)
		len = (size_t)(lf - p) + 1;
	if (lf != NULL && wire->line.len == 0) {
		wire_line(wire, p, len);
		return len;
	}
	buf_add(&wire->line, p, len);
	if (lf != NULL) {
		wire_line(wire, wire->line.data, wire->line.len);
		buf_reset(&wire->line);
	} else if (len == room) {
		wire_line_too_long(wire);
	}
	return len;
}

/* --- the whole --- */

static size_t
wire_take_data(struct wire *wire, const char *p, size_t n)
{
	size_t len = n < wire->left ? n : (size_t)wire->left;

	if (!wire->skips)
		buf_add(&wire->body, p, len);
	wire->taken += len;
	wire->left -= len;
	if (wire->left == 0)
		wire->state = wire->state == WIRE_BODY ? WIRE_DONE : WIRE_DATA_END;
	return len;
}

enum wire_result
wire_feed(struct wire *wire, const char *p, size_t n, size_t *used)
{
	size_t at = 0;

	while (at < n && wire->state != WIRE_DONE && wire->state != WIRE_FAILED && !wire->at_body) {
		if (wire->state == WIRE_BODY || wire->state == WIRE_DATA)
			at += wire_take_data(wire, p + at, n - at);
		else
			at += wire_take_line(wire, p + at, n - at);
	}
	*used = at;
	if (wire->at_body) {
		wire->at_body = false;
		return WIRE_HEAD;
	}
	if (wire->state == WIRE_FAILED)
		return WIRE_FAULT;
	return wire->state == WIRE_DONE ? WIRE_WHOLE : WIRE_MORE;
}

bool
wire_is_within(const struct wire *wire)
{
	return wire->line.len > 0 || (wire->state != WIRE_START && wire->state != WIRE_DONE);
}

bool
wire_is_in_body(const struct wire *wire)
{
	return wire->state >= WIRE_BODY && wire->state <= WIRE_TRAILERS;
}

bool
wire_is_expecting(const struct wire *wire)
{
	return wire->expects && wire->line.len == 0 && wire->taken == 0 &&
	       (wire->state == WIRE_BODY || wire->state == WIRE_SIZE);
}

bool
wire_is_last(const struct wire *wire)
{
	return wire->close || wire->excess || (wire->minor == 0 && !wire->keep_alive);
}

void
wire_init(struct wire *wire, size_t max_header, size_t max_body)
{
	memset(wire, 0, sizeof *wire);
	wire->max_header = max_header;
	wire->max_body = max_body;
}

void
wire_clear(struct wire *wire)
{
	buf_clear(&wire->out);
	buf_clear(&wire->body);
	buf_clear(&wire->line);
}

void
wire_skip(struct wire *wire)
{
	wire->skips = true;
	buf_clear(&wire->body);
}

void
wire_drop_body(struct wire *wire)
{
	if (wire->body.cap > WIRE_KEPT)
		buf_clear(&wire->body);
	else
		buf_reset(&wire->body);
}

void
wire_next(struct wire *wire)
{
	struct buf out, body, line;

	if (wire->out.cap > WIRE_KEPT || wire->line.cap > WIRE_KEPT)
		wire_clear(wire);
	wire_drop_body(wire);
	out = wire->out;
	body = wire->body;
	line = wire->line;
	buf_reset(&out);
	body.secret = false;
	wire_init(wire, wire->max_header, wire->max_body);
	wire->out = out;
	wire->body = body;
	wire->line = line;
}
