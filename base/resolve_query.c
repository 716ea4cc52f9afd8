/*
 * One question to DNS, by c-ares: sent again when it is not answered, to the next server when one
 * fails, by TCP when the answer is too long for UDP.
 *
 * Each question has a c-ares channel of its own, so that it leaves from a port of its own (who
 * wants to forge an answer must guess it) and can be ended without the others.
 */
#include <ares.h>
#include <event2/event_struct.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/resolve_internal.h"

/* A server is tried at 0 s, 1 s and 3 s; the deadline of the name is 5 s. */
#define RESOLVE_TRY_MS 1000
#define RESOLVE_TRIES 3
/* One that says it failed, or that it will not, is not asked again but after the others ... */
#define RESOLVE_FAILURES 2
/* ... and one that is not there, being restarted perhaps, a little later. */
#define RESOLVE_REACH_MS 500
#define RESOLVE_REACH_TRIES 8

struct resolve_socket {
	struct event event;
	int fd;
	short watched;
	struct resolve_query *query;
	LIST_ENTRY(resolve_socket) link;
};

/* c-ares frees and closes what it is working on from within its own functions; so what it says is
 * only written down, and told from the timer. */
struct resolve_query {
	struct event_base *base;
	const struct resolve_conf *conf;
	char *host;
	ares_channel channel; /* NULL: to be asked again when the timer fires */
	struct event timer;
	LIST_HEAD(, resolve_socket) sockets;
	bool answered;
	unsigned failures, unreached; /* times */
	int family;
	resolve_query_fn *fn;
	void *arg;
	struct resolve_found found;
};

static void resolve_query_ask(struct resolve_query *query);
static void resolve_query_close(struct resolve_query *query);

static void
resolve_query_arm(struct resolve_query *query)
{
	struct timeval tv = {0};

	if (query->answered)
		event_active(&query->timer, EV_TIMEOUT, 0);
	else if (query->channel != NULL && ares_timeout(query->channel, NULL, &tv) != NULL)
		event_add(&query->timer, &tv);
}

/* True when the answer is none to be content with, and another one is asked for. */
static bool
resolve_query_again(struct resolve_query *query)
{
	const struct timeval later = {.tv_usec = RESOLVE_REACH_MS * 1000};
	unsigned servers = (unsigned)query->conf->nservers;

	switch (query->found.error) {
	case RESOLVE_SERVER_FAILED:
	case RESOLVE_REFUSED:
	case RESOLVE_NOT_IMPLEMENTED:
		if (++query->failures >= (servers > RESOLVE_FAILURES ? servers : RESOLVE_FAILURES))
			return false;
		resolve_query_close(query);
		resolve_query_ask(query);
		return true;
	case RESOLVE_UNREACHABLE:
		if (++query->unreached >= RESOLVE_REACH_TRIES)
			return false;
		resolve_query_close(query);
		event_add(&query->timer, &later);
		return true;
	default:
		return false;
	}
}

static void
resolve_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolve_query *query = arg;

	(void)fd;
	(void)what;
	if (query->answered) {
		if (!resolve_query_again(query))
			query->fn(query->arg, query->family, &query->found); /* may end it */
		return;
	}
	if (query->channel == NULL) {
		resolve_query_ask(query);
		return;
	}
	ares_process_fd(query->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	resolve_query_arm(query);
}

static void
resolve_ev_socket(evutil_socket_t fd, short what, void *arg)
{
	struct resolve_query *query = ((struct resolve_socket *)arg)->query;

	/* the socket may be gone afterwards */
	ares_process_fd(query->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
	    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
	resolve_query_arm(query);
}

static struct resolve_socket *
resolve_socket_find(struct resolve_query *query, int fd)
{
	struct resolve_socket *sock;

	LIST_FOREACH(sock, &query->sockets, link)
	if (sock->fd == fd)
		return sock;
	sock = xcalloc(1, sizeof *sock);
	sock->fd = fd;
	sock->query = query;
	event_assign(&sock->event, query->base, fd, 0, resolve_ev_socket, sock);
	LIST_INSERT_HEAD(&query->sockets, sock, link);
	return sock;
}

/* c-ares wants to hear of a socket, or (both 0) closes it. */
static void
resolve_on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolve_query *query = arg;
	struct resolve_socket *sock = resolve_socket_find(query, fd);
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	if (what != 0 && what == sock->watched)
		return;
	event_del(&sock->event);
	if (what == 0) {
		LIST_REMOVE(sock, link);
		free(sock);
		return;
	}
	sock->watched = what;
	event_assign(
	    &sock->event, query->base, fd, (short)(what | EV_PERSIST), resolve_ev_socket, sock);
	event_add(&sock->event, NULL);
}

static enum resolve_error
resolve_error_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return RESOLVE_OK;
	case ARES_ENOTFOUND:
		return RESOLVE_NO_NAME;
	case ARES_ENODATA:
		return RESOLVE_NO_ADDRESS;
	case ARES_ETIMEOUT:
		return RESOLVE_TIMEOUT;
	case ARES_ESERVFAIL:
		return RESOLVE_SERVER_FAILED;
	case ARES_EREFUSED:
		return RESOLVE_REFUSED;
	case ARES_EFORMERR:
	case ARES_EBADNAME:
	case ARES_EBADQUERY:
		return RESOLVE_BAD_FORMAT;
	case ARES_ENOTIMP:
		return RESOLVE_NOT_IMPLEMENTED;
	case ARES_ECONNREFUSED:
		return RESOLVE_UNREACHABLE;
	default:
		return RESOLVE_UNUSABLE;
	}
}

static int64_t
resolve_lower(int64_t ttl_ms, int ttl)
{
	int64_t ms = ttl < 0 ? 0 : (int64_t)ttl * 1000;

	return ms < ttl_ms ? ms : ttl_ms;
}

static void
resolve_take(struct resolve_found *found, int family, const struct ares_addrinfo *info)
{
	found->ttl_ms = INT64_MAX;
	for (const struct ares_addrinfo_cname *name = info->cnames; name != NULL; name = name->next)
		found->ttl_ms = resolve_lower(found->ttl_ms, name->ttl);
	for (const struct ares_addrinfo_node *node = info->nodes; node != NULL;
	     node = node->ai_next) {
		union resolve_addr *addr = &found->list[found->n];

		if (found->n == RESOLVE_ADDRS || node->ai_family != family)
			continue;
		addr->sa.sa_family = (sa_family_t)family;
		if (family == AF_INET)
			addr->v4.sin_addr =
			    ((const struct sockaddr_in *)(const void *)node->ai_addr)->sin_addr;
		else
			addr->v6.sin6_addr =
			    ((const struct sockaddr_in6 *)(const void *)node->ai_addr)->sin6_addr;
		found->n++;
		found->ttl_ms = resolve_lower(found->ttl_ms, node->ai_ttl);
	}
}

static void
resolve_on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolve_query *query = arg;
	struct resolve_found *found = &query->found;

	query->answered = true;
	if (status == ARES_SUCCESS && info != NULL)
		resolve_take(found, query->family, info);
	found->error = resolve_error_of(status);
	if (found->error == RESOLVE_OK && found->n == 0)
		found->error = RESOLVE_NO_ADDRESS;
	found->moved_on = query->conf->nservers > 1 && (timeouts > 0 || query->failures > 0) &&
			  found->error <= RESOLVE_NO_ADDRESS;
	if (info != NULL)
		ares_freeaddrinfo(info);
}

/* All is given, so that c-ares reads no file and asks for no environment. */
static int
resolve_open_channel(struct resolve_query *query)
{
	const struct resolve_conf *conf = query->conf;
	static char nothing[] = "/dev/null", dns_only[] = "b";
	struct ares_options options = {
	    .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP,
	    .timeout = RESOLVE_TRY_MS,
	    .tries = RESOLVE_TRIES,
	    .ndots = 1,
	    .lookups = dns_only,
	    .sock_state_cb = resolve_on_socket,
	    .sock_state_cb_data = query,
	    .resolvconf_path = nothing,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
		   ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST |
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE | ARES_OPT_RESOLVCONF;
	struct buf servers = {0};
	int status;

#ifdef ARES_OPT_QUERY_CACHE
	mask |= ARES_OPT_QUERY_CACHE; /* lasting 0 s: none */
#endif
	status = ares_init_options(&query->channel, &options, mask);
	for (size_t i = 0; i < conf->nservers; i++)
		buf_printf(&servers, "%s%s", i > 0 ? "," : "",
		    conf->servers[(i + query->failures) % conf->nservers]);
	if (status == ARES_SUCCESS)
		status = ares_set_servers_ports_csv(query->channel, buf_str(&servers));
	buf_clear(&servers);
	return status;
}

static void
resolve_query_ask(struct resolve_query *query)
{
	const struct ares_addrinfo_hints hints = {
	    .ai_family = query->family, .ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM};
	int status = resolve_open_channel(query);

	if (status == ARES_SUCCESS)
		ares_getaddrinfo(
		    query->channel, query->host, NULL, &hints, resolve_on_answer, query);
	else
		resolve_on_answer(query, status, 0, NULL);
	resolve_query_arm(query);
}

/* What c-ares says meanwhile is of no interest any more. */
static void
resolve_query_close(struct resolve_query *query)
{
	struct resolve_socket *sock;

	if (query->channel != NULL)
		ares_destroy(query->channel);
	query->channel = NULL;
	while ((sock = LIST_FIRST(&query->sockets)) != NULL) {
		event_del(&sock->event);
		LIST_REMOVE(sock, link);
		free(sock);
	}
	event_del(&query->timer);
	query->answered = false;
	query->found.n = 0;
}

struct resolve_query *
resolve_query_start(struct event_base *base, const struct resolve_conf *conf, const char *host,
    int family, resolve_query_fn *fn, void *arg)
{
	struct resolve_query *query = xcalloc(1, sizeof *query);

	ares_library_init(ARES_LIB_INIT_ALL);
	query->base = base;
	query->conf = conf;
	query->host = xstrdup(host);
	query->family = family;
	query->fn = fn;
	query->arg = arg;
	LIST_INIT(&query->sockets);
	event_assign(&query->timer, base, -1, 0, resolve_ev_timer, query);
	resolve_query_ask(query);
	return query;
}

void
resolve_query_end(struct resolve_query *query)
{
	resolve_query_close(query);
	ares_library_cleanup(); /* counted, like ares_library_init() */
	free(query->host);
	free(query);
}
