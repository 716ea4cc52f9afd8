/* Requests as bytes: verdicts and where they stop, however the bytes are cut; and what is passed
 * on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/wire.h"
#include "test/unit/wire_cases.h"
#include "test/unit/wire_slow.h"

#define CASES (sizeof wire_cases / sizeof wire_cases[0])
#define MUTATIONS 60000

/* --- helpers --- */

static void
case_text(const struct wire_case *c, struct buf *text)
{
	buf_reset(text);
	buf_adds(text, wire_places[c->place][0]);
	buf_add(text, c->text, c->len);
	buf_adds(text, wire_places[c->place][1]);
}

static size_t
case_stop(const struct wire_case *c, const struct buf *text)
{
	if (c->stop == LINE)
		return strlen(wire_places[c->place][0]) + c->len + 2;
	return c->stop == END ? text->len : (size_t)c->stop;
}

/* The verdict on what one feed said, in the words of the cases. */
static int
verdict(const struct wire *wire, enum wire_result result)
{
	if (result == WIRE_MORE)
		return WIRE_MORE_STATUS;
	if (result == WIRE_FAULT)
		return wire->status;
	return wire->excess ? 413 : 0;
}

/* Feeds bytes past the head, which is told once, before anything of the body is taken. */
static enum wire_result
feed(struct wire *wire, const char *p, size_t n, size_t *used)
{
	enum wire_result result = wire_feed(wire, p, n, used);
	size_t head = *used;

	if (result != WIRE_HEAD)
		return result;
	assert_true(wire_is_in_body(wire));
	assert_int_equal(wire->body.len, 0);
	assert_memory_equal(wire->out.data + wire->out.len - 4, "\r\n\r\n", 4);
	result = wire_feed(wire, p + head, n - head, used);
	assert_int_not_equal(result, WIRE_HEAD);
	*used += head;
	return result;
}

/* Feeds the text in pieces that end at `cut` and at its end; gives where it stopped. */
static size_t
feed_cut(struct wire *wire, const struct buf *text, size_t cut, int *status)
{
	size_t used = 0, more = 0;
	enum wire_result result = feed(wire, text->data, cut, &used);

	if (result == WIRE_MORE) {
		assert_int_equal(used, cut);
		result = feed(wire, text->data + cut, text->len - cut, &more);
	}
	*status = verdict(wire, result);
	return used + more;
}

/* --- tests --- */

static void
test_cases(void **state)
{
	struct buf text = {0};
	struct wire wire;
	size_t i, used;
	int status;

	(void)state;
	assert_true(CASES >= 250);
	for (i = 0; i < CASES; i++) {
		case_text(&wire_cases[i], &text);
		wire_init(&wire, WIRE_TEST_HEADER, WIRE_TEST_BODY);
		used = feed_cut(&wire, &text, text.len, &status);
		if (status != wire_cases[i].status || used != case_stop(&wire_cases[i], &text))
			fail_msg("case %zu: %d at %zu, wanted %d at %zu:\n%s", i, status, used,
			    wire_cases[i].status, case_stop(&wire_cases[i], &text), buf_str(&text));
		wire_clear(&wire);
	}
	buf_clear(&text);
}

/* Appends the request as it is passed on. */
static void
add_plain(struct buf *plain, const struct wire *wire)
{
	buf_add(plain, wire->out.data, wire->out.len);
	buf_add(plain, wire->body.data, wire->body.len);
}

/* The same in two pieces, cut at each byte, and a byte at a time. */
static void
test_cuts(void **state)
{
	struct buf text = {0}, out = {0}, plain = {0};
	size_t i, cut, used, at;
	struct wire wire;
	int status;

	(void)state;
	for (i = 0; i < CASES; i++) {
		case_text(&wire_cases[i], &text);
		for (cut = 0; cut <= text.len; cut++) {
			wire_init(&wire, WIRE_TEST_HEADER, WIRE_TEST_BODY);
			used = feed_cut(&wire, &text, cut, &status);
			assert_int_equal(status, wire_cases[i].status);
			assert_int_equal(used, case_stop(&wire_cases[i], &text));
			if (cut == 0) {
				buf_reset(&out);
				add_plain(&out, &wire);
			}
			buf_reset(&plain);
			add_plain(&plain, &wire);
			assert_string_equal(buf_str(&plain), buf_str(&out));
			wire_clear(&wire);
		}
		wire_init(&wire, WIRE_TEST_HEADER, WIRE_TEST_BODY);
		for (at = 0, status = WIRE_MORE_STATUS; at < text.len && status < 0; at += used)
			status = verdict(&wire, feed(&wire, text.data + at, 1, &used));
		assert_int_equal(status, wire_cases[i].status);
		assert_int_equal(at, case_stop(&wire_cases[i], &text));
		wire_clear(&wire);
	}
	buf_clear(&text);
	buf_clear(&out);
	buf_clear(&plain);
}

static void
expect_out(const char *text, const char *out)
{
	struct buf plain = {0};
	struct wire wire;
	size_t used;

	wire_init(&wire, WIRE_TEST_HEADER, WIRE_TEST_BODY);
	assert_int_equal(feed(&wire, text, strlen(text), &used), WIRE_WHOLE);
	assert_int_equal(used, strlen(text));
	add_plain(&plain, &wire);
	assert_string_equal(buf_str(&plain), out);
	buf_clear(&plain);
	wire_clear(&wire);
}

/* What is passed on. */
static void
test_out(void **state)
{
#define P "POST / HTTP/1.1\r\n"
	(void)state;
	expect_out("\r\nGET / HTTP/1.1\r\nhOst:a\r\nA:\t b \r\nC:\r\n\r\n",
	    "GET / HTTP/1.1\r\nhOst: a\r\nA: b\r\nC: \r\n\r\n");
	expect_out(P "Host: a\r\nContent-Length: 002\r\n\r\n{}", P "Host: a\r\n\r\n{}");
	expect_out(P "Host: a\r\nContent-Length: 0\r\n\r\n", P "Host: a\r\n\r\n");
	expect_out(P "Transfer-Encoding: chunked\r\nHost: a\r\n\r\n"
		     "2;x=\"y\"\r\nab\r\n01\r\nc\r\n0\r\nX: y\r\n\r\n",
	    P "Host: a\r\n\r\nabc");
	expect_out(P "Host: a\r\nExpect: 100-continue\r\nConnection: x, Close\r\n\r\n",
	    P "Host: a\r\n\r\n");
	expect_out("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: x\r\n\r\n",
	    "GET / HTTP/1.0\r\n\r\n");
#undef P
}

/* A body that is not wanted is read, and not kept. */
static void
test_skip(void **state)
{
	static const char *const heads[] = {
	    "Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"};
	static const char *const bodies[] = {"12345", "2\r\n12\r\n3\r\n345\r\n0\r\n\r\n"};
	struct buf text = {0};
	struct wire wire;
	size_t used;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		wire_init(&wire, WIRE_TEST_HEADER, WIRE_TEST_BODY);
		buf_reset(&text);
		buf_adds(&text, "POST / HTTP/1.1\r\nHost: a\r\n");
		buf_adds(&text, heads[i]);
		assert_int_equal(wire_feed(&wire, text.data, text.len, &used), WIRE_HEAD);
		assert_int_equal(used, text.len);
		assert_int_equal(wire_feed(&wire, bodies[i], 4, &used), WIRE_MORE);
		wire_skip(&wire);
		assert_int_equal(
		    wire_feed(&wire, bodies[i] + 4, strlen(bodies[i]) - 4, &used), WIRE_WHOLE);
		assert_int_equal(wire.body.len, 0);
		assert_int_equal(wire.taken, 5);
		wire_clear(&wire);
	}
	buf_clear(&text);
}

/* Feeds n bytes of `c` behind the text; gives how many were taken. */
static size_t
feed_endless(struct wire *wire, const char *text, const char *unit, size_t n, int *status)
{
	size_t used, at = 0, len = strlen(unit);

	wire_init(wire, WIRE_TEST_HEADER, WIRE_TEST_BODY);
	*status = verdict(wire, feed(wire, text, strlen(text), &used));
	assert_int_equal(*status, WIRE_MORE_STATUS);
	while (at < n && *status == WIRE_MORE_STATUS) {
		*status = verdict(wire, feed(wire, unit, len, &used));
		at += used;
		assert_true(wire->out.cap + wire->body.cap + wire->line.cap <
			    (size_t)16 * WIRE_TEST_HEADER);
	}
	wire_clear(wire);
	return at;
}

/* What has no end is refused at its limit. */
static void
test_endless(void **state)
{
#define HEAD "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
	static const struct {
		const char *text, *unit;
		int status;
		size_t most; /* bytes taken behind the text */
	} cases[] = {
	    {"GET ", "/", 414, WIRE_TEST_HEADER - 4},
	    {"G", "E", 414, WIRE_TEST_HEADER - 1},
	    {HEAD, "a", 431, WIRE_TEST_HEADER - 26},
	    {HEAD "A: ", "b", 431, WIRE_TEST_HEADER - 29},
	    {HEAD, "A:\r\n", 431, 4 * 256},
	    {HEAD, "Abcde: fgh\r\n", 431, WIRE_TEST_HEADER - 26},
	    {CHUNKED, "0", 400, 1024},
	    {CHUNKED "1;a=\"", "b", 400, 1024 - 5},
	    {CHUNKED, "1\r\na\r\n", 413, 300 * 6 + 3},
	    {CHUNKED, "1;abcdefghijklmnopqrstuvwxyz=abcdefghijklmnopqrstuvwxyz\r\na\r\n", 413,
		WIRE_TEST_HEADER * 2},
	    {CHUNKED "0\r\n", "A:\r\n", 431, 4 * 257},
	    {CHUNKED "0\r\nA: ", "b", 431, WIRE_TEST_HEADER - 3},
	};
	struct wire wire;
	size_t i, used;
	int status;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		used = feed_endless(&wire, cases[i].text, cases[i].unit, 1000000, &status);
		if (status != cases[i].status || used > cases[i].most)
			fail_msg("case %zu: %d after %zu", i, status, used);
	}
}

/* --- against the slow reading --- */

static size_t
pick(unsigned *seed, size_t n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % n;
}

/* Changes a few bytes; with those that matter more often than others. */
static void
mutate(struct buf *text, unsigned *seed)
{
	static const char special[] =
	    "\r\n\r\n\0 \t:;=\"\\,%#/?*[]@+-0123456789abxF\x80\xff\x7f\x01";
	size_t n = 1 + pick(seed, 3), at;
	char c;

	for (; n > 0; n--) {
		at = pick(seed, text->len + 1);
		c = special[pick(seed, sizeof special - 1)];
		switch (pick(seed, 4)) {
		case 0: /* insert */
			buf_addc(text, 0);
			memmove(text->data + at + 1, text->data + at, text->len - 1 - at);
			text->data[at] = c;
			break;
		case 1: /* delete */
			if (at < text->len) {
				memmove(text->data + at, text->data + at + 1, text->len - at - 1);
				text->len--;
			}
			break;
		case 2: /* repeat what is there */
			if (at < text->len)
				buf_add(text, special, pick(seed, sizeof special));
			break;
		default:
			if (at < text->len)
				text->data[at] = c;
			break;
		}
	}
}

static void
compare(const struct buf *text, struct slow *slow)
{
	struct wire wire;
	size_t used;
	int status;

	wire_init(&wire, WIRE_TEST_HEADER, WIRE_TEST_BODY);
	used = feed_cut(&wire, text, text->len / 2, &status);
	slow_read(
	    slow, text->len > 0 ? text->data : "", text->len, WIRE_TEST_HEADER, WIRE_TEST_BODY);
	if (status != slow->status || used != slow->used ||
	    (status == 0 &&
		(wire.body.len != slow->body.len ||
		    memcmp(buf_str(&wire.body), buf_str(&slow->body), slow->body.len) != 0))) {
		print_message("%.*s\n", (int)text->len, text->data);
		fail_msg("%d at %zu, but %d at %zu", status, used, slow->status, slow->used);
	}
	wire_clear(&wire);
}

static void
test_mutations(void **state)
{
	struct buf text = {0}, other = {0};
	struct slow slow = {0};
	unsigned seed = 20261123;
	size_t i;

	(void)state;
	for (i = 0; i < CASES; i++) {
		case_text(&wire_cases[i], &text);
		compare(&text, &slow);
	}
	for (i = 0; i < MUTATIONS; i++) {
		case_text(&wire_cases[pick(&seed, CASES)], &text);
		if (pick(&seed, 4) == 0 &&
		    text.len > 0) { /* the end of another behind its beginning */
			case_text(&wire_cases[pick(&seed, CASES)], &other);
			text.len = pick(&seed, text.len);
			if (other.len > 0)
				buf_adds(
				    &text, buf_str(&other) + pick(&seed, strlen(other.data) + 1));
		}
		mutate(&text, &seed);
		compare(&text, &slow);
	}
	buf_clear(&text);
	buf_clear(&other);
	buf_clear(&slow.body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_cuts),
	    cmocka_unit_test(test_out),
	    cmocka_unit_test(test_skip),
	    cmocka_unit_test(test_endless),
	    cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
