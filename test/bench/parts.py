"""The parts of the suite that run the chain: each is a list of variants that take turns."""

import load
import targets
from targets import body_of, tenant_of, webhook_body

SIZE = 500
TENANTS, HOOKS = 1000, 100


class Variant:
    """One row of a part's table: name, and what runs it, given the laboratory and the seconds."""

    def __init__(self, name, run, detail=None, x=None):
        self.name, self.run, self.detail = name, run, detail
        self.x = x  # where it is in a picture of growth


class ChainVariant(Variant):
    """The chain in some form: options of evhookd and Redis, webhooks, and how it is published."""

    def __init__(self, name, fanout=1, tls=False, appendfsync="everysec", options=(), many=False,
                 connections=64, body=None, detailed=True):
        super().__init__(name, self.measure, self.look if detailed else None)
        self.fanout, self.tls, self.appendfsync = fanout, tls, appendfsync
        self.options, self.many = list(options), many
        self.what = {"connections": connections, "body": body or body_of(SIZE)}

    def services(self, where):
        where.start_redis(self.appendfsync)
        where.start_sink(self.tls)
        return [*self.options, *(["--ca-file", f"{where.dir}/cert.pem"] if self.tls else [])]

    def webhooks(self, where, target):
        """Makes them; gives what the load has to know besides."""
        url = where.sink.url + "/hook"
        if not self.many:
            for _ in range(self.fanout):
                target.webhook(url)
            return {}
        bodies = []
        for t in range(TENANTS):
            bodies.append((tenant_of(t), webhook_body(url, [targets.TYPE])))
            bodies += [(tenant_of(t), webhook_body(url, [f"other.type{i}"]))
                       for i in range(HOOKS - 1)]
        targets.make_webhooks(target, bodies)
        return {"paths": [target.path(tenant_of(t)) for t in range(TENANTS)]}

    def measure(self, where, seconds):
        options = self.services(where)
        target = targets.Evhookd(where, *options)
        what = {**self.what, **self.webhooks(where, target)}
        return load.chain(where, target, seconds, fanout=self.fanout, **what)

    def look(self, where):
        """What slows it down is looked at in a run of its own: strace, MONITOR, malloc."""
        options = self.services(where)
        target = targets.Evhookd(where, *options)
        what = {**self.what, **self.webhooks(where, target)}
        found = load.scripts(where, target, **what)
        self.settle(target)
        found.update(load.system_calls(where, target, **what))
        self.settle(target)
        where.stop(target.process)
        if not self.many:
            found.update(load.allocations(where, options, **what))
        return found

    def settle(self, target):
        load.drain(target, target.counts()[0], self.fanout)


def array_body(n):
    return "[" + ",".join([body_of(SIZE)] * n) + "]"


class BareVariant(Variant):
    """The ceiling: no work but HTTP, or HTTP and one XADD."""

    def __init__(self, name, redis):
        super().__init__(name, self.measure)
        self.redis = redis

    def measure(self, where, seconds):
        where.start_redis()
        target = targets.Bare(where, targets.answer_bytes(where), self.redis)
        return load.plain(where, target, seconds)


class PeerVariant(Variant):
    """The peer under the same load."""

    def __init__(self, name="peer", connections=64):
        super().__init__(name, self.measure)
        self.connections = connections

    def measure(self, where, seconds):
        where.start_redis()
        where.start_sink()
        target = targets.Peer(where, where.sink.url + "/hook")
        load.wrk(where, target, min(seconds, 3), self.connections, body_of(SIZE))  # the JIT's turn
        load.drain(target, target.counts()[0])
        return load.chain(where, target, seconds, self.connections)


def chain_part():
    return [ChainVariant("chain")]


def chain_256_part():
    return [ChainVariant("chain-256", connections=256)]


def array_part():
    return [ChainVariant("single"),
            ChainVariant("array-100", connections=16, body=array_body(100))]


def fanout_part():
    return [ChainVariant(f"fanout-{n}", fanout=n) for n in (1, 10, 100)]


def fsync_part():
    return [ChainVariant("everysec", detailed=False),
            ChainVariant("always", appendfsync="always")]


def tls_part():
    return [ChainVariant("http", detailed=False), ChainVariant("https", tls=True)]


def tenants_part():
    return [ChainVariant("one-tenant", detailed=False),
            ChainVariant("1000x100", many=True)]


def ceiling_part():
    return [ChainVariant("chain", detailed=False), BareVariant("bare", False),
            BareVariant("bare-xadd", True)]


def peer_part():
    return [ChainVariant("chain", detailed=False), PeerVariant()]


# Per part: what it is, the variants, the ratios (name, variant, metric, over variant, metric).
PARTS = {
    "chain": ("wrk -c64 publishes 500-byte events, one signed subscriber", chain_part, []),
    "chain-256": ("the same with wrk -c256", chain_256_part, []),
    "array": ("arrays of 100 events against single ones", array_part, [
        ("CPU an event, arrays / single", "array-100", "cpu_us_per_event",
         "single", "cpu_us_per_event"),
        ("delivered/s, arrays / single", "array-100", "delivered_per_s",
         "single", "delivered_per_s")]),
    "fanout": ("one event to 1, 10 and 100 webhooks", fanout_part, []),
    "fsync": ("appendfsync always against everysec", fsync_part, [
        ("accepted/s, always / everysec", "always", "accepted_per_s",
         "everysec", "accepted_per_s")]),
    "tls": ("the endpoint speaks TLS", tls_part, [
        ("delivered/s, https / http", "https", "delivered_per_s", "http", "delivered_per_s")]),
    "tenants": (f"{TENANTS} tenants with {HOOKS} webhooks each, published to in turn",
                tenants_part, [
                    ("delivered/s, 1000 tenants / one", "1000x100", "delivered_per_s",
                     "one-tenant", "delivered_per_s")]),
    "ceiling": ("a bare evhttp server under the same load, and with one XADD", ceiling_part, [
        ("chain accepted/s / bare", "chain", "accepted_per_s", "bare", "accepted_per_s"),
        ("chain delivered/s / bare", "chain", "delivered_per_s", "bare", "accepted_per_s"),
        ("chain delivered/s / bare with XADD", "chain", "delivered_per_s",
         "bare-xadd", "accepted_per_s")]),
    "peer": ("fastify, BullMQ and undici doing the same job", peer_part, [
        ("delivered/s, evhookd / peer", "chain", "delivered_per_s", "peer", "delivered_per_s"),
        ("accepted/s, evhookd / peer", "chain", "accepted_per_s", "peer", "accepted_per_s")]),
}

