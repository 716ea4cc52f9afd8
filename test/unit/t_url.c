/* Endpoint URLs: the table of tricks, the parts, what a message names, and mutations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/address.h"
#include "proto/url.h"
#include "test/unit/url_cases.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Parses a copy without a NUL, so that a read beyond n is caught by the sanitizer. */
static int
t_parse(struct url *url, const char *s, size_t n, const char **why)
{
	char *copy = malloc(n > 0 ? n : 1);
	int rc;

	memset(url, 0x55, sizeof *url);
	memcpy(copy, s, n);
	rc = url_parse(url, copy, n, why);
	free(copy);
	assert_int_equal(rc == 0, *why == NULL);
	return rc;
}

static enum url_result
t_judge(const char *s, size_t n)
{
	struct egress none = {0};
	struct url url;
	const char *why;

	if (t_parse(&url, s, n, &why) != 0)
		return URL_SYNTAX;
	if (url.kind != URL_HOST_NAME &&
	    egress_refusal(&none, (const struct sockaddr *)&url.addr) != NULL)
		return URL_ADDRESS;
	return URL_ACCEPT;
}

static void
t_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(url_cases); i++) {
		enum url_result result = t_judge(url_cases[i].url, url_cases[i].n);

		if (result != url_cases[i].result)
			fail_msg("%s: %d", url_cases[i].url, (int)result);
	}
}

static void
t_parts(void **state)
{
	static const struct {
		const char *url;
		bool tls;
		enum url_host_kind kind;
		int port;
		const char *host;
		const char *authority;
		const char *target;
	} cases[] = {
	    {"https://example.com", true, URL_HOST_NAME, 443, "example.com", "example.com", "/"},
	    {"HTTP://EXAMPLE.com.", false, URL_HOST_NAME, 80, "example.com", "example.com", "/"},
	    {"http://a:443/", false, URL_HOST_NAME, 443, "a", "a:443", "/"},
	    {"https://a:443/", true, URL_HOST_NAME, 443, "a", "a", "/"},
	    {"https://a:80", true, URL_HOST_NAME, 80, "a", "a:80", "/"},
	    {"https://a:/b", true, URL_HOST_NAME, 443, "a", "a", "/b"},
	    {"https://a?x=1&y=%20", true, URL_HOST_NAME, 443, "a", "a", "/?x=1&y=%20"},
	    {"https://a:8443/B/../c//?D=@:/?", true, URL_HOST_NAME, 8443, "a", "a:8443",
		"/B/../c//?D=@:/?"},
	    {"https://8.8.4.4:1/x", true, URL_HOST_IPV4, 1, "8.8.4.4", "8.8.4.4:1", "/x"},
	    {"http://[2A00:0:0::01]/", false, URL_HOST_IPV6, 80, "2a00::1", "[2a00::1]", "/"},
	    {"https://[2a00::1]:8443", true, URL_HOST_IPV6, 8443, "2a00::1", "[2a00::1]:8443", "/"},
	};
	struct url url;
	const char *why;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(t_parse(&url, cases[i].url, strlen(cases[i].url), &why), 0);
		assert_int_equal(url.tls, cases[i].tls);
		assert_int_equal(url.kind, cases[i].kind);
		assert_int_equal(url.port, cases[i].port);
		assert_string_equal(url.host, cases[i].host);
		assert_string_equal(url.authority, cases[i].authority);
		assert_string_equal(url.target, cases[i].target);
	}
}

static void
t_addresses(void **state)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	char text[INET6_ADDRSTRLEN];
	struct url url;
	const char *why;

	(void)state;
	assert_int_equal(t_parse(&url, "https://8.8.4.4:9/", 18, &why), 0);
	memcpy(&in, &url.addr, sizeof in);
	assert_int_equal(in.sin_family, AF_INET);
	assert_int_equal(ntohs(in.sin_port), 9);
	assert_string_equal(inet_ntop(AF_INET, &in.sin_addr, text, sizeof text), "8.8.4.4");
	assert_int_equal(t_parse(&url, "http://[2a00::1]", 16, &why), 0);
	memcpy(&in6, &url.addr, sizeof in6);
	assert_int_equal(in6.sin6_family, AF_INET6);
	assert_int_equal(ntohs(in6.sin6_port), 80);
	assert_string_equal(inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text), "2a00::1");
	assert_int_equal(t_parse(&url, "http://example.com", 18, &why), 0);
	assert_int_equal(url.addr.ss_family, AF_UNSPEC);
}

static void
t_lengths(void **state)
{
	char text[URL_MAX + 2];
	struct url url;
	const char *why;
	int n;

	(void)state;
	snprintf(text, sizeof text, "http://b?%0*d", URL_MAX + 1 - 9, 0);
	assert_int_equal(t_parse(&url, text, URL_MAX, &why), 0);
	assert_int_equal(strlen(url.target), URL_MAX - 7);
	assert_int_equal(t_parse(&url, text, URL_MAX + 1, &why), -1);
	assert_string_equal(why, "must be at most 2048 bytes");
	/* 253 in all: three labels of 63 and one of 61. */
	n = snprintf(text, sizeof text, "https://%063d.%063d.%063d.%061d", 0, 0, 0, 0);
	text[n - 1] = 'x'; /* or the last label were a number */
	assert_int_equal(t_parse(&url, text, (size_t)n, &why), 0);
	assert_int_equal(strlen(url.host), 253);
	memcpy(text + n, ".:65535", 8);
	assert_int_equal(t_parse(&url, text, (size_t)n + 7, &why), 0);
	assert_int_equal(strlen(url.authority), 259);
	text[n] = 'x';
	assert_int_equal(t_parse(&url, text, (size_t)n + 1, &why), -1);
}

static void
t_messages(void **state)
{
	static const struct {
		const char *url;
		const char *word;
	} cases[] = {
	    {"", "absolute http:// or https:// URL"},
	    {"example.com/hook", "absolute http:// or https:// URL"},
	    {"https://u:p@example.com/", "headers"},
	    {"https://example.com/#x", "fragment"},
	    {"https://example.com/ x", "spaces"},
	    {"https://b\xc3\xbc"
	     "cher.example/",
		"xn--"},
	    {"https:///x", "host"},
	    {"https://127.1/", "four decimal numbers"},
	    {"https://[::1/", "brackets"},
	    {"https://::1/", "brackets"},
	    {"https://a:0/", "1 to 65535"},
	    {"https://a/%0", "two hex digits"},
	    {"https://a/\\", "percent escapes"},
	    {"https://a/[", "RFC 3986"},
	    {"https://-a/", "labels"},
	};
	struct url url;
	const char *why;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(t_parse(&url, cases[i].url, strlen(cases[i].url), &why), -1);
		if (strstr(why, cases[i].word) == NULL)
			fail_msg("%s: %s", cases[i].url, why);
	}
}

/* Each byte by itself, in the host, the path and the query, with and without an escape. */
static void
t_bytes(void **state)
{
	struct url url;
	const char *why;

	(void)state;
	for (int c = 0; c < 256; c++) {
		char host[] = "http://a_b.example/", path[] = "http://a/x_y",
		     query[] = "http://a?x_y";
		char escape[] = "http://a/%_0";
		bool alnum = isascii(c) && isalnum(c);
		bool target = alnum || (c != 0 && strchr("-._~!$&'()*+,;=:@/?", c) != NULL);
		int rc;

		host[8] = path[10] = query[10] = escape[10] = (char)c;
		rc = t_parse(&url, host, sizeof host - 1, &why);
		if (c != '/' && c != '?' && c != ':') /* which end the host; b.example is no port */
			assert_int_equal(rc == 0, alnum || (c != 0 && strchr("-_.", c) != NULL));
		rc = t_parse(&url, path, sizeof path - 1, &why);
		assert_int_equal(rc == 0, target);
		rc = t_parse(&url, query, sizeof query - 1, &why);
		assert_int_equal(rc == 0, target);
		rc = t_parse(&url, escape, sizeof escape - 1, &why);
		assert_int_equal(rc == 0, isascii(c) && isxdigit(c));
	}
}

/* What was accepted holds nothing that could reach beyond its place in a request. */
static void
t_check_accepted(const struct url *url)
{
	struct url again;
	char text[URL_MAX + 300];
	const char *why;
	int n;

	assert_int_equal(url->target[0], '/');
	for (const char *p = url->target; *p != '\0'; p++)
		assert_true(*p > ' ' && *p < 0x7f && *p != '#' && *p != '\\');
	for (const char *p = url->host; *p != '\0'; p++)
		assert_true(islower((unsigned char)*p) || isdigit((unsigned char)*p) ||
			    strchr(url->kind == URL_HOST_IPV6 ? ":." : "-_.", *p) != NULL);
	assert_true(url->port > 0);
	n = snprintf(
	    text, sizeof text, "http%s://%s%s", url->tls ? "s" : "", url->authority, url->target);
	assert_int_equal(t_parse(&again, text, (size_t)n, &why), 0);
	assert_int_equal(again.kind, url->kind);
	assert_int_equal(again.port, url->port);
	assert_string_equal(again.host, url->host);
	assert_string_equal(again.authority, url->authority);
	assert_string_equal(again.target, url->target);
	assert_memory_equal(&again.addr, &url->addr, sizeof url->addr);
}

static void
t_random_texts(void **state)
{
	static const char alphabet[] = "htps:/.@[]?#%0x19afZ-_ \\\r\n\t:..//";
	char text[256];
	int good = 0;

	(void)state;
	srandom(1);
	for (int i = 0; i < 300000; i++) {
		size_t pick = (size_t)random() % COUNT(url_cases);
		size_t n = url_cases[pick].n;
		struct url url;
		const char *why;

		if (n > sizeof text - 8)
			n = sizeof text - 8;
		memcpy(text, url_cases[pick].url, n);
		for (long k = random() % 4; k > 0 && n > 0; k--) {
			size_t at = (size_t)random() % n;

			if (random() % 3 == 0) {
				memmove(text + at + 1, text + at, n - at);
				n++;
			}
			text[at] = random() % 8 == 0 ? (char)random()
						     : alphabet[(size_t)random() % sizeof alphabet];
		}
		if (random() % 4 == 0)
			n = (size_t)random() % (n + 1);
		if (t_parse(&url, text, n, &why) != 0)
			continue;
		good++;
		t_check_accepted(&url);
	}
	assert_true(good > 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_cases),
	    cmocka_unit_test(t_parts),
	    cmocka_unit_test(t_addresses),
	    cmocka_unit_test(t_lengths),
	    cmocka_unit_test(t_messages),
	    cmocka_unit_test(t_bytes),
	    cmocka_unit_test(t_random_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
