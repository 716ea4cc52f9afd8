/* evhookctl ready: whether an evhookd is, and what it says; for health checks in containers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/http.h"
#include "ctl/out.h"
#include "proto/json.h"

static void
cmd_ready_print(const struct buf *body)
{
	struct json_doc doc = {0};
	struct json_error error;

	if (json_parse(&doc, body->data, body->len, SIZE_MAX, &error) == 0)
		out_raw(doc.root);
	json_doc_clear(&doc);
}

int
cmd_ready(struct ctl *ctl)
{
	struct http_request request = {.method = "GET", .target = "/readyz"};
	struct http_answer answer = {0};
	struct http *admin;
	int64_t timeout_ms;
	int code = ctl_time(ctl, "timeout", &timeout_ms);
	char *why = NULL;

	if (code != CTL_OK)
		return code;
	admin = http_new(ctl_get(ctl, "admin-url"), ctl_get(ctl, "ca-file"), timeout_ms, &why);
	if (admin == NULL) {
		code = ctl_fail(CTL_USAGE, "%s", why);
	} else if (http_ask(admin, &request, &answer, &why) != 0) {
		code = ctl_fail(CTL_UNAVAILABLE, "%s", why);
	} else {
		cmd_ready_print(&answer.body);
		code = answer.status == 200 ? CTL_OK : CTL_UNAVAILABLE;
	}
	http_answer_clear(&answer);
	http_free(admin);
	free(why);
	return code;
}
