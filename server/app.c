/* What all handlers do the same way. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/app.h"
#include "server/route.h"

#define APP_VALUES_MAX 20000 /* of a body; no valid one has so many */

/* A byte order mark before JSON may be passed over (RFC 8259, 8.1): its length, or 0. */
static size_t
app_mark_len(const struct call *call)
{
	return call->body_len >= 3 && memcmp(call->body, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static void
app_problem_json(struct call *call, struct json_doc *doc, const struct json_error *error)
{
	if (call->secret)
		json_doc_wipe(doc);
	else
		json_doc_clear(doc);
	call_problem(call, 400, "the body is not valid JSON: %s (line %zu, offset %zu)",
	    error->text, error->line, error->offset + app_mark_len(call));
}

int
app_parse_body(struct call *call, struct json_doc *doc, size_t keep)
{
	size_t skip = app_mark_len(call);
	struct json_error error;

	*doc = (struct json_doc){.most = APP_VALUES_MAX};
	if (json_parse(doc, call->body + skip, call->body_len - skip, keep, &error) == 0)
		return 0;
	app_problem_json(call, doc, &error);
	return -1;
}

struct json_parser *
app_begin_body(struct call *call, struct json_doc *doc, size_t keep)
{
	size_t skip = app_mark_len(call);

	*doc = (struct json_doc){.most = APP_VALUES_MAX};
	return json_begin(doc, call->body + skip, call->body_len - skip, keep);
}

int
app_step_body(struct call *call, struct json_doc *doc, struct json_parser *parser, size_t bytes)
{
	struct json_error error;
	int rc = json_step(parser, bytes, &error);

	if (rc < 0)
		app_problem_json(call, doc, &error);
	return rc;
}

bool
app_admit_api(struct call *call)
{
	static call_handler_fn *const of_admin[] = {api_metrics, api_config, api_worst};

	for (size_t i = 0; i < sizeof of_admin / sizeof of_admin[0]; i++)
		if (call->route->handler == of_admin[i]) {
			call_problem(call, 404, "%s is on the admin address", call->route->pattern);
			return false;
		}
	return auth_admit(call);
}

bool
app_permit_api(struct call *call)
{
	if (!auth_permit(call))
		return false;
	if (!call->audit || !log_is_behind())
		return true;
	call->audit = false; /* nothing is done */
	log_msg(LOG_WARN, "the log cannot be written: nothing is changed or published");
	call_problem(call, 503, "the log cannot be written at the moment");
	return false;
}

bool
app_admit_admin(struct call *call)
{
	if (call->route->group == NULL)
		return true;
	call_problem(call, 404, "the API is not on the admin address");
	return false;
}

void
app_read(struct call *call, reads_go_fn *go, void *arg)
{
	reads_enter(call->app->reads, &call->read, &call->tenant, go, arg);
}

void
app_reply_page(struct call *call, bool completed)
{
	struct buf *body = call_body(call);
	struct buf items = *body;

	json_close(&items, ']');
	*body = (struct buf){.secret = items.secret};
	json_open(body, '{');
	json_key(body, "listCompleted");
	json_add_bool(body, completed);
	json_key(body, "items");
	json_add_raw(body, items.data, items.len);
	json_close(body, '}');
	buf_clear(&items);
	call_reply(call, 200);
}

void
app_problem_store(struct call *call, enum store_err err, const char *what)
{
	switch (err) {
	case STORE_MISSING:
		call_problem(call, 404, "there is no such %s", what);
		break;
	case STORE_LIMIT:
		call_problem(call, 409, "the tenant has %lld webhooks, the most that it may have",
		    (long long)call->app->config->max_webhooks);
		break;
	case STORE_STALE:
		call_problem(call, 412, "the %s is of another version by now", what);
		break;
	case STORE_UNREADABLE:
		call_problem(
		    call, 503, "the stored %s cannot be read: the server's log says why", what);
		break;
	case STORE_UNREPLICATED:
		call_problem(call, 503,
		    "fewer than %lld replicas of the store have the %s (--redis-wait): it may be "
		    "lost, or arrive",
		    (long long)call->app->config->redis_wait, what);
		break;
	case STORE_OK:
	case STORE_UNAVAILABLE:
	default:
		call_problem(call, 503, "the store cannot be used at the moment");
		break;
	}
}

struct webhook_rules
app_rules(const struct app *app)
{
	return (struct webhook_rules){
	    .egress = &app->egress,
	    .now_ms = clock_wall_ms(),
	    .secret_overlap_ms = app->config->secret_overlap_ms,
	};
}

/* One entity-tag at *s against "<version>"; weak ones never match (RFC 9110, 8.8.3.2). */
static bool
app_etag_is(const char **s, int64_t version)
{
	const char *tag = *s;
	size_t n = strcspn(tag, ",");
	char *end;

	*s = tag[n] == ',' ? tag + n + 1 : tag + n;
	while (n > 0 && (tag[n - 1] == ' ' || tag[n - 1] == '\t'))
		n--;
	if (n < 3 || tag[0] != '"' || tag[n - 1] != '"' || tag[1] < '0' || tag[1] > '9')
		return false;
	return strtoll(tag + 1, &end, 10) == version && end == tag + n - 1;
}

bool
app_if_match(struct call *call, int64_t version)
{
	const char *s = call_header(call, "If-Match");

	if (s == NULL || strcmp(s, "*") == 0)
		return true;
	while (*s != '\0') {
		s += strspn(s, " \t");
		if (*s != '\0' && app_etag_is(&s, version))
			return true;
	}
	return false;
}
