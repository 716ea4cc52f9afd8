/* What happens twice a second: how late the loop is, and which log lines were left out. */
#ifndef SERVER_PULSE_H
#define SERVER_PULSE_H

#include <event2/event.h>

#include "base/histogram.h"

struct pulse;

struct pulse *pulse_new(struct event_base *base);
void pulse_free(struct pulse *pulse); /* NULL is fine */
const struct histogram *pulse_lag(const struct pulse *pulse);

#endif
