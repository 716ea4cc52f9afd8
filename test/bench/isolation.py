"""Isolation: the latency of one webhook without and with a hundred bad neighbours, in one run."""

import contextlib
import json
import selectors
import socket
import threading

import lab
import targets
from latency import NAMES
from parts import Variant
from targets import TENANT, tenant_of, webhook_body

RATE = 1000
TARPITS = 100
QUEUED = 100000  # events that each of two bad webhooks has waiting
BAD = "bad.neighbour"  # the event type of all bad ones
# Tried again a second after each failure, until nobody looks any more.
STUBBORN = {"retryStrategy": {"attempts": 5, "interval": 1, "type": "linear"}}


class Tarpit(threading.Thread):
    """Accepts everything, takes what comes and never answers."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.holding = 0
        self.open = True
        self.start()

    def run(self):
        while self.open:
            for key, _ in self.selector.select(0.2):
                if key.fileobj is self.listener:
                    self.selector.register(self.listener.accept()[0], selectors.EVENT_READ)
                    self.holding += 1
                else:
                    self.read(key.fileobj)

    def read(self, connection):
        with contextlib.suppress(OSError):
            if connection.recv(65536):
                return
        self.selector.unregister(connection)
        connection.close()
        self.holding -= 1

    def close(self):
        self.open = False
        self.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


class Isolation(Variant):
    """The good webhook is alone, then among the bad ones: of other tenants, or of its own."""

    def __init__(self, name, own):
        super().__init__(name, self.measure)
        self.own = own

    def measure(self, where, seconds):
        where.start_redis()
        receiver = lab.free_port()
        target = targets.Evhookd(where)
        target.webhook(f"http://127.0.0.1:{receiver}/hook")
        alone = self.generate(where, target, receiver, seconds)
        with contextlib.closing(Tarpit()) as tarpit:
            self.surround(where, target, tarpit)
            among = self.generate(where, target, receiver, seconds)
            metrics = lab.metrics(target.admin)
        allowed = max(2 * alone["p99_ms"], alone["p99_ms"] + 5)
        return {**{f"alone_{name}": value for name, value in alone.items()},
                **{f"among_{name}": value for name, value in among.items()},
                "p99_of_allowed": among["p99_ms"] / allowed,
                "places_held": metrics['evhookd_deliveries_held{state="inflight"}'],
                "peak_rss_mb": lab.memory_kb(target.pid, "VmHWM") / 1024}

    def surround(self, where, target, tarpit):
        """A hundred tarpits and one that refuses; the first two have much waiting."""
        tenants = [TENANT] if self.own else [tenant_of(1 + i % 10) for i in range(TARPITS + 1)]
        urls = ["http://127.0.0.1:9/", *[tarpit.url] * TARPITS]
        targets.make_webhooks(target, [
            (tenants[i % len(tenants)],
             webhook_body(url, [f"{BAD}.{i}"], STUBBORN)) for i, url in enumerate(urls)])
        for i in range(2, len(urls)):
            self.publish(target, tenants[i % len(tenants)], i, 1000)
        for i in range(2):
            self.publish(target, tenants[i % len(tenants)], i, QUEUED)
        lab.until(lambda: tarpit.holding >= TARPITS, "the tarpits hold connections", 60)

    def publish(self, target, tenant, i, count):
        body = json.dumps([{"type": f"{BAD}.{i}", "data": {}}] * 1000)
        for _ in range(count // 1000):
            target.publish(body, tenant)

    def generate(self, where, target, receiver, seconds):
        out, _ = where.run(
            [lab.built("openloop"), str(target.port), target.path(), str(receiver), str(RATE),
             f"{seconds:g}"], seconds + 60, log="openloop.log")
        found = json.loads(out)
        if found["lost"] or found["refused"]:
            raise lab.Trouble(f"{self.name}: {found['lost']} events lost, "
                              f"{found['refused']} refused")
        percentiles = dict(map(tuple, found["distribution"]))
        return {**{name: percentiles[p] for p, name in NAMES.items()}, "max_ms": percentiles[100]}


def isolation_part():
    return [Isolation("of others", False), Isolation("of its own", True)]


PARTS = {
    "isolation": (
        f"{RATE}/s among {TARPITS} tarpits and one that refuses, {QUEUED} queued for two of them",
        isolation_part, []),
}
