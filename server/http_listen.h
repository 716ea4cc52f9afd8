/* The API's listening sockets, and when they accept; for the http files alone. */
#ifndef SERVER_HTTP_LISTEN_H
#define SERVER_HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <event2/event.h>

struct http_listen;

/* Gives the socket of a new connection: non-blocking, TCP_NODELAY, close-on-exec. */
typedef void http_listen_fn(void *arg, int fd);

/* shared: others that say so too may listen on the same ports (SO_REUSEPORT).  held: nothing is
 * accepted before http_listen_accept(); it waits in the system's queue. */
struct http_listen *http_listen_new(
    struct event_base *base, bool shared, bool held, http_listen_fn *fn, void *arg);
int http_listen_add(struct http_listen *listen, const char *addr_port, char **why);
const struct sockaddr_storage *http_listen_addresses(const struct http_listen *listen, size_t *n);

void http_listen_accept(struct http_listen *listen);

/* A connection was taken in: there are descriptors. */
void http_listen_accepted(struct http_listen *listen);

/* No handshake begins any more; those that have are completed and accepted. */
void http_listen_hold_off(struct http_listen *listen);
void http_listen_close(struct http_listen *listen); /* for good; the addresses stay known */
void http_listen_free(struct http_listen *listen);

#endif
