/* The bodies of webhooks create and update, from options. */
#ifndef CTL_WEBHOOK_BODY_H
#define CTL_WEBHOOK_BODY_H

#include "ctl/ctl.h"

/* CTL_OK, or a code with a message written. */
int webhook_body_create(struct ctl *ctl, struct buf *body);
int webhook_body_update(struct ctl *ctl, struct buf *body);

#endif
