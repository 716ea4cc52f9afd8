/* The clock of Redis: what follows when it is set back, or is not ours. */
#ifndef STORE_CLOCK_WATCH_H
#define STORE_CLOCK_WATCH_H

#include "store/store.h"

struct clock_watch;

struct clock_watch *clock_watch_new(struct store *store);
void clock_watch_free(struct clock_watch *clock); /* when all commands are answered */
/* What due.lua said: its time, and by how much it went back when that is not mended yet, else 0. */
void clock_watch_saw(
    struct clock_watch *clock, int64_t lease_ms, int64_t redis_now_ms, int64_t back_ms);

#endif
