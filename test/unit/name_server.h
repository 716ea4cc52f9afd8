/* A DNS server on the loopback, by UDP and TCP, that does what a test says. */
#ifndef TEST_UNIT_NAME_SERVER_H
#define TEST_UNIT_NAME_SERVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

/* A name, and what is said of it: silence, an error, or addresses. */
struct zone {
	const char *name;
	int error; /* a DNS rcode; -1: no answer at all */
	const char *v4[5], *v6[2];
	const char *alias; /* the addresses are this name's */
	unsigned ttl, alias_ttl;
	unsigned many; /* so many addresses 127.1.0.0 + n on top */
	bool lame6;    /* AAAA gets no answer */
	bool by_tcp;   /* by UDP only that it is too long */
	bool forged;   /* first come answers with 127.9.9.9: a wrong id, another port, another name
			*/
};

struct name_server {
	struct event_base *base;
	const struct zone *zones;
	size_t nzones;
	bool silent;               /* says nothing, whatever it is asked */
	bool nothing;              /* knows no name */
	char addr[32];             /* 127.0.0.1:port */
	unsigned questions;        /* by UDP */
	unsigned tcp;              /* questions by TCP */
	unsigned odd;              /* questions whose name does not end in ".test" */
	unsigned names;            /* different ones, one after another */
	char last[256];            /* the name that was asked for last */
	unsigned short ports[512]; /* different ones that questions came from */
	unsigned nports;
	int udp, listener;
	struct event *udp_event, *tcp_event;
};

void name_server_start(
    struct name_server *server, struct event_base *base, const struct zone *zones, size_t nzones);
void name_server_start_at(struct name_server *server, struct event_base *base, unsigned short port,
    const struct zone *zones, size_t nzones);
void name_server_stop(struct name_server *server);

#endif
