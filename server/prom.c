/* Prometheus' text format. */
#include "server/prom.h"

#include <stddef.h>

void
prom_family(struct buf *out, const char *type, const char *name, const char *help)
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
}

static void
prom_name(struct buf *out, const char *name, const char *labels)
{
	buf_adds(out, name);
	if (labels != NULL) {
		buf_addc(out, '{');
		buf_adds(out, labels);
		buf_addc(out, '}');
	}
	buf_addc(out, ' ');
}

/* Seconds in decimal, without zeros at the end: 0.0025, 1, 3600. */
static void
prom_add_us(struct buf *out, uint64_t us)
{
	uint64_t part = us % 1000000;

	buf_addu(out, us / 1000000);
	if (part == 0)
		return;
	buf_addc(out, '.');
	for (uint64_t digit = 100000; part > 0; digit /= 10) {
		buf_addc(out, (char)('0' + part / digit));
		part %= digit;
	}
}

void
prom_sample(struct buf *out, const char *name, const char *labels, uint64_t value)
{
	prom_name(out, name, labels);
	buf_addu(out, value);
	buf_addc(out, '\n');
}

void
prom_seconds(struct buf *out, const char *name, const char *labels, int64_t us)
{
	prom_name(out, name, labels);
	prom_add_us(out, us > 0 ? (uint64_t)us : 0);
	buf_addc(out, '\n');
}

/* One bucket; us: its bound, 0 for the last. */
static void
prom_bucket(struct buf *out, const char *name, const char *labels, uint64_t us, uint64_t count)
{
	buf_adds(out, name);
	buf_adds(out, "_bucket{");
	if (labels != NULL) {
		buf_adds(out, labels);
		buf_addc(out, ',');
	}
	buf_adds(out, "le=\"");
	if (us > 0)
		prom_add_us(out, us);
	else
		buf_adds(out, "+Inf");
	buf_adds(out, "\"} ");
	buf_addu(out, count);
	buf_addc(out, '\n');
}

void
prom_histogram(
    struct buf *out, const char *name, const char *labels, const struct histogram *histogram)
{
	struct buf full = {0};
	uint64_t count = 0;

	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		count += histogram->counts[i];
		prom_bucket(
		    out, name, labels, i < HISTOGRAM_BOUNDS ? histogram_bounds_us[i] : 0, count);
	}
	buf_adds(&full, name);
	buf_adds(&full, "_sum");
	prom_seconds(out, buf_str(&full), labels, (int64_t)histogram->sum_us);
	buf_reset(&full);
	buf_adds(&full, name);
	buf_adds(&full, "_count");
	prom_sample(out, buf_str(&full), labels, count);
	buf_clear(&full);
}

void
prom_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	prom_family(out, "counter", name, help);
	prom_sample(out, name, NULL, value);
}

void
prom_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
	prom_family(out, "gauge", name, help);
	prom_sample(out, name, NULL, value);
}
