/* Lists of the API: page by page, and printed. */
#include <stdio.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/out.h"

#define PAGE_COUNT 100

/* The items of a page; NULL when there are none.  *last says whether the list ends here: a page may
 * be shorter than was asked for, as it is bounded by its bytes too. */
static const struct json *
pages_items(const struct api_pages *pages, const struct json *root, bool *last)
{
	const struct json *items = root, *completed;

	*last = pages->key != NULL; /* of a bare array, an empty page tells */
	if (pages->key != NULL) {
		if (root == NULL || root->type != JSON_OBJECT)
			return NULL;
		items = json_get(root, pages->key);
		completed = json_get(root, "listCompleted");
		*last = completed == NULL || completed->type != JSON_BOOL || completed->truth;
	}
	if (items == NULL || items->type != JSON_ARRAY || items->count == 0) {
		*last = true;
		return NULL;
	}
	return items->child;
}

int
api_each(struct ctl *ctl, struct buf *path, struct api_pages *pages, api_item_fn *fn, void *arg)
{
	size_t len = path->len;
	bool last = pages->count == 0;
	int code = CTL_OK;

	while (code == CTL_OK && !last) {
		int64_t wanted =
		    pages->count >= 0 && pages->count < PAGE_COUNT ? pages->count : PAGE_COUNT;
		struct api_answer answer;
		const struct json *item = NULL;

		path->len = len;
		api_query_int(path, "offset", pages->offset);
		api_query_int(path, "count", wanted);
		code = api_call(ctl, "GET", path, NULL, NULL, &answer);
		if (code == CTL_OK)
			item = pages_items(pages, answer.doc.root, &last);
		for (; item != NULL && code == CTL_OK; item = item->next) {
			code = fn(arg, item);
			pages->offset++;
			if (pages->count < 0 || --pages->count > 0)
				continue;
			pages->more = !last || item->next != NULL;
			last = true;
			break;
		}
		api_clear(&answer);
	}
	path->len = len;
	return code;
}

int
api_count(struct ctl *ctl, int64_t *count)
{
	if (ctl_is(ctl, "all") && ctl_get(ctl, "count") != NULL)
		return ctl_fail(CTL_USAGE, "--all and --count exclude each other");
	*count = ctl_is(ctl, "all") ? -1 : LIST_COUNT;
	return ctl_int(ctl, "count", 0, INT32_MAX, count);
}

void
api_say_more(int64_t shown)
{
	fflush(stdout);
	fprintf(stderr, "evhookctl: %lld shown, there are more: --count N, or --all\n",
	    (long long)shown);
}

struct pages_listing {
	const struct api_listing *listing;
	struct table table;
	bool json;
	size_t n;
};

static int
pages_on_item(void *arg, const struct json *item)
{
	struct pages_listing *list = arg;

	if (list->json) {
		struct buf text = {0};

		out_json(&text, item->raw, item->raw_len);
		fputs(list->n == 0 ? "[\n" : ",\n", stdout);
		fwrite(text.data, 1, text.len, stdout);
		buf_clear(&text);
	} else {
		for (size_t i = 0; list->listing->members[i] != NULL; i++)
			table_member(&list->table, item, list->listing->members[i]);
	}
	if (++list->n % 1000 == 0)
		progress("%zu read", list->n);
	return CTL_OK;
}

int
api_list(struct ctl *ctl, struct buf *path, const struct api_listing *listing)
{
	struct pages_listing list = {.listing = listing, .json = ctl_is(ctl, "json")};
	struct api_pages pages = {.key = listing->key};
	int code = ctl_int(ctl, "offset", 0, INT32_MAX, &pages.offset);

	list.table.heads = listing->heads;
	if (code == CTL_OK)
		code = api_count(ctl, &pages.count);
	if (code == CTL_OK)
		code = api_each(ctl, path, &pages, pages_on_item, &list);
	progress_end();
	if (code == CTL_OK && list.json)
		puts(list.n == 0 ? "[]" : "\n]");
	else if (code == CTL_OK)
		table_print(&list.table);
	table_clear(&list.table);
	if (code == CTL_OK && pages.more)
		api_say_more((int64_t)list.n);
	return code;
}
