"""What was measured, summed up: medians with min and max, as a table to read."""

import statistics

# Metric, heading and form, in the order of the columns.
COLUMNS = [
    ("accepted_per_s", "accepted/s", "{:.0f}"), ("delivered_per_s", "delivered/s", "{:.0f}"),
    ("in_window_percent", "in window %", "{:.1f}"), ("cpu_us_per_event", "CPU us/event", "{:.1f}"),
    ("redis_cpu_us_per_event", "Redis us/event", "{:.1f}"), ("commands", "commands", "{:.2f}"),
    ("commands_sent", "sent", "{:.2f}"), ("peak_rss_mb", "RSS MB", "{:.0f}"),
    ("p50_ms", "p50 ms", "{:.2f}"), ("p99_ms", "p99 ms", "{:.2f}"),
    ("p999_ms", "p99.9 ms", "{:.2f}"),
    ("alone_p50_ms", "alone: p50 ms", "{:.2f}"), ("alone_p99_ms", "p99 ms", "{:.2f}"),
    ("among_p50_ms", "among them: p50 ms", "{:.2f}"), ("among_p99_ms", "p99 ms", "{:.2f}"),
    ("among_max_ms", "max ms", "{:.1f}"), ("p99_of_allowed", "p99 / allowed", "{:.2f}"),
    ("places_held", "places held", "{:.0f}"),
    ("bytes_per_event", "bytes/event", "{:.0f}"), ("bytes_besides", "besides", "{:.0f}"),
    ("cpu_us_per_delivery", "CPU us/delivery", "{:.1f}"),
    ("redis_cpu_us_per_delivery", "Redis us/delivery", "{:.1f}"),
    ("turn_cpu_us_per_event", "in turn: CPU us/event", "{:.1f}"),
    ("turn_redis_cpu_us_per_event", "in turn: Redis us/event", "{:.1f}"),
    ("rss_mb", "RSS MB", "{:.1f}"), ("rss_kb_each", "KB each", "{:.2f}"),
]


def summarise(runs):
    """Of each number in the runs: median, min, max and all; the rest is taken from the last."""
    found = {}
    for name, value in runs[-1].items():
        values = [run[name] for run in runs if isinstance(run.get(name), (int, float))]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and values:
            found[name] = {"median": statistics.median(values), "min": min(values),
                           "max": max(values), "runs": values}
        else:
            found[name] = value
    return found


def cell(metric, form):
    if metric is None:
        return "-"
    return " ".join([form.format(metric["median"]),
                     f"[{form.format(metric['min'])}-{form.format(metric['max'])}]"])


def table(rows):
    """Columns as wide as they need to be."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0]),
                         *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]).rstrip())


def show(result):
    variants = result["variants"]
    columns = [c for c in COLUMNS if any(c[0] in v["metrics"] for v in variants)]
    table([["", *(title for _, title, _ in columns)]] + [
        [v["name"], *(cell(v["metrics"].get(name), form) for name, _, form in columns)]
        for v in variants])
    for v in variants:
        if v.get("detail"):
            print(f"  {v['name']}: " + ", ".join(
                f"{name.replace('_', ' ')} {value:.2f}" for name, value in v["detail"].items()
                if isinstance(value, float)))
        share = v["metrics"].get("other_redis_percent")
        if share:
            print(f"  {v['name']}: own core {v['metrics']['own_core_percent']['median']:.0f} %, "
                  f"other core: Redis {share['median']:.0f} %, "
                  f"sink {v['metrics']['other_sink_percent']['median']:.0f} %, "
                  f"wrk {v['metrics']['other_wrk_percent']['median']:.0f} %")
    for ratio in result["ratios"]:
        print(f"  {ratio['name']}: {cell(ratio, '{:.2f}')}")


def ratios_of(wanted, taken):
    """The ratio in each run, so that what disturbs both does not count."""
    found = []
    for name, above, metric, below, under in wanted:
        values = [a[metric] / b[under] for a, b in zip(taken[above], taken[below]) if b.get(under)]
        if values:
            found.append({"name": name, "median": statistics.median(values), "min": min(values),
                          "max": max(values), "runs": values})
    return found
