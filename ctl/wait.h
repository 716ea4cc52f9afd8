/* Waiting, until a signal asks for the end. */
#ifndef CTL_WAIT_H
#define CTL_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* From now on SIGINT and SIGTERM only end wait_ms(). */
void wait_begin(void);
/* Whether one of them came. */
bool wait_ended(void);
/* true after so many ms, false as soon as a signal came. */
bool wait_ms(int64_t ms);

#endif
