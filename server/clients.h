/* Which clients have how many connections, for a cap on each. */
#ifndef SERVER_CLIENTS_H
#define SERVER_CLIENTS_H

#include <stddef.h>

struct clients;
struct client;

struct clients *clients_new(size_t max_each);
/* Only when all have left. */
void clients_free(struct clients *clients);

/* Counts the socket's peer; NULL when it has as many connections as it may.  An IPv6 client is its
 * /64: nobody has a single address there. */
struct client *clients_enter(struct clients *clients, int fd);
void clients_leave(struct clients *clients, struct client *client);

#endif
