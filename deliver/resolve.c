/* Names to addresses: evdns asked for A and AAAA at once, one lookup for all who wait. */
#include "deliver/resolve.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "deliver/hosts.h"

#define RESOLVE_KEEP_MS 5000      /* an answer */
#define RESOLVE_KEEP_FAIL_MS 1000 /* a failure */
#define RESOLVE_DEADLINE_MS 5000  /* a lookup */
/* How long the one family waits for the other; RFC 8305, section 3, has 50 ms for people who look
 * at a screen. */
#define RESOLVE_SKEW_MS 250
#define RESOLVE_ADDRS 32 /* of each family; evdns has no more */

enum { RESOLVE_A, RESOLVE_AAAA, RESOLVE_FAMILIES };

/* One question under way: evdns calls back exactly once, whatever becomes of the name. */
struct resolve_query {
	struct resolve_name *name; /* NULL: nobody is interested any more */
	int family;
	struct evdns_request *handle;
};

/*
 * A name: asked for (queries, a timer, those who wait), then known until it expires.  While it is
 * asked for it is not in the list of known ones.
 */
struct resolve_name {
	struct resolver *resolver;
	char *host;
	struct resolve_query *queries[RESOLVE_FAMILIES];
	int errors[RESOLVE_FAMILIES]; /* DNS_ERR_* */
	struct event timer;           /* the deadline, later the skew */
	TAILQ_HEAD(, resolve_wait) waits;
	union resolve_addr *found[RESOLVE_FAMILIES];
	size_t nfound[RESOLVE_FAMILIES];
	bool known;
	int64_t expires_ms;
	struct resolve_answer answer; /* when known */
	union resolve_addr *list;     /* of the answer */
	TAILQ_ENTRY(resolve_name) link;
	UT_hash_handle hh;
};

struct resolver {
	struct event_base *base;
	struct evdns_base *dns;
	struct hosts *hosts; /* NULL, like conf: not the system's resolver */
	char *conf;
	struct stat conf_stat; /* when it was read */
	struct resolve_name *names;
	TAILQ_HEAD(, resolve_name) known; /* oldest first */
	struct resolve_answer from_hosts;
	union resolve_addr hosts_list[RESOLVE_ADDRS];
	uint64_t lookups;
};

static void resolve_ev_answer(
    int result, char type, int count, int ttl, void *addresses, void *arg);
static void resolve_ev_timer(evutil_socket_t fd, short what, void *arg);

/* evdns would try a silent server for 5 s before it asks again; our deadline is 5 s over all. */
static void
resolve_tune(struct evdns_base *dns)
{
	evdns_base_set_option(dns, "timeout:", "1.5");
	evdns_base_set_option(dns, "attempts:", "3");
	evdns_base_set_option(dns, "max-inflight:", "1024");
}

static void
resolve_read_conf(struct resolver *resolver)
{
	/* Without a usable file this adds 127.0.0.1, as resolv.conf(5) says. */
	evdns_base_resolv_conf_parse(
	    resolver->dns, DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC, resolver->conf);
	resolve_tune(resolver->dns);
}

/* The system's resolvers change under a long-lived process, with DHCP or a VPN. */
static void
resolve_refresh_conf(struct resolver *resolver)
{
	struct stat st;

	if (resolver->conf == NULL || stat(resolver->conf, &st) < 0)
		return;
	if (st.st_mtim.tv_sec == resolver->conf_stat.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == resolver->conf_stat.st_mtim.tv_nsec &&
	    st.st_size == resolver->conf_stat.st_size && st.st_ino == resolver->conf_stat.st_ino)
		return;
	resolver->conf_stat = st;
	evdns_base_clear_nameservers_and_suspend(resolver->dns);
	resolve_read_conf(resolver);
	evdns_base_resume(resolver->dns);
}

static int
resolve_add_servers(struct resolver *resolver, const struct resolve_opts *opts, char **why)
{
	struct buf buf = {0};

	for (size_t i = 0; i < opts->ndns; i++) {
		if (evdns_base_nameserver_ip_add(resolver->dns, opts->dns[i]) == 0)
			continue;
		buf_printf(&buf, "not the address of a resolver: %s", opts->dns[i]);
		*why = buf_take(&buf, NULL);
		return -1;
	}
	resolve_tune(resolver->dns);
	return 0;
}

struct resolver *
resolve_new(const struct resolve_opts *opts, char **why)
{
	struct resolver *resolver = xcalloc(1, sizeof *resolver);

	TAILQ_INIT(&resolver->known);
	resolver->base = opts->base;
	resolver->dns = evdns_base_new(opts->base, 0);
	if (resolver->dns == NULL) {
		free(resolver);
		*why = xstrdup("the resolver cannot be set up");
		return NULL;
	}
	if (opts->ndns > 0) {
		if (resolve_add_servers(resolver, opts, why) == 0)
			return resolver;
		resolve_free(resolver);
		return NULL;
	}
	resolver->conf = xstrdup(opts->conf);
	resolver->hosts = hosts_new(opts->hosts);
	if (stat(resolver->conf, &resolver->conf_stat) < 0)
		resolver->conf_stat = (struct stat){0};
	resolve_read_conf(resolver);
	return resolver;
}

/* Nobody is interested in what a name's queries bring any more. */
static void
resolve_drop_queries(struct resolve_name *name)
{
	for (int i = 0; i < RESOLVE_FAMILIES; i++) {
		struct resolve_query *query = name->queries[i];

		if (query == NULL)
			continue;
		name->queries[i] = NULL;
		query->name = NULL;
		evdns_cancel_request(name->resolver->dns, query->handle);
	}
}

static void
resolve_forget(struct resolve_name *name)
{
	resolve_drop_queries(name);
	event_del(&name->timer);
	if (name->known)
		TAILQ_REMOVE(&name->resolver->known, name, link);
	HASH_DEL(name->resolver->names, name);
	for (int i = 0; i < RESOLVE_FAMILIES; i++)
		free(name->found[i]);
	free(name->list);
	free(name->host);
	free(name);
}

void
resolve_free(struct resolver *resolver)
{
	struct resolve_name *name, *next;
	struct resolve_wait *wait;

	if (resolver == NULL)
		return;
	HASH_ITER(hh, resolver->names, name, next)
	{
		while ((wait = TAILQ_FIRST(&name->waits)) != NULL)
			resolve_cancel(wait);
		resolve_forget(name);
	}
	/* The queries were cancelled: their callbacks are on the way and free them. */
	evdns_base_free(resolver->dns, 0);
	hosts_free(resolver->hosts);
	free(resolver->conf);
	free(resolver);
}

const struct resolve_answer *
resolve_known(struct resolver *resolver, const char *host)
{
	int64_t now = clock_mono_ms();
	struct resolve_name *name;

	while ((name = TAILQ_FIRST(&resolver->known)) != NULL && name->expires_ms <= now)
		resolve_forget(name);
	HASH_FIND_STR(resolver->names, host, name);
	if (name != NULL && name->known && name->expires_ms > now)
		return &name->answer;
	if (resolver->hosts == NULL)
		return NULL;
	resolver->from_hosts.list = resolver->hosts_list;
	resolver->from_hosts.n =
	    hosts_find(resolver->hosts, host, resolver->hosts_list, RESOLVE_ADDRS);
	return resolver->from_hosts.n > 0 ? &resolver->from_hosts : NULL;
}

static void
resolve_arm(struct resolve_name *name, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(&name->timer, &tv);
}

/* The names of contract.md are absolute: no search domains. */
static void
resolve_query(struct resolve_name *name, int family)
{
	struct resolve_query *query = xcalloc(1, sizeof *query);
	struct evdns_base *dns = name->resolver->dns;

	query->name = name;
	query->family = family;
	if (family == RESOLVE_A)
		query->handle = evdns_base_resolve_ipv4(
		    dns, name->host, DNS_QUERY_NO_SEARCH, resolve_ev_answer, query);
	else
		query->handle = evdns_base_resolve_ipv6(
		    dns, name->host, DNS_QUERY_NO_SEARCH, resolve_ev_answer, query);
	if (query->handle != NULL) {
		name->queries[family] = query;
	} else {
		name->errors[family] = DNS_ERR_FORMAT;
		free(query);
	}
}

static struct resolve_name *
resolve_ask(struct resolver *resolver, const char *host)
{
	struct resolve_name *name = xcalloc(1, sizeof *name);

	resolve_refresh_conf(resolver);
	name->resolver = resolver;
	name->host = xstrdup(host);
	TAILQ_INIT(&name->waits);
	event_assign(&name->timer, resolver->base, -1, 0, resolve_ev_timer, name);
	HASH_ADD_KEYPTR(hh, resolver->names, name->host, strlen(name->host), name);
	resolver->lookups++;
	for (int i = 0; i < RESOLVE_FAMILIES; i++) {
		name->errors[i] = DNS_ERR_TIMEOUT;
		resolve_query(name, i);
	}
	/* evdns takes any name of up to 255 bytes; a refused one is answered from the loop too. */
	resolve_arm(
	    name, name->queries[0] == NULL && name->queries[1] == NULL ? 0 : RESOLVE_DEADLINE_MS);
	return name;
}

void
resolve_start(struct resolver *resolver, const char *host, struct resolve_wait *wait,
    resolve_done_fn *fn, void *arg)
{
	struct resolve_name *name;

	HASH_FIND_STR(resolver->names, host, name);
	if (name != NULL && name->known) {
		resolve_forget(name); /* expired, or resolve_known() would have had it */
		name = NULL;
	}
	if (name == NULL)
		name = resolve_ask(resolver, host);
	wait->name = name;
	wait->fn = fn;
	wait->arg = arg;
	TAILQ_INSERT_TAIL(&name->waits, wait, link);
}

/* The lookup goes on: its answer is soon wanted again. */
void
resolve_cancel(struct resolve_wait *wait)
{
	if (wait->name == NULL)
		return;
	TAILQ_REMOVE(&wait->name->waits, wait, link);
	wait->name = NULL;
}

uint64_t
resolve_lookups(const struct resolver *resolver)
{
	return resolver->lookups;
}

/* What to say when neither family has an address: the error that explains the most. */
static const char *
resolve_words(const struct resolve_name *name)
{
	int a = name->errors[RESOLVE_A], aaaa = name->errors[RESOLVE_AAAA];
	int error;

	if (a == DNS_ERR_NOTEXIST || aaaa == DNS_ERR_NOTEXIST)
		return "no such host";
	error = a == DNS_ERR_NONE || a == DNS_ERR_NODATA ? aaaa : a;
	switch (error) {
	case DNS_ERR_NONE:
	case DNS_ERR_NODATA:
		return "no such host: the name has no address";
	case DNS_ERR_TIMEOUT:
		return "DNS did not answer";
	case DNS_ERR_SERVERFAILED:
		return "DNS failed: server failure";
	case DNS_ERR_REFUSED:
		return "DNS failed: query refused";
	case DNS_ERR_TRUNCATED:
		return "DNS failed: the answer is too long for UDP";
	case DNS_ERR_FORMAT:
		return "DNS failed: format error";
	case DNS_ERR_NOTIMPL:
		return "DNS failed: not implemented";
	default:
		return "DNS failed: unusable answer";
	}
}

/* The two families take turns, so that few tries reach both. */
static void
resolve_compose(struct resolve_name *name)
{
	size_t n4 = name->nfound[RESOLVE_A], n6 = name->nfound[RESOLVE_AAAA];
	size_t n = 0;

	name->list = xcalloc(n4 + n6, sizeof *name->list);
	for (size_t i = 0; i < n4 || i < n6; i++) {
		if (i < n4)
			name->list[n++] = name->found[RESOLVE_A][i];
		if (i < n6)
			name->list[n++] = name->found[RESOLVE_AAAA][i];
	}
	name->answer.list = name->list;
	name->answer.n = n;
}

static void
resolve_finish(struct resolve_name *name)
{
	TAILQ_HEAD(, resolve_wait) waits = TAILQ_HEAD_INITIALIZER(waits);
	bool found = name->nfound[RESOLVE_A] + name->nfound[RESOLVE_AAAA] > 0;
	struct resolve_wait *wait;

	event_del(&name->timer);
	resolve_drop_queries(name);
	if (found)
		resolve_compose(name);
	else
		name->answer.failure = resolve_words(name);
	name->known = true;
	name->expires_ms = clock_mono_ms() + (found ? RESOLVE_KEEP_MS : RESOLVE_KEEP_FAIL_MS);
	TAILQ_INSERT_TAIL(&name->resolver->known, name, link);
	while ((wait = TAILQ_FIRST(&name->waits)) != NULL) {
		TAILQ_REMOVE(&name->waits, wait, link);
		wait->name = NULL;
		wait->fn(wait->arg, &name->answer);
	}
}

static void
resolve_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	resolve_finish(arg);
}

static void
resolve_take(struct resolve_name *name, int family, const void *addresses, size_t n)
{
	union resolve_addr *list = xcalloc(n, sizeof *list);

	for (size_t i = 0; i < n; i++) {
		if (family == RESOLVE_A) {
			list[i].sa.sa_family = AF_INET;
			memcpy(&list[i].v4.sin_addr, (const char *)addresses + i * 4, 4);
		} else {
			list[i].sa.sa_family = AF_INET6;
			memcpy(&list[i].v6.sin6_addr, (const char *)addresses + i * 16, 16);
		}
	}
	name->found[family] = list;
	name->nfound[family] = n;
}

static void
resolve_ev_answer(int result, char type, int count, int ttl, void *addresses, void *arg)
{
	struct resolve_query *query = arg;
	struct resolve_name *name = query->name;
	int family = query->family;

	(void)type;
	(void)ttl;
	free(query);
	if (name == NULL)
		return;
	name->queries[family] = NULL;
	name->errors[family] = result;
	if (result == DNS_ERR_NONE && count > 0)
		resolve_take(name, family, addresses, (size_t)count);
	if (name->queries[RESOLVE_A] == NULL && name->queries[RESOLVE_AAAA] == NULL)
		resolve_finish(name);
	else if (name->nfound[family] > 0)
		resolve_arm(name, RESOLVE_SKEW_MS);
}
