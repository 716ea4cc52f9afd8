"""What the figures are to reach, and whether they do."""

# Of a ratio: part, name.  The text says what is compared.
RATIOS = [
    ("delivered/s of the chain against the bare server's answers/s", "ceiling",
     "chain delivered/s / bare", ">=", 0.30),
    ("delivered/s against the peer's", "peer", "delivered/s, evhookd / peer", ">=", 3.5),
    ("CPU an event in arrays of 100 against single ones", "array",
     "CPU an event, arrays / single", "<=", 0.5),
    ("delivered/s in arrays of 100 against single ones", "array",
     "delivered/s, arrays / single", ">=", 1.4),
    *((f"the peer's latency against evhookd's, {rate}/s, {p}", "latency",
       f"peer / evhookd at {rate}/s, {p}", ">=", 2.5)
      for rate in (500, 2000) for p in ("p50", "p99")),
    *((f"{what} an event, 100 x 1000 webhooks that do not match against 1 x 1000", "webhooks",
       f"{what}, 100 x 1000 / 1 x 1000", "<=", 1.1) for what in ("CPU", "Redis CPU")),
    *((f"{what} an event, a million entries in {kind} queue against none", "queue",
       f"{what}, {name} queue of 1000000 / 0", "<=", 1.1)
      for name, kind in (("other", "another"), ("own", "the receiving"))
      for what in ("CPU", "Redis CPU")),
    *((f"{what} a delivery, 1000 matching webhooks against 10", "matching",
       f"{what} a delivery, 1000 / 10 webhooks", "<=", 1.1) for what in ("CPU", "Redis CPU")),
]
# Of a median: part, variant, metric.
MEDIANS = [
    ("% delivered when publishing stops, 64 connections", "chain", "chain", "in_window_percent",
     ">=", 95),
    ("% delivered when publishing stops, 256 connections", "chain-256", "chain-256",
     "in_window_percent", ">=", 90),
    ("MB resident at most, 256 connections", "chain-256", "chain-256", "peak_rss_mb", "<=", 128),
    *((f"p99 among bad webhooks {name}, over the larger of twice and 5 ms more than alone",
       "isolation", name, "p99_of_allowed", "<=", 1) for name in
      ("of others", "of its own", "large event", "two tenants", "one host")),
    ("bytes of Redis memory besides the event's own, pending", "memory", "pending",
     "bytes_besides", "<=", 300),
]
# Of what a run of its own showed: part, variant, the sum of these.
DETAILS = [
    ("publishing scripts an event", "chain", "chain", ["publish_scripts_per_event"], "<=", 1),
    ("acknowledging scripts a delivery", "chain", "chain", ["acks_per_delivery"], "<=", 0.2),
    ("commands inside scripts a delivery", "chain", "chain",
     ["inside_publish_per_event", "inside_acks_per_delivery"], "<=", 8),
    ("system calls a delivery", "chain", "chain", ["system_calls_per_delivery"], "<=", 7),
]


def variant_of(results, part, name):
    for variant in results.get(part, {}).get("variants", []):
        if variant["name"] == name:
            return variant
    return {}


def values(results):
    """(text, value or None, sign, limit) of each goal."""
    for text, part, name, sign, limit in RATIOS:
        found = [r["median"] for r in results.get(part, {}).get("ratios", []) if r["name"] == name]
        yield text, found[0] if found else None, sign, limit
    for text, part, name, metric, sign, limit in MEDIANS:
        found = variant_of(results, part, name).get("metrics", {}).get(metric)
        yield text, found["median"] if found else None, sign, limit
    for text, part, name, metrics, sign, limit in DETAILS:
        detail = variant_of(results, part, name).get("detail") or {}
        known = all(metric in detail for metric in metrics)
        yield text, sum(detail[m] for m in metrics) if known else None, sign, limit


def rows(results):
    """(text, goal, value, verdict) as text."""
    for text, value, sign, limit in values(results):
        word = "at least" if sign == ">=" else "at most"
        if value is None:
            verdict = "not measured"
        else:
            verdict = "yes" if (value >= limit if sign == ">=" else value <= limit) else "NO"
        yield text, f"{word} {limit:g}", "-" if value is None else f"{value:.2f}", verdict
