"""The clock of Redis is set back: what waits does not wait for the time that comes twice."""

import pathlib
import struct
import subprocess

import pytest

from api import Keys, Tenant
from failing import policy, until_attempts
from harness import RedisServer, until
from receivers import Answer

HOUR_MS = 3600_000
SOURCE = pathlib.Path(__file__).with_name("shifted_clock.c")


@pytest.fixture(scope="session")
def shifted_clock(tmp_path_factory):
    library = tmp_path_factory.mktemp("shifted") / "shifted_clock.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)]
    subprocess.run(command, check=True, timeout=60)
    return library


class Clock:
    """A redis-server whose clock is ahead by as much as a file says."""

    def __init__(self, library, path, cleanup):
        self.path = path
        path.write_bytes(bytes(8))
        self.set(2 * HOUR_MS)
        self.redis = RedisServer(env={"LD_PRELOAD": str(library), "SHIFTED_CLOCK": str(path)})
        cleanup.callback(self.redis.close)

    def set(self, ms):
        with open(self.path, "r+b") as file:
            file.write(struct.pack("q", ms // 1000))

    def now(self):
        seconds, us = self.redis.client.time()
        return seconds * 1000 + us // 1000

    def back_an_hour(self):
        before = self.now()
        self.set(HOUR_MS)
        until(lambda: self.now() < before - HOUR_MS / 2, "the clock went back")


@pytest.fixture
def clock(shifted_clock, tmp_path, cleanup):
    return Clock(shifted_clock, tmp_path / "ahead", cleanup)


def until_noticed(*servers):
    """By one of them, which may be done before the others look."""
    until(lambda: any(s.log_lines("went back") for s in servers), "a log says so")
    redis = servers[0].redis.client
    until(lambda: not redis.hexists("evhook:clock", "back"), "all is moved")


def test_the_leases_of_a_dead_process_end_all_the_same(clock, new_evhookd, receiver, event):
    release = event()
    sink = receiver(default=Answer(after=release))
    first = new_evhookd(redis=clock.redis, lease="4s", delivery_timeout="2s")
    tenant = Tenant(first.client())
    tenant.create(sink.url(), eventTypes=["a"])
    locators = tenant.publish_many(20, "a")
    first.kill()
    release.set()
    clock.back_an_hour()
    second = new_evhookd(redis=clock.redis, lease="4s", delivery_timeout="2s")
    sink.wait_for_events(locators, 20)
    until_noticed(second)


def test_retries_and_notices_come_at_their_time(clock, new_evhookd, receiver):
    alerts = receiver(Answer(200), Answer(500))  # the second one is tried again
    sink = receiver(Answer(500))
    options = {"redis": clock.redis, "lease": "5s", "delivery_timeout": "3s"}
    servers = [new_evhookd(**options), new_evhookd(**options)]
    tenant = Tenant(servers[0].client())
    redis, keys = clock.redis.client, Keys(tenant)
    soon = tenant.create(
        sink.url(),
        eventTypes=["soon"],
        failureHandling=policy(retries=2, interval=8),
    )
    noticed = tenant.create(
        receiver(default=Answer(500)).url(),
        eventTypes=["noticed"],
        failureHandling=policy(alertEndpoint={"url": alerts.url()}),
    )
    late = tenant.create(
        receiver(Answer(500)).url(),
        eventTypes=["late"],
        failureHandling=policy(retries=2, interval=1800),
    )
    tenant.publish("soon")
    tenant.publish("late")
    tenant.publish("noticed")
    alerts.wait_for(1)
    until_attempts(tenant, soon, 1)
    until_attempts(tenant, late, 1)
    clock.back_an_hour()
    tenant.publish("noticed")
    sink.wait_for(2, 30)  # the retry
    alerts.wait_for(3, 30)  # a notice, though the last one was an hour later, and its retry
    assert len(tenant.attempts(noticed)) == 2
    until_noticed(*servers)
    ((_, score),) = redis.zrange(keys.queue(late["locator"]), 0, -1, withscores=True)
    assert score % 2 == 0, "it is a wait"
    left = score - clock.now()
    assert 1700_000 < left < 1990_000, f"a long wait is as long as it was: {left}"
    assert redis.zscore(keys.due, late["locator"]) <= score


def test_long_queues_and_many_are_moved_in_steps(clock, new_evhookd):
    first = new_evhookd(redis=clock.redis, lease="4s", delivery_timeout="2s", shards=3)
    tenant = Tenant(first.client())
    redis, keys = clock.redis.client, Keys(tenant, 3)
    webhooks = [tenant.create(eventTypes=["none"])["locator"] for _ in range(200)]
    until(lambda: redis.exists("evhook:clock"), "the time is noted")
    first.kill()
    now = clock.now()
    far = now + now % 2 + 600_000
    same = {f"{n:026d}": far for n in range(1500)}
    mixed = {f"{n:026d}": now + 600_000 + 7 * n for n in range(1500, 3000)}
    redis.zadd(keys.queue(webhooks[0]), {**same, **mixed})
    for webhook in webhooks[1:]:
        redis.zadd(keys.queue(webhook), {f"{0:026d}": far})
    redis.zadd(keys.due, {webhook: far for webhook in webhooks})
    clock.back_an_hour()
    redis.config_set("slowlog-log-slower-than", 100_000)
    servers = [
        new_evhookd(redis=clock.redis, lease="4s", delivery_timeout="2s", shards=3)
        for _ in range(2)
    ]
    for server in servers:
        until(lambda: not redis.hexists("evhook:clock", "back"), "all is moved")
    moved = dict(redis.zrange(keys.queue(webhooks[0]), 0, -1, withscores=True))
    back = {member: {**same, **mixed}[member] - score for member, score in moved.items()}
    waits = {back[m] for m, score in moved.items() if score % 2 == 0}
    assert len(waits) == 1, "each once, and all by the same"
    (by,) = waits
    assert abs(by - HOUR_MS) < 20_000
    for webhook in webhooks[1:]:
        (score,) = dict(redis.zrange(keys.queue(webhook), 0, -1, withscores=True)).values()
        assert far - score == by
    for webhook in webhooks:
        first_score = redis.zrange(keys.queue(webhook), 0, 0, withscores=True)[0][1]
        assert redis.zscore(keys.due, webhook) <= first_score, "it is woken in time"


def test_a_clock_that_is_not_ours_is_said_once(clock, new_evhookd):
    server = new_evhookd(redis=clock.redis)
    until(lambda: server.log_lines("clocks", "differ"), "it is said")
    clock.back_an_hour()
    until_noticed(server)
    clock.set(0)
    until(lambda: server.log_lines("clocks", "agree again"), "and that it is over")
    assert len(server.log_lines("clocks", "differ")) == 1


def test_streams_go_on_where_the_clock_was(clock, new_evhookd, receiver):
    sink = receiver()
    server = new_evhookd(redis=clock.redis, events_kept=1000)
    tenant = Tenant(server.client())
    tenant.create(sink.url())
    before = tenant.publish_many(3)
    sink.wait_for_events(before)
    clock.back_an_hour()
    after = tenant.publish_many(3) + [tenant.publish()["locator"]]
    assert sorted(before + after) == before + after, "in order, and each its own"
    sink.wait_for_events(after)
    assert tenant.all_events() == before + after
    assert tenant.event(after[-1]).json()["locator"] == after[-1]
