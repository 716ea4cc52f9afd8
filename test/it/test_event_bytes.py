"""An event's bytes stand once per tenant, however many webhooks owe it or have it diverted.

IT_LONG=1 takes as many webhooks as a tenant may have, and Redis' slowlog at its word.
"""

import json
import os

import pytest

from api import Keys, Tenant, expect
from failing import hurry, no_trace, policy, until_attempts, until_diverted
from harness import until, until_empty
from receivers import Answer
from trimming import trim

LONG = bool(os.environ.get("IT_LONG"))
MANY = 1000 if LONG else 60
SLOW_MS = 20
LARGE = "x" * 900_000
GONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class Bytes:
    """A server of its own, and what its Redis keeps of a tenant."""

    def __init__(self, evhookd):
        self.evhookd = evhookd
        self.redis = evhookd.redis.client
        self.tenant = Tenant(evhookd.client(timeout=60))
        self.keys = Keys(self.tenant)
        self.kept, self.numbers = self.keys.kept, self.keys.kept_numbers
        self.redis.config_set("slowlog-log-slower-than", 1000 * SLOW_MS)
        self.redis.config_set("slowlog-max-len", 1000)
        self.redis.slowlog_reset()

    def needs(self, webhook):
        return self.keys.needs(webhook["locator"])

    def memory(self):
        """What all keys take: used_memory has Lua's garbage and the buffers of clients, too."""
        keys = self.redis.scan_iter(count=1000)
        return sum(self.redis.memory_usage(key, samples=0) or 0 for key in keys)

    def counted(self):
        return int(self.redis.zscore(self.keys.bytes, self.tenant.locator) or 0)

    def truth(self):
        """What the counter should say."""
        stream = self.redis.xrange(self.keys.stream)
        kept = self.redis.hvals(self.kept)
        return sum(len(e["data"]) + 256 for _, e in stream) + sum(len(k) + 256 for k in kept)

    def slow(self):
        """Our scripts, and only where this machine is ours alone: the test's own looks take long too."""
        log = self.redis.slowlog_get(1000) if LONG else []
        slow = [(e["duration"], e["command"][:60]) for e in log]
        return [one for one in slow if one[1].startswith(b"EVALSHA")]

    def trim(self, **options):
        return trim(self.redis, self.tenant, **options)

    def webhooks(self, n, url, **changes):
        return [self.tenant.create(url, **changes) for _ in range(n)]

    def suspend_all(self, webhooks):
        """By the first failure of each; what was diverted by that is deleted again."""
        self.tenant.publish("first")
        for webhook in webhooks:
            until(lambda w=webhook: self.tenant.fetch(w)["suspended"], "it is suspended", 60)
        for webhook in webhooks:
            for diverted in self.tenant.diverted(webhook):
                path = self.tenant.diverted_path(webhook, diverted["eventLocator"])
                expect(self.tenant.client.delete(path), 200)


@pytest.fixture
def bytes_of(alone):
    return lambda **options: Bytes(alone(**options))


def test_an_event_for_many_suspended_webhooks_stands_once(bytes_of, receiver):
    it = bytes_of()
    sink = receiver(default=Answer(500))
    webhooks = it.webhooks(MANY, sink.url(), failureHandling=policy(divert=True, suspend=True))
    it.suspend_all(webhooks)
    before = it.memory()
    event = it.tenant.publish("second", {"text": LARGE})
    assert it.memory() - before < 2 * len(LARGE)
    assert all(len(it.tenant.diverted(w)) == 1 for w in webhooks)
    it.trim()
    assert it.redis.xlen(it.keys.stream) == 0
    assert it.redis.hgetall(it.numbers) == {event["locator"]: str(MANY)}
    assert it.memory() - before < 2 * len(LARGE) + 2000 * MANY
    assert it.counted() == it.truth()
    # each has all of it, whatever the others do with theirs
    for webhook in webhooks[:-1]:
        path = it.tenant.diverted_path(webhook, event)
        if webhook in webhooks[:5]:
            assert expect(it.tenant.client.get(path), 200).json()["event"] == event
        expect(it.tenant.client.delete(path), 200)
    sink.default = Answer(200)
    it.tenant.unsuspend(webhooks[-1])
    it.tenant.resend(webhooks[-1], event)
    until_empty(it.redis, it.tenant, webhooks[-1])
    assert json.loads(sink.all()[-1].body)["data"] == {"text": LARGE}
    assert not it.redis.exists(it.kept, it.numbers, it.needs(webhooks[-1]))
    assert it.counted() == 0
    assert not it.slow()


def test_an_event_that_many_webhooks_retry_stands_once(bytes_of, receiver):
    it = bytes_of()
    sink = receiver(default=Answer(500))
    webhooks = it.webhooks(20, sink.url(), failureHandling=policy(retries=2, interval=1000))
    before = it.memory()
    it.tenant.publish("retried", {"text": LARGE})
    for webhook in webhooks:
        until_attempts(it.tenant, webhook, 1)
    assert it.memory() - before < 2 * len(LARGE)
    it.trim()
    assert it.memory() - before < 2 * len(LARGE)
    sink.default = Answer(200)
    for webhook in webhooks:
        hurry(it.redis, it.tenant, webhook)
    for webhook in webhooks:
        until_empty(it.redis, it.tenant, webhook)
        assert not it.redis.exists(it.needs(webhook), it.keys.retries(webhook["locator"]))
    assert {r.header("webhook-attempt") for r in sink.all()} == {"1", "2"}
    assert not it.redis.exists(it.kept, it.numbers)
    assert it.counted() == it.truth() == 0


def test_many_webhooks_that_owe_are_asked_in_bounded_steps(bytes_of, receiver, event):
    it = bytes_of(max_fanout=1_000_000, delivery_concurrency=8)
    sink = receiver(default=Answer(after=event()))
    webhooks = it.webhooks(MANY, sink.url())
    locators = it.tenant.publish_many(100)
    assert {it.tenant.stats(w)["pending"] for w in webhooks[:3]} == {100}
    it.redis.slowlog_reset()
    steps = it.trim()
    assert steps > MANY * 100 * 3 // 15_000
    assert it.redis.hgetall(it.numbers) == {locator: str(MANY) for locator in locators}
    assert it.counted() == it.truth()
    assert not it.slow()


@pytest.fixture
def two_with_kept(bytes_of, receiver):
    """Two webhooks that have the same events diverted, which the stream has no longer."""
    it = bytes_of()
    sink = receiver(default=Answer(500))
    one, other = it.webhooks(2, sink.url(), failureHandling=policy(divert=True, suspend=True))
    count = 100_000 if LONG else 3000
    it.suspend_all([one, other])
    for _ in range(count // 1000):
        it.tenant.publish_many(1000)
    it.redis.slowlog_reset()
    it.trim()
    assert it.redis.hlen(it.kept) == it.redis.scard(it.needs(one)) == count
    return it, one, other, count


def test_a_deleted_webhook_is_gone_at_once_and_lets_go_in_steps(two_with_kept):
    it, one, other, count = two_with_kept
    it.tenant.delete(one)
    expect(it.tenant.try_fetch(one), 404)
    assert not it.redis.exists(
        it.keys.diverted(one["locator"]), it.keys.diverted_order(one["locator"])
    )
    assert it.redis.scard(it.needs(one)) < count
    # the process goes on by itself; with it or for it:
    it.trim(retention_ms=10**9, kept=10**9)
    until(lambda: no_trace(it.redis, one), "all is let go")
    assert it.redis.hvals(it.numbers) == ["1"] * count
    assert len(it.tenant.diverted(other, count=1000)) == 1000
    it.tenant.delete(other)
    it.trim()
    assert no_trace(it.redis, other)
    assert not it.redis.exists(it.kept, it.numbers)
    assert it.counted() == 0
    assert not it.slow()


def test_the_process_itself_lets_go(bytes_of, receiver):
    it = bytes_of(events_kept=8)
    sink = receiver(default=Answer(500))
    (webhook,) = it.webhooks(
        1, sink.url(), failureHandling=policy(divert=True, suspend=True), eventTypes=["a"]
    )
    it.tenant.publish_many(1, "a")
    until(lambda: it.tenant.fetch(webhook)["suspended"], "it is suspended")
    it.tenant.publish_many(1000, "a")
    until(lambda: it.redis.xlen(it.keys.stream) == 8, "the stream is trimmed")
    assert it.redis.hlen(it.kept) == 1001 - 8
    it.tenant.delete(webhook)
    it.tenant.publish_many(10, "b")  # its trimming goes on with the list
    until(lambda: not it.redis.exists(it.kept), "all of it is let go")
    assert it.counted() == it.truth()


BUDGET = 16 << 20


def test_the_stream_is_trimmed_to_the_budget(bytes_of):
    it = bytes_of(max_tenant_bytes=BUDGET)
    for n in range(40):
        it.tenant.publish("many", {"n": n, "text": LARGE})
    until(lambda: it.counted() < BUDGET * 7 / 8, "it is trimmed")
    metrics = it.evhookd.admin().get("/metrics").body
    assert f'\nevhookd_tenant_bytes{{rank="1"}} {it.counted()}\n'.encode() in metrics
    assert it.counted() == it.truth()
    assert it.redis.xlen(it.keys.stream) > 8


def test_what_is_owed_may_fill_the_budget_alone(bytes_of, receiver):
    it = bytes_of(max_tenant_bytes=BUDGET)
    other = Tenant(it.tenant.client)
    sink = receiver(default=Answer(500))
    (webhook,) = it.webhooks(1, sink.url(), failureHandling=policy(divert=True, suspend=True))
    it.suspend_all([webhook])
    it.tenant.publish("small")
    answer, n = None, 0
    while answer is None or answer.status == 201:
        answer = it.tenant.try_publish({"type": "many", "data": {"text": LARGE}})
        n += 1
    problem = expect(answer, 429)
    assert n > 10
    assert problem.header("Retry-After") == "1"
    assert "--max-tenant-bytes" in problem.json()["detail"]
    (line,) = until(
        lambda: it.evhookd.log_lines("as many bytes as it may have"), "the log names the tenant"
    )
    assert it.tenant.locator in line
    assert BUDGET - 2 * len(LARGE) < it.counted() <= BUDGET
    other.publish("elsewhere")
    until(lambda: it.redis.xlen(it.keys.stream) == 0, "nothing is left that could be trimmed")
    assert it.counted() == it.truth()
    expect(it.tenant.try_publish({"type": "many", "data": {"text": LARGE}}), 429)
    assert it.redis.hlen(it.keys.diverted(webhook["locator"])) == n, "all but the refused"
    it.tenant.delete(webhook)
    body = {"type": "many", "data": {"text": LARGE}}
    until(lambda: it.tenant.try_publish(body).status == 201, "there is room again")
    until(lambda: not it.redis.exists(it.kept), "all of it was let go")
    assert it.counted() == it.truth() > 0


def test_a_damaged_list_of_needs_takes_no_event_away(bytes_of, receiver):
    """The events themselves are still kept."""
    it = bytes_of()
    sink = receiver(Answer(500), Answer(200))
    webhook = it.tenant.create(sink.url(), failureHandling=policy(retries=1, interval=1000))
    event = it.tenant.publish()
    until_attempts(it.tenant, webhook, 1)
    it.trim()
    it.redis.delete(it.needs(webhook))  # as it is when one of the wrong type was set aside
    hurry(it.redis, it.tenant, webhook)
    until_empty(it.redis, it.tenant, webhook)
    assert sink.ids() == [event["locator"]] * 2


def test_what_a_webhook_named_before_is_kept_all_the_same(bytes_of, receiver):
    """Named, and neither kept nor counted: as a step that was broken off leaves it."""
    it = bytes_of()
    sink = receiver(Answer(500), Answer(200))
    webhook = it.tenant.create(sink.url(), failureHandling=policy(retries=1, interval=1000))
    event = it.tenant.publish()
    until_attempts(it.tenant, webhook, 1)
    it.redis.sadd(it.needs(webhook), event["locator"])
    it.trim()
    assert it.redis.hkeys(it.kept) == [event["locator"]]
    assert it.counted() == it.truth()
    hurry(it.redis, it.tenant, webhook)
    until_empty(it.redis, it.tenant, webhook)
    assert sink.ids() == [event["locator"]] * 2


TRACE = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-"


@pytest.mark.parametrize(
    "trace", ["caf\xe9", "\x80", "\xff\xfe", "more"], ids=["latin", "one", "two", "good"]
)
def test_what_is_behind_a_traceparent_is_readable_or_dropped(bytes_of, receiver, trace):
    it = bytes_of()
    sink = receiver(Answer(500), Answer(200))
    webhook = it.tenant.create(sink.url(), failureHandling=policy(retries=1, interval=1000))
    it.tenant.publish("traced", headers={"traceparent": TRACE + trace})
    until_attempts(it.tenant, webhook, 1)
    it.trim()
    hurry(it.redis, it.tenant, webhook)
    until_empty(it.redis, it.tenant, webhook)
    sent = [r.header("traceparent") for r in sink.all()]
    assert sent == [TRACE + trace if trace == "more" else None] * 2


@pytest.mark.parametrize("trimmed", [False, True])
def test_data_of_the_greatest_depth_comes_back(bytes_of, receiver, trimmed):
    it = bytes_of()
    data = json.loads('{"a":' * 63 + "1" + "}" * 63)
    sink = receiver(Answer(500), Answer(500), Answer(200))
    webhook = it.tenant.create(
        sink.url(), failureHandling=policy(retries=1, interval=1000, divert=True)
    )
    event = it.tenant.publish("deep", data)
    until_attempts(it.tenant, webhook, 1)
    if trimmed:
        it.trim()
    hurry(it.redis, it.tenant, webhook)
    until_diverted(it.tenant, webhook, 1)
    path = it.tenant.diverted_path(webhook, event)
    assert expect(it.tenant.client.get(path), 200).json()["event"]["data"] == data
    it.tenant.resend(webhook, event)
    until_empty(it.redis, it.tenant, webhook)
    assert json.loads(sink.all()[-1].body)["data"] == data


# --- what schema 1 wrote, and what nobody can read


def copy_of(locator, data):
    return (
        f'{{"locator":"{locator}","type":"old","data":{data},"requestId":"{locator}"'
        ',"timestamp":1700000000000}'
    )


def test_copies_of_schema_1_are_read(bytes_of, receiver):
    it = bytes_of()
    sink = receiver()
    webhook = it.tenant.create(sink.url(), eventTypes=["none"])
    locator, deep = webhook["locator"], '{"a":' * 63 + "1" + "}" * 63
    one, two = (f"01M83YHGGA000{n}DCET5E6X99X9" for n in range(2))
    it.redis.hset(
        it.keys.diverted(locator),
        two,
        '{"failureTrigger":"503","failureMessage":"oh, \\"event\\":{","failureTimestamp":'
        f'1700000000000,"attempts":2,"event":{copy_of(two, deep)}}}',
    )
    it.redis.zadd(it.keys.diverted_order(locator), {two: 0})
    (diverted,) = it.tenant.diverted(webhook)
    assert (diverted["eventLocator"], diverted["attempts"]) == (two, 2)
    assert diverted["failureMessage"] == 'oh, "event":{'
    it.redis.hset(it.keys.retries(locator), one, "3 " + copy_of(one, '{"n":1}'))
    it.redis.zadd(it.keys.queue(locator), {one: 2})
    it.redis.zadd(it.keys.due, {locator: 2})
    it.tenant.resend(webhook, two)
    sink.wait_for(2)
    until_empty(it.redis, it.tenant, webhook)
    got = {r.header("webhook-id"): r for r in sink.all()}
    assert got[one].header("webhook-attempt") == "4"
    assert json.loads(got[one].body)["data"] == {"n": 1}
    assert got[two].header("webhook-attempt") == "1"
    assert json.loads(got[two].body)["data"] == json.loads(deep)
    assert not it.redis.exists(it.keys.retries(locator), it.keys.diverted(locator))


def test_schema_1_becomes_2(new_redis, new_evhookd):
    redis = new_redis()
    redis.client.hset("evhook:meta", mapping={"schema": 1, "shards": 64})
    Tenant(new_evhookd(redis=redis).client()).publish()
    assert redis.client.hget("evhook:meta", "schema") == "2"


@pytest.mark.parametrize("retries", [None, "0 damaged", "1 {}", "strange"])
def test_what_cannot_be_read_ends_as_failed(bytes_of, receiver, retries):
    it = bytes_of()
    webhook = it.tenant.create(receiver().url(), eventTypes=["none"])
    locator = webhook["locator"]
    if retries:
        it.redis.hset(it.keys.retries(locator), GONE, retries)
    it.redis.zadd(it.keys.queue(locator), {GONE: 2})
    it.redis.zadd(it.keys.due, {locator: 2})
    (attempt,) = until_attempts(it.tenant, webhook, 1)
    assert (attempt["eventLocator"], attempt["outcome"]) == (GONE, "failed")
    assert attempt["failureMessage"] in ("the event is nowhere", "the stored event cannot be read")
    assert it.tenant.stats(webhook)["failed"] == 1
    assert not it.redis.exists(it.keys.queue(locator), it.keys.retries(locator))
    (line,) = it.evhookd.log_lines("cannot be read")
    assert it.tenant.locator in line and locator in line and GONE in line
    metrics = it.evhookd.admin().get("/metrics").body
    assert b"\nevhookd_deliveries_unreadable_total 1\n" in metrics
