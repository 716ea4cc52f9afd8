/*
 * evhookd: reads the options, puts the parts together, runs the loop, and takes everything down in
 * order.
 */
#include <config.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/fds.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/app.h"
#include "server/credentials.h"
#include "server/drain.h"
#include "server/files.h"
#include "server/libevent_log.h"
#include "server/notify.h"
#include "server/process.h"
#include "store/embedded.h"

#define EXIT_USAGE 2
#define IDLE_TIMEOUT_MS 75000
#define LOG_FINISH_MS 2000 /* for a log that is not read, at the end */
#define PATIENCE_S 1
#define TRIM_EVERY_MS (60 * 60 * 1000)
#define RESPONSE_BODY_MAX (64 * 1024)
#define RESPONSE_BODY_KEPT 1024
#define RESPONSE_BODY_MS 2000
#define RESPONSE_WAIT_MS                                                                           \
	100 /* most bodies come with the head; Nagle's take 40 ms and a round trip */
#define POOL_IDLE_MS 60000
#define POOL_AGE_MS 60000
#define UNSENT_MAX ((size_t)64 * 1024 * 1024)
#define POOL_IDLE_MAX 4096

struct server {
	struct app app;
	struct config config;
	struct embedded *embedded;
	struct event *signals[3];
	struct event *patience; /* for the store, before requests are refused for want of it */
	struct event *log_flusher;
	struct notify *notify;
	struct drain *drain;
	struct files files;
	struct sockaddr_storage *own; /* addresses of the listeners */
	int status;                   /* of the process */
};

/* --- the store's word --- */

static void
server_on_store_up(void *arg)
{
	struct server *server = arg;

	dispatch_store_up(server->app.dispatch);
	http_accept(server->app.http);
	if (drain_is_off(server->drain))
		notify_ready(server->notify);
}

static void
server_on_store_down(void *arg)
{
	struct server *server = arg;

	dispatch_store_down(server->app.dispatch);
	if (drain_is_off(server->drain))
		notify_waiting(server->notify);
}

static void
server_on_misfit(void *arg, const char *why)
{
	struct server *server = arg;

	log_msg(LOG_ERROR, "%s", why);
	server->status = EXIT_FAILURE;
	drain_skip(server->drain);
}

static void
server_on_webhook_hint(void *arg, const struct ulid *webhook)
{
	struct server *server = arg;

	dispatch_webhook_changed(server->app.dispatch, webhook);
}

static void
server_on_due_hint(void *arg)
{
	struct server *server = arg;

	dispatch_look(server->app.dispatch);
}

/* --- signals and logs --- */

static void
server_ev_stop(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)what;
	log_msg(LOG_INFO, "%s received", fd == SIGINT ? "SIGINT" : "SIGTERM");
	drain_begin(server->drain);
}

static void
server_ev_reload(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	char *why = NULL;

	(void)fd;
	(void)what;
	notify_reloading(server->notify);
	if (config_reload(&server->config, &why) != 0)
		log_msg(LOG_ERROR, "nothing was reloaded: %s", why);
	else if (credentials_reload(&server->app, &why) != 0)
		log_msg(LOG_ERROR, "certificate and keys stay as they were: %s", why);
	else
		log_msg(LOG_INFO, "reloaded");
	log_set_level(server->config.log_level);
	dispatch_set_log(server->app.dispatch, server->config.log_deliveries);
	notify_reloaded(server->notify);
	free(why);
}

static void
server_ev_log(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	log_flush();
}

static void
server_ev_patience(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)what;
	http_accept(server->app.http);
}

static void
server_wake_log(void *arg)
{
	struct server *server = arg;

	event_active(server->log_flusher, EV_TIMEOUT, 1);
}

/* --- putting together --- */

static int
server_fail(char *why)
{
	log_msg(LOG_ERROR, "%s", why);
	free(why);
	return -1;
}

static void
server_on_pace(void *arg, const struct uuid *tenant, struct pace_load *load)
{
	struct server *server = arg;

	*load = (struct pace_load){0};
	if (server->app.dispatch != NULL)
		dispatch_load(server->app.dispatch, tenant, &load->waiting, &load->ended);
}

static void
server_open_loop(struct server *server)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	/* fewer epoll_ctl calls; safe as no descriptor is ever duplicated (event.h) */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (base == NULL)
		abort();
	server->app.base = base;
	server->app.pace = pace_new(base, server_on_pace, server);
	server->app.reads = reads_new(base);
	for (size_t i = 0; i < 3; i++) {
		/* which is what libevent puts back in the end: a second SIGTERM, when all is done,
		 * must not change the exit status */
		signal(numbers[i], SIG_IGN);
		server->signals[i] = evsignal_new(base, numbers[i],
		    numbers[i] == SIGHUP ? server_ev_reload : server_ev_stop, server);
		event_add(server->signals[i], NULL);
	}
	server->patience = evtimer_new(base, server_ev_patience, server);
	server->log_flusher = evtimer_new(base, server_ev_log, server);
	server->app.pulse = pulse_new(base);
	log_set_wake(server_wake_log, server);
	server->notify = notify_new(base);
	notify_waiting(server->notify);
	server->drain = drain_new(&server->app, server->notify);
}

static int
server_open_credentials(struct server *server)
{
	char *why = NULL;

	return credentials_open(&server->app, &why) == 0 ? 0 : server_fail(why);
}

static int
server_open_store(struct server *server)
{
	const struct config *config = &server->config;
	const char *why = NULL;
	struct buf uri = {0};
	struct store_opts opts = {
	    .base = server->app.base,
	    .shards = (unsigned)config->shards,
	    .timeout_ms = config->redis_timeout_ms,
	    .redis_password = server->app.redis_password,
	    .redis_wait = config->redis_wait,
	    .secrets = server->app.secrets,
	    .on_up = server_on_store_up,
	    .on_down = server_on_store_down,
	    .on_misfit = server_on_misfit,
	    .on_webhook_hint = server_on_webhook_hint,
	    .on_due_hint = server_on_due_hint,
	    .arg = server,
	};

	if (config->redis == NULL) {
		struct embedded_opts embedded = {.data_dir = config->data_dir};
		char *reason = NULL;

		server->embedded = embedded_start(server->app.base, &embedded, &reason);
		if (server->embedded == NULL)
			return server_fail(reason);
		buf_adds(&uri, "unix://");
		buf_adds(&uri, embedded_socket(server->embedded));
		buf_adds(&uri, "?db=0"); /* there may be a ? in the path */
	} else {
		buf_adds(&uri, config->redis);
	}
	opts.redis_uri = buf_str(&uri);
	server->app.store = store_new(&opts, &why);
	mem_wipe(uri.data, uri.len);
	buf_clear(&uri);
	if (server->app.store == NULL)
		return server_fail(xstrdup(why));
	return 0;
}

static int
server_open_delivery(struct server *server)
{
	const struct config *config = &server->config;
	struct app *app = &server->app;
	char *why = NULL;
	struct poster_opts poster = {
	    .base = app->base,
	    .egress = &app->egress,
	    .dns = (const char *const *)config->dns.list,
	    .ndns = config->dns.n,
	    .ca_file = config->ca_file,
	    .user_agent = PACKAGE_NAME "/" PACKAGE_VERSION,
	    .max_body = RESPONSE_BODY_MAX,
	    .keep_body = RESPONSE_BODY_KEPT,
	    .body_ms = RESPONSE_BODY_MS,
	    .wait_ms = RESPONSE_WAIT_MS,
	    .idle_ms = POOL_IDLE_MS,
	    .max_age_ms = POOL_AGE_MS,
	    .max_idle = POOL_IDLE_MAX,
	    .max_open = server->files.outbound,
	};
	struct dispatch_opts dispatch = {
	    .base = app->base,
	    .store = app->store,
	    .lease_ms = config->lease_ms,
	    .delivery_timeout_ms = config->delivery_timeout_ms,
	    .attempts_kept = config->attempts_kept,
	    .max_diverted = config->max_diverted,
	    .endpoint_concurrency = (size_t)config->endpoint_concurrency,
	    .delivery_concurrency = (size_t)config->delivery_concurrency,
	    .log = config->log_deliveries,
	};
	struct trimmer_opts trimmer = {
	    .base = app->base,
	    .store = app->store,
	    .retention_ms = config->event_retention_ms,
	    .events_kept = config->events_kept,
	    .bytes_kept = config->max_tenant_bytes / 16 * 13,
	    .every_ms = TRIM_EVERY_MS,
	};

	app->poster = poster_new(&poster, &why);
	if (app->poster == NULL)
		return server_fail(why);
	dispatch.poster = app->poster;
	if (dispatch.delivery_concurrency > server->files.outbound)
		dispatch.delivery_concurrency = server->files.outbound;
	app->dispatch = dispatch_new(&dispatch);
	app->trimmer = trimmer_new(&trimmer);
	app->depth = depth_new(app->store, config->lease_ms);
	return 0;
}

/* Where deliveries may go: to none of our own listeners, those of the admin address included. */
static void
server_set_egress(struct server *server)
{
	struct app *app = &server->app;
	size_t napi, nadmin;
	const struct sockaddr_storage *api = http_addresses(app->http, &napi);
	const struct sockaddr_storage *admin = http_addresses(app->admin, &nadmin);

	server->own = xreallocarray(NULL, napi + nadmin, sizeof *server->own);
	memcpy(server->own, api, napi * sizeof *api);
	memcpy(server->own + napi, admin, nadmin * sizeof *admin);
	app->egress.allow = server->config.allow_egress;
	app->egress.nallow = server->config.nallow_egress;
	app->egress.own = server->own;
	app->egress.nown = napi + nadmin;
}

/* A client has a quarter of the connections, unless told otherwise. */
static size_t
server_client_connections(const struct server *server)
{
	if (server->config.max_client_connections >= 0)
		return (size_t)server->config.max_client_connections;
	return (server->files.inbound + 3) / 4;
}

static int
server_open_http(struct server *server)
{
	const struct config *config = &server->config;
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct app *app = &server->app;
	char *why = NULL;
	struct http_opts opts = {
	    .base = app->base,
	    .app = app,
	    .tls = app->tls,
	    .traffic = &app->traffic,
	    .max_body = (size_t)config->max_body,
	    .max_bodies = (size_t)config->max_bodies,
	    .max_unsent = UNSENT_MAX,
	    .max_header = (size_t)config->max_header,
	    .max_connections = server->files.inbound,
	    .max_client_connections = server_client_connections(server),
	    .request_timeout_ms = config->request_timeout_ms,
	    .idle_timeout_ms = IDLE_TIMEOUT_MS,
	    /* a private Redis is for one process alone */
	    .share_ports = config->redis != NULL,
	    .held = true,
	    .admit = app_admit_api,
	    .permit = app_permit_api,
	};

	app->http = http_new(&opts);
	opts.held = false;
	opts.share_ports = false; /* whoever asks there asks one process */
	opts.tls = NULL;
	opts.admit = app_admit_admin;
	opts.permit = NULL;
	opts.max_connections = 100;
	opts.max_client_connections = 0;
	app->admin = http_new(&opts);
	for (size_t i = 0; i < config->listen.n; i++)
		if (http_listen(app->http, config->listen.list[i], &why) != 0)
			return server_fail(why);
	if (http_listen(app->admin, config->admin_listen, &why) != 0)
		return server_fail(why);
	server_set_egress(server);
	event_add(server->patience, &patience);
	return 0;
}

static void
server_close(struct server *server)
{
	struct app *app = &server->app;

	pace_free(app->pace); /* what waits there gets its answer from the store */
	reads_end(app->reads);
	if (app->dispatch != NULL)
		dispatch_store_down(app->dispatch);
	store_free(app->store); /* answers every operation under way */
	reads_free(app->reads);
	dispatch_free(app->dispatch);
	trimmer_free(app->trimmer);
	depth_free(app->depth);
	pulse_free(app->pulse);
	poster_free(app->poster);
	if (app->http != NULL)
		http_free(app->http);
	if (app->admin != NULL)
		http_free(app->admin);
	free(server->own);
	credentials_close(app);
	if (server->embedded != NULL)
		embedded_stop(server->embedded);
	embedded_free(server->embedded);
	for (size_t i = 0; i < 3; i++)
		event_free(server->signals[i]);
	drain_free(server->drain);
	notify_free(server->notify);
	log_set_wake(NULL, NULL);
	event_free(server->patience);
	event_free(server->log_flusher);
	event_base_free(app->base);
	log_msg(LOG_INFO, "stopped");
	log_finish(LOG_FINISH_MS);
}

/* Where it listens, with the ports that it got, apart by blanks. */
static void
server_log_addresses(const char *name, const struct http *http)
{
	size_t n;
	const struct sockaddr_storage *addresses = http_addresses(http, &n);
	struct buf text = {0};

	for (size_t i = 0; i < n; i++) {
		const struct sockaddr *address = (const struct sockaddr *)&addresses[i];
		char host[INET6_ADDRSTRLEN], port[sizeof "65535"];

		if (getnameinfo(address, sizeof addresses[i], host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
			continue;
		if (text.len > 0)
			buf_addc(&text, ' ');
		buf_printf(&text, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	}
	log_str(name, buf_str(&text));
	buf_clear(&text);
}

static int
server_run(struct server *server)
{
	log_setup(server->config.log_level, server->config.log_format);
	libevent_log_setup();
	server->app.config = &server->config;
	server->app.started_ms = clock_wall_ms();
	server_open_loop(server);
	files_share(&server->files, (size_t)server->config.max_connections,
	    (size_t)server->config.delivery_concurrency, POOL_IDLE_MAX);
	/* listeners first: a port in use must not start a redis-server */
	if (server_open_credentials(server) != 0 || server_open_http(server) != 0 ||
	    server_open_store(server) != 0 || server_open_delivery(server) != 0) {
		server->status = EXIT_FAILURE;
	} else {
		log_begin(LOG_INFO, "evhookd " PACKAGE_VERSION " is running");
		server_log_addresses("listen", server->app.http);
		server_log_addresses("admin", server->app.admin);
		log_end();
		if (server->config.passed_over != NULL)
			log_msg(LOG_WARN,
			    "%s in the environment is passed over, and others like it: they are "
			    "made for a Service of that name, and are no options",
			    server->config.passed_over);
		event_base_dispatch(server->app.base);
	}
	server_close(server);
	return server->status;
}

int
main(int argc, char **argv)
{
	static struct server server;
	int status = EXIT_SUCCESS;

	fds_open_standard();
	log_set_priorities(log_is_journal());
	process_protect();
	switch (config_read(&server.config, argc, argv)) {
	case CONFIG_EXIT_OK:
		break;
	case CONFIG_EXIT_USAGE:
		status = EXIT_USAGE;
		break;
	case CONFIG_RUN:
		status = server_run(&server);
		break;
	}
	config_clear(&server.config);
	return status;
}
