"""Contract section 4: the notice that an alertEndpoint gets."""

import pytest

from api import DATETIME, ULID, Keys, Tenant, parse_ms, signature
from failing import hurry, policy, until_attempts, until_diverted, until_outcomes
from harness import until
from receivers import Answer, Close

MINUTE = 60000


@pytest.fixture
def failing(tenant, receiver):
    """A webhook whose receiver answers 500, with an alertEndpoint."""

    def failing(alert=None, *script, default=None, **handling):
        alerts = receiver(*script, default=default)
        sink = receiver(default=Answer(500))
        endpoint = {"url": alerts.url("/alert"), **(alert or {})}
        webhook = tenant.create(
            sink.url(),
            name="Kündigungen",
            endpoint_headers={"X-Own": ["of the webhook"]},
            failureHandling=policy(alertEndpoint=endpoint, **handling),
        )
        return sink, alerts, webhook

    return failing


def a_minute_passes(redis, tenant, webhook):
    """As far as the limit of notices is concerned."""
    state = Keys(tenant).state(webhook["locator"])
    at = int(redis.hget(state, "alertedAt"))
    redis.hset(state, "alertedAt", at - MINUTE - 1)


def fail_once(tenant, webhook, n):
    """Publishes the n-th event and waits for its end."""
    event = tenant.publish()
    until_attempts(tenant, webhook, n, count=1000)
    return event


@pytest.mark.parametrize(
    "divert, suspend", [(False, False), (True, False), (False, True), (True, True)]
)
def test_the_notice(tenant, failing, divert, suspend):
    sink, alerts, webhook = failing(divert=divert, suspend=suspend, retries=1, interval=1)
    event = tenant.publish("policy.issue", {"n": 1})
    (request,) = alerts.wait_for(1)
    last = until_attempts(tenant, webhook, 2)[0]
    notice = request.json()
    assert list(notice) == list(event), "shaped like an EventResponse"
    assert notice["type"] == "webhook.delivery.failed"
    assert ULID.match(notice["locator"]) and notice["locator"] != event["locator"]
    assert notice["userLocator"] is None and DATETIME.match(notice["timestamp"])
    assert ULID.match(notice["requestId"])
    data = notice["data"]
    at = data.pop("failureTimestamp")
    assert DATETIME.match(at) and parse_ms(at) >= parse_ms(last["timestamp"])
    assert data == {
        "webhookLocator": webhook["locator"],
        "webhookName": "Kündigungen",
        "eventLocator": event["locator"],
        "requestLocator": event["requestId"],
        "eventType": "policy.issue",
        "failureTrigger": "500",
        "failureMessage": last["failureMessage"],
        "attempts": 2,
        "diverted": divert,
        "suspended": suspend,
        "suppressed": 0,
    }
    assert (request.method, request.target) == ("POST", "/alert")
    assert request.header("webhook-id") == notice["locator"]
    assert request.header("webhook-event-type") == "webhook.delivery.failed"
    assert request.header("webhook-attempt") == "1"
    assert request.header("content-type") == "application/json"
    assert request.header("webhook-signature") is None and request.header("x-own") is None
    assert notice["locator"] not in tenant.all_events()


def test_the_endpoints_own_headers_secret_and_tag(tenant, failing):
    secret = "the secret of the alerts"
    _, alerts, webhook = failing(
        {
            "hmacEnabled": True,
            "secret": secret,
            "tag": "a1",
            "headers": {"X-Alert": ["one", "two"]},
        }
    )
    tenant.publish()
    (request,) = alerts.wait_for(1)
    assert request.header("webhook-signature") == signature(secret, request)
    assert request.header("webhook-secret-tag") == "a1"
    assert request.values("x-alert") == ["one", "two"] and request.values("x-own") == []


@pytest.mark.parametrize("secure", [True, False], ids=["secure", "insecure"])
def test_the_endpoints_own_tls_setting(tenant, receiver, certs, redis, secure):
    alerts = receiver(tls=certs.server("self-signed"))
    sink = receiver(default=Answer(500))
    webhook = tenant.create(
        sink.url(),
        endpoint_secureSsl=not secure,
        failureHandling=policy(alertEndpoint={"url": alerts.url(), "secureSsl": secure}),
    )
    tenant.publish()
    if secure:
        until(lambda: alerts.tls_errors, "the certificate is refused")
        assert alerts.all() == []
    else:
        alerts.wait_for(1)


def test_a_3xx_is_named_by_its_code_and_no_answer_timeout(tenant, receiver):
    hooks = []
    for behaviour in (Answer(307), Answer(404), Close()):
        alerts = receiver()
        handling = policy(alertEndpoint={"url": alerts.url()})
        tenant.create(receiver(default=behaviour).url(), failureHandling=handling)
        hooks.append(alerts)
    tenant.publish()
    triggers = [a.wait_for(1)[0].json()["data"]["failureTrigger"] for a in hooks]
    assert triggers == ["307", "404", "timeout"]


def test_no_notice_while_retries_are_left_or_after_success(tenant, failing):
    sink, alerts, webhook = failing(retries=1, interval=1)
    sink.script.append(Answer(500))
    sink.default = Answer()
    tenant.publish()
    until_outcomes(tenant, webhook, "retrying", "delivered")
    assert alerts.connections == 0


def test_the_first_at_once_then_one_a_minute(tenant, failing, redis):
    sink, alerts, webhook = failing()
    first = fail_once(tenant, webhook, 1)
    alerts.wait_for(1)
    for n in range(2, 5):
        fail_once(tenant, webhook, n)
    assert redis.hget(Keys(tenant).state(webhook["locator"]), "suppressed") == "3"
    a_minute_passes(redis, tenant, webhook)
    fifth = fail_once(tenant, webhook, 5)
    alerts.wait_for(2)
    fail_once(tenant, webhook, 6)
    a_minute_passes(redis, tenant, webhook)
    seventh = fail_once(tenant, webhook, 7)
    data = [r.json()["data"] for r in alerts.wait_for(3)]
    assert [d["eventLocator"] for d in data] == [e["locator"] for e in (first, fifth, seventh)]
    assert [d["suppressed"] for d in data] == [0, 3, 1]
    a_minute_passes(redis, tenant, webhook)
    fail_once(tenant, webhook, 8)
    assert alerts.wait_for(4)[3].json()["data"]["suppressed"] == 0
    assert len(set(alerts.ids())) == 4


def test_a_burst_makes_one_notice(tenant, failing):
    sink, alerts, webhook = failing(divert=True)
    tenant.publish_many(50)
    until_diverted(tenant, webhook, 50)
    alerts.wait_for(1)
    assert len(alerts.all()) == 1


def test_a_notice_is_retried_three_times_from_10_s(tenant, failing, redis, server):
    sink, alerts, webhook = failing(default=Answer(500), suspend=True)
    queue = Keys(tenant).alerts(webhook["locator"])
    tenant.publish()
    for n, delay in enumerate((10, 20, 40)):
        alerts.wait_for(n + 1)

        def waits():
            scores = redis.zrange(queue, 0, -1, withscores=True)
            return scores and scores[0][1] % 2 == 0 and scores[0][1]

        due = until(waits, "the notice waits for its retry")
        seconds, micro = redis.time()
        left = due - (seconds * 1000 + micro // 1000)
        assert (delay - 5) * 1000 <= left <= delay * 1100 + 500, (delay, left)
        hurry(redis, tenant, webhook, alerts=True)  # though the webhook is suspended
    requests = alerts.wait_for(4)
    until(lambda: redis.zcard(queue) == 0, "it is given up")
    assert [r.header("webhook-attempt") for r in requests] == ["1", "2", "3", "4"]
    assert len({r.body for r in requests}) == len(set(alerts.ids())) == 1
    # its own failure is only logged
    assert server.log_lines(webhook["locator"], "alert")
    until_outcomes(tenant, webhook, "failed")
    assert tenant.stats(webhook)["failed"] == 1 and tenant.diverted(webhook) == []
    assert not redis.exists(f"{Keys(tenant).prefix}rt:{webhook['locator']}:alert")


def test_a_change_of_the_alert_endpoint_holds_from_the_next_try(
    tenant, receiver, failing, redis
):
    sink, old, webhook = failing({"hmacEnabled": True, "secret": "the first secret"}, Answer(500))
    new = receiver()
    tenant.publish()
    old.wait_for(1)
    tenant.update(
        webhook,
        failureHandling={"alertEndpoint": {"url": new.url(), "secret": "the second secret"}},
    )
    queue = Keys(tenant).alerts(webhook["locator"])
    until(lambda: redis.zrange(queue, 0, -1, withscores=True)[0][1] % 2 == 0, "it waits")
    hurry(redis, tenant, webhook, alerts=True)
    (request,) = new.wait_for(1)
    assert request.header("webhook-signature") == signature("the second secret", request)


def test_removing_the_alert_endpoint_drops_its_notices(tenant, failing, redis):
    sink, alerts, webhook = failing(default=Answer(500))
    tenant.publish()
    alerts.wait_for(1)
    queue = Keys(tenant).alerts(webhook["locator"])
    until(lambda: redis.zrange(queue, 0, -1, withscores=True)[0][1] % 2 == 0, "it waits")
    tenant.update(webhook, failureHandling={"removeAlertEndpoint": True})
    hurry(redis, tenant, webhook, alerts=True)
    until(lambda: redis.zcard(queue) == 0, "nothing is owed to it")
    assert len(alerts.all()) == 1


def test_an_overflow_alerts(alone, receiver, event):
    release = event()
    server = alone(max_pending=2)
    tenant = Tenant(server.client())
    alerts, sink = receiver(), receiver(default=Answer(after=release))
    webhook = tenant.create(
        sink.url(), failureHandling=policy(divert=True, alertEndpoint={"url": alerts.url()})
    )
    tenant.publish_many(2)
    newest = tenant.publish("too.many")
    (request,) = alerts.wait_for(1)
    data = request.json()["data"]
    assert (data["failureTrigger"], data["eventLocator"]) == ("overflow", newest["locator"])
    assert (data["eventType"], data["requestLocator"]) == ("too.many", newest["requestId"])
    assert (data["attempts"], data["diverted"], data["suspended"]) == (0, True, False)
    assert not tenant.fetch(webhook)["suspended"]
    release.set()
