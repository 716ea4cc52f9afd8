/* GET /metrics on the admin address, in Prometheus' text format. */
#include "server/app.h"

static void
metrics_add(struct buf *out, const char *type, const char *name, const char *help, uint64_t value)
{
	buf_adds(out, "# HELP ");
	buf_adds(out, name);
	buf_addc(out, ' ');
	buf_adds(out, help);
	buf_adds(out, "\n# TYPE ");
	buf_adds(out, name);
	buf_addc(out, ' ');
	buf_adds(out, type);
	buf_addc(out, '\n');
	buf_adds(out, name);
	buf_addc(out, ' ');
	buf_addu(out, value);
	buf_addc(out, '\n');
}

static void
metrics_of_deliveries(struct buf *out, const struct app *app)
{
	struct dispatch_stats dispatch;
	struct poster_stats poster;

	dispatch_stats(app->dispatch, &dispatch);
	poster_stats(app->poster, &poster);
	metrics_add(out, "counter", "evhookd_events_accepted_total", "Events stored.",
	    app->events_accepted);
	metrics_add(out, "counter", "evhookd_deliveries_delivered_total",
	    "Deliveries answered with 2xx.", dispatch.delivered);
	metrics_add(out, "counter", "evhookd_deliveries_failed_total",
	    "Deliveries that ended in failure.", dispatch.failed);
	metrics_add(out, "counter", "evhookd_deliveries_retried_total",
	    "Attempts that failed and are repeated.", dispatch.retried);
	metrics_add(out, "counter", "evhookd_deliveries_diverted_total",
	    "Deliveries that were diverted.", dispatch.diverted);
	metrics_add(out, "counter", "evhookd_deliveries_dropped_total",
	    "Deliveries that were dropped.", dispatch.dropped);
	metrics_add(out, "counter", "evhookd_deliveries_claimed_total",
	    "Deliveries claimed from a queue.", dispatch.claimed);
	metrics_add(out, "counter", "evhookd_deliveries_released_total",
	    "Deliveries handed back unstarted.", dispatch.released);
	metrics_add(
	    out, "gauge", "evhookd_deliveries_held", "Deliveries in memory.", dispatch.held);
	metrics_add(out, "gauge", "evhookd_deliveries_waiting",
	    "Deliveries in memory that wait for a connection.", dispatch.waiting);
	metrics_add(out, "gauge", "evhookd_deliveries_inflight", "Deliveries on the wire.",
	    dispatch.inflight);
	metrics_add(out, "counter", "evhookd_endpoint_connects_total",
	    "Connections begun to endpoints.", poster.connects);
	metrics_add(out, "counter", "evhookd_endpoint_reuses_total",
	    "Deliveries that found an open connection.", poster.reuses);
	metrics_add(out, "gauge", "evhookd_endpoint_connections", "Connections open to endpoints.",
	    poster.open);
}

static void
metrics_of_refusals(struct buf *out, const struct http_stats *http)
{
	static const char *const reasons[] = {[HTTP_REFUSED_INVALID] = "invalid",
	    [HTTP_REFUSED_TOO_LARGE] = "too_large",
	    [HTTP_REFUSED_UNSUPPORTED] = "unsupported",
	    [HTTP_REFUSED_SLOW] = "slow",
	    [HTTP_REFUSED_BROKEN] = "broken_off",
	    [HTTP_REFUSED_CLIENT] = "client_connections"};
	size_t i;

	buf_adds(out, "# HELP evhookd_http_refused_total API requests that reached no handler, "
		      "by reason.\n# TYPE evhookd_http_refused_total counter\n");
	for (i = 0; i < HTTP_REFUSALS; i++) {
		buf_adds(out, "evhookd_http_refused_total{reason=\"");
		buf_adds(out, reasons[i]);
		buf_adds(out, "\"} ");
		buf_addu(out, http->refused[i]);
		buf_addc(out, '\n');
	}
}

static void
metrics_of_server(struct buf *out, const struct app *app)
{
	struct store_stats store;
	struct http_stats http;
	struct auth_stats auth;

	store_stats(app->store, &store);
	http_stats(app->http, &http);
	auth_stats(app->auth, &auth);
	metrics_add(out, "counter", "evhookd_redis_commands_total", "Commands sent to Redis.",
	    store.commands);
	metrics_add(out, "counter", "evhookd_redis_connects_total", "Connections made to Redis.",
	    store.connects);
	metrics_add(out, "gauge", "evhookd_redis_up", "Whether Redis can be used.",
	    store_is_up(app->store) ? 1 : 0);
	metrics_add(
	    out, "gauge", "evhookd_http_connections", "API connections open.", http.connections);
	metrics_add(out, "counter", "evhookd_http_requests_total", "API requests.", http.requests);
	metrics_of_refusals(out, &http);
	metrics_add(out, "counter", "evhookd_auth_verified_total",
	    "Tokens whose signature was checked and good; those still remembered are not checked.",
	    auth.verified);
	metrics_add(out, "counter", "evhookd_auth_unauthorized_total",
	    "API requests answered with 401.", auth.unauthorized);
	metrics_add(out, "counter", "evhookd_auth_forbidden_total",
	    "API requests answered with 403.", auth.forbidden);
}

void
api_metrics(struct call *call)
{
	struct buf *out = call_body(call);

	metrics_of_server(out, call->app);
	metrics_of_deliveries(out, call->app);
	call_reply_as(call, 200, "text/plain; version=0.0.4; charset=utf-8");
}
