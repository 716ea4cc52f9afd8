/* evhookctl config: what a running evhookd is configured to, and where each value came from. */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/admin.h"
#include "ctl/out.h"
#include "proto/json.h"

static int
cmd_config_print(const struct ctl *ctl, const struct json *root)
{
	static const char *const heads[] = {"OPTION", "VALUE", "FROM", NULL};
	struct table table = {.heads = heads};
	const struct json *option = root->type == JSON_OBJECT ? json_get(root, "options") : NULL;

	if (option == NULL || option->type != JSON_ARRAY)
		return ctl_fail(CTL_FAILED, "the server's answer is not a configuration");
	if (ctl_is(ctl, "json")) {
		out_raw(root);
		return CTL_OK;
	}
	for (option = option->child; option != NULL; option = option->next)
		for (size_t i = 0; i < 3; i++) {
			static const char *const members[] = {"name", "value", "from"};

			table_member(&table, option, members[i]);
		}
	table_print(&table);
	return CTL_OK;
}

static int
cmd_config_of(const struct ctl *ctl, struct admin *admin)
{
	struct http_answer answer = {0};
	struct json_doc doc = {0};
	struct json_error error;
	char *why = NULL;
	int code = admin_get(admin, "/config", &answer, &why);

	if (code != CTL_OK) {
		ctl_fail(code, "%s", why);
		free(why);
	} else if (json_parse(&doc, answer.body.data, answer.body.len, SIZE_MAX, &error) != 0) {
		code = ctl_fail(CTL_FAILED, "the server's answer is not JSON: %s", error.text);
	} else {
		code = cmd_config_print(ctl, doc.root);
	}
	json_doc_clear(&doc);
	http_answer_clear(&answer);
	return code;
}

int
cmd_config(struct ctl *ctl)
{
	struct admins admins = {0};
	int result = admins_open(ctl, &admins);

	for (size_t i = 0; i < admins.n && result != CTL_USAGE; i++) {
		int code;

		if (admins.n > 1 && !ctl_is(ctl, "json"))
			printf("%s%s\n", i > 0 ? "\n" : "", admins.list[i].url);
		code = cmd_config_of(ctl, &admins.list[i]);
		if (result == CTL_OK)
			result = code;
	}
	admins_close(&admins);
	return result;
}
