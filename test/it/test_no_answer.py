"""Contract section 2: every failure to get an answer is a `timeout`, and its message says which."""

import contextlib
import re
import socket
import threading

import pytest

from api import Tenant
from failing import policy, until_attempts, until_outcomes
from receivers import Answer, Bytes, Close, Reset

# What came instead of an answer, and words that an operator can act on.
BROKEN = {
    "closed without an answer": (Close(), r"closed"),
    "reset": (Reset(), r"reset"),
    "half a status line": (Bytes(b"HTTP/1.1 20"), r"closed|broken|incomplete|not HTTP"),
    "half a head": (Bytes(b"HTTP/1.1 200 OK\r\nContent-Le"), r"closed|broken|incomplete"),
    "not HTTP": (Bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), r"HTTP|broken|answer"),
    "code 99999": (Bytes(b"HTTP/1.1 99999 OK\r\nContent-Length: 0\r\n\r\n"), r"HTTP|status|answer"),
    "code 0": (Bytes(b"HTTP/1.1 0 OK\r\nContent-Length: 0\r\n\r\n"), r"HTTP|status|answer"),
    "an endless status line": (
        Bytes(b"HTTP/1.1 200 " + b"x" * 1000000 + b"\r\n\r\n"),
        r"head|large|long|big",
    ),
    "endless interim answers": (
        Bytes(b"HTTP/1.1 100 Continue\r\nX-Filler: xxxxxxxx\r\n\r\n" * 100000),
        r"head|large|long|big",
    ),
}

# Behind a status line that stands.
FAULTY = {
    "a list of lengths": b"Content-Length: 2, 2\r\n\r\nhi",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "a length and a coding": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
    "a line without colon": b"No colon\r\nContent-Length: 2\r\n\r\nhi",
    "an endless line": b"X-Filler: " + b"x" * 1000000 + b"\r\n\r\n",
    "endless lines": b"X-Filler: xxxxxxxx\r\n" * 100000,
}


def assert_timeout(tenant, webhook, event, words):
    """One try, counted under `timeout`, diverted with words that match."""
    (attempt,) = until_outcomes(tenant, webhook, "diverted")
    assert (attempt["statusCode"], attempt["failureTrigger"]) == (None, "timeout")
    assert re.search(words, attempt["failureMessage"], re.I), attempt["failureMessage"]
    (kept,) = tenant.diverted(webhook)
    assert (kept["eventLocator"], kept["failureTrigger"]) == (event["locator"], "timeout")
    assert kept["failureMessage"] == attempt["failureMessage"]
    return attempt["failureMessage"]


def only_timeout():
    return policy(triggers=["timeout"], divert=True)


def test_answers_that_are_none(tenant, receiver):
    hooks = {
        name: tenant.create(receiver(default=behaviour).url(), failureHandling=only_timeout())
        for name, (behaviour, _) in BROKEN.items()
    }
    event = tenant.publish()
    for name, webhook in hooks.items():
        assert_timeout(tenant, webhook, event, BROKEN[name][1])


@pytest.mark.parametrize("status", [200, 404])
def test_the_status_line_stands_whatever_is_wrong_behind_it(tenant, receiver, status):
    line = b"HTTP/1.1 %d Whatever\r\n" % status
    hooks = [
        tenant.create(receiver(default=Bytes(line + rest)).url(), failureHandling=only_timeout())
        for rest in FAULTY.values()
    ]
    tenant.publish()
    for webhook in hooks:
        (attempt,) = until_outcomes(tenant, webhook, "delivered" if status == 200 else "failed")
        assert (attempt["statusCode"], attempt["response"]) == (status, None)


def test_connection_refused(tenant):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        webhook = tenant.create(
            "http://127.0.0.1:%d/" % closed.getsockname()[1], failureHandling=only_timeout()
        )
        event = tenant.publish()
        assert_timeout(tenant, webhook, event, "refused")


def test_deadlines_before_and_within_the_head(alone, receiver, event):
    release = event()
    server = alone(delivery_timeout="1s")
    tenant = Tenant(server.client())
    silent = receiver(default=Answer(after=release))
    dripping = receiver(default=Bytes(b"HTTP/1.1 200 OK\r\nX-A: b\r\n", hold=release))
    hooks = [
        tenant.create(s.url(), failureHandling=only_timeout()) for s in (silent, dripping)
    ]
    with socket.socket() as full:  # a backlog that is full: SYNs stay unanswered
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        hooks.append(
            tenant.create(
                "http://127.0.0.1:%d/" % full.getsockname()[1], failureHandling=only_timeout()
            )
        )
        published = tenant.publish()
        messages = [assert_timeout(tenant, w, published, r"time|in time|within") for w in hooks]
        for filler in fillers:
            filler.close()
    for attempt in (tenant.attempts(w)[0] for w in hooks):
        assert 900 <= attempt["durationMs"]
    assert all(messages)


def test_names_and_forbidden_addresses(alone, name_server, receiver):
    """Neither the name server nor the network may be asked for what is refused."""
    sink = receiver()
    dns = name_server({"inside.example.test": ["127.0.0.1"], "empty.example.test": []})
    server = alone(allow_egress=[], dns=dns.address)
    tenant = Tenant(server.client())
    cases = {
        "http://nowhere.example.test/": r"no such host|not found|does not exist|no address",
        "http://empty.example.test/": r"no address|no such host",
        sink.url(name="inside.example.test"): r"not allowed|forbidden|egress|refused",
    }
    hooks = {url: tenant.create(url, failureHandling=only_timeout()) for url in cases}
    event = tenant.publish()
    messages = {assert_timeout(tenant, hooks[url], event, cases[url]) for url in cases}
    assert len(messages) >= 2 and sink.connections == 0


@pytest.mark.parametrize(
    "kind, words",
    {
        "wrong-host": r"for another",
        "expired": r"expired",
        "not-yet": r"not yet valid",
        "self-signed": r"self.signed",
        "other-ca": r"issuer|unable to|verif",
    }.items(),
)
def test_certificates(tenant, receiver, certs, kind, words):
    sink = receiver(tls=certs.server(kind))
    webhook = tenant.create(sink.url(), failureHandling=only_timeout())
    lenient = tenant.create(sink.url(), endpoint_secureSsl=False)
    event = tenant.publish()
    message = assert_timeout(tenant, webhook, event, words)
    assert re.search("certificate", message, re.I), message
    until_outcomes(tenant, lenient, "delivered")


def test_tls_to_a_plain_server_and_the_other_way_round(alone, receiver, certs):
    tenant = Tenant(alone(delivery_timeout="1s").client())
    plain, secure = receiver(), receiver(tls=certs.server())
    to_plain = tenant.create(
        plain.url().replace("http:", "https:"), failureHandling=only_timeout()
    )
    to_secure = tenant.create(
        secure.url().replace("https:", "http:"), failureHandling=only_timeout()
    )
    event = tenant.publish()
    assert_timeout(tenant, to_plain, event, "TLS")
    assert_timeout(tenant, to_secure, event, r"closed|reset|HTTP|answer")


def test_an_interim_answer_is_no_answer_in_the_end(tenant, receiver, event):
    """100 is skipped; another 1xx is skipped or counts under 4xx, and never hangs or succeeds
    where the final answer failed."""
    early = b"HTTP/1.1 %d Early\r\nLink: </a>\r\n\r\n"
    final = b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n"
    cases = [
        (early % 100 + final % 200, {200}),
        (early % 100 + final % 503, {503}),
        (early % 103 + final % 200, {200, 103}),
        (early % 102 + final % 503, {503, 102}),
        (early % 103 + final % 404, {404, 103}),
    ]
    release = event()
    hooks = [
        tenant.create(
            receiver(default=Bytes(data, hold=release)).url(), failureHandling=policy(divert=True)
        )
        for data, _ in cases
    ]
    under_4xx = tenant.create(
        receiver(default=Bytes(early % 103 + final % 404, hold=release)).url(),
        failureHandling=policy(triggers=["4xx"], divert=True),
    )
    tenant.publish()
    for (data, statuses), webhook in zip(cases, hooks):
        (attempt,) = until_attempts(tenant, webhook, 1)
        assert attempt["statusCode"] in statuses, (data, attempt["failureMessage"])
        assert (attempt["outcome"] == "delivered") == (attempt["statusCode"] == 200)
        if attempt["statusCode"] != 200:
            assert attempt["failureTrigger"] == str(attempt["statusCode"])
    until_outcomes(tenant, under_4xx, "diverted")


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
def test_a_handshake_that_stalls_leaves_time_for_the_next_address(
    alone, name_server, receiver, certs, drips
):
    good = receiver(tls=certs.server(), host="127.0.0.2")
    dns = name_server({"two.example.test": ["127.0.0.1", "127.0.0.2"]})
    server = alone(dns=dns.address, delivery_timeout="3s", ca_file=certs.ca_file)
    tenant = Tenant(server.client())
    done = threading.Event()
    with socket.create_server(("127.0.0.1", good.port)) as stalling:

        def stall():
            # the head of a handshake record, and then a byte now and then
            stalling.settimeout(30)
            connection = stalling.accept()[0]
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"\x16\x03\x03\x30\x00\x02\x00\x2f\xf0")
                while not done.wait(0.1):
                    connection.sendall(b"a" if drips else b"")

        thread = threading.Thread(target=stall)
        thread.start()
        webhook = tenant.create(good.url(name="two.example.test"), endpoint_secureSsl=False)
        event = tenant.publish()
        until_outcomes(tenant, webhook, "delivered")
        done.set()
        thread.join()
    assert good.ids() == [event["locator"]]
