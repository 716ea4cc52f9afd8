"""Publishing goes by turns of tenants: what one sends does not decide how long another waits."""

import threading

import pytest

from api import Tenant, expect
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
