"""Pages of lists end by their bytes too: nobody gets more at once than can be kept for many."""

import json

import pytest

from api import Keys, expect
from receivers import Answer

PAGE = 1024 * 1024


def fat(n):
    """A webhook of about 24 KB."""
    return {
        "name": f"{n:04d}",
        "eventTypes": [f"{i:02d}.{'x' * 120}" for i in range(100)],
        "endpoint_headers": {"X-Long": ["y" * 8000]},
    }


@pytest.fixture
def webhooks(tenant):
    for n in range(60):
        tenant.create(**fat(n))
    return tenant


def test_a_page_of_webhooks_ends_by_bytes(webhooks):
    names, pages, offset = [], 0, 0
    while True:
        answer = expect(webhooks.try_list(count=1000, offset=offset), 200)
        page = answer.json()
        size = len(json.dumps(page["items"][0], separators=(",", ":")))
        assert len(answer.body) <= PAGE + size + 100
        names += [item["name"] for item in page["items"]]
        offset += len(page["items"])
        pages += 1
        if page["listCompleted"]:
            break
        assert len(answer.body) >= PAGE
    assert pages >= 2
    assert names == [f"{n:04d}" for n in range(60)]


def test_evhookctl_goes_on_behind_a_short_page(webhooks, ctl):
    listed = ctl.json("webhooks", "list")
    assert [item["name"] for item in listed] == [f"{n:04d}" for n in range(60)]


def test_a_page_of_events_ends_by_bytes(tenant):
    for n in range(5):
        body = [{"type": "a", "data": {"n": n, "x": "x" * 90000}} for _ in range(10)]
        expect(tenant.try_publish(body), 201)
    query, events, pages = {"pageSize": 1000}, 0, 0
    while True:
        answer = expect(tenant.try_events(**query), 200)
        assert len(answer.body) <= PAGE + 100000
        page = answer.json()
        events += len(page["events"])
        pages += 1
        if not page["more"]:
            break
        assert len(answer.body) >= PAGE
        query = {"pagingToken": page["pagingToken"]}
    assert (events, pages >= 4) == (50, True)


def test_one_large_event_is_a_page(tenant):
    event = tenant.publish(data={"x": "x" * (PAGE - 100)})
    assert [e["locator"] for e in tenant.events()["events"]] == [event["locator"]]
    assert [e["locator"] for e in tenant.by_request(event["requestId"])] == [event["locator"]]


def test_a_whole_request_is_never_cut(tenant):
    body = [{"type": "a", "data": {"x": "x" * 1000}}] * 1000
    stored = expect(tenant.try_publish(body), 201).json()
    assert len(tenant.by_request(stored[0]["requestId"])) == 1000


def test_a_page_of_attempts_ends_by_bytes(tenant, redis, receiver, emptied):
    """An answer of control characters is six times as long in JSON."""
    webhook = tenant.create(receiver(Answer(200, body=b"\x01" * 1000)).url())
    tenant.publish()
    emptied(tenant, webhook)
    key = Keys(tenant).attempts(webhook["locator"])
    (record,) = redis.lrange(key, 0, -1)
    redis.rpush(key, *[record] * 499)
    offset = pages = 0
    while True:
        path = tenant.webhook_path(webhook, "attempts")
        answer = expect(tenant.client.get(path, count=1000, offset=offset), 200)
        assert len(answer.body) <= PAGE + 10000
        page = answer.json()
        offset += len(page["items"])
        pages += 1
        if page["listCompleted"]:
            break
    assert (offset, pages) == (500, 3)
