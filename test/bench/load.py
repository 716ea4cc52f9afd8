"""The load, and what is read off while it runs and after."""

import contextlib
import json
import mmap
import re
import signal
import struct
import subprocess
import time

import lab
import targets

DRAIN = 120  # seconds at most for what was accepted to be delivered

LUA = r"""
local paths = {%s}
local body = %s
local headers = { ["Content-Type"] = "application/json" }
local requests = {}
local i = 0
function init()
    for n = 1, #paths do
        requests[n] = wrk.format("POST", paths[n], headers, body)
    end
end
function request()
    i = i %% #requests + 1
    return requests[i]
end
function done(summary, latency)
    local e = summary.errors
    io.write(string.format('\nJSON {"requests": %%d, "us": %%d, "bad": %%d, "broken": %%d, '
        .. '"p50": %%d, "p99": %%d}\n', summary.requests, summary.duration, e.status,
        e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


def wrk_command(where, target, seconds, connections, body, paths):
    """Writes what wrk is to do; gives the command."""
    script = where.dir / "publish.lua"
    quoted = ", ".join(json.dumps(path) for path in paths or [target.path()])
    script.write_text(LUA % (quoted, "[==[" + body + "]==]"))
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), target.url]


def wrk(where, target, seconds, connections, body, paths=None):
    """Runs wrk; gives its summary, with the CPU seconds it took."""
    out, cpu = where.run(wrk_command(where, target, seconds, connections, body, paths),
                         seconds + 60, log="wrk.log")
    found = re.search(r"^JSON (.*)$", out, re.MULTILINE)
    if not found:
        raise lab.Trouble(f"wrk said nothing of use: {out[-300:]}")
    summary = json.loads(found.group(1))
    if summary["bad"] > summary["requests"] / 100:
        raise lab.Trouble(f"{summary['bad']} of {summary['requests']} requests were refused; "
                          f"{where.tail('evhookd.log')}")
    return {**summary, "cpu": cpu}


def drain(target, accepted, fanout=1, step=0.02):
    """Waits until all that was accepted is delivered; gives the number delivered."""
    end = time.monotonic() + DRAIN
    while True:
        delivered = target.counts()[1]
        if delivered >= accepted * fanout or time.monotonic() > end:
            return delivered
        time.sleep(step)


class Snapshot:
    """CPU, commands and counters at one moment."""

    def __init__(self, where, target):
        self.time = time.monotonic()
        self.cpu = lab.cpu_seconds(target.pid)
        self.redis_cpu = lab.cpu_seconds(where.redis_pid) if where.redis_pid else 0
        self.sink_cpu = lab.cpu_seconds(where.sink_pid) if where.sink_pid else 0
        self.calls = where.redis.calls() if where.redis else {}
        self.sent = target.commands() if isinstance(target, targets.Evhookd) else 0


def commands_between(before, after, events):
    """Redis commands an event: all, those sent, those inside scripts, and each by name."""
    own = ("info", "ping", "memory", "monitor")
    each = {name: (n - before.calls.get(name, 0)) / events
            for name, n in after.calls.items() if name not in own}
    total = sum(each.values())
    sent = (after.sent - before.sent) / events
    return {
        "commands": total, "commands_sent": sent, "commands_inside": max(total - sent, 0),
        "scripts": each.get("evalsha", 0) + each.get("eval", 0),
        "by_command": {name: round(n, 4) for name, n in sorted(each.items()) if n > 0.001},
    }


def chain(where, target, seconds, connections=64, body=None, fanout=1, paths=None):
    """The whole chain under wrk: what was accepted and delivered, and what it cost."""
    base, base_delivered = target.counts()
    seen = where.sink.received() if where.sink else 0
    before = Snapshot(where, target)
    summary = wrk(where, target, seconds, connections, body or targets.body_of(), paths)
    stopped = Snapshot(where, target)
    accepted, in_window = target.counts()
    accepted, in_window = accepted - base, in_window - base_delivered
    delivered = drain(target, base + accepted, fanout) - base_delivered if fanout else 0
    after = Snapshot(where, target)
    window = max(stopped.time - before.time, 0.001)
    events = max(accepted, 1)
    if fanout and where.sink and where.sink.received() - seen < delivered:
        raise lab.Trouble("the sink saw fewer requests than were counted as delivered")
    found = {
        "accepted_per_s": accepted / window,
        "answers_p50_ms": summary["p50"] / 1000, "answers_p99_ms": summary["p99"] / 1000,
        "cpu_us_per_event": (after.cpu - before.cpu) * 1e6 / events,
        "redis_cpu_us_per_event": (after.redis_cpu - before.redis_cpu) * 1e6 / events,
        "own_core_percent": 100 * (stopped.cpu - before.cpu) / window,
        "other_redis_percent": 100 * (stopped.redis_cpu - before.redis_cpu) / window,
        "other_sink_percent": 100 * (stopped.sink_cpu - before.sink_cpu) / window,
        "other_wrk_percent": 100 * summary["cpu"] / window,
        "peak_rss_mb": lab.memory_kb(target.pid, "VmHWM") / 1024,
        "broken": summary["broken"],
    }
    if fanout:
        found["delivered_per_s"] = delivered / max(after.time - before.time, 0.001)
        found["in_window_percent"] = 100 * in_window / (events * fanout)
        found["undelivered"] = accepted * fanout - delivered
    if where.redis:
        found.update(commands_between(before, after, events))
    return found


def plain(where, target, seconds, connections=64):
    """A server that only answers."""
    before = Snapshot(where, target)
    summary = wrk(where, target, seconds, connections, targets.body_of())
    after = Snapshot(where, target)
    n = max(summary["requests"], 1)
    return {
        "accepted_per_s": n * 1e6 / summary["us"],
        "answers_p50_ms": summary["p50"] / 1000, "answers_p99_ms": summary["p99"] / 1000,
        "cpu_us_per_event": (after.cpu - before.cpu) * 1e6 / n,
        "own_core_percent": 100 * (after.cpu - before.cpu) / (after.time - before.time),
        "peak_rss_mb": lab.memory_kb(target.pid, "VmHWM") / 1024,
    }


class Background:
    """The load in the background, so that a tool can look meanwhile."""

    def __init__(self, where, target, seconds, connections=64, body=None, paths=None):
        self.where = where
        self.process = where.start(
            wrk_command(where, target, seconds, connections, body or targets.body_of(), paths),
            log="wrk.log")

    def __enter__(self):
        time.sleep(0.5)  # let it reach its pace
        return self

    def __exit__(self, *_):
        self.where.stop(self.process)
        self.where.processes.remove(self.process)


def system_calls(where, target, seconds=2, **what):
    """System calls an event and a delivery, by name, under strace; {} where that is not allowed."""
    out = where.dir / "strace.txt"
    with Background(where, target, seconds + 5, **what):
        tracer = where.start(["strace", "-c", "-f", "-p", str(target.pid), "-o", str(out)],
                             log="strace.log")
        with contextlib.suppress(lab.Trouble):
            lab.until(lambda: lab.memory_kb(target.pid, "TracerPid") or tracer.poll() is not None,
                      "strace has attached", 3)
        if tracer.poll() is not None:
            return {}
        before = target.counts()
        time.sleep(seconds)
        after = target.counts()
        tracer.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            tracer.wait(5)
    calls = {}
    for line in out.read_text().splitlines() if out.exists() else []:
        fields = line.split()
        if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
            calls[fields[-1]] = int(fields[3])
    events, delivered = after[0] - before[0], after[1] - before[1]
    if not calls or not events:
        return {}
    return {
        "system_calls": sum(calls.values()) / events,
        "system_calls_per_delivery": sum(calls.values()) / max(delivered, 1),
        "by_system_call": {name: round(n / events, 4) for name, n in sorted(
            calls.items(), key=lambda item: -item[1]) if n / events > 0.001},
    }


def allocations(where, options, seconds=2, **what):
    """Allocations an event, counted by a preloaded library in a run of its own."""
    library = targets.compile_counter(where)
    if not library:
        return {}
    path = where.dir / "allocations"
    path.write_bytes(bytes(16))
    target = targets.Evhookd(where, *options,
                             env={"LD_PRELOAD": library, "BENCH_ALLOC_FILE": str(path)})
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 16) as shared:
        with Background(where, target, seconds + 3, **what):
            before, events = struct.unpack("QQ", shared[:16]), target.counts()[0]
            time.sleep(seconds)
            after, events = struct.unpack("QQ", shared[:16]), target.counts()[0] - events
    where.stop(target.process)
    if events <= 0 or after[0] == before[0]:
        return {}
    return {"allocations": (after[0] - before[0]) / events,
            "allocated_bytes": (after[1] - before[1]) / events}


def scripts(where, target, **what):
    """Which scripts run an event, and what each calls, as MONITOR shows them for a moment."""
    with Background(where, target, 4, **what):
        watch = where.redis.monitor()
        before = target.counts()
        lines = watch.drain(limit=1 << 25)
        after = target.counts()
        watch.close()
    kinds, current = {}, None
    for line in lines:
        text = line.decode(errors="replace")
        found = re.match(r'\+[0-9.]+ \[\d+ ([^\]]*)\] "([A-Za-z]+)"(?: "([^"]*)")?', text)
        if not found:
            continue
        source, command, first = found.group(1), found.group(2).lower(), found.group(3) or ""
        if command in ("evalsha", "eval"):
            current = kinds.setdefault(first, {"runs": 0, "removed": 0, "calls": {}})
            current["runs"] += 1
        elif source == "lua" and current is not None:
            if command == "xadd" and ":ev:" in first:
                command = "xadd-event"
            if command == "zrem" and ":q:" in first:
                current["removed"] += text.count('" "') - 1
            current["calls"][command] = current["calls"].get(command, 0) + 1
    events, delivered = after[0] - before[0], after[1] - before[1]
    return sort_scripts(kinds.values(), events, delivered)


def sort_scripts(kinds, events, delivered):
    """A script that adds to an event stream publishes; one that counts and removes acknowledges."""
    # What MONITOR showed and what the counters moved by are not cut at the same instant: the events
    # and deliveries among the shown commands themselves are what counts.
    seen = sum(kind["calls"].get("xadd-event", 0) for kind in kinds)
    runs = {"publish": 0, "acknowledge": 0, "other": 0}
    inside = {"publish": 0, "acknowledge": 0, "other": 0}
    removed = 0
    for kind in kinds:
        calls = kind["calls"]
        name = ("publish" if "xadd-event" in calls else
                "acknowledge" if "zrem" in calls and "hincrby" in calls else "other")
        runs[name] += kind["runs"]
        inside[name] += sum(calls.values())
        if name == "acknowledge":
            removed += kind["removed"]
    if not seen:
        return {}
    removed = max(removed, 1)
    return {
        "publish_scripts_per_event": runs["publish"] / seen,
        "acks_per_delivery": runs["acknowledge"] / removed,
        "other_scripts_per_event": runs["other"] / seen,
        "inside_publish_per_event": inside["publish"] / seen,
        "inside_acks_per_delivery": inside["acknowledge"] / removed,
        "monitored_events": seen, "counted_events": events, "counted_deliveries": delivered,
    }
