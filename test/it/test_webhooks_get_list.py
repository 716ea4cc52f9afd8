"""Contract section 2: fetching, listing, deleting and unsuspending webhooks."""

import uuid

import pytest

from api import UNKNOWN, Tenant, expect, problem


@pytest.fixture
def other(client):
    """Another tenant on the same connection."""
    return Tenant(client)


# --- fetch


def test_fetch_gives_what_create_gave_with_its_etag(tenant):
    webhook = tenant.create(eventTypes=["a.b"])
    response = expect(tenant.try_fetch(webhook), 200)
    assert response.json() == webhook
    assert response.header("etag") == f'"{webhook["version"]}"'


def test_an_unknown_webhook_and_one_of_another_tenant_are_404_without_difference(tenant, other):
    webhook = tenant.create()
    headers = {"X-Request-Id": "same"}
    answers = []
    for locator in (webhook["locator"], UNKNOWN):
        path = other.webhook_path(locator)
        for method, target, body in (
            ("GET", path, None),
            ("PATCH", path, {"name": "mine now"}),
            ("PATCH", path + "/unsuspend", None),
            ("DELETE", path, None),
        ):
            response = other.client.request(method, target, body, headers)
            document = problem(response, 404)
            answers.append(repr(document).replace(locator, "…"))
    assert answers[:4] == answers[4:]
    assert tenant.fetch(webhook) == webhook
    assert other.list()["items"] == []


# --- delete


def test_delete_answers_204_and_404_the_second_time(tenant):
    webhook, kept = tenant.create(), tenant.create()
    response = expect(tenant.try_delete(webhook), 204)
    assert response.body == b""
    problem(tenant.try_delete(webhook), 404)
    problem(tenant.try_fetch(webhook), 404)
    problem(tenant.try_update(webhook, {"name": "x"}), 404)
    assert tenant.list()["items"] == [kept]


# --- unsuspend


def test_unsuspend_answers_204_also_when_it_was_not_suspended(tenant):
    webhook = tenant.create()
    response = expect(tenant.client.patch(tenant.webhook_path(webhook, "unsuspend")), 204)
    assert response.body == b""
    assert tenant.fetch(webhook) == webhook


def test_unsuspend_of_an_unknown_webhook_is_404(tenant):
    problem(tenant.client.patch(tenant.webhook_path(UNKNOWN, "unsuspend")), 404)


# --- list


def test_list_is_ordered_by_locator_and_complete(tenant):
    webhooks = [tenant.create(name=str(n)) for n in range(5)]
    listed = tenant.list()
    assert listed == {
        "listCompleted": True,
        "items": sorted(webhooks, key=lambda w: w["locator"]),
    }


def test_an_empty_list(tenant):
    assert tenant.list() == {"listCompleted": True, "items": []}


@pytest.mark.parametrize(
    "offset, count, first, size, completed",
    [
        (0, 2, 0, 2, False),
        (2, 2, 2, 2, False),
        (4, 2, 4, 1, True),
        (0, 5, 0, 5, True),
        (3, 2, 3, 2, True),
        (0, 4, 0, 4, False),
        (5, 2, 5, 0, True),
        (1000, 1000, 5, 0, True),
        (1, None, 1, 4, True),
        (None, 1, 0, 1, False),
    ],
)
def test_offset_and_count_page_through_the_list(tenant, offset, count, first, size, completed):
    for n in range(5):
        tenant.create(name=str(n))
    everything = tenant.list()["items"]
    query = {k: v for k, v in (("offset", offset), ("count", count)) if v is not None}
    page = tenant.list(**query)
    assert page["items"] == everything[first : first + size]
    assert page["listCompleted"] is completed


def test_count_is_100_by_default(tenant):
    for n in range(101):
        tenant.create(name=str(n))
    page = tenant.list()
    assert len(page["items"]) == 100 and page["listCompleted"] is False
    assert tenant.list(count=1000)["listCompleted"] is True


def test_deletions_shift_offsets(tenant):
    for n in range(4):
        tenant.create(name=str(n))
    items = tenant.list()["items"]
    tenant.delete(items[0])
    assert tenant.list(offset=1, count=2)["items"] == items[2:4]


def test_the_webhooks_of_other_tenants_are_not_listed(tenant, other):
    webhook = tenant.create()
    other.create()
    assert tenant.list()["items"] == [webhook]


@pytest.fixture
def mixed(tenant):
    """Webhooks of several kinds, listed by their names."""
    for name, enabled, types in (
        ("policies", True, ["policy.*"]),
        ("issued", True, ["policy.issue"]),
        ("everything", False, ["*"]),
        ("nothing", True, []),
        ("claims", False, ["claim.open", "claim.*"]),
    ):
        tenant.create(name=name, enabled=enabled, eventTypes=types)
    return tenant


@pytest.mark.parametrize(
    "query, names",
    [
        ("", "claims everything issued nothing policies"),
        ("name=issued", "issued"),
        ("name=issue", ""),
        ("name=Issued", ""),
        ("enabled=true", "issued nothing policies"),
        ("enabled=false", "claims everything"),
        ("suspended=true", ""),
        ("suspended=false", "claims everything issued nothing policies"),
        ("active=true", "issued nothing policies"),
        ("active=false", "claims everything"),
        ("eventTypes=policy.issue", "everything issued policies"),
        ("eventTypes=policy.issue.done", "everything policies"),
        ("eventTypes=policy", "everything"),
        ("eventTypes=claim.open", "claims everything"),
        ("eventTypes=claim.open&eventTypes=policy.issue", "claims everything issued policies"),
        ("eventTypes=claim.open,policy.issue", "claims everything issued policies"),
        ("eventTypes=claim.open,other&eventTypes=policy.x", "claims everything policies"),
        ("eventTypes=policy.issue&enabled=true", "issued policies"),
        ("eventTypes=policy.issue&enabled=true&name=issued", "issued"),
        ("enabled=true&active=false", ""),
    ],
)
def test_filters_are_anded(mixed, query, names):
    response = expect(mixed.client.get(f"{mixed.webhooks_path}/list?{query}"), 200)
    assert sorted(item["name"] for item in response.json()["items"]) == names.split()


def test_offset_and_count_apply_to_what_the_filters_leave(mixed):
    active = mixed.names(active="true")
    assert len(active) == 3
    pages = [mixed.list(active="true", offset=n, count=1) for n in range(3)]
    assert [page["items"][0]["name"] for page in pages] == active
    assert [page["listCompleted"] for page in pages] == [False, False, True]


def test_extended_adds_stats_to_each_item(tenant):
    webhook = tenant.create()
    assert tenant.list(extended="false")["items"] == [webhook]
    (item,) = tenant.list(extended="true")["items"]
    assert item.pop("stats") == {
        "pending": 0,
        "diverted": 0,
        "delivered": 0,
        "failed": 0,
        "dropped": 0,
        "lastDeliveredAt": None,
        "lastFailedAt": None,
    }
    assert item == webhook


def test_a_tenant_that_was_never_heard_of_has_empty_lists(client):
    stranger = Tenant(client, str(uuid.uuid4()))
    assert stranger.list()["items"] == []
    assert stranger.events()["events"] == []
