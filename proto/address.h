/* Which addresses may be connected to: public unicast ones, and what the operator allowed. */
#ifndef PROTO_ADDRESS_H
#define PROTO_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct cidr {
	int family; /* AF_INET or AF_INET6 */
	unsigned char addr[16];
	unsigned bits;
};

/* "10.0.0.0/8", "::1/128", or an address alone (all bits).  Host bits must be zero.  0 or -1. */
int cidr_parse(struct cidr *cidr, const char *s);
bool cidr_contains(const struct cidr *cidr, const struct sockaddr *sa);

/* Egress rules: `allow` opens more than public unicast; `own` are our listeners' addresses, always
 * refused (an unspecified own address stands for every local one with that port). */
struct egress {
	const struct cidr *allow;
	size_t nallow;
	const struct sockaddr_storage *own;
	size_t nown;
};

/* Globally reachable unicast: the IANA special-purpose registries' blocks are not (RFC 6890). */
bool address_is_public(const struct sockaddr *sa);
/* NULL when a connection to sa (address and port) is allowed, else why not, a constant text. */
const char *egress_refusal(const struct egress *egress, const struct sockaddr *sa);

#endif
