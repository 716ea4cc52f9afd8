/* HTTP/1 answers: the status counts, so what follows it is read with patience, and used with none.
 */
#include "deliver/answer.h"

#include <string.h>
#include <strings.h>

#include "proto/grammar.h"

void
answer_reset(struct answer *answer, size_t max_body, size_t keep)
{
	struct buf body = answer->body, line = answer->line;

	*answer = (struct answer){.max_body = max_body, .keep = keep, .body = body, .line = line};
	buf_reset(&answer->body);
	buf_reset(&answer->line);
}

void
answer_clear(struct answer *answer)
{
	buf_clear(&answer->body);
	buf_clear(&answer->line);
}

bool
answer_has_head(const struct answer *answer)
{
	return answer->state > ANSWER_FAILED_HEAD;
}

bool
answer_is_over(const struct answer *answer)
{
	return answer->state == ANSWER_FAILED_HEAD || answer->state >= ANSWER_DONE;
}

/* Of an interim head only its end counts. */
static bool
answer_is_interim(const struct answer *answer)
{
	return answer->status < 200 && answer->status != 101;
}

/* What is wrong behind a final status line takes nothing from it: only the rest is not read. */
static void
answer_fail(struct answer *answer, const char *why)
{
	bool stands = answer->state > ANSWER_FAILED_HEAD ||
		      (answer->state == ANSWER_FIELDS && !answer_is_interim(answer));

	answer->closes = true;
	answer->why = why;
	answer->state = stands ? ANSWER_FAILED_BODY : ANSWER_FAILED_HEAD;
}

/* --- the head --- */

/* RFC 9112, 4: HTTP-version SP status-code [ SP reason ]; many leave the last space out. */
static void
answer_status_line(struct answer *answer, const char *s, size_t n)
{
	const char *space;
	uint64_t code;

	if (n == 0)
		return; /* some send an empty line behind a body that they have not counted */
	if (n < 9 || memcmp(s, "HTTP/1.", 7) != 0 || s[7] < '0' || s[7] > '9' || s[8] != ' ') {
		answer_fail(answer, "the answer is not valid HTTP");
		return;
	}
	answer->closes = s[7] == '0'; /* HTTP/1.0 closes by default */
	s += 9;
	n -= 9;
	space = memchr(s, ' ', n);
	if (space != NULL)
		n = (size_t)(space - s);
	if (!grammar_read_digits(s, n, &code)) {
		answer_fail(answer, "the answer is not valid HTTP");
		return;
	}
	if (n != 3 || code < 100 || code > 599) {
		answer_fail(answer, "the answer's status is not valid");
		return;
	}
	answer->status = (int)code;
	answer->state = ANSWER_FIELDS;
}

static void
answer_content_length(struct answer *answer, const char *s, size_t n)
{
	uint64_t length;

	if (!grammar_read_digits(s, n, &length)) {
		answer_fail(answer, "the answer is not valid HTTP");
		return;
	}
	if (answer->lengths++ == 0)
		answer->length = length;
	else if (answer->length == length)
		answer->closes = true;
	else
		answer_fail(answer, "the answer is not valid HTTP");
}

static void
answer_transfer_encoding(struct answer *answer, const char *s, size_t n)
{
	answer->chunked = answer->codings++ == 0 && n == 7 && strncasecmp(s, "chunked", n) == 0;
}

static void
answer_connection(struct answer *answer, const char *s, size_t n)
{
	answer->closes = answer->closes || grammar_lists(s, n, "close");
}

static void
answer_retry_after(struct answer *answer, const char *s, size_t n)
{
	if (n >= sizeof answer->retry_after)
		return;
	memcpy(answer->retry_after, s, n);
	answer->retry_after[n] = '\0';
}

static const struct {
	const char *name;
	size_t len;
	void (*fn)(struct answer *answer, const char *s, size_t n);
} answer_fields[] = {
    {"Content-Length", 14, answer_content_length},
    {"Transfer-Encoding", 17, answer_transfer_encoding},
    {"Connection", 10, answer_connection},
    {"Retry-After", 11, answer_retry_after},
};

/* A line that is no field fails the answer; one that could be read in two ways is passed over, but
 * then the next answer could be mistaken too. */
static void
answer_field(struct answer *answer, const char *s, size_t n)
{
	bool folded = *s == ' ' || *s == '\t';
	const char *colon = memchr(s, ':', n);
	size_t name, len;

	if (answer_is_interim(answer))
		return;
	if (colon == NULL && !folded) {
		answer_fail(answer, "the answer is not valid HTTP");
		return;
	}
	name = colon != NULL ? (size_t)(colon - s) : 0;
	if (folded || !grammar_is_token(s, name) || !grammar_is_value(colon + 1, n - name - 1)) {
		answer->closes = true;
		return;
	}
	len = n - name - 1;
	for (size_t i = 0; i < sizeof answer_fields / sizeof *answer_fields; i++) {
		if (answer_fields[i].len != name ||
		    strncasecmp(answer_fields[i].name, s, name) != 0)
			continue;
		s = grammar_trim(colon + 1, &len);
		answer_fields[i].fn(answer, s, len);
		return;
	}
}

/* The next head has its own fields; the limit is over all heads. */
static void
answer_interim(struct answer *answer)
{
	size_t framing = answer->framing;

	answer_reset(answer, answer->max_body, answer->keep);
	answer->framing = framing;
}

/* RFC 9112, 6.3: where the body ends. */
static void
answer_head_end(struct answer *answer)
{
	if (answer_is_interim(answer)) {
		answer_interim(answer);
		return;
	}
	if (answer->lengths > 0 && answer->codings > 0) {
		answer_fail(answer, "the answer is not valid HTTP");
		return;
	}
	answer->framing = 0;
	if (answer->status == 101 || answer->status == 204 || answer->status == 304) {
		answer->closes = answer->closes || answer->status == 101 || answer->codings > 0 ||
				 answer->length > 0;
		answer->state = ANSWER_DONE;
	} else if (answer->chunked) {
		answer->state = ANSWER_SIZE;
	} else if (answer->lengths > 0 && answer->codings == 0) {
		answer->left = answer->length;
		answer->state = answer->left > 0 ? ANSWER_BODY : ANSWER_DONE;
	} else {
		answer->closes = true;
		answer->state = ANSWER_REST;
	}
}

/* --- the body --- */

static void
answer_size_line(struct answer *answer, const char *s, size_t n)
{
	if (!grammar_read_size(s, n, &answer->left))
		answer_fail(answer, "the answer's body is broken");
	else
		answer->state = answer->left > 0 ? ANSWER_DATA : ANSWER_TRAILERS;
}

static void
answer_line(struct answer *answer, const char *s, size_t n)
{
	switch (answer->state) {
	case ANSWER_STATUS:
		answer_status_line(answer, s, n);
		break;
	case ANSWER_FIELDS:
		if (n == 0)
			answer_head_end(answer);
		else
			answer_field(answer, s, n);
		break;
	case ANSWER_SIZE:
		answer_size_line(answer, s, n);
		break;
	case ANSWER_DATA_END:
		if (n > 0)
			answer_fail(answer, "the answer's body is broken");
		else
			answer->state = ANSWER_SIZE;
		break;
	case ANSWER_TRAILERS:
		if (n == 0)
			answer->state = ANSWER_DONE;
		break;
	default:
		break;
	}
}

/* Of a chunk's size what no size needs is limited, not its digits: small chunks are no crime. */
static void
answer_count_line(struct answer *answer, size_t n)
{
	if (answer->state == ANSWER_SIZE || answer->state == ANSWER_DATA_END)
		n = n > 18 ? n - 18 : 0;
	answer->framing += n;
	if (answer->framing > ANSWER_HEAD_MAX)
		answer_fail(answer, "answer head over the limit");
}

/* Takes a line off the bytes, ending in CRLF or a bare LF (RFC 9112, 2.2). */
static size_t
answer_take_line(struct answer *answer, const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	size_t taken = lf != NULL ? (size_t)(lf - p) + 1 : n;
	const char *s = p;
	size_t len = taken;

	if (answer->line.len + taken > ANSWER_LINE_MAX) {
		answer_fail(answer, "answer head over the limit");
		return taken;
	}
	if (answer->line.len > 0 || lf == NULL) {
		buf_add(&answer->line, p, taken);
		s = answer->line.data;
		len = answer->line.len;
	}
	if (lf == NULL)
		return taken;
	answer_count_line(answer, len);
	len--;
	if (len > 0 && s[len - 1] == '\r')
		len--;
	answer_line(answer, s, len);
	buf_reset(&answer->line);
	return taken;
}

static size_t
answer_take_body(struct answer *answer, const char *p, size_t n)
{
	size_t room = answer->keep - answer->body.len;

	if (answer->state != ANSWER_REST && n > answer->left)
		n = (size_t)answer->left;
	buf_add(&answer->body, p, n < room ? n : room);
	answer->body_len += n;
	if (answer->body_len > answer->max_body) {
		answer_fail(answer, "the answer's body is over the limit");
		return n;
	}
	if (answer->state == ANSWER_REST)
		return n;
	answer->left -= n;
	if (answer->left == 0)
		answer->state = answer->state == ANSWER_DATA ? ANSWER_DATA_END : ANSWER_DONE;
	return n;
}

size_t
answer_feed(struct answer *answer, const char *p, size_t n)
{
	size_t used = 0;

	while (used < n && !answer_is_over(answer)) {
		if (answer->state == ANSWER_BODY || answer->state == ANSWER_DATA ||
		    answer->state == ANSWER_REST)
			used += answer_take_body(answer, p + used, n - used);
		else
			used += answer_take_line(answer, p + used, n - used);
	}
	return used;
}

bool
answer_is_foreign(const struct answer *answer)
{
	static const char begin[] = "HTTP/1.";
	size_t n = answer->line.len < sizeof begin - 1 ? answer->line.len : sizeof begin - 1;

	return answer->status == 0 && answer->state <= ANSWER_FAILED_HEAD &&
	       (answer->state == ANSWER_FAILED_HEAD ||
		   (n > 0 && memcmp(answer->line.data, begin, n) != 0));
}

void
answer_end(struct answer *answer)
{
	answer->closes = true;
	if (answer->state == ANSWER_REST)
		answer->state = ANSWER_DONE;
}
