"""Several evhookds on one Redis: what one does, the others know; nothing is delivered twice."""

import itertools
import threading

import pytest

from api import Tenant, expect, problem
from harness import until, until_empty


@pytest.fixture
def pair(new_redis, new_evhookd):
    """Two instances on one Redis, and a tenant on each."""
    redis = new_redis()
    first, second = new_evhookd(redis=redis), new_evhookd(redis=redis)
    tenant = Tenant(first.client())
    return tenant, tenant.on(second.client()), redis.client


def test_a_webhook_made_on_one_is_there_on_the_other(pair):
    on_a, on_b, _ = pair
    webhook = on_a.create()
    assert on_b.fetch(webhook) == webhook
    changed = on_b.update(webhook, name="changed on b")
    assert on_a.fetch(webhook) == changed
    on_a.delete(webhook)
    problem(on_b.try_fetch(webhook), 404)


def test_what_is_published_on_one_is_delivered_for_webhooks_made_on_the_other(pair, receiver):
    on_a, on_b, _ = pair
    sink = receiver()
    on_a.create(sink.url())
    event = on_b.publish()
    sink.wait_for(1)
    assert sink.ids() == [event["locator"]]
    assert on_a.event(event["locator"]).json() == event


def test_each_event_is_delivered_exactly_once_across_both(pair, receiver):
    on_a, on_b, redis = pair
    sinks = [receiver() for _ in range(3)]
    webhooks = [t.create(sink.url()) for t, sink in zip((on_a, on_b, on_a), sinks)]
    published = {on_a: [], on_b: []}

    def publish(tenant):
        for n in range(20):
            published[tenant] += tenant.publish_many(1 + n % 10)

    threads = [threading.Thread(target=publish, args=(t,)) for t in published]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    locators = sorted(itertools.chain(*published.values()))
    assert len(locators) == 2 * sum(1 + n % 10 for n in range(20))
    for webhook, sink in zip(webhooks, sinks):
        sink.wait_for_events(locators)
        until_empty(redis, on_a, webhook)
        assert sorted(sink.ids()) == locators
    assert on_a.all_events() == on_b.all_events() == locators


def test_publishing_sees_a_change_on_the_other_instance_at_once(pair, receiver):
    on_a, on_b, _ = pair
    sink = receiver()
    webhook = on_a.create(sink.url(), eventTypes=["a"])
    expected = []

    def delivered():
        expected.append(on_b.publish("a")["locator"])
        sink.wait_for_events(expected)  # disabling would drop what is still queued

    delivered()
    on_a.update(webhook, enabled=False)
    on_b.publish("a")
    on_a.update(webhook, enabled=True)
    delivered()
    on_a.update(webhook, removeEventTypes=["a"])
    on_b.publish("a")
    on_a.update(webhook, addEventTypes=["*"])
    delivered()
    on_a.delete(webhook)
    on_b.publish("a")
    witness = receiver()
    on_a.create(witness.url())
    on_b.publish("a")
    witness.wait_for(1)
    assert sorted(sink.ids()) == sorted(expected)


def test_a_changed_url_is_followed_by_the_other_instance_within_a_second(pair, receiver):
    on_a, on_b, _ = pair
    old, new = receiver(), receiver()
    webhook = on_a.create(old.url())
    on_b.publish()
    old.wait_for(1)
    on_a.update(webhook, endpoint={"url": new.url()})

    def arrives():
        locator = on_b.publish()["locator"]
        until(lambda: locator in new.ids() + old.ids(), "the event is delivered")
        return locator in new.ids()

    until(arrives, "a delivery reaches the new URL", 3)


def test_an_idempotency_key_holds_across_instances(pair):
    on_a, on_b, _ = pair
    headers, body = {"Idempotency-Key": "k"}, b'{"type":"a","data":{"n":1.0}}'
    first = expect(on_a.try_publish(body, headers), 201)
    assert expect(on_b.try_publish(body, headers), 201).body == first.body
    problem(on_b.try_publish(body + b" ", headers), 409)
    assert len(on_b.all_events()) == 1


def test_tokens_and_locators_of_one_instance_are_good_on_the_other(pair):
    on_a, on_b, _ = pair
    locators = on_a.publish_many(3) + on_b.publish_many(3)
    assert locators == sorted(locators)
    page = on_a.events(pageSize=2)
    rest = on_b.events(pagingToken=page["pagingToken"])
    seen = [e["locator"] for e in page["events"] + rest["events"]]
    assert seen == locators[: len(seen)] and len(seen) > 2
