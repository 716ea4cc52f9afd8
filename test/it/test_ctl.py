"""evhookctl against a real evhookd: what it prints, what it sends, how it exits."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import threading
import urllib.parse
import uuid

import pytest

from api import UNKNOWN, Keys, Tenant
from client import DEADLINE
from harness import TOP, TROUBLE, PortLock, binary, child_environment, until, until_empty
from receivers import Answer, Close

OK, FAILED, USAGE, MISSING, DENIED, UNAVAILABLE, CONFLICT = range(7)


def program():
    """evhookctl beside the evhookd under test; $EVHOOKCTL may name another."""
    return os.environ.get("EVHOOKCTL") or str(pathlib.Path(binary()[-1]).with_name("evhookctl"))


class Ctl:
    """Runs evhookctl for one server and tenant."""

    def __init__(self, url, tenant=None, **env):
        self.env = {"EVHOOKCTL_URL": url, **env}
        if tenant:
            self.env["EVHOOKCTL_TENANT"] = tenant.locator

    def start(self, *args, env=None, **pipes):
        return subprocess.Popen(
            [program(), *map(str, args)],
            env=child_environment({**self.env, **(env or {})}),
            stdin=pipes.get("stdin", subprocess.DEVNULL),
            stdout=pipes.get("stdout", subprocess.PIPE),
            stderr=pipes.get("stderr", subprocess.PIPE),
            text=True,
        )

    def run(self, *args, code=OK, input=None, env=None):
        """Its standard output, after a check of the exit code; errors are kept in .said."""
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        process = self.start(*args, env=env, stdin=stdin)
        out, self.said = process.communicate(input, timeout=3 * DEADLINE)
        assert not TROUBLE.search(self.said.encode()), self.said
        assert process.returncode == code, f"{args}: {process.returncode}\n{out}\n{self.said}"
        assert bool(self.said) == (code != OK), self.said
        return out

    def json(self, *args, **more):
        return json.loads(self.run(*args, "--json", **more))

    def lines(self, *args, **more):
        return [json.loads(line) for line in self.run(*args, "--json", **more).splitlines()]


@pytest.fixture
def ctl(server, tenant, shared):
    return Ctl(f"http://{server.host}:{server.port}", tenant, EVHOOKCTL_REDIS=shared.redis.uri)


def rows(text):
    """A table as lists of cells, without its head."""
    return [re.split(r"  +", line) for line in text.splitlines()[1:]]


# --- webhooks


def test_webhooks_are_made_shown_changed_and_deleted(ctl, tenant):
    made = ctl.json(
        *("webhooks", "create", "first", "http://127.0.0.1:9/x", "a", "b.*", "--hmac", "true"),
        *("--header", "X-A: 1", "--header", "X-A:2", "--trigger", "5xx", "--attempts", 2),
        *("--interval-seconds", 7, "--pattern", "linear", "--divert", "true"),
        *("--alert-url", "http://127.0.0.1:9/alert", "--tag", "t"),
    )
    assert tenant.fetch(made) == made
    assert made["eventTypes"] == ["a", "b.*"] and made["enabled"] is True
    assert made["endpoint"]["headers"] == {"X-A": ["1", "2"]}
    handling = made["failureHandling"]
    assert handling["triggers"] == ["5xx"] and handling["divert"] is True
    assert handling["retryStrategy"] == {
        "attempts": 2,
        "intervalSeconds": 7,
        "pattern": "linear",
    }
    assert handling["alertEndpoint"]["url"] == "http://127.0.0.1:9/alert"
    assert ctl.json("webhooks", "get", made["locator"]) == made
    card = ctl.run("webhooks", "get", made["locator"])
    assert re.search(r"^endpoint\.url +http://127\.0\.0\.1:9/x$", card, re.M)

    changed = ctl.json(
        *("webhooks", "update", made["locator"], "--name", "second", "--enabled=false"),
        *("--add-type", "c", "--remove-type", "a", "--remove-header", "x-a", "--if-version", 1),
    )
    assert changed["name"] == "second" and changed["enabled"] is False
    assert changed["eventTypes"] == ["b.*", "c"] and changed["endpoint"]["headers"] == {}
    assert tenant.fetch(made) == changed
    ctl.run("webhooks", "update", made["locator"], "--name", "x", "--if-version", 1, code=CONFLICT)
    ctl.run("webhooks", "unsuspend", made["locator"])
    ctl.run("webhooks", "delete", made["locator"], UNKNOWN, code=MISSING)
    assert tenant.list()["items"] == []


def test_a_secret_comes_from_a_file(ctl, tenant, tmp_path):
    (tmp_path / "secret").write_text("sixteen-bytes-or-more\n")
    made = ctl.json(
        *("webhooks", "create", "n", "http://127.0.0.1:9/", "*", "--hmac", "true"),
        *("--secret-file", tmp_path / "secret"),
    )
    assert tenant.fetch(made)["endpoint"]["secret"] == "sixteen-bytes-or-more"


def test_a_whole_body_is_taken_from_standard_input_or_a_file(ctl, tenant, tmp_path):
    body = json.dumps(tenant.body(name="whole"))
    assert ctl.json("webhooks", "create", "--body", "-", input=body)["name"] == "whole"
    (tmp_path / "body").write_text(body)
    assert ctl.json("webhooks", "create", "--body", f"@{tmp_path}/body")["name"] == "whole"
    ctl.run("webhooks", "create", "x", "--body", body, code=USAGE)


def test_faults_are_all_named(ctl):
    ctl.run("webhooks", "create", "n", "ftp://x/", "..", code=FAILED)
    assert "endpoint.url: " in ctl.said and "eventTypes" in ctl.said


def test_webhooks_are_listed_over_pages_and_by_filters(ctl, tenant):
    for n in range(103):
        tenant.create(name=f"w{n}", enabled=n != 5, eventTypes=["a" if n < 3 else "b"])
    names = [f"w{n}" for n in range(103)]
    table = rows(ctl.run("webhooks", "list"))
    assert sorted(row[1] for row in table) == sorted(names)
    assert sorted(w["name"] for w in ctl.json("webhooks", "list")) == sorted(names)
    part = ctl.json("webhooks", "list", "--offset", 1, "--count", 101)
    assert part == ctl.json("webhooks", "list")[1:102]
    assert len(ctl.json("webhooks", "list", "--event-type", "a")) == 3
    assert [w["name"] for w in ctl.json("webhooks", "list", "--state", "disabled")] == ["w5"]
    assert ctl.json("webhooks", "list", "--state", "suspended") == []
    assert [w["name"] for w in ctl.json("webhooks", "list", "--name", "w7")] == ["w7"]
    assert "stats" in ctl.json("webhooks", "list", "--extended", "--count", 1)[0]


def test_names_cannot_steer_the_terminal(ctl, tenant):
    tenant.create(name="a\x1b[31m\u202eb")
    assert "a\\x1b[31m\\xe2\\x80\\xaeb" in ctl.run("webhooks", "list")


# --- events


def test_events_are_published_and_shown(ctl, tenant):
    made = ctl.json("events", "publish", "a.b", '{"n": 1.50}')
    assert tenant.event(made["locator"]).json() == made
    assert '{"n": 1.50}' in ctl.run("events", "get", made["locator"])
    request = ctl.json("events", "publish", "-", input='[{"type":"x","data":{}}]')[0]
    assert ctl.json("events", "request", request["requestId"]) == [request]
    assert request["locator"] in ctl.run("events", "request", request["requestId"])
    key = ("--idempotency-key", "k")
    same = [ctl.json("events", "publish", "a", "{}", *key)["locator"] for _ in range(2)]
    assert same[0] == same[1]
    ctl.run("events", "publish", "a", '{"other":1}', *key, code=CONFLICT)
    ctl.run("events", "publish", "a", "{", code=FAILED)
    ctl.run("events", "publish", "a", " ", code=USAGE)
    ctl.run("events", "get", UNKNOWN, code=MISSING)
    listed = ctl.lines("events", "list")
    assert [e["locator"] for e in listed] == tenant.all_events()
    assert ctl.lines("events", "list", "--event-type", "x") == [request]
    assert ctl.lines("events", "list", "--count", 1) == listed[:1]
    assert ctl.run("events", "list", "--until", "1h") == ""


def test_a_batch_is_cut_into_requests_and_can_be_repeated(ctl, tenant, tmp_path):
    (tmp_path / "data").write_text("".join(f'{{"n":{n}}}\n\n' for n in range(1501)))
    again = ("events", "publish", "--batch", "--idempotency-key", "k", "t", f"@{tmp_path}/data")
    assert ctl.run(*again) == "1501 events published in 2 requests\n"
    locators = tenant.all_events()
    assert len(locators) == 1501
    assert [e["locator"] for e in ctl.lines(*again)] == locators == tenant.all_events()
    whole = '{"type":"w","data":{}}\n{"type":"v","data":{}}'
    assert [e["type"] for e in ctl.lines("events", "publish", "--batch", "-", input=whole)] == [
        "w",
        "v",
    ]
    bad = "{}\n" * 1001 + "nonsense\n"
    ctl.run("events", "publish", "--batch", "t", "-", input=bad, code=FAILED)
    assert "from line 1001 on; 1000 events before it are published" in ctl.said


def test_tail_follows_what_is_stored_until_it_is_interrupted(ctl, tenant):
    old = tenant.publish("old")
    with ctl.start("events", "tail", "--json", "--since", "1h", "--interval", "50ms") as tail:
        assert json.loads(tail.stdout.readline()) == old
        new = tenant.publish("new", {"a": [1, "\n"]})
        assert json.loads(tail.stdout.readline()) == new
        tail.send_signal(signal.SIGINT)
        assert tail.wait(DEADLINE) == OK


# --- what became of events


@pytest.fixture
def failing(tenant, receiver, redis):
    """A webhook whose receiver answered 503 once."""
    webhook = tenant.create(receiver(Answer(503)).url(), eventTypes=["x"], name="failing")
    event = tenant.publish("x")
    until_empty(redis, tenant, webhook)
    return webhook, event


def has_attempts(tenant):
    return tenant.client.get(tenant.webhook_path(UNKNOWN, "attempts")).json()["detail"] != (
        "there is nothing at this path"
    )


def test_why_tells_of_every_webhook(ctl, tenant, failing, receiver):
    webhook, event = failing
    if not has_attempts(tenant):
        pytest.skip("this evhookd has no attempts to ask for")
    tenant.create(receiver().url(), eventTypes=["y"], name="other")
    tenant.create(receiver().url(), eventTypes=["x"], name="later")
    told = ctl.json("why", event["locator"])
    assert told["event"] == event
    verdicts = {w["name"]: w["verdict"] for w in told["webhooks"]}
    assert set(verdicts) == {"failing", "later"} and "later" in verdicts["later"]
    attempts = told["webhooks"][0]["attempts"]
    assert [a["statusCode"] for a in attempts] == [503]
    assert attempts == ctl.json("attempts", webhook["locator"], "--event", event["locator"])
    text = ctl.run("why", event["locator"])
    assert "status 503" in text and "1 other webhooks" in text
    ctl.run("why", UNKNOWN, code=MISSING)


class FakeApi(threading.Thread):
    """Answers for what evhookd need not serve: a function of method and target gives status and
    document.  All requests are kept."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.requests = requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                requests.append((self.command, self.path))
                status, document = answer(self.command, self.path)
                body = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.start()

    def run(self):
        self.server.serve_forever(poll_interval=0.05)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def fake(cleanup):
    """An evhookctl for a fake API below a path of its own, and that API."""

    def make(answer):
        api = FakeApi(answer)
        cleanup.callback(api.close)
        tenant = str(uuid.uuid4())
        prefix = f"/below/event/{tenant}/webhooks"
        ctl = Ctl(api.url + "/below/", EVHOOKCTL_TENANT=tenant)
        ctl.asked = lambda: [(m, p.replace(prefix, "")) for m, p in api.requests]
        return ctl

    return make


DIVERTED = {
    "eventLocator": UNKNOWN,
    "requestLocator": UNKNOWN,
    "failureMessage": "connection refused",
    "failureTrigger": "timeout",
    "failureTimestamp": "2026-11-23T07:21:00.123Z",
    "eventType": "a.b",
    "attempts": 3,
}


def page(target, items):
    query = urllib.parse.parse_qs(urllib.parse.urlparse(target).query)
    offset, count = int(query["offset"][0]), int(query["count"][0])
    return items[offset : offset + count]


def test_diverted_events_are_listed_over_pages(fake):
    items = [{**DIVERTED, "attempts": n} for n in range(200)]
    ctl = fake(lambda method, target: (200, page(target, items)))
    assert ctl.json("diverted", "list", "W") == items
    assert ctl.asked()[-1] == ("GET", "/W/diverted?offset=200&count=100")
    table = rows(ctl.run("diverted", "list", "W", "--offset", 100, "--count", 2))
    assert [row[3] for row in table] == ["100", "101"]
    assert table[0] == [UNKNOWN, "a.b", DIVERTED["failureTimestamp"], "100", "timeout"] + [
        "connection refused"
    ]


def test_diverted_events_are_shown_resent_and_deleted(fake):
    def answer(method, target):
        if method == "GET":
            return 200, {**DIVERTED, "event": {"data": {"a": 1}}}
        if "GONE" in target:
            return 404, {"detail": "no such event"}
        return (202, {}) if method == "POST" else (204, None)

    ctl = fake(answer)
    assert ctl.json("diverted", "get", "W", "E")["event"] == {"data": {"a": 1}}
    assert ctl.run("diverted", "resend", "W", "GONE", "E", code=MISSING) == ""
    assert "no such event" in ctl.said
    ctl.run("diverted", "delete", "W/?", "E")
    assert ctl.asked() == [
        ("GET", "/W/diverted/E"),
        ("POST", "/W/diverted/GONE/resend"),
        ("POST", "/W/diverted/E/resend"),
        ("DELETE", "/W%2F%3F/diverted/E"),
    ]


def test_all_diverted_events_are_resent_in_steps(fake):
    steps = [(202, {"resent": n, "completed": n < 100}) for n in (100, 100, 7)]
    ctl = fake(lambda method, target: steps.pop(0))
    assert ctl.json("diverted", "resend-all", "W") == {"resent": 207, "completed": True}
    assert ctl.asked() == [("POST", "/W/diverted/resend")] * 3
    steps[:] = [(202, {"resent": 100, "completed": False}), (409, {"detail": "not active"})]
    assert ctl.run("diverted", "resend-all", "W", code=CONFLICT) == "100 events resent\n"


def test_attempts_are_listed_with_filters(fake):
    item = {"timestamp": "T", "eventLocator": "E", "eventType": "a", "attempt": 1}
    item |= {"outcome": "delivered", "statusCode": 200, "durationMs": 3, "failureTrigger": None}
    ctl = fake(lambda method, target: (200, {"listCompleted": True, "items": [item]}))
    assert ctl.json("attempts", "W", "--outcome", "delivered", "--event", "E") == [item]
    query = "outcome=delivered&eventLocator=E&offset=0&count=50"
    assert ctl.asked() == [("GET", "/W/attempts?" + query)]
    row = rows(ctl.run("attempts", "W"))[0]
    assert row == ["T", "E", "a", "1", "delivered", "200", "3", "-", "-"]


def test_why_puts_attempts_in_order_and_draws_a_conclusion(fake):
    tries = [
        {"attempt": n, "outcome": outcome, "timestamp": f"T{n}", "statusCode": 503}
        for n, outcome in ((2, "diverted"), (1, "retrying"))
    ]
    webhooks = [
        {"locator": name, "name": name, "eventTypes": types, "createdAt": "2001-01-01T00:00:00Z"}
        for name, types in (("A", ["*"]), ("B", ["x"]), ("C", ["a.*"]), ("D", ["a.b"]))
    ]
    delivered = {"attempt": 1, "outcome": "delivered"}

    def answer(method, target):
        path = target.split("?")[0]
        if path.endswith("/list"):
            return 200, {"listCompleted": True, "items": webhooks}
        if "/events/" in path:
            return 200, {"locator": UNKNOWN, "type": "a.b", "data": {}}
        if "/diverted/" in path:
            return (200, DIVERTED) if "/A/" in path else (404, {"detail": "no"})
        items = {"A": tries, "C": [delivered]}.get(path.split("/")[-2], [])
        return 200, {"listCompleted": True, "items": items}

    ctl = fake(answer)
    told = {w["name"]: w for w in ctl.json("why", UNKNOWN.lower())["webhooks"]}
    assert set(told) == {"A", "C", "D"}
    assert told["A"]["verdict"] == "diverted" and told["A"]["diverted"] == DIVERTED
    assert told["A"]["attempts"] == tries[::-1]
    assert told["C"]["verdict"] == "delivered" and "no attempt" in told["D"]["verdict"]
    text = ctl.run("why", UNKNOWN)
    assert re.search(r"A: diverted\n  T1  attempt 1  retrying .*\n  T2  attempt 2  diverted", text)


def test_why_with_redis_says_what_is_owed(ctl, tenant, receiver, event, redis):
    if not has_attempts(tenant):
        pytest.skip("this evhookd has no attempts to ask for")
    held = event()
    sink = receiver(Answer(after=held))
    tenant.create(sink.url())
    locator = tenant.publish()["locator"]
    sink.wait_for(1)
    told = ctl.json("why", locator)["webhooks"][0]
    assert told["verdict"] == "waiting" and told["queue"].startswith("leased until 20")
    held.set()


# --- Redis


def test_shard_and_keys_name_the_keys_that_are_there(ctl, tenant, failing, redis):
    webhook, _ = failing
    keys = Keys(tenant)
    assert ctl.json("shard")["prefix"] == keys.prefix
    assert ctl.json("shard", "--shards", 7)["shards"] == 64, "Redis knows better"
    alone = Ctl("http://127.0.0.1:1", tenant)
    assert alone.json("shard")["prefix"] == keys.prefix
    assert alone.json("shard", "--shards", 1)["shard"] == 0
    assert keys.prefix in ctl.run("shard", tenant.locator)
    listed = {row["key"]: row for row in ctl.json("keys", webhook["locator"])}
    assert set(redis.keys(f"*{webhook['locator']}*")) <= set(listed)
    for key, row in listed.items():
        assert redis.type(key) in ("none", row["type"])
        assert (row["size"] > 0) == bool(redis.exists(key))
    assert f"evhook:{{{keys.shard}}}:wh:{webhook['locator']}" in ctl.run("keys", webhook["locator"])


def test_purge_leaves_nothing_of_the_tenant_and_everything_of_others(ctl, tenant, redis, client):
    # Another tenant of the same shard, with a subscription that looks like this one's keys.
    other = Tenant(client)
    while Keys(other).shard != Keys(tenant).shard:
        other = Tenant(client)
    other.create(eventTypes=[tenant.locator])
    other.publish("x", requestId=UNKNOWN)
    kept = {key for key in redis.keys("*") if redis.type(key) != "zset" or "due" not in key}
    for n in range(150):
        tenant.publish("x", headers={"Idempotency-Key": f"k{n}"})
    for n in range(3):
        tenant.create(eventTypes=[f"t{n}", "*"], enabled=n > 0)
    tenant.publish("x", requestId=UNKNOWN)
    before = set(redis.keys("*"))
    said = ctl.run("purge", tenant.locator, code=USAGE)
    assert said.startswith("there are 3 webhooks, 151 events") and "--yes" in ctl.said
    assert tenant.locator in "".join(redis.keys("*")) and len(tenant.list()["items"]) == 3
    done = ctl.json("purge", tenant.locator, "--yes")
    assert done["purged"] and done["webhooks"] == 3 and done["events"] == 151
    left = set(redis.keys("*"))
    assert kept <= left and len(left) < len(before)
    assert not [k for k in left if f":{tenant.locator}" in k and other.locator not in k]
    assert tenant.list()["items"] == [] and tenant.all_events() == []
    assert len(other.list()["items"]) == 1 and len(other.all_events()) == 1


def test_without_redis_there_is_an_answer_too(ctl, new_redis):
    gone = new_redis(start=False)
    ctl.run("purge", str(uuid.uuid4()), "--yes", "--redis", gone.uri, code=UNAVAILABLE)
    ctl.run("purge", str(uuid.uuid4()), "--yes", "--redis", "http://x", code=USAGE)


# --- listen, token, top


def test_listen_registers_verifies_prints_and_cleans_up(ctl, tenant):
    with ctl.start("listen", "--register", "--json", "--count", 2) as listen:
        assert listen.stderr.readline().startswith("listening on http://127.0.0.1:")
        assert "registered as webhook" in listen.stderr.readline()
        event = tenant.publish("a", {"x": [1]})
        got = json.loads(listen.stdout.readline())
        assert got["signature"] == "ok" and got["body"] == event and got["status"] == 200
        assert ["webhook-id", event["locator"]] in got["headers"]
        tenant.publish("b")
        assert listen.wait(DEADLINE) == OK
    assert tenant.list()["items"] == []


def test_listen_tells_wrong_signatures_and_answers_as_told(ctl, tenant, tmp_path):
    (tmp_path / "secret").write_text("0123456789abcdef-right")
    options = ("--secret-file", tmp_path / "secret", "--status", 503, "--delay", "10ms")
    with ctl.start("listen", "--count", 3, *options) as listen:
        url = listen.stderr.readline().split()[-1]
        assert "webhooks create" in listen.stderr.readline()
        make = {"endpoint_hmacEnabled": True, "endpoint_secret": "0123456789abcdef-right"}
        right = tenant.create(url, eventTypes=["right"], **make)
        make["endpoint_secret"] = "0123456789abcdef-wrong"
        tenant.create(url, eventTypes=["wrong"], **make)
        tenant.create(url, eventTypes=["none"])
        for kind, word in (("right", "ok"), ("wrong", "wrong"), ("none", "missing")):
            event = tenant.publish(kind, {"k": kind})
            first = listen.stdout.readline()
            assert event["locator"] in first and f"signature {word}  answered 503" in first
            body = ""
            while not body.endswith("\n  }\n"):
                body += listen.stdout.readline()
            assert json.loads(body) == event
        assert listen.wait(DEADLINE) == FAILED
        assert "2 deliveries did not verify" in listen.stderr.read()

    def failed():
        webhooks = tenant.list(extended="true")["items"]
        return right["locator"] in [w["locator"] for w in webhooks if w["stats"]["failed"]]

    until(failed, "503 counts as a failure")


def test_listen_ends_cleanly_when_interrupted_with_answers_owed(ctl, tenant):
    with ctl.start("listen", "--delay", "1h", "--listen", "127.0.0.1:0") as listen:
        url = listen.stderr.readline().split()[-1]
        webhook = tenant.create(url)
        tenant.publish()
        assert "signature none" in listen.stdout.readline()
        listen.send_signal(signal.SIGTERM)
        assert listen.wait(DEADLINE) == OK
        assert not TROUBLE.search(listen.stderr.read().encode())
    tenant.delete(webhook)
    ctl.run("listen", "--listen", "nowhere:80", code=USAGE)
    ctl.run("listen", "--listen", "127.0.0.1:99999", code=USAGE)


def unpack(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_a_jwt_signed_with_the_key(ctl, tenant, tmp_path):
    key = b"k" * 31 + b"\xff"
    (tmp_path / "key").write_bytes(key + b"\n")
    user = str(uuid.uuid4())
    options = ("--key-file", tmp_path / "key", "--ttl", "10m", "--subject", user)
    token = ctl.run("token", *options, "--permissions", "events.write, webhooks.*").strip()
    head, claims, mac = token.split(".")
    assert unpack(mac) == hmac.new(key, f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert json.loads(unpack(head)) == {"alg": "HS256", "typ": "JWT"}
    claims = json.loads(unpack(claims))
    assert claims.pop("exp") - claims.pop("iat") == 600
    assert claims == {
        "sub": user,
        "tenants": [tenant.locator],
        "permissions": ["events.write", "webhooks.*"],
    }
    assert ctl.json("token", *options, "--tenants", "any")["token"].count(".") == 2
    (tmp_path / "key").write_bytes(b"short")
    ctl.run("token", *options, code=FAILED)
    (tmp_path / "key").write_bytes(b"-----BEGIN PUBLIC KEY-----\n" + b"x" * 40)
    ctl.run("token", *options, code=FAILED)


def test_top_shows_rates_and_the_worst_endpoints(ctl, tenant, server, failing):
    admin = ("--admin-url", f"http://127.0.0.1:{server.admin_lock.port}", "--interval", "200ms")
    text = ctl.run("top", *admin, "--count", 2)
    assert "events_accepted" in text and "failing" in text
    first, second = ctl.lines("top", *admin, "--count", 2)
    assert second["worst"][0]["webhook"] == failing[0]["locator"]
    before, after = (s["metrics"]["evhookd_http_requests_total"] for s in (first, second))
    assert after["value"] > before["value"] and after["rate"] > 0 and before["rate"] == 0


# --- the program itself


def test_exit_codes_of_bad_command_lines(ctl):
    for args in (
        [],
        ["nonsense"],
        ["webhooks"],
        ["webhooks", "get"],
        ["webhooks", "get", UNKNOWN, "--count", "1"],
        ["webhooks", "list", "--count", "-1"],
        ["webhooks", "list", "--count"],
        ["webhooks", "list", "--nonsense"],
        ["webhooks", "list", "--json=x"],
        ["webhooks", "list", "--tenant", "x"],
        ["webhooks", "list", "--url", "nonsense"],
        ["webhooks", "list", "--timeout", "x"],
        ["webhooks", "update", UNKNOWN],
        ["events", "list", "--since", "yesterday"],
    ):
        assert ctl.run(*args, code=USAGE) == "", args
    assert "Usage" in ctl.run("--help") and "Usage" in ctl.run("webhooks", "list", "--help")
    assert ctl.run("--version").startswith("evhookctl ")


def test_a_server_that_is_not_there_is_unavailable(ctl, receiver):
    lock = PortLock()
    ctl.run("webhooks", "list", "--url", f"http://localhost:{lock.port}", code=UNAVAILABLE)
    lock.close()
    cases = ((Answer(503), UNAVAILABLE), (Close(), UNAVAILABLE), (Answer(401), DENIED))
    for answer, code in cases:
        ctl.run("webhooks", "list", "--url", receiver(answer).url(), code=code)


def test_https_is_verified(ctl, tenant, receiver, certs):
    def sink(kind):
        answer = Answer(200, body=b'{"listCompleted":true,"items":[]}')
        return receiver(default=answer, tls=certs.server(kind))

    good = ("--ca-file", certs.ca_file)
    url = sink("good").url()
    assert ctl.json("webhooks", "list", "--url", url, *good) == []
    ctl.run("webhooks", "list", "--url", url, code=UNAVAILABLE)
    assert "certificate" in ctl.said
    ctl.run("webhooks", "list", "--url", sink("wrong-host").url(), *good, code=UNAVAILABLE)


def test_the_token_is_sent_and_never_on_a_command_line(ctl, receiver, event, tmp_path):
    held, body = event(), b'{"listCompleted":true,"items":[]}'
    sink = receiver(Answer(200, body=body, after=held), default=Answer(200, body=body))
    (tmp_path / "token").write_text("secret-from-file\n")
    args = ("webhooks", "list", "--url", sink.url())
    with ctl.start(*args, "--token-file", tmp_path / "token") as process:
        sink.wait_for(1)
        shown = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"secret-from" not in shown
        held.set()
        assert process.wait(DEADLINE) == OK
    ctl.run(*args, env={"EVHOOKCTL_TOKEN": "secret-from-env"})
    sent = [request.header("authorization") for request in sink.wait_for(2)]
    assert sent == ["Bearer secret-from-file", "Bearer secret-from-env"]
    ctl.run(*args, env={"EVHOOKCTL_TOKEN": "a\nb"}, code=USAGE)
    ctl.run(*args, "--token", "x", code=USAGE)


def test_progress_is_for_terminals(ctl):
    master, slave = pty.openpty()
    data = "{}\n" * 1001
    with ctl.start(
        "events", "publish", "--batch", "t", "-", stdin=subprocess.PIPE, stderr=slave
    ) as process:
        process.communicate(data, timeout=DEADLINE)
    os.close(slave)
    assert b"1001 events published" in os.read(master, 65536)
    os.close(master)


def test_completion_knows_commands_options_and_values():
    script = TOP / "doc" / "completion" / "evhookctl"

    def complete(*words):
        command = f"source {script}; COMP_WORDS=({program()} {' '.join(words) or chr(34) * 2}); "
        command += f"COMP_CWORD={len(words) or 1}; _evhookctl; printf '%s\\n' ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout.split()

    assert {"webhooks", "events", "why", "top"} <= set(complete())
    assert complete("web") == ["webhooks"]
    assert complete("webhooks", "un") == ["unsuspend"]
    assert complete("webhooks", "list", "--ext") == ["--extended"]
    assert complete("webhooks", "create", "--divert", "t") == ["true"]
