/* A slow reading of HTTP/1 requests, written from RFC 9112 and not from wire.c, to compare. */
#ifndef TEST_UNIT_WIRE_SLOW_H
#define TEST_UNIT_WIRE_SLOW_H

#include <stddef.h>

#include "base/buf.h"

struct slow {
	int status;      /* 0: a whole request; -1: more is needed; else the fault's */
	size_t used;     /* where it stopped */
	struct buf body; /* of the whole request */
};

/* Reads one request from the n bytes. */
void slow_read(struct slow *slow, const char *p, size_t n, size_t max_header, size_t max_body);

#endif
