"""Contract section 4: deliveries; what subscribers receive, and whom it may delay."""

import base64
import re

import pytest

from api import Keys, Tenant, signature
from harness import run, until
from receivers import Answer

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


# --- what is sent


def test_one_post_with_the_event_and_its_headers(tenant, receiver):
    sink = receiver()
    tenant.create(sink.url("/hook?x=y%20z"))
    version = run("--version").stdout.split()[-1]
    event = tenant.publish("policy.issue", {"n": 1})
    (request,) = sink.wait_for(1)
    assert (request.method, request.target, request.version) == (
        "POST",
        "/hook?x=y%20z",
        "HTTP/1.1",
    )
    assert request.json() == event
    assert request.header("host") == f"127.0.0.1:{sink.port}"
    assert request.header("content-type") == "application/json"
    assert request.header("content-length") == str(len(request.body))
    assert request.header("user-agent") == f"evhookd/{version}"
    assert request.header("webhook-id") == event["locator"]
    assert request.header("webhook-event-type") == "policy.issue"
    assert request.header("webhook-attempt") == "1"
    assert re.fullmatch(r"\d+", request.header("webhook-timestamp"))
    assert abs(int(request.header("webhook-timestamp")) - request.time) < 5
    for name in ("webhook-signature", "webhook-secret-tag", "traceparent", "tracestate"):
        assert request.header(name) is None


def test_every_subscriber_gets_the_same_bytes(tenant, receiver):
    sinks = [receiver() for _ in range(3)]
    for sink in sinks:
        tenant.create(sink.url())
    tenant.publish(data={"a": 1.5})
    assert len({sink.wait_for(1)[0].body for sink in sinks}) == 1


@pytest.mark.parametrize("secret", [SECRET, "sixteen bytes ok", "ü" * 20])
def test_the_signature_is_hmac_sha256_over_id_timestamp_and_body(tenant, receiver, secret):
    sink = receiver()
    tenant.create(sink.url(), endpoint_hmacEnabled=True, endpoint_secret=secret)
    tenant.publish(data={"text": "é\n"})
    (request,) = sink.wait_for(1)
    assert request.header("webhook-signature") == signature(secret, request)


def test_a_generated_secret_signs(tenant, receiver):
    sink = receiver()
    webhook = tenant.create(sink.url(), endpoint_hmacEnabled=True)
    tenant.publish()
    (request,) = sink.wait_for(1)
    assert request.header("webhook-signature") == signature(webhook["endpoint"]["secret"], request)


def test_the_tag_names_the_secret_in_use(tenant, receiver):
    sink = receiver()
    tenant.create(
        sink.url(), endpoint_hmacEnabled=True, endpoint_secret=SECRET, endpoint_tag="2026-11"
    )
    tenant.publish()
    (request,) = sink.wait_for(1)
    assert request.header("webhook-secret-tag") == "2026-11"


@pytest.fixture
def rotated(tenant, receiver):
    """Publishes after an update of the secret: gives the signatures that came, and the request."""
    sink = receiver()
    webhook = tenant.create(sink.url(), endpoint_hmacEnabled=True, endpoint_secret=SECRET)

    def rotated(**endpoint):
        tenant.update(webhook, endpoint=endpoint)
        before = len(sink.all())
        tenant.publish()
        request = sink.wait_for(before + 1)[-1]
        return request.header("webhook-signature").split(" "), request

    return rotated


def test_an_old_secret_signs_beside_the_new_one(rotated):
    signatures, request = rotated(secret="the second secret of three")
    assert signatures == [
        signature("the second secret of three", request),
        signature(SECRET, request),
    ]
    signatures, request = rotated(secret="the third secret of three")
    assert sorted(signatures) == sorted(
        [
            signature("the third secret of three", request),
            signature("the second secret of three", request),
        ]
    ), "only the newest previous secret is kept"


def test_the_same_secret_again_is_no_change(rotated):
    signatures, request = rotated(secret=SECRET)
    assert signatures == [signature(SECRET, request)]


def test_an_overlap_of_0_revokes_the_old_secret_at_once(rotated):
    signatures, request = rotated(secret="the second secret of three", secretOverlapSeconds=0)
    assert signatures == [signature("the second secret of three", request)]


def test_the_endpoints_own_headers_are_sent_once_per_value_in_order(tenant, receiver):
    sink = receiver()
    headers = {"X-Many": ["b", "a", "b"], "Authorization": ["Bearer a.b-c"]}
    tenant.create(sink.url(), endpoint_headers=headers)
    tenant.publish()
    (request,) = sink.wait_for(1)
    assert [(k, v) for k, v in request.headers if k == "X-Many"] == [
        ("X-Many", "b"),
        ("X-Many", "a"),
        ("X-Many", "b"),
    ]
    assert request.header("Authorization") == "Bearer a.b-c"


def test_the_publishers_trace_context_is_passed_on(tenant, receiver):
    sink = receiver()
    tenant.create(sink.url())
    tenant.publish(headers={"traceparent": TRACEPARENT, "tracestate": "a=1,b=2"})
    (request,) = sink.wait_for(1)
    assert request.header("traceparent") == TRACEPARENT
    assert request.header("tracestate") == "a=1,b=2"


@pytest.mark.parametrize(
    "traceparent",
    [
        "x",
        TRACEPARENT[:-1],
        TRACEPARENT.upper(),
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        "ff" + TRACEPARENT[2:],
    ],
)
def test_a_trace_context_that_is_not_valid_is_not_passed_on(tenant, receiver, traceparent):
    sink = receiver()
    tenant.create(sink.url())
    tenant.publish(headers={"traceparent": traceparent, "tracestate": "a=1"})
    (request,) = sink.wait_for(1)
    assert request.header("traceparent") is None and request.header("tracestate") is None


# --- to whom


@pytest.mark.parametrize(
    "event_types, matched",
    [
        (["*"], "policy policy.issue policy.issue.done claim Policy.issue"),
        (["policy"], "policy"),
        (["policy.*"], "policy.issue policy.issue.done"),
        (["policy.issue"], "policy.issue"),
        (["policy.issue.*", "claim"], "policy.issue.done claim"),
        ([], ""),
    ],
)
def test_subscriptions(tenant, receiver, event_types, matched):
    sink, everything = receiver(), receiver()
    tenant.create(sink.url(), eventTypes=event_types + ["last"])
    tenant.create(everything.url())
    types = ["policy", "policy.issue", "policy.issue.done", "claim", "Policy.issue"]
    for event_type in types:
        tenant.publish(event_type)
    everything.wait_for(len(types))
    tenant.publish("last")
    wanted = sorted(matched.split() + ["last"])
    sink.wait_for(len(wanted))
    assert sorted(r.header("webhook-event-type") for r in sink.all()) == wanted


def test_one_event_is_delivered_once_however_many_subscriptions_match(tenant, receiver, emptied):
    sink = receiver()
    webhook = tenant.create(sink.url(), eventTypes=["*", "a.*", "a.b.*", "a.b.c"])
    events = [tenant.publish("a.b.c"), tenant.publish("last")]
    sink.wait_for(2)
    emptied(tenant, webhook)
    assert sorted(sink.ids()) == [e["locator"] for e in events]


def test_two_webhooks_with_the_same_url_are_two_subscribers(tenant, receiver):
    sink = receiver()
    tenant.create(sink.url())
    tenant.create(sink.url())
    event = tenant.publish()
    sink.wait_for(2)
    assert sink.ids() == [event["locator"]] * 2


def test_events_of_other_tenants_are_not_delivered(tenant, client, receiver):
    sink = receiver()
    tenant.create(sink.url())
    Tenant(client).publish()
    event = tenant.publish()
    sink.wait_for(1)
    assert sink.ids() == [event["locator"]]


def test_a_disabled_webhook_gets_nothing(tenant, receiver):
    sink, witness = receiver(), receiver()
    webhook = tenant.create(sink.url(), enabled=False)
    tenant.create(witness.url())
    tenant.publish("missed")
    witness.wait_for(1)
    tenant.update(webhook, enabled=True)
    event = tenant.publish("seen")
    sink.wait_for(1)
    assert sink.ids() == [event["locator"]]
    tenant.update(webhook, enabled=False)
    tenant.publish("missed")
    witness.wait_for(3)
    tenant.update(webhook, enabled=True)
    event = tenant.publish("seen")
    sink.wait_for(2)
    assert sink.ids()[1:] == [event["locator"]]


def test_changed_subscriptions_count_for_the_next_event(tenant, receiver):
    sink = receiver()
    webhook = tenant.create(sink.url(), eventTypes=["a"])
    tenant.update(webhook, addEventTypes=["b"], removeEventTypes=["a"])
    tenant.publish("a")
    event = tenant.publish("b")
    sink.wait_for(1)
    assert sink.ids() == [event["locator"]]


def test_a_changed_url_counts_for_the_next_event(tenant, receiver):
    old, new = receiver(), receiver()
    webhook = tenant.create(old.url())
    tenant.publish()
    old.wait_for(1)
    tenant.update(webhook, endpoint={"url": new.url()})
    event = tenant.publish()
    new.wait_for(1)
    assert new.ids() == [event["locator"]] and len(old.all()) == 1


def test_deleting_a_webhook_removes_its_queue_at_once(tenant, redis, receiver, event):
    release = event()
    sink, witness = receiver(default=Answer(after=release)), receiver()
    webhook = tenant.create(sink.url())
    tenant.create(witness.url())
    tenant.publish_many(50)
    sink.wait_for(1)
    queue = Keys(tenant).queue(webhook["locator"])
    assert redis.exists(queue) == 1
    tenant.delete(webhook)
    assert redis.exists(queue) == 0
    assert redis.exists(Keys(tenant).webhook(webhook["locator"])) == 0
    came = len(sink.all())
    release.set()
    last = tenant.publish("after")
    witness.wait_for_events([last["locator"]])
    assert last["locator"] not in sink.ids()
    assert len(sink.all()) <= max(came, 32), "nothing was started that was not on the wire"
    assert redis.exists(queue) == 0, "what was on the wire brings nothing back"


# --- HTTPS


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_https_with_a_verified_certificate(tenant, receiver, certs, host):
    sink = receiver(tls=certs.server(), host=host)
    tenant.create(sink.url())
    tenant.publish()
    sink.wait_for(1)
    assert sink.server_names in ([], [None]), "no SNI for an address"


def test_https_by_name_sends_sni_and_host(alone, receiver, certs, name_server):
    sink = receiver(tls=certs.server())
    dns = name_server({"hooks.example.test": ["127.0.0.1"]})
    server = alone(ca_file=certs.ca_file, dns=dns.address)
    tenant = Tenant(server.client())
    tenant.create(sink.url(name="hooks.example.test"))
    tenant.publish()
    (request,) = sink.wait_for(1)
    assert request.header("host") == f"hooks.example.test:{sink.port}"
    assert sink.server_names == ["hooks.example.test"]


BAD = ["wrong-host", "expired", "not-yet", "self-signed", "other-ca"]


@pytest.mark.parametrize("kind", BAD)
def test_a_certificate_that_does_not_verify_is_refused(tenant, receiver, certs, emptied, kind):
    sink = receiver(tls=certs.server(kind))
    webhook = tenant.create(sink.url())
    tenant.publish()
    sink.wait(lambda _: sink.connections, "a connection")
    emptied(tenant, webhook)
    assert sink.all() == []


@pytest.mark.parametrize("kind", BAD)
def test_secure_ssl_false_switches_verification_off(tenant, receiver, certs, kind):
    sink = receiver(tls=certs.server(kind))
    tenant.create(sink.url(), endpoint_secureSsl=False)
    tenant.publish()
    sink.wait_for(1)


def test_connections_are_not_shared_between_verified_and_unverified(
    tenant, receiver, certs, emptied
):
    sink = receiver(tls=certs.server("expired"))
    unverified = tenant.create(sink.url("/a"), endpoint_secureSsl=False, eventTypes=["a"])
    verified = tenant.create(sink.url("/b"), eventTypes=["b"])
    tenant.publish("a")
    sink.wait_for(1)
    emptied(tenant, unverified)
    tenant.publish("b")
    sink.wait(lambda _: sink.connections == 2, "a second connection")
    emptied(tenant, verified)
    assert [r.target for r in sink.all()] == ["/a"]


def test_http_to_an_ipv6_endpoint(tenant, receiver):
    sink = receiver(host="::1")
    tenant.create(sink.url())
    tenant.publish()
    (request,) = sink.wait_for(1)
    assert request.header("host") == f"[::1]:{sink.port}"


# --- time-outs


def test_an_endpoint_may_have_a_shorter_timeout_of_its_own(tenant, receiver, event):
    release = event()
    sink = receiver(default=Answer(after=release))
    webhook = tenant.create(sink.url(), endpoint_timeoutSeconds=1)
    tenant.publish()
    until(lambda: tenant.attempts(webhook), "the attempt has ended")
    (attempt,) = tenant.attempts(webhook)
    assert attempt["failureTrigger"] == "timeout" and 1000 <= attempt["durationMs"] < 10000
    release.set()


def test_a_timeout_of_its_own_is_no_longer_than_that_of_the_process(alone, receiver, event):
    release = event()
    sink = receiver(default=Answer(after=release))
    tenant = Tenant(alone(delivery_timeout="1s").client())
    webhook = tenant.create(sink.url(), endpoint_timeoutSeconds=60)
    tenant.publish()
    until(lambda: tenant.attempts(webhook), "the attempt has ended")
    assert tenant.attempts(webhook)[0]["durationMs"] < 10000
    release.set()


# --- connections


def test_connections_are_kept_and_reused(tenant, receiver, emptied):
    sink = receiver()
    webhook = tenant.create(sink.url())
    for n in range(10):
        tenant.publish()
        sink.wait_for(n + 1)
        emptied(tenant, webhook)
    assert sink.connections == 1
    assert {r.connection for r in sink.all()} == {0}


def test_a_connection_that_the_receiver_closes_is_made_anew(tenant, receiver, emptied):
    sink = receiver(default=Answer(close=True))
    webhook = tenant.create(sink.url())
    for n in range(5):
        tenant.publish()
        sink.wait_for(n + 1)
        emptied(tenant, webhook)
    assert sink.connections == 5


def test_connections_per_webhook_are_capped(alone, receiver, event):
    release = event()
    sink, witness = receiver(default=Answer(after=release)), receiver()
    server = alone(endpoint_concurrency=2)
    tenant = Tenant(server.client())
    tenant.create(sink.url())
    tenant.create(witness.url(), eventTypes=["witness"])
    locators = tenant.publish_many(20)
    sink.wait_for(2)
    tenant.publish("witness")
    witness.wait_for(1)
    assert len(sink.all()) == 2
    release.set()
    sink.wait_for_events(locators)
    assert sink.most_busy == 2 and sink.connections <= 3


def test_a_slow_endpoint_delays_nobody_else(tenant, receiver, event):
    release = event()
    slow, fast = receiver(default=Answer(after=release)), receiver()
    tenant.create(slow.url(), eventTypes=["*"])
    tenant.create(fast.url(), eventTypes=["*"])
    locators = tenant.publish_many(200)
    fast.wait_for_events(locators)
    assert not release.is_set() and slow.most_busy <= 32
    release.set()
    slow.wait_for_events(locators)
