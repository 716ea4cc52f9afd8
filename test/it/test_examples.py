"""doc/api.md: it shows the examples as they are, and they judge real deliveries rightly."""

import base64
import hashlib
import hmac
import os
import shutil
import subprocess

import pytest

from api import expect, signing_key
from client import DEADLINE
from harness import TOP

EXAMPLES = TOP / "doc" / "examples"
LANGUAGES = {  # the interpreter, and what it is called with
    "verify.py": ["python3"],
    "verify.js": ["node"],
    "verify.pl": ["perl"],
    "verify.go": ["go", "run"],
    "Verify.java": ["java"],
}
FENCES = {".py": "python", ".js": "js", ".pl": "perl", ".go": "go", ".java": "java"}
SECRET = "whsec_aSBhbSBub3QgYSBzZWNyZXQgYXQgYWxs"
OTHER = "0123456789-a-plain-secret"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Makes the command of an example; what is compiled is compiled once."""
    made = {}

    def make(name):
        if not shutil.which(LANGUAGES[name][0]):
            pytest.skip(f"{LANGUAGES[name][0]} is not installed")
        if name not in made:
            made[name] = [*LANGUAGES[name], str(EXAMPLES / name)]
            if name.endswith(".go"):
                out = tmp_path_factory.mktemp("go")
                env = {**os.environ, "GOCACHE": str(out / "cache"), "GOFLAGS": "-mod=mod"}
                build = ["go", "build", "-o", str(out / "verify"), str(EXAMPLES / name)]
                subprocess.run(build, env=env, check=True, timeout=10 * DEADLINE)
                made[name] = [str(out / "verify")]
        return made[name]

    return make


@pytest.fixture
def says(program):
    def judge(name, request, secret=SECRET, body=None, **changes):
        headers = {
            part: changes.get(part, request.header(f"webhook-{part}"))
            for part in ("id", "timestamp", "signature")
        }
        done = subprocess.run(
            [*program(name), *headers.values()],
            input=request.body if body is None else body,
            env={**os.environ, "WEBHOOK_SECRET": secret},
            capture_output=True,
            timeout=4 * DEADLINE,
        )
        said = done.stdout.decode().strip()
        assert (done.returncode, said) in ((0, "good"), (1, "bad")), done
        return said

    return judge


@pytest.fixture
def deliver(tenant, receiver):
    """A delivery with one signature, and one after a change of the secret with two."""
    sink = receiver()
    webhook = tenant.create(
        sink.url(), eventTypes=["x"], endpoint_hmacEnabled=True, endpoint_secret=SECRET
    )
    tenant.publish("x", {"text": "a\u00e4\u20ac", "number": 1.50})
    sink.wait_for(1)
    path = f"{tenant.webhooks_path}/{webhook['locator']}"
    expect(tenant.client.patch(path, {"endpoint": {"secret": OTHER}}), 200)
    tenant.publish("x", {"text": "b"})
    return sink.wait_for(2)


@pytest.mark.parametrize("name", LANGUAGES)
def test_api_md_shows_the_example(name):
    fence = FENCES[os.path.splitext(name)[1]]
    shown = f"```{fence}\n{(EXAMPLES / name).read_text()}```\n"
    assert shown in (TOP / "doc" / "api.md").read_text()


@pytest.mark.parametrize("name", LANGUAGES)
def test_an_example_judges_deliveries(name, deliver, says):
    one, two = deliver
    assert says(name, one) == "good"
    assert says(name, one, body=one.body.replace(b"text", b"tex7")) == "bad"
    assert says(name, one, body=b"") == "bad"
    assert says(name, one, id=two.header("webhook-id")) == "bad"
    assert says(name, one, secret=OTHER) == "bad"
    assert says(name, one, signature="") == "bad"
    assert says(name, one, signature="v1,AAAA") == "bad"
    assert len(two.header("webhook-signature").split(" ")) == 2
    assert says(name, two) == says(name, two, secret=OTHER) == "good"
    for single in two.header("webhook-signature").split(" "):
        verdicts = [says(name, two, secret=s, signature=single) for s in (SECRET, OTHER)]
        assert sorted(verdicts) == ["bad", "good"]


@pytest.mark.parametrize("name", LANGUAGES)
def test_an_example_refuses_old_and_odd_timestamps(name, deliver, says):
    """Signed rightly, by the example's own secret, but not now."""
    one = deliver[0]
    sent = int(one.header("webhook-timestamp"))
    for timestamp, verdict in (
        (str(sent - 200), "good"),
        (str(sent - 1000), "bad"),
        (str(sent + 1000), "bad"),
        ("", "bad"),
        ("soon", "bad"),
    ):
        signed = f"{one.header('webhook-id')}.{timestamp}.".encode() + one.body
        digest = hmac.new(signing_key(SECRET), signed, hashlib.sha256).digest()
        signature = "v1," + base64.b64encode(digest).decode()
        assert says(name, one, timestamp=timestamp, signature=signature) == verdict, timestamp
