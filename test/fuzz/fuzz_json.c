/* JSON: accepts what the reference accepts, spans and counts are right, written texts read alike.
 */
#include <string.h>

#include "proto/json.h"
#include "test/fuzz/fuzz.h"
#include "test/fuzz/reference.h"

static bool
fuzz_same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* Writes the value back. */
static void
fuzz_write(const struct json *v, struct buf *out)
{
	const struct json *child;

	switch (v->type) {
	case JSON_NULL:
		json_add_null(out);
		break;
	case JSON_BOOL:
		json_add_bool(out, v->truth);
		break;
	case JSON_NUMBER:
		json_add_raw(out, v->str, v->str_len);
		break;
	case JSON_STRING:
		json_add_strn(out, v->str, v->str_len);
		break;
	case JSON_OBJECT:
	case JSON_ARRAY:
		json_open(out, v->type == JSON_OBJECT ? '{' : '[');
		for (child = v->child; child != NULL; child = child->next) {
			if (v->type == JSON_OBJECT) {
				json_add_strn(out, child->key, child->key_len);
				buf_addc(out, ':');
			}
			fuzz_write(child, out);
		}
		json_close(out, v->type == JSON_OBJECT ? '}' : ']');
		break;
	}
}

static void
fuzz_compare(const struct json *a, const struct json *b)
{
	const struct json *x, *y;

	FUZZ_CHECK(a->type == b->type && a->truth == b->truth && a->count == b->count);
	FUZZ_CHECK(fuzz_same_text(a->str, a->str_len, b->str, b->str_len));
	FUZZ_CHECK((a->key == NULL) == (b->key == NULL));
	FUZZ_CHECK(fuzz_same_text(a->key, a->key_len, b->key, b->key_len));
	for (x = a->child, y = b->child; x != NULL && y != NULL; x = x->next, y = y->next)
		fuzz_compare(x, y);
	FUZZ_CHECK(x == NULL && y == NULL);
}

/* Each span lies within its container's and is itself a JSON text for the same value. */
static void
fuzz_check_spans(const struct json *v)
{
	const struct json *child;
	const char *at = v->raw;
	size_t n = 0;

	FUZZ_CHECK(v->raw_len > 0 && strchr(" \t\r\n,:", v->raw[0]) == NULL);
	FUZZ_CHECK(strchr(" \t\r\n,:", v->raw[v->raw_len - 1]) == NULL);
	FUZZ_CHECK(v->str == NULL || v->str[v->str_len] == '\0');
	if (v->type != JSON_OBJECT && v->type != JSON_ARRAY)
		FUZZ_CHECK(reference_json(v->raw, v->raw_len));
	for (child = v->child; child != NULL; child = child->next, n++) {
		FUZZ_CHECK(child->raw > at);
		FUZZ_CHECK(child->key == NULL || child->key[child->key_len] == '\0');
		fuzz_check_spans(child);
		at = child->raw + child->raw_len;
		FUZZ_CHECK(at < v->raw + v->raw_len);
	}
	FUZZ_CHECK(n == v->count);
}

/* Keeping less neither changes the verdict nor what is kept. */
static void
fuzz_check_keep(const struct json_doc *whole, const char *text, size_t size, size_t keep)
{
	struct json_doc doc = {0};
	struct json_error error;
	const struct json *a, *b;

	FUZZ_CHECK(json_parse(&doc, text, size, keep, &error) == (whole->root == NULL ? -1 : 0));
	if (whole->root != NULL) {
		FUZZ_CHECK(doc.root->raw == whole->root->raw);
		FUZZ_CHECK(doc.root->raw_len == whole->root->raw_len);
		FUZZ_CHECK(doc.root->count == whole->root->count);
		a = doc.root->child;
		for (b = whole->root->child; b != NULL; a = a->next, b = b->next) {
			FUZZ_CHECK(a->type == b->type);
			FUZZ_CHECK(a->raw == b->raw && a->raw_len == b->raw_len);
			FUZZ_CHECK(fuzz_same_text(a->key, a->key_len, b->key, b->key_len));
			FUZZ_CHECK(keep > 1 || (a->child == NULL && a->count == 0));
		}
		FUZZ_CHECK(a == NULL);
	}
	json_doc_clear(&doc);
}

static void
fuzz_check_written(const struct json_doc *doc)
{
	struct json_doc again = {0};
	struct buf out = {0}, out2 = {0};
	struct json_error error;

	fuzz_write(doc->root, &out);
	FUZZ_CHECK(json_parse(&again, out.data, out.len, SIZE_MAX, &error) == 0);
	fuzz_compare(doc->root, again.root);
	fuzz_write(again.root, &out2);
	FUZZ_CHECK(fuzz_same_text(out.data, out.len, out2.data, out2.len));
	json_doc_clear(&again);
	buf_clear(&out);
	buf_clear(&out2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct json_doc doc = {0};
	struct json_error error;
	int64_t n;
	int rc = json_parse(&doc, text, size, SIZE_MAX, &error);

	FUZZ_CHECK(utf8_valid(text, size) == reference_utf8(text, size));
	FUZZ_CHECK((rc == 0) == reference_json(text, size));
	if (rc == 0) {
		fuzz_check_spans(doc.root);
		fuzz_check_written(&doc);
		if (json_int(doc.root, &n) == 0)
			FUZZ_CHECK(n == strtoll(doc.root->str, NULL, 10));
	} else {
		FUZZ_CHECK(error.offset <= size && error.line >= 1);
		FUZZ_CHECK(error.text[0] != '\0' && utf8_valid(error.text, strlen(error.text)));
		doc.root = NULL;
	}
	fuzz_check_keep(&doc, text, size, 1);
	fuzz_check_keep(&doc, text, size, 2);
	json_doc_clear(&doc);
	return 0;
}
