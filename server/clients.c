/* Which clients have how many connections, for a cap on each. */
#include "server/clients.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uthash.h>

#include "base/mem.h"

struct client {
	unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d, IPv6 without its last 64 bits */
	size_t connections;
	UT_hash_handle hh;
};

struct clients {
	size_t max_each;
	struct client *by_address;
};

/* All zero where there is no peer any more. */
static void
clients_address(int fd, unsigned char address[16])
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof peer;

	memset(address, 0, 16);
	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
		return;
	if (peer.ss_family == AF_INET) {
		memset(address + 10, 0xff, 2);
		memcpy(address + 12, &((struct sockaddr_in *)&peer)->sin_addr, 4);
	} else if (peer.ss_family == AF_INET6) {
		memcpy(address, &((struct sockaddr_in6 *)&peer)->sin6_addr, 8);
	}
}

struct client *
clients_enter(struct clients *clients, int fd)
{
	unsigned char address[16];
	struct client *client;

	clients_address(fd, address);
	HASH_FIND(hh, clients->by_address, address, sizeof address, client);
	if (client == NULL) {
		client = xcalloc(1, sizeof *client);
		memcpy(client->address, address, sizeof address);
		HASH_ADD(hh, clients->by_address, address, sizeof client->address, client);
	}
	if (client->connections >= clients->max_each)
		return NULL;
	client->connections++;
	return client;
}

void
clients_leave(struct clients *clients, struct client *client)
{
	if (--client->connections > 0)
		return;
	HASH_DEL(clients->by_address, client);
	free(client);
}

struct clients *
clients_new(size_t max_each)
{
	struct clients *clients = xcalloc(1, sizeof *clients);

	clients->max_each = max_each;
	return clients;
}

void
clients_free(struct clients *clients)
{
	free(clients);
}
