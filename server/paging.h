/* Paging tokens of the event list: the tenant, the filters and the position, in base64url
 * with a check sum. */
#ifndef SERVER_PAGING_H
#define SERVER_PAGING_H

#include "base/buf.h"
#include "proto/eventtype.h"
#include "proto/id.h"
#include "store/events.h"

struct paging {
	struct uuid tenant;
	struct stream_id position;
	bool exclusive;    /* the entry at the position was given out already */
	bool newest_first; /* it goes back from the position */
	int64_t end_ms; /* where it ends: exclusive, or inclusive when it goes back; -1 for none */
	unsigned page_size;
	char type[EVENTTYPE_MAX + 1]; /* "" for all */
};

void paging_write(const struct paging *paging, struct buf *out);
/* 0, or -1 when it is no token. */
int paging_read(struct paging *paging, const char *token);

#endif
