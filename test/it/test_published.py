"""The API as it is published (test/cases/published-api.json): each operation with every property that
it has, and answers held against its schemas."""

import json
import urllib.parse
import uuid

import pytest
from jsonschema import Draft4Validator, FormatChecker, RefResolver

from api import DATETIME, ULID
from harness import TOP, until
from receivers import Answer

DOCUMENT = json.loads((TOP / "test" / "cases" / "published-api.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
# What may be null, which the schema language of the document cannot say next to a $ref.
NULLABLE = {"suspendedAt", "alertEndpoint", "retryStrategy", "userLocator"}
EVERY = "every"

FORMATS = FormatChecker(())


@FORMATS.checks("ulid")
def is_ulid(value):
    return ULID.match(value) is not None


@FORMATS.checks("date-time")
def is_date_time(value):
    return DATETIME.match(value) is not None


@FORMATS.checks("uuid", raises=ValueError)
def is_uuid(value):
    return str(uuid.UUID(value)) == value


def nullable(node):
    if isinstance(node, list):
        return [nullable(child) for child in node]
    if not isinstance(node, dict):
        return node
    node = {name: nullable(child) for name, child in node.items()}
    for name in NULLABLE & set(node.get("properties", {})):
        node["properties"][name] = {"anyOf": [{"type": "null"}, node["properties"][name]]}
    return node


RESPONSES = nullable(DOCUMENT)


def faults(instance, schema):
    resolver = RefResolver("", RESPONSES)
    validator = Draft4Validator(nullable(schema), resolver=resolver, format_checker=FORMATS)
    return [error.message for error in validator.iter_errors(instance)]


def assert_complete(value, schema):
    """The value has every property of its schema, and so has what is in it."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rsplit("/", 1)[1]]
    if "properties" in schema:
        assert set(value) == set(schema["properties"])
        for name, child in schema["properties"].items():
            assert_complete(value[name], child)


class Published:
    """Calls of a tenant's operations by their operationIds."""

    def __init__(self, client, tenant):
        self.client, self.tenant = client, tenant
        self.operations, self.called = {}, set()
        for path, item in DOCUMENT["paths"].items():
            for method, operation in item.items():
                self.operations[operation["operationId"]] = (method.upper(), path, operation)

    def __call__(self, name, body=None, query=None, **values):
        method, path, operation = self.operations[name]
        self.called.add(name)
        values["tenantLocator"] = self.tenant
        asked = {p["name"] for p in operation["parameters"] if p["in"] == "query"}
        token = asked & {"pagingToken"}  # has all others in it, and excludes them
        assert set(query or {}) in (asked - token, token), "every parameter is used"
        target = path.format(**values)
        if query:
            target += "?" + urllib.parse.urlencode(query, doseq=True)
        if "requestBody" in operation:
            assert_complete(body, operation["requestBody"]["content"]["application/json"]["schema"])
        response = self.client.request(method, target, body)
        ((status, described),) = operation["responses"].items()
        assert response.status == int(status), response.body
        if "content" not in described:
            assert response.body == b""
            return None
        document = response.json()
        assert faults(document, described["content"]["application/json"]["schema"]) == []
        return document


def endpoint(url, tag):
    return {
        "url": url,
        "headers": {"X-One": ["1", "2"]},
        "secureSsl": True,
        "hmacEnabled": True,
        "secret": f"a secret of the endpoint {tag}",
        "tag": tag,
    }


def update_endpoint(url, tag):
    body = endpoint(url, tag)
    del body["headers"]
    return {**body, "addHeaders": {"X-Two": ["3"]}, "removeHeaders": ["x-one"]}


def create_body(url):
    return {
        "name": EVERY,
        "enabled": True,
        "eventTypes": ["policy.*", "claim"],
        "endpoint": endpoint(url, "first"),
        "failureHandling": {
            "alertEndpoint": endpoint(url, "alert"),
            "triggers": ["5xx", "timeout"],
            "retryStrategy": {"type": "linear", "interval": 1, "attempts": 1},
            "divert": True,
            "suspend": False,
        },
        "useAutomationPlugin": False,
    }


def update_body(url):
    return {
        "name": EVERY,
        "enabled": True,
        "removeEventTypes": ["claim"],
        "addEventTypes": ["quote"],
        "endpoint": update_endpoint(url, "second"),
        "removeFailureHandling": False,
        "failureHandling": {
            "removeAlertEndpoint": True,
            "alertEndpoint": update_endpoint(url, "alert2"),
            "removeTriggers": ["timeout"],
            "addTriggers": ["404"],
            "removeRetryStrategy": True,
            "retryStrategy": {"type": "exponential", "interval": 1, "attempts": 1},
            "divert": True,
            "suspend": False,
        },
    }


@pytest.fixture
def call(tenant):
    return Published(tenant.client, tenant.locator)


def test_every_published_operation_with_every_property(tenant, receiver, call):
    failing = receiver(default=Answer(500))
    hook = call("createWebhook", create_body(failing.url()))
    assert hook["endpoint"] == {**endpoint(failing.url(), "first"), "timeoutSeconds": None}
    at = {"webhookLocator": hook["locator"]}
    hook = call("updateWebhook", update_body(failing.url()), **at)
    assert hook["eventTypes"] == ["policy.*", "quote"]
    assert hook["endpoint"]["headers"] == {"X-Two": ["3"]}
    retry = {"type": "exponential", "interval": 1, "attempts": 1}
    assert hook["failureHandling"]["retryStrategy"] == retry
    assert call("fetchWebhook", **at) == hook
    filters = {"name": EVERY, "enabled": "true", "suspended": "false", "active": "true"}
    page = {"offset": 0, "count": 10}
    listed = call(
        "fetchWebhooks", query={**page, **filters, "eventTypes": ["quote", "x"], "extended": "true"}
    )
    assert listed["listCompleted"] and [w["locator"] for w in listed["items"]] == [hook["locator"]]

    body = {"type": "policy.issued", "data": {"policy": {"premium": 1}}}
    events = [tenant.publish(**body) for _ in range(2)]
    first = events[0]["locator"]
    assert call("fetchEvent", locator=first) == events[0]
    assert call("fetchEventsForARequest", locator=events[0]["requestId"]) == [events[0]]
    times = {"startTimestamp": "2020-01-01T00:00:00Z", "endTimestamp": "2120-01-01T00:00:00Z"}
    query = {**times, "type": "policy.issued", "pageSize": 1}
    page_one = call("fetchMultipleEvents", query=query)
    assert page_one["events"] == [events[0]]
    token = page_one["pagingToken"]
    assert call("fetchMultipleEvents", query={"pagingToken": token})["events"] == [events[1]]

    until(lambda: len(tenant.diverted(hook)) == 2, "both are diverted")
    diverted = call("fetchMultipleDivertedEvents", query=page, **at)
    assert [d["eventLocator"] for d in diverted] == [e["locator"] for e in events]
    event = {**at, "eventLocator": first}
    assert call("fetchDivertedEvent", **event)["requestLocator"] == events[0]["requestId"]
    assert call("deleteDivertedEvent", **event) == {}
    assert call("resendDivertedEvent", **at, eventLocator=events[1]["locator"]) == {}
    assert call("unsuspendWebhook", **at) is None
    assert call("deleteWebhook", **at) is None
    assert call.called == set(call.operations) and len(call.called) == 13
