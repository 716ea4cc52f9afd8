/* Addresses: CIDR texts, every refused block at its edges, own listeners, and `allow`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "proto/address.h"
#include "test/unit/url_cases.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct sockaddr_storage
t_addr(int family, const void *addr, uint16_t port)
{
	struct sockaddr_storage ss = {0};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (family == AF_INET) {
		memcpy(&in.sin_addr, addr, 4);
		memcpy(&ss, &in, sizeof in);
	} else {
		memcpy(&in6.sin6_addr, addr, 16);
		memcpy(&ss, &in6, sizeof in6);
	}
	return ss;
}

static struct sockaddr_storage
t_text(const char *text, uint16_t port)
{
	unsigned char addr[16];
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, addr), 1);
	return t_addr(family, addr, port);
}

static void
t_cidr_texts(void **state)
{
	static const char *const good[] = {"10.0.0.0/8", "0.0.0.0/0", "::/0", "::1/128", "::1",
	    "192.168.1.1", "192.168.1.1/32", "192.168.1.0/31", "2001:db8::/32", "fe80::/10",
	    "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"};
	static const char *const bad[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8",
	    "::1/127", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ", " 10.0.0.0/8",
	    "10.0.0.0/8/8", "10.0.0.0/0008", "10/8", "10.0.0/24", "010.0.0.0/8", "0x0a.0.0.0/8",
	    "fe80::1%lo", "[::1]", "localhost", "10.0.0.0/4294967304", "::g", "1.2.3.4:80",
	    "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/8"};
	struct cidr cidr;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(cidr_parse(&cidr, good[i]), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(cidr_parse(&cidr, bad[i]), -1);
}

static void
t_cidr_contains(void **state)
{
	static const struct {
		const char *cidr;
		const char *addr;
		bool in;
	} cases[] = {
	    {"10.0.0.0/8", "10.255.255.255", true},
	    {"10.0.0.0/8", "11.0.0.0", false},
	    {"10.0.0.0/8", "9.255.255.255", false},
	    {"172.16.0.0/12", "172.31.255.255", true},
	    {"172.16.0.0/12", "172.32.0.0", false},
	    {"192.168.1.4/30", "192.168.1.7", true},
	    {"192.168.1.4/30", "192.168.1.8", false},
	    {"1.2.3.4", "1.2.3.4", true},
	    {"1.2.3.4", "1.2.3.5", false},
	    {"0.0.0.0/0", "255.1.2.3", true},
	    {"0.0.0.0/0", "::1", false},
	    {"::/0", "1.2.3.4", false},
	    {"::/0", "ff::1", true},
	    {"::1", "::1", true},
	    {"::1", "::2", false},
	    {"2001:db8::/33", "2001:db8:7fff::1", true},
	    {"2001:db8::/33", "2001:db8:8000::1", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sockaddr_storage ss = t_text(cases[i].addr, 80);
		struct cidr cidr;

		assert_int_equal(cidr_parse(&cidr, cases[i].cidr), 0);
		assert_int_equal(cidr_contains(&cidr, (const struct sockaddr *)&ss), cases[i].in);
	}
}

/* What should be public, said bit by bit and from the table of the cases. */
static bool
t_expected(int family, const unsigned char *addr)
{
	if (family == AF_INET6 && addr[0] >> 5 != 1)
		return false;
	for (size_t i = 0; i < COUNT(url_blocks); i++) {
		struct cidr block;
		unsigned bit = 0;

		assert_int_equal(cidr_parse(&block, url_blocks[i]), 0);
		while (bit < block.bits &&
		       ((block.addr[bit / 8] ^ addr[bit / 8]) >> (7 - bit % 8) & 1) == 0)
			bit++;
		if (block.family == family && bit == block.bits)
			return false;
	}
	return true;
}

static void
t_judge(int family, const unsigned char *addr)
{
	struct sockaddr_storage ss = t_addr(family, addr, 443);
	struct egress none = {0};
	bool public = t_expected(family, addr);
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, addr, text, sizeof text);
	if (address_is_public((const struct sockaddr *)&ss) != public)
		fail_msg("%s is%s public", text, public ? "" : " not");
	if ((egress_refusal(&none, (const struct sockaddr *)&ss) == NULL) != public)
		fail_msg("%s is%s to be refused", text, public ? " not" : "");
}

/* Adds 1 or takes 1 away; wraps. */
static void
t_step(unsigned char *addr, size_t width, int by)
{
	for (size_t i = width; i-- > 0;) {
		addr[i] = (unsigned char)(addr[i] + by);
		if (addr[i] != (by > 0 ? 0 : 255))
			break;
	}
}

static void
t_blocks(void **state)
{
	(void)state;
	srandom(1);
	for (size_t i = 0; i < COUNT(url_blocks); i++) {
		struct cidr block;
		unsigned char addr[16];
		size_t width;

		assert_int_equal(cidr_parse(&block, url_blocks[i]), 0);
		width = block.family == AF_INET ? 4 : 16;
		t_judge(block.family, block.addr);
		memcpy(addr, block.addr, 16);
		t_step(addr, width, -1);
		t_judge(block.family, addr);
		for (int k = 0; k < 50; k++) {
			memcpy(addr, block.addr, 16);
			for (unsigned bit = block.bits; bit < width * 8; bit++)
				addr[bit / 8] |=
				    (unsigned char)((k == 0 ? 1 : random() & 1) << (7 - bit % 8));
			assert_false(t_expected(block.family, addr));
			t_judge(block.family, addr);
			if (k == 0) {
				t_step(addr, width, 1);
				t_judge(block.family, addr);
			}
		}
	}
}

static void
t_random_addresses(void **state)
{
	unsigned char addr[16];
	int public = 0;

	(void)state;
	srandom(2);
	for (int i = 0; i < 20000; i++) {
		for (size_t k = 0; k < sizeof addr; k++)
			addr[k] = (unsigned char)random();
		t_judge(AF_INET, addr);
		public += t_expected(AF_INET, addr);
		t_judge(AF_INET6, addr);
		addr[0] = (unsigned char)(0x20 | (addr[0] & 0x1f));
		t_judge(AF_INET6, addr);
	}
	assert_in_range(public, 15000, 19999);
}

static const char *
t_refusal(const struct egress *egress, const char *text, uint16_t port)
{
	struct sockaddr_storage ss = t_text(text, port);

	return egress_refusal(egress, (const struct sockaddr *)&ss);
}

static void
t_allow(void **state)
{
	struct cidr allow[2];
	struct egress egress = {.allow = allow, .nallow = 2};

	(void)state;
	assert_int_equal(cidr_parse(&allow[0], "127.0.0.0/8"), 0);
	assert_int_equal(cidr_parse(&allow[1], "fd00::/8"), 0);
	assert_null(t_refusal(&egress, "127.0.0.1", 80));
	assert_non_null(t_refusal(&egress, "::ffff:127.0.0.1", 80));
	assert_null(t_refusal(&egress, "fd00:ec2::254", 80));
	assert_null(t_refusal(&egress, "8.8.8.8", 80));
	assert_non_null(t_refusal(&egress, "10.0.0.1", 80));
	assert_non_null(t_refusal(&egress, "::1", 80));
	assert_non_null(t_refusal(&egress, "::ffff:10.0.0.1", 80));
	assert_non_null(t_refusal(&egress, "::ffff:8.8.8.8", 80));
	/* All of IPv6 does not mean the IPv4 addresses that it can wrap. */
	assert_int_equal(cidr_parse(&allow[1], "::/0"), 0);
	assert_null(t_refusal(&egress, "::1", 80));
	assert_non_null(t_refusal(&egress, "::ffff:10.0.0.1", 80));
}

static void
t_own(void **state)
{
	struct cidr allow[2];
	struct sockaddr_storage own[] = {t_text("127.0.0.1", 8080), t_text("203.0.114.9", 9464),
	    t_text("::ffff:127.0.0.2", 8081), t_text("2a00:1450::5", 443)};
	struct egress egress = {.allow = allow, .nallow = 2, .own = own, .nown = COUNT(own)};

	(void)state;
	assert_int_equal(cidr_parse(&allow[0], "0.0.0.0/0"), 0);
	assert_int_equal(cidr_parse(&allow[1], "::/0"), 0);
	assert_non_null(t_refusal(&egress, "127.0.0.1", 8080));
	assert_non_null(t_refusal(&egress, "::ffff:127.0.0.1", 8080));
	assert_non_null(t_refusal(&egress, "0.0.0.0", 8080));
	assert_non_null(t_refusal(&egress, "::ffff:0.0.0.0", 8080));
	assert_non_null(t_refusal(&egress, "127.0.0.2", 8081));
	assert_non_null(t_refusal(&egress, "203.0.114.9", 9464));
	assert_non_null(t_refusal(&egress, "2a00:1450::5", 443));
	assert_null(t_refusal(&egress, "127.0.0.1", 8082));
	assert_null(t_refusal(&egress, "127.0.0.3", 8080));
	assert_null(t_refusal(&egress, "::1", 8080));
	assert_null(t_refusal(&egress, "203.0.114.9", 443));
}

static void
t_own_unspecified(void **state)
{
	static const char *const any[] = {"0.0.0.0", "::", "::ffff:0.0.0.0"};
	static const char *const local[] = {
	    "127.0.0.1", "127.200.1.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"};
	struct cidr allow[2];
	struct sockaddr_storage own;
	struct egress egress = {.allow = allow, .nallow = 2, .own = &own, .nown = 1};
	struct ifaddrs *interfaces;
	int seen = 0;

	(void)state;
	assert_int_equal(cidr_parse(&allow[0], "0.0.0.0/0"), 0);
	assert_int_equal(cidr_parse(&allow[1], "::/0"), 0);
	for (size_t i = 0; i < COUNT(any); i++) {
		own = t_text(any[i], 8080);
		for (size_t k = 0; k < COUNT(local); k++) {
			assert_non_null(t_refusal(&egress, local[k], 8080));
			if (k < 4)
				assert_null(t_refusal(&egress, local[k], 8081));
		}
		assert_null(t_refusal(&egress, "8.8.8.8", 8080));
		assert_null(t_refusal(&egress, "10.99.98.97", 8080));
	}
	assert_int_equal(getifaddrs(&interfaces), 0);
	for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next) {
		struct sockaddr_in in;
		struct sockaddr_storage to;

		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&in, i->ifa_addr, sizeof in);
		to = t_addr(AF_INET, &in.sin_addr, 8080);
		assert_non_null(egress_refusal(&egress, (const struct sockaddr *)&to));
		to = t_addr(AF_INET, &in.sin_addr, 8081);
		assert_null(egress_refusal(&egress, (const struct sockaddr *)&to));
		seen++;
	}
	freeifaddrs(interfaces);
	assert_true(seen > 0); /* at least lo */
}

static void
t_other_families(void **state)
{
	struct sockaddr_storage own = {.ss_family = AF_UNIX};
	struct egress egress = {.own = &own, .nown = 1};

	(void)state;
	assert_false(address_is_public((const struct sockaddr *)&own));
	assert_non_null(egress_refusal(&egress, (const struct sockaddr *)&own));
	assert_null(t_refusal(&egress, "8.8.8.8", 0));
}

static void
t_random_cidrs(void **state)
{
	char text[48];
	int good = 0;

	(void)state;
	srandom(3);
	for (int i = 0; i < 200000; i++) {
		size_t n = (size_t)random() % (sizeof text - 1);
		struct sockaddr_storage ss;
		struct cidr cidr;

		if (i % 2 == 0) {
			n = strlen(url_blocks[(size_t)i % COUNT(url_blocks)]);
			memcpy(text, url_blocks[(size_t)i % COUNT(url_blocks)], n);
			text[(size_t)random() % n] = "0123456789abcdef:./% "[random() % 21];
		} else {
			for (size_t k = 0; k < n; k++)
				text[k] = "0123456789abcdef:./% "[random() % 21];
		}
		text[n] = '\0';
		if (cidr_parse(&cidr, text) != 0)
			continue;
		good++;
		assert_true(cidr.bits <= (cidr.family == AF_INET ? 32 : 128));
		ss = t_addr(cidr.family, cidr.addr, 1);
		assert_true(cidr_contains(&cidr, (const struct sockaddr *)&ss));
	}
	assert_true(good > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_cidr_texts),
	    cmocka_unit_test(t_cidr_contains),
	    cmocka_unit_test(t_blocks),
	    cmocka_unit_test(t_random_addresses),
	    cmocka_unit_test(t_allow),
	    cmocka_unit_test(t_own),
	    cmocka_unit_test(t_own_unspecified),
	    cmocka_unit_test(t_other_families),
	    cmocka_unit_test(t_random_cidrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
