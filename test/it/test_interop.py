"""Signatures as the reference library of Standard Webhooks verifies them (npm, under node)."""


def delivered(tenant, receiver, **endpoint):
    """A webhook with these endpoint settings, an event, and the delivery of it."""
    sink = receiver()
    webhook = tenant.create(sink.url(), endpoint_hmacEnabled=True, **endpoint)
    event = tenant.publish(data={"text": "é 😀 \n", "n": 1.5, "nested": [{"a": None}]})
    (request,) = sink.wait_for(1)
    return webhook, event, request


def test_the_reference_library_verifies_a_generated_secret(tenant, receiver, verify):
    webhook, event, request = delivered(tenant, receiver)
    assert verify(webhook["endpoint"]["secret"], request) == (0, event)


def test_the_reference_library_verifies_a_secret_without_prefix_as_raw_bytes(
    tenant, receiver, verify
):
    secret = "no prefix, just bytes"
    _, event, request = delivered(tenant, receiver, endpoint_secret=secret)
    assert verify(secret, request, raw=True) == (0, event)


def test_the_reference_library_verifies_old_and_new_secret_during_overlap(tenant, receiver, verify):
    sink = receiver()
    webhook = tenant.create(sink.url(), endpoint_hmacEnabled=True)
    old = webhook["endpoint"]["secret"]
    new = tenant.update(webhook, endpoint={"secret": ""})["endpoint"]["secret"]
    assert new != old
    event = tenant.publish()
    (request,) = sink.wait_for(1)
    assert verify(old, request) == (0, event)
    assert verify(new, request) == (0, event)


def test_the_reference_library_refuses_what_was_tampered_with(tenant, receiver, verify):
    webhook, _, request = delivered(tenant, receiver)
    body = request.body.decode().replace("1.5", "2.5")
    assert body != request.body.decode()
    status, complaint = verify(webhook["endpoint"]["secret"], request, body=body)
    assert status == 1 and "WebhookVerificationError" in complaint
