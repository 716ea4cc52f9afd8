/* A DNS server on the loopback: reads one question, looks the name up in a table, answers. */
#include "test/unit/name_server.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 12
#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_AAAA 28

struct question {
	char name[256];
	unsigned type;
	size_t end; /* of the question in the packet */
};

struct packet {
	unsigned char bytes[8192];
	size_t len;
};

static void
put(struct packet *packet, const void *p, size_t n)
{
	if (packet->len + n > sizeof packet->bytes)
		abort();
	memcpy(packet->bytes + packet->len, p, n);
	packet->len += n;
}

static void
put16(struct packet *packet, unsigned n)
{
	put(packet, (unsigned char[]){(unsigned char)(n >> 8), (unsigned char)n}, 2);
}

static void
put_name(struct packet *packet, const char *name)
{
	while (*name != '\0') {
		unsigned char len = (unsigned char)strcspn(name, ".");

		put(packet, &len, 1);
		put(packet, name, len);
		name += len;
		name += *name == '.';
	}
	put(packet, "", 1);
}

static bool
read_question(const unsigned char *p, size_t n, struct question *question)
{
	size_t at = HEAD, len = 0;

	while (at < n && p[at] != 0 && at + 1 + p[at] < n && len + p[at] < 254) {
		if (len > 0)
			question->name[len++] = '.';
		memcpy(question->name + len, p + at + 1, p[at]);
		len += p[at];
		at += 1u + p[at];
	}
	question->name[len] = '\0';
	if (at + 5 > n || p[at] != 0)
		return false;
	question->type = (unsigned)p[at + 1] << 8 | p[at + 2];
	question->end = at + 5;
	return true;
}

/* name NULL: that of the question */
static void
put_record(struct packet *packet, const char *name, unsigned type, unsigned ttl, const void *data,
    size_t n)
{
	if (name == NULL)
		put16(packet, 0xc000 | HEAD);
	else
		put_name(packet, name);
	put16(packet, type);
	put16(packet, 1);
	put16(packet, ttl >> 16);
	put16(packet, ttl & 0xffff);
	put16(packet, (unsigned)n);
	put(packet, data, n);
	packet->bytes[7]++;
}

static void
put_addresses(struct packet *packet, const struct zone *zone, unsigned type)
{
	unsigned char raw[16];

	for (size_t i = 0; type == TYPE_A && i < 5 && zone->v4[i] != NULL; i++) {
		inet_pton(AF_INET, zone->v4[i], raw);
		put_record(packet, zone->alias, type, zone->ttl, raw, 4);
	}
	for (unsigned i = 0; type == TYPE_A && i < zone->many; i++) {
		uint32_t addr = htonl(0x7f010000 + i);

		put_record(packet, zone->alias, type, zone->ttl, &addr, 4);
	}
	for (size_t i = 0; type == TYPE_AAAA && i < 2 && zone->v6[i] != NULL; i++) {
		inet_pton(AF_INET6, zone->v6[i], raw);
		put_record(packet, zone->alias, type, zone->ttl, raw, 16);
	}
}

static void
begin(struct packet *packet, const unsigned char *p, const struct question *question, int error)
{
	packet->len = 0;
	put(packet, p, question->end);
	packet->bytes[2] = 0x80 | (p[2] & 1); /* an answer */
	packet->bytes[3] = (unsigned char)(0x80 | error);
	memset(packet->bytes + 6, 0, 6);
}

static void
compose(struct packet *packet, const unsigned char *p, const struct question *question,
    const struct zone *zone)
{
	struct packet alias = {.len = 0};

	begin(packet, p, question, zone == NULL ? 3 : zone->error);
	if (zone == NULL || zone->error != 0)
		return;
	if (zone->alias != NULL) {
		put_name(&alias, zone->alias);
		put_record(packet, NULL, TYPE_CNAME, zone->alias_ttl, alias.bytes, alias.len);
	}
	put_addresses(packet, zone, question->type);
}

static const struct zone *
find_zone(const struct name_server *server, const char *name)
{
	for (size_t i = 0; i < server->nzones && !server->nothing; i++)
		if (strcasecmp(server->zones[i].name, name) == 0)
			return &server->zones[i];
	return NULL;
}

static void
note(struct name_server *server, const struct question *question, unsigned short port)
{
	size_t len = strlen(question->name);

	server->odd += len < 5 || strcasecmp(question->name + len - 5, ".test") != 0;
	server->names += strcasecmp(server->last, question->name) != 0;
	snprintf(server->last, sizeof server->last, "%s", question->name);
	for (unsigned i = 0; i < server->nports; i++)
		if (server->ports[i] == port)
			return;
	if (server->nports < sizeof server->ports / sizeof *server->ports)
		server->ports[server->nports++] = port;
}

/* What somebody sends who does not see the question, or not all of it. */
static void
forge(struct name_server *server, const unsigned char *p, const struct question *question,
    const struct sockaddr_in *peer)
{
	static const struct zone poison = {.name = "", .v4 = {"127.9.9.9"}, .ttl = 60};
	int other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct sockaddr *to = (const struct sockaddr *)peer;
	struct packet packet;

	begin(&packet, p, question, 0);
	put_addresses(&packet, &poison, TYPE_A);
	sendto(other, packet.bytes, packet.len, 0, to, sizeof *peer); /* another port */
	close(other);
	packet.bytes[HEAD + 1] ^= 1; /* another name */
	sendto(server->udp, packet.bytes, packet.len, 0, to, sizeof *peer);
	packet.bytes[HEAD + 1] ^= 1;
	packet.bytes[1] ^= 1; /* another id */
	sendto(server->udp, packet.bytes, packet.len, 0, to, sizeof *peer);
}

static bool
is_silent(const struct name_server *server, const struct zone *zone, unsigned type)
{
	return server->silent ||
	       (zone != NULL && (zone->error < 0 || (type == TYPE_AAAA && zone->lame6)));
}

static void
on_udp(evutil_socket_t fd, short what, void *arg)
{
	struct name_server *server = arg;
	struct sockaddr_in peer;
	socklen_t len = sizeof peer;
	unsigned char p[4096];
	ssize_t n = recvfrom(fd, p, sizeof p, 0, (struct sockaddr *)&peer, &len);
	struct question question;
	const struct zone *zone;
	struct packet packet;

	(void)what;
	if (n < HEAD || !read_question(p, (size_t)n, &question))
		return;
	server->questions++;
	note(server, &question, ntohs(peer.sin_port));
	zone = find_zone(server, question.name);
	if (is_silent(server, zone, question.type))
		return;
	if (zone != NULL && zone->forged && question.type == TYPE_A)
		forge(server, p, &question, &peer);
	compose(&packet, p, &question, zone);
	if (zone != NULL && zone->by_tcp) {
		begin(&packet, p, &question, 0);
		packet.bytes[2] |= 2; /* truncated */
	}
	sendto(fd, packet.bytes, packet.len, 0, (struct sockaddr *)&peer, len);
}

/* One question a connection; it comes at one go. */
static void
on_tcp_question(evutil_socket_t fd, short what, void *arg)
{
	struct name_server *server = arg;
	unsigned char p[4096];
	ssize_t n = recv(fd, p, sizeof p, 0);
	struct question question;
	struct packet packet;

	(void)what;
	if (n >= 2 + HEAD && read_question(p + 2, (size_t)n - 2, &question)) {
		server->tcp++;
		compose(&packet, p + 2, &question, find_zone(server, question.name));
		p[0] = (unsigned char)(packet.len >> 8);
		p[1] = (unsigned char)packet.len;
		send(fd, p, 2, MSG_NOSIGNAL | MSG_MORE);
		send(fd, packet.bytes, packet.len, MSG_NOSIGNAL);
	}
	close(fd);
}

static void
on_tcp(evutil_socket_t fd, short what, void *arg)
{
	struct name_server *server = arg;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	event_base_once(server->base, conn, EV_READ, on_tcp_question, server, NULL);
}

void
name_server_start_at(struct name_server *server, struct event_base *base, unsigned short port,
    const struct zone *zones, size_t nzones)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof sin;
	int one = 1;

	*server = (struct name_server){.base = base, .zones = zones, .nzones = nzones};
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(server->listener, (struct sockaddr *)&sin, sizeof sin) != 0 ||
	    listen(server->listener, 16) != 0 ||
	    getsockname(server->listener, (struct sockaddr *)&sin, &len) != 0 ||
	    bind(server->udp, (struct sockaddr *)&sin, sizeof sin) != 0)
		abort();
	snprintf(server->addr, sizeof server->addr, "127.0.0.1:%u", ntohs(sin.sin_port));
	server->udp_event = event_new(base, server->udp, EV_READ | EV_PERSIST, on_udp, server);
	server->tcp_event = event_new(base, server->listener, EV_READ | EV_PERSIST, on_tcp, server);
	event_add(server->udp_event, NULL);
	event_add(server->tcp_event, NULL);
}

void
name_server_start(
    struct name_server *server, struct event_base *base, const struct zone *zones, size_t nzones)
{
	name_server_start_at(server, base, 0, zones, nzones);
}

void
name_server_stop(struct name_server *server)
{
	event_free(server->udp_event);
	event_free(server->tcp_event);
	close(server->udp);
	close(server->listener);
}
