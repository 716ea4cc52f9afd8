"""Signatures as the reference library of Standard Webhooks verifies them (npm, under node)."""

import fcntl
import json
import subprocess

import pytest

from harness import TOP

INTEROP = TOP / "test" / "interop"


@pytest.fixture(scope="session")
def verify():
    """Runs verify.js; gives its exit status, the payload or what it complained about."""
    with open(INTEROP / "package.json") as lock:  # parallel runs install once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (INTEROP / "node_modules" / "standardwebhooks").is_dir():
            subprocess.run(
                ["npm", "install", "--no-package-lock", "--silent"],
                cwd=INTEROP,
                check=True,
                timeout=120,
            )

    def verify(secret, request, raw=False, **changes):
        headers = {name: value for name, value in request.headers}
        question = {"secret": secret, "headers": headers, "body": request.body.decode(), "raw": raw}
        question.update(changes)
        done = subprocess.run(
            ["node", "verify.js"],
            cwd=INTEROP,
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    return verify


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
