"""Contract sections 4 and 5: diversion, suspension, disabling, and what is diverted."""

import pytest

from api import DATETIME, UNKNOWN, Keys, Tenant, expect, problem
from failing import hurry, no_trace, policy, until_attempts, until_diverted, until_outcomes
from harness import until, until_empty
from receivers import Answer, Close
from trimming import trim

STEPS = {"divert": (True, False), "suspend": (False, True), "both": (True, True)}


@pytest.fixture
def broken(tenant, receiver):
    """Makes webhooks with such a policy, and receivers that answer 500 after their script."""

    def broken(*script, **handling):
        sink = receiver(*script, default=Answer(500))
        return sink, tenant.create(sink.url(), failureHandling=policy(**handling))

    return broken


def suspend(tenant, webhook):
    """Suspends by a failure and waits for it."""
    event = tenant.publish("suspending")
    until(lambda: tenant.fetch(webhook)["suspended"], "it is suspended")
    return event


# --- when the attempts are used up


@pytest.mark.parametrize("divert, suspending", STEPS.values(), ids=STEPS.keys())
def test_when_the_attempts_are_used_up(tenant, broken, emptied, divert, suspending):
    sink, webhook = broken(retries=1, interval=1, divert=divert, suspend=suspending)
    event = tenant.publish("policy.issue", {"n": 1})
    outcomes = until_outcomes(tenant, webhook, "retrying", "diverted" if divert else "failed")
    emptied(tenant, webhook)
    now = tenant.fetch(webhook)
    assert now["suspended"] is suspending and now["enabled"] is True
    assert (now["suspendedAt"] is not None) is suspending
    assert now["version"] == webhook["version"] + (1 if suspending else 0)
    kept = tenant.diverted(webhook)
    assert len(kept) == (1 if divert else 0)
    if divert:
        assert DATETIME.match(kept[0].pop("failureTimestamp"))
        assert kept[0] == {
            "eventLocator": event["locator"],
            "requestLocator": event["requestId"],
            "failureMessage": outcomes[-1]["failureMessage"],
            "failureTrigger": "500",
            "eventType": "policy.issue",
            "attempts": 2,
        }
    stats = tenant.stats(webhook)
    assert (stats["pending"], stats["diverted"]) == (0, len(kept))
    assert stats["failed"] == 1 or divert


def test_suspension_is_a_change_of_the_webhook(tenant, broken):
    _, webhook = broken(suspend=True)
    tag = tenant.try_fetch(webhook).header("etag")
    suspend(tenant, webhook)
    response = tenant.try_fetch(webhook)
    now = response.json()
    assert DATETIME.match(now["suspendedAt"]) and now["suspendedAt"] >= webhook["createdAt"]
    assert now["version"] == webhook["version"] + 1
    assert response.header("etag") == '"%d"' % now["version"] != tag
    assert now["updatedAt"] >= webhook["updatedAt"]
    problem(tenant.try_update(webhook, {"name": "late"}, {"If-Match": tag}), 412)
    assert [i["locator"] for i in tenant.list(suspended="true")["items"]] == [webhook["locator"]]
    assert tenant.list(active="true")["items"] == []
    tenant.unsuspend(webhook)
    back = tenant.fetch(webhook)
    assert (back["suspended"], back["suspendedAt"]) == (False, None)
    assert back["version"] == now["version"] + 1
    tenant.unsuspend(webhook)
    assert tenant.fetch(webhook) == back


@pytest.mark.parametrize("divert", [True, False], ids=["divert", "drop"])
def test_while_suspended_new_events_are_diverted_or_dropped(tenant, broken, emptied, divert):
    sink, webhook = broken(Answer(500), divert=divert, suspend=True)
    sink.default = Answer()
    first = suspend(tenant, webhook)
    locators = tenant.publish_many(5)
    emptied(tenant, webhook)
    kept = tenant.diverted(webhook)
    if divert:
        assert [d["eventLocator"] for d in kept] == [first["locator"], *locators]
        assert [d["failureTrigger"] for d in kept] == ["500"] + ["suspended"] * 5
        assert {d["attempts"] for d in kept[1:]} == {0}
    else:
        assert kept == [] and tenant.stats(webhook)["dropped"] == 5
    tenant.unsuspend(webhook)
    after = tenant.publish("after")
    sink.wait_for_events([after["locator"]])
    emptied(tenant, webhook)
    assert sink.ids() == [first["locator"], after["locator"]]
    assert tenant.diverted(webhook) == kept, "diverted ones stay"


@pytest.mark.parametrize("divert", [True, False], ids=["divert", "drop"])
@pytest.mark.parametrize("how", ["suspended", "disabled"])
def test_what_is_queued_goes_the_same_way(tenant, receiver, event, emptied, how, divert):
    """One attempt is on the wire, others wait for their retry."""
    release = event()
    sink = receiver(*[Answer(503)] * 3, Answer(404, after=release))
    webhook = tenant.create(
        sink.url(), failureHandling=policy(retries=1, divert=divert, suspend=True)
    )
    waiting = tenant.publish_many(3)
    until_attempts(tenant, webhook, 3)
    flying = tenant.publish()
    sink.wait_for(4)
    if how == "disabled":
        tenant.update(webhook, enabled=False)
    else:
        tenant.update(webhook, failureHandling={"removeRetryStrategy": True})
        release.set()
    until(lambda: tenant.stats(webhook)["pending"] <= 1, "those that wait are gone")
    release.set()
    emptied(tenant, webhook)
    assert len(sink.all()) == 4
    kept = {d["eventLocator"]: d for d in tenant.diverted(webhook)}
    if divert:
        assert sorted(kept) == sorted([*waiting, flying["locator"]])
        assert {kept[w]["failureTrigger"] for w in waiting} == {how}
        assert {kept[w]["attempts"] for w in waiting} == {1}
        last = kept[flying["locator"]]
        assert last["failureTrigger"] == ("disabled" if how == "disabled" else "404")
    else:
        assert kept == {}
        assert tenant.stats(webhook)["dropped"] == (4 if how == "disabled" else 3)
    now = tenant.fetch(webhook)
    assert (now["suspended"], now["enabled"]) == (how == "suspended", how == "suspended")


def test_what_is_on_the_wire_when_it_is_disabled_may_succeed(tenant, receiver, event, emptied):
    release = event()
    sink = receiver(Answer(after=release))
    webhook = tenant.create(sink.url(), failureHandling=policy(divert=True))
    tenant.publish()
    sink.wait_for(1)
    tenant.update(webhook, enabled=False)
    release.set()
    emptied(tenant, webhook)
    until_outcomes(tenant, webhook, "delivered")
    assert tenant.diverted(webhook) == []


def test_disabled_and_suspended_are_independent(tenant, broken, emptied):
    sink, webhook = broken(Answer(500), divert=True, suspend=True)
    sink.default = Answer()
    suspend(tenant, webhook)
    at = tenant.fetch(webhook)["suspendedAt"]
    tenant.update(webhook, enabled=False)
    tenant.publish("while.both")  # matches no disabled webhook
    tenant.unsuspend(webhook)
    now = tenant.fetch(webhook)
    assert (now["enabled"], now["suspended"]) == (False, False)
    tenant.publish("while.disabled")
    assert len(tenant.diverted(webhook)) == 1
    tenant.update(webhook, enabled=True)
    event = tenant.publish("again")
    sink.wait_for_events([event["locator"]])
    sink.script.append(Answer(500))
    suspend(tenant, webhook)
    tenant.update(webhook, enabled=False)
    now = tenant.update(webhook, enabled=True)
    assert now["suspended"] and now["suspendedAt"] > at
    assert len(sink.all()) == 3


# --- diverted events


def diverted_some(tenant, sink, webhook, count):
    locators = tenant.publish_many(count)
    until_diverted(tenant, webhook, count)
    return locators


def test_the_list_is_in_order_of_the_locators(tenant, broken):
    sink, webhook = broken(divert=True)
    locators = diverted_some(tenant, sink, webhook, 7)
    assert [d["eventLocator"] for d in tenant.diverted(webhook)] == locators
    page = tenant.diverted(webhook, offset=2, count=3)
    assert [d["eventLocator"] for d in page] == locators[2:5]
    assert tenant.diverted(webhook, offset=7) == []
    assert len(tenant.diverted(webhook, count=1000)) == 7
    path = tenant.webhook_path(webhook, "diverted")
    problem(tenant.client.get(path, count=1001), 400)
    problem(tenant.client.get(path, offset=-1), 400)


def test_fetching_one_gives_the_event_too(tenant, broken):
    sink, webhook = broken(divert=True)
    event = tenant.publish("policy.issue", {"n": [1.5, "é"]})
    (listed,) = until_diverted(tenant, webhook, 1)
    fetched = expect(tenant.client.get(tenant.diverted_path(webhook, event)), 200)
    assert fetched.json() == {**listed, "event": event}
    other = Tenant(tenant.client)
    for path in (
        tenant.diverted_path(webhook, UNKNOWN),
        tenant.diverted_path(UNKNOWN, event),
        other.diverted_path(webhook, event),
    ):
        problem(tenant.client.get(path), 404)
    problem(tenant.client.get(tenant.diverted_path(webhook, "nonsense")), 400)
    problem(other.client.get(other.webhook_path(webhook, "diverted")), 404)


def test_a_diverted_event_can_be_deleted_once(tenant, broken):
    sink, webhook = broken(divert=True)
    first, second = diverted_some(tenant, sink, webhook, 2)
    path = tenant.diverted_path(webhook, first)
    assert expect(tenant.client.delete(path), 200).json() == {}
    problem(tenant.client.delete(path), 404)
    problem(tenant.client.get(path), 404)
    problem(tenant.try_resend(webhook, first), 404)
    assert [d["eventLocator"] for d in tenant.diverted(webhook)] == [second]
    assert tenant.event(first).json()["locator"] == first, "the stream keeps it"


def test_resending_counts_attempts_afresh(tenant, broken, emptied):
    sink, webhook = broken(*[Answer(500)] * 2, retries=1, interval=1, divert=True)
    event = tenant.publish(data={"n": 1})
    until_diverted(tenant, webhook, 1)
    sink.default = Answer()
    sink.script.append(Answer(500))
    tenant.resend(webhook, event)
    requests = sink.wait_for(4)
    emptied(tenant, webhook)
    assert [r.header("webhook-attempt") for r in requests] == ["1", "2", "1", "2"]
    assert len({r.body for r in requests}) == 1
    assert set(sink.ids()) == {event["locator"]}
    assert tenant.diverted(webhook) == []
    until_outcomes(tenant, webhook, "retrying", "diverted", "retrying", "delivered")


def test_a_resend_that_fails_is_diverted_again(tenant, broken, redis):
    sink, webhook = broken(divert=True)
    event = tenant.publish()
    until_diverted(tenant, webhook, 1)
    trim(redis, tenant)
    sink.default = Close()
    tenant.resend(webhook, event)
    until_attempts(tenant, webhook, 2)
    (kept,) = until_diverted(tenant, webhook, 1)
    assert (kept["failureTrigger"], kept["attempts"]) == ("timeout", 1)
    fetched = expect(tenant.client.get(tenant.diverted_path(webhook, event)), 200).json()
    assert fetched["event"] == event
    sink.default = Answer()
    tenant.resend(webhook, event)
    sink.wait_for(3)
    assert len({r.body for r in sink.all()}) == 1
    until(lambda: tenant.diverted(webhook) == [], "it is delivered")


def test_resending_needs_an_active_webhook(tenant, broken):
    sink, webhook = broken(divert=True, suspend=True)
    event = suspend(tenant, webhook)
    problem(tenant.try_resend(webhook, event), 409)
    problem(tenant.try_resend_all(webhook), 409)
    tenant.unsuspend(webhook)
    tenant.update(webhook, enabled=False)
    problem(tenant.try_resend(webhook, event), 409)
    problem(tenant.try_resend_all(webhook), 409)
    problem(tenant.try_resend(webhook, UNKNOWN), 404)
    problem(tenant.try_resend_all(UNKNOWN), 404)
    assert len(tenant.diverted(webhook)) == 1 and len(sink.all()) == 1


def test_resending_keeps_to_max_pending(alone, receiver, event):
    """What a full queue does not take stays diverted."""
    sink = receiver(*[Answer(500)] * 4, default=Answer(after=event()))
    tenant = Tenant(alone(max_pending=2, drain_timeout="0s").client())
    webhook = tenant.create(sink.url(), failureHandling=policy(divert=True))
    for n in range(1, 5):
        tenant.publish()
        first, *rest = until_diverted(tenant, webhook, n)
    tenant.publish()
    sink.wait_for(5)
    assert expect(tenant.try_resend_all(webhook), 200).json() == {"resent": 1, "completed": False}
    assert expect(tenant.try_resend_all(webhook), 200).json() == {"resent": 0, "completed": False}
    assert "--max-pending (2)" in problem(tenant.try_resend(webhook, rest[0]["eventLocator"]), 409)["detail"]
    assert tenant.diverted(webhook) == rest
    assert tenant.stats(webhook)["pending"] == 2


def test_resending_all(tenant, broken, emptied):
    sink, webhook = broken(divert=True)
    locators = diverted_some(tenant, sink, webhook, 250)
    sink.default = Answer()
    resent, completed = 0, False
    while not completed:
        answer = expect(tenant.try_resend_all(webhook), 200).json()
        assert set(answer) == {"resent", "completed"}
        assert answer["resent"] > 0
        resent, completed = resent + answer["resent"], answer["completed"]
    assert resent == 250
    emptied(tenant, webhook)
    assert sorted(sink.ids()[250:]) == locators and tenant.diverted(webhook) == []
    assert expect(tenant.try_resend_all(webhook), 200).json() == {"resent": 0, "completed": True}


def test_resending_all_resends_those_present_at_the_call(tenant, broken):
    """What fails again meanwhile is not taken a second time by the same call."""
    sink, webhook = broken(divert=True)
    diverted_some(tenant, sink, webhook, 120)
    answer = expect(tenant.try_resend_all(webhook), 200).json()
    assert answer["resent"] <= 120
    until_attempts(tenant, webhook, 120 + answer["resent"], count=1000)
    until_diverted(tenant, webhook, 120)


def test_a_resend_outlives_a_crash(new_redis, new_evhookd, receiver, event):
    redis, release = new_redis(), event()
    server = new_evhookd(redis=redis, lease="3s", delivery_timeout="2s")
    tenant = Tenant(server.client())
    sink = receiver(Answer(500), Answer(after=release), default=Answer(503))
    webhook = tenant.create(sink.url(), failureHandling=policy(divert=True))
    published = tenant.publish()
    until_diverted(tenant, webhook, 1)
    trim(redis.client, tenant)
    tenant.resend(webhook, published)
    sink.wait_for(2)
    server.kill()
    assert redis.client.zcard(Keys(tenant).queue(webhook["locator"])) == 1
    server.start()
    tenant = tenant.on(server.client())
    (kept,) = until_diverted(tenant, webhook, 1)
    assert (kept["eventLocator"], kept["failureTrigger"]) == (published["locator"], "503")
    assert len({r.body for r in sink.all()}) == 1
    assert kept["eventLocator"] == published["locator"]


# --- limits, and the end


def test_a_full_queue_diverts_the_newest(new_redis, new_evhookd, receiver):
    redis = new_redis()
    server = new_evhookd(redis=redis, max_pending=3)
    tenant = Tenant(server.client())
    sinks = [receiver(default=Answer(500)) for _ in range(2)]
    diverting, dropping = (
        tenant.create(s.url(), failureHandling=policy(retries=1, divert=d))
        for s, d in zip(sinks, (True, False))
    )
    waiting = tenant.publish_many(3)
    for webhook in (diverting, dropping):
        until_attempts(tenant, webhook, 3)
    witness = receiver()
    tenant.create(witness.url())
    newest = tenant.publish_many(2)
    witness.wait_for_events(newest)  # publishing goes on
    kept = tenant.diverted(diverting)
    assert [d["eventLocator"] for d in kept] == newest
    assert {(d["failureTrigger"], d["attempts"]) for d in kept} == {("overflow", 0)}
    assert tenant.stats(diverting)["pending"] == tenant.stats(dropping)["pending"] == 3
    assert tenant.stats(dropping)["dropped"] == 2 and tenant.diverted(dropping) == []
    for sink in sinks:
        sink.default = Answer()
    hurry(redis.client, tenant, diverting)
    until_empty(redis.client, tenant, diverting)
    assert sorted(sinks[0].ids()[3:]) == waiting
    tenant.resend(diverting, newest[0])
    sinks[0].wait_for_events([newest[0]])


def test_a_full_list_of_diverted_events_drops(alone, receiver):
    server = alone(max_diverted=2)
    tenant = Tenant(server.client())
    sink = receiver(default=Answer(500))
    webhook = tenant.create(sink.url(), failureHandling=policy(divert=True))
    first = tenant.publish_many(2)
    until_diverted(tenant, webhook, 2)
    tenant.publish()
    until_empty(server.redis.client, tenant, webhook)
    assert [d["eventLocator"] for d in tenant.diverted(webhook)] == first
    assert tenant.attempts(webhook)[0]["outcome"] == "dropped"
    assert tenant.stats(webhook)["dropped"] == 1


def test_deleting_the_webhook_leaves_no_key(tenant, receiver, redis):
    sink = receiver(*[Answer(404)] * 2, default=Answer(500))
    alerts = receiver(default=Answer(500))
    webhook = tenant.create(
        sink.url(),
        failureHandling=policy(
            triggers=["404", "5xx"], divert=True, alertEndpoint={"url": alerts.url()}
        ),
    )
    tenant.publish_many(2)
    until_diverted(tenant, webhook, 2)
    tenant.update(webhook, failureHandling=policy(retries=5))
    tenant.publish_many(2)
    until_attempts(tenant, webhook, 4)
    keys, locator = Keys(tenant), webhook["locator"]
    until(lambda: alerts.all(), "the alert is tried")
    for key in (
        keys.queue(locator),
        keys.retries(locator),
        keys.diverted(locator),
        keys.diverted_order(locator),
        keys.attempts(locator),
        keys.state(locator),
        keys.alerts(locator),
    ):
        assert redis.exists(key), key
    tenant.delete(webhook)
    assert no_trace(redis, webhook)
    problem(tenant.try_delete(webhook), 404)
    problem(tenant.client.get(tenant.webhook_path(webhook, "attempts")), 404)


def test_what_is_dropped_untried_leaves_a_trace(new_redis, new_evhookd, receiver, event):
    release = event()
    server = new_evhookd(redis=new_redis(), max_pending=2, attempts_kept=20)
    tenant = Tenant(server.client())
    sink = receiver(default=Answer(after=release))
    full = tenant.create(sink.url(), eventTypes=["a"])
    suspended = tenant.create(
        receiver(default=Answer(500)).url(),
        eventTypes=["b"],
        failureHandling={"suspend": True},
    )
    tenant.publish("b")
    until(lambda: tenant.fetch(suspended)["suspended"], "it is suspended")
    locators = [tenant.publish("a")["locator"] for _ in range(3)]
    last = tenant.publish("b")["locator"]

    (drop,) = tenant.attempts(full, outcome="dropped")
    assert drop["eventLocator"] == locators[2] and drop["eventType"] == "a"
    assert drop["attempt"] == 0 and drop["statusCode"] is None and drop["nextAttemptAt"] is None
    assert (drop["failureTrigger"], drop["failureMessage"]) == ("overflow", "the queue is full")
    (drop,) = tenant.attempts(suspended, outcome="dropped")
    assert drop["eventLocator"] == last
    assert (drop["failureTrigger"], drop["failureMessage"]) == (
        "suspended",
        "the webhook is suspended",
    )
    (line,) = server.log_lines("level=warn", "queue is full", locators[2])
    assert tenant.locator in line and full["locator"] in line

    tenant.publish_many(100, "b")  # no more records than are kept
    assert len(tenant.attempts(suspended)) == 20
    release.set()
