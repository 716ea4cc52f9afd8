/* The strict JSON parser: yajl's events become a tree whose nodes know their bytes. */
#include "proto/json.h"

#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "proto/json_priv.h"

#define JSON_ERROR_KEY_MAX 64 /* bytes of a key that an error shows */

struct json_frame {
	struct json *node;  /* NULL when its own container is below the kept depth */
	struct json **tail; /* where the next child goes; NULL when children are not kept */
};

struct json_parser {
	struct json_doc *doc;
	struct json_error *error;
	const char *text;
	size_t len;
	size_t keep;
	yajl_handle yajl;
	size_t scanned; /* json_scan() has seen the text up to here */
	size_t fed;     /* and yajl up to here */
	size_t base;    /* where the piece begins that yajl is reading */
	size_t values;  /* nodes made */
	size_t blank;   /* from `at` on nothing but white space, commas and colons before this */
	size_t at;      /* end of the last value or key */
	bool failed;    /* *error is filled */
	bool at_end;    /* all text is fed: a number that ends it may still come */
	size_t depth;   /* open containers */
	const char *key;
	size_t key_len;
	struct json_keys keys;
	struct json_frame frames[JSON_MAX_DEPTH];
};

/* What precedes an allocation of yajl's, so that realloc knows its size. */
union json_block {
	size_t size;
	max_align_t align;
};

static void *
json_yajl_malloc(void *ctx, size_t size)
{
	union json_block *block = arena_alloc(ctx, sizeof *block + size);

	block->size = size;
	return block + 1;
}

static void *
json_yajl_realloc(void *ctx, void *p, size_t size)
{
	void *bigger;
	size_t old;

	if (p == NULL)
		return json_yajl_malloc(ctx, size);
	old = ((union json_block *)p - 1)->size;
	if (size <= old)
		return p;
	bigger = json_yajl_malloc(ctx, size);
	memcpy(bigger, p, old);
	return bigger;
}

/* The arena goes as a whole. */
static void
json_yajl_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static size_t
json_skip_space(const struct json_parser *p, size_t at)
{
	while (at < p->len && (p->text[at] == ' ' || p->text[at] == '\n' || p->text[at] == '\r' ||
				  p->text[at] == '\t'))
		at++;
	return at;
}

/* Where the token begins that yajl just reported: nothing but white space and one comma or colon
 * lies between it and the last one. */
static size_t
json_token_start(const struct json_parser *p)
{
	size_t at = json_skip_space(p, p->at);

	if (at < p->len && (p->text[at] == ',' || p->text[at] == ':'))
		at = json_skip_space(p, at + 1);
	return at;
}

static size_t
json_consumed(const struct json_parser *p)
{
	return p->base + yajl_get_bytes_consumed(p->yajl);
}

/* Where it ends.  Only a number at the very end is reported after the text was fed. */
static size_t
json_token_end(const struct json_parser *p)
{
	return p->at_end ? p->len : json_consumed(p);
}

/* Accounts for a value that begins at `start` in the container that is open now.  Returns its
 * node, or NULL when it lies below the kept depth. */
static struct json *
json_value(struct json_parser *p, enum json_type type, size_t start)
{
	struct json_frame *frame = p->depth > 0 ? &p->frames[p->depth - 1] : NULL;
	struct json *node;

	p->at = json_token_end(p);
	if (frame != NULL && frame->tail == NULL)
		return NULL;
	if (++p->values > p->doc->most && p->doc->most > 0) {
		json_fail(p->error, p->text, start, "more than %zu values", p->doc->most);
		p->failed = true;
		return NULL;
	}
	node = arena_alloc(&p->doc->arena, sizeof *node);
	node->type = type;
	node->raw = p->text + start;
	node->raw_len = p->at - start;
	if (frame == NULL) {
		p->doc->root = node;
		return node;
	}
	node->key = p->key;
	node->key_len = p->key_len;
	p->key = NULL;
	p->key_len = 0;
	*frame->tail = node;
	frame->tail = &node->next;
	frame->node->count++;
	return node;
}

static int
json_on_null(void *ctx)
{
	struct json_parser *p = ctx;

	json_value(p, JSON_NULL, json_token_start(p));
	return !p->failed;
}

static int
json_on_boolean(void *ctx, int truth)
{
	struct json_parser *p = ctx;
	struct json *node = json_value(p, JSON_BOOL, json_token_start(p));

	if (node != NULL)
		node->truth = truth != 0;
	return !p->failed;
}

static int
json_scalar(struct json_parser *p, enum json_type type, const char *s, size_t n)
{
	struct json *node = json_value(p, type, json_token_start(p));

	if (node == NULL)
		return !p->failed;
	node->str = arena_strndup(&p->doc->arena, s, n);
	node->str_len = n;
	return 1;
}

static int
json_on_number(void *ctx, const char *s, size_t n)
{
	return json_scalar(ctx, JSON_NUMBER, s, n);
}

static int
json_on_string(void *ctx, const unsigned char *s, size_t n)
{
	return json_scalar(ctx, JSON_STRING, (const char *)s, n);
}

static int
json_open_container(struct json_parser *p, enum json_type type)
{
	struct json_frame *frame = &p->frames[p->depth];
	size_t start = json_consumed(p) - 1;

	if (p->depth == JSON_MAX_DEPTH) {
		json_fail(p->error, p->text, start, "nested deeper than %d", JSON_MAX_DEPTH);
		p->failed = true;
		return 0;
	}
	frame->node = json_value(p, type, start);
	frame->tail = frame->node != NULL && p->depth < p->keep ? &frame->node->child : NULL;
	if (type == JSON_OBJECT)
		json_keys_open(&p->keys, p->depth);
	p->depth++;
	return !p->failed;
}

static int
json_on_start_map(void *ctx)
{
	return json_open_container(ctx, JSON_OBJECT);
}

static int
json_on_start_array(void *ctx)
{
	return json_open_container(ctx, JSON_ARRAY);
}

static int
json_on_end(void *ctx)
{
	struct json_parser *p = ctx;
	struct json *node = p->frames[--p->depth].node;

	p->at = json_consumed(p);
	if (node != NULL)
		node->raw_len = (size_t)(p->text + p->at - node->raw);
	return 1;
}

static int
json_on_key(void *ctx, const unsigned char *key, size_t n)
{
	struct json_parser *p = ctx;
	const char *s = (const char *)key;
	size_t start = json_token_start(p);
	bool kept = p->frames[p->depth - 1].tail != NULL;

	/* A key with escapes lies in a buffer of yajl's that the next one overwrites. */
	if (kept || s != p->text + start + 1)
		s = arena_strndup(&p->doc->arena, s, n);
	if (!json_keys_add(&p->keys, p->depth - 1, s, n)) {
		json_fail(p->error, p->text, start, "duplicate key \"%.*s%s\"",
		    (int)(n < JSON_ERROR_KEY_MAX ? n : JSON_ERROR_KEY_MAX), s,
		    n > JSON_ERROR_KEY_MAX ? "..." : "");
		p->failed = true;
		return 0;
	}
	if (kept) {
		p->key = s;
		p->key_len = n;
	}
	p->at = json_consumed(p);
	return 1;
}

static const yajl_callbacks json_callbacks = {
    .yajl_null = json_on_null,
    .yajl_boolean = json_on_boolean,
    .yajl_number = json_on_number,
    .yajl_string = json_on_string,
    .yajl_start_map = json_on_start_map,
    .yajl_map_key = json_on_key,
    .yajl_end_map = json_on_end,
    .yajl_start_array = json_on_start_array,
    .yajl_end_array = json_on_end,
};

/* yajl's words and ours; the order matters where one is part of another. */
static const char *const json_words[][2] = {
    {"premature EOF", "the text ends too early"},
    {"trailing garbage", "text after the value"},
    {"invalid char in", "unexpected character"},
    {"by a colon", "expected : after a key"},
    {"inside map", "expected , or } after a member"},
    {"after array element", "expected , or ] after an item"},
    {"invalid object key", "expected a key in double quotes"},
    {"which it may not", "bad escape in a string"},
    {"non-hex", "expected 4 hex digits after \\u"},
    {"inside string", "control character in a string"},
    {"decimal point", "expected a digit after the decimal point"},
    {"exponent", "expected a digit in the exponent"},
    {"minus", "expected a digit after the minus sign"},
};

/* Where the token begins that did not fit, which yajl had read up to about `end`: commas and
 * colons may lie between it and the last value or key. */
static size_t
json_bad_token(const struct json_parser *p, size_t end)
{
	size_t next, at = json_skip_space(p, p->at);

	while (at < p->len && (p->text[at] == ',' || p->text[at] == ':')) {
		next = json_skip_space(p, at + 1);
		if (next >= end)
			break;
		at = next;
	}
	return at;
}

/* Where yajl stopped: at the byte that breaks off a token, but behind one that begins none, and
 * behind a token that does not fit. */
static size_t
json_error_offset(const struct json_parser *p, const char *said)
{
	size_t end = json_token_end(p);

	if (strstr(said, "premature EOF") != NULL)
		return p->len;
	if (strncmp(said, "lexical", 7) != 0)
		return json_bad_token(p, end);
	return strstr(said, "invalid char in") != NULL && end > 0 ? end - 1 : end;
}

/* yajl overlooks a string without end after the value. */
static int
json_check_tail(const struct json_parser *p)
{
	size_t at = json_skip_space(p, p->at);

	if (at == p->len)
		return 0;
	json_fail(p->error, p->text, at, "text after the value");
	return -1;
}

/* Explains what yajl refused. */
static void
json_explain(struct json_parser *p)
{
	const char *said = (const char *)yajl_get_error(p->yajl, 0, NULL, 0);
	const char *words = "unexpected token";
	size_t i;

	for (i = 0; i < sizeof json_words / sizeof json_words[0]; i++) {
		if (strstr(said, json_words[i][0]) != NULL) {
			words = json_words[i][1];
			break;
		}
	}
	json_fail(p->error, p->text, json_error_offset(p, said), "%s", words);
}

static void
json_start(struct json_parser *p, struct json_doc *doc, const char *text, size_t len, size_t keep)
{
	yajl_alloc_funcs alloc = {json_yajl_malloc, json_yajl_realloc, json_yajl_free, &doc->arena};

	p->doc = doc;
	p->text = text;
	p->len = len;
	p->keep = keep;
	p->scanned = p->fed = p->base = p->values = p->blank = p->at = p->depth = 0;
	p->failed = p->at_end = false;
	p->key = NULL;
	p->key_len = 0;
	json_keys_init(&p->keys);
	p->yajl = yajl_alloc(&json_callbacks, &alloc, p);
	yajl_config(p->yajl, yajl_dont_validate_strings, 1); /* json_scan() does */
}

static void
json_stop(struct json_parser *p)
{
	json_keys_clear(&p->keys);
	yajl_free(p->yajl);
}

/* Whether yajl has read the beginning of a string, and where that is. */
static bool
json_is_within_string(struct json_parser *p, size_t *at)
{
	size_t i = p->blank > p->at ? p->blank : p->at;

	while (i < p->fed && strchr(" \n\r\t,:", p->text[i]) != NULL && p->text[i] != '\0')
		i++;
	p->blank = *at = i;
	return i < p->fed && p->text[i] == '"';
}

/* Where a piece of about so many bytes ends: not within the string that is being read, which yajl
 * would read from its beginning again. */
static size_t
json_piece_end(struct json_parser *p, size_t bytes)
{
	size_t end = bytes < p->len - p->fed ? p->fed + bytes : p->len;
	size_t at;

	if (!json_is_within_string(p, &at))
		return end;
	for (at++; at < p->len && p->text[at] != '"'; at++)
		if (p->text[at] == '\\')
			at++;
	return at < end ? end : at < p->len ? at + 1 : p->len;
}

/* 1: there is more to do, 0: it is done, -1: refused. */
static int
json_go_on(struct json_parser *p, size_t bytes)
{
	size_t end = json_piece_end(p, bytes);
	yajl_status status;

	if (json_scan(p->text, p->len, &p->scanned, end, p->error) != 0)
		return -1;
	p->base = p->fed;
	p->fed = end;
	status = yajl_parse(p->yajl, (const unsigned char *)p->text + p->base, end - p->base);
	if (status == yajl_status_ok && end < p->len)
		return 1;
	if (status == yajl_status_ok) {
		p->at_end = true;
		status = yajl_complete_parse(p->yajl);
	}
	if (status == yajl_status_ok)
		return json_check_tail(p);
	if (!p->failed)
		json_explain(p);
	return -1;
}

int
json_parse(
    struct json_doc *doc, const char *text, size_t len, size_t keep, struct json_error *error)
{
	struct json_parser p;
	int rc;

	json_start(&p, doc, text, len, keep);
	p.error = error;
	rc = json_go_on(&p, len);
	json_stop(&p);
	return rc;
}

struct json_parser *
json_begin(struct json_doc *doc, const char *text, size_t len, size_t keep)
{
	struct json_parser *p = xmalloc(sizeof *p);

	json_start(p, doc, text, len, keep);
	return p;
}

int
json_step(struct json_parser *p, size_t bytes, struct json_error *error)
{
	int rc;

	p->error = error;
	rc = json_go_on(p, bytes);
	if (rc <= 0) {
		json_stop(p);
		free(p);
	}
	return rc;
}

void
json_doc_clear(struct json_doc *doc)
{
	arena_clear(&doc->arena);
	doc->root = NULL;
}

void
json_doc_wipe(struct json_doc *doc)
{
	arena_wipe(&doc->arena);
	doc->root = NULL;
}

const struct json *
json_get(const struct json *object, const char *key)
{
	const struct json *member;
	size_t n = strlen(key);

	for (member = object->child; member != NULL; member = member->next)
		if (member->key != NULL && member->key_len == n && memcmp(member->key, key, n) == 0)
			return member->type == JSON_NULL ? NULL : member;
	return NULL;
}

int
json_int(const struct json *value, int64_t *n)
{
	const char *s = value->str;
	bool negative;
	int64_t sum = 0;

	if (value->type != JSON_NUMBER)
		return -1;
	negative = *s == '-';
	if (negative)
		s++;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		if (__builtin_mul_overflow(sum, 10, &sum))
			return -1;
		if (__builtin_sub_overflow(sum, *s - '0', &sum))
			return -1;
	}
	if (!negative && __builtin_sub_overflow(0, sum, &sum))
		return -1;
	*n = sum;
	return 0;
}

bool
json_str_is(const struct json *value, const char *s)
{
	size_t n = strlen(s);

	return value->type == JSON_STRING && value->str_len == n && memcmp(value->str, s, n) == 0;
}
