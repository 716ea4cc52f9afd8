"""./dev bench: runs the named parts of the suite, all of them unless some are named.

Each part prints one table, medians with min and max over RUNS runs of SECONDS each, and writes
build/bench/NAME.json.  QUIET is how long to wait for a quiet machine before each run, in seconds.
"""

import json
import os
import signal
import statistics
import sys
import time

import lab
import latency
import parts
import targets

OUT = lab.TOP / "build" / "bench"
ALL = {**parts.PARTS, **latency.PARTS}
RUNS = max(int(lab.number("RUNS", 3)), 1)
LENGTH = lab.number("SECONDS", 8)

COLUMNS = [
    ("accepted_per_s", "accepted/s", "{:.0f}"), ("delivered_per_s", "delivered/s", "{:.0f}"),
    ("in_window_percent", "in window %", "{:.1f}"), ("cpu_us_per_event", "CPU us/event", "{:.1f}"),
    ("redis_cpu_us_per_event", "Redis us/event", "{:.1f}"), ("commands", "commands", "{:.2f}"),
    ("commands_sent", "sent", "{:.2f}"), ("peak_rss_mb", "RSS MB", "{:.0f}"),
    ("p50_ms", "p50 ms", "{:.2f}"), ("p99_ms", "p99 ms", "{:.2f}"), ("p999_ms", "p99.9 ms", "{:.2f}"),
    ("bytes_per_event", "bytes/event", "{:.0f}"), ("bytes_besides", "besides", "{:.0f}"),
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


def measure(name, machine):
    what, variants_of, wanted = ALL[name]
    variants = variants_of()
    taken = {variant.name: [] for variant in variants}
    quiet = []
    print(f"\n== {name}: {what}")
    for run in range(RUNS):
        for variant in variants:
            quiet.append(lab.wait_quiet())
            if not quiet[-1]["quiet"]:
                print(f"  the machine is not quiet ({quiet[-1]['busy_percent']} % busy)")
            print(f"  run {run + 1} of {RUNS}: {variant.name} …", flush=True)
            with lab.Lab() as where:
                taken[variant.name].append(variant.run(where, LENGTH))
    rows = []
    for variant in variants:
        detail = None
        if variant.detail and os.environ.get("DETAIL", "1") != "0":
            with lab.Lab() as where:
                detail = variant.detail(where)
        rows.append({"name": variant.name, "metrics": summarise(taken[variant.name]),
                     "detail": detail})
    result = {
        "name": name, "what": what, "machine": machine, "runs": RUNS, "seconds": LENGTH,
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "quiet": quiet,
        "variants": rows, "ratios": ratios_of(wanted, taken),
    }
    if any(row["name"].startswith("peer") for row in rows):
        result["peer"] = targets.peer_versions()
    show(result)
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(result, indent="\t") + "\n")
    print(f"  written to {path.relative_to(lab.TOP)}")


def ended(*_):
    raise SystemExit(143)


def main(names):
    unknown = [name for name in names if name not in ALL]
    if unknown or names == ["list"]:
        for name, (what, _, _) in ALL.items():
            print(f"{name:12} {what}")
        return 0 if names == ["list"] else 2
    signal.signal(signal.SIGTERM, ended)
    lab.prepare()
    machine = lab.machine()
    for key, value in machine.items():
        print(f"{key:10} {value}")
    failed = []
    for name in names or ALL:
        try:
            measure(name, machine)
        except (lab.Trouble, OSError) as error:
            print(f"  {name} failed: {error}", file=sys.stderr)
            failed.append(name)
    if failed:
        print(f"failed: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
