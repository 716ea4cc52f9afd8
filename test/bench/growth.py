"""What grows with what: the cost of publishing, memory in Redis, memory for idle connections."""

import contextlib
import socket
import time

import lab
import load
import targets
from parts import SIZE, Variant
from targets import TENANT, TYPE, body_of, tenant_of, webhook_body

HOOKS = 1000  # webhooks of a tenant that do not match
PENDING = 20000  # events whose memory is measured
SETTLE = 1.5  # seconds after preparing: what was written is synced, buffers shrink
FAR = 10 * 86400 * 1000  # ms from now: entries nobody looks at
COSTS = ("accepted_per_s", "cpu_us_per_event", "redis_cpu_us_per_event", "commands")
B32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def base32(n, digits):
    return "".join(B32[(n >> (5 * i)) & 31] for i in reversed(range(digits)))


def prefix_of(where, webhook):
    """The keys' prefix of the shard that the webhook is in."""
    keys = where.redis("KEYS", f"evhook:*:wh:{webhook}")
    if not keys:
        raise lab.Trouble("the webhook is not in Redis")
    return keys[0].removesuffix(f"wh:{webhook}")


class Webhooks(Variant):
    """Publishing what matches nothing, among more and more webhooks."""

    def __init__(self, tenants):
        super().__init__(f"{tenants} x {HOOKS}", self.measure, x=tenants * HOOKS)
        self.tenants = tenants

    def measure(self, where, seconds):
        where.start_redis()
        target = targets.Evhookd(where)
        targets.make_webhooks(target, [
            (tenant_of(t), webhook_body("http://127.0.0.1:9/", [f"other.type{i}"]))
            for t in range(self.tenants) for i in range(HOOKS)])
        time.sleep(SETTLE)
        paths = [target.path(tenant_of(t)) for t in range(self.tenants)]
        one = load.chain(where, target, seconds, fanout=0, paths=paths[:1])
        turn = load.chain(where, target, seconds, fanout=0, paths=paths)
        return {**{name: one[name] for name in COSTS},
                **{f"turn_{name}": turn[name] for name in COSTS}}


class Matching(Variant):
    """Publishing what more and more webhooks receive."""

    def __init__(self, hooks):
        super().__init__(str(hooks), self.measure, x=hooks)
        self.hooks = hooks

    def measure(self, where, seconds):
        where.start_redis()
        where.start_sink()
        target = targets.Evhookd(where)
        targets.make_webhooks(
            target, [(TENANT, webhook_body(where.sink.url + "/hook", [TYPE]))] * self.hooks)
        found = load.chain(where, target, seconds, connections=8, fanout=self.hooks)
        for name in ("cpu_us", "redis_cpu_us"):
            found[f"{name}_per_delivery"] = found[f"{name}_per_event"] / self.hooks
        return found


class Prepared(Variant):
    """Publishing to one subscriber while Redis holds something already."""

    def __init__(self, name, x, prepare):
        super().__init__(name, self.measure, x=x)
        self.prepare = prepare

    def measure(self, where, seconds):
        where.start_redis()
        where.start_sink()
        target = targets.Evhookd(where, "--max-pending", "100000000", "--events-kept", "100000000")
        webhook = target.webhook(where.sink.url + "/hook")
        self.prepare(where, target, webhook, self.x)
        time.sleep(SETTLE)
        found = load.chain(where, target, seconds)
        return {name: found[name] for name in (*COSTS, "delivered_per_s", "in_window_percent")}


def fill_queue(where, prefix, webhook, entries):
    """Entries that wait for another day, written into Redis directly."""
    due = int(time.time() * 1000) + FAR

    def commands():
        for at in range(0, entries, 500):
            pairs = []
            for i in range(at, min(at + 500, entries)):
                pairs += [due + 2 * i, base32(due, 10) + base32(i, 16)]
            yield ("ZADD", f"{prefix}q:{webhook}", *pairs)
        if entries:
            yield ("ZADD", f"{prefix}due", due, webhook)

    where.redis.pipeline(commands(), batch=20)


def other_queue(where, target, webhook, entries):
    other = target.webhook(where.sink.url + "/hook", types=["other.type"])
    fill_queue(where, prefix_of(where, webhook), other, entries)


def own_queue(where, _target, webhook, entries):
    fill_queue(where, prefix_of(where, webhook), webhook, entries)


def fill_stream(where, _target, webhook, events):
    """Events of the tenant, as publishing leaves them there."""
    key = f"{prefix_of(where, webhook)}ev:{TENANT}"
    where.redis.pipeline(
        (("XADD", key, "*", "type", TYPE, "data", '{"pad":"xxxxxxxxxxxxxxxx"}', "suffix", "0" * 12)
         for _ in range(events)), batch=500)


class Memory(Variant):
    """Redis memory for an event in some state, over 20 000 of them."""

    def __init__(self, name, webhook, counter):
        super().__init__(name, self.measure)
        self.webhook, self.counter = webhook, counter

    def measure(self, where, _seconds):
        where.start_redis(appendonly="no")
        where.start_sink()
        target = targets.Evhookd(where, "--delivery-timeout", "600", "--lease", "700")
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(128)
            if self.webhook:
                self.webhook(target, where.sink.url, silent.getsockname()[1])
            before = self.memory(where)
            array = "[" + ",".join([body_of(SIZE)] * 100) + "]"
            for _ in range(PENDING // 100):
                target.publish(array)
            self.settle(target)
            grown = self.memory(where) - before
            return {"bytes_per_event": grown / PENDING, "bytes_besides": grown / PENDING - SIZE,
                    "by_key": self.by_key(where)}

    def settle(self, target):
        if self.counter:
            lab.until(lambda: lab.metrics(target.admin)[self.counter] >= PENDING,
                      f"{self.counter} reaches {PENDING}", 180, 0.2)
        time.sleep(SETTLE)

    def memory(self, where):
        """Without what connections and the like take for the moment."""
        info = where.redis.info("memory")
        return int(info["used_memory"]) - int(info.get("mem_clients_normal", 0))

    def by_key(self, where):
        """MEMORY USAGE an event, by kind of key."""
        found = {}
        for key in where.redis("KEYS", "evhook:*"):
            kind = key.split("}:")[-1].split(":")[0] if "}:" in key else key
            found[kind] = found.get(kind, 0) + where.redis("MEMORY", "USAGE", key, "SAMPLES", 0)
        return {kind: round(n / PENDING, 1) for kind, n in sorted(found.items()) if n > PENDING}


def silent_webhook(target, _sink, port):
    target.webhook(f"http://127.0.0.1:{port}/hook")


def retrying_webhook(target, sink, _port):
    target.webhook(sink + "/fail", handling={
        "retryStrategy": {"attempts": 3, "interval": 86400, "type": "linear"}})


def diverting_webhook(target, sink, _port):
    target.webhook(sink + "/fail", handling={"divert": True})


class Idle(Variant):
    """Resident memory with idle keep-alive connections that have made one request each."""

    def __init__(self, connections):
        super().__init__(str(connections), self.measure, x=connections)
        self.connections = connections

    def measure(self, where, _seconds):
        where.start_redis()
        target = targets.Evhookd(where, "--max-connections-per-client", "0")
        lab.fetch(target.url + "/readyz")
        base = lab.memory_kb(target.pid, "VmRSS")
        with contextlib.ExitStack() as stack:
            for _ in range(self.connections):
                s = stack.enter_context(socket.create_connection(("127.0.0.1", target.port), 10))
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n")
                if b" 200 " not in s.recv(4096):
                    raise lab.Trouble("an idle connection was not answered")
            rss = lab.memory_kb(target.pid, "VmRSS")
            held = sum(value for name, value in lab.metrics(target.admin).items()
                       if name.startswith("evhookd_http_connections{"))
        if held < self.connections:
            raise lab.Trouble(f"of {self.connections} connections {held:.0f} are open")
        return {"rss_mb": rss / 1024, "rss_kb_each": (rss - base) / max(self.connections, 1)}


DEPTHS = (0, 10000, 100000, 1000000)

PARTS = {
    "webhooks": ("publishing what matches nothing, among more and more webhooks",
                 lambda: [Webhooks(n) for n in (1, 10, 100)], [
                     (f"{metric}, 100 x 1000 / 1 x 1000", "100 x 1000", name, "1 x 1000", name)
                     for metric, name in (("CPU", "cpu_us_per_event"),
                                          ("Redis CPU", "redis_cpu_us_per_event"),
                                          ("commands", "commands"))]),
    "matching": ("publishing what 1 to 1000 webhooks receive",
                 lambda: [Matching(n) for n in (1, 10, 100, 1000)], [
                     (f"{metric} a delivery, 1000 / 10 webhooks", "1000", name, "10", name)
                     for metric, name in (("CPU", "cpu_us_per_delivery"),
                                          ("Redis CPU", "redis_cpu_us_per_delivery"))]),
    "queue": ("publishing while another webhook of the tenant has a long queue, and the same one",
              lambda: [Prepared(f"{kind} {n}", n, prepare) for n in DEPTHS
                       for kind, prepare in (("other", other_queue), ("own", own_queue))], [
                  (f"{metric}, {kind} queue of 1000000 / 0", f"{kind} 1000000", name,
                   f"{kind} 0", name)
                  for kind in ("other", "own")
                  for metric, name in (("CPU", "cpu_us_per_event"),
                                       ("Redis CPU", "redis_cpu_us_per_event"))]),
    "events": ("publishing while the tenant's stream holds events",
               lambda: [Prepared(str(n), n, fill_stream) for n in DEPTHS], [
                   (f"{metric}, 1000000 events / 0", "1000000", name, "0", name)
                   for metric, name in (("CPU", "cpu_us_per_event"),
                                        ("Redis CPU", "redis_cpu_us_per_event"))]),
    "memory": (f"Redis memory for an event of {SIZE} bytes, by what became of it", lambda: [
        Memory("no subscriber", None, None),
        Memory("pending", silent_webhook, None),
        Memory("retrying", retrying_webhook, "evhookd_deliveries_retried_total"),
        Memory("diverted", diverting_webhook, "evhookd_deliveries_diverted_total")], []),
    "idle": ("evhookd's memory with idle connections",
             lambda: [Idle(n) for n in (0, 1000, 4000, 9000)], []),
}

