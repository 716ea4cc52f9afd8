/* What commands read: files, standard input, secrets. */
#ifndef CTL_INPUT_H
#define CTL_INPUT_H

#include "base/buf.h"

/* "-" is standard input, "@FILE" a file, anything else the text itself.  CTL_OK or a code with a
 * message written. */
int input_read(const char *arg, struct buf *out);
/* A file that holds one secret: its bytes less one final newline. */
int input_secret(const char *file, struct buf *out);

#endif
