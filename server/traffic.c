/* What the API answered. */
#include "server/traffic.h"

#include <string.h>

#include "base/clock.h"
#include "server/prom.h"
#include "server/route.h"

/* The statuses that the API uses. */
static const int traffic_statuses[TRAFFIC_STATUSES - 1] = {
    201, 200, 202, 204, 400, 401, 403, 404, 405, 409, 412, 413, 415, 429, 501, 503};

static size_t
traffic_route(const struct call *call)
{
	size_t i = call->route == NULL ? TRAFFIC_ROUTES : (size_t)(call->route - routes);

	return i < TRAFFIC_ROUTES ? i : TRAFFIC_ROUTES;
}

void
traffic_count(struct traffic *traffic, const struct call *call, int status)
{
	size_t route = traffic_route(call);
	size_t i = 0;

	while (i < TRAFFIC_STATUSES - 1 && traffic_statuses[i] != status)
		i++;
	traffic->answers[route][i]++;
	histogram_add(&traffic->durations[route], clock_mono_us() - call->started_us);
}

/* Requests that no route took are all one: their paths are anybody's. */
static void
traffic_label(struct buf *labels, size_t route)
{
	buf_reset(labels);
	buf_adds(labels, "method=\"");
	buf_adds(labels, route < TRAFFIC_ROUTES ? routes[route].method : "");
	buf_adds(labels, "\",route=\"");
	buf_adds(labels, route < TRAFFIC_ROUTES ? routes[route].pattern : "");
	buf_addc(labels, '"');
}

static void
traffic_write_answers(const struct traffic *traffic, size_t route, struct buf *out)
{
	struct buf labels = {0};

	for (size_t i = 0; i < TRAFFIC_STATUSES; i++) {
		if (traffic->answers[route][i] == 0)
			continue;
		traffic_label(&labels, route);
		buf_adds(&labels, ",status=\"");
		if (i < TRAFFIC_STATUSES - 1)
			buf_addi(&labels, traffic_statuses[i]);
		else
			buf_adds(&labels, "other");
		buf_addc(&labels, '"');
		prom_sample(out, "evhookd_http_requests_total", buf_str(&labels),
		    traffic->answers[route][i]);
	}
	buf_clear(&labels);
}

void
traffic_write(const struct traffic *traffic, struct buf *out)
{
	static const char durations[] = "evhookd_http_request_duration_seconds";
	static const struct histogram none;
	struct buf labels = {0};

	prom_family(out, "counter", "evhookd_http_requests_total",
	    "API requests answered, by route and status; those without a route have none.");
	for (size_t i = 0; i <= TRAFFIC_ROUTES; i++)
		traffic_write_answers(traffic, i, out);
	prom_family(out, "histogram", durations,
	    "From having read a request whole to handing over its answer.");
	for (size_t i = 0; i <= TRAFFIC_ROUTES; i++) {
		if (memcmp(&traffic->durations[i], &none, sizeof none) == 0)
			continue;
		traffic_label(&labels, i);
		prom_histogram(out, durations, buf_str(&labels), &traffic->durations[i]);
	}
	buf_clear(&labels);
}
