"""Trimming while something breaks: Redis is lost between two steps, or a tenant's keys are damaged."""

import re
import socket
import socketserver
import threading

from api import Keys, Tenant, expect
from client import DEADLINE
from failing import policy, until_diverted
from harness import until
from receivers import Answer
from trimming import trim

WEBHOOKS, EVENTS = 25, 100  # more pairs than a step of trimming looks at
GOES_ON = re.compile(rb"[0-9A-Z]{26} \d+ [0-9A-Z]{26} \d+")  # a step that goes on with another one


class Relay(socketserver.ThreadingTCPServer):
    """Between evhookd and Redis: the first step of trimming that goes on with another one is not
    passed on. on_step is called instead, and the connection is lost."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port, on_step):
        super().__init__(("127.0.0.1", 0), RelayHandler)
        self.upstream, self.on_step = ("127.0.0.1", port), on_step
        self.broken = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def uri(self):
        return f"redis://127.0.0.1:{self.server_address[1]}/0"


class RelayHandler(socketserver.BaseRequestHandler):
    def handle(self):
        upstream = socket.create_connection(self.server.upstream, DEADLINE)
        upstream.settimeout(None)
        threading.Thread(target=self.answer, args=(upstream,), daemon=True).start()
        seen = b""
        while data := self.request.recv(65536):
            seen = (seen + data)[-200_000:]
            if not self.server.broken.is_set() and GOES_ON.search(seen):
                self.server.on_step()
                self.server.broken.set()
                break
            upstream.sendall(data)
        upstream.close()

    def answer(self, upstream):
        try:
            while data := upstream.recv(65536):
                self.request.sendall(data)
        except OSError:
            pass


def test_trimming_begins_anew_with_a_redis_that_lacks_the_last_steps(
    new_redis, new_evhookd, receiver, cleanup
):
    """A failover in the midst of it: the new primary never got what the step before wrote."""
    redis = new_redis()
    r = redis.client
    lost = []

    def lose():
        for key in r.scan_iter("evhook:*:k[prn]:*", count=1000):
            lost.append(key)
            r.delete(key)

    relay = Relay(redis.port, lose)
    cleanup.callback(relay.server_close)
    cleanup.callback(relay.shutdown)
    evhookd = new_evhookd(redis=relay.uri, events_kept=8)
    tenant = Tenant(evhookd.client(timeout=60))
    keys = Keys(tenant)
    sink = receiver(default=Answer(500))
    webhooks = [
        tenant.create(
            sink.url(), eventTypes=["a"], failureHandling=policy(divert=True, suspend=True)
        )
        for _ in range(WEBHOOKS)
    ]
    tenant.publish("a")
    for webhook in webhooks:
        until(lambda w=webhook: tenant.fetch(w)["suspended"], "it is suspended")
    before = r.xlen(keys.stream)
    tenant.publish_many(EVENTS, "a")
    assert relay.broken.wait(DEADLINE), "there was a second step"
    evhookd.wait_ready()
    assert r.xlen(keys.stream) == before + EVENTS and lost

    def trimmed():
        tenant.try_publish([{"type": "b", "data": {}}] * 10)  # its trimming begins another round
        return r.xlen(keys.stream) <= 20

    until(trimmed, "the stream is trimmed")
    there = set(tenant.all_events(pageSize=1000))
    for webhook in webhooks:
        diverted = set(r.hkeys(keys.diverted(webhook["locator"])))
        kept = r.smembers(keys.needs(webhook["locator"])) & set(r.hkeys(keys.kept))
        assert len(diverted) == EVENTS + 1 and diverted <= kept | there


def test_who_had_nothing_and_publishes_is_noted_whenever_that_was_before(tenant, redis):
    """The process remembers that it noted the tenant, and others have taken that away."""
    noted = Keys(tenant).prefix + "tenants"
    tenant.publish()
    assert redis.zscore(noted, tenant.locator)
    trim(redis, tenant)
    trim(redis, tenant)  # the next hour
    assert redis.zscore(noted, tenant.locator) is None
    tenant.publish()
    assert redis.zscore(noted, tenant.locator), "its stream is trimmed, also if nothing more comes"


def test_who_has_only_kept_events_stays_noted(tenant, redis, receiver):
    keys = Keys(tenant)
    webhook = tenant.create(receiver(default=Answer(500)).url(), failureHandling=policy(divert=True))
    event = tenant.publish()
    until_diverted(tenant, webhook, 1)
    trim(redis, tenant)
    trim(redis, tenant)  # the next hour
    assert redis.zscore(keys.prefix + "tenants", tenant.locator)
    expect(tenant.client.delete(tenant.diverted_path(webhook, event)), 200)
    trim(redis, tenant)
    assert redis.zscore(keys.prefix + "tenants", tenant.locator) is None
    assert redis.zscore(keys.bytes, tenant.locator) is None


def test_a_damaged_tenant_holds_up_no_trimming_of_others(alone):
    evhookd = alone(events_kept=80)
    redis = evhookd.redis.client
    damaged, other = Tenant(evhookd.client()), Tenant(evhookd.client())
    redis.set(Keys(damaged).webhooks, "not a sorted set")
    damaged.publish_many(200)
    until(lambda: evhookd.log_lines("WRONGTYPE"), "the script failed")
    other.publish_many(1000)  # many steps, and nothing is published meanwhile
    until(lambda: redis.xlen(Keys(other).stream) == 80, "the other is trimmed all the same")
