"""Open-loop latency: from the scheduled sending to the complete receipt."""

import json

import lab
import targets
from parts import Variant

RATES = (500, 2000)
NAMES = {50: "p50_ms", 99: "p99_ms", 99.9: "p999_ms"}


class Latency(Variant):
    """One program at one rate; the generator is the receiver too."""

    def __init__(self, program, rate):
        super().__init__(f"{program}-{rate}", self.measure)
        self.program, self.rate = program, rate

    def measure(self, where, seconds):
        where.start_redis()
        receiver = lab.free_port()
        url = f"http://127.0.0.1:{receiver}/hook"
        if self.program == "peer":
            target = targets.Peer(where, url)
            # The JIT's turn, at the measured rate.
            self.generate(where, target, receiver, min(seconds, 3))
        else:
            target = targets.Evhookd(where)
            target.webhook(url)
        before = lab.cpu_seconds(target.pid)
        found = self.generate(where, target, receiver, seconds)
        busy = lab.cpu_seconds(target.pid) - before
        if found["lost"] or found["refused"]:
            raise lab.Trouble(f"{self.name}: {found['lost']} events lost, "
                              f"{found['refused']} refused")
        percentiles = dict(map(tuple, found["distribution"]))
        return {**{name: percentiles[p] for p, name in NAMES.items()}, "max_ms": percentiles[100],
                "cpu_us_per_event": busy * 1e6 / (found["sent"] or 1),
                "repeated": found["repeated"], "distribution": found["distribution"]}

    def generate(self, where, target, receiver, seconds):
        out, _ = where.run(
            [lab.built("openloop"), str(target.port), target.path(), str(receiver),
             str(self.rate), f"{seconds:g}"], seconds + 30, log="openloop.log")
        return json.loads(out)


def latency_part():
    return [Latency(program, rate) for rate in RATES for program in ("evhookd", "peer")]


PARTS = {
    "latency": ("open loop at 500/s and 2000/s, scheduled sending to receipt", latency_part, [
        (f"peer / evhookd at {rate}/s, {title}", f"peer-{rate}", metric, f"evhookd-{rate}", metric)
        for rate in RATES for metric, title in (("p50_ms", "p50"), ("p99_ms", "p99"))]),
}
