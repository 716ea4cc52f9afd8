"""Contract section 2: a secret is replaced without a delivery that fails to verify."""

import base64

from api import Tenant, signature, whsec
from failing import hurry, policy, until_outcomes
from harness import until
from receivers import Answer

OLD, NEW = whsec(24), whsec(32)


def signatures(request):
    return request.header("webhook-signature").split(" ")


def rotating(tenant, sink, **endpoint):
    """A webhook whose secret was replaced."""
    webhook = tenant.create(sink.url(), endpoint_hmacEnabled=True, endpoint_secret=OLD)
    return tenant.update(webhook, endpoint={"secret": NEW, **endpoint})


def published(tenant, sink):
    """An event and the delivery of it."""
    event = tenant.publish(data={"text": "é", "n": 1.5})
    requests = sink.wait_for_events([event["locator"]])
    return event, next(r for r in requests if r.header("webhook-id") == event["locator"])


def test_either_secret_verifies_during_the_overlap(tenant, receiver, verify):
    sink = receiver()
    rotating(tenant, sink)
    event, request = published(tenant, sink)
    assert signatures(request) == [signature(NEW, request), signature(OLD, request)]
    assert verify(NEW, request) == (0, event)
    assert verify(OLD, request) == (0, event)
    wrong = "whsec_" + base64.b64encode(b"w" * 32).decode()
    assert verify(wrong, request)[0] == 1


def test_a_retry_carries_both(tenant, receiver, redis, verify):
    sink = receiver(Answer(500))
    webhook = tenant.create(
        sink.url(),
        endpoint_hmacEnabled=True,
        endpoint_secret=OLD,
        failureHandling=policy(retries=1),
    )
    event = tenant.publish()
    until_outcomes(tenant, webhook, "retrying")
    tenant.update(webhook, endpoint={"secret": NEW})
    hurry(redis, tenant, webhook)
    first, second = sink.wait_for(2)
    assert signatures(first) == [signature(OLD, first)]
    assert signatures(second) == [signature(NEW, second), signature(OLD, second)]
    assert verify(OLD, second) == verify(NEW, second) == (0, event)


def test_only_the_new_one_verifies_when_the_overlap_is_over(alone, receiver, verify):
    server = alone(secret_overlap="1s")
    tenant, sink = Tenant(server.client()), receiver()
    rotating(tenant, sink)

    def over():
        return len(signatures(published(tenant, sink)[1])) == 1

    until(over, "the old secret no longer signs")
    event, request = published(tenant, sink)
    assert signatures(request) == [signature(NEW, request)]
    assert verify(NEW, request) == (0, event)
    status, complaint = verify(OLD, request)
    assert status == 1 and "WebhookVerificationError" in complaint


def test_no_overlap_at_all(alone, receiver):
    server = alone(secret_overlap="0s")
    tenant, sink = Tenant(server.client()), receiver()
    rotating(tenant, sink)
    _, request = published(tenant, sink)
    assert signatures(request) == [signature(NEW, request)]


def test_a_leaked_secret_is_revoked_at_once(tenant, receiver):
    sink = receiver()
    rotating(tenant, sink, secretOverlapSeconds=0)
    _, request = published(tenant, sink)
    assert signatures(request) == [signature(NEW, request)]


def test_a_leaked_secret_is_revoked_also_later(tenant, receiver):
    sink = receiver()
    webhook = rotating(tenant, sink)
    assert len(signatures(published(tenant, sink)[1])) == 2
    tenant.update(webhook, endpoint={"secretOverlapSeconds": 0})
    _, request = published(tenant, sink)
    assert signatures(request) == [signature(NEW, request)]


def test_the_overlap_outlives_a_restart_and_other_changes(new_redis, new_evhookd, receiver):
    server = new_evhookd(redis=new_redis())
    tenant, sink = Tenant(server.client()), receiver()
    webhook = rotating(tenant, sink)
    server.stop()
    server.start()
    tenant = tenant.on(server.client())
    tenant.update(webhook, name="other", endpoint={"addHeaders": {"X-A": ["b"]}})
    _, request = published(tenant, sink)
    assert signatures(request) == [signature(NEW, request), signature(OLD, request)]


def test_a_diverted_event_is_signed_by_what_holds_when_it_is_resent(tenant, receiver):
    sink = receiver(Answer(500))
    webhook = tenant.create(
        sink.url(),
        endpoint_hmacEnabled=True,
        endpoint_secret=OLD,
        failureHandling=policy(divert=True),
    )
    event = tenant.publish()
    until_outcomes(tenant, webhook, "diverted")
    tenant.update(webhook, endpoint={"secret": NEW, "secretOverlapSeconds": 0})
    tenant.resend(webhook, event)
    _, request = sink.wait_for(2)
    assert signatures(request) == [signature(NEW, request)]


def test_an_alert_endpoints_secret_changes_at_once(tenant, receiver, verify):
    sink, alerts = receiver(default=Answer(500)), receiver()
    webhook = tenant.create(
        sink.url(),
        endpoint_hmacEnabled=True,
        endpoint_secret=OLD,
        failureHandling=policy(
            alertEndpoint={"url": alerts.url(), "hmacEnabled": True, "secret": OLD}
        ),
    )
    tenant.update(webhook, failureHandling={"alertEndpoint": {"secret": NEW}})
    tenant.publish()
    (request,) = alerts.wait_for(1)
    assert signatures(request) == [signature(NEW, request)]
    assert verify(NEW, request)[0] == 0 and verify(OLD, request)[0] == 1
    assert signatures(sink.all()[0]) == [signature(OLD, sink.all()[0])]
