"""evhookctl fsck: finds what contradicts doc/redis.md, and mends it."""

import pytest

from api import UNKNOWN, Keys, Tenant
from ctl import FAILED, Ctl
from harness import until
from receivers import Answer

GONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def busy(new_redis, new_evhookd, receiver, event):
    """A server of its own, with something of every kind in its Redis."""
    release = event()
    server = new_evhookd(redis=new_redis(), lease="20s", delivery_timeout="15s")
    tenant = Tenant(server.client())
    held = tenant.create(receiver(default=Answer(after=release)).url(), eventTypes=["held", "b.*"])
    diverting = tenant.create(
        receiver(default=Answer(500)).url(), eventTypes=["x"], failureHandling={"divert": True}
    )
    retrying = tenant.create(
        receiver(default=Answer(500)).url(),
        eventTypes=["y"],
        failureHandling={"retryStrategy": {"interval": 3600}},
    )
    tenant.create("http://127.0.0.1:9/", enabled=False)
    for _ in range(150):
        tenant.publish("held")
    tenant.publish("x", requestId=UNKNOWN, headers={"Idempotency-Key": "k"})
    tenant.publish("y")
    redis = server.redis.client
    keys = Keys(tenant)
    until(lambda: redis.exists(keys.retries(retrying["locator"])), "a retry waits")
    until(lambda: redis.exists(keys.prefix + "dv:" + diverting["locator"]), "one is diverted")
    ctl = Ctl(f"http://{server.host}:{server.port}", tenant, EVHOOKCTL_REDIS=server.redis.uri)
    return ctl, redis, keys, held["locator"], diverting["locator"], retrying["locator"]


def test_there_are_no_findings_while_all_is_well(busy):
    ctl = busy[0]
    assert ctl.lines("fsck") == []
    assert " 0 findings" in ctl.run("fsck")


FAULTS = {
    "a queue without a webhook": lambda r, k, held, dv, rt: (
        r.zadd(k.queue(GONE), {UNKNOWN: 1}) and k.queue(GONE)
    ),
    "a queue that is woken too late": lambda r, k, held, dv, rt: (
        r.zrem(k.due, held) and k.queue(held)
    ),
    "an owed event that is nowhere": lambda r, k, held, dv, rt: (
        r.zadd(k.queue(held), {UNKNOWN: 9e12}) and k.queue(held)
    ),
    "a copy that nothing owes": lambda r, k, held, dv, rt: (
        r.hset(k.retries(rt), UNKNOWN, "0 {}") and k.retries(rt)
    ),
    "a webhook that is not listed": lambda r, k, held, dv, rt: (
        r.zrem(k.webhooks, held) and k.webhook(held)
    ),
    "a listed webhook that is gone": lambda r, k, held, dv, rt: (
        r.zadd(k.webhooks, {GONE: 0}) and k.webhooks
    ),
    "a subscription that is missing": lambda r, k, held, dv, rt: (
        r.hdel(k.subscription("b.*"), held) and k.webhook(held)
    ),
    "a subscription of another version": lambda r, k, held, dv, rt: (
        r.hset(k.subscription("b.*"), held, "77 deliver drop") == 0 and k.webhook(held)
    ),
    "a subscription of a webhook that is gone": lambda r, k, held, dv, rt: (
        r.hset(k.subscription("z"), GONE, "1 deliver drop") and k.subscription("z")
    ),
    "a diverted event without its place": lambda r, k, held, dv, rt: (
        r.delete(k.prefix + "dvx:" + dv) and k.prefix + "dv:" + dv
    ),
    "a place without its diverted event": lambda r, k, held, dv, rt: (
        r.zadd(k.prefix + "dvx:" + dv, {UNKNOWN: 0}) and k.prefix + "dvx:" + dv
    ),
    "counters of a webhook that is gone": lambda r, k, held, dv, rt: (
        r.hset(k.prefix + "st:" + GONE, "delivered", 1) and k.prefix + "st:" + GONE
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_mended(busy, fault):
    ctl, redis, keys, *webhooks = busy
    where = FAULTS[fault](redis, keys, *webhooks)
    assert where
    found = ctl.lines("fsck", code=FAILED)
    assert len(found) == 1 and found[0].startswith(where), found
    assert ctl.lines("fsck", code=FAILED) == found, "without --repair nothing is changed"
    mended = ctl.lines("fsck", "--repair", code=FAILED)
    assert mended == [found[0] + " (repaired)"]
    assert ctl.lines("fsck") == []


def test_a_key_that_is_none_of_ours_is_left_alone(busy):
    ctl, redis, keys, *_ = busy
    key = keys.prefix + "mystery:1"
    redis.set(key, "x")
    assert len(ctl.lines("fsck", "--repair", code=FAILED)) == 1
    assert redis.get(key) == "x"
