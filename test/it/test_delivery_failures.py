"""Contract section 4: deliveries that fail, and endpoints that must not be reached."""

import socket
import time

import pytest

from api import Tenant, problem
from failing import until_attempts, until_outcomes
from harness import until, until_empty
from receivers import Answer, Bytes, Close, Endless, Late, Reset

# --- failures: one try, and nothing kept


FAILURES = {
    "500": lambda: Answer(500),
    "503 with Retry-After": lambda: Answer(503, headers=(("Retry-After", "1"),)),
    "404": lambda: Answer(404),
    "410": lambda: Answer(410),
    "304": lambda: Answer(304),
    "101": lambda: Answer(101),
    "close": Close,
    "reset": Reset,
    "half a status line": lambda: Bytes(b"HTTP/1.1 20"),
    "half a head": lambda: Bytes(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "not HTTP": lambda: Bytes(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "code 99999": lambda: Bytes(b"HTTP/1.1 99999 OK\r\nContent-Length: 0\r\n\r\n"),
}


@pytest.mark.parametrize("behaviour", FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_delivery_is_tried_once(tenant, receiver, emptied, behaviour):
    sink = receiver(behaviour())
    webhook = tenant.create(sink.url())
    first = tenant.publish("first")
    sink.wait_for(1)
    emptied(tenant, webhook)
    second = tenant.publish("second")
    sink.wait_for(2)
    assert sink.ids() == [first["locator"], second["locator"]]


def test_a_refused_connection_ends_the_delivery(tenant, emptied):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        webhook = tenant.create("http://127.0.0.1:%d/" % closed.getsockname()[1])
        tenant.publish()
        emptied(tenant, webhook)


def test_redirects_are_never_followed(tenant, receiver, emptied):
    target = receiver()
    sink = receiver(
        *(Answer(code, headers=(("Location", target.url()),)) for code in (301, 302, 307, 308))
    )
    webhook = tenant.create(sink.url())
    for n in range(4):
        tenant.publish()
        sink.wait_for(n + 1)
        emptied(tenant, webhook)
    assert len(sink.all()) == 4 and target.connections == 0


def test_no_answer_within_the_delivery_timeout_is_a_failure(alone, receiver, event):
    release = event()
    drip = Bytes(b"HTTP/1.1 200 OK\r\n", hold=release)
    sink = receiver(Answer(after=release), drip)
    server = alone(delivery_timeout="1s")
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url())
    begin = time.monotonic()
    events = [tenant.publish(), tenant.publish()]
    sink.wait_for(2)
    until_empty(server.redis.client, tenant, webhook)
    assert 0.9 <= time.monotonic() - begin
    events.append(tenant.publish("after"))
    sink.wait_for(3)
    assert sorted(sink.ids()) == [e["locator"] for e in events]


def test_the_outcome_is_settled_at_the_head(alone, receiver, event):
    done, release = event(), event()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
    sink = receiver(Endless(done), Bytes(head), Bytes(head, hold=release))
    server = alone(delivery_timeout="1s")
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url())
    for n in range(3):
        tenant.publish()
        sink.wait_for(n + 1)
        until_empty(server.redis.client, tenant, webhook)
    assert done.wait(10), "an endless body is cut off"

    def counted():
        (item,) = tenant.list(extended="true")["items"]
        return item["stats"]["delivered"] == 3

    until(counted, "all three count as delivered")


@pytest.mark.parametrize("status, outcome", [(200, "delivered"), (500, "failed")])
def test_a_body_that_never_ends_holds_neither_place_nor_word(
    alone, receiver, event, status, outcome
):
    head = b"HTTP/1.1 %d X\r\nContent-Type: text/event-stream\r\n\r\n" % status
    sink = receiver(default=Bytes(head, hold=event()))
    server = alone(delivery_timeout="50s", lease="100s", endpoint_concurrency=1)
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url())
    for n in range(3):
        tenant.publish()
        sink.wait_for(n + 1)  # one place: the one before has left it
    until_outcomes(tenant, webhook, outcome, outcome, outcome)
    until_empty(server.redis.client, tenant, webhook)


def test_a_late_body_is_on_record_when_its_place_is_another_ones_already(alone, receiver, event):
    release = event()
    sink = receiver(Late(500, b"out of paper", release))
    server = alone(endpoint_concurrency=1)
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url())
    tenant.publish_many(2)
    sink.wait_for(2)
    release.set()
    attempts = until_attempts(tenant, webhook, 2)
    assert {(a["statusCode"], a["response"]) for a in attempts} == {
        (500, "out of paper"),
        (200, None),
    }


# --- egress


def test_a_name_that_leads_to_a_forbidden_address_is_refused_at_connect(
    alone, receiver, name_server
):
    sink = receiver()
    dns = name_server({"inside.example.test": ["127.0.0.1"]})
    server = alone(allow_egress=[], dns=dns.address)
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url(name="inside.example.test"))
    tenant.publish()
    until_empty(server.redis.client, tenant, webhook)
    assert dns.queries and sink.connections == 0
    (attempt,) = tenant.attempts(webhook)
    message = "an address of host inside.example.test is not allowed"
    assert attempt["failureMessage"] == message, "the tenant learns nothing of the inside"
    assert server.log_lines("endpoint not allowed", "inside.example.test", "address=127.0.0.1")


def test_a_name_that_does_not_exist_ends_the_delivery(alone, name_server):
    server = alone(dns=name_server({}).address)
    tenant = Tenant(server.client())
    webhook = tenant.create("http://nowhere.example.test/")
    tenant.publish()
    until_empty(server.redis.client, tenant, webhook)


@pytest.mark.parametrize("listener", ["lock", "admin_lock"])
def test_one_of_evhookds_own_listeners_is_refused_as_an_address(server, tenant, listener):
    url = f"http://127.0.0.1:{getattr(server, listener).port}/"
    response = tenant.try_create(tenant.body(url))
    problem(response, 400)
    assert response.fields() == ["endpoint.url"]


def test_one_of_evhookds_own_listeners_is_refused_at_connect(alone, name_server):
    """A listener of the test's own shares the port: of 32 connections it would get some."""
    dns = name_server({"myself.example.test": ["127.0.0.1"]})
    server = alone(dns=dns.address)
    tenant = Tenant(server.client())
    webhook = tenant.create(f"http://myself.example.test:{server.port}/")
    with socket.socket() as trap:
        trap.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        trap.bind(("127.0.0.1", server.port))
        trap.listen(64)
        trap.setblocking(False)
        tenant.publish_many(32)
        until_empty(server.redis.client, tenant, webhook)
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert dns.queries


def test_the_admin_listener_is_refused_at_connect(alone, name_server):
    dns = name_server({"myself.example.test": ["127.0.0.1"]})
    server = alone(dns=dns.address)
    tenant = Tenant(server.client())
    webhook = tenant.create(f"http://myself.example.test:{server.admin_lock.port}/readyz")
    tenant.publish()
    (attempt,) = until_outcomes(tenant, webhook, "failed")
    assert attempt["failureMessage"] == "an address of host myself.example.test is not allowed"
    assert server.log_lines("endpoint not allowed", "own listeners")
