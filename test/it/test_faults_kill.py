"""Instances that are killed under load: nothing is lost, little is repeated, leases run out in time."""

import collections
import time

from api import Keys, Tenant
from harness import until, until_empty
from load import Load
from receivers import Answer

LEASE = 2  # seconds
SHORT = {"lease": f"{LEASE}s", "delivery_timeout": "1s", "log_level": "info"}


def test_nothing_is_lost_when_instances_are_killed_under_load(new_redis, new_evhookd, receiver):
    redis = new_redis()
    instances = [new_evhookd(redis=redis, **SHORT) for _ in range(3)]
    tenant = Tenant(instances[0].client())
    sinks = [receiver(), receiver()]
    webhooks = [tenant.create(sink.url()) for sink in sinks]
    kills = []
    with Load(tenant, instances) as load:
        load.wait_more()
        for n in range(6):
            victim = instances[n % 3]
            before = time.time()
            victim.kill()
            kills.append((before, time.time()))
            load.wait_more(60)
            victim.start()
            load.wait_more(30)
        accepted = load.stop()
    stored = tenant.on(instances[1].client()).all_events(pageSize=1000)
    assert set(accepted) <= set(stored) and len(accepted) > 500
    for webhook, sink in zip(webhooks, sinks):
        sink.wait_for_events(stored, 30)
        until_empty(redis.client, tenant, webhook)
        assert set(sink.ids()) == set(stored)
        first = {}
        for request in sink.all():
            first.setdefault(request.header("webhook-id"), request.time)
        twice = [id for id, n in collections.Counter(sink.ids()).items() if n > 1]
        # what is on the wire at a kill, and what was answered and not yet acknowledged
        assert len(twice) <= 32 * len(kills), f"{len(twice)} of {len(stored)} came twice"
        for id in twice:
            assert any(begin - 2 <= first[id] <= end + 0.5 for begin, end in kills), (
                "an event that was not in flight at a kill came twice"
            )


def test_what_a_dead_instance_held_is_claimed_when_its_lease_ends(
    new_redis, new_evhookd, receiver, event
):
    release = event()
    sink = receiver(default=Answer(after=release))
    redis = new_redis()
    first = new_evhookd(redis=redis, endpoint_concurrency=4, **SHORT)
    second = new_evhookd(redis=redis, **SHORT)
    tenant = Tenant(first.client())
    webhook = tenant.create(sink.url())
    locators = tenant.publish_many(30)
    sink.wait_for(4)
    held = redis.client.zrange(Keys(tenant).queue(webhook["locator"]), 0, -1, withscores=True)
    leased = {locator for locator, score in held if score % 2 == 1}
    assert len(leased) >= 30, "all were leased to the first instance"
    first.kill()
    killed = time.monotonic()
    release.set()
    sink.wait_for(4 + 30, LEASE + 2 + 10)
    took = time.monotonic() - killed
    assert took < LEASE + 2 + 3, f"{took:.1f} s, with a lease of {LEASE} s"
    assert sorted(sink.ids()[4:]) == locators
    until_empty(redis.client, tenant, webhook)
    assert tenant.on(second.client()).event(locators[0]).json()["locator"] == locators[0]


def test_a_killed_instance_does_not_keep_a_busy_webhook_from_the_others(
    new_redis, new_evhookd, receiver, event
):
    """What is new goes out at once, though older deliveries still wait for a lease to end."""
    stuck, release = receiver(), event()
    stuck.default = Answer(after=release)
    redis = new_redis()
    first = new_evhookd(redis=redis, lease="30s", delivery_timeout="10s")
    second = new_evhookd(redis=redis, lease="30s", delivery_timeout="10s")
    tenant = Tenant(first.client())
    tenant.create(stuck.url())
    old = tenant.publish_many(20)
    stuck.wait_for(8)  # an endpoint's first connections: none may be read after the new
    first.kill()
    release.set()
    new = tenant.on(second.client()).publish_many(20)
    stuck.wait_for_events(new, 8)
    assert not set(stuck.ids()[-20:]) & set(old)
    until(lambda: redis.client.exists(Keys(tenant).due), "the rest is still to be woken")
