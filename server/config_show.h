/* The configuration as it is, and where each value came from; secrets are left out. */
#ifndef SERVER_CONFIG_SHOW_H
#define SERVER_CONFIG_SHOW_H

#include "base/buf.h"
#include "server/config.h"

/* {"options":[{"name":…,"value":…,"from":…},…]}: a value as it was given, a list of them for a
 * repeatable one, null when there is none. */
void config_show(const struct config *config, struct buf *json);

#endif
