/* What --help prints. */
#ifndef SERVER_CONFIG_HELP_H
#define SERVER_CONFIG_HELP_H

#include "base/buf.h"

void config_help_write(struct buf *out);

#endif
