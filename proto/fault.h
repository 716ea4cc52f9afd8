/* The faults of a request body, gathered so that all are named at once. */
#ifndef PROTO_FAULT_H
#define PROTO_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Kept; what comes beyond is only counted. */
#define FAULTS_MAX 1000
#define FAULTS_BYTES_MAX (128 * 1024)

struct faults {
	size_t count;
	size_t kept;
	struct buf json; /* the array of {"field", "message"}, without its closing bracket */
};

/*
 * Adds a fault.  The field is prefix and name joined by a dot (none before "["; either may be ""):
 * ("", "name"), ("endpoint", "url"), ("[17]", "type"), ("eventTypes", "[3]").
 * Both may hold bytes of the client's, NUL excepted: they are cut to 200 bytes each and escaped.
 */
void faults_add(struct faults *faults, const char *prefix, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Whether the next one would only be counted: looking for more is in vain. */
bool faults_full(const struct faults *faults);
/* Appends the whole array to out as a JSON value; when it is full, a last fault says so. */
void faults_write(const struct faults *faults, struct buf *out);
void faults_clear(struct faults *faults);

#endif
