"""Contract section 2: creating webhooks; every property, default and rule."""

import pytest

from api import DATETIME, ULID, Tenant, expect, problem, whsec

ENDPOINT_DEFAULTS = {
    "hmacEnabled": False,
    "secret": "",
    "secureSsl": True,
    "tag": "",
    "timeoutSeconds": None,
    "headers": {},
}
FAILURE_DEFAULTS = {
    "triggers": ["4xx", "5xx", "timeout"],
    "retryStrategy": None,
    "alertEndpoint": None,
    "divert": False,
    "suspend": False,
}
URL = "http://example.com/hook"


# --- the answer


def test_create_answers_200_location_and_the_webhook_with_every_default(tenant):
    response = expect(
        tenant.try_create(
            {"name": "n", "enabled": True, "endpoint": {"url": URL}, "eventTypes": ["a.b", "*"]}
        ),
        200,
    )
    webhook = response.json()
    assert ULID.match(webhook.pop("locator"))
    assert DATETIME.match(webhook["createdAt"])
    assert webhook.pop("createdAt") == webhook.pop("updatedAt")
    version = webhook.pop("version")
    assert isinstance(version, int) and response.header("etag") == f'"{version}"'
    assert webhook == {
        "name": "n",
        "enabled": True,
        "endpoint": {"url": URL, **ENDPOINT_DEFAULTS},
        "failureHandling": FAILURE_DEFAULTS,
        "eventTypes": ["a.b", "*"],
        "suspended": False,
        "suspendedAt": None,
        "useAutomationPlugin": False,
    }


def test_location_leads_to_the_webhook(tenant):
    response = expect(tenant.try_create(tenant.body()), 200)
    location = response.header("location")
    assert location.endswith(tenant.webhook_path(response.json()))
    path = location[location.index("/event/") :]
    assert expect(tenant.client.get(path), 200).json() == response.json()


def test_every_property_is_stored_and_returned(tenant):
    body = {
        "name": "Everything ✓",
        "enabled": False,
        "useAutomationPlugin": True,
        "eventTypes": ["policy.*", "claim", "a-b_C.9"],
        "endpoint": {
            "url": "https://example.com:8443/a/b?c=d&e=%20",
            "hmacEnabled": True,
            "secret": whsec(32),
            "tag": "key-1",
            "secureSsl": False,
            "timeoutSeconds": 60,
            "headers": {"X-One": ["1"], "X-Many": ["b", "a", "b"], "Authorization": ["Bearer t ü"]},
        },
        "failureHandling": {
            "triggers": ["timeout", "503", "4xx"],
            "retryStrategy": {"attempts": 10, "interval": 86400, "type": "linear"},
            "alertEndpoint": {
                "url": "https://alerts.example.com/",
                "hmacEnabled": True,
                "secret": "sixteen chars ok",
                "tag": "alert",
                "secureSsl": False,
                "timeoutSeconds": 1,
                "headers": {"X-Alert": ["yes"]},
            },
            "divert": True,
            "suspend": True,
        },
    }
    webhook = expect(tenant.try_create(body), 200).json()
    assert {name: webhook[name] for name in body} == body
    assert tenant.fetch(webhook) == webhook


def test_a_fetched_endpoint_and_failure_handling_can_be_sent_back(tenant):
    first = tenant.create(
        failureHandling={"divert": True, "alertEndpoint": {"url": URL}, "retryStrategy": {}}
    )
    for source in (first, tenant.create(failureHandling={})):
        body = {**tenant.body(), "endpoint": source["endpoint"]}
        body["failureHandling"] = source["failureHandling"]
        copy = expect(tenant.try_create(body), 200).json()
        assert copy["endpoint"] == source["endpoint"]
        assert copy["failureHandling"] == source["failureHandling"]


@pytest.mark.parametrize(
    "sent, stored",
    [
        ({}, {}),
        ({"divert": True}, {"divert": True}),
        ({"suspend": True}, {"suspend": True}),
        ({"triggers": []}, {"triggers": []}),
        ({"triggers": ["400", "599", "400"]}, {"triggers": ["400", "599"]}),
        (
            {"retryStrategy": {}},
            {"retryStrategy": {"attempts": 3, "interval": 10, "type": "exponential"}},
        ),
        (
            {"retryStrategy": {"attempts": 1}},
            {"retryStrategy": {"attempts": 1, "interval": 10, "type": "exponential"}},
        ),
        (
            {"retryStrategy": {"interval": 1, "type": "linear"}},
            {"retryStrategy": {"attempts": 3, "interval": 1, "type": "linear"}},
        ),
        (
            {"alertEndpoint": {"url": URL}},
            {"alertEndpoint": {"url": URL, **ENDPOINT_DEFAULTS}},
        ),
    ],
)
def test_failure_handling_is_optional_in_each_part(tenant, sent, stored):
    webhook = tenant.create(failureHandling=sent)
    assert webhook["failureHandling"] == {**FAILURE_DEFAULTS, **stored}


# --- faults


def test_all_faults_of_the_body_are_listed_not_the_first(tenant):
    body = {
        "name": "",
        "enabled": "yes",
        "eventTypes": ["ok", "not ok", "a..b"],
        "evenTypes": [],
        "endpoint": {"url": "ftp://example.com/", "secret": "short", "secureSsl": 1},
        "failureHandling": {"divert": "x", "retryStrategy": {"attempts": 11, "type": "fast"}},
    }
    tenant.refused(
        body,
        "name",
        "enabled",
        "eventTypes[1]",
        "eventTypes[2]",
        "evenTypes",
        "endpoint.url",
        "endpoint.secret",
        "endpoint.secureSsl",
        "failureHandling.divert",
        "failureHandling.retryStrategy.attempts",
        "failureHandling.retryStrategy.type",
    )


@pytest.mark.parametrize("field", ["name", "enabled", "endpoint", "eventTypes"])
def test_required_properties(tenant, field):
    body = tenant.body()
    del body[field]
    tenant.refused(body, field)


def test_the_endpoint_needs_a_url(tenant):
    tenant.refused({**tenant.body(), "endpoint": {}}, "endpoint.url")


@pytest.mark.parametrize(
    "name, value",
    [
        ("name", 1),
        ("name", ""),
        ("name", "x" * 256),
        ("name", "ü" * 256),
        ("name", ["x"]),
        ("enabled", "true"),
        ("enabled", 1),
        ("endpoint", "http://example.com/"),
        ("endpoint", []),
        ("eventTypes", "a"),
        ("eventTypes", {"a": 1}),
        ("failureHandling", []),
        ("failureHandling", True),
        ("useAutomationPlugin", "no"),
    ],
)
def test_types_and_limits_of_the_webhook(tenant, name, value):
    tenant.refused({**tenant.body(), name: value}, name)


@pytest.mark.parametrize("name", ["x", "x" * 255, "ü" * 255, "😀" * 255, 'a"b\\c/<&>'])
def test_a_name_has_1_to_255_characters(tenant, name):
    assert tenant.fetch(tenant.create(name=name))["name"] == name


@pytest.mark.parametrize(
    "name, value",
    [
        ("url", 1),
        ("url", ""),
        ("hmacEnabled", "true"),
        ("secureSsl", "true"),
        ("secret", 1),
        ("tag", 1),
        ("headers", []),
        ("headers", "X: y"),
    ],
)
def test_types_of_the_endpoint(tenant, name, value):
    body = tenant.body(**{"endpoint_secret": whsec(32), f"endpoint_{name}": value})
    tenant.refused(body, f"endpoint.{name}")


@pytest.mark.parametrize(
    "failure, field",
    [
        ({"triggers": "4xx"}, "triggers"),
        ({"triggers": ["4xx", 503]}, "triggers[1]"),
        ({"triggers": ["399"]}, "triggers[0]"),
        ({"triggers": ["600"]}, "triggers[0]"),
        ({"triggers": ["3xx"]}, "triggers[0]"),
        ({"triggers": ["4XX"]}, "triggers[0]"),
        ({"triggers": ["Timeout"]}, "triggers[0]"),
        ({"triggers": ["overflow"]}, "triggers[0]"),
        ({"triggers": ["0404"]}, "triggers[0]"),
        ({"triggers": [""]}, "triggers[0]"),
        ({"divert": 1}, "divert"),
        ({"suspend": "true"}, "suspend"),
        ({"retryStrategy": []}, "retryStrategy"),
        ({"retryStrategy": {"attempts": 0}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": 11}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": -1}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": 1.5}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": "3"}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": 10**30}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"interval": 0}}, "retryStrategy.interval"),
        ({"retryStrategy": {"interval": 86401}}, "retryStrategy.interval"),
        ({"retryStrategy": {"type": "Linear"}}, "retryStrategy.type"),
        ({"retryStrategy": {"type": 1}}, "retryStrategy.type"),
        ({"alertEndpoint": "http://example.com/"}, "alertEndpoint"),
        ({"alertEndpoint": {}}, "alertEndpoint.url"),
        ({"alertEndpoint": {"url": "ftp://example.com"}}, "alertEndpoint.url"),
        ({"alertEndpoint": {"url": URL, "secret": "short"}}, "alertEndpoint.secret"),
        ({"alertEndpoint": {"url": URL, "tag": "t"}}, "alertEndpoint.tag"),
    ],
)
def test_rules_of_failure_handling(tenant, failure, field):
    tenant.refused({**tenant.body(), "failureHandling": failure}, f"failureHandling.{field}")


# --- eventTypes


@pytest.mark.parametrize(
    "event_type",
    [
        "a",
        "*",
        "a.*",
        "policy.issue.done",
        "A-b_9.*",
        ".".join("x" * 16),
        "x" * 128,
        "-",
        "0",
    ],
)
def test_subscriptions_that_are_taken(tenant, event_type):
    assert tenant.create(eventTypes=[event_type])["eventTypes"] == [event_type]


@pytest.mark.parametrize(
    "event_type",
    [
        "",
        ".",
        ".a",
        "a.",
        "a..b",
        "*.a",
        "a.*.b",
        "a*",
        "**",
        "a.**",
        "*.*",
        "a b",
        "ä",
        "a/b",
        "a\u0000",
        ".*",
        ".".join("x" * 17),
        "x" * 129,
        1,
        None,
        ["a"],
    ],
)
def test_subscriptions_that_are_refused(tenant, event_type):
    tenant.refused({**tenant.body(), "eventTypes": ["ok", event_type]}, "eventTypes[1]")


def test_no_duplicate_event_types_are_kept(tenant):
    webhook = tenant.create(eventTypes=["b", "a", "b", "B", "a.*", "a"])
    assert webhook["eventTypes"] == ["b", "a", "B", "a.*"]


def test_an_empty_array_of_event_types_is_allowed(tenant):
    assert tenant.create(eventTypes=[])["eventTypes"] == []


def test_at_most_100_event_types(tenant):
    types = [f"t{n}" for n in range(101)]
    tenant.refused({**tenant.body(), "eventTypes": types}, "eventTypes")
    assert tenant.create(eventTypes=types[:100])["eventTypes"] == types[:100]


# --- how many


def test_more_webhooks_than_max_webhooks_are_409(alone):
    server = alone(max_webhooks=3)
    tenant = Tenant(server.client())
    webhooks = [tenant.create() for _ in range(3)]
    problem(tenant.try_create(tenant.body()), 409)
    assert len(tenant.list()["items"]) == 3
    Tenant(tenant.client).create()
    tenant.delete(webhooks[1])
    tenant.create()
    problem(tenant.try_create(tenant.body()), 409)
