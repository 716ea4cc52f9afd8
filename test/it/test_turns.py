"""Publishing and reading go by turns of tenants: what one asks for does not decide how long another
waits."""

import contextlib
import threading

import pytest

from api import UNKNOWN, Tenant, expect
from client import Raw, head
from receivers import Answer

WIDE = 32  # connections of the tenant that floods
SMALL = 40  # requests of the other one


class Flood:
    """Connections that send the same request again and again; counts the answers."""

    def __init__(self, evhookd, tenant, body, headers=None):
        self.answered = 0
        self.statuses = set()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(evhookd.client(timeout=60), tenant, body, n))
            for n in range(WIDE)
        ]
        self.headers = headers or (lambda n: None)

    def _run(self, client, tenant, body, n):
        tenant = tenant.on(client)
        while not self.stopping.is_set():
            answer = tenant.try_publish(body, self.headers(n))
            with self.lock:
                self.answered += 1
                self.statuses.add(answer.status)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def keyed(n):
    keyed.count += 1
    return {"Idempotency-Key": f"{n}-{keyed.count}"}


keyed.count = 0


@pytest.mark.parametrize("headers", [None, keyed], ids=["gathered", "each alone"])
def test_one_tenants_wide_requests_are_not_in_front_of_anothers(
    alone, receiver, event, headers
):
    """Of 32 connections that send wide requests at once, only a few answers come between a small
    request and its own."""
    evhookd = alone(delivery_concurrency=4, log_level="warn")
    url = receiver(default=Answer(after=event())).url()
    flooding, other = Tenant(evhookd.client()), Tenant(evhookd.client())
    for _ in range(100):
        flooding.create(url)
    body = [{"type": "a", "data": {}}] * 10
    other.publish()
    between = []
    with Flood(evhookd, flooding, body, headers) as flood:
        while flood.answered < WIDE:
            expect(other.try_publish(body[:1]), 201)
        for _ in range(SMALL):
            before = flood.answered
            other.publish()
            between.append(flood.answered - before)
    assert flood.statuses == {201}
    assert sorted(between)[SMALL // 2] <= 4, between


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "webhooks/list"),
        ("GET", "webhooks/{}/attempts"),
        ("GET", "webhooks/{}/diverted"),
        ("GET", "webhooks/{}/diverted/" + UNKNOWN),
        ("POST", "webhooks/{}/diverted/resend"),
        ("GET", "events/list"),
        ("GET", "events/" + UNKNOWN),
        ("GET", "events/request/" + UNKNOWN),
    ],
)
def test_one_tenants_reading_is_not_in_front_of_anothers(alone, method, path):
    """Of 32 requests that read and came while Redis did not answer, no more than four are asked of
    it before the one of another tenant; all are answered."""
    evhookd = alone(log_level="warn", redis_timeout="60s")
    redis = evhookd.redis
    flooding, other = (Tenant(evhookd.client()) for _ in range(2))
    targets = [f"{t.path}/{path.format(t.create()['locator'])}" for t in (flooding, other)]
    names = [[t.locator, t.list()["items"][0]["locator"]] for t in (flooding, other)]
    with contextlib.ExitStack() as stack:
        monitor = stack.enter_context(redis.monitor())
        redis.pause()
        stack.callback(redis.resume)
        asking = [Raw(evhookd.host, evhookd.port) for _ in range(WIDE + 1)]
        for n, raw in enumerate(asking):
            stack.callback(raw.close)
            raw.send(head(method, targets[n == WIDE]))
            if n >= WIDE - 1:  # what was sent before was read before
                assert [evhookd.status_of("/healthz") for _ in range(2)] == [200, 200]
        redis.resume()
        assert {raw.read_response().status for raw in asking} <= {200, 404}
        before, found = 0, False
        while not found:
            said = monitor.next_command()
            if said["client_type"] != "lua":  # what scripts do is not asked
                found = any(name in said["command"] for name in names[1])
                before += any(name in said["command"] for name in names[0])
    assert 1 <= before <= 4
