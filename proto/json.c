/* The strict JSON parser: yajl's events become a tree whose nodes know their bytes. */
#include "proto/json.h"

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
	size_t at;    /* end of the last value or key */
	bool failed;  /* *error is filled */
	bool at_end;  /* all text is fed: a number that ends it may still come */
	size_t depth; /* open containers */
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

/* Where it ends.  Only a number at the very end is reported after the text was fed. */
static size_t
json_token_end(const struct json_parser *p)
{
	return p->at_end ? p->len : yajl_get_bytes_consumed(p->yajl);
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
	return 1;
}

static int
json_on_boolean(void *ctx, int truth)
{
	struct json_parser *p = ctx;
	struct json *node = json_value(p, JSON_BOOL, json_token_start(p));

	if (node != NULL)
		node->truth = truth != 0;
	return 1;
}

static void
json_scalar(struct json_parser *p, enum json_type type, const char *s, size_t n)
{
	struct json *node = json_value(p, type, json_token_start(p));

	if (node == NULL)
		return;
	node->str = arena_strndup(&p->doc->arena, s, n);
	node->str_len = n;
}

static int
json_on_number(void *ctx, const char *s, size_t n)
{
	json_scalar(ctx, JSON_NUMBER, s, n);
	return 1;
}

static int
json_on_string(void *ctx, const unsigned char *s, size_t n)
{
	json_scalar(ctx, JSON_STRING, (const char *)s, n);
	return 1;
}

static int
json_open_container(struct json_parser *p, enum json_type type)
{
	struct json_frame *frame = &p->frames[p->depth];
	size_t start = yajl_get_bytes_consumed(p->yajl) - 1;

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
	return 1;
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

	p->at = yajl_get_bytes_consumed(p->yajl);
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
	p->at = yajl_get_bytes_consumed(p->yajl);
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
	size_t end = p->at_end ? p->len : yajl_get_bytes_consumed(p->yajl);

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

int
json_parse(
    struct json_doc *doc, const char *text, size_t len, size_t keep, struct json_error *error)
{
	yajl_alloc_funcs alloc = {json_yajl_malloc, json_yajl_realloc, json_yajl_free, &doc->arena};
	struct json_parser p;
	yajl_status status;
	int rc = -1;

	if (json_scan(text, len, error) != 0)
		return -1;
	p.doc = doc;
	p.error = error;
	p.text = text;
	p.len = len;
	p.keep = keep;
	p.at = 0;
	p.failed = false;
	p.at_end = false;
	p.depth = 0;
	p.key = NULL;
	p.key_len = 0;
	json_keys_init(&p.keys);
	p.yajl = yajl_alloc(&json_callbacks, &alloc, &p);
	yajl_config(p.yajl, yajl_dont_validate_strings, 1); /* json_scan() did */
	status = yajl_parse(p.yajl, (const unsigned char *)text, len);
	if (status == yajl_status_ok) {
		p.at_end = true;
		status = yajl_complete_parse(p.yajl);
	}
	if (status == yajl_status_ok)
		rc = json_check_tail(&p);
	else if (!p.failed)
		json_explain(&p);
	json_keys_clear(&p.keys);
	yajl_free(p.yajl);
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
