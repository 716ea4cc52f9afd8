"""Contract section 6: the list of attempts, the stats, and test events."""

import pytest

from api import DATETIME, ULID, UNKNOWN, Keys, Tenant, expect, parse_ms, problem, signature
from failing import policy, until_attempts, until_diverted, until_outcomes
from harness import until
from receivers import Answer, Bytes, Close

MEMBERS = {
    "eventLocator",
    "eventType",
    "attempt",
    "timestamp",
    "outcome",
    "statusCode",
    "durationMs",
    "failureTrigger",
    "failureMessage",
    "response",
    "nextAttemptAt",
}


def listed(tenant, webhook, **query):
    return expect(tenant.client.get(tenant.webhook_path(webhook, "attempts"), **query), 200).json()


# --- what is recorded


def test_the_record_of_each_outcome(tenant, receiver):
    sink = receiver(
        Answer(201, body=b"thanks"),
        Answer(503, body=b"later"),
        Answer(404, body=b"no"),
    )
    webhook = tenant.create(
        sink.url(), failureHandling=policy(triggers=["503"], retries=1, interval=5)
    )
    events = []
    for n, type in enumerate(("one", "two", "three")):
        events.append(tenant.publish(type))
        until_attempts(tenant, webhook, n + 1)
    before = parse_ms(webhook["createdAt"])
    delivered, retrying, failed = until_outcomes(
        tenant, webhook, "delivered", "retrying", "failed"
    )
    for record, event in zip((delivered, retrying, failed), events):
        assert set(record) == MEMBERS
        assert (record["eventLocator"], record["eventType"]) == (event["locator"], event["type"])
        assert record["attempt"] == 1 and DATETIME.match(record["timestamp"])
        assert before <= parse_ms(record["timestamp"]) < before + 60000
        assert isinstance(record["durationMs"], int) and 0 <= record["durationMs"] < 30000
    statuses = [r["statusCode"] for r in (delivered, retrying, failed)]
    assert statuses == [201, 503, 404]
    assert (delivered["failureTrigger"], delivered["failureMessage"]) == (None, None)
    assert delivered["nextAttemptAt"] is failed["nextAttemptAt"] is None
    assert DATETIME.match(retrying["nextAttemptAt"])
    assert (retrying["failureTrigger"], failed["failureTrigger"]) == ("503", "404")
    assert retrying["failureMessage"] and failed["failureMessage"]
    assert (retrying["response"], failed["response"]) == ("later", "no")


def test_diverted_and_dropped(tenant, receiver, event):
    release = event()
    diverting, dropping = receiver(Answer(500)), receiver(Answer(500, after=release))
    first = tenant.create(diverting.url(), failureHandling=policy(divert=True))
    second = tenant.create(dropping.url())
    tenant.publish()
    until_outcomes(tenant, first, "diverted")
    dropping.wait_for(1)
    tenant.update(second, enabled=False)
    release.set()
    (record,) = until_outcomes(tenant, second, "dropped")
    assert (record["failureTrigger"], record["statusCode"]) == ("disabled", 500)


def test_the_first_kib_of_the_answer(tenant, receiver):
    bodies = {
        "all": b"x" * 1024,
        "cut": b"x" * 1000 + b"y" * 5000,
        "empty": b"",
        "binary": bytes(range(256)),
        "quotes": b'{"a":"\\u0000 \\""}\r\n\t',
        "text": "é😀".encode(),
        "split": b"x" * 1023 + "é".encode() + b"z" * 100,
    }
    hooks = {
        name: tenant.create(receiver(default=Answer(400, body=body)).url())
        for name, body in bodies.items()
    }
    tenant.publish()
    found = {
        name: until_attempts(tenant, webhook, 1)[0]["response"] for name, webhook in hooks.items()
    }
    assert found["all"] == "x" * 1024
    assert found["cut"] == "x" * 1000 + "y" * 24
    assert found["empty"] in (None, "")
    assert found["quotes"] == bodies["quotes"].decode()
    assert found["text"] == "é😀"
    assert found["split"].startswith("x" * 1023) and len(found["split"]) <= 1024
    # what is not UTF-8, and NUL, is replaced
    assert found["binary"][1:128] == "".join(map(chr, range(1, 128)))


def test_the_answer_of_a_delivery_that_worked_or_broke_off(tenant, receiver):
    sink = receiver(Bytes(b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf of it"), Close())
    webhook = tenant.create(sink.url())
    for n in range(2):
        tenant.publish()
        until_attempts(tenant, webhook, n + 1)
    half, nothing = until_outcomes(tenant, webhook, "failed", "failed")
    assert (half["statusCode"], half["response"]) == (500, "half of it")
    assert (nothing["statusCode"], nothing["response"]) == (None, None)


# --- the list


def test_newest_first_paging_and_filters(tenant, receiver):
    sink = receiver(Answer(), Answer(500), Answer(), Answer(404))
    webhook = tenant.create(sink.url(), failureHandling=policy(triggers=["5xx"], divert=True))
    events = []
    for n in range(4):
        events.append(tenant.publish()["locator"])
        until_attempts(tenant, webhook, n + 1)
    records = listed(tenant, webhook)
    assert records["listCompleted"] is True
    assert [r["eventLocator"] for r in records["items"]] == events[::-1]
    assert [r["outcome"] for r in records["items"]] == [
        "failed",
        "delivered",
        "diverted",
        "delivered",
    ]
    page = listed(tenant, webhook, offset=1, count=2)
    assert page == {"listCompleted": False, "items": records["items"][1:3]}
    page = listed(tenant, webhook, offset=2, count=2)
    assert page == {"listCompleted": True, "items": records["items"][2:]}
    assert listed(tenant, webhook, offset=9) == {"listCompleted": True, "items": []}
    for outcome, expected in {
        "delivered": [events[2], events[0]],
        "failed": [events[3]],
        "diverted": [events[1]],
        "dropped": [],
        "retrying": [],
    }.items():
        found = tenant.attempts(webhook, outcome=outcome)
        assert [r["eventLocator"] for r in found] == expected
    page = listed(tenant, webhook, outcome="delivered", offset=1, count=1)
    assert [r["eventLocator"] for r in page["items"]] == [events[0]]
    found = tenant.attempts(webhook, eventLocator=events[2].lower())
    assert [r["eventLocator"] for r in found] == [events[2]]
    assert tenant.attempts(webhook, eventLocator=events[2], outcome="failed") == []
    assert tenant.attempts(webhook, eventLocator=UNKNOWN) == []


def test_what_is_refused(tenant):
    webhook = tenant.create()
    path = tenant.webhook_path(webhook, "attempts")
    for query in (
        {"count": 1001},
        {"count": "x"},
        {"offset": -1},
        {"outcome": "fine"},
        {"eventLocator": "x"},
    ):
        problem(tenant.client.get(path, **query), 400)
    problem(tenant.client.get(tenant.webhook_path(UNKNOWN, "attempts")), 404)
    other = Tenant(tenant.client)
    problem(tenant.client.get(other.webhook_path(webhook, "attempts")), 404)
    assert listed(tenant, webhook) == {"listCompleted": True, "items": []}


def test_the_attempts_of_one_event(tenant, receiver):
    sink = receiver(Answer(500))
    webhook = tenant.create(sink.url(), failureHandling=policy(retries=1, interval=1))
    event = tenant.publish()
    tenant.publish()
    until_attempts(tenant, webhook, 3)
    records = tenant.attempts(webhook, eventLocator=sink.ids()[0])
    assert [(r["attempt"], r["outcome"]) for r in records] == [(2, "delivered"), (1, "retrying")]
    assert event["locator"] in sink.ids()


def test_only_the_newest_stay(alone, receiver):
    server = alone(attempts_kept=50)
    tenant = Tenant(server.client())
    sink = receiver()
    webhook = tenant.create(sink.url())
    locators = []
    for _ in range(5):
        locators += tenant.publish_many(100)
        sink.wait_for_events(locators)
    until(lambda: tenant.stats(webhook)["delivered"] == 500, "all are counted")
    assert len(tenant.attempts(webhook, count=1000)) == 50
    assert server.redis.client.llen(Keys(tenant).attempts(webhook["locator"])) == 50


def test_the_stats_of_the_extended_list(tenant, receiver, event, emptied):
    release = event()
    sink = receiver(Answer(), Answer(), Answer(500), Answer(404), Answer(503))
    webhook = tenant.create(
        sink.url(), failureHandling=policy(triggers=["500"], divert=True, suspend=False)
    )
    assert tenant.stats(webhook) == {
        "pending": 0,
        "diverted": 0,
        "delivered": 0,
        "failed": 0,
        "dropped": 0,
        "lastDeliveredAt": None,
        "lastFailedAt": None,
    }
    for n in range(5):
        tenant.publish()
        until_attempts(tenant, webhook, n + 1)
    stats = tenant.stats(webhook)
    delivered, failed = stats.pop("lastDeliveredAt"), stats.pop("lastFailedAt")
    assert stats == {"pending": 0, "diverted": 1, "delivered": 2, "failed": 2, "dropped": 0}
    assert parse_ms(webhook["createdAt"]) <= parse_ms(delivered) <= parse_ms(failed)
    sink.default = Answer(after=release)
    tenant.publish()
    sink.wait_for(6)
    assert tenant.stats(webhook)["pending"] == 1
    release.set()
    emptied(tenant, webhook)
    assert tenant.stats(webhook)["delivered"] == 3
    assert "stats" not in tenant.list()["items"][0]


# --- test events


def test_a_test_event_goes_to_that_webhook_alone(tenant, receiver):
    sink, other = receiver(), receiver()
    secret = "sixteen bytes ok"
    webhook = tenant.create(
        sink.url(), eventTypes=[], endpoint_hmacEnabled=True, endpoint_secret=secret
    )
    tenant.create(other.url())
    event = expect(tenant.try_test(webhook), 201).json()
    assert set(event) >= {"locator", "type", "timestamp", "data", "requestId", "userLocator"}
    assert event["type"] == "webhook.test" and ULID.match(event["locator"])
    (request,) = sink.wait_for(1)
    assert request.json() == event
    assert request.header("webhook-id") == event["locator"]
    assert request.header("webhook-event-type") == "webhook.test"
    assert request.header("webhook-attempt") == "1"
    assert request.header("webhook-signature") == signature(secret, request)
    (record,) = until_outcomes(tenant, webhook, "delivered")
    assert (record["eventLocator"], record["eventType"]) == (event["locator"], "webhook.test")
    assert tenant.all_events() == [] and other.connections == 0
    problem(tenant.client.get(f"{tenant.events_path}/{event['locator']}"), 404)


@pytest.mark.parametrize("behaviour", [Answer(500), Close()], ids=["500", "close"])
def test_a_test_event_that_fails_has_no_consequences(tenant, receiver, behaviour):
    alerts, sink = receiver(), receiver(behaviour)
    webhook = tenant.create(
        sink.url(),
        failureHandling=policy(
            retries=3, interval=1, divert=True, suspend=True, alertEndpoint={"url": alerts.url()}
        ),
    )
    expect(tenant.try_test(webhook), 201)
    (record,) = until_outcomes(tenant, webhook, "failed")
    assert record["nextAttemptAt"] is None and record["failureMessage"]
    assert tenant.diverted(webhook) == []
    assert tenant.fetch(webhook) == webhook
    stats = tenant.stats(webhook)
    assert (stats["pending"], stats["diverted"]) == (0, 0)
    # a real failure with a retry after 1 s shows that nothing more came of the first
    sink.script.append(Answer(500))
    event = tenant.publish()
    until_attempts(tenant, webhook, 3)
    assert sink.ids()[1:] == [event["locator"]] * 2 and alerts.connections == 0


def test_a_test_event_that_cannot_begin_is_recorded(alone, receiver, event):
    """The only place is taken until long after the test event is out of date."""
    hold = event()
    busy, sink = receiver(default=Answer(after=hold)), receiver()
    evhookd = alone(delivery_concurrency=1, delivery_timeout="2s", lease="3s")
    tenant = Tenant(evhookd.client())
    tenant.create(busy.url(), eventTypes=["busy"])
    webhook = tenant.create(sink.url(), eventTypes=[])
    tenant.publish("busy")
    busy.wait_for(1)
    locators = [expect(tenant.try_test(webhook), 201).json()["locator"] for _ in range(4)]
    records = until_attempts(tenant, webhook, 4)
    assert {r["eventLocator"] for r in records} == set(locators)
    for record in records:
        assert record["outcome"] == "failed" and record["failureTrigger"] == "timeout", record
        assert record["failureMessage"] == "there was no room for it in time"
    assert sink.connections == 0


def test_four_test_events_of_a_webhook_may_be_under_way(tenant, receiver, event):
    hold = event()
    webhook = tenant.create(receiver(default=Answer(after=hold)).url())
    for _ in range(4):
        expect(tenant.try_test(webhook), 201)
    answer = tenant.try_test(webhook)
    assert "4 test events" in problem(answer, 429)["detail"] and answer.header("retry-after") == "1"
    expect(tenant.try_test(tenant.create(receiver().url())), 201)
    hold.set()
    until_outcomes(tenant, webhook, *["delivered"] * 4)
    until(lambda: tenant.try_test(webhook).status == 201, "there is room again")


def test_testing_needs_an_active_webhook(tenant, receiver):
    sink = receiver(Answer(500))
    webhook = tenant.create(sink.url(), failureHandling=policy(suspend=True, divert=True))
    tenant.publish()
    until_diverted(tenant, webhook, 1)
    problem(tenant.try_test(webhook), 409)
    tenant.unsuspend(webhook)
    tenant.update(webhook, enabled=False)
    problem(tenant.try_test(webhook), 409)
    problem(tenant.try_test(UNKNOWN), 404)
    tenant.update(webhook, enabled=True)
    expect(tenant.try_test(webhook), 201)
    sink.wait_for(2)
