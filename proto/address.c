/* Which addresses may be connected to: the special-purpose blocks, own listeners, and `allow`. */
#include "proto/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdint.h>
#include <string.h>

/*
 * The IPv4 blocks of the IANA special-purpose registry (RFC 6890) and of the multicast and
 * reserved ranges.  AS112 and AMT are globally reachable and could be left out; they are refused,
 * since nobody receives webhooks there.
 */
static const struct cidr address_not_ipv4[] = {
    {AF_INET, {0}, 8},                 /* this network; 0.0.0.0 is localhost on Linux */
    {AF_INET, {10}, 8},                /* private, RFC 1918 */
    {AF_INET, {100, 64}, 10},          /* shared by carrier NAT, RFC 6598 */
    {AF_INET, {127}, 8},               /* loopback */
    {AF_INET, {168, 63, 129, 16}, 32}, /* public by number, but Azure's wire server */
    {AF_INET, {169, 254}, 16},         /* link-local, with the clouds' metadata */
    {AF_INET, {172, 16}, 12},          /* private, RFC 1918 */
    {AF_INET, {192, 0, 0}, 24},        /* IETF protocol assignments */
    {AF_INET, {192, 0, 2}, 24},        /* documentation, RFC 5737 */
    {AF_INET, {192, 31, 196}, 24},     /* AS112, RFC 7535 */
    {AF_INET, {192, 52, 193}, 24},     /* AMT, RFC 7450 */
    {AF_INET, {192, 88, 99}, 24},      /* 6to4 relays, RFC 7526 */
    {AF_INET, {192, 168}, 16},         /* private, RFC 1918 */
    {AF_INET, {192, 175, 48}, 24},     /* AS112, RFC 7534 */
    {AF_INET, {198, 18}, 15},          /* benchmarking, RFC 2544 */
    {AF_INET, {198, 51, 100}, 24},     /* documentation, RFC 5737 */
    {AF_INET, {203, 0, 113}, 24},      /* documentation, RFC 5737 */
    {AF_INET, {224}, 4},               /* multicast */
    {AF_INET, {240}, 4},               /* reserved, and limited broadcast */
};

/*
 * IPv6 is judged the other way round: only 2000::/3 is handed out as global unicast (RFC 4291).
 * What lies outside needs no entry: unspecified, loopback, IPv4-compatible, IPv4-mapped
 * (::ffff:0:0/96), IPv4-translated, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard-only (100::/64),
 * SRv6 (5f00::/16), unique local, link-local, site-local, multicast.
 */
static const struct cidr address_ipv6 = {AF_INET6, {0x20}, 3};
static const struct cidr address_not_ipv6[] = {
    {AF_INET6, {0x20, 0x01}, 23},                         /* IETF: Teredo, ORCHID, … */
    {AF_INET6, {0x20, 0x01, 0x0d, 0xb8}, 32},             /* documentation, RFC 3849 */
    {AF_INET6, {0x20, 0x02}, 16},                         /* 6to4 holds an IPv4 address */
    {AF_INET6, {0x26, 0x20, 0x00, 0x4f, 0x80, 0x00}, 48}, /* AS112, RFC 7535 */
    {AF_INET6, {0x3f, 0xff}, 20},                         /* documentation, RFC 9637 */
};

/* An address and a port, without what else a sockaddr holds. */
struct address {
	int family;
	unsigned char addr[16];
	uint16_t port; /* network order */
};

/* 0, or -1 for a family that is neither IPv4 nor IPv6. */
static int
address_read(struct address *a, const struct sockaddr *sa)
{
	memset(a, 0, sizeof *a);
	a->family = sa->sa_family;
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof in);
		memcpy(a->addr, &in.sin_addr, 4);
		a->port = in.sin_port;
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof in6);
		memcpy(a->addr, &in6.sin6_addr, 16);
		a->port = in6.sin6_port;
		return 0;
	}
	return -1;
}

static bool
address_in(const struct cidr *cidr, const struct address *a)
{
	unsigned whole = cidr->bits / 8, rest = cidr->bits % 8;

	if (cidr->family != a->family || memcmp(cidr->addr, a->addr, whole) != 0)
		return false;
	return rest == 0 || (cidr->addr[whole] ^ a->addr[whole]) >> (8 - rest) == 0;
}

static bool
address_in_any(const struct cidr *list, size_t n, const struct address *a)
{
	for (size_t i = 0; i < n; i++) {
		if (address_in(&list[i], a))
			return true;
	}
	return false;
}

int
cidr_parse(struct cidr *cidr, const char *s)
{
	const char *slash = strchr(s, '/');
	size_t n = slash != NULL ? (size_t)(slash - s) : strlen(s);
	char host[INET6_ADDRSTRLEN];
	unsigned width;

	if (n >= sizeof host)
		return -1;
	memcpy(host, s, n);
	host[n] = '\0';
	memset(cidr, 0, sizeof *cidr);
	cidr->family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(cidr->family, host, cidr->addr) != 1)
		return -1;
	cidr->bits = width = cidr->family == AF_INET6 ? 128 : 32;
	if (slash != NULL) {
		size_t digits = strspn(slash + 1, "0123456789");

		if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
			return -1;
		cidr->bits = 0;
		for (const char *p = slash + 1; *p != '\0'; p++)
			cidr->bits = cidr->bits * 10 + (unsigned)(*p - '0');
	}
	if (cidr->bits > width)
		return -1;
	for (unsigned bit = cidr->bits; bit < width; bit++) {
		if (cidr->addr[bit / 8] >> (7 - bit % 8) & 1)
			return -1;
	}
	return 0;
}

bool
cidr_contains(const struct cidr *cidr, const struct sockaddr *sa)
{
	struct address a;

	return address_read(&a, sa) == 0 && address_in(cidr, &a);
}

static bool
address_is_global(const struct address *a)
{
	if (a->family == AF_INET)
		return !address_in_any(
		    address_not_ipv4, sizeof address_not_ipv4 / sizeof *address_not_ipv4, a);
	return address_in(&address_ipv6, a) &&
	       !address_in_any(
		   address_not_ipv6, sizeof address_not_ipv6 / sizeof *address_not_ipv6, a);
}

bool
address_is_public(const struct sockaddr *sa)
{
	struct address a;

	return address_read(&a, sa) == 0 && address_is_global(&a);
}

/* ::ffff:a.b.c.d in a socket address reaches a.b.c.d. */
static void
address_unwrap(struct address *a)
{
	static const struct cidr mapped = {
	    AF_INET6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};

	if (!address_in(&mapped, a))
		return;
	a->family = AF_INET;
	memmove(a->addr, a->addr + 12, 4);
	memset(a->addr + 4, 0, 12);
}

static bool
address_is_unspecified(const struct address *a)
{
	static const unsigned char zero[16];

	return memcmp(a->addr, zero, sizeof zero) == 0;
}

/* Whether a connection to it stays on this host; the port does not matter. */
static bool
address_is_local(const struct address *a)
{
	static const struct cidr loopback[] = {
	    {AF_INET, {127}, 8},
	    {AF_INET6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128},
	};
	/* Asked once: reading the interfaces takes some system calls.  Kept until the end. */
	static struct ifaddrs *interfaces;

	if (address_in_any(loopback, 2, a))
		return true;
	if (interfaces == NULL && getifaddrs(&interfaces) != 0)
		interfaces = NULL;
	for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next) {
		struct address own;

		if (i->ifa_addr != NULL && address_read(&own, i->ifa_addr) == 0 &&
		    own.family == a->family && memcmp(own.addr, a->addr, sizeof own.addr) == 0)
			return true;
	}
	return false;
}

/* Whether a connection to an unwrapped address ends at one of our listeners. */
static bool
egress_is_own(const struct egress *egress, const struct address *to)
{
	struct address a = *to;

	/* Linux connects to the loopback address when asked for the unspecified one. */
	if (address_is_unspecified(&a)) {
		if (a.family == AF_INET)
			a.addr[0] = 127;
		a.addr[a.family == AF_INET ? 3 : 15] = 1;
	}
	for (size_t i = 0; i < egress->nown; i++) {
		struct address own;

		if (address_read(&own, (const struct sockaddr *)&egress->own[i]) != 0 ||
		    own.port != a.port)
			continue;
		address_unwrap(&own);
		if (own.family == a.family && memcmp(own.addr, a.addr, sizeof a.addr) == 0)
			return true;
		if (address_is_unspecified(&own) && address_is_local(&a))
			return true;
	}
	return false;
}

const char *
egress_refusal(const struct egress *egress, const struct sockaddr *sa)
{
	struct address given, a;

	if (address_read(&given, sa) != 0)
		return "the address is neither IPv4 nor IPv6";
	a = given;
	address_unwrap(&a);
	if (egress_is_own(egress, &a))
		return "the address is one of this server's own listeners";
	/* an IPv4-mapped address is another spelling of an IPv4 one, and only good for hiding it */
	if (a.family == given.family && address_in_any(egress->allow, egress->nallow, &a))
		return NULL;
	return address_is_global(&given) ? NULL : "the address is not a public one";
}
