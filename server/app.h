/* What the handlers work with: the parts of the running server. */
#ifndef SERVER_APP_H
#define SERVER_APP_H

#include "deliver/dispatch.h"
#include "proto/json.h"
#include "proto/webhook.h"
#include "server/auth.h"
#include "server/call.h"
#include "server/config.h"
#include "server/http.h"
#include "server/pace.h"
#include "server/pulse.h"
#include "store/depth.h"
#include "store/store.h"
#include "store/trimmer.h"

/* A page ends behind the item that made it so long, though there be more. */
#define APP_PAGE_BYTES (1024 * 1024)

struct app {
	const struct config *config;
	struct event_base *base;
	struct auth *auth;
	struct store *store;
	struct poster *poster;
	struct dispatch *dispatch;
	struct trimmer *trimmer;
	struct tls_server *tls; /* NULL without --tls-cert */
	struct secretbox *secrets;
	char *redis_password; /* of --redis-password-file; NULL without */
	struct pace *pace;
	struct reads *reads;
	struct http *http;
	struct http *admin;
	struct traffic traffic; /* of both */
	struct pulse *pulse;
	struct depth *depth;
	int64_t started_ms; /* wall clock */
	struct egress egress;
	bool draining;
	uint64_t events_accepted;
	uint64_t overflowed; /* deliveries that found their queue full */
	uint64_t
	    met_suspended; /* deliveries whose webhook was suspended when they were published */
};

/* Parses the call's body; 0, or -1 when it was answered with 400. */
int app_parse_body(struct call *call, struct json_doc *doc, size_t keep);
/* The same in steps: 1 when there is more to do. */
struct json_parser *app_begin_body(struct call *call, struct json_doc *doc, size_t keep);
int app_step_body(
    struct call *call, struct json_doc *doc, struct json_parser *parser, size_t bytes);
/* Which routes are served where (struct http_opts.admit): the API, with its token, and the admin
 * address, whose routes need none. */
bool app_admit_api(struct call *call);
bool app_admit_admin(struct call *call);
/* Tenant and permission (struct http_opts.permit), and that there is room for the line that a write
 * leaves in the log. */
bool app_permit_api(struct call *call);
/* Goes on with a request that reads much, when it is its turn among those of its tenant. */
void app_read(struct call *call, reads_go_fn *go, void *arg);
/* Answers with the items that the body holds, '[' before them, as a page of a list. */
void app_reply_page(struct call *call, bool completed);
/* Answers for what the store said: 404, 409, 412, 503.  `what` is "webhook", "event". */
void app_problem_store(struct call *call, enum store_err err, const char *what);

/* The rules that requests are judged by now. */
struct webhook_rules app_rules(const struct app *app);

/* If-Match (RFC 9110, 13.1.1): whether the header lets a change of that version pass. */
bool app_if_match(struct call *call, int64_t version);

/* The handlers, for the route table. */
call_handler_fn api_webhook_create;
call_handler_fn api_webhook_get;
call_handler_fn api_webhook_list;
call_handler_fn api_webhook_update;
call_handler_fn api_webhook_unsuspend;
call_handler_fn api_webhook_delete;
call_handler_fn api_event_publish;
call_handler_fn api_event_get;
call_handler_fn api_event_by_request;
call_handler_fn api_event_list;
call_handler_fn api_webhook_test;
call_handler_fn api_attempt_list;
call_handler_fn api_diverted_list;
call_handler_fn api_diverted_get;
call_handler_fn api_diverted_delete;
call_handler_fn api_diverted_resend;
call_handler_fn api_diverted_resend_all;
call_handler_fn api_healthz;
call_handler_fn api_readyz;
call_handler_fn api_metrics;
call_handler_fn api_openapi;
call_handler_fn api_config;
call_handler_fn api_worst;

#endif
