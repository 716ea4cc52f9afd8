"""Trimming the stream, and reading it: bounded in entries and in bytes, and nothing owed is lost."""

import re

import pytest

from api import Keys, Tenant
from harness import until, until_empty
from receivers import Answer
from trimming import trim_step

LARGE = "x" * 900_000


def trim(redis, tenant, retention_ms, kept):
    """One step: how many events went, and whether there may be more."""
    return trim_step(redis, tenant, retention_ms, kept)[:2]


def length(evhookd, tenant):
    return evhookd.redis.client.xlen(Keys(tenant).stream)


def test_a_tenant_that_publishes_much_is_trimmed_soon(alone, receiver, event):
    """Not at the next full hour; and a delivery that is still owed then is made."""
    release = event()
    evhookd = alone(events_kept=80, endpoint_concurrency=1)
    tenant = Tenant(evhookd.client())
    sink = receiver(Answer(after=release))
    webhook = tenant.create(sink.url(), eventTypes=["owed"])
    owed = tenant.publish_many(3, "owed")
    for _ in range(20):
        tenant.publish_many(30, "other")
    until(lambda: length(evhookd, tenant) <= 80 + 10, "the stream is trimmed")
    assert not set(owed) & set(tenant.all_events())
    release.set()
    until_empty(evhookd.redis.client, tenant, webhook)
    assert sorted(sink.ids()) == sorted(owed)

    def trimmed():
        metrics = evhookd.admin().get("/metrics")
        return int(re.search(rb"\nevhookd_events_trimmed_total (\d+)", metrics.body).group(1))

    until(lambda: trimmed() == 603 - length(evhookd, tenant), "they are counted")


def test_a_tenant_that_publishes_little_is_left_alone(alone):
    evhookd = alone(events_kept=80)
    tenant, other = Tenant(evhookd.client()), Tenant(evhookd.client())
    tenant.publish_many(80)
    other.publish_many(200)
    until(lambda: length(evhookd, other) == 80, "the other is trimmed")
    assert length(evhookd, tenant) == 80


def test_after_an_error_trimming_goes_on_with_the_next_round(alone):
    evhookd = alone(events_kept=8)
    tenant, other = Tenant(evhookd.client()), Tenant(evhookd.client())
    odd = f"{Keys(tenant).prefix}whs:{tenant.locator}"
    evhookd.redis.client.set(odd, "not a sorted set")
    tenant.publish_many(30)
    until(lambda: evhookd.log_lines("WRONGTYPE"), "the script failed")
    assert length(evhookd, tenant) == 30
    evhookd.redis.client.delete(odd)
    other.publish_many(30)  # its trimming begins another round
    until(lambda: length(evhookd, tenant) == 8, "it is trimmed all the same")
    until(lambda: length(evhookd, other) == 8, "so is the other")


@pytest.mark.parametrize("kept, retention_ms, left", [(10, 10**9, 10), (10**6, 0, 0)])
def test_steps_are_of_a_hundred(tenant, redis, kept, retention_ms, left):
    tenant.publish_many(250)
    assert trim(redis, tenant, retention_ms, kept) == (100, True)
    assert trim(redis, tenant, retention_ms, kept) == (100, True)
    assert trim(redis, tenant, retention_ms, kept) == (50 - left, False)
    assert trim(redis, tenant, retention_ms, kept) == (0, False)
    assert redis.xlen(Keys(tenant).stream) == left


def test_steps_are_of_few_large_events(tenant, redis):
    for _ in range(23):
        tenant.publish(data={"text": LARGE})
    gone = []
    while gone[-1:] != [(0, False)]:
        gone.append(trim(redis, tenant, 0, 0))
    assert [n for n, _ in gone] == [2] * 11 + [1, 0]
    assert redis.xlen(Keys(tenant).stream) == 0


def test_a_page_looks_at_few_large_events(tenant):
    """32 MiB of events of another type, and it ends; the token goes on behind them."""
    for _ in range(45):
        tenant.publish("a", data={"text": LARGE})
    last = tenant.publish("b")
    page = tenant.events(type="b")
    assert page["events"] == [] and page["more"] is True
    page = tenant.events(pagingToken=page["pagingToken"])
    assert [e["locator"] for e in page["events"]] == [last["locator"]] and page["more"] is False
    assert len(tenant.events(type="a")["events"]) < 12
    assert len(tenant.all_events(type="a")) == 45
