/* Endpoint URLs: what is accepted reads the same when put together again, and no name is one that
 * a resolver would take for an address. */
#include <arpa/inet.h>
#include <string.h>

#include "base/buf.h"
#include "proto/address.h"
#include "proto/url.h"
#include "test/fuzz/fuzz.h"

static void
fuzz_check_bytes(const char *s)
{
	FUZZ_CHECK(*s != '\0');
	for (; *s != '\0'; s++)
		FUZZ_CHECK(*s > 0x20 && *s < 0x7f);
}

/* The order of a public host: never an address in disguise (0x7f.1, 2130706433, 127.1). */
static void
fuzz_check_host(const struct url *url)
{
	struct egress egress = {0};
	struct in_addr in;

	fuzz_check_bytes(url->host);
	fuzz_check_bytes(url->authority);
	fuzz_check_bytes(url->target);
	FUZZ_CHECK(url->target[0] == '/' && strchr(url->target, '#') == NULL);
	FUZZ_CHECK(strpbrk(url->host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ@/?#\\%") == NULL);
	FUZZ_CHECK(url->port > 0);
	if (url->kind == URL_HOST_NAME) {
		FUZZ_CHECK(inet_aton(url->host, &in) == 0);
		FUZZ_CHECK(url->addr.ss_family == AF_UNSPEC);
	} else {
		FUZZ_CHECK(
		    url->addr.ss_family == (url->kind == URL_HOST_IPV4 ? AF_INET : AF_INET6));
		FUZZ_CHECK((egress_refusal(&egress, (const struct sockaddr *)&url->addr) == NULL) ==
			   address_is_public((const struct sockaddr *)&url->addr));
	}
}

static void
fuzz_check_again(const struct url *url)
{
	struct buf text = {0};
	struct url again;
	const char *why;

	buf_adds(&text, url->tls ? "https://" : "http://");
	buf_adds(&text, url->authority);
	buf_adds(&text, url->target);
	if (text.len <= URL_MAX) {
		FUZZ_CHECK(url_parse(&again, text.data, text.len, &why) == 0);
		FUZZ_CHECK(again.tls == url->tls && again.kind == url->kind);
		FUZZ_CHECK(again.port == url->port && strcmp(again.host, url->host) == 0);
		FUZZ_CHECK(strcmp(again.authority, url->authority) == 0);
		FUZZ_CHECK(strcmp(again.target, url->target) == 0);
		FUZZ_CHECK(memcmp(&again.addr, &url->addr, sizeof again.addr) == 0);
	}
	buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct url url;
	const char *why;
	int rc = url_parse(&url, (const char *)data, size, &why);

	FUZZ_CHECK((rc == 0) == (why == NULL));
	if (rc == 0) {
		fuzz_check_host(&url);
		fuzz_check_again(&url);
	}
	return 0;
}
