/* evhookd's admin addresses, of one process or of several. */
#include "ctl/admin.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int
admins_add(const struct ctl *ctl, struct admins *admins, const char *url, size_t n)
{
	struct admin *admin;
	int64_t timeout_ms;
	int code = ctl_time(ctl, "timeout", &timeout_ms);
	char *why;

	if (code != CTL_OK)
		return code;
	admins->list = xreallocarray(admins->list, admins->n + 1, sizeof *admins->list);
	admin = &admins->list[admins->n++];
	admin->url = xstrndup(url, n);
	admin->http = http_new(admin->url, ctl_get(ctl, "ca-file"), timeout_ms, &why);
	if (admin->http != NULL)
		return CTL_OK;
	code = ctl_fail(CTL_USAGE, "--admin-url %s: %s", admin->url, why);
	free(why);
	return code;
}

int
admins_open(const struct ctl *ctl, struct admins *admins)
{
	const char *url;
	size_t at = 0;
	int code = CTL_OK;

	while (code == CTL_OK && (url = ctl_next(ctl, "admin-url", &at)) != NULL)
		code = admins_add(ctl, admins, url, strlen(url));
	if (admins->n > 0 || code != CTL_OK)
		return code;
	url = ctl_get(ctl, "admin-url");
	while (code == CTL_OK && *(url += strspn(url, ", ")) != '\0') {
		size_t n = strcspn(url, ", ");

		code = admins_add(ctl, admins, url, n);
		url += n;
	}
	if (code == CTL_OK && admins->n == 0)
		code = ctl_fail(CTL_USAGE, "--admin-url is empty");
	return code;
}

void
admins_close(struct admins *admins)
{
	for (size_t i = 0; i < admins->n; i++) {
		http_free(admins->list[i].http);
		free(admins->list[i].url);
	}
	free(admins->list);
	*admins = (struct admins){0};
}

int
admin_get(struct admin *admin, const char *target, struct http_answer *answer, char **why)
{
	struct http_request request = {.method = "GET", .target = target};
	struct buf text = {0};

	if (http_ask(admin->http, &request, answer, why) != 0)
		return CTL_UNAVAILABLE;
	if (answer->status == 200)
		return CTL_OK;
	buf_printf(&text, "%s: %s is answered with %d", admin->url, target, answer->status);
	*why = buf_take(&text, NULL);
	return CTL_FAILED;
}
