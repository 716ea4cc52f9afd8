"""Contract section 3: publishing events, and reading the event stream."""

import json
import threading
import uuid

import pytest

from api import ULID, UNKNOWN, Tenant, expect, format_ms, problem, ulid_ms
from harness import until
from receivers import Answer


@pytest.fixture
def other(client):
    return Tenant(client)


def refused(tenant, body, *fields, headers=None):
    """The body is refused with faults in exactly these fields, and nothing is stored."""
    response = tenant.try_publish(body, headers)
    problem(response, 400)
    assert response.fields() == sorted(fields)
    assert tenant.all_events() == []


# --- one event


def test_publishing_one_event_answers_201_with_the_event(tenant):
    event = tenant.publish("policy.issue", {"a": [1, {"b": None}]})
    assert ULID.match(event["locator"])
    assert event == {
        "locator": event["locator"],
        "type": "policy.issue",
        "timestamp": format_ms(ulid_ms(event["locator"])),
        "data": {"a": [1, {"b": None}]},
        "requestId": event["locator"],
        "userLocator": None,
    }
    assert tenant.event(event["locator"]).json() == event


def test_what_the_publisher_says_is_kept(tenant):
    given = {
        "type": "a",
        "data": {},
        "requestId": UNKNOWN,
        "userLocator": str(uuid.uuid4()),
        "timestamp": "2001-02-03T04:05:06.789Z",
    }
    event = expect(tenant.try_publish(given), 201).json()
    assert {name: event[name] for name in given} == given
    assert event["locator"] != UNKNOWN


def test_null_means_absent(tenant):
    body = {"type": "a", "data": {}, "requestId": None, "userLocator": None, "timestamp": None}
    event = expect(tenant.try_publish(body), 201).json()
    assert event["requestId"] == event["locator"] and event["userLocator"] is None


@pytest.mark.parametrize(
    "change, field",
    [
        ({"type": None}, "type"),
        ({"type": 1}, "type"),
        ({"type": ""}, "type"),
        ({"type": "a b"}, "type"),
        ({"type": "a.*"}, "type"),
        ({"type": "*"}, "type"),
        ({"type": ".a"}, "type"),
        ({"type": "x" * 129}, "type"),
        ({"type": ".".join("x" * 17)}, "type"),
        ({"data": None}, "data"),
        ({"data": []}, "data"),
        ({"data": "{}"}, "data"),
        ({"data": 1}, "data"),
        ({"requestId": "x"}, "requestId"),
        ({"requestId": "8" + UNKNOWN[1:]}, "requestId"),
        ({"requestId": 1}, "requestId"),
        ({"userLocator": "x"}, "userLocator"),
        ({"userLocator": UNKNOWN}, "userLocator"),
        ({"timestamp": "x"}, "timestamp"),
    ],
)
def test_faults_of_an_event_are_named(tenant, change, field):
    refused(tenant, {"type": "a", "data": {}, **change}, field)


def test_all_faults_of_an_event_are_listed(tenant):
    body = {"type": "a b", "data": 1, "requestId": "x", "userLocator": 2, "timestamp": 3, "what": 4}
    refused(tenant, body, *body)


# --- several


def test_publishing_an_array_answers_the_array_in_order(tenant):
    response = tenant.try_publish([{"type": f"t{n}", "data": {"n": n}} for n in range(20)])
    events = expect(response, 201).json()
    assert [e["type"] for e in events] == [f"t{n}" for n in range(20)]
    locators = [e["locator"] for e in events]
    assert locators == sorted(set(locators))
    assert tenant.events()["events"] == events


def test_an_array_of_one_answers_an_array(tenant):
    assert len(expect(tenant.try_publish([{"type": "a", "data": {}}]), 201).json()) == 1


def test_without_a_request_id_the_requests_first_locator_serves_as_such(tenant):
    body = [{"type": "a", "data": {}}, {"type": "b", "data": {}}]
    body.append({"type": "c", "data": {}, "requestId": UNKNOWN})
    first, second, third = expect(tenant.try_publish(body), 201).json()
    assert first["requestId"] == second["requestId"] == first["locator"]
    assert third["requestId"] == UNKNOWN


@pytest.mark.parametrize("at", [0, 17, 19])
def test_an_array_is_all_or_nothing(tenant, receiver, at):
    sink = receiver()
    tenant.create(sink.url())
    body = [{"type": "a", "data": {}} for _ in range(20)]
    body[at] = {"type": "not a type", "data": {}}
    refused(tenant, body, f"[{at}].type")
    event = tenant.publish("after")
    sink.wait_for(1)
    assert sink.ids() == [event["locator"]]


def test_every_faulty_item_is_named(tenant):
    body = [{"type": "a", "data": {}}, 1, {"data": {}}, {"type": "a", "data": [], "x": 1}]
    refused(tenant, body, "[1]", "[2].type", "[3].data", "[3].x")


def test_an_array_holds_1_to_1000_events(tenant):
    problem(tenant.try_publish([]), 400)
    problem(tenant.try_publish([{"type": "a", "data": {}}] * 1001), 400)
    assert tenant.all_events() == []
    locators = tenant.publish_many(1000)
    assert len(set(locators)) == 1000
    assert tenant.all_events(pageSize=1000) == locators


# --- the data, byte for byte


DATA = {
    "numbers": b'{"a":1.50,"b":1e400,"c":12345678901234567890,"d":-0,"e":1E+2,"f":0.1e-7,"g":-0.0}',
    "twenty digits": b'{"n":98765432109876543210,"m":-98765432109876543210}',
    "key order": b'{"z":1,"a":2,"m":{"y":1,"b":2},"0":3}',
    "escapes": b'{"s":"\\u0041\\/\\b\\f\\n\\r\\t\\"\\\\ \\u00e9 \\ud83d\\ude00 \\u2028 \\u0000","\\u006b":1}',
    "utf-8": '{"ключ":"значение é 😀 \u2028","":""}'.encode(),
    "spaces": b'{ "a" : [ 1 ,\t2 ,\n\r 3 ] , "b" : { } }',
    "empty": b"{}",
    "deep": b'{"a":' + b"[" * 60 + b"]" * 60 + b"}",
    "html": b'{"s":"</script><!-- & \'"}',
    "own names": b'{"locator":"x","type":null,"data":{"data":{}},"requestId":[]}',
    "long": b'{"s":"' + b"long " * 40000 + b'"}',
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())
def test_data_reaches_everyone_byte_for_byte(tenant, receiver, data):
    sink = receiver()
    tenant.create(sink.url())
    published = expect(tenant.try_publish(b'{"data": ' + data + b' , "type": "a"}'), 201)
    locator = published.json()["locator"]
    fetched = tenant.event(locator)
    listed = expect(tenant.try_events(), 200)
    (delivery,) = sink.wait_for(1)
    for body in (published.body, fetched.body, listed.body, delivery.body):
        assert data in body
    assert json.loads(delivery.body) == json.loads(published.body)
    assert delivery.body + b"\n" == fetched.body


def test_data_in_an_array_is_kept_byte_for_byte(tenant):
    items = [b'{"type":"a","data":' + data + b"}" for data in DATA.values()]
    body = expect(tenant.try_publish(b"[" + b" ,\n".join(items) + b"]"), 201).body
    at = 0
    for data in DATA.values():
        at = body.index(data, at) + len(data)


# --- Prefer


@pytest.mark.parametrize("prefer", ["return=minimal", "respond-async, return=minimal"])
def test_prefer_return_minimal_leaves_data_out_of_the_response(tenant, prefer):
    headers = {"Prefer": prefer}
    event = expect(tenant.try_publish({"type": "a", "data": {"x": 1}}, headers), 201).json()
    assert set(event) == {"locator", "type", "timestamp", "requestId", "userLocator"}
    assert tenant.event(event["locator"]).json() == {**event, "data": {"x": 1}}
    (event,) = expect(tenant.try_publish([{"type": "a", "data": {"x": 1}}], headers), 201).json()
    assert "data" not in event


def test_prefer_return_representation_changes_nothing(tenant):
    event = tenant.publish(data={"x": 1}, headers={"Prefer": "return=representation"})
    assert event["data"] == {"x": 1}


# --- Idempotency-Key


@pytest.mark.parametrize(
    "key", ["k", "x" * 256, 'a "quoted" key', "738b2e26-a1dc-4d86-910a-7d7af25bc91d"]
)
def test_the_same_key_and_body_answers_the_first_response_and_publishes_nothing(
    tenant, receiver, key
):
    sink = receiver()
    tenant.create(sink.url())
    headers, body = {"Idempotency-Key": key}, b'{"type":"a","data":{"n":1.50}}'
    first = expect(tenant.try_publish(body, headers), 201)
    again = expect(tenant.try_publish(body, headers), 201)
    assert again.body == first.body
    last = tenant.publish("last")
    sink.wait_for(2)
    assert sorted(sink.ids()) == [first.json()["locator"], last["locator"]] == tenant.all_events()


def test_an_array_is_replayed_too(tenant):
    headers = {"Idempotency-Key": "array"}
    body = [{"type": "a", "data": {}, "requestId": UNKNOWN}] * 30 + [{"type": "b", "data": {}}] * 30
    first = expect(tenant.try_publish(body, headers), 201)
    assert expect(tenant.try_publish(body, headers), 201).body == first.body
    assert len(tenant.all_events()) == 60


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"a","data":{"n":2}}',
        b'{"type":"a","data":{"n":1} }',
        b'{"data":{"n":1},"type":"a"}',
    ],
)
def test_the_same_key_with_a_different_body_is_409(tenant, body):
    headers = {"Idempotency-Key": "k"}
    first = expect(tenant.try_publish(b'{"type":"a","data":{"n":1}}', headers), 201)
    problem(tenant.try_publish(body, headers), 409)
    assert tenant.all_events() == [first.json()["locator"]]


def test_a_key_belongs_to_its_tenant(tenant, other):
    headers = {"Idempotency-Key": "k"}
    mine = expect(tenant.try_publish({"type": "a", "data": {}}, headers), 201).json()
    theirs = expect(other.try_publish({"type": "b", "data": {}}, headers), 201).json()
    assert mine["locator"] != theirs["locator"]


def test_refused_requests_store_nothing_under_the_key(tenant):
    headers = {"Idempotency-Key": "k"}
    problem(tenant.try_publish({"type": "a b", "data": {}}, headers), 400)
    problem(tenant.try_publish(b"{", headers), 400)
    event = tenant.publish(headers=headers)
    assert tenant.all_events() == [event["locator"]]


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_a_key_has_1_to_256_characters(tenant, key):
    problem(tenant.try_publish({"type": "a", "data": {}}, {"Idempotency-Key": key}), 400)
    assert tenant.all_events() == []


def test_the_same_key_at_the_same_moment_publishes_once(server, tenant):
    barrier, bodies = threading.Barrier(8), []

    def publish(mine):
        barrier.wait()
        response = mine.try_publish({"type": "a", "data": {"n": 1}}, {"Idempotency-Key": "race"})
        bodies.append((response.status, response.body))

    threads = [
        threading.Thread(target=publish, args=(tenant.on(server.client()),)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bodies) == 8 and len(set(bodies)) == 1 and bodies[0][0] == 201
    assert len(tenant.all_events()) == 1


def test_a_key_is_forgotten_after_the_idempotency_ttl(alone):
    server = alone(idempotency_ttl="1s")
    tenant = Tenant(server.client())
    headers = {"Idempotency-Key": "k"}
    first = tenant.publish(headers=headers)
    pattern = f"evhook:*:idem:{tenant.locator}:*"
    redis = server.redis.client
    assert len(redis.keys(pattern)) == 1
    until(lambda: not redis.keys(pattern), "the key expires")
    assert tenant.publish(headers=headers)["locator"] != first["locator"]


# --- reading


def test_an_unknown_event_and_one_of_another_tenant_are_404_without_difference(tenant, other):
    event = tenant.publish()
    documents = []
    for locator in (event["locator"], UNKNOWN):
        response = other.client.request(
            "GET", f"{other.events_path}/{locator}", headers={"X-Request-Id": "same"}
        )
        documents.append(repr(problem(response, 404)).replace(locator, "…"))
    assert documents[0] == documents[1]


def test_an_event_is_found_by_its_whole_locator_only(tenant):
    locator = tenant.publish()["locator"]
    neighbour = locator[:-1] + ("0" if locator[-1] != "0" else "1")
    problem(tenant.client.get(f"{tenant.events_path}/{neighbour}"), 404)


def test_events_by_request(tenant, other):
    one = expect(
        tenant.try_publish([{"type": "a", "data": {"n": n}} for n in range(3)]), 201
    ).json()
    assert tenant.by_request(one[0]["locator"]) == one
    assert other.by_request(one[0]["locator"]) == []


def test_events_of_several_requests_with_one_client_request_id(tenant):
    events = [tenant.publish(f"t{n}", requestId=UNKNOWN) for n in range(3)]
    tenant.publish("unrelated")
    assert tenant.by_request(UNKNOWN) == events
    assert tenant.by_request(UNKNOWN.lower()) == events


def test_an_unknown_request_has_no_events(tenant):
    assert tenant.by_request(UNKNOWN) == []


def test_the_list_is_in_ascending_order_and_paged(tenant):
    locators = tenant.publish_many(10)
    page = tenant.events(pageSize=4)
    assert [e["locator"] for e in page["events"]] == locators[:4]
    assert page["more"] is True and isinstance(page["pagingToken"], str)
    assert tenant.all_events(pageSize=4) == locators
    page = tenant.events(pageSize=10)
    assert page["more"] is False and len(page["events"]) == 10


def test_page_size_is_100_by_default(tenant):
    locators = tenant.publish_many(101)
    page = tenant.events()
    assert [e["locator"] for e in page["events"]] == locators[:100] and page["more"] is True
    page = tenant.events(pagingToken=page["pagingToken"])
    assert [e["locator"] for e in page["events"]] == locators[100:] and page["more"] is False


def test_asking_again_later_yields_what_has_come_since(tenant):
    token = tenant.events()["pagingToken"]
    for _ in range(3):
        locator = tenant.publish()["locator"]
        page = tenant.events(pagingToken=token)
        assert [e["locator"] for e in page["events"]] == [locator]
        again = tenant.events(pagingToken=token)
        assert again["events"] == page["events"], "a token stays valid"
        token = page["pagingToken"]
    assert tenant.events(pagingToken=token)["events"] == []


def test_type_is_exact(tenant):
    for event_type in ("a", "a.b", "A", "a", "b.a"):
        tenant.publish(event_type)
    assert [e["type"] for e in tenant.events(type="a")["events"]] == ["a", "a"]


def test_a_token_carries_its_filters(tenant):
    wanted = []
    for n in range(20):
        event = tenant.publish("odd" if n % 2 else "even")
        if n % 2:
            wanted.append(event["locator"])
    assert tenant.all_events(type="odd", pageSize=3) == wanted


def test_the_times_filter_the_time_of_storing_start_inclusive_end_exclusive(tenant):
    locators = []
    while len({ulid_ms(locator) for locator in locators}) < 4:
        locators.append(tenant.publish(timestamp="2000-01-01T00:00:00Z")["locator"])
    times = sorted({ulid_ms(locator) for locator in locators})
    begin, end = times[1], times[3]

    def listed(**query):
        return [e["locator"] for e in tenant.events(pageSize=1000, **query)["events"]]

    assert listed(startTimestamp=format_ms(begin)) == [x for x in locators if ulid_ms(x) >= begin]
    assert listed(endTimestamp=format_ms(end)) == [x for x in locators if ulid_ms(x) < end]
    both = {"startTimestamp": format_ms(begin), "endTimestamp": format_ms(end)}
    inside = [x for x in locators if begin <= ulid_ms(x) < end]
    assert inside and listed(**both) == inside
    assert tenant.all_events(pageSize=1, **both) == inside
    assert listed(startTimestamp=format_ms(end), endTimestamp=format_ms(begin)) == []
    # as Python writes it, without the colon of RFC 3339
    offset = format_ms(begin).replace("Z", "+0000")
    assert listed(startTimestamp=offset) == listed(startTimestamp=format_ms(begin))


def test_the_newest_first(tenant):
    locators = []
    while len({ulid_ms(locator) for locator in locators}) < 4:
        kind = ("even", "odd")[len(locators) % 2]
        locators.append(tenant.publish(kind)["locator"])
    newest_first = locators[::-1]
    assert tenant.all_events(order="desc", pageSize=3) == newest_first
    assert tenant.all_events(order="asc", pageSize=3) == locators
    odd = [x for n, x in enumerate(locators) if n % 2][::-1]
    assert tenant.all_events(order="desc", type="odd", pageSize=2) == odd
    times = sorted({ulid_ms(locator) for locator in locators})
    begin, end = times[1], times[3]
    both = {"startTimestamp": format_ms(begin), "endTimestamp": format_ms(end)}
    inside = [x for x in newest_first if begin <= ulid_ms(x) < end]
    assert inside and tenant.all_events(order="desc", pageSize=1, **both) == inside
    nothing = tenant.events(order="desc", endTimestamp="1970-01-01T00:00:00Z")
    assert nothing["events"] == [] and nothing["more"] is False
    assert problem(tenant.try_events(order="newest"), 400)["errors"][0]["field"] == "order"


def test_what_comes_later_is_not_in_a_list_that_goes_back(tenant):
    locators = [tenant.publish()["locator"] for _ in range(3)]
    page = tenant.events(order="desc", pageSize=2)
    tenant.publish()
    rest = tenant.events(pagingToken=page["pagingToken"])
    assert [e["locator"] for e in page["events"] + rest["events"]] == locators[::-1]
    assert rest["more"] is False
    assert tenant.events(pagingToken=rest["pagingToken"])["events"] == []


@pytest.mark.parametrize(
    "more",
    [
        {"type": "a"},
        {"startTimestamp": "2020-01-01T00:00:00Z"},
        {"endTimestamp": "2120-01-01T00:00:00Z"},
        {"pageSize": 5},
        {"order": "asc"},
    ],
)
def test_a_token_with_any_other_argument_is_400(tenant, more):
    token = tenant.events(type="a", pageSize=5)["pagingToken"]
    expect(tenant.try_events(pagingToken=token), 200)
    problem(tenant.try_events(pagingToken=token, **more), 400)


def test_a_token_in_another_tenant_is_400(tenant, other):
    tenant.publish()
    problem(other.try_events(pagingToken=tenant.events()["pagingToken"]), 400)


@pytest.mark.parametrize("change", ["x", "cut", "longer"])
def test_a_token_that_was_not_given_is_400(tenant, change):
    tenant.publish()
    token = tenant.events()["pagingToken"]
    forged = {"x": "x", "cut": token[: len(token) // 2], "longer": token + "AA"}[change]
    problem(tenant.try_events(pagingToken=forged), 400)


# --- order


def test_locators_of_a_tenant_grow_strictly_in_the_order_of_storing(server, tenant):
    per_thread, threads = [], []

    def publisher(mine, locators):
        for n in range(25):
            body = [{"type": "a", "data": {}}] * (1 + n % 3)
            locators += [e["locator"] for e in expect(mine.try_publish(body), 201).json()]

    for _ in range(4):
        per_thread.append([])
        mine = tenant.on(server.client())
        threads.append(threading.Thread(target=publisher, args=(mine, per_thread[-1])))
        threads[-1].start()
    for thread in threads:
        thread.join()
    for locators in per_thread:
        assert len(locators) >= 25
        assert all(a < b for a, b in zip(locators, locators[1:]))
    everything = [locator for locators in per_thread for locator in locators]
    assert tenant.all_events() == sorted(set(everything)) == sorted(everything)


# --- fan-out


def test_more_deliveries_than_max_fanout_are_413_naming_the_limit(alone, receiver):
    sink = receiver()
    server = alone(max_fanout=4)
    tenant = Tenant(server.client())
    for event_types in (["*"], ["a", "a.*"], ["b"]):
        tenant.create(sink.url(), eventTypes=event_types)
    body = [{"type": "a", "data": {}}, {"type": "b", "data": {}}, {"type": "c", "data": {}}]
    document = problem(tenant.try_publish(body, {"Idempotency-Key": "k"}), 413)
    assert "max-fanout" in json.dumps(document)
    assert tenant.all_events() == []
    events = expect(tenant.try_publish(body[:2], {"Idempotency-Key": "k"}), 201).json()
    sink.wait_for(4)
    last = tenant.publish("c")
    sink.wait_for_events([last["locator"]])
    ids = sorted(e["locator"] for e in events)
    assert sorted(sink.ids()) == sorted(ids * 2 + [last["locator"]])


# --- stats


def test_stats_count_what_was_delivered_and_what_failed(tenant, receiver):
    sink = receiver(Answer(200), Answer(204), Answer(500), Answer(404))
    tenant.create(sink.url())
    for n in range(4):
        tenant.publish()
        sink.wait_for(n + 1)

    def stats():
        (item,) = tenant.list(extended="true")["items"]
        return item["stats"] if item["stats"]["pending"] == 0 else None

    found = until(stats, "nothing is pending")
    assert (found["delivered"], found["failed"] + found["dropped"], found["diverted"]) == (2, 2, 0)
    assert found["lastDeliveredAt"] and found["lastFailedAt"]


def test_x_idempotency_key_is_the_same_key_and_both_are_refused(tenant):
    body, key = {"type": "a", "data": {}}, f"k-{uuid.uuid4()}"
    first = expect(tenant.try_publish(body, {"X-Idempotency-Key": key}), 201)
    again = expect(tenant.try_publish(body, {"Idempotency-Key": key}), 201)
    assert again.body == first.body and len(tenant.all_events()) == 1
    problem(tenant.try_publish(body, {"X-Idempotency-Key": key, "Idempotency-Key": key}), 400)
