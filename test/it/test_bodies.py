"""Bodies of requests: judged before they are read, bounded over all connections and by tenant."""

import contextlib
import json
import os
import signal
import uuid

import pytest

from api import UNKNOWN, Tenant, problem
from client import Raw, head
from harness import run, until
from load import metric
from tokens import bearer, hmac_key

MIB = 1 << 20
SECRET = b"0123456789abcdef0123456789abcdef"
TENANT = str(uuid.uuid4())
EVENTS = f"/event/{TENANT}/events"
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return hmac_key(tmp_path_factory.mktemp("keys") / "key", SECRET)


@pytest.fixture
def guarded(alone, key):
    return lambda **options: alone(auth_key=key.file, **options)


def authorization(key, **claims):
    name, value = next(iter(bearer(key.all(**claims)).items()))
    return f"{name}: {value}"


def raw_to(server):
    return Raw(server.host, server.port)


# --- judged at the end of the head


REFUSALS = {
    "no route": ("POST", "/nothing", True, {}, 404),
    "no method": ("PUT", EVENTS, True, {}, 405),
    "no token": ("POST", EVENTS, False, {}, 401),
    "no uuid": ("POST", "/event/x/events", True, {}, 400),
    "another tenant": ("POST", EVENTS, True, {"tenants": [str(uuid.uuid4())]}, 403),
    "no permission": ("POST", EVENTS, True, {"permissions": ["events.read"]}, 403),
    "no JSON": ("POST", EVENTS, True, {}, 415),
}


@pytest.mark.parametrize("framing", [f"Content-Length: {MIB}", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_does_not_wait_for_the_body(shared_guarded, key, what, framing):
    method, path, token, claims, status = REFUSALS[what]
    fields = ["X-Type: none" if what == "no JSON" else JSON, framing]
    if token:
        fields.append(authorization(key, **claims))
    with raw_to(shared_guarded) as raw:
        raw.send(head(method, path, *fields, "Expect: 100-continue"))
        response = raw.read_response()
        problem(response, status)
        assert response.header("connection") == "close"
        assert raw.closed()
    with raw_to(shared_guarded) as raw:
        raw.send(head(method, path, *fields))
        problem(raw.read_response(), status)
    with raw_to(shared_guarded) as raw:  # and the client may send on until it has read it
        raw.send(head(method, path, *fields))
        raw.send(b"10000\r\n" + bytes(MIB))
        problem(raw.read_response(), status)


@pytest.fixture(scope="module")
def shared_guarded(key):
    from harness import Evhookd, RedisServer

    redis = RedisServer()
    evhookd = Evhookd(redis=redis, auth_key=key.file)
    try:
        yield evhookd
        evhookd.close()
    finally:
        redis.close()


def test_100_continue_is_for_whom_the_body_is_wanted_from(shared_guarded, key):
    body = json.dumps({"type": "a", "data": {}})
    fields = [JSON, f"Content-Length: {len(body)}", "Expect: 100-continue"]
    with raw_to(shared_guarded) as raw:
        raw.send(head("POST", EVENTS, *fields, authorization(key)))
        assert raw.read_response(no_body=True).status == 100
        raw.send(body)
        assert raw.read_response().status == 201
        raw.send(head("POST", EVENTS, *fields))
        problem(raw.read_response(), 401)
        assert raw.closed()


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "body later"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_refused_request_with_a_small_body_keeps_the_connection(shared_guarded, key, apart, chunked):
    """Whatever is in the body, it is nobody's request."""
    hidden = head("GET", "/healthz").encode()
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden) if chunked else hidden
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    refused = head("POST", EVENTS, JSON, framing).encode()
    good = head("GET", EVENTS + "/list", authorization(key)).encode()
    with raw_to(shared_guarded) as raw:
        for _ in range(3):
            if apart:
                raw.send(refused)
                problem(raw.read_response(), 401)
                raw.send(body[:5])
                raw.send(body[5:] + good)
            else:
                raw.send(refused + body + good)
                problem(raw.read_response(), 401)
            assert raw.read_response().status == 200


def test_a_bad_chunk_behind_an_answer_ends_the_connection(shared_guarded):
    with raw_to(shared_guarded) as raw:
        raw.send(head("POST", EVENTS, JSON, "Transfer-Encoding: chunked") + "x\r\n")
        problem(raw.read_response(), 401)
        assert raw.closed()


def test_a_refused_body_that_does_not_end_is_cut_off(shared_guarded):
    with raw_to(shared_guarded) as raw:
        raw.send(head("POST", EVENTS, JSON, "Transfer-Encoding: chunked"))
        problem(raw.read_response(), 401)
        raw.send(b"100\r\n" + bytes(256) + b"\r\n")
        for _ in range(300):
            raw.send(b"1000\r\n" + bytes(4096) + b"\r\n")
        assert raw.closed()


def test_a_refused_body_that_does_not_come_does_not_hold_up_the_end(guarded):
    server = guarded(drain_timeout="60s")
    with raw_to(server) as raw:
        raw.send(head("POST", EVENTS, JSON, "Content-Length: 10"))
        problem(raw.read_response(), 401)
        server.stop()


def test_a_route_without_a_body_keeps_none(alone):
    """It is read to its end and thrown away."""
    server = alone(max_body="64M", max_bodies="64M")
    path = f"/event/{TENANT}/webhooks/list"
    before = peak_kib(server)
    with raw_to(server) as raw:
        raw.send(head("GET", path, f"Content-Length: {48 * MIB}"))
        for _ in range(48):
            raw.send(bytes(MIB))
        raw.send(head("GET", "/healthz"))
        assert [raw.read_response().status for _ in range(2)] == [200, 200]
    assert peak_kib(server) - before < 16 * 1024


# --- memory


def peak_kib(evhookd):
    with open(f"/proc/{evhookd.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def send_some(raw, data):
    """As much as is taken without waiting for long."""
    raw.socket.settimeout(0.05)
    with contextlib.suppress(OSError):
        raw.socket.sendall(data)
    raw.socket.settimeout(10)


def test_bodies_without_a_token_take_no_memory(guarded):
    server = guarded()
    before = peak_kib(server)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            raw = stack.enter_context(raw_to(server))
            raw.send(head("POST", EVENTS, JSON, f"Content-Length: {MIB}"))
            send_some(raw, bytes(MIB - 1))
    assert peak_kib(server) - before < 16 * 1024


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_under_way_have_a_bound_and_a_share_for_each_tenant(guarded, key, framing):
    server = guarded(max_bodies="8M")
    before = peak_kib(server)
    begun = []

    def begin(stack, tenant):
        raw = stack.enter_context(raw_to(server))
        fields = [JSON, authorization(key)]
        part, start = bytes(MIB - 1), b""
        if framing == "chunked":
            fields.append("Transfer-Encoding: chunked")
            start = b"%x\r\n" % MIB
        else:
            fields.append(f"Content-Length: {MIB}")
        raw.send(head("POST", f"/event/{tenant}/events", *fields))
        send_some(raw, start + part)
        begun.append(raw)
        until(lambda: round(under_way() / MIB) + refused() == len(begun), "it is taken or refused")
        return raw

    def under_way():
        return metric(server, "evhookd_http_bodies_bytes")

    def refused():
        return metric(server, 'evhookd_http_refused_total{reason="bodies"}')

    with contextlib.ExitStack() as stack:
        one = [begin(stack, TENANT) for _ in range(6)]
        assert refused() == 4, "a tenant has a quarter"
        response = one[5].read_response()
        problem(response, 503)
        assert response.header("retry-after") == "1"
        assert response.header("connection") == "close"
        tenants = [str(uuid.uuid4()) for _ in range(5)]
        for tenant in tenants:
            begin(stack, tenant)
            begin(stack, tenant)
        # each finds room for one until all is taken, and for another one in three quarters of it
        assert refused() == 4 + 4
        assert under_way() <= 8 * MIB
        small = stack.enter_context(raw_to(server))
        body = json.dumps({"type": "a", "data": {}})
        small.send(head("POST", EVENTS, JSON, authorization(key), f"Content-Length: {len(body)}"))
        small.send(body)
        assert small.read_response().status == 201
    until(lambda: under_way() == 0, "all is given back")
    assert peak_kib(server) - before < 24 * 1024


def test_room_for_bodies_must_do_for_one():
    done = run("--max-body", "2M", "--max-bodies", "1M", "--check-config")
    assert done.returncode == 2 and "--max-bodies" in done.stderr
