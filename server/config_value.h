/* The text of an option's value, and the field of struct config that it goes to. */
#ifndef SERVER_CONFIG_VALUE_H
#define SERVER_CONFIG_VALUE_H

#include <sys/socket.h>

#include "base/buf.h"
#include "server/config.h"
#include "server/config_table.h"

/*
 * Parses the text and puts it into the option's field; a repeatable option gains a value.
 * 0, or -1 and why appended: "must be from 1 to 16384, not 0".
 */
int config_value_set(
    struct config *config, const struct config_option *option, const char *text, struct buf *why);
/* Frees what the field holds and makes it empty. */
void config_value_clear(struct config *config, const struct config_option *option);

/* "ADDR:PORT" or "[ADDR]:PORT"; 0 or -1. */
int config_value_address(const char *text, struct sockaddr_storage *address);
/* Appends s in quotes as one short line, whatever is in it. */
void config_value_quote(struct buf *out, const char *s);

#endif
