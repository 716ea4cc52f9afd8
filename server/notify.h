/* What the service manager is told: the protocol of sd_notify(3), without its library. */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <event2/event.h>

struct notify;

/* NULL when no service manager wants to know.  Takes NOTIFY_SOCKET and WATCHDOG_* out of the
 * environment, so that no child speaks for us; from now on the watchdog is fed by the loop. */
struct notify *notify_new(struct event_base *base);
/* What is sent at a moment when the manager's socket is full is lost: nobody waits for it. */
void notify_ready(struct notify *notify);         /* serving; again after a pause */
void notify_waiting(const struct notify *notify); /* for Redis */
void notify_stopping(struct notify *notify);
/* Around a reload; silent before notify_ready() and after notify_stopping(). */
void notify_reloading(const struct notify *notify);
void notify_reloaded(const struct notify *notify);
void notify_free(struct notify *notify);

#endif
