/* GET /metrics on the admin address, in Prometheus' text format. */
#include <config.h>

#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "server/app.h"
#include "server/process.h"
#include "server/prom.h"

/* --- the API --- */

static void
metrics_of_connections(struct buf *out, const struct http_stats *http)
{
	static const char name[] = "evhookd_http_connections";

	prom_family(out, "gauge", name, "API connections open, by what they are at.");
	prom_sample(out, name, "state=\"new\"", http->fresh);
	prom_sample(out, name, "state=\"idle\"", http->idle);
	prom_sample(out, name, "state=\"reading\"", http->reading);
	prom_sample(out, name, "state=\"handling\"", http->handling);
	prom_sample(out, name, "state=\"writing\"", http->writing);
}

static void
metrics_of_refusals(struct buf *out, const struct http_stats *http)
{
	static const char name[] = "evhookd_http_refused_total";
	static const char *const labels[] = {[HTTP_REFUSED_INVALID] = "reason=\"invalid\"",
	    [HTTP_REFUSED_TOO_LARGE] = "reason=\"too_large\"",
	    [HTTP_REFUSED_UNSUPPORTED] = "reason=\"unsupported\"",
	    [HTTP_REFUSED_SLOW] = "reason=\"slow\"",
	    [HTTP_REFUSED_BROKEN] = "reason=\"broken_off\"",
	    [HTTP_REFUSED_CLIENT] = "reason=\"client_connections\"",
	    [HTTP_REFUSED_BODIES] = "reason=\"bodies\""};

	prom_family(out, "counter", name, "API requests that reached no handler, by reason.");
	for (size_t i = 0; i < HTTP_REFUSALS; i++)
		prom_sample(out, name, labels[i], http->refused[i]);
}

static void
metrics_of_api(struct buf *out, const struct app *app)
{
	struct http_stats http;
	struct auth_stats auth;

	http_stats(app->http, &http);
	auth_stats(app->auth, &auth);
	traffic_write(&app->traffic, out);
	metrics_of_connections(out, &http);
	prom_counter(
	    out, "evhookd_http_accepted_total", "API connections accepted.", http.accepted);
	prom_counter(out, "evhookd_http_evicted_total",
	    "API connections closed, idle the longest, for new ones.", http.evicted);
	metrics_of_refusals(out, &http);
	prom_family(out, "gauge", "evhookd_http_bodies_bytes",
	    "Memory given to bodies of API requests under way.");
	prom_sample(out, "evhookd_http_bodies_bytes", NULL, http.body_bytes);
	prom_family(out, "gauge", "evhookd_http_unsent_bytes",
	    "Answers of the API that wait for their clients to take them.");
	prom_sample(out, "evhookd_http_unsent_bytes", NULL, http.unsent_bytes);
	prom_counter(out, "evhookd_http_given_up_total",
	    "Answers that clients did not take in time, or that were given up to make room.",
	    http.given_up);
	prom_counter(out, "evhookd_auth_verified_total",
	    "Tokens whose signature was checked and good; those still remembered are not checked.",
	    auth.verified);
	prom_counter(out, "evhookd_auth_unauthorized_total", "API requests answered with 401.",
	    auth.unauthorized);
	prom_counter(
	    out, "evhookd_auth_forbidden_total", "API requests answered with 403.", auth.forbidden);
}

/* --- events and queues --- */

static void
metrics_of_events(struct buf *out, const struct app *app)
{
	static const char name[] = "evhookd_deliveries_unqueued_total";

	prom_counter(out, "evhookd_events_accepted_total", "Events stored.", app->events_accepted);
	prom_counter(out, "evhookd_events_trimmed_total",
	    "Events that --event-retention or --events-kept removed from the stream.",
	    trimmer_trimmed(app->trimmer));
	prom_family(out, "counter", name,
	    "Deliveries diverted or dropped at publishing: the webhook's queue was full "
	    "(--max-pending), or the webhook suspended.");
	prom_sample(out, name, "reason=\"overflow\"", app->overflowed);
	prom_sample(out, name, "reason=\"suspended\"", app->met_suspended);
}

/* By rank, as there may be any number of tenants: the log names those that are full. */
static void
metrics_of_tenants(struct buf *out, const struct app *app, const struct depth_stats *depth)
{
	static const char name[] = "evhookd_tenant_bytes";

	prom_family(out, "gauge", name,
	    "What --max-tenant-bytes counts, of the tenant that has most (rank 1), the next one, "
	    "and "
	    "so on. The same at every instance.");
	for (size_t i = 0; i < DEPTH_TENANTS; i++) {
		char label[24];
		int64_t bytes = i < depth->nfullest ? depth->fullest[i].bytes : 0;

		snprintf(label, sizeof label, "rank=\"%zu\"", i + 1);
		prom_sample(out, name, label, bytes > 0 ? (uint64_t)bytes : 0);
	}
	prom_gauge(out, "evhookd_tenant_bytes_limit", "--max-tenant-bytes.",
	    (uint64_t)app->config->max_tenant_bytes);
}

/* Of all instances together, for Redis knows no others. */
static void
metrics_of_queues(struct buf *out, const struct app *app)
{
	static const char entries[] = "evhookd_queue_entries";
	static const char oldest[] = "evhookd_queue_oldest_due_seconds";
	struct depth_stats depth;

	depth_stats(app->depth, &depth);
	if (!depth.known || !store_is_up(app->store))
		return; /* no figure is better than an old one */
	prom_family(out, "gauge", entries,
	    "Deliveries in Redis' queues: due now, soon (leased or due within --lease), deferred "
	    "(due later). The same at every instance.");
	prom_sample(out, entries, "state=\"due\"", depth.due);
	prom_sample(out, entries, "state=\"soon\"", depth.soon);
	prom_sample(out, entries, "state=\"deferred\"", depth.deferred);
	metrics_of_tenants(out, app, &depth);
	prom_gauge(out, "evhookd_queues",
	    "Queues that have entries, or had within --lease. The same at every instance.",
	    depth.queues);
	prom_family(out, "gauge", oldest,
	    "For how long the entry that is due longest has been due. The same at every instance.");
	prom_seconds(out, oldest, NULL, depth.oldest_due_ms * 1000);
}

/* --- deliveries --- */

static void
metrics_of_attempts(struct buf *out, const struct tally *tally)
{
	static const char name[] = "evhookd_attempts_total";
	struct buf labels = {0};

	prom_family(out, "counter", name,
	    "Attempts to deliver, by what was delivered, what became of it, and why it failed.");
	for (int kind = 0; kind < TALLY_KINDS; kind++) {
		for (int i = 0; i < (int)TALLY_OUTCOMES * (int)TALLY_TRIGGERS; i++) {
			int outcome = i / TALLY_TRIGGERS, trigger = i % TALLY_TRIGGERS;
			uint64_t n = tally->attempts[kind][outcome][trigger];

			if (n == 0)
				continue;
			buf_reset(&labels);
			buf_adds(&labels, "kind=\"");
			buf_adds(&labels, tally_kind_name((enum tally_kind)kind));
			buf_adds(&labels, "\",outcome=\"");
			buf_adds(&labels, tally_outcome_name((enum tally_outcome)outcome));
			buf_adds(&labels, "\",trigger=\"");
			buf_adds(&labels, tally_trigger_name((enum tally_trigger)trigger));
			buf_addc(&labels, '"');
			prom_sample(out, name, buf_str(&labels), n);
		}
	}
	buf_clear(&labels);
}

static void
metrics_of_times(struct buf *out, const struct tally *tally, const struct poster_stats *poster)
{
	static const char latency[] = "evhookd_delivery_latency_seconds";
	static const char phase[] = "evhookd_attempt_phase_seconds";
	static const char whole[] = "evhookd_attempt_duration_seconds";

	prom_family(out, "histogram", latency,
	    "From accepting an event to the 2xx that ended its delivery, by the attempt it took.");
	prom_histogram(out, latency, "attempt=\"first\"", &tally->first);
	prom_histogram(out, latency, "attempt=\"later\"", &tally->later);
	prom_family(out, "histogram", phase,
	    "Parts of attempts: DNS, connecting, TLS, and from there to the answer's first byte.");
	prom_histogram(out, phase, "phase=\"dns\"", &poster->dns);
	prom_histogram(out, phase, "phase=\"connect\"", &poster->connect);
	prom_histogram(out, phase, "phase=\"tls\"", &poster->tls);
	prom_histogram(out, phase, "phase=\"first_byte\"", &poster->first_byte);
	prom_family(out, "histogram", whole, "Attempts from their start to their outcome.");
	prom_histogram(out, whole, NULL, &poster->total);
}

static void
metrics_of_swept(struct buf *out, const struct dispatch_stats *dispatch)
{
	static const char name[] = "evhookd_deliveries_swept_total";

	prom_family(out, "counter", name,
	    "Queued deliveries diverted or dropped untried, as their webhook was found suspended "
	    "or disabled.");
	prom_sample(
	    out, name, "reason=\"suspended\",outcome=\"diverted\"", dispatch->suspended.diverted);
	prom_sample(
	    out, name, "reason=\"suspended\",outcome=\"dropped\"", dispatch->suspended.dropped);
	prom_sample(
	    out, name, "reason=\"disabled\",outcome=\"diverted\"", dispatch->disabled.diverted);
	prom_sample(
	    out, name, "reason=\"disabled\",outcome=\"dropped\"", dispatch->disabled.dropped);
}

static void
metrics_of_ended(struct buf *out, const struct dispatch_stats *dispatch)
{
	prom_counter(out, "evhookd_deliveries_delivered_total",
	    "Deliveries answered with 2xx and taken off their queue.", dispatch->delivered);
	prom_counter(out, "evhookd_deliveries_failed_total",
	    "Deliveries that ended in failure, with nothing kept.", dispatch->failed);
	prom_counter(out, "evhookd_deliveries_retried_total",
	    "Deliveries put off to another attempt.", dispatch->retried);
	prom_counter(out, "evhookd_deliveries_diverted_total",
	    "Deliveries diverted after an attempt.", dispatch->diverted);
	prom_counter(out, "evhookd_deliveries_dropped_total",
	    "Deliveries dropped after an attempt.", dispatch->dropped);
	prom_counter(out, "evhookd_deliveries_claimed_total", "Deliveries claimed from a queue.",
	    dispatch->claimed);
	prom_counter(out, "evhookd_deliveries_unreadable_total",
	    "Deliveries whose stored event could not be read: they ended as failed.",
	    dispatch->unreadable);
	prom_counter(out, "evhookd_deliveries_released_total", "Deliveries handed back unstarted.",
	    dispatch->released);
}

static void
metrics_of_deliveries(struct buf *out, const struct app *app)
{
	static const char held[] = "evhookd_deliveries_held";
	static const char connections[] = "evhookd_endpoint_connections";
	struct dispatch_stats dispatch;
	struct poster_stats poster;

	dispatch_stats(app->dispatch, &dispatch);
	poster_stats(app->poster, &poster);
	metrics_of_attempts(out, dispatch_tally(app->dispatch));
	metrics_of_times(out, dispatch_tally(app->dispatch), &poster);
	metrics_of_ended(out, &dispatch);
	metrics_of_swept(out, &dispatch);
	prom_family(out, "gauge", held,
	    "Deliveries in memory: waiting for a connection, on the wire, being settled.");
	prom_sample(out, held, "state=\"waiting\"", dispatch.waiting);
	prom_sample(out, held, "state=\"inflight\"", dispatch.inflight);
	prom_sample(
	    out, held, "state=\"settling\"", dispatch.held - dispatch.waiting - dispatch.inflight);
	prom_gauge(out, "evhookd_webhooks_cached", "Webhooks whose settings are in memory.",
	    dispatch.webhooks);
	prom_family(out, "gauge", connections, "Connections open to endpoints.");
	prom_sample(out, connections, "state=\"busy\"", poster.open - poster.idle);
	prom_sample(out, connections, "state=\"idle\"", poster.idle);
	prom_counter(out, "evhookd_endpoint_connects_total", "Connections begun to endpoints.",
	    poster.connects);
	prom_counter(out, "evhookd_endpoint_reuses_total",
	    "Attempts that found an open connection.", poster.reuses);
	prom_counter(out, "evhookd_dns_lookups_total", "Host names asked for.", poster.lookups);
}

/* --- Redis and the process --- */

static void
metrics_of_redis(struct buf *out, const struct app *app)
{
	static const char duration[] = "evhookd_redis_command_duration_seconds";
	struct store_stats store;

	store_stats(app->store, &store);
	prom_gauge(
	    out, "evhookd_redis_up", "Whether Redis can be used.", store_is_up(app->store) ? 1 : 0);
	prom_counter(
	    out, "evhookd_redis_commands_total", "Commands sent to Redis.", store.commands);
	prom_counter(
	    out, "evhookd_redis_errors_total", "Commands that Redis refused.", store.errors);
	prom_counter(out, "evhookd_redis_unanswered_total",
	    "Commands whose answer was lost with the connection.", store.unanswered);
	prom_gauge(
	    out, "evhookd_redis_pending", "Commands that wait for their answer.", store.pending);
	prom_family(out, "histogram", duration, "From sending a command to its answer.");
	prom_histogram(out, duration, NULL, &store.latency);
	prom_counter(out, "evhookd_redis_connects_total", "Connections to Redis that were tried.",
	    store.connects);
	prom_counter(out, "evhookd_redis_losses_total", "Connections to Redis that were lost.",
	    store.losses);
}

/* Names and meanings are those of Prometheus' client libraries. */
static void
metrics_of_process(struct buf *out, const struct app *app)
{
	struct process_stats process;

	process_stats(&process);
	prom_family(out, "counter", "process_cpu_seconds_total", "User and system time.");
	prom_seconds(out, "process_cpu_seconds_total", NULL, process.cpu_us);
	prom_gauge(
	    out, "process_resident_memory_bytes", "Resident memory.", process.resident_bytes);
	prom_gauge(out, "process_virtual_memory_bytes", "Virtual memory.", process.virtual_bytes);
	prom_gauge(out, "process_open_fds", "Open file descriptors.", process.open_fds);
	prom_gauge(out, "process_max_fds", "File descriptors that may be open.", process.max_fds);
	prom_family(out, "gauge", "process_start_time_seconds", "When it started, Unix time.");
	prom_seconds(out, "process_start_time_seconds", NULL, app->started_ms * 1000);
}

static void
metrics_of_program(struct buf *out, const struct app *app)
{
	struct buf labels = {0};

	prom_family(out, "histogram", "evhookd_loop_lag_seconds",
	    "How late a timer comes that is due twice a second.");
	prom_histogram(out, "evhookd_loop_lag_seconds", NULL, pulse_lag(app->pulse));
	prom_gauge(out, "evhookd_draining", "Whether it is shutting down.", app->draining ? 1 : 0);
	buf_adds(&labels, "version=\"" PACKAGE_VERSION "\",libevent=\"");
	buf_adds(&labels, event_get_version());
	buf_adds(&labels, "\",openssl=\"");
	buf_adds(&labels, OpenSSL_version(OPENSSL_VERSION_STRING));
	buf_addc(&labels, '"');
	prom_family(out, "gauge", "evhookd_build_info", "Versions; the value is always 1.");
	prom_sample(out, "evhookd_build_info", buf_str(&labels), 1);
	buf_clear(&labels);
}

/* --- the answer --- */

static void
metrics_reply(void *arg)
{
	struct call *call = arg;
	struct buf *out = call_body(call);

	metrics_of_api(out, call->app);
	metrics_of_events(out, call->app);
	metrics_of_queues(out, call->app);
	metrics_of_deliveries(out, call->app);
	metrics_of_redis(out, call->app);
	metrics_of_program(out, call->app);
	metrics_of_process(out, call->app);
	call_reply_as(call, 200, "text/plain; version=0.0.4; charset=utf-8");
}

void
api_metrics(struct call *call)
{
	if (!depth_ask(call->app->depth, metrics_reply, call))
		metrics_reply(call);
}
