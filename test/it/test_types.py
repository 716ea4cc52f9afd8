"""Contract section 1: types, common rules, errors, and what HTTP itself asks for."""

import json
import uuid

import pytest

from api import ULID, UNKNOWN, Tenant, expect, problem
from client import head

JSON = {"Content-Type": "application/json"}


# --- bodies


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/problem+json",
        "application/jso",
    ],
)
def test_a_body_with_another_content_type_is_415(tenant, content_type):
    headers = {"Content-Type": content_type}
    problem(tenant.try_publish({"type": "a", "data": {}}, headers), 415)
    problem(tenant.try_create(tenant.body(), headers), 415)
    assert tenant.all_events() == []


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", "application/json; charset=utf-8"]
)
def test_json_is_taken_under_each_spelling_of_its_type(tenant, content_type):
    expect(tenant.try_publish({"type": "a", "data": {}}, {"Content-Type": content_type}), 201)


def test_responses_are_json(tenant):
    response = tenant.try_publish({"type": "a", "data": {}})
    assert response.header("content-type").split(";")[0] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b'{"type": "a", "data": {}',
        b'{"type": "a", "data": {}}}',
        b'{"type": "a", "data": {}} {}',
        b'{"type": "a", "data": {},}',
        b'{"type": "a", "data": {"n": 01}}',
        b'{"type": "a", "data": {"n": +1}}',
        b'{"type": "a", "data": {"n": .5}}',
        b'{"type": "a", "data": {"n": NaN}}',
        b"{'type': 'a', 'data': {}}",
        b'{"type": "a", /* no */ "data": {}}',
        b'{"type": "a",\v"data": {}}',
        b'{"type": "a",\f"data": {}}',
        b'{"type": "a", "data": {}}\xef\xbb\xbf',
        b'\xef\xbb\xbf\xef\xbb\xbf{"type": "a", "data": {}}',
        b"\xef\xbb\xbf",
        b'{"type": "a", "data": {"s": "\xff"}}',
        b'{"type": "a", "data": {"s": "\xc0\x80"}}',
        b'{"type": "a", "data": {"s": "\xed\xa0\x80"}}',
        b'{"type": "a", "data": {"s": "\xf4\x90\x80\x80"}}',
        b'{"type": "a", "data": {"s": "\\ud800"}}',
        b'{"type": "a", "data": {"s": "\\udc00"}}',
        b'{"type": "a", "data": {"s": "\\ud800\\u0041"}}',
        b'{"type": "a", "data": {"s": "\\x41"}}',
        b'{"type": "a", "data": {"s": "a\nb"}}',
        b'{"type": "a", "data": {"s": "\x00"}}',
        b"nul",
    ],
)
def test_invalid_json_is_400(tenant, body):
    problem(tenant.try_publish(body), 400)
    assert tenant.all_events() == []


def test_invalid_json_is_located_in_the_detail(tenant):
    detail = problem(tenant.try_publish(b'{"type": "a",\n "data": oops}'), 400)["detail"]
    assert "line 2" in detail.lower()


@pytest.mark.parametrize("body", [b"null", b"true", b"1", b'"a"'])
def test_a_body_that_is_no_object_is_400(tenant, body):
    problem(tenant.try_publish(body), 400)
    problem(tenant.try_create(body), 400)
    problem(tenant.try_update(tenant.create(), body), 400)


def test_a_webhook_in_an_array_is_400(tenant):
    problem(tenant.try_create([tenant.body()]), 400)


def nested(levels):
    """A publish body of so many containers within containers."""
    inner = levels - 2
    return b'{"type": "a", "data": {"a": ' + b"[" * inner + b"]" * inner + b"}}"


def test_json_nested_64_deep_is_taken(tenant):
    expect(tenant.try_publish(nested(64)), 201)


@pytest.mark.parametrize("levels", [65, 1000, 400_000])
def test_json_nested_deeper_than_64_is_400(tenant, levels):
    problem(tenant.try_publish(nested(levels)), 400)


def body_of_size(size):
    begin, end = b'{"type": "a", "data": {"s": "', b'"}}'
    return begin + b"x" * (size - len(begin) - len(end)) + end


def test_a_body_of_1_mib_is_taken(tenant):
    expect(tenant.try_publish(body_of_size(1 << 20)), 201)


def test_a_body_over_1_mib_is_413(tenant, raw):
    body = body_of_size((1 << 20) + 1)
    raw.send(
        head(
            "POST",
            tenant.events_path,
            *map(": ".join, JSON.items()),
            f"Content-Length: {len(body)}",
        )
    )
    raw.send(body)
    problem(raw.read_response(), 413)
    assert tenant.all_events() == []


def test_the_body_limit_is_an_option(alone):
    server = alone(max_body=2000)
    tenant = Tenant(server.client())
    expect(tenant.try_publish(body_of_size(2000)), 201)
    problem(tenant.try_publish(body_of_size(2001)), 413)


def test_chunked_bodies_are_taken_or_refused_but_never_misread(tenant, raw):
    body = b'{"type": "a", "data": {}}'
    raw.send(
        head(
            "POST",
            tenant.events_path,
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
        )
    )
    raw.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    response = raw.read_response()
    assert response.status in (201, 411)
    assert len(tenant.all_events()) == (response.status == 201)


# --- properties


@pytest.mark.parametrize(
    "change, field",
    [
        ({"evenTypes": ["a"]}, "evenTypes"),
        ({"endpoint": {"url": "http://example.com/", "secureSSL": True}}, "endpoint.secureSSL"),
        ({"failureHandling": {"diverts": True}}, "failureHandling.diverts"),
        (
            {"failureHandling": {"retryStrategy": {"attempt": 1}}},
            "failureHandling.retryStrategy.attempt",
        ),
        (
            {"failureHandling": {"alertEndpoint": {"url": "http://example.com/", "x": 1}}},
            "failureHandling.alertEndpoint.x",
        ),
    ],
)
def test_unknown_properties_are_refused_and_named(tenant, change, field):
    response = tenant.try_create({**tenant.body(), **change})
    problem(response, 400)
    assert field in response.fields()
    assert tenant.list()["items"] == []


def test_unknown_properties_of_an_update_are_refused_and_named(tenant):
    webhook = tenant.create()
    response = tenant.try_update(
        webhook,
        {"eventTypes": ["a"], "endpoint": {"headers": {}}, "failureHandling": {"triggers": []}},
    )
    problem(response, 400)
    assert response.fields() == ["endpoint.headers", "eventTypes", "failureHandling.triggers"]
    assert tenant.fetch(webhook) == webhook


def test_unknown_properties_of_an_event_are_refused_and_named(tenant):
    response = tenant.try_publish({"type": "a", "data": {}, "payload": {}})
    problem(response, 400)
    assert response.fields() == ["payload"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "a", "type": "b", "data": {}}',
        b'{"type": "a", "data": {}, "data": {}}',
        b'{"type": "a", "\\u0074ype": "b", "data": {}}',
        b'{"type": "a", "data": {"x": 1, "x": 1}}',
        b'{"type": "a", "data": {"x": 1, "\\u0078": 1}}',
        b'{"type": "a", "data": {"l": [{"x": {"y": 1, "z": 2, "y": 3}}]}}',
    ],
)
def test_duplicate_keys_are_refused(tenant, body):
    problem(tenant.try_publish(body), 400)
    assert tenant.all_events() == []


def test_the_same_key_in_different_objects_is_no_duplicate(tenant):
    expect(
        tenant.try_publish(b'{"type":"a","data":{"x":{"x":1},"y":[{"x":1},{"x":2}],"X":3}}'), 201
    )


def test_null_in_a_request_means_absent(tenant):
    nulls = dict.fromkeys(["hmacEnabled", "secret", "secureSsl", "tag", "headers"])
    body = tenant.body("http://example.com/")
    body["endpoint"].update(nulls)
    body["useAutomationPlugin"] = None
    body["failureHandling"] = dict.fromkeys(
        ["triggers", "retryStrategy", "alertEndpoint", "divert", "suspend"]
    )
    webhook = expect(tenant.try_create(body), 200).json()
    plain = tenant.create("http://example.com/")
    for name in ("endpoint", "failureHandling", "useAutomationPlugin"):
        assert webhook[name] == plain[name]
    response = tenant.try_create({**tenant.body(), "name": None})
    problem(response, 400)
    assert response.fields() == ["name"]


# --- uuid, ulid, datetime


def test_uuids_and_ulids_in_a_path_are_taken_in_any_case(tenant):
    webhook = tenant.create()
    upper = Tenant(tenant.client, tenant.locator.upper())
    assert upper.fetch(webhook["locator"].lower()) == webhook
    event = upper.publish()
    assert tenant.event(event["locator"].lower()).json() == event


def test_uuids_come_out_in_lower_and_ulids_in_upper_case(tenant):
    webhook = tenant.create()
    assert ULID.match(webhook["locator"])
    user, request = str(uuid.uuid4()), "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    event = tenant.publish(userLocator=user.upper(), requestId=request.lower())
    assert (event["userLocator"], event["requestId"]) == (user, request)
    assert ULID.match(event["locator"])


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "0b2f1d54-7f53-4d0f-9f2e-6d6a7f4f5e1",
        "0b2f1d54-7f53-4d0f-9f2e-6d6a7f4f5e111",
        "0b2f1d547f534d0f9f2e6d6a7f4f5e11",
        "{0b2f1d54-7f53-4d0f-9f2e-6d6a7f4f5e11}",
        "0b2f1d54-7f53-4d0f-9f2e-6d6a7f4f5e1g",
        "0b2f1d5-47f53-4d0f-9f2e-6d6a7f4f5e11",
        "%00",
        "0b2f1d54-7f53-4d0f-9f2e-6d6a7f4f5e11%00",
    ],
)
def test_a_malformed_uuid_in_the_path_is_400(client, value):
    problem(client.get(f"/event/{value}/webhooks/list"), 400)
    problem(client.post(f"/event/{value}/events", {"type": "a", "data": {}}), 400)


@pytest.mark.parametrize(
    "value",
    [
        "x",
        UNKNOWN[:-1],
        UNKNOWN + "0",
        "8" + UNKNOWN[1:],
        "Z" + UNKNOWN[1:],
        UNKNOWN[:-1] + "U",
        UNKNOWN[:-1] + "-",
        UNKNOWN[:-1] + "%00",
        UNKNOWN + "%00",
    ],
)
def test_a_malformed_ulid_in_the_path_is_400(tenant, value):
    problem(tenant.client.get(f"{tenant.webhooks_path}/{value}"), 400)
    problem(tenant.client.get(f"{tenant.events_path}/{value}"), 400)
    problem(tenant.client.get(f"{tenant.events_path}/request/{value}"), 400)
    problem(tenant.client.patch(f"{tenant.webhooks_path}/{value}/unsuspend"), 400)


def test_percent_encoding_in_the_path_is_decoded(tenant):
    webhook = tenant.create()
    coded = "%" + "%02x" % ord(webhook["locator"][0]) + webhook["locator"][1:]
    assert tenant.fetch(coded) == webhook


@pytest.mark.parametrize(
    "sent, given",
    [
        ("2026-11-23T07:21:00.123Z", "2026-11-23T07:21:00.123Z"),
        ("2026-11-23T07:21:00Z", "2026-11-23T07:21:00.000Z"),
        ("2026-11-23t07:21:00z", "2026-11-23T07:21:00.000Z"),
        ("2026-11-23T07:21:00.123456789Z", "2026-11-23T07:21:00.123Z"),
        ("2026-11-23T07:21:00.5+05:30", "2026-11-23T01:51:00.500Z"),
        ("2026-01-01T00:30:00+02:00", "2025-12-31T22:30:00.000Z"),
        ("2024-02-29T12:00:00-00:00", "2024-02-29T12:00:00.000Z"),
    ],
)
def test_any_rfc_3339_offset_is_accepted_in_and_utc_with_ms_comes_out(tenant, sent, given):
    assert tenant.publish(timestamp=sent)["timestamp"] == given


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "now",
        "2026-11-23",
        "2026-11-23T07:21:00",
        "2026-11-23 07:21:00",
        "2026-02-29T07:21:00Z",
        "2026-13-01T07:21:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T07:60:00Z",
        "2026-11-23T07:21:00.Z",
        "2026-11-23T07:21:00+0530",
        "2026-11-23T07:21:00Z ",
        1790000000,
    ],
)
def test_what_is_no_rfc_3339_time_is_400(tenant, sent):
    response = tenant.try_publish({"type": "a", "data": {}, "timestamp": sent})
    problem(response, 400)
    assert response.fields() == ["timestamp"]


# --- query parameters


@pytest.mark.parametrize("name", ["offset", "count"])
@pytest.mark.parametrize("value", ["x", "", "-1", "1.0", "1e2", "0x1", "1 ", "%2B1", "9" * 30])
def test_a_query_integer_that_is_not_decimal_digits_is_400(tenant, name, value):
    response = tenant.client.get(f"{tenant.webhooks_path}/list?{name}={value.replace(' ', '%20')}")
    problem(response, 400)


def test_a_query_integer_over_the_maximum_is_400_not_clamped(tenant):
    expect(tenant.try_list(count=1000), 200)
    problem(tenant.try_list(count=1001), 400)
    expect(tenant.try_events(pageSize=1000), 200)
    problem(tenant.try_events(pageSize=1001), 400)


@pytest.mark.parametrize("name", ["enabled", "suspended", "active", "extended"])
@pytest.mark.parametrize("value", ["", "1", "0", "yes", "True", "FALSE", "true%20"])
def test_a_query_boolean_that_is_not_true_or_false_is_400(tenant, name, value):
    problem(tenant.client.get(f"{tenant.webhooks_path}/list?{name}={value}"), 400)


@pytest.mark.parametrize("name", ["startTimestamp", "endTimestamp"])
def test_a_query_time_that_is_not_rfc_3339_is_400(tenant, name):
    problem(tenant.try_events(**{name: "yesterday"}), 400)
    expect(tenant.try_events(**{name: "2026-01-01T00:00:00+01:00"}), 200)


@pytest.mark.parametrize("query", ["a", "a=", "a=b", "=x", "&", "&&a&", "a=b&a=c"])
def test_unknown_query_parameters_are_ignored(tenant, query):
    tenant.create()
    response = tenant.client.get(f"{tenant.webhooks_path}/list?{query}")
    assert len(expect(response, 200).json()["items"]) == 1


def test_query_names_and_values_are_percent_decoded(tenant):
    tenant.create(name="a b&c+ü")
    tenant.create(name="other")
    path = f"{tenant.webhooks_path}/list"
    for query in ("name=a%20b%26c%2B%C3%BC", "n%61me=a+b%26c%2b%c3%bc"):
        assert len(expect(tenant.client.get(f"{path}?{query}"), 200).json()["items"]) == 1


# --- errors and request ids


def test_errors_are_problem_documents(tenant, client):
    assert problem(tenant.try_fetch(UNKNOWN), 404)["title"]
    problem(client.get("/nothing/here"), 404)
    problem(client.request("PUT", tenant.webhooks_path), 405)
    document = problem(tenant.try_create({}), 400)
    assert sorted(e["field"] for e in document["errors"]) == [
        "enabled",
        "endpoint",
        "eventTypes",
        "name",
    ]


@pytest.mark.parametrize("sent", ["abc", "0b2f1d54-7f53-4d0f-9f2e-6d6a7f4f5e11", "x" * 128])
def test_a_sane_request_id_of_the_client_comes_back(tenant, sent):
    headers = {"X-Request-Id": sent}
    for path, status in (
        (f"{tenant.webhooks_path}/list", 200),
        (tenant.webhook_path(UNKNOWN), 404),
    ):
        response = tenant.client.request("GET", path, headers=headers)
        assert expect(response, status).header("x-request-id") == sent


@pytest.mark.parametrize("sent", [None, "", "x" * 300, 'a"b\\c<d>', "a\tb"])
def test_without_a_sane_request_id_one_is_generated(tenant, sent):
    ids = set()
    for _ in range(2):
        response = tenant.client.request(
            "GET", f"{tenant.webhooks_path}/list", headers={"X-Request-Id": sent}
        )
        ids.add(expect(response, 200).header("x-request-id"))
    assert len(ids) == 2 and sent not in ids and "" not in ids


# --- the order of checks


def test_the_route_is_checked_before_values_in_the_path(client):
    problem(client.get("/event/not-a-uuid/nothing"), 404)


def test_values_in_the_path_are_checked_before_the_body(client):
    problem(client.post("/event/not-a-uuid/webhooks", b"{", {"Content-Type": "text/plain"}), 400)


def test_the_body_is_checked_before_existence(tenant):
    path = tenant.webhook_path(UNKNOWN)
    problem(tenant.client.patch(path, b"{}", {"Content-Type": "text/plain"}), 415)
    problem(tenant.client.patch(path, b"{"), 400)
    problem(tenant.client.patch(path, {"nam": "x"}), 400)
    problem(tenant.client.patch(path, {"name": "x"}), 404)


def test_existence_is_checked_before_state(tenant):
    headers = {"If-Match": '"7"'}
    problem(tenant.try_update(UNKNOWN, {"name": "x"}, headers), 404)
    problem(tenant.try_delete(UNKNOWN, headers), 404)


def test_values_in_errors_are_escaped(tenant):
    """What a client sends is repeated in errors as JSON strings, whatever it contains."""
    response = tenant.try_create({**tenant.body(), 'a"b\\c\n\u2028': 1})
    assert 'a"b\\c\n\u2028' in response.fields()
    assert json.loads(response.body)["status"] == 400


def test_a_byte_order_mark_before_json_is_passed_over(tenant):
    body = b'\xef\xbb\xbf{"type": "a", "data": {"x": 1.50}}'
    event = expect(tenant.try_publish(body), 201)
    assert b'"data":{"x": 1.50}' in event.body
    detail = problem(tenant.try_publish(b"\xef\xbb\xbf{x"), 400)["detail"]
    assert "line 1, offset 4" in detail
