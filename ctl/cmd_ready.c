/* evhookctl ready: whether evhookd is, and what it says; for health checks in containers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/admin.h"
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

static int
cmd_ready_ask(struct admin *admin)
{
	struct http_request request = {.method = "GET", .target = "/readyz"};
	struct http_answer answer = {0};
	char *why = NULL;
	int code;

	if (http_ask(admin->http, &request, &answer, &why) != 0) {
		code = ctl_fail(CTL_UNAVAILABLE, "%s", why);
	} else {
		cmd_ready_print(&answer.body);
		code = answer.status == 200 ? CTL_OK : CTL_UNAVAILABLE;
	}
	http_answer_clear(&answer);
	free(why);
	return code;
}

/* All of them. */
int
cmd_ready(struct ctl *ctl)
{
	struct admins admins = {0};
	int code = admins_open(ctl, &admins);

	for (size_t i = 0; i < admins.n && code != CTL_USAGE; i++)
		if (cmd_ready_ask(&admins.list[i]) != CTL_OK)
			code = CTL_UNAVAILABLE;
	admins_close(&admins);
	return code;
}
