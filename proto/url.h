/* Endpoint URLs: a strict parser (contract.md, section 2, endpoint.url). */
#ifndef PROTO_URL_H
#define PROTO_URL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URL_MAX 2048

enum url_host_kind { URL_HOST_NAME, URL_HOST_IPV4, URL_HOST_IPV6 };

struct url {
	bool tls; /* https */
	enum url_host_kind kind;
	uint16_t port;       /* the scheme's when none was given */
	char host[256];      /* lower case, no brackets, no trailing dot */
	char authority[264]; /* for Host: as RFC 9110 wants it: brackets, port if not default */
	char target[URL_MAX + 2];     /* path and query, begins with a slash */
	struct sockaddr_storage addr; /* with the port, when the host is an address */
};

/* 0, or -1 and *why points to a constant text that names the fault. */
int url_parse(struct url *url, const char *s, size_t n, const char **why);

#endif
