"""Contract sections 1 and 7: routes, methods, and what HTTP itself asks for."""

import pytest

from api import UNKNOWN, Tenant, expect, problem
from client import Raw, head

# --- routes and methods


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/event",
        "/event/{t}",
        "/event/{t}/webhook/list",
        "/event/{t}/webhooks/{u}/x",
        "/event/{t}/webhooks/{u}/unsuspend/x",
        "/event/{t}/events/{u}/x",
        "/Event/{t}/webhooks/list",
        "//event/{t}/webhooks/list",
        "/event/{t}//webhooks/list",
        "/event/{t}/webhooks/../webhooks/list",
    ],
)
def test_an_unknown_path_is_404(tenant, path):
    path = path.format(t=tenant.locator, u=UNKNOWN)
    problem(tenant.client.get(path), 404)


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("PUT", "/event/{t}/webhooks", {"POST"}),
        ("GET", "/event/{t}/webhooks", {"POST"}),
        ("DELETE", "/event/{t}/webhooks", {"POST"}),
        ("POST", "/event/{t}/webhooks/list", {"GET"}),
        ("POST", "/event/{t}/webhooks/{u}", {"GET", "PATCH", "DELETE"}),
        ("PUT", "/event/{t}/webhooks/{u}", {"GET", "PATCH", "DELETE"}),
        ("POST", "/event/{t}/webhooks/{u}/unsuspend", {"PATCH"}),
        ("GET", "/event/{t}/events", {"POST"}),
        ("PATCH", "/event/{t}/events", {"POST"}),
        ("DELETE", "/event/{t}/events/{u}", {"GET"}),
        ("POST", "/healthz", {"GET"}),
        ("PUT", "/event/not-a-uuid/webhooks", {"POST"}),
    ],
)
def test_another_method_is_405_with_allow(tenant, method, path, allowed):
    path = path.format(t=tenant.locator, u=UNKNOWN)
    response = tenant.client.request(method, path)
    problem(response, 405)
    assert allowed_methods(response) - {"HEAD", "OPTIONS"} == allowed


def allowed_methods(response):
    return {method.strip() for method in response.header("allow").split(",")}


@pytest.mark.parametrize(
    "path, allowed",
    [
        ("/event/{t}/webhooks", {"POST"}),
        ("/event/{t}/webhooks/list", {"GET"}),
        ("/event/{t}/webhooks/{u}", {"GET", "PATCH", "DELETE"}),
        ("/event/{t}/events", {"POST"}),
        ("/event/{t}/events/list", {"GET"}),
    ],
)
def test_options_answers_allow(tenant, path, allowed):
    response = tenant.client.request("OPTIONS", path.format(t=tenant.locator, u=UNKNOWN))
    assert response.status in (200, 204)
    assert allowed_methods(response) - {"HEAD", "OPTIONS"} == allowed


def test_head_works_where_get_does(tenant, raw):
    webhook = tenant.create()
    for path, status in (
        (tenant.webhook_path(webhook), 200),
        (f"{tenant.webhooks_path}/list", 200),
        (tenant.webhook_path(UNKNOWN), 404),
        ("/healthz", 200),
    ):
        raw.send(head("GET", path, "X-Request-Id: same") + head("HEAD", path, "X-Request-Id: same"))
        get, only_head = raw.read_response(), raw.read_response(no_body=True)
        assert (get.status, only_head.status) == (status, status)
        for name in ("content-type", "content-length", "etag"):
            if only_head.header(name) is not None or name == "content-type":
                assert only_head.header(name) == get.header(name)
    raw.send(head("GET", "/healthz"))
    assert raw.read_response().status == 200, "the connection is still in step"


def test_trailing_slashes_are_not_significant(tenant):
    webhook = tenant.create()
    assert expect(tenant.client.get(tenant.webhook_path(webhook) + "/"), 200).json() == webhook
    assert expect(tenant.client.get(f"{tenant.webhooks_path}/list/?count=1"), 200)
    expect(tenant.client.post(f"{tenant.events_path}/", {"type": "a", "data": {}}), 201)


@pytest.mark.parametrize("prefix", ["http://api.test", "http://api.test:8080", "HTTP://other.test"])
def test_absolute_form_targets_are_accepted(tenant, raw, prefix):
    webhook = tenant.create()
    raw.send(head("GET", prefix + tenant.webhook_path(webhook)))
    assert raw.read_response().json() == webhook


def test_pipelined_requests_are_answered_in_order(tenant, raw):
    webhooks = [tenant.create(name=str(n)) for n in range(10)]
    raw.send("".join(head("GET", tenant.webhook_path(w)) for w in webhooks))
    assert [raw.read_response().json() for _ in webhooks] == webhooks


# --- HTTP that is not to be guessed at


AMBIGUOUS = {
    "content-length and transfer-encoding": ["Content-Length: 4", "Transfer-Encoding: chunked"],
    "transfer-encoding and content-length": ["Transfer-Encoding: chunked", "Content-Length: 4"],
    "differing content-lengths": ["Content-Length: 4", "Content-Length: 5"],
    "a list of differing content-lengths": ["Content-Length: 4, 5"],
    "a signed content-length": ["Content-Length: +4"],
    "a hexadecimal content-length": ["Content-Length: 0x4"],
    "a space before the colon": ["Content-Length : 4"],
    "a transfer coding that is not chunked": ["Transfer-Encoding: xchunked"],
    "a folded line": ["X-Folded: a", " b", "Content-Length: 4"],
    "a bare CR": ["X-Bare: a\rb", "Content-Length: 4"],
    "a NUL": ["X-Nul: a\0b", "Content-Length: 4"],
    "a name that is no token": ["X(Y): a", "Content-Length: 4"],
    "two hosts": ["Host: other.test", "Content-Length: 4"],
}


@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_ambiguous_http_gets_400_and_a_closed_connection(tenant, raw, lines):
    smuggled = head(
        "POST", tenant.events_path, "Content-Type: application/json", "Content-Length: 22"
    )
    request = head("POST", tenant.events_path, "Content-Type: application/json", *lines)
    raw.send(request + "null" + smuggled + '{"type":"a","data":{}}')
    response = raw.read_response()
    assert response and response.status == 400
    assert raw.closed()
    assert tenant.all_events() == []


def test_a_request_without_host_is_400(tenant, raw):
    raw.send(f"GET {tenant.webhooks_path}/list HTTP/1.1\r\n\r\n")
    assert raw.read_response().status == 400
    assert raw.closed()


@pytest.mark.parametrize("lines", [1, 400], ids=["one long line", "many lines"])
def test_a_request_head_over_16_kib_is_refused(tenant, raw, lines):
    filler = [f"X-Filler-{n}: " + "x" * (20_000 // lines) for n in range(lines)]
    raw.send(head("GET", f"{tenant.webhooks_path}/list", *filler))
    response = raw.read_response()
    assert response is None or response.status in (400, 414, 431)
    assert raw.closed()


def test_a_request_head_of_8_kib_is_taken(tenant, raw):
    raw.send(head("GET", f"{tenant.webhooks_path}/list", "X-Filler: " + "x" * 8000))
    assert raw.read_response().status == 200


def test_a_request_that_takes_longer_than_the_request_timeout_is_cut_off(alone):
    server = alone(request_timeout="1s")
    tenant = Tenant(server.client())
    with Raw(server.host, server.port) as slow_head, Raw(server.host, server.port) as slow_body:
        slow_head.send("GET / HTTP/1.1\r\nHost: ")
        slow_body.send(
            head("POST", tenant.events_path, "Content-Type: application/json", "Content-Length: 22")
        )
        for raw in (slow_head, slow_body):
            response = raw.read_response()
            assert response is None or response.status in (400, 408)
            assert raw.closed()
    assert tenant.all_events() == []
