/* Calls of evhookd's API: paths, token, answers, and what a refusal means as an exit code. */
#ifndef CTL_API_H
#define CTL_API_H

#include "ctl/ctl.h"
#include "ctl/http.h"
#include "proto/json.h"

struct api_answer {
	int status;
	struct http_answer http;
	struct json_doc doc; /* root NULL when there was no JSON */
};

/* Settles tenant, token and server; CTL_OK, or a code with a message written.  First of all. */
int api_open(struct ctl *ctl);
/* Appends /event/{tenant} and the segments, percent-encoded; ends with NULL. */
void api_path(const struct ctl *ctl, struct buf *path, ...) __attribute__((sentinel));
/* Appends a parameter; a NULL value is left out. */
void api_query(struct buf *path, const char *name, const char *value);
void api_query_int(struct buf *path, const char *name, int64_t value);

/* Asks and waits.  CTL_OK with any status; else a code with a message written.  body and fields may
 * be NULL.  Clear the answer in every case. */
int api_try(struct ctl *ctl, const char *method, struct buf *path, const struct buf *body,
    const struct http_field *fields, struct api_answer *answer);
/* CTL_OK for 2xx; else says what the server said and returns the code for it. */
int api_judge(const struct ctl *ctl, const struct api_answer *answer);
/* Both. */
int api_call(struct ctl *ctl, const char *method, struct buf *path, const struct buf *body,
    const struct http_field *fields, struct api_answer *answer);
/* api_call(), then the answer as JSON with --json, else as a card. */
int api_show(struct ctl *ctl, const char *method, struct buf *path, const struct buf *body,
    const struct http_field *fields);
/* A line: "webhook 01J… deleted"; with --json {"webhook":"01J…","deleted":true}. */
void api_say_done(const struct ctl *ctl, const char *what, const char *locator, const char *done);
void api_clear(struct api_answer *answer);

/* Pages through a list: fn for each item; it returns CTL_OK to go on. */
struct api_pages {
	const char *key; /* of the items; NULL when the answer is an array */
	int64_t offset;
	int64_t count; /* at most so many; -1 for all */
	bool more;     /* on return: there may be more than so many */
};
typedef int api_item_fn(void *arg, const struct json *item);
int api_each(
    struct ctl *ctl, struct buf *path, struct api_pages *pages, api_item_fn *fn, void *arg);

/* What a list command prints of a list without --count or --all. */
#define LIST_COUNT 100
/* The number from --count or --all: -1 for all. */
int api_count(struct ctl *ctl, int64_t *count);
/* Says on stderr that the list went on, and how to see more. */
void api_say_more(int64_t shown);

/* Pages through a list with --offset and --count, and prints it: JSON array or table. */
struct api_listing {
	const char *key;
	const char *const *heads;   /* of the table; ends with NULL ... */
	const char *const *members; /* ... and what of each item stands below them */
};
int api_list(struct ctl *ctl, struct buf *path, const struct api_listing *listing);

#endif
