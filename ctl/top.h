/* What evhookctl top knows at a look, for those that draw it. */
#ifndef CTL_TOP_H
#define CTL_TOP_H

#include "ctl/admin.h"
#include "ctl/looks.h"
#include "proto/json.h"

#define TOP_WORST 10

struct top_process {
	struct metrics before, now;
	bool up;
	char *why; /* it is not; NULL when it is */
};

/* A webhook of the tenant that was named. */
struct top_webhook {
	char *locator;
	char *name;
	int64_t pending, diverted, failed, delivered;
};

struct top {
	struct ctl *ctl;
	struct admins admins;
	struct top_process *processes; /* one for each */
	size_t up;                     /* of them */
	struct looks looks;
	struct http_answer worst_text;
	struct json_doc worst; /* of it: /worst of one of them; root NULL when there is none */
	struct top_webhook *webhooks;
	size_t nwebhooks;
};

/* 80 by 24. */
void top_print_screen(const struct top *top);
/* Every family there is. */
void top_print_all(const struct top *top);
void top_print_json(const struct top *top);

#endif
