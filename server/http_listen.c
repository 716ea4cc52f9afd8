/* The API's listening sockets, and when they accept: not without descriptors. */
#include "server/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#define HTTP_LISTEN_BACKLOG 1024
#define HTTP_LISTEN_REST_US 100000 /* after accept() failed */

struct http_listen {
	struct event_base *base;
	http_listen_fn *fn;
	void *arg;
	struct sockaddr_storage *addresses;
	struct evconnlistener **listeners; /* as many as addresses, NULL when closed */
	size_t n;
	bool shared; /* other processes may listen on the same ports */
	bool accepting;
	bool held;          /* until the first http_listen_accept() */
	bool resting;       /* accept() failed a moment ago */
	bool complained;    /* said so, and nothing was accepted since */
	struct event *rest; /* ends resting */
};

static void
http_listen_update(struct http_listen *listen)
{
	bool accept = !listen->held && !listen->resting;
	size_t i;

	if (accept == listen->accepting)
		return;
	listen->accepting = accept;
	for (i = 0; i < listen->n; i++) {
		if (listen->listeners[i] == NULL)
			continue;
		if (accept)
			evconnlistener_enable(listen->listeners[i]);
		else
			evconnlistener_disable(listen->listeners[i]);
	}
}

void
http_listen_accepted(struct http_listen *listen)
{
	listen->complained = false;
}

static void
http_listen_on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct http_listen *listen = arg;

	(void)fd;
	(void)what;
	listen->resting = false;
	http_listen_update(listen);
}

/* accept() failed, mostly for want of file descriptors; at once again it would fail the same. */
static void
http_listen_on_error(struct evconnlistener *listener, void *arg)
{
	struct timeval tv = {.tv_usec = HTTP_LISTEN_REST_US};
	int error = EVUTIL_SOCKET_ERROR();
	struct http_listen *listen = arg;

	(void)listener;
	if (!listen->complained)
		log_msg(LOG_WARN, "cannot accept connections: %s", strerror(error));
	listen->complained = true;
	listen->resting = true;
	event_add(listen->rest, &tv);
	http_listen_update(listen);
}

static void
http_listen_on_accept(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int len, void *arg)
{
	struct http_listen *listen = arg;

	(void)listener;
	(void)peer;
	(void)len;
	listen->fn(listen->arg, fd);
}

/* --- addresses --- */

/* A port, all of the text; 0 or -1. */
static int
http_listen_port(const char *s, uint16_t *port)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; s[i] >= '0' && s[i] <= '9' && i < 6; i++)
		n = n * 10 + (unsigned)(s[i] - '0');
	if (i == 0 || s[i] != '\0' || n > UINT16_MAX)
		return -1;
	*port = htons((uint16_t)n);
	return 0;
}

/* "1.2.3.4:80" or "[::1]:80"; the length of the address, or 0 when it is neither. */
static socklen_t
http_listen_parse(const char *s, struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	const char *colon = strrchr(s, ':');
	char host[INET6_ADDRSTRLEN];
	size_t len;

	memset(address, 0, sizeof *address);
	if (colon == NULL)
		return 0;
	len = (size_t)(colon - s);
	if (len > 2 && s[0] == '[' && s[len - 1] == ']' && len - 2 < sizeof host) {
		memcpy(host, s + 1, len - 2);
		host[len - 2] = '\0';
		v6->sin6_family = AF_INET6;
		if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 &&
		    http_listen_port(colon + 1, &v6->sin6_port) == 0)
			return sizeof *v6;
	} else if (len < sizeof host) {
		memcpy(host, s, len);
		host[len] = '\0';
		v4->sin_family = AF_INET;
		if (inet_pton(AF_INET, host, &v4->sin_addr) == 1 &&
		    http_listen_port(colon + 1, &v4->sin_port) == 0)
			return sizeof *v4;
	}
	return 0;
}

static int
http_listen_fail(char **why, const char *addr_port, const char *reason)
{
	struct buf text = {0};

	buf_printf(&text, "cannot listen on %s: %s", addr_port, reason);
	*why = buf_take(&text, NULL);
	return -1;
}

int
http_listen_add(struct http_listen *listen, const char *addr_port, char **why)
{
	const unsigned flags = LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE |
			       (listen->shared ? LEV_OPT_REUSEABLE_PORT : 0);
	struct evconnlistener *listener;
	struct sockaddr_storage address;
	socklen_t len = http_listen_parse(addr_port, &address);
	int fd, on = 1;

	if (len == 0)
		return http_listen_fail(why, addr_port, "not an ADDR:PORT or [ADDR]:PORT");
	listener = evconnlistener_new_bind(listen->base, http_listen_on_accept, listen,
	    flags | (address.ss_family == AF_INET6 ? LEV_OPT_BIND_IPV6ONLY : 0),
	    HTTP_LISTEN_BACKLOG, (struct sockaddr *)&address, (int)len);
	if (listener == NULL)
		return http_listen_fail(why, addr_port, strerror(errno));
	fd = evconnlistener_get_fd(listener);
	/* accepted sockets inherit it on Linux (tcp(7)), which spares a call for each */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	evconnlistener_set_error_cb(listener, http_listen_on_error);
	listen->addresses =
	    xreallocarray(listen->addresses, listen->n + 1, sizeof listen->addresses[0]);
	listen->listeners =
	    xreallocarray(listen->listeners, listen->n + 1, sizeof listen->listeners[0]);
	listen->addresses[listen->n] = address;
	getsockname(fd, (struct sockaddr *)&listen->addresses[listen->n], &len);
	listen->listeners[listen->n] = listener;
	if (!listen->accepting)
		evconnlistener_disable(listener);
	listen->n++;
	return 0;
}

void
http_listen_accept(struct http_listen *listen)
{
	listen->held = false;
	http_listen_update(listen);
}

const struct sockaddr_storage *
http_listen_addresses(const struct http_listen *listen, size_t *n)
{
	*n = listen->n;
	return listen->addresses;
}

/* --- life --- */

struct http_listen *
http_listen_new(struct event_base *base, bool shared, bool held, http_listen_fn *fn, void *arg)
{
	struct http_listen *listen = xcalloc(1, sizeof *listen);

	listen->base = base;
	listen->fn = fn;
	listen->arg = arg;
	listen->shared = shared;
	listen->held = held;
	listen->accepting = !held;
	listen->rest = event_new(base, -1, 0, http_listen_on_rested, listen);
	if (listen->rest == NULL)
		abort(); /* out of memory, as in base/mem.c */
	return listen;
}

/*
 * Closing a listening socket resets what its queue holds, and whoever completes a handshake or has
 * sent a request by then: a balancer must not repeat that for him.  So for a moment packets that
 * would begin a connection are dropped, as a busy network does; the client sends the next one when
 * the listener is gone, is refused, and knows that nothing was sent.  Where there are no socket
 * filters, closing is as abrupt as it is.
 */
void
http_listen_hold_off(struct http_listen *listen)
{
	/* bytes count from the TCP header: 13 has the flags (RFC 9293, 3.1) */
	static struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
	    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
	size_t i;

	for (i = 0; i < listen->n; i++) {
		if (listen->listeners[i] != NULL)
			setsockopt(evconnlistener_get_fd(listen->listeners[i]), SOL_SOCKET,
			    SO_ATTACH_FILTER, &program, sizeof program);
	}
}

void
http_listen_close(struct http_listen *listen)
{
	size_t i;

	for (i = 0; i < listen->n; i++) {
		if (listen->listeners[i] != NULL)
			evconnlistener_free(listen->listeners[i]);
		listen->listeners[i] = NULL;
	}
}

void
http_listen_free(struct http_listen *listen)
{
	http_listen_close(listen);
	event_free(listen->rest);
	free(listen->addresses);
	free(listen->listeners);
	free(listen);
}
