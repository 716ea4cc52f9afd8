/* The private redis-server of --data-dir: started, watched, started again, stopped at the end. */
#ifndef STORE_EMBEDDED_H
#define STORE_EMBEDDED_H

#include <event2/event.h>

struct embedded;

struct embedded_opts {
	const char *data_dir; /* made (0700) when it is not there */
};

/*
 * Takes the directory for this process alone and starts redis-server (from PATH) in it, or adopts
 * the one that an evhookd which was killed left running there.  Blocks until it has loaded its data
 * or failed, but for at most 5 s: it may still be loading then.
 *
 * From then on the loop watches it: when it dies that is logged, and it is started again with a
 * back-off of 100 ms to 5 s; whoever uses the socket just reconnects.
 *
 * Returns NULL and *why in one line (free()) when the directory cannot be used or redis-server
 * does not run.
 */
struct embedded *embedded_start(
    struct event_base *base, const struct embedded_opts *opts, char **why);
/* The path of its Unix socket, absolute; borrowed. */
const char *embedded_socket(const struct embedded *embedded);
/*
 * At the very end of a shutdown: SIGTERM, upon which redis-server writes what it has and exits.
 * Blocks for at most 10 s; one that takes longer is logged and left to finish.  embedded_free()
 * is all that may follow.
 */
void embedded_stop(struct embedded *embedded);
/* Gives the directory back.  Without embedded_stop() redis-server goes on running, to be adopted.
 */
void embedded_free(struct embedded *embedded); /* NULL is fine */

#endif
