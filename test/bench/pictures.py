"""Draws doc/bench/*.svg and fills doc/bench/README.md from what was measured, so that text, figures
and pictures cannot say different things."""

import json
import pathlib
import re
import shutil
import subprocess

import goals
import lab
import report

PAGE = pathlib.Path(__file__).resolve().parent / "page.md"

# Bars: part, and the metrics that stand side by side.
BARS = {
    "chain": [("accepted_per_s", "accepted/s"), ("delivered_per_s", "delivered/s")],
    "chain-256": [("accepted_per_s", "accepted/s"), ("delivered_per_s", "delivered/s")],
    "array": [("accepted_per_s", "accepted/s"), ("delivered_per_s", "delivered/s")],
    "fanout": [("accepted_per_s", "events accepted/s"), ("delivered_per_s", "delivered/s")],
    "fsync": [("accepted_per_s", "accepted/s"), ("delivered_per_s", "delivered/s")],
    "tls": [("accepted_per_s", "accepted/s"), ("delivered_per_s", "delivered/s")],
    "tenants": [("accepted_per_s", "accepted/s"), ("delivered_per_s", "delivered/s")],
    "ceiling": [("accepted_per_s", "accepted/s"), ("delivered_per_s", "delivered/s")],
    "peer": [("accepted_per_s", "accepted/s"), ("delivered_per_s", "delivered/s")],
    "isolation": [("alone_p99_ms", "p99 ms alone"), ("among_p99_ms", "p99 ms among them")],
    "memory": [("bytes_per_event", "bytes of Redis memory an event")],
}
# Lines: part, axis, whether both axes are logarithmic, and per line: metric, title, variants.
COSTS = (("cpu_us_per_event", "evhookd"), ("redis_cpu_us_per_event", "Redis"))
LINES = {
    "webhooks": ("webhooks that do not match", "µs of CPU an event", [
        *((metric, f"{title}, one tenant publishes", "") for metric, title in COSTS),
        *((f"turn_{metric}", f"{title}, tenants in turn", "") for metric, title in COSTS)]),
    "matching": ("webhooks that match", "µs of CPU a delivery", [
        ("cpu_us_per_delivery", "evhookd", ""), ("redis_cpu_us_per_delivery", "Redis", "")]),
    "queue": ("entries in a queue", "µs of CPU an event", [
        (metric, f"{title}, {kind}", kind)
        for kind in ("other", "own") for metric, title in COSTS]),
    "events": ("events in the stream", "µs of CPU an event", [
        (metric, title, "") for metric, title in COSTS]),
    "idle": ("idle connections", "MB resident", [("rss_mb", "evhookd", "")]),
}
HEAD = """set terminal svg size 760,420 font "sans-serif,13" background "white"
set output "{out}"
set title "{title}" noenhanced
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror out
set key outside top center horizontal
"""
COLOURS = ("#3465a4", "#f57900", "#73d216", "#75507b")


def gnuplot(script):
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    if done.returncode or "error" in done.stderr.lower():
        raise lab.Trouble(f"gnuplot: {done.stderr.strip()[:400]}")


def block(name, rows):
    return f"${name} << EOD\n" + "\n".join(" ".join(map(str, row)) for row in rows) + "\nEOD\n"


def spread(metric):
    return (metric["median"], metric["min"], metric["max"]) if metric else ("NaN",) * 3


def draw_bars(result, metrics, out):
    script = HEAD.format(out=out, title=result["what"])
    script += "set style data histograms\nset style histogram errorbars gap 1.5 lw 1.5\n"
    script += "set style fill solid 0.85 border -1\nset yrange [0:*]\n"
    script += "set decimal locale\nset format y \"%'.0f\"\n"
    rows = [[f'"{v["name"]}"', *sum((spread(v["metrics"].get(m)) for m, _ in metrics), ())]
            for v in result["variants"]]
    script += block("data", rows) + "plot " + ", ".join(
        f'$data using {2 + 3 * i}:{3 + 3 * i}:{4 + 3 * i}:xtic(1) title "{title}" '
        f'lc rgb "{COLOURS[i]}"' for i, (_, title) in enumerate(metrics))
    gnuplot(script + "\n")


def draw_lines(result, axis, unit, lines, out):
    """Zero stands at the left edge of a logarithmic axis."""
    xs = sorted({v["x"] for v in result["variants"]})
    positive = [x for x in xs if x > 0]
    linear = axis.startswith("idle")
    zero = 0 if linear else min(positive) / 10
    script = HEAD.format(out=out, title=result["what"])
    script += f'set xlabel "{axis}"\nset ylabel "{unit}"\nset yrange [0:*]\n'
    script += "" if linear else "set logscale x\n"
    script += f"set xrange [{zero}:{max(xs) * (1.02 if linear else 1.3)}]\nset xtics (" + ", ".join(
        f'"{x}" {x if x > 0 else zero}' for x in xs) + ")\n"
    plots = []
    for i, (metric, title, prefix) in enumerate(lines):
        rows = [[v["x"] or zero, *spread(v["metrics"].get(metric))] for v in result["variants"]
                if v["name"].startswith(prefix)]
        script += block(f"d{i}", rows)
        plots.append(f'$d{i} using 1:2:3:4 with yerrorlines title "{title}" lw 2 pt 7 ps 0.6 '
                     f'lc rgb "{COLOURS[i]}"')
    gnuplot(script + "plot " + ", ".join(plots) + "\n")


def draw_latency(result, out):
    """Percentiles of the last run, as HdrHistogram draws them."""
    script = HEAD.format(out=out, title=result["what"])
    script += 'set logscale xy\nset xlabel "percentile"\nset ylabel "ms"\n'
    ticks = [0, 50, 90, 99, 99.9, 99.99]
    script += "set xtics (" + ", ".join(f'"{p}" {100 / (100 - p)}' for p in ticks) + ")\n"
    plots = []
    for i, v in enumerate(result["variants"]):
        rows = [(100 / (100 - p), max(ms, 0.001)) for p, ms in v["metrics"]["distribution"]
                if p <= 99.99]
        script += block(f"d{i}", rows)
        plots.append(f'$d{i} using 1:2 with linespoints title "{v["name"]}/s" lw 2 pt 7 ps 0.5 '
                     f'lc rgb "{COLOURS[i % 4]}"')
    gnuplot(script + "plot " + ", ".join(plots) + "\n")


def draw_one(result, out):
    name = result["name"]
    if name == "latency":
        draw_latency(result, out)
    elif name in LINES:
        draw_lines(result, *LINES[name], out)
    else:
        draw_bars(result, BARS[name], out)


class Page:
    """What the marks in the page's text stand for."""

    def __init__(self, results):
        self.results = results

    def fill(self, text):
        return re.sub(r"^\{\{(\w+) ?([\w-]*)\}\}$", self.mark, text, flags=re.MULTILINE)

    def mark(self, found):
        kind, name = found.groups()
        if kind == "machines":
            return self.machines()
        if kind == "goals":
            return "\n".join(["| goal | | reached | |", "| --- | --- | ---: | --- |", *(
                f"| {' | '.join(row)} |" for row in goals.rows(self.results))])
        result = self.results.get(name)
        if not result:
            return f"Not measured: `./dev bench {name}`." if kind == "part" else ""
        return "\n\n".join(filter(None, (
            f"![{result['what']}]({name}.svg)", self.table(result), self.ratios(result),
            self.details(result), self.busy(result), self.setting(result))))

    def machines(self):
        seen = []
        for result in self.results.values():
            machine = result["machine"]
            line = (f"- {machine['cpu']}, {machine['cores']} cores, {machine['memory_mb']} MB, "
                    f"Linux {machine['kernel']}; {machine['redis']}; {machine['nginx']}; "
                    f"{machine['wrk']}.\n  Placement: {machine['placement']}.")
            if line not in seen:
                seen.append(line)
        return "\n".join(seen) or "Nothing is measured yet."

    def table(self, result):
        columns = [c for c in report.COLUMNS
                   if any(c[0] in v["metrics"] for v in result["variants"])]
        lines = ["| | " + " | ".join(title for _, title, _ in columns) + " |",
                 "| --- |" + " ---: |" * len(columns)]
        for v in result["variants"]:
            lines.append(f"| {v['name']} | " + " | ".join(
                report.cell(v["metrics"].get(name), form) for name, _, form in columns) + " |")
        return "\n".join(lines)

    def ratios(self, result):
        return "\n".join(f"- {r['name']}: **{r['median']:.2f}** [{r['min']:.2f}-{r['max']:.2f}]"
                         for r in result["ratios"])

    def details(self, result):
        lines = []
        for v in result["variants"]:
            if v.get("detail"):
                lines.append(f"- {v['name']}, in a run of its own: " + ", ".join(
                    f"{name.replace('_', ' ')} {value:.2f}"
                    for name, value in v["detail"].items() if isinstance(value, float)) + ".")
                calls = v["detail"].get("by_system_call")
                if calls:
                    lines.append("  The system calls an event: " + ", ".join(
                        f"`{name}` {n:.2f}" for name, n in list(calls.items())[:8]) + ".")
            commands = v["metrics"].get("by_command")
            if commands and v["name"] != "peer":
                lines.append(f"- {v['name']}, Redis commands an event: " + ", ".join(
                    f"`{name}` {n:.2f}" for name, n in commands.items() if n >= 0.01) + ".")
            keys = v["metrics"].get("by_key")
            if keys:
                lines.append(f"- {v['name']}, bytes an event by key: " + ", ".join(
                    f"`{name}` {n:.0f}" for name, n in keys.items()) + ".")
        return "\n".join(lines)

    def busy(self, result):
        lines = []
        for v in result["variants"]:
            share = {key: v["metrics"].get(key) for key in (
                "own_core_percent", "other_redis_percent", "other_sink_percent",
                "other_wrk_percent")}
            if all(share.values()):
                own, redis, sink, wrk = (m["median"] for m in share.values())
                lines.append(f"- {v['name']}: its own core {own:.0f} % busy; the other core: Redis "
                             f"{redis:.0f} %, sink {sink:.0f} %, wrk {wrk:.0f} %.")
        return "\n".join(lines)

    def setting(self, result):
        loud = sum(not q["quiet"] for q in result["quiet"])
        text = f"{result['date']}, {result['runs']} runs of {result['seconds']:g} s"
        if loud:
            text += (f"; before {loud} of {len(result['quiet'])} runs the machine was NOT quiet: "
                     "do not rely on these figures")
        if result.get("peer"):
            text += "; " + ", ".join(f"{n} {v}" for n, v in result["peer"].items())
        return text + f". All of it: [`data/{result['name']}.json`](data/{result['name']}.json)."


def read_results(folder):
    """What was measured, by part."""
    results = {}
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text())
        if result.get("name") == path.stem and "variants" in result:
            results[path.stem] = result
    return results


def draw(measured, doc):
    """What was measured here goes into doc first; parts not measured here keep what doc has."""
    data = doc / "data"
    data.mkdir(parents=True, exist_ok=True)
    for path in sorted(measured.glob("*.json")) if measured.exists() else []:
        shutil.copy(path, data / path.name)
    results = read_results(data)
    for name, result in results.items():
        draw_one(result, doc / f"{name}.svg")
    (doc / "README.md").write_text(Page(results).fill(PAGE.read_text()))
    print(f"drew {len(results)} pictures and wrote {doc / 'README.md'}")
