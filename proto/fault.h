/* The faults of a request body, gathered so that all are named at once. */
#ifndef PROTO_FAULT_H
#define PROTO_FAULT_H

#include <stddef.h>

#include "base/buf.h"

#define FAULTS_MAX 1000 /* kept; what comes beyond is only counted */

struct faults {
	size_t count;
	struct buf json; /* the array of {"field", "message"}, without its closing bracket */
};

/*
 * Adds a fault.  The field is prefix and name joined by a dot (none before "["; either may be ""):
 * ("", "name"), ("endpoint", "url"), ("[17]", "type"), ("eventTypes", "[3]").
 * Both may hold bytes of the client's, NUL excepted: they are cut to 200 bytes each and escaped.
 */
void faults_add(struct faults *faults, const char *prefix, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Appends the whole array to out as a JSON value. */
void faults_write(const struct faults *faults, struct buf *out);
void faults_clear(struct faults *faults);

#endif
