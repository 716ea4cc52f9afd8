"""Contract sections 2 and 4: which failures count, and when they are tried again."""

import base64
import email.utils
import time

import pytest

from api import Keys, Tenant, parse_ms, signature
from failing import (
    assert_delay,
    delay_ms,
    hurry,
    no_trace,
    policy,
    until_attempts,
    until_diverted,
    until_outcomes,
)
from harness import until, until_empty
from receivers import Answer, Close
from trimming import trim

# --- triggers


def test_the_triggers_decide_what_counts(tenant, receiver):
    """One event, a webhook for each row; divert shows that a trigger matched."""
    target = receiver()
    moved = Answer(307, headers=(("Location", target.url()),))
    rows = [
        ("4xx", Answer(400), "400"),
        ("4xx", Answer(499), "499"),
        ("4xx", Answer(410), "410"),
        ("4xx", Answer(304), "304"),
        ("4xx", moved, "307"),
        ("4xx", Answer(500), None),
        ("4xx", Close(), None),
        ("5xx", Answer(500), "500"),
        ("5xx", Answer(599), "599"),
        ("5xx", Answer(499), None),
        ("5xx", moved, None),
        ("5xx", Close(), None),
        ("timeout", Close(), "timeout"),
        ("timeout", Answer(408), None),
        ("timeout", Answer(504), None),
        ("503", Answer(503), "503"),
        ("503", Answer(502), None),
        ("503", Close(), None),
        ("410", Answer(410), "410"),
        ("410", Answer(404), None),
        ("400,599", Answer(599), "599"),
        ("400,599", Answer(400), "400"),
        ("400,599", Answer(500), None),
        ("404,5xx", Answer(503), "503"),
        ("", Answer(500), None),
    ]
    hooks = []
    for triggers, behaviour, _ in rows:
        handling = policy(triggers=[t for t in triggers.split(",") if t], divert=True)
        hooks.append(tenant.create(receiver(default=behaviour).url(), failureHandling=handling))
    event = tenant.publish()
    for row, webhook in zip(rows, hooks):
        triggers, behaviour, trigger = row
        (attempt,) = until_attempts(tenant, webhook, 1)
        assert attempt["outcome"] == ("diverted" if trigger else "failed"), row
        assert attempt["nextAttemptAt"] is None
        assert attempt["statusCode"] == getattr(behaviour, "status", None), row
        kept = tenant.diverted(webhook)
        assert [d["eventLocator"] for d in kept] == ([event["locator"]] if trigger else []), row
        assert [d["failureTrigger"] for d in kept] == ([trigger] if trigger else []), row
    assert target.connections == 0, "redirects are never followed"


def test_the_default_is_one_try_and_nothing_kept(tenant, receiver, emptied):
    sinks = [receiver(default=b) for b in (Answer(404), Answer(500), Close())]
    hooks = [tenant.create(sink.url()) for sink in sinks]
    tenant.publish()
    for sink, webhook in zip(sinks, hooks):
        (attempt,) = until_outcomes(tenant, webhook, "failed")
        assert attempt["attempt"] == 1
        emptied(tenant, webhook)
        assert tenant.diverted(webhook) == [] and len(sink.all()) == 1
        stats = tenant.stats(webhook)
        assert (stats["failed"], stats["pending"], stats["diverted"]) == (1, 0, 0)


def test_a_failure_that_no_trigger_matches_ends_the_delivery(tenant, receiver, emptied):
    sink, alerts = receiver(Answer(503), Answer(404)), receiver()
    handling = policy(
        triggers=["503"],
        retries=5,
        divert=True,
        suspend=True,
        alertEndpoint={"url": alerts.url()},
    )
    webhook = tenant.create(sink.url(), failureHandling=handling)
    tenant.publish()
    until_outcomes(tenant, webhook, "retrying")
    tenant.update(webhook, failureHandling={"retryStrategy": {"interval": 1}})
    tenant.publish()
    until_attempts(tenant, webhook, 2)
    outcomes = {a["statusCode"]: a["outcome"] for a in tenant.attempts(webhook)}
    assert outcomes == {503: "retrying", 404: "failed"}
    assert tenant.diverted(webhook) == [] and alerts.connections == 0
    assert not tenant.fetch(webhook)["suspended"]


# --- delays


def test_ten_retries_linear_and_exponential(tenant, receiver, redis):
    expected = {
        "linear": [100 * n for n in range(1, 11)],
        "exponential": [100 * 2**n for n in range(10)],
    }
    sinks = {type: receiver(default=Answer(500)) for type in expected}
    hooks = {
        type: tenant.create(
            sinks[type].url(), failureHandling=policy(retries=10, type=type)
        )
        for type in expected
    }
    event = tenant.publish(data={"spelt": 1})
    for n in range(10):
        for type, webhook in hooks.items():
            attempt = until_attempts(tenant, webhook, n + 1)[0]
            assert (attempt["outcome"], attempt["attempt"]) == ("retrying", n + 1)
            assert_delay(attempt, expected[type][n])
            queue = Keys(tenant).queue(webhook["locator"])
            assert redis.zscore(queue, event["locator"]) == parse_ms(attempt["nextAttemptAt"])
        for webhook in hooks.values():
            hurry(redis, tenant, webhook)
    for type, webhook in hooks.items():
        last = until_attempts(tenant, webhook, 11)[0]
        assert (last["outcome"], last["attempt"], last["nextAttemptAt"]) == ("failed", 11, None)
        requests = sinks[type].all()
        assert [r.header("webhook-attempt") for r in requests] == [str(n) for n in range(1, 12)]
        assert {r.header("webhook-id") for r in requests} == {event["locator"]}
        assert {r.body for r in requests} == {requests[0].body}
    stats = [tenant.stats(webhook) for webhook in hooks.values()]
    assert [(s["failed"], s["pending"]) for s in stats] == [(1, 0), (1, 0)]


def test_the_defaults_of_a_strategy_are_three_retries_exponential_from_10_s(
    tenant, receiver, redis
):
    sink = receiver(default=Answer(500))
    webhook = tenant.create(sink.url(), failureHandling={"retryStrategy": {}})
    strategy = {"attempts": 3, "interval": 10, "type": "exponential"}
    assert webhook["failureHandling"]["retryStrategy"] == strategy
    tenant.publish()
    for n, delay in enumerate((10, 20, 40)):
        assert_delay(until_attempts(tenant, webhook, n + 1)[0], delay)
        hurry(redis, tenant, webhook)
    until_outcomes(tenant, webhook, "retrying", "retrying", "retrying", "failed")


def test_no_delay_is_over_24_hours_and_a_tenth(tenant, receiver):
    sink = receiver(default=Answer(500))
    webhook = tenant.create(sink.url(), failureHandling=policy(retries=1, interval=86400))
    tenant.publish()
    assert_delay(until_attempts(tenant, webhook, 1)[0], 86400)


def test_the_jitter_spreads_retries(tenant, receiver):
    sink = receiver(default=Answer(500))
    webhook = tenant.create(sink.url(), failureHandling=policy(retries=1, interval=86400))
    tenant.publish_many(30)
    delays = [delay_ms(a) for a in until_attempts(tenant, webhook, 30)]
    assert len(set(delays)) > 20 and max(delays) - min(delays) > 86400 * 1000 * 0.03


def test_retries_come_by_themselves_newly_stamped_and_signed(tenant, receiver):
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    # on a kept connection, closing would only show that it was stale
    sink = receiver(Answer(500, close=True), Close())
    webhook = tenant.create(
        sink.url(),
        endpoint_hmacEnabled=True,
        endpoint_secret=secret,
        failureHandling=policy(retries=2, interval=1),
    )
    event = tenant.publish(data={"text": "é 1e400", "n": 1.50})
    requests = sink.wait_for(3, 20)
    assert [r.header("webhook-attempt") for r in requests] == ["1", "2", "3"]
    assert {r.header("webhook-id") for r in requests} == {event["locator"]}
    assert len({r.body for r in requests}) == 1
    stamps = [int(r.header("webhook-timestamp")) for r in requests]
    assert stamps[1] >= stamps[0] + 1 and stamps[2] >= stamps[1] + 2
    for request in requests:
        assert request.header("webhook-signature") == signature(secret, request)
        assert abs(int(request.header("webhook-timestamp")) - request.time) < 5
    assert requests[1].time - requests[0].time >= 0.95
    assert requests[2].time - requests[1].time >= 1.95
    first, second, third = until_outcomes(tenant, webhook, "retrying", "retrying", "delivered")
    assert (first["statusCode"], second["statusCode"], third["statusCode"]) == (500, None, 200)
    assert third["attempt"] == 3 and third["nextAttemptAt"] is None
    assert third["failureTrigger"] is None and third["failureMessage"] is None


def test_retry_after_counts_on_429_and_503_only(tenant, receiver):
    date = email.utils.formatdate(time.time() + 300, usegmt=True)
    past = email.utils.formatdate(time.time() - 300, usegmt=True)
    rows = [
        (429, "100", 100, 100),
        (503, "100", 100, 100),
        (503, date, 290, 300),
        (429, date, 290, 300),
        (503, past, 10, 10),
        (503, "5", 10, 10),
        (503, "0", 10, 10),
        (503, "7200", 3600, 3600),
        (429, "99999999999999999999", 3600, 3600),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", 3600, 3600),
        (503, "soon", 10, 10),
        (503, "-100", 10, 10),
        (500, "100", 10, 10),
        (404, "100", 10, 10),
        (302, "100", 10, 10),
    ]
    hooks = []
    for status, value, _, _ in rows:
        sink = receiver(default=Answer(status, headers=(("Retry-After", value),)))
        hooks.append(tenant.create(sink.url(), failureHandling=policy(retries=1, interval=10)))
    tenant.publish()
    for row, webhook in zip(rows, hooks):
        (attempt,) = until_outcomes(tenant, webhook, "retrying")
        slack = attempt["durationMs"] + 500
        assert 1000 * row[2] <= delay_ms(attempt) <= 1100 * row[3] + slack, (row, attempt)


# --- the webhook as it is at each failure


def test_the_policy_in_force_at_each_failure_counts(tenant, receiver, redis):
    sink = receiver(default=Answer(500))
    webhook = tenant.create(sink.url(), failureHandling=policy(retries=9))
    event = tenant.publish()
    assert_delay(until_attempts(tenant, webhook, 1)[0], 100)
    tenant.update(
        webhook,
        failureHandling={"retryStrategy": {"interval": 50, "type": "exponential"}},
    )
    hurry(redis, tenant, webhook)
    assert_delay(until_attempts(tenant, webhook, 2)[0], 100)  # 50 * 2^1
    tenant.update(webhook, failureHandling={"removeRetryStrategy": True, "divert": True})
    hurry(redis, tenant, webhook)
    until_outcomes(tenant, webhook, "retrying", "retrying", "diverted")
    (kept,) = tenant.diverted(webhook)
    assert (kept["eventLocator"], kept["attempts"]) == (event["locator"], 3)


def test_a_policy_that_changes_while_the_attempt_runs_counts(tenant, receiver, event):
    release = event()
    sink = receiver(Answer(500, after=release), default=Answer(500))
    webhook = tenant.create(sink.url())
    tenant.publish()
    sink.wait_for(1)
    tenant.update(webhook, failureHandling=policy(retries=1, interval=1))
    release.set()
    until_outcomes(tenant, webhook, "retrying", "failed")


def test_a_changed_url_and_secret_hold_from_the_next_attempt(tenant, receiver, redis):
    old, new = receiver(default=Answer(500)), receiver()
    webhook = tenant.create(
        old.url(),
        endpoint_hmacEnabled=True,
        endpoint_secret="the first secret",
        failureHandling=policy(retries=1),
    )
    event = tenant.publish()
    until_outcomes(tenant, webhook, "retrying")
    tenant.update(
        webhook,
        endpoint={
            "url": new.url(),
            "secret": "the second secret",
            "secretOverlapSeconds": 0,
            "addHeaders": {"X-New": ["yes"]},
        },
    )
    hurry(redis, tenant, webhook)
    (request,) = new.wait_for(1)
    assert request.header("webhook-signature") == signature("the second secret", request)
    assert request.header("webhook-id") == event["locator"]
    assert (request.header("x-new"), request.header("webhook-attempt")) == ("yes", "2")
    assert len(old.all()) == 1


def test_events_that_no_longer_match_are_still_owed(tenant, receiver, redis):
    sink = receiver(Answer(500))
    webhook = tenant.create(sink.url(), eventTypes=["a"], failureHandling=policy(retries=1))
    tenant.publish("a")
    until_outcomes(tenant, webhook, "retrying")
    tenant.update(webhook, removeEventTypes=["a"])
    hurry(redis, tenant, webhook)
    until_outcomes(tenant, webhook, "retrying", "delivered")


@pytest.mark.parametrize("divert", [True, False], ids=["divert", "drop"])
def test_disabling_ends_the_retries(tenant, receiver, emptied, divert):
    sink = receiver(default=Answer(500))
    handling = policy(retries=5, interval=1, divert=divert)
    webhook = tenant.create(sink.url(), failureHandling=handling)
    event = tenant.publish()
    until_outcomes(tenant, webhook, "retrying")
    tenant.update(webhook, enabled=False)
    emptied(tenant, webhook)
    assert len(sink.all()) == 1
    kept = tenant.diverted(webhook)
    if divert:
        assert [d["eventLocator"] for d in kept] == [event["locator"]]
        assert (kept[0]["failureTrigger"], kept[0]["attempts"]) == ("disabled", 1)
    else:
        assert kept == [] and tenant.stats(webhook)["dropped"] == 1


def test_deleting_ends_the_retries(tenant, receiver, redis):
    sink = receiver(default=Answer(500))
    webhook = tenant.create(sink.url(), failureHandling=policy(retries=5, interval=1))
    tenant.publish()
    until_outcomes(tenant, webhook, "retrying")
    tenant.delete(webhook)
    assert no_trace(redis, webhook)
    witness = receiver(Answer(500))
    other = tenant.create(witness.url(), failureHandling=policy(retries=1, interval=2))
    tenant.publish()
    until_outcomes(tenant, other, "retrying", "delivered")
    assert len(sink.all()) == 1 and no_trace(redis, webhook)


def test_deleting_while_the_attempt_runs_leaves_nothing(tenant, receiver, event, redis, server):
    release = event()
    sink, alerts = receiver(default=Answer(500, after=release)), receiver()
    webhook = tenant.create(
        sink.url(),
        failureHandling=policy(
            retries=5, interval=1, divert=True, alertEndpoint={"url": alerts.url()}
        ),
    )
    tenant.publish()
    sink.wait_for(1)
    tenant.delete(webhook)
    answered = server.log_size()
    release.set()
    until(lambda: sink.busy == 0, "it is answered")
    other = tenant.create(receiver(default=Answer(500)).url(), failureHandling=policy(divert=True))
    tenant.publish()
    until_diverted(tenant, other, 1)
    assert no_trace(redis, webhook), server.tail(answered)
    assert alerts.connections == 0


# --- nothing is lost


def test_trimming_the_stream_loses_nothing_after_the_first_failure(tenant, receiver, redis):
    sink = receiver(Answer(500), Answer(500))
    webhook = tenant.create(sink.url(), failureHandling=policy(retries=2))
    data = b'{"type":"a","data":{"n":1.50,"big":1e400,"s":"\\u00e9"}}'
    tenant.try_publish(data)
    until_outcomes(tenant, webhook, "retrying")
    trim(redis, tenant)
    assert tenant.all_events() == []
    for n in (2, 3):
        hurry(redis, tenant, webhook)
        until_attempts(tenant, webhook, n)
    first, second, third = sink.all()
    assert first.body == second.body == third.body
    assert b'{"n":1.50,"big":1e400,"s":"\\u00e9"}' in third.body
    assert redis.exists(Keys(tenant).retries(webhook["locator"])) == 0


@pytest.fixture
def pair(new_redis, new_evhookd):
    """Two instances with short leases on one Redis, and a tenant on each."""
    redis = new_redis()
    options = {"redis": redis, "lease": "3s", "delivery_timeout": "2s"}
    first, second = new_evhookd(**options), new_evhookd(**options)
    tenant = Tenant(first.client())
    return first, tenant, tenant.on(second.client()), redis.client


def test_another_instance_takes_the_retries_over(pair, receiver):
    first, on_a, on_b, redis = pair
    sink = receiver(*[Answer(500)] * 5)
    webhook = on_a.create(sink.url(), failureHandling=policy(retries=3, interval=1))
    locators = on_a.publish_many(5)
    until_attempts(on_b, webhook, 5)
    first.kill()
    requests = sink.wait_for(10, 20)
    assert sorted(r.header("webhook-id") for r in requests[5:]) == locators
    assert {r.header("webhook-attempt") for r in requests[5:]} == {"2"}
    until_empty(redis, on_b, webhook)
    assert on_b.stats(webhook)["delivered"] == 5


def test_the_death_of_an_owner_delays_a_retry_by_a_lease(pair, receiver, event):
    """The first is killed with the second attempt on the wire."""
    first, on_a, on_b, redis = pair
    release = event()
    sink = receiver(Answer(500), Answer(after=release))
    webhook = on_a.create(sink.url(), failureHandling=policy(retries=3, interval=1))
    on_a.publish()
    sink.wait_for(2)
    first.kill()
    on_b_requests = sink.wait_for(3, 20)
    assert {r.body for r in on_b_requests} == {on_b_requests[0].body}
    until_empty(redis, on_b, webhook)
    assert on_b.attempts(webhook)[0]["outcome"] == "delivered"
