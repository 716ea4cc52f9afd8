"""Isolation: the latency of one webhook without and with bad neighbours, in one run."""

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
    """So many hosts that accept everything, take what comes and never answer."""

    def __init__(self, hosts=1):
        super().__init__(daemon=True)
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(hosts)]
        self.urls = [f"http://127.0.0.1:{each.getsockname()[1]}/" for each in self.listeners]
        self.selector = selectors.DefaultSelector()
        for listener in self.listeners:
            self.selector.register(listener, selectors.EVENT_READ)
        self.holding = 0
        self.open = True
        self.start()

    def run(self):
        while self.open:
            for key, _ in self.selector.select(0.2):
                if key.fileobj in self.listeners:
                    self.selector.register(key.fileobj.accept()[0], selectors.EVENT_READ)
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
    """The good webhook is alone, then among the bad ones that `surround` makes."""

    def __init__(self, name, surround, hosts=1):
        super().__init__(name, self.measure)
        self.surround, self.hosts = surround, hosts

    def measure(self, where, seconds):
        where.start_redis()
        receiver = lab.free_port()
        target = targets.Evhookd(where)
        target.webhook(f"http://127.0.0.1:{receiver}/hook")
        alone = self.generate(where, target, receiver, seconds)
        with contextlib.closing(Tarpit(self.hosts)) as tarpit:
            self.surround(target, tarpit)
            among = self.generate(where, target, receiver, seconds)
            metrics = lab.metrics(target.admin)
        allowed = max(2 * alone["p99_ms"], alone["p99_ms"] + 5)
        return {**{f"alone_{name}": value for name, value in alone.items()},
                **{f"among_{name}": value for name, value in among.items()},
                "p99_of_allowed": among["p99_ms"] / allowed,
                "places_held": metrics['evhookd_deliveries_held{state="inflight"}'],
                "peak_rss_mb": lab.memory_kb(target.pid, "VmHWM") / 1024}

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


def publish_many(target, tenant, kind, count):
    body = json.dumps([{"type": kind, "data": {}}] * min(count, 1000))
    for _ in range(0, count, 1000):
        target.publish(body, tenant)


def until_holding(tarpit, count):
    lab.until(lambda: tarpit.holding >= count, f"the tarpits hold {count} connections", 60)


def tarpits_of(tenants):
    """A hundred tarpits and one that refuses; the first two have much waiting."""
    def surround(target, tarpit):
        urls = ["http://127.0.0.1:9/", *tarpit.urls]
        targets.make_webhooks(target, [
            (tenants[i % len(tenants)],
             webhook_body(url, [f"{BAD}.{i}"], STUBBORN)) for i, url in enumerate(urls)])
        for i in range(2, len(urls)):
            publish_many(target, tenants[i % len(tenants)], f"{BAD}.{i}", 1000)
        for i in range(2):
            publish_many(target, tenants[i % len(tenants)], f"{BAD}.{i}", QUEUED)
        until_holding(tarpit, TARPITS)
    return surround


def large_event(target, tarpit):
    """One event of 200 KiB for 400 webhooks that do not answer."""
    targets.make_webhooks(target, [
        (tenant_of(1), webhook_body(tarpit.urls[i % len(tarpit.urls)], [BAD])) for i in range(400)])
    target.publish(json.dumps({"type": BAD, "data": {"pad": "x" * 200_000}}), tenant_of(1))
    until_holding(tarpit, 300)


def two_tenants(target, tarpit):
    """Each of them has a hundred webhooks that do not answer, at a host each, and events for all."""
    targets.make_webhooks(target, [
        (tenant_of(1 + i % 2), webhook_body(url, [BAD], STUBBORN))
        for i, url in enumerate(tarpit.urls)])
    for i in range(2):
        publish_many(target, tenant_of(1 + i), BAD, 100)
    until_holding(tarpit, 700)


def one_host(target, tarpit):
    """A thousand webhooks at one host that does not answer, and an event for all of them."""
    targets.make_webhooks(target, [
        (tenant_of(1), webhook_body(tarpit.urls[0] + str(i), [BAD], STUBBORN)) for i in range(1000)])
    publish_many(target, tenant_of(1), BAD, 10)
    until_holding(tarpit, 100)


def isolation_part():
    return [Isolation("of others", tarpits_of([tenant_of(1 + i) for i in range(10)]), TARPITS),
            Isolation("of its own", tarpits_of([TENANT]), TARPITS),
            Isolation("large event", large_event, 40),
            Isolation("two tenants", two_tenants, 200),
            Isolation("one host", one_host)]


PARTS = {
    "isolation": (
        f"{RATE}/s among {TARPITS} tarpits and one that refuses, {QUEUED} queued for two of them; "
        "and among what holds memory, places or a host",
        isolation_part, []),
}
