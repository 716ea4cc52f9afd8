/* What the files of wire share. */
#ifndef SERVER_WIRE_INTERNAL_H
#define SERVER_WIRE_INTERNAL_H

#include "server/wire.h"

#define WIRE_MAX_FIELDS 256     /* lines of a head, or of trailers */
#define WIRE_MAX_SIZE_LINE 1024 /* bytes of a chunk's size line */

void wire_fail(struct wire *wire, int status, const char *why);
void wire_exceed(struct wire *wire); /* the request ends here, without its body */

/* wire_head.c; lines without their CRLF, which follows them in memory */
void wire_request_line(struct wire *wire, const char *s, size_t n);
void wire_field(struct wire *wire, const char *s, size_t n);
void wire_trailer(struct wire *wire, const char *s, size_t n);
void wire_head_end(struct wire *wire);

/* wire_target.c */
bool wire_is_host(const char *s, size_t n);
/* What is wrong with a request target, or NULL; `asterisk`: the method may have "*". */
const char *wire_check_target(const char *s, size_t n, bool asterisk);

#endif
