/* evhookd's admin addresses, of one process or of several. */
#ifndef CTL_ADMIN_H
#define CTL_ADMIN_H

#include "ctl/ctl.h"
#include "ctl/http.h"

struct admin {
	char *url;
	struct http *http;
};

struct admins {
	struct admin *list;
	size_t n;
};

/* As --admin-url says, which may be given several times; the variable is split at commas.  CTL_OK,
 * or a code with a message written; admins_close() in both cases. */
int admins_open(const struct ctl *ctl, struct admins *admins);
void admins_close(struct admins *admins);

/* Waits for a document.  CTL_OK with status 200; else a code, and *why (free()). */
int admin_get(struct admin *admin, const char *target, struct http_answer *answer, char **why);

#endif
