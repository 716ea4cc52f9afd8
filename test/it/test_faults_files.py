"""Connections and file descriptors: at their limits deliveries go on, and accepting resumes."""

import contextlib
import os
import resource
import socket

import pytest

from api import Tenant
from harness import until, until_empty
from load import has_sanitizers, metric, rss_mb
from receivers import Answer


def connect(evhookd):
    return socket.create_connection((evhookd.host, evhookd.port), timeout=10)


@contextlib.contextmanager
def connections(evhookd, n):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(evhookd)) for _ in range(n)]


def test_at_max_connections_deliveries_go_on(alone, receiver, event):
    release = event()
    sink = receiver(default=Answer(after=release))
    evhookd = alone(max_connections=20, max_connections_per_client=0)
    tenant = Tenant(evhookd.client())
    webhook = tenant.create(sink.url())
    locators = tenant.publish_many(20)
    with connections(evhookd, 30):
        until(lambda: metric(evhookd, "evhookd_http_connections") == 20, "it is full")
        release.set()
        sink.wait_for_events(locators)
        assert evhookd.status_of("/readyz", admin=True) == 200
        until_empty(evhookd.redis.client, tenant, webhook)
    until(lambda: evhookd.status_of("/readyz") == 200, "it accepts again")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_the_soft_limit_of_open_files_is_raised(alone):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        evhookd = alone(max_connections=200)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(evhookd.process.pid, resource.RLIMIT_NOFILE)[0] == hard


def test_without_descriptors_accepting_pauses_and_resumes(alone, receiver, event):
    release = event()
    sink = receiver(default=Answer(after=release))
    evhookd = alone()
    pid = evhookd.process.pid
    tenant = Tenant(evhookd.client())
    webhook = tenant.create(sink.url())
    locators = tenant.publish_many(8)
    sink.wait_for(8)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(pid) + 5, hard))
    with connections(evhookd, 10):
        until(lambda: evhookd.log_lines("cannot accept connections"), "it says so")
        release.set()
        sink.wait_for_events(locators)
        until_empty(evhookd.redis.client, tenant, webhook)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: evhookd.status_of("/readyz") == 200, "it accepts again")
    assert len(evhookd.log_lines("cannot accept connections")) <= 3


def test_a_delivery_without_a_descriptor_waits_and_is_no_attempt(alone, receiver):
    sink = receiver()
    evhookd = alone()
    pid = evhookd.process.pid
    client = evhookd.client()
    tenant = Tenant(client)
    webhook = tenant.create(sink.url())
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(pid), hard))
    locator = tenant.publish()["locator"]
    until(lambda: len(evhookd.log_lines("from=POSTING", "to=WAITING")) >= 2, "it tries and waits")
    assert sink.all() == []
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    (request,) = sink.wait_for(1)
    assert request.header("webhook-id") == locator and request.header("webhook-attempt") == "1"
    until_empty(evhookd.redis.client, tenant, webhook)
    assert evhookd.log_lines("outcome=failed") == evhookd.log_lines("outcome=retrying") == []


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
def test_ten_thousand_idle_connections_cost_little(new_redis, new_evhookd, used):
    """As many as the limit of open files allows, ten thousand where it can be."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    # evhookd keeps half for endpoints, but not more than 5120
    n = min(10000, max(limit - 5400, limit // 2 - 100))
    evhookd = new_evhookd(redis=new_redis(), log_level="warn", max_connections_per_client=0)
    before = rss_mb(evhookd)
    with connections(evhookd, n) as sockets:
        for sock in sockets if used else []:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        until(lambda: metric(evhookd, "evhookd_http_connections") >= n, "all are accepted", 30)
        cost = (rss_mb(evhookd) - before) * 10000 / n
        print(f"{n} connections: {cost:.1f} MB for 10 000")
        assert has_sanitizers(evhookd) or cost <= 40, f"{cost:.0f} MB for 10 000"
    until(lambda: metric(evhookd, "evhookd_http_connections") < 10, "they are gone", 30)
