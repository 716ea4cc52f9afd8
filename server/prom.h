/* Prometheus' text format, version 0.0.4. */
#ifndef SERVER_PROM_H
#define SERVER_PROM_H

#include <stdint.h>

#include "base/buf.h"
#include "base/histogram.h"

/* The HELP and TYPE lines that stand before a metric's samples; type is counter, gauge or
 * histogram. */
void prom_family(struct buf *out, const char *type, const char *name, const char *help);

/* Samples.  labels is what stands between the braces, `state="idle"`; NULL for none.  Label values
 * are our own texts and need no escapes. */
void prom_sample(struct buf *out, const char *name, const char *labels, uint64_t value);
void prom_seconds(struct buf *out, const char *name, const char *labels, int64_t us);
void prom_histogram(
    struct buf *out, const char *name, const char *labels, const struct histogram *histogram);

/* A family of one sample without labels. */
void prom_counter(struct buf *out, const char *name, const char *help, uint64_t value);
void prom_gauge(struct buf *out, const char *name, const char *help, uint64_t value);

#endif
