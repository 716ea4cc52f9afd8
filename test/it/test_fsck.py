"""evhookctl fsck: finds what contradicts doc/redis.md, and mends it."""

import pytest

from api import UNKNOWN, Keys, Tenant
from ctl import FAILED, Ctl
from harness import until
from trimming import trim
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
    until(lambda: redis.exists(keys.diverted(diverting["locator"])), "one is diverted")
    trim(redis, tenant, 3 * 3600_000, 100)
    tenant.publish("z")
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
    "attempts of what is not owed": lambda r, k, held, dv, rt: (
        r.hset(k.retries(rt), UNKNOWN, "1") and k.retries(rt)
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
    "a diverted event that is nowhere": lambda r, k, held, dv, rt: (
        r.hset(k.diverted(dv), UNKNOWN, '{"failureTrigger":"x"}')
        and r.zadd(k.diverted_order(dv), {UNKNOWN: 0})
        and k.diverted(dv)
    ),
    "a kept event that nobody needs": lambda r, k, held, dv, rt: (
        r.hset(k.kept, UNKNOWN, "type") and r.zincrby(k.bytes, 260, k.tenant) and k.kept
    ),
    "a kept event with another number": lambda r, k, held, dv, rt: (
        r.hincrby(k.kept_numbers, r.srandmember(k.needs(held)), 1) and k.kept_numbers
    ),
    "a kept event that somebody needs without a word": lambda r, k, held, dv, rt: (
        r.hincrby(k.kept_numbers, r.spop(k.needs(held)), -1) == 0 and k.queue(held)
    ),
    "a need of what is not owed": lambda r, k, held, dv, rt: (
        r.sadd(k.needs(held), UNKNOWN)
        and r.hset(k.kept_numbers, UNKNOWN, 1)
        and r.hset(k.kept, UNKNOWN, "type")
        and r.zincrby(k.bytes, 260, k.tenant)
        and k.needs(held)
    ),
    "needs of a webhook that is gone": lambda r, k, held, dv, rt: (
        r.sadd(k.needs(GONE), UNKNOWN)
        and r.hset(k.kept_numbers, UNKNOWN, 1)
        and r.hset(k.kept, UNKNOWN, "type")
        and r.zincrby(k.bytes, 260, k.tenant)
        and k.needs(GONE)
    ),
    "a webhook called deleted that is there": lambda r, k, held, dv, rt: (
        r.sadd(k.gone, held) and k.gone
    ),
    "a wrong number of bytes": lambda r, k, held, dv, rt: (
        r.zincrby(k.bytes, -1, k.tenant) and k.stream
    ),
    "bytes of a tenant that has nothing": lambda r, k, held, dv, rt: (
        r.zadd(k.bytes, {"6f1f2b5e-7a0c-4a53-9c39-0f2f5d3e8a11": 7}) and k.bytes
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
    numbers = [line for line in found[1:] if line.startswith(keys.kept_numbers)]
    assert found[0].startswith(where) and found[1:] == numbers, found
    assert ctl.lines("fsck", code=FAILED) == found, "without --repair nothing is changed"
    mended = ctl.lines("fsck", "--repair", code=FAILED)
    assert mended == [found[0] + " (repaired)"], "the numbers follow from it"
    assert ctl.lines("fsck") == []


def test_a_key_that_is_none_of_ours_is_left_alone(busy):
    ctl, redis, keys, *_ = busy
    key = keys.prefix + "mystery:1"
    redis.set(key, "x")
    assert len(ctl.lines("fsck", "--repair", code=FAILED)) == 1
    assert redis.get(key) == "x"


def test_the_bytes_of_a_stream_that_is_gone_are_counted_no_more(busy):
    """A tenant that is full by what it has no longer could publish nothing."""
    ctl, redis, keys, held, *_ = busy
    needed = redis.smembers(keys.needs(held))
    redis.delete(keys.stream)
    ctl.run("fsck", "--repair", code=FAILED)  # what was only there is nowhere
    assert ctl.lines("fsck") == []
    kept = redis.hgetall(keys.kept)
    assert kept.keys() == needed
    assert redis.zscore(keys.bytes, keys.tenant) == sum(len(text) + 256 for text in kept.values())
