"""Places for connections: who goes when all are taken, a cap for each client, room for probes."""

import contextlib
import json

import pytest

from api import Tenant, problem
from client import Raw, head
from harness import until
from load import metric

TENANT = Tenant(None)
LIST = head("GET", TENANT.webhooks_path + "/list")
START = {
    "nothing": "",
    "an empty line": "\r\n",
    "half a line": "GET /",
    "half a head": head("GET", "/healthz")[:-2],
    "a request": head("GET", "/healthz"),
    "a probe with a body": head("GET", "/healthz", "Content-Length: 100"),
    "a list with a body": head("GET", TENANT.webhooks_path + "/list", "Content-Length: 100"),
    "a refused body": head("POST", "/nothing", "Content-Length: 100"),
}


def connect(stack, port, host="127.0.0.1"):
    return stack.enter_context(Raw(host, port))


def get(port, path):
    """The status that a new connection gets, None when it is closed instead."""
    with Raw("127.0.0.1", port) as raw:
        raw.send(head("GET", path))
        response = raw.read_response()
        return response and response.status


def begin(stack, server, start, n):
    """That many connections that have begun so."""
    raws = []
    for _ in range(n):
        raw = connect(stack, server.port)
        raw.send(START[start])
        if start.startswith("a re"):
            raw.read_response()
        raws.append(raw)
    return raws


@pytest.mark.parametrize("start", START)
def test_when_all_places_are_taken_the_longest_idle_goes(alone, start):
    server = alone(max_connections=10, max_connections_per_client=0)
    until(lambda: metric(server, "evhookd_http_connections") == 0, "it is empty")
    with contextlib.ExitStack() as stack:
        raws = begin(stack, server, start, 10)
        until(lambda: metric(server, "evhookd_http_connections") == 10, "it is full")
        new = connect(stack, server.port)
        for _ in range(3):
            new.send(LIST)
            assert new.read_response().status == 200
        assert raws[0].closed()
        for raw in raws[1:]:
            raw.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                raw.socket.recv(1)
        assert metric(server, "evhookd_http_evicted_total") == 1


def test_who_is_used_stays(alone):
    server = alone(max_connections=4, max_connections_per_client=0)
    with contextlib.ExitStack() as stack:
        raws = begin(stack, server, "a request", 4)
        for n in (0, 2, 3):
            raws[n].send(LIST)
            assert raws[n].read_response().status == 200
        connect(stack, server.port)
        assert raws[1].closed()
        raws[0].send(LIST)
        assert raws[0].read_response().status == 200


def busy(stack, server, n):
    """Connections whose head is good and whose body is to come: nobody takes their place."""
    body = json.dumps({"type": "a", "data": {}})
    fields = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    raws = [connect(stack, server.port) for _ in range(n)]
    for raw in raws:
        raw.send(head("POST", TENANT.events_path, *fields, "Expect: 100-continue"))
        assert raw.read_response(no_body=True).status == 100
    return raws, body


def test_probes_find_a_place_where_nobody_can_go(alone):
    server = alone(max_connections=4, max_connections_per_client=0)
    with contextlib.ExitStack() as stack:
        raws, body = busy(stack, server, 4)
        begin(stack, server, "an empty line", 40)  # what is beyond is for probes ...
        for path in ("/healthz", "/readyz") * 3:
            assert get(server.port, path) == 200
        with Raw(server.host, server.port) as other:
            other.send(LIST)
            response = other.read_response()
            assert "connections" in problem(response, 503)["detail"]
            assert response.header("retry-after") and response.header("connection") == "close"
            assert other.closed()
        raws[0].send(body)
        assert raws[0].read_response().status == 201
        assert get(server.port, TENANT.webhooks_path + "/list") == 200  # ... until there is room
        for raw in raws[1:]:
            raw.send(body)
            assert raw.read_response().status == 201


def test_answers_that_are_not_taken_keep_no_place(alone):
    """Where nobody else can go."""
    server = alone(max_connections=4, max_connections_per_client=0)
    with contextlib.ExitStack() as stack:
        raws = [connect(stack, server.port) for _ in range(4)]
        for raw in raws:
            raw.socket.setblocking(False)

        def stuffed():
            for raw in raws:
                with contextlib.suppress(BlockingIOError):
                    raw.socket.send(head("GET", "/openapi.json").encode() * 100)
            return metric(server, 'evhookd_http_connections{state="writing"}') == 4

        until(stuffed, "nothing more fits")
        until(lambda: get(server.port, TENANT.webhooks_path + "/list") == 200, "one is closed")
        assert metric(server, "evhookd_http_evicted_total") > 0


def test_a_client_has_a_quarter_of_the_places(alone):
    server = alone(max_connections=40)
    with contextlib.ExitStack() as stack:
        raws = begin(stack, server, "a request", 10)
        begin(stack, server, "an empty line", 40)  # beyond it, and silent
        for path in ("/healthz", "/readyz") * 3:
            assert get(server.port, path) == 200
        assert get(server.port, TENANT.webhooks_path + "/list") == 503
        assert metric(server, 'evhookd_http_refused_total{reason="client_connections"}') >= 41
        for raw in raws:  # nobody lost a place
            raw.send(LIST)
            assert raw.read_response().status == 200
        raws[0].close()
        until(lambda: get(server.port, TENANT.webhooks_path + "/list") == 200, "there is room")


@pytest.mark.parametrize("start", ["nothing", "an empty line", "half a head"])
def test_the_admin_address_cannot_be_filled(alone, start):
    server = alone()
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            connect(stack, server.admin_lock.port).send(START[start])
        for path in ("/healthz", "/readyz", "/metrics"):
            assert get(server.admin_lock.port, path) == 200
