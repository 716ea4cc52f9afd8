"""Egress: what may be registered, and what is connected to in the end."""

import json
import pathlib

import pytest

from api import Tenant, problem
from client import DEADLINE
from harness import until
from receivers import Answer

CASES = json.loads(
    (pathlib.Path(__file__).resolve().parents[1] / "cases" / "ssrf.json").read_text()
)
OPEN = ["127.0.0.2/32"]


def test_every_url_of_the_table_is_judged_at_registration(alone):
    tenant = Tenant(alone(allow_egress=[]).client())
    wrong = []
    for case in CASES["urls"]:
        response = tenant.try_create(tenant.body(case["url"]))
        accepted = response.status == 200
        if accepted:
            tenant.delete(response.json())
        else:
            assert problem(response, 400) and response.fields() == ["endpoint.url"]
        if accepted != (case["result"] == "accept"):
            wrong.append(case)
    assert not wrong


def attempts(tenant, webhook):
    path = f"/event/{tenant.locator}/webhooks/{webhook['locator']}/attempts"
    return tenant.client.get(path).json()["items"]


def fails_as_forbidden(server, tenant, webhook, address):
    """The log names the address; the tenant, whose name led there, hears of the name only."""
    tenant.publish()
    until(lambda: attempts(tenant, webhook)[:1], "the attempt is recorded")
    newest = attempts(tenant, webhook)[0]
    assert newest["outcome"] == "failed" and newest["failureTrigger"] == "timeout"
    assert "is not allowed" in newest["failureMessage"] and address not in str(newest), newest
    assert server.log_lines("endpoint not allowed", f"address={address}")


def test_a_record_that_changes_after_registration_gains_nothing(alone, receiver, name_server):
    sink = receiver(host="127.0.0.2", default=Answer(headers=(("Connection", "close"),), close=True))
    inside = receiver()
    dns = name_server({"moving.example.test": ["127.0.0.2"]})
    tenant = Tenant(alone(allow_egress=OPEN, dns=dns.address).client())
    webhook = tenant.create(sink.url(name="moving.example.test"))
    tenant.publish()
    sink.wait_for(1)
    dns.names["moving.example.test"] = ["127.0.0.1"]
    asked = len(dns.queries)

    def moved():
        tenant.publish()
        return len(dns.queries) > asked and attempts(tenant, webhook)[0]["outcome"] == "failed"

    until(moved, "the new record is used", timeout=3 * DEADLINE)
    message = "an address of host moving.example.test is not allowed"
    assert attempts(tenant, webhook)[0]["failureMessage"] == message
    assert inside.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.2", "10.0.0.1"], ["10.0.0.1", "127.0.0.2"], ["127.0.0.2", "::1"]],
    ids=["public then private", "private then public", "private AAAA"],
)
def test_one_forbidden_address_refuses_the_whole_answer(alone, receiver, name_server, addresses):
    sink = receiver(host="127.0.0.2")
    dns = name_server({"mixed.example.test": addresses})
    server = alone(allow_egress=OPEN, dns=dns.address)
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url(name="mixed.example.test"))
    fails_as_forbidden(server, tenant, webhook, next(a for a in addresses if a != "127.0.0.2"))
    assert sink.connections == 0


def test_a_redirect_to_a_private_address_is_not_followed(alone, receiver):
    inside = receiver()
    for status in (301, 302, 303, 307, 308):
        sink = receiver(
            Answer(status, headers=(("Location", inside.url("/secret")),)), host="127.0.0.2"
        )
        tenant = Tenant(alone(allow_egress=OPEN).client())
        webhook = tenant.create(sink.url())
        tenant.publish()
        until(lambda: attempts(tenant, webhook)[:1], "the attempt is recorded")
        assert attempts(tenant, webhook)[0]["failureTrigger"] == str(status)
    assert inside.connections == 0


def test_the_refusal_is_the_same_whether_the_port_is_open_or_not(alone, receiver, name_server):
    inside = receiver()
    dns = name_server({"inside.example.test": ["127.0.0.1"]})
    tenant = Tenant(alone(allow_egress=OPEN, dns=dns.address).client())
    said = set()
    for port in (inside.port, 1):
        webhook = tenant.create(f"http://inside.example.test:{port}/")
        tenant.publish()
        until(lambda: attempts(tenant, webhook)[:1], "the attempt is recorded")
        said.add(attempts(tenant, webhook)[0]["failureMessage"])
        tenant.delete(webhook)
    assert len(said) == 1 and inside.connections == 0
