"""Contract section 7: who may call what; and the order of checks of section 1."""

import base64
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import uuid

import pytest

from api import UNKNOWN, Tenant, expect, problem
from client import Raw
from ctl import program
from harness import TOP, run, until
from tokens import EVERYTHING, base64url, bearer, ec_key, ed25519_key, hmac_key, rsa_key

SECRET = b"a secret of 32 bytes, or a few more"
TENANT = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
OTHER = "6ba7b811-9dad-41d1-80b4-00c04fd430c8"

DIVERTED = f"/webhooks/{UNKNOWN}/diverted"
# method, path below the tenant, the permissions needed, the status of an empty request with them
ROUTES = [
    ("GET", "/webhooks/list", ["webhooks.read", "webhooks.list"], 200),
    ("GET", f"/webhooks/{UNKNOWN}", ["webhooks.read"], 404),
    ("POST", "/webhooks", ["webhooks.write"], 415),
    ("PATCH", f"/webhooks/{UNKNOWN}", ["webhooks.write"], 415),
    ("PATCH", f"/webhooks/{UNKNOWN}/unsuspend", ["webhooks.write"], 404),
    ("DELETE", f"/webhooks/{UNKNOWN}", ["webhooks.write"], 404),
    ("POST", "/events", ["events.write"], 415),
    ("GET", "/events/list", ["events.read", "events.list"], 200),
    ("GET", f"/events/{UNKNOWN}", ["events.read"], 404),
    ("GET", f"/events/request/{UNKNOWN}", ["events.read"], 200),
    ("POST", f"/webhooks/{UNKNOWN}/test", ["webhooks.write"], 404),
    ("GET", f"/webhooks/{UNKNOWN}/attempts", ["webhooks.read", "webhooks.list"], 404),
    ("GET", f"{DIVERTED}", ["diverted-events.read", "diverted-events.list"], 404),
    ("POST", f"{DIVERTED}/resend", ["diverted-events.resend"], 404),
    ("GET", f"{DIVERTED}/{UNKNOWN}", ["diverted-events.read"], 404),
    ("DELETE", f"{DIVERTED}/{UNKNOWN}", ["diverted-events.delete"], 404),
    ("POST", f"{DIVERTED}/{UNKNOWN}/resend", ["diverted-events.resend"], 404),
]
ALL_PERMISSIONS = sorted({p for _, _, needed, _ in ROUTES for p in needed})


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """One of each kind."""
    folder = tmp_path_factory.mktemp("keys")
    return [
        hmac_key(folder / "secret", SECRET),
        rsa_key(folder / "rsa.pem"),
        ec_key(folder / "ec.pem"),
        ed25519_key(folder / "ed25519.pem"),
    ]


class Guarded:
    """An evhookd that knows all the keys."""

    def __init__(self, evhookd, key):
        self.evhookd, self.key = evhookd, key
        self.client = evhookd.client()

    def request(self, method, path, claims=None, token=None, **more):
        """claims make a token; without both there is none."""
        token = self.key.token(**claims) if claims is not None else token
        headers = {**(bearer(token) if token is not None else {}), **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def get(self, token=None, **claims):
        path = f"/event/{TENANT}/webhooks/list"
        return self.request("GET", path, token=token or self.key.all(**claims))

    def metric(self, name):
        metrics = self.evhookd.admin().get("/metrics").body.decode()
        return int(re.search(rf"^{name} (\d+)$", metrics, re.M).group(1))


@pytest.fixture(scope="module")
def shared_guarded(keys):
    from harness import Evhookd, RedisServer

    redis = RedisServer()
    evhookd = Evhookd(redis=redis, auth_key=[k.file for k in keys])
    yield Guarded(evhookd, keys[0])
    try:
        evhookd.close()
    finally:
        redis.close()


@pytest.fixture
def guarded(shared_guarded):
    yield shared_guarded
    shared_guarded.evhookd.check()


def unauthorized(response, text=None):
    """A 401 as RFC 6750 wants it; text is None for a request that brought no token."""
    document = problem(response, 401)
    challenge = response.header("www-authenticate")
    if text is None:
        assert challenge == "Bearer"
    else:
        assert challenge.startswith('Bearer error="invalid_token", error_description="')
        assert text in challenge and text in document["detail"]


def forbidden(response, text):
    document = problem(response, 403)
    assert response.header("www-authenticate") == 'Bearer error="insufficient_scope"'
    assert text in document["detail"]


# --- tokens


def test_a_token_of_any_kind_of_key_is_good(guarded, keys):
    for key in keys:
        expect(guarded.get(token=key.all()), 200)


def test_a_token_of_another_key_is_refused(guarded, tmp_path):
    strangers = [
        hmac_key(tmp_path / "a", SECRET + b"!"),
        rsa_key(tmp_path / "b"),
        ec_key(tmp_path / "c"),
        ed25519_key(tmp_path / "d"),
    ]
    for key in strangers:
        unauthorized(guarded.get(token=key.all()), "not of any key")


def test_the_key_and_not_the_token_says_the_algorithm(guarded, keys, tmp_path):
    for key in keys[1:]:
        public = pathlib.Path(key.file).read_bytes()
        confused = hmac_key(tmp_path / "confused", public)
        unauthorized(guarded.get(token=confused.all()), "not of any key")
    head = base64url(b'{"alg":"none"}')
    claims = base64url(json.dumps({"exp": time.time() + 99, **EVERYTHING}).encode())
    for signature in ("", base64url(b"x" * 32)):
        unauthorized(guarded.get(token=f"{head}.{claims}.{signature}"), "algorithm")
    token = keys[0].all(header={"alg": "HS256", "crit": ["exp"]})
    unauthorized(guarded.get(token=token), "critical")


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic dTpw", "Digest x", "Bearer\t", "Bearerx", "tok"],
)
def test_without_a_bearer_token_the_challenge_is_plain(guarded, header):
    headers = {} if header is None else {"Authorization": header}
    unauthorized(guarded.request("GET", f"/event/{TENANT}/webhooks/list", headers=headers))


def test_how_the_header_may_be_written(guarded):
    token = guarded.key.all()
    for header in (f"bearer {token}", f"BEARER   {token}", f"Bearer {token}  "):
        response = guarded.request(
            "GET", f"/event/{TENANT}/webhooks/list", headers={"Authorization": header}
        )
        expect(response, 200)
    unauthorized(guarded.get(token=token + " x"), "malformed")
    unauthorized(guarded.get(token=f"{token},{token}"), "malformed")
    unauthorized(guarded.get(token="x" * 8193), "longer than 8192")
    response = guarded.client.get(f"/event/{TENANT}/webhooks/list", access_token=token)
    unauthorized(response)  # a token in a URL would be in every log


@pytest.mark.parametrize(
    "claims, text",
    [
        ({"exp": None}, "expires"),
        ({"exp": 1}, "expired"),
        ({"exp": "soon"}, "wrong type"),
        ({"nbf": 99999999999}, "not valid yet"),
        ({"tenants": "any"}, "wrong type"),
        ({"permissions": {"*": "*"}}, "wrong type"),
        ({"sub": 7}, "wrong type"),
        ({"raw_claims": b'{"exp":1,"exp":99999999999}'}, "malformed"),
        ({"raw_claims": b"[]"}, "malformed"),
    ],
)
def test_claims_that_make_no_token(guarded, claims, text):
    for _ in range(2):  # a refused token is not remembered as a good one
        unauthorized(guarded.get(**claims), text)


def test_the_clock_may_be_off_by_half_a_minute(guarded):
    now = int(time.time())
    expect(guarded.get(exp=now - 15), 200)
    expect(guarded.get(nbf=now + 15), 200)
    unauthorized(guarded.get(exp=now - 31), "expired")
    unauthorized(guarded.get(nbf=now + 60), "not valid yet")


def test_a_remembered_token_expires(guarded):
    token = guarded.key.all(exp=time.time() - 27)
    expect(guarded.get(token=token), 200)
    until(lambda: guarded.get(token=token).status == 401, "the token expires")
    unauthorized(guarded.get(token=token), "expired")


def test_a_token_is_verified_once(guarded):
    token = guarded.key.all(jti=str(uuid.uuid4()))
    before = guarded.metric("evhookd_auth_verified_total")
    for _ in range(20):
        expect(guarded.get(token=token), 200)
    assert guarded.metric("evhookd_auth_verified_total") == before + 1


def test_more_tokens_than_are_remembered(guarded):
    tokens = [guarded.key.all(jti=str(n)) for n in range(1100)]
    before = guarded.metric("evhookd_auth_verified_total")
    for token in tokens + tokens[:1] + tokens[-1:]:
        expect(guarded.get(token=token), 200)
    # the first was pushed out, the last was not
    assert guarded.metric("evhookd_auth_verified_total") == before + 1101


# --- tenants and permissions


@pytest.mark.parametrize("method, path, needed, status", ROUTES)
def test_what_a_route_needs(guarded, method, path, needed, status):
    path = f"/event/{TENANT}{path}"
    group = needed[0].split(".")[0]

    def ask(*permissions):
        claims = {"tenants": ["any"], "permissions": list(permissions)}
        return guarded.request(method, path, claims)

    for enough in (needed, needed[::-1], [f"{group}.*"], ["*.*"], ["x.y", *ALL_PERMISSIONS]):
        expect(ask(*enough), status)
    others = [p for p in ALL_PERMISSIONS if p not in needed]
    forbidden(ask(), needed[0])
    forbidden(ask(*others, "other.*", "*", f"{group}.", group), needed[0])
    for missing in needed:
        forbidden(ask(*others, *[p for p in needed if p != missing]), missing)
    unauthorized(guarded.request(method, path))
    if method == "GET":
        assert guarded.request("HEAD", path, {"permissions": []}).status == 403
        assert guarded.request("HEAD", path).status == 401


def test_no_route_is_left_out():
    table = (TOP / "server" / "api_routes.c").read_text()
    there = re.findall(r'\{"(\w+)", "/event/\{tenant\}([^"]*)"', table)
    assert sorted(there) == sorted((m, p.replace(UNKNOWN, "{locator}")) for m, p, _, _ in ROUTES)


def test_who_may_only_write_is_not_shown_secrets(guarded):
    """But for those that the own create request gave, or had made."""
    path = f"/event/{TENANT}/webhooks"
    write = {"tenants": [TENANT], "permissions": ["webhooks.write"]}
    both = {"tenants": [TENANT], "permissions": ["webhooks.write", "webhooks.read"]}
    headers = {"X-Api-Key": ["header-value-0001", "header-value-0002"]}
    endpoint = {"url": "http://127.0.0.1:9/", "hmacEnabled": True, "headers": headers}
    alert = {"url": "http://127.0.0.1:9/", "secret": "alert-secret-0003", "headers": headers}
    body = {
        "name": "n",
        "enabled": True,
        "endpoint": endpoint,
        "eventTypes": [],
        "failureHandling": {"alertEndpoint": alert},
    }
    created = expect(guarded.request("POST", path, write, body=body), 200).json()
    assert created["endpoint"]["secret"].startswith("whsec_")
    assert created["endpoint"]["headers"] == headers
    path += f"/{created['locator']}"
    rename = {"name": "m"}
    rotate = {"endpoint": {"secret": "the-next-secret-0004", "addHeaders": headers}}
    for change in ({}, rename, rotate):
        shown = expect(guarded.request("PATCH", path, write, body=change), 200).json()
        for e in (shown["endpoint"], shown["failureHandling"]["alertEndpoint"]):
            assert (e["secret"], e["headers"]) == ("", {})
            assert e["url"] == endpoint["url"]
        assert set(shown) == set(created) and set(shown["endpoint"]) == set(created["endpoint"])
    stored = expect(guarded.request("PATCH", path, both, body={}), 200).json()
    assert stored["name"] == "m", "nothing was lost by being left out"
    assert stored["endpoint"]["secret"] == "the-next-secret-0004"
    assert stored["endpoint"]["headers"] == headers
    fetched = expect(guarded.request("GET", path, both), 200).json()
    assert fetched == stored
    assert fetched["failureHandling"]["alertEndpoint"]["secret"] == "alert-secret-0003"
    expect(guarded.request("DELETE", path, write), 204)


@pytest.mark.parametrize("method, path, needed, status", ROUTES)
def test_which_tenants_a_token_is_for(guarded, method, path, needed, status):
    path = f"/event/{TENANT}{path}"

    def ask(tenants):
        return guarded.request(method, path, {"tenants": tenants, "permissions": ["*.*"]})

    for tenants in (["any"], [TENANT], [TENANT.upper()], [OTHER, TENANT], [OTHER, "any"]):
        expect(ask(tenants), status)
    for tenants in (None, [], [OTHER], ["ANY"], ["*"], [""], [TENANT[:-1]]):
        forbidden(ask(tenants), "tenant")


def test_health_needs_no_token(guarded):
    for path in ("/healthz", "/readyz"):
        expect(guarded.client.get(path), 200)
        expect(guarded.request("GET", path, token="nonsense"), 200)
    assert guarded.evhookd.status_of("/metrics") == 404
    assert guarded.evhookd.status_of("/metrics", admin=True) == 200
    assert guarded.evhookd.status_of(f"/event/{TENANT}/webhooks/list", admin=True) == 404


# --- the order of checks (section 1)


def test_the_route_comes_before_the_token(guarded):
    problem(guarded.request("GET", "/nothing/here"), 404)
    response = guarded.request("DELETE", f"/event/{TENANT}/webhooks/list")
    assert problem(response, 405) and response.header("allow")
    expect(guarded.request("OPTIONS", f"/event/{TENANT}/webhooks/list"), 204)


def test_http_itself_comes_before_the_token(guarded):
    with Raw(guarded.evhookd.host, guarded.evhookd.port) as raw:
        raw.send(f"GET /event/{TENANT}/webhooks/list HTTP/1.1\r\n\r\n")  # no Host
        assert raw.read_response().status == 400


def test_the_token_comes_before_the_path(guarded):
    for path in ("/event/x/webhooks/list", f"/event/{TENANT}/webhooks/x"):
        unauthorized(guarded.request("GET", path))
        problem(guarded.request("GET", path, {"permissions": []}), 400)


def test_tenant_and_permission_come_before_the_body(guarded):
    path = f"/event/{TENANT}/events"
    wrong = {"body": b"{", "headers": {"Content-Type": "text/plain"}}
    large = {"body": b"x" * (1024 * 1024 + 1)}
    for body in (wrong, large, {"body": b"{"}):
        unauthorized(guarded.request("POST", path, **body))
        forbidden(
            guarded.request("POST", path, {"tenants": ["any"]}, **body), "events.write"
        )
        forbidden(guarded.request("POST", path, {"permissions": ["*.*"]}, **body), "tenant")
    problem(guarded.request("POST", path, EVERYTHING, **wrong), 415)
    problem(guarded.request("POST", path, EVERYTHING, **large), 413)
    problem(guarded.request("POST", path, EVERYTHING, body=b"{"), 400)


def test_permission_comes_before_existence(guarded):
    claims = {"tenants": [TENANT], "permissions": ["webhooks.write"]}
    forbidden(guarded.request("GET", f"/event/{TENANT}/webhooks/{UNKNOWN}", claims), "read")
    path = f"/event/{TENANT}/webhooks/{UNKNOWN}"
    problem(guarded.request("DELETE", path, claims, headers={"If-Match": '"1"'}), 404)


# --- what the subject is for


def test_events_are_the_subjects_unless_they_say_otherwise(guarded):
    path, user, other = f"/event/{TENANT}/events", str(uuid.uuid4()), str(uuid.uuid4())

    def publish(sub, **more):
        claims = {**EVERYTHING, "sub": sub}
        body = {"type": "a.b", "data": {}, **more}
        event = expect(guarded.request("POST", path, claims, body=body), 201).json()
        stored = guarded.request("GET", f"{path}/{event['locator']}", EVERYTHING).json()
        assert stored == event
        return event.get("userLocator")

    assert publish(user) == user
    assert publish(user.upper()) == user
    assert publish(user, userLocator=other) == other
    assert publish(None, userLocator=other) == other
    nobody = publish(None)
    for sub in ("alice", "", user + "0", "auth0|" + user):
        assert publish(sub) == nobody
    claims = {**EVERYTHING, "sub": user}
    body = [{"type": "a.b", "data": {}}, {"type": "a.b", "data": {}, "userLocator": other}]
    events = expect(guarded.request("POST", path, claims, body=body), 201).json()
    assert [e["userLocator"] for e in events] == [user, other]


@pytest.mark.parametrize("first", [str(uuid.uuid4()), None], ids=["user", "nobody"])
@pytest.mark.parametrize("second", [str(uuid.uuid4()), None], ids=["user", "nobody"])
def test_a_replay_shows_whose_the_events_are_and_not_who_asks_again(guarded, first, second):
    path = f"/event/{TENANT}/events"
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = [{"type": "a", "data": {}}, {"type": "a", "data": {}, "userLocator": OTHER}]

    def publish(sub):
        claims = {**EVERYTHING, "sub": sub}
        return expect(guarded.request("POST", path, claims, body=body, headers=headers), 201).body

    published = publish(first)
    assert [e["userLocator"] for e in json.loads(published)] == [first, OTHER]
    assert publish(second) == published and publish(first) == published


def audits(evhookd, request_id):
    """The audit line of a request."""
    until(lambda: evhookd.log_lines("msg=request", request_id), "the request is logged")
    return evhookd.log_lines("msg=audit", f"request={request_id}")


def test_every_write_leaves_a_line_with_its_subject(guarded):
    sub, events = f"joe {uuid.uuid4()}\n\"x\"", f"/event/{TENANT}/events"
    webhooks = f"/event/{TENANT}/webhooks"
    claims = {**EVERYTHING, "sub": sub}
    body = Tenant(None).body()
    asked = []

    def ask(method, path, status, claims=claims, **more):
        request_id = f"audit-{uuid.uuid4()}"
        response = guarded.request(
            method, path, claims, headers={"X-Request-Id": request_id}, **more
        )
        expect(response, status)
        asked.append((request_id, method, path, status))
        return response

    locator = ask("POST", webhooks, 200, body=body).json()["locator"]
    ask("PATCH", f"{webhooks}/{locator}", 200, body={"enabled": False})
    ask("PATCH", f"{webhooks}/{locator}", 400, body={"enabled": 7})
    ask("DELETE", f"{webhooks}/{locator}", 204)
    ask("DELETE", f"{webhooks}/{locator}", 404)
    ask("DELETE", f"{webhooks}/{locator}", 403, {"tenants": ["any"], "sub": sub})
    ask("POST", events, 201, body={"type": "a.b", "data": {}})
    for request_id, method, path, status in asked:
        (line,) = audits(guarded.evhookd, request_id)
        quoted = sub.replace('"', '\\"').replace("\n", "\\n")
        assert f'level=info msg=audit sub="{quoted}" tenant={TENANT} method={method}' in line
        assert f"path={path} status={status} " in line
    reads = [("GET", f"{webhooks}/list", 200), ("GET", f"{webhooks}/{UNKNOWN}", 404)]
    for method, path, status in reads:
        ask(method, path, status)
        assert audits(guarded.evhookd, asked[-1][0]) == []


def test_tokens_are_in_no_log(guarded, keys):
    parts = []
    for key in keys:
        for token in (key.all(sub="a"), key.token(sub="a"), key.all(exp=1), key.all() + "x"):
            guarded.request("POST", f"/event/{TENANT}/webhooks", token=token, body=b"{")
            parts += token.split(".")[1:]
    request_id = f"last-{uuid.uuid4()}"
    guarded.client.request("GET", "/healthz", headers={"X-Request-Id": request_id})
    until(lambda: guarded.evhookd.log_lines(request_id), "all is logged")
    log = guarded.evhookd.stderr()
    assert all(part not in log for part in parts) and SECRET.decode() not in log
    assert "bearer" not in log.lower()


def test_without_keys_changes_of_webhooks_are_logged_and_events_are_not(tenant, server):
    webhook, headers = tenant.create(), {"X-Request-Id": f"event-{uuid.uuid4()}"}
    tenant.publish(headers=headers)
    assert audits(server, headers["X-Request-Id"]) == []
    lines = server.log_lines("msg=audit", tenant.locator, "status=200")
    assert len(lines) == 1 and 'sub="" ' in lines[0]
    tenant.delete(webhook)
    assert server.log_lines("no --auth-key")


# --- configuration


def test_issuer_and_audience(keys, alone):
    key = keys[2]
    guarded = Guarded(
        alone(auth_key=key.file, auth_issuer="https://id.test/", auth_audience="evhookd"), key
    )
    iss, aud = "https://id.test/", "evhookd"
    for good in (aud, [aud], ["x", aud]):
        expect(guarded.get(iss=iss, aud=good), 200)
    for bad in (None, "https://id.test", [iss], ""):
        unauthorized(guarded.get(iss=bad, aud=aud), "issuer")
    for bad in (None, "evhook", [], ["x"], ""):
        unauthorized(guarded.get(iss=iss, aud=bad), "audience")
    unauthorized(guarded.get(), "issuer")


def test_a_reload_takes_up_and_drops_keys(alone, tmp_path):
    config, old, new = tmp_path / "config", tmp_path / "old", tmp_path / "new"
    old_key, new_key = hmac_key(old, SECRET), rsa_key(new)

    def configure(*files, more=""):
        config.write_text("".join(f"auth-key = {f}\n" for f in files) + more)

    def reload(word):
        before = len(evhookd.log_lines(word))
        os.kill(evhookd.process.pid, signal.SIGHUP)
        until(lambda: len(evhookd.log_lines(word)) > before, f"the log says {word}")

    configure(old)
    evhookd = alone(config=config)
    guarded = Guarded(evhookd, old_key)
    tokens = [old_key.all(), new_key.all()]

    def accepted():
        return [guarded.get(token=t).status == 200 for t in tokens]

    assert accepted() == [True, False]
    configure(old, new)  # the rotation begins
    assert accepted() == [True, False]
    reload("msg=reloaded")
    assert accepted() == [True, True]
    configure(new)  # and ends: what was remembered of the old key goes
    reload("msg=reloaded")
    assert accepted() == [False, True]
    old.write_bytes(b"short")
    for files in ([new, old], [tmp_path / "missing"], []):
        configure(*files)
        reload("stay as they were")
        assert accepted() == [False, True]
    configure(new, more="auth-audience = somebody\n")
    reload("msg=reloaded")
    assert accepted() == [False, False]
    expect(guarded.get(token=new_key.all(aud="somebody")), 200)
    third = ec_key(new)  # the same file, another key
    reload("msg=reloaded")
    unauthorized(guarded.get(token=new_key.all(aud="somebody")), "algorithm")
    expect(guarded.get(token=third.all(aud="somebody")), 200)
    assert SECRET.decode() not in evhookd.stderr()


@pytest.mark.parametrize(
    "content, text",
    [
        (None, "No such file"),
        (b"", "32 bytes"),
        (b"x" * 31 + b"\n", "32 bytes"),
        (b"x" * 40000, "too long"),
        (b"-----BEGIN PUBLIC KEY-----\nnonsense\n", "PEM"),
        (b"\xef\xbb\xbf-----BEGIN PUBLIC KEY-----\nMCow", "PEM"),
        (b"\n-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA", "PEM"),
    ],
)
def test_a_key_that_is_none_is_said_in_one_line(tmp_path, content, text):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    done = run("--auth-key", file, "--data-dir", tmp_path / "data")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "--auth-key" in done.stderr and str(file) in done.stderr and text in done.stderr


@pytest.mark.parametrize("option", ["auth-key", "secrets-key", "tls-cert", "tls-key"])
@pytest.mark.parametrize("what", ["a pipe", "a directory", "a device"])
def test_a_key_must_be_in_a_regular_file(tmp_path, certs, option, what):
    """All are read again while the server runs, which nothing may hold up."""
    file = tmp_path / "key"
    if what == "a pipe":
        os.mkfifo(file)
    elif what == "a directory":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    good = f"{certs.directory}/good.pem"
    files = {"tls-cert": good, "tls-key": good} if option.startswith("tls") else {}
    files[option] = file
    done = run(*(f"--{name}={value}" for name, value in files.items()), "--check-config")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"--{option}: {file}: is not a regular file" in done.stderr


def test_a_key_that_everybody_may_read_is_warned_about(alone, certs, tmp_path):
    """Once for each, at the start and at each reload; public keys are for everybody."""
    secret, seal, tls = tmp_path / "secret", tmp_path / "seal", tmp_path / "tls.pem"
    public = rsa_key(tmp_path / "public").file
    hmac_key(secret, SECRET)
    seal.write_text(base64.b64encode(bytes(32)).decode())
    tls.write_bytes((certs.directory / "good.pem").read_bytes())
    files = {"auth-key": secret, "secrets-key": seal, "tls-key": tls}
    for file in (*files.values(), public):
        os.chmod(file, 0o644)
    options = {"auth_key": [public, secret], "secrets_key": seal, "tls_cert": tls, "tls_key": tls}
    evhookd = alone(ready=False, **options)
    until(lambda: evhookd.log_lines("is running"), "it runs")

    def warned():
        return [len(evhookd.log_lines("level=warn", f"option={o}", f"{f}")) for o, f in files.items()]

    assert warned() == [1, 1, 1]
    assert len(evhookd.log_lines("may read a key")) == 3
    for file in (seal, tls):
        os.chmod(file, 0o640)
    os.kill(evhookd.process.pid, signal.SIGHUP)
    until(lambda: evhookd.log_lines("msg=reloaded"), "it reloaded")
    assert warned() == [2, 1, 1]


def test_with_a_key_any_address_may_be_listened_on(keys):
    done = run("--listen", "0.0.0.0:0", "--auth-key", keys[1].file, "--check-config")
    assert done.returncode == 0, done.stderr


# --- what a web page could do, without keys


LOCAL = ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]:80", "10.1.2.3", ""]
FOREIGN = [
    "evil.test",
    "evil.test:8080",
    "localhost.evil.test",
    "127.0.0.1.evil.test",
    "localhost.",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "a",
]


def ask(server, path, *fields, method="GET", version="1.1"):
    with Raw(server.host, server.port) as raw:
        raw.send("\r\n".join([f"{method} {path} HTTP/{version}", *fields, "", ""]))
        return raw.read_response()


PATH = f"/event/{TENANT}/webhooks/list"


@pytest.mark.parametrize("host", LOCAL)
def test_without_keys_the_host_may_be_local(server, host):
    expect(ask(server, PATH, f"Host: {host}"), 200)


@pytest.mark.parametrize("host", FOREIGN)
def test_without_keys_a_name_is_refused_that_may_lead_here_by_rebinding(server, open_server, host):
    detail = problem(ask(server, PATH, f"Host: {host}"), 403)["detail"]
    assert "Host" in detail and "--no-auth" in detail
    expect(ask(open_server, PATH, f"Host: {host}"), 200)
    expect(ask(server, "/healthz", f"Host: {host}"), 200)  # tells nothing


def test_without_keys_and_without_a_host_it_is_no_browser(server):
    expect(ask(server, PATH, version="1.0"), 200)


@pytest.mark.parametrize("which", ["server", "open_server"])
@pytest.mark.parametrize(
    "status, host, fields",
    [
        (200, "localhost:8080", ["Origin: http://localhost:8080"]),
        (200, "127.0.0.1:8080", ["Origin: http://127.0.0.1:8080", "Sec-Fetch-Site: same-origin"]),
        (200, "[::1]", ["Origin: https://[::1]"]),
        (200, "localhost", ["Origin: http://LOCALHOST"]),
        (200, "localhost", ["Sec-Fetch-Site: none"]),
        (200, "localhost", ["Sec-Fetch-Site: same-site"]),
        (403, "localhost", ["Sec-Fetch-Site: cross-site"]),
        (403, "localhost", ["Sec-Fetch-Site: Cross-Site", "Origin: http://localhost"]),
        (403, "localhost", ["Origin: http://evil.test"]),
        (403, "localhost", ["Origin: null"]),
        (403, "localhost", ["Origin: "]),
        (403, "localhost", ["Origin: http://localhost.evil.test"]),
        (403, "localhost", ["Origin: http://localhost:3000", "Sec-Fetch-Site: same-site"]),
        (403, "localhost:8080", ["Origin: http://127.0.0.1:8080"]),
        (403, "127.0.0.1", ["Origin: http://192.168.1.1"]),
        (403, "", ["Origin: http://"]),
    ],
)
def test_without_keys_other_pages_are_refused(request, which, status, host, fields):
    server = request.getfixturevalue(which)
    for method, path in ("GET", PATH), ("POST", f"/event/{TENANT}/webhooks/{UNKNOWN}/test"):
        response = ask(server, path, f"Host: {host}", *fields, method=method)
        if status == 200:
            assert response.status == (200 if method == "GET" else 404)
        else:
            assert "page" in problem(response, 403)["detail"]


def test_behind_a_proxy_the_browser_knows_what_is_the_same(server, open_server):
    """The proxy may have changed Host; --no-auth allows for it."""
    fields = ["Host: 127.0.0.1:8080", "Origin: https://hooks.test", "Sec-Fetch-Site: same-origin"]
    expect(ask(open_server, PATH, *fields), 200)
    problem(ask(server, PATH, *fields), 403)


def test_with_keys_the_token_is_enough(guarded):
    token = guarded.key.all()
    fields = ["Host: evil.test", "Origin: http://evil.test", "Sec-Fetch-Site: cross-site"]
    expect(ask(guarded.evhookd, PATH, *fields, f"Authorization: Bearer {token}"), 200)


def test_a_page_is_refused_behind_route_and_before_path(server):
    problem(ask(server, "/nothing", "Host: evil.test"), 404)
    problem(ask(server, "/event/x/webhooks/list", "Host: evil.test"), 403)


# --- ./dev token


def test_dev_token(guarded):
    """It is evhookctl token: the same options, and the same tokens."""

    def token(*args):
        return subprocess.run(
            ["bash", str(TOP / "dev"), "token", *args],
            env={**os.environ, "EVHOOKCTL": program()},
            capture_output=True,
            text=True,
            check=False,
        )

    key = ("--key-file", guarded.key.file)
    made = token(*key, "--tenants", "any")
    assert made.returncode == 0 and made.stderr == ""
    expect(guarded.get(token=made.stdout.strip()), 200)
    some = token(*key, "--tenant", TENANT, "--permissions", "webhooks.read").stdout
    forbidden(guarded.get(token=some.strip()), "webhooks.list")
    path = f"/event/{TENANT}/webhooks/{UNKNOWN}"
    problem(guarded.request("GET", path, token=some.strip()), 404)
    alone = token()
    assert alone.returncode == 0 and "--key-file" in alone.stdout
