"""A long queue is diverted, resent and dropped in bounded steps, and nobody else notices.

IT_LONG=1 makes it ten times as long.
"""

import os
import re
import socket
import threading
import time

import pytest

from api import Keys, Tenant, expect
from failing import no_trace, policy
from harness import until
from receivers import Answer

COUNT = 200_000 if os.environ.get("IT_LONG") else 20_000
STEP = 100  # entries that one script may touch
PATIENCE = 600 if os.environ.get("IT_LONG") else 120
LINE = re.compile(rb'\+[\d.]+ \[\d+ ([^\]]*)\] "(\w+)" ?(.*)')


class Monitor(threading.Thread):
    """Counts, by what MONITOR says, how many entries of a webhook's keys one script writes."""

    def __init__(self, redis_server, locator):
        super().__init__(daemon=True)
        self.locator = locator.encode()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(redis_server.socket_path))
        self.socket.sendall(b"MONITOR\r\n")
        self.file = self.socket.makefile("rb", buffering=1 << 20)
        assert self.file.readline() == b"+OK\r\n"
        self.scripts, self.writes = 0, {}
        self.most, self.most_of = 0, None
        self.start()

    def run(self):
        for line in self.file:
            match = LINE.match(line)
            if not match:
                continue
            who, command, rest = match.groups()
            if command.upper() in (b"EVALSHA", b"EVAL"):
                self.scripts, self.writes = self.scripts + 1, {}
            elif who == b"lua" and self.locator in rest:
                self._count(command.decode().upper(), rest.split(b'" "'))

    def _count(self, command, words):
        if command in ("ZREM", "HDEL", "RPUSH"):
            n = len(words) - 1
        elif command in ("ZADD", "HSET"):
            n = (len(words) - 1) // 2
        else:
            return
        if re.search(rb"[}]:(q|rt|dv|dvx|at):", words[0]):
            key = (command, words[0])
            self.writes[key] = self.writes.get(key, 0) + n
            if self.writes[key] > self.most:
                self.most, self.most_of = self.writes[key], key

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.join(30)


class Poll(threading.Thread):
    """Asks for /healthz and publishes to an unrelated webhook, again and again."""

    def __init__(self, server, tenant):
        super().__init__(daemon=True)
        self.health, self.tenant = server.admin(), tenant
        self.stopping = threading.Event()
        self.statuses, self.published, self.slowest = [], [], 0.0
        self.start()

    def run(self):
        while not self.stopping.wait(0.02):
            begin = time.monotonic()
            self.statuses.append(self.health.get("/healthz").status)
            self.slowest = max(self.slowest, time.monotonic() - begin)
            self.published.append(self.tenant.publish("unrelated")["locator"])

    def close(self):
        self.stopping.set()
        self.join(30)


@pytest.fixture
def long_queue(alone, receiver, event):
    """A webhook to which COUNT events are owed, and nothing is answered until release is set."""
    server = alone(delivery_timeout="300s", lease="600s", max_diverted=1_000_000)
    tenant, release = Tenant(server.client(timeout=60)), event()
    sink = receiver(default=Answer(500, after=release))
    webhook = tenant.create(
        sink.url(), eventTypes=["many"], failureHandling=policy(divert=True, suspend=True)
    )
    body = [{"type": "many", "data": {"n": n}} for n in range(1000)]
    for _ in range(COUNT // 1000):
        expect(tenant.try_publish(body), 201)
    assert tenant.stats(webhook)["pending"] == COUNT
    return server, tenant, sink, webhook, release


def test_a_long_queue_goes_in_bounded_steps(long_queue, receiver, event, cleanup):
    server, tenant, sink, webhook, release = long_queue
    redis, keys = server.redis.client, Keys(tenant)
    witness = receiver()
    tenant.create(witness.url(), eventTypes=["unrelated"])
    redis.config_set("slowlog-log-slower-than", 10000)
    redis.config_set("slowlog-max-len", 1000)
    redis.slowlog_reset()
    monitor = Monitor(server.redis, webhook["locator"])
    cleanup.callback(monitor.close)
    poll = Poll(server, tenant.on(server.client(timeout=60)))
    cleanup.callback(poll.close)

    def moved(diverted):
        def there():
            return (
                redis.zcard(keys.queue(webhook["locator"])) == COUNT - diverted
                and redis.hlen(keys.diverted(webhook["locator"])) == diverted
            )

        until(there, lambda: f"{diverted} are diverted: {tenant.stats(webhook)}", PATIENCE)
        return len(witness.all())

    # suspended by the first failure, everything else is swept
    sink.default = Answer(500)
    release.set()
    seen = [moved(COUNT)]
    assert tenant.fetch(webhook)["suspended"]
    # resent, while nothing is answered
    second = event()
    sink.default = Answer(500, after=second)
    tenant.unsuspend(webhook)
    completed, resent = False, 0
    while not completed:
        answer = expect(tenant.try_resend_all(webhook), 200).json()
        completed, resent = answer["completed"], resent + answer["resent"]
    assert resent == COUNT
    seen.append(moved(0))
    # disabled
    tenant.update(webhook, enabled=False)
    second.set()
    seen.append(moved(COUNT))
    triggers = {d["failureTrigger"] for d in tenant.diverted(webhook, count=1000)}
    assert triggers <= {"disabled", "500"} and "disabled" in triggers
    tenant.delete(webhook)
    assert no_trace(redis, webhook)

    poll.close()
    monitor.close()
    slow = [entry["duration"] for entry in redis.slowlog_get(1000)]
    print(
        f"{COUNT} entries: {monitor.scripts} scripts, at most {monitor.most} entries in one "
        f"({monitor.most_of}); {len(slow)} in the slowlog, the slowest {max(slow, default=0)} µs; "
        f"{len(poll.statuses)} polls, the slowest {1000 * poll.slowest:.0f} ms"
    )
    assert 0 < monitor.most <= STEP, monitor.most_of
    assert monitor.scripts > 3 * COUNT / STEP
    assert poll.statuses and set(poll.statuses) == {200}
    witness.wait_for_events(poll.published)
    assert sorted(witness.ids()) == sorted(poll.published)
    assert seen[0] > 0 and seen == sorted(set(seen)), "the unrelated ones came meanwhile"
