/* Names to addresses: A and AAAA asked for at once, one lookup for all who wait, and what is known.
 */
#include "base/resolve.h"

#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hosts.h"
#include "base/mem.h"
#include "base/resolve_internal.h"

#define RESOLVE_KEEP_MAX_MS 300000
#define RESOLVE_KEEP_MIN_MS 1000
#define RESOLVE_KEEP_PART_MS 5000 /* one of the families was not answered for */
#define RESOLVE_KEEP_FAIL_MS 1000
#define RESOLVE_KNOWN_MAX 4096   /* names; each of 2 KiB at most */
#define RESOLVE_DEADLINE_MS 5000 /* a lookup */
/* How long the one family waits for the other; RFC 8305, section 3, has 50 ms for people who look
 * at a screen. */
#define RESOLVE_SKEW_MS 250
#define RESOLVE_NAME_MAX 255 /* bytes */

enum { RESOLVE_A, RESOLVE_AAAA, RESOLVE_FAMILIES };

static const int resolve_families[RESOLVE_FAMILIES] = {AF_INET, AF_INET6};

/*
 * A name: waits for its turn, is asked for (queries, a timer, those who wait), then known until it
 * expires.  Until then it is not in the list of known ones.
 */
struct resolve_name {
	struct resolver *resolver;
	char *host;
	size_t candidate; /* the full name that is asked for */
	struct resolve_turn turn;
	struct resolve_query *queries[RESOLVE_FAMILIES];
	enum resolve_error errors[RESOLVE_FAMILIES];
	union resolve_addr *found[RESOLVE_FAMILIES];
	size_t nfound[RESOLVE_FAMILIES];
	int64_t ttl_ms;
	struct event timer; /* the deadline, later the skew */
	TAILQ_HEAD(, resolve_wait) waits;
	unsigned version;      /* of the system's files when it was asked for */
	unsigned conf_version; /* and of the order of the servers */
	bool known;
	bool forgotten; /* while it is told */
	int64_t expires_ms;
	struct resolve_answer answer; /* when known */
	union resolve_addr *list;     /* of the answer */
	TAILQ_ENTRY(resolve_name) link;
	UT_hash_handle hh;
};

struct resolver {
	struct event_base *base;
	struct resolve_conf conf;
	unsigned conf_version; /* of the order of its servers */
	bool fresh, search;
	struct hosts *hosts; /* NULL, like path: not the system's resolver */
	char *path;
	struct stat seen; /* of the file there, when it was read */
	int64_t look_ms, next_look_ms;
	unsigned version; /* how often one of the two files has changed */
	struct resolve_queue queue;
	struct resolve_name *names;
	TAILQ_HEAD(, resolve_name) known; /* oldest first */
	size_t nknown;
	struct resolve_name *telling;
	struct resolve_answer from_hosts;
	union resolve_addr hosts_list[RESOLVE_ADDRS];
	uint64_t lookups;
};

static void resolve_ev_timer(evutil_socket_t fd, short what, void *arg);
static void resolve_on_found(void *arg, int family, const struct resolve_found *found);

/* --- life --- */

/* True when the file is another one than that which was read; it is read when it is there. */
static bool
resolve_read_conf(struct resolver *resolver)
{
	struct stat st;

	if (stat(resolver->path, &st) < 0)
		return false;
	if (st.st_mtim.tv_sec == resolver->seen.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == resolver->seen.st_mtim.tv_nsec &&
	    st.st_size == resolver->seen.st_size && st.st_ino == resolver->seen.st_ino)
		return false;
	resolver->seen = st;
	resolve_conf_read(&resolver->conf, resolver->path);
	resolver->conf_version++;
	return true;
}

static int
resolve_add_servers(struct resolver *resolver, const struct resolve_opts *opts, char **why)
{
	struct buf buf = {0};

	for (size_t i = 0; i < opts->ndns; i++) {
		if (resolve_conf_add_server(&resolver->conf, opts->dns[i]))
			continue;
		buf_printf(&buf, "not the address of a resolver: %s", opts->dns[i]);
		*why = buf_take(&buf, NULL);
		return -1;
	}
	return 0;
}

struct resolver *
resolve_new(const struct resolve_opts *opts, char **why)
{
	struct resolver *resolver = xcalloc(1, sizeof *resolver);

	TAILQ_INIT(&resolver->known);
	resolve_queue_init(&resolver->queue);
	resolver->base = opts->base;
	resolver->fresh = opts->fresh;
	resolver->search = opts->search;
	resolver->conf.ndots = 1;
	if (opts->ndns > 0) {
		if (resolve_add_servers(resolver, opts, why) == 0)
			return resolver;
		resolve_free(resolver);
		return NULL;
	}
	resolver->path = xstrdup(opts->conf);
	resolver->hosts = hosts_new(opts->hosts);
	resolver->look_ms = opts->look_ms;
	if (!resolve_read_conf(resolver))
		resolve_conf_read(&resolver->conf, resolver->path); /* 127.0.0.1 */
	return resolver;
}

static void
resolve_end_queries(struct resolve_name *name)
{
	for (int i = 0; i < RESOLVE_FAMILIES; i++) {
		if (name->queries[i] != NULL)
			resolve_query_end(name->queries[i]);
		name->queries[i] = NULL;
	}
}

static void
resolve_discard(struct resolve_name *name)
{
	for (int i = 0; i < RESOLVE_FAMILIES; i++)
		free(name->found[i]);
	free(name->list);
	free(name->host);
	free(name);
}

static void
resolve_forget(struct resolve_name *name)
{
	struct resolver *resolver = name->resolver;

	resolve_end_queries(name);
	resolve_queue_remove(&resolver->queue, &name->turn);
	event_del(&name->timer);
	if (name->known) {
		TAILQ_REMOVE(&resolver->known, name, link);
		resolver->nknown--;
	}
	HASH_DEL(resolver->names, name);
	if (resolver->telling == name)
		name->forgotten = true;
	else
		resolve_discard(name);
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
		while ((wait = TAILQ_FIRST(&name->waits)) != NULL) {
			TAILQ_REMOVE(&name->waits, wait, link);
			wait->name = NULL;
		}
		resolve_forget(name);
	}
	resolve_conf_clear(&resolver->conf);
	hosts_free(resolver->hosts);
	free(resolver->path);
	free(resolver);
}

uint64_t
resolve_lookups(const struct resolver *resolver)
{
	return resolver->lookups;
}

/* --- what is known --- */

/* The system's resolvers change under a long-lived process, with DHCP or a VPN.  What the ones
 * before said counts no more. */
static void
resolve_look(struct resolver *resolver, int64_t now)
{
	bool conf, hosts;

	if (resolver->path == NULL || now < resolver->next_look_ms)
		return;
	resolver->next_look_ms = now + resolver->look_ms;
	conf = resolve_read_conf(resolver);
	hosts = hosts_refresh(resolver->hosts);
	if (!conf && !hosts)
		return;
	resolver->version++;
	while (!TAILQ_EMPTY(&resolver->known))
		resolve_forget(TAILQ_FIRST(&resolver->known));
}

const struct resolve_answer *
resolve_known(struct resolver *resolver, const char *host)
{
	int64_t now = clock_mono_ms();
	struct resolve_name *name;

	resolve_look(resolver, now);
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

/* How long an answer is good for; one that servers gave which are not ours any more is hardly. */
static int64_t
resolve_keep_ms(const struct resolve_name *name, bool found)
{
	int64_t ms = found ? name->ttl_ms : RESOLVE_KEEP_FAIL_MS;

	for (int i = 0; found && i < RESOLVE_FAMILIES; i++)
		if (name->errors[i] > RESOLVE_NO_ADDRESS && ms > RESOLVE_KEEP_PART_MS)
			ms = RESOLVE_KEEP_PART_MS;
	if (name->version != name->resolver->version || ms < RESOLVE_KEEP_MIN_MS)
		return RESOLVE_KEEP_MIN_MS;
	return ms < RESOLVE_KEEP_MAX_MS ? ms : RESOLVE_KEEP_MAX_MS;
}

static void
resolve_keep(struct resolve_name *name, int64_t ms)
{
	struct resolver *resolver = name->resolver;

	if (resolver->nknown == RESOLVE_KNOWN_MAX)
		resolve_forget(TAILQ_FIRST(&resolver->known));
	name->known = true;
	name->expires_ms = clock_mono_ms() + ms;
	TAILQ_INSERT_TAIL(&resolver->known, name, link);
	resolver->nknown++;
}

/* --- asking --- */

static void
resolve_arm(struct resolve_name *name, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(&name->timer, &tv);
}

static void
resolve_ask(struct resolve_name *name)
{
	struct resolver *resolver = name->resolver;
	char buf[RESOLVE_NAME_MAX + 1];
	const char *host = name->host;

	if (resolver->search)
		host = resolve_conf_candidate(
		    &resolver->conf, name->host, name->candidate, buf, sizeof buf);
	for (int i = 0; i < RESOLVE_FAMILIES; i++) {
		name->errors[i] = RESOLVE_TIMEOUT;
		name->queries[i] = resolve_query_start(resolver->base, &resolver->conf, host,
		    resolve_families[i], resolve_on_found, name);
	}
}

static void
resolve_ask_next(struct resolver *resolver)
{
	struct resolve_turn *turn;
	struct resolve_name *name;

	while ((turn = resolve_queue_next(&resolver->queue)) != NULL) {
		name = (struct resolve_name *)(void *)((char *)turn -
						       offsetof(struct resolve_name, turn));
		resolver->lookups++;
		name->version = resolver->version;
		name->conf_version = resolver->conf_version;
		resolve_ask(name);
	}
}

static struct resolve_name *
resolve_add(struct resolver *resolver, const char *host, const void *group)
{
	struct resolve_name *name = xcalloc(1, sizeof *name);

	name->resolver = resolver;
	name->host = xstrdup(host);
	name->ttl_ms = INT64_MAX;
	for (int i = 0; i < RESOLVE_FAMILIES; i++)
		name->errors[i] = RESOLVE_TIMEOUT;
	TAILQ_INIT(&name->waits);
	event_assign(&name->timer, resolver->base, -1, 0, resolve_ev_timer, name);
	resolve_arm(name, RESOLVE_DEADLINE_MS);
	HASH_ADD_KEYPTR(hh, resolver->names, name->host, strlen(name->host), name);
	resolve_queue_add(&resolver->queue, &name->turn, group);
	return name;
}

void
resolve_start(struct resolver *resolver, const char *host, const void *group,
    struct resolve_wait *wait, resolve_done_fn *fn, void *arg)
{
	struct resolve_name *name;

	resolve_look(resolver, clock_mono_ms());
	HASH_FIND_STR(resolver->names, host, name);
	if (name != NULL && name->known) {
		resolve_forget(name); /* expired, or resolve_known() would have had it */
		name = NULL;
	}
	if (name == NULL) {
		name = resolve_add(resolver, host, group);
	} else if (!name->turn.under_way && name->turn.group->key != group) {
		/* not behind all that another group wants */
		resolve_queue_remove(&resolver->queue, &name->turn);
		resolve_queue_add(&resolver->queue, &name->turn, group);
	}
	wait->name = name;
	wait->fn = fn;
	wait->arg = arg;
	TAILQ_INSERT_TAIL(&name->waits, wait, link);
	resolve_ask_next(resolver);
}

/* A lookup under way goes on: its answer is soon wanted again. */
void
resolve_cancel(struct resolve_wait *wait)
{
	struct resolve_name *name = wait->name;

	if (name == NULL)
		return;
	TAILQ_REMOVE(&name->waits, wait, link);
	wait->name = NULL;
	if (TAILQ_EMPTY(&name->waits) && name->turn.group != NULL && !name->turn.under_way)
		resolve_forget(name);
}

/* --- the outcome --- */

/* What to say when neither family has an address: the error that explains the most. */
static const char *
resolve_words(const struct resolve_name *name)
{
	static const char *const words[] = {
	    [RESOLVE_OK] = "no such host: the name has no address",
	    [RESOLVE_NO_NAME] = "no such host",
	    [RESOLVE_NO_ADDRESS] = "no such host: the name has no address",
	    [RESOLVE_TIMEOUT] = "DNS did not answer",
	    [RESOLVE_SERVER_FAILED] = "DNS failed: server failure",
	    [RESOLVE_REFUSED] = "DNS failed: query refused",
	    [RESOLVE_BAD_FORMAT] = "DNS failed: format error",
	    [RESOLVE_NOT_IMPLEMENTED] = "DNS failed: not implemented",
	    [RESOLVE_UNREACHABLE] = "DNS failed: no server could be reached",
	    [RESOLVE_UNUSABLE] = "DNS failed: unusable answer",
	};
	enum resolve_error a = name->errors[RESOLVE_A], aaaa = name->errors[RESOLVE_AAAA];

	if (a == RESOLVE_NO_NAME || aaaa == RESOLVE_NO_NAME)
		return words[RESOLVE_NO_NAME];
	return words[a == RESOLVE_OK || a == RESOLVE_NO_ADDRESS ? aaaa : a];
}

/* c-ares does not say why it has no socket. */
static bool
resolve_is_starved(const struct resolve_name *name)
{
	int fd;

	if (name->errors[RESOLVE_A] != RESOLVE_UNREACHABLE &&
	    name->errors[RESOLVE_AAAA] != RESOLVE_UNREACHABLE)
		return false;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0;
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
	for (int i = 0; i < RESOLVE_FAMILIES; i++) {
		free(name->found[i]);
		name->found[i] = NULL;
	}
}

/* Those who wait may ask for this name again, for others, or stop waiting. */
static void
resolve_tell(struct resolve_name *name)
{
	struct resolver *resolver = name->resolver;
	struct resolve_wait *wait;

	resolver->telling = name;
	while ((wait = TAILQ_FIRST(&name->waits)) != NULL) {
		TAILQ_REMOVE(&name->waits, wait, link);
		wait->name = NULL;
		wait->fn(wait->arg, &name->answer);
	}
	resolver->telling = NULL;
	if (name->forgotten)
		resolve_discard(name);
	else if (resolver->fresh || name->answer.starved)
		resolve_forget(name);
}

static void
resolve_finish(struct resolve_name *name)
{
	struct resolver *resolver = name->resolver;
	bool found = name->nfound[RESOLVE_A] + name->nfound[RESOLVE_AAAA] > 0;
	int64_t keep_ms = resolve_keep_ms(name, found);

	event_del(&name->timer);
	resolve_end_queries(name);
	resolve_queue_remove(&resolver->queue, &name->turn);
	if (found) {
		resolve_compose(name);
	} else {
		name->answer.failure = resolve_words(name);
		name->answer.starved = resolve_is_starved(name);
	}
	resolve_keep(name, keep_ms);
	resolve_ask_next(resolver);
	resolve_tell(name);
}

static void
resolve_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	resolve_finish(arg);
}

/* The first server is silent: who asks from now on asks another one first. */
static void
resolve_rotate(struct resolver *resolver)
{
	struct resolve_conf *conf = &resolver->conf;
	char *first = conf->servers[0];

	memmove(&conf->servers[0], &conf->servers[1], (conf->nservers - 1) * sizeof first);
	conf->servers[conf->nservers - 1] = first;
	resolver->conf_version++;
}

/* Neither family has an address for it: on to the next full name, if there is one. */
static bool
resolve_search_on(struct resolve_name *name)
{
	char buf[RESOLVE_NAME_MAX + 1];

	if (!name->resolver->search)
		return false;
	for (int i = 0; i < RESOLVE_FAMILIES; i++)
		if (name->nfound[i] > 0 || name->errors[i] > RESOLVE_NO_ADDRESS)
			return false;
	if (resolve_conf_candidate(
		&name->resolver->conf, name->host, name->candidate + 1, buf, sizeof buf) == NULL)
		return false;
	name->candidate++;
	resolve_ask(name);
	return true;
}

static void
resolve_on_found(void *arg, int family, const struct resolve_found *found)
{
	struct resolve_name *name = arg;
	int at = family == AF_INET ? RESOLVE_A : RESOLVE_AAAA;

	name->errors[at] = found->error;
	name->nfound[at] = found->n;
	if (found->n > 0) {
		name->found[at] = xmemdup(found->list, found->n * sizeof *found->list);
		if (found->ttl_ms < name->ttl_ms)
			name->ttl_ms = found->ttl_ms;
	}
	if (found->moved_on && name->conf_version == name->resolver->conf_version)
		resolve_rotate(name->resolver);
	resolve_query_end(name->queries[at]);
	name->queries[at] = NULL;
	if (name->queries[RESOLVE_A] != NULL || name->queries[RESOLVE_AAAA] != NULL) {
		if (name->nfound[at] > 0)
			resolve_arm(name, RESOLVE_SKEW_MS);
	} else if (!resolve_search_on(name)) {
		resolve_finish(name);
	}
}
