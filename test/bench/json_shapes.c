/*
 * Times json_parse() on bodies of 1 MiB in many shapes, as the API calls it, and compares each with
 * a plain one: a batch of events.  CPU time, the best of several runs.  Fails beyond ten times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/json.h"

#define SHAPE_SIZE ((size_t)1 << 20)
#define SHAPE_RUNS 7
#define SHAPE_RATIO_MAX 10.0

/* head, then as many units as fit, each with its number where it has a %, then tail. */
struct shape {
	const char *name;
	const char *head;
	const char *unit;
	const char *tail;
	bool accepted;
};

#define DEEP8 "[[[[[[[["
#define SHUT8 "]]]]]]]]"
#define DEEP62 DEEP8 DEEP8 DEEP8 DEEP8 DEEP8 DEEP8 DEEP8 "[[[[[["
#define SHUT62 SHUT8 SHUT8 SHUT8 SHUT8 SHUT8 SHUT8 SHUT8 "]]]]]]"
#define NEST "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
#define UNNEST "}}}}}}}}"
#define NEST56 NEST NEST NEST NEST NEST NEST NEST
#define UNNEST56 UNNEST UNNEST UNNEST UNNEST UNNEST UNNEST UNNEST
#define KEYS15                                                                                     \
	"\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,"         \
	"\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1"

static const struct shape shapes[] = {
    {"plain: events", "[",
	"{\"type\":\"policy.issue\",\"data\":{\"number\":\"P-%zx\",\"premium\":1234.5,"
	"\"holder\":{\"name\":\"Ada Example\",\"vip\":true}}},",
	"null]", true},
    {"one string", "\"", "the quick brown fox ", "\"", true},
    {"one string, 3-byte characters", "\"", "\xe2\x82\xac", "\"", true},
    {"one string, 4-byte characters", "\"", "\xf0\x9f\x98\x80", "\"", true},
    {"one string, \\n", "\"", "\\n", "\"", true},
    {"one string, \\u0041", "\"", "\\u0041", "\"", true},
    {"one string, surrogate pairs", "\"", "\\ud83d\\ude00", "\"", true},
    {"one string, backslashes", "\"", "\\\\", "\"", true},
    {"one key", "{\"", "k", "\":1}", true},
    {"one key, escapes", "{\"", "\\t", "\":1}", true},
    {"one number", "", "9", "9", true},
    {"one fraction", "1.", "1", "1", true},
    {"white space", "", " ", "1", true},
    {"line ends", "", "\n", "1", true},
    {"line ends, then a fault", "", "\n", "x", false},
    {"line ends between items", "[", "1\n\n\n\n,", "1]", true},
    {"short items", "[", "1,", "1]", true},
    {"empty strings", "[", "\"\",", "1]", true},
    {"empty arrays", "[", "[],", "1]", true},
    {"empty objects", "[", "{},", "1]", true},
    {"objects of one key", "[", "{\"a\":1},", "1]", true},
    {"short keys", "{", "\"%zx\":1,", "\"\":1}", true},
    {"short keys, escaped", "{", "\"\\u0030%zx\":1,", "\"\":1}", true},
    {"short keys in data", "{\"data\":{", "\"%zx\":1,", "\"\":1}}", true},
    {"keys alike at the front", "{", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%zx\":1,",
	"\"\":1}", true},
    {"objects of 15 keys", "[", "{" KEYS15 "},", "1]", true},
    {"objects of 17 keys", "[", "{" KEYS15 ",\"p\":1,\"q\":1},", "1]", true},
    {"duplicate at the end", "{", "\"%zx\":1,", "\"0\":1}", false},
    {"arrays, 63 deep", "[", DEEP62 SHUT62 ",", "1]", true},
    {"objects, 57 deep", "[", NEST56 "1" UNNEST56 ",", "1]", true},
    {"too deep", "", "[", "", false},
    {"too deep, objects", "", "{\"\":", "", false},
    {"unclosed string", "[", "\"\\\"", "", false},
    {"lone surrogate at the end", "\"", "a", "\\ud800\"", false},
    {"not UTF-8 at the end", "\"", "\xc3\xa9", "\xff\"", false},
    {"commas", "[", ",", "]", false},
    {"fault at the end", "[", "1,", "]", false},
    {"true and false", "[", "true,false,", "null]", true},
};

#define SHAPES (sizeof shapes / sizeof shapes[0])

static void
shape_make(const struct shape *shape, struct buf *out)
{
	size_t at = 0, tail = strlen(shape->tail), longest = strlen(shape->unit) + 16;
	bool numbered = strchr(shape->unit, '%') != NULL;

	buf_adds(out, shape->head);
	while (out->len + longest + tail <= SHAPE_SIZE) {
		if (!numbered) {
			buf_adds(out, shape->unit);
			continue;
		}
		for (const char *s = shape->unit; *s != '\0'; s++) {
			if (*s != '%') {
				buf_addc(out, *s);
				continue;
			}
			buf_printf(out, "%zx", at++);
			s = strpbrk(s, "xu");
		}
	}
	buf_adds(out, shape->tail);
}

static double
shape_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Microseconds; -1 when the verdict is not the expected one. */
static double
shape_time(const struct shape *shape, const struct buf *text, size_t keep)
{
	struct json_doc doc = {0};
	struct json_error error;
	double best = -1;

	for (int i = 0; i < SHAPE_RUNS; i++) {
		double begin = shape_now_us(), took;
		int rc = json_parse(&doc, text->data, text->len, keep, &error);

		json_doc_clear(&doc);
		took = shape_now_us() - begin;
		if ((rc == 0) != shape->accepted)
			return -1;
		if (best < 0 || took < best)
			best = took;
	}
	return best;
}

int
main(void)
{
	static const size_t keeps[] = {2, SIZE_MAX};
	double plain[2] = {0}, took, ratio, worst = 0;
	const char *worst_name = "";

	printf("%-32s %9s %6s %9s %6s\n", "1 MiB of", "keep 2 us", "ratio", "keep all", "ratio");
	for (size_t i = 0; i < SHAPES; i++) {
		struct buf text = {0};

		shape_make(&shapes[i], &text);
		printf("%-32s", shapes[i].name);
		for (size_t k = 0; k < 2; k++) {
			took = shape_time(&shapes[i], &text, keeps[k]);
			if (took < 0) {
				printf(" not judged as expected\n");
				return 1;
			}
			if (i == 0)
				plain[k] = took;
			ratio = took / plain[k];
			if (ratio > worst) {
				worst = ratio;
				worst_name = shapes[i].name;
			}
			printf(" %9.0f %6.2f", took, ratio);
		}
		printf("\n");
		buf_clear(&text);
	}
	printf("worst: %s, %.2f times the plain one\n", worst_name, worst);
	return worst <= SHAPE_RATIO_MAX ? 0 : 1;
}
