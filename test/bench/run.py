"""./dev bench: runs the named parts of the suite, all of them unless some are named.

Each part prints one table, medians with min and max over RUNS runs of SECONDS each, and writes
build/bench/NAME.json.  QUIET is how long to wait for a quiet machine before each run, in seconds.
"""

import json
import os
import signal
import sys
import time

import flame
import flood
import goals
import growth
import isolation
import lab
import latency
import parts
import pictures
import report
import targets

OUT = lab.TOP / "build" / "bench"
ALL = {**parts.PARTS, **latency.PARTS, **growth.PARTS, **isolation.PARTS, **flood.PARTS}
RUNS = max(int(lab.number("RUNS", 3)), 1)
LENGTH = lab.number("SECONDS", 8)


def look_at(variant):
    """What only a run of its own shows; the part stands without it."""
    if not variant.detail or os.environ.get("DETAIL", "1") == "0":
        return None
    print(f"  looking at {variant.name} …", flush=True)
    try:
        with lab.Lab() as where:
            return variant.detail(where)
    except (lab.Trouble, OSError) as error:
        print(f"  no details of {variant.name}: {error}", file=sys.stderr)
        return None


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
    rows = [{"name": variant.name, "x": variant.x,
             "metrics": report.summarise(taken[variant.name]), "detail": look_at(variant)}
            for variant in variants]
    result = {
        "name": name, "what": what, "machine": machine, "runs": RUNS, "seconds": LENGTH,
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "quiet": quiet,
        "variants": rows, "ratios": report.ratios_of(wanted, taken),
    }
    if any(row["name"].startswith("peer") for row in rows):
        result["peer"] = targets.peer_versions()
    report.show(result)
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(result, indent="\t") + "\n")
    print(f"  written to {path.relative_to(lab.TOP)}")


def show_goals(names):
    """Of all parts, or of those named: then it fails where one is missed."""
    results = pictures.read_results(OUT)
    rows = list(goals.rows({name: results[name] for name in names or results if name in results}))
    if names:
        rows = [row for row in rows if row[3] != "not measured"]
    report.table([["", "goal", "reached", ""], *rows])
    return 1 if names and (not rows or any(row[3] == "NO" for row in rows)) else 0


def ended(*_):
    raise SystemExit(143)


def main(names):
    if names == ["pictures"]:
        pictures.draw(OUT, lab.TOP / "doc" / "bench")
        return 0
    if names == ["flame"]:
        flame.main(lab.TOP / "doc" / "bench")
        return 0
    if names[:1] == ["goals"]:
        return show_goals(names[1:])
    unknown = [name for name in names if name not in ALL]
    if unknown or names == ["list"]:
        for name, (what, _, _) in ALL.items():
            print(f"{name:12} {what}")
        print(f"{'goals':12} [part...] says what the figures are to reach, and whether they do")
        print(f"{'flame':12} draws flame graphs into doc/bench/")
        print(f"{'pictures':12} draws doc/bench/ from what was measured")
        return 0 if names == ["list"] else 2
    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
