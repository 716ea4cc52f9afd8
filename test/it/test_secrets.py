"""What endpoints are reached with, at rest: sealed with --secrets-key, rotated, nowhere readable."""

import base64
import hashlib
import os
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api import UNKNOWN, Keys, Tenant, expect, problem, signature
from client import DEADLINE, Raw
from harness import binary, child_environment, run, until, until_empty

SECRET = "a-very-secret-signing-key-0001"
TOKEN = "Bearer-token-of-the-endpoint-0002"
ALERT_SECRET = "the-alert-endpoints-secret-0003"
NEXT_SECRET = "the-secret-that-came-next-0004"
PATH = "services-T00-B00-the-urls-own-token-0005"
ALERT_PATH = "the-alert-urls-own-token-0006"
ALL = (SECRET, TOKEN, ALERT_SECRET, NEXT_SECRET, PATH, ALERT_PATH)


class Key:
    """A key, in a file."""

    def __init__(self, path, first_byte):
        self.bytes = bytes([first_byte]) * 32
        self.id = hashlib.sha256(self.bytes).hexdigest()[:8]
        self.path = path
        path.write_bytes(base64.b64encode(self.bytes) + b"\n")

    def __str__(self):
        return str(self.path)

    def seal_v1(self, place, text):
        """As it was done before the url was sealed too."""
        raw = b"twelve bytes" + AESGCM(self.bytes).encrypt(b"twelve bytes", text, place)
        return f"v1:{self.id}:{base64.b64encode(raw).decode()}"


@pytest.fixture
def keys(tmp_path):
    return [Key(tmp_path / f"key{n}", n) for n in (1, 2)]


def create(tenant, url, **more):
    return tenant.create(
        url,
        endpoint_secret=SECRET,
        endpoint_hmacEnabled=True,
        endpoint_headers={"Authorization": [TOKEN]},
        failureHandling={
            "alertEndpoint": {"url": f"http://127.0.0.1:9/{ALERT_PATH}", "secret": ALERT_SECRET},
        },
        **more,
    )


def stored(redis, tenant, webhook):
    return redis.client.hget(Keys(tenant).webhook(webhook["locator"]), "secrets")


def is_sealed_with(redis, tenant, webhook, key):
    return stored(redis, tenant, webhook).startswith(f"v2:{key.id}:")


def old_form(doc, secrets):
    """The two stored texts, plain, as they were when url and secureSsl stood in the first."""
    doc, secrets = json.loads(doc), json.loads(secrets)
    for beside, sealed in (
        (doc["endpoint"], secrets["endpoint"]),
        (doc["failureHandling"]["alertEndpoint"], secrets["alertEndpoint"]),
    ):
        for name in ("url", "secureSsl"):
            beside[name] = sealed.pop(name)
    return json.dumps(doc), json.dumps(secrets)


def place(tenant, webhook):
    return f"webhook {tenant.locator} {webhook['locator']}".encode()


def everything_in(client):
    """All that Redis holds, by its own commands."""
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "zset": lambda key: client.zrange(key, 0, -1),
        "stream": client.xrange,
        "none": lambda key: None,  # gone meanwhile
    }
    return str([(key, read[client.type(key)](key)) for key in client.scan_iter()])


def delivers(tenant, sink, secret=SECRET):
    """An event is delivered, signed, with the endpoint's header."""
    locator = tenant.publish()["locator"]
    sink.wait_for_events([locator])
    request = [r for r in sink.requests if r.header("webhook-id") == locator][0]
    assert signature(secret, request) in request.header("webhook-signature").split()
    assert request.header("authorization") == TOKEN


def files_of(redis):
    """The bytes of all files of a redis-server, after all of it was written."""
    redis.client.save()
    return b"".join(p.read_bytes() for p in pathlib.Path(redis.dir).rglob("*") if p.is_file())


def test_nothing_readable_is_in_redis_its_files_or_the_log(new_redis, new_evhookd, receiver, keys):
    redis = new_redis(appendonly="yes", appendfsync="always")
    sink = receiver()
    with redis.client.monitor() as monitor:
        server = new_evhookd(redis=redis, secrets_key=str(keys[0]))
        tenant = Tenant(server.client())
        webhook = create(tenant, sink.url(f"/{PATH}"))
        delivers(tenant, sink)
        tenant.update(webhook, endpoint={"secret": NEXT_SECRET})
        delivers(tenant, sink, NEXT_SECRET)
        fetched = tenant.fetch(webhook)
        assert tenant.list()["items"] == [fetched]
        problem(tenant.try_update(webhook, {"endpoint": {"secret": SECRET, "tagg": TOKEN}}), 400)
        until_empty(redis.client, tenant, webhook)
        redis.client.ping()
        said = ""
        while "PING" not in said:
            said = monitor.next_command()["command"]
            assert not [s for s in ALL if s in said]
    assert fetched["endpoint"]["secret"] == NEXT_SECRET
    assert fetched["endpoint"]["headers"] == {"Authorization": [TOKEN]}
    assert fetched["failureHandling"]["alertEndpoint"]["secret"] == ALERT_SECRET
    assert is_sealed_with(redis, tenant, webhook, keys[0])
    assert redis.client.hget("evhook:meta", "secretsKey") == keys[0].id
    held = everything_in(redis.client)
    assert webhook["locator"] in held and not [s for s in ALL if s in held]
    written = files_of(redis)
    assert webhook["locator"].encode() in written, "these are the files that hold it"
    command = pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    log = server.stderr().encode()
    for secret in ALL + (base64.b64encode(keys[0].bytes).decode(),):
        assert secret.encode() not in written
        assert secret.encode() not in log
        assert secret.encode() not in command
    assert keys[0].bytes not in log and keys[0].bytes not in command


@pytest.mark.parametrize(
    "form", ["plain", "plain in the earlier form", "sealed in the earlier form"]
)
def test_what_was_readable_becomes_sealed_also_in_the_append_only_file(
    new_redis, new_evhookd, receiver, keys, form
):
    redis = new_redis(appendonly="yes", appendfsync="always")
    sink = receiver()
    server = new_evhookd(redis=redis)
    tenant = Tenant(server.client())
    webhook = create(tenant, sink.url(f"/{PATH}"))
    if form != "plain":
        key = Keys(tenant).webhook(webhook["locator"])
        doc, secrets = old_form(*redis.client.hmget(key, "doc", "secrets"))
        if form == "sealed in the earlier form":
            secrets = keys[0].seal_v1(place(tenant, webhook), secrets.encode())
        redis.client.hset(key, mapping={"doc": doc, "secrets": secrets})
    server.stop()
    assert PATH.encode() in files_of(redis)
    server = new_evhookd(redis=redis, secrets_key=str(keys[0]))
    tenant = tenant.on(server.client())
    until(lambda: is_sealed_with(redis, tenant, webhook, keys[0]), "it is sealed")
    assert tenant.fetch(webhook) == webhook, "nothing about it changed"
    delivers(tenant, sink)
    assert not [s for s in ALL if s in everything_in(redis.client)]
    until(
        lambda: not [s for s in ALL if s.encode() in files_of(redis)], "the files are free of it"
    )


def test_without_keys_the_earlier_form_is_read_and_written_anew(
    new_redis, new_evhookd, receiver
):
    redis = new_redis()
    sink = receiver()
    tenant = Tenant(new_evhookd(redis=redis).client())
    webhook = create(tenant, sink.url())
    key = Keys(tenant).webhook(webhook["locator"])
    doc, secrets = old_form(*redis.client.hmget(key, "doc", "secrets"))
    redis.client.hset(key, mapping={"doc": doc, "secrets": secrets})
    assert tenant.fetch(webhook) == webhook
    delivers(tenant, sink)
    tenant.update(webhook, name="another")
    assert "url" not in redis.client.hget(key, "doc")
    delivers(tenant, sink)


def test_sealing_walks_over_everything(new_redis, new_evhookd, keys):
    """More webhooks than one step takes, of several tenants, among other keys."""
    redis = new_redis()
    server = new_evhookd(redis=redis)
    owners = [Tenant(server.client()) for _ in range(8)]
    made = [(t, create(t, "http://127.0.0.1:9/", name=str(n))) for t in owners for n in range(5)]
    server.stop()
    pipe = redis.client.pipeline()
    for n in range(3000):
        pipe.set(f"evhook:{{0}}:other:{n}", n)
    pipe.hset("evhook:{0}:wh:" + UNKNOWN, "doc", "{}")
    pipe.set("evhook:{0}:wh:nonsense", "x")
    pipe.execute()
    server = new_evhookd(redis=redis, secrets_key=str(keys[0]))
    until(lambda: server.log_lines("sealed with the first key"), "it is done")
    assert f"sealed={len(made)}" in server.log_lines("sealed with the first key")[0]
    assert all(is_sealed_with(redis, *item, keys[0]) for item in made)


def test_rotation_by_a_second_key(new_redis, new_evhookd, receiver, keys):
    old, new = keys
    redis = new_redis()
    sink = receiver()
    server = new_evhookd(redis=redis, secrets_key=[old, new])
    tenant = Tenant(server.client())
    webhook = create(tenant, sink.url())
    assert is_sealed_with(redis, tenant, webhook, old)
    server.stop()
    server = new_evhookd(redis=redis, secrets_key=[new, old])
    tenant = tenant.on(server.client())
    until(lambda: is_sealed_with(redis, tenant, webhook, new), "it is sealed with the new key")
    delivers(tenant, sink)
    until(lambda: server.log_lines("sealed with the first key", new.id), "it says so")
    server.stop()
    server = new_evhookd(redis=redis, secrets_key=new)
    tenant = tenant.on(server.client())
    assert tenant.fetch(webhook) == webhook
    delivers(tenant, sink)


def test_rotation_by_sighup(new_redis, new_evhookd, receiver, keys, tmp_path):
    old, new = keys
    redis = new_redis()
    sink = receiver()
    config = tmp_path / "evhookd.conf"
    config.write_text(f"secrets-key = {old}\n")
    server = new_evhookd(redis=redis, config=config)
    tenant = Tenant(server.client())
    webhook = create(tenant, sink.url())
    config.write_text(f"secrets-key = {new}\nsecrets-key = {old}\n")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: is_sealed_with(redis, tenant, webhook, new), "it is sealed with the new key")
    assert redis.client.hget("evhook:meta", "secretsKey") == new.id
    delivers(tenant, sink)
    config.write_text(f"secrets-key = {new}\n")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: len(server.log_lines("msg=reloaded")) == 2, "it reloaded")
    assert tenant.fetch(webhook) == webhook
    # a bad file changes nothing
    new.path.write_text("not a key")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.log_lines("level=error", "stay as they were", str(new)), "it says so")
    assert "not a key" not in server.stderr()
    assert tenant.fetch(webhook) == webhook
    delivers(tenant, sink)


@pytest.mark.parametrize("given", ["none", "another"])
def test_without_the_right_key_it_does_not_start(new_redis, new_evhookd, keys, given):
    redis = new_redis()
    new_evhookd(redis=redis, secrets_key=keys[0]).stop()
    other = keys[1] if given == "another" else None
    server = new_evhookd(redis=redis, secrets_key=other, ready=False, log_level="warn")
    assert server.wait_exit() == 1
    server.expect_death = True
    lines = server.log_lines("level=error")
    assert len(lines) == 1 and keys[0].id in lines[0] and "--secrets-key" in lines[0]
    assert redis.client.hget("evhook:meta", "secretsKey") == keys[0].id


@pytest.mark.parametrize("how", ["no key", "moved", "damaged"])
def test_what_cannot_be_opened_is_503_and_named_and_nothing_is_lost(
    new_redis, new_evhookd, receiver, keys, how
):
    redis = new_redis()
    sink = receiver()
    server = new_evhookd(redis=redis, secrets_key=keys[0], log_level="info")
    tenant = Tenant(server.client())
    webhook = create(tenant, sink.url())
    other = create(tenant, sink.url(), eventTypes=["never"])
    was = stored(redis, tenant, webhook)
    bad = {
        "no key": "v2:" + keys[1].id + was[11:],
        "moved": stored(redis, tenant, other),
        "damaged": was[:-8] + "AAAAAAA=",
    }[how]
    redis.client.hset(Keys(tenant).webhook(webhook["locator"]), "secrets", bad)
    for response in (
        tenant.try_fetch(webhook),
        tenant.try_update(webhook, {"name": "new"}),
        tenant.try_list(),
    ):
        assert int(response.header("retry-after")) >= 1
        assert "log" in problem(response, 503)["detail"]
    until(lambda: server.log_lines("level=error", webhook["locator"]), "it is named")
    if how == "no key":
        assert f"key={keys[1].id}" in server.log_lines("level=error", webhook["locator"])[0]
    locator = tenant.publish()["locator"]
    queue = Keys(tenant).queue(webhook["locator"])
    until(lambda: server.log_lines("level=error", "others="), "it is asked for again")
    assert redis.client.zrange(queue, 0, -1) != [] and sink.requests == []
    assert len(server.log_lines("cannot be read")) < 60, "not a line for each time"
    # repaired, it goes on by itself
    redis.client.hset(Keys(tenant).webhook(webhook["locator"]), "secrets", was)
    sink.wait_for_events([locator])
    assert tenant.fetch(webhook) == webhook
    until_empty(redis.client, tenant, webhook)


def tampered(how, redis, key, webhook, owner, other, evil):
    """The two texts as somebody who can write to Redis might leave them, to get the headers."""
    doc, secrets = redis.client.hmget(Keys(owner).webhook(webhook["locator"]), "doc", "secrets")
    if how == "another url beside":
        doc = json.loads(doc)
        doc["endpoint"] |= {"url": evil, "secureSsl": True}
        return json.dumps(doc), secrets
    if how == "another secureSsl beside":
        doc = json.loads(doc)
        doc["endpoint"]["secureSsl"] = False
        return json.dumps(doc), secrets
    if how in ("another webhook's", "another tenant's"):
        return redis.client.hmget(Keys(other[0]).webhook(other[1]["locator"]), "doc", "secrets")
    sealed = {"secret": SECRET, "headers": {"Authorization": [TOKEN]}}
    plain = {"endpoint": sealed, "previousSecret": "", "previousUntil": 0}
    if how == "all of it plain":
        sealed |= {"url": evil, "secureSsl": True}
        return doc, json.dumps(plain)
    doc = json.loads(doc)
    doc["endpoint"] |= {"url": evil, "secureSsl": True}
    if how == "plain in the earlier form":
        return json.dumps(doc), json.dumps(plain)
    assert how == "a copy from before the url was sealed"
    return json.dumps(doc), key.seal_v1(place(owner, webhook), json.dumps(plain).encode())


@pytest.mark.parametrize(
    "how",
    [
        "another url beside",
        "another secureSsl beside",
        "another webhook's",
        "another tenant's",
        "all of it plain",
        "plain in the earlier form",
        "a copy from before the url was sealed",
    ],
)
def test_whoever_writes_to_redis_cannot_have_headers_sent_elsewhere(
    new_redis, new_evhookd, receiver, keys, how
):
    redis = new_redis()
    sink, evil = receiver(), receiver()
    server = new_evhookd(redis=redis, secrets_key=keys[0])
    owner = Tenant(server.client())
    thief = Tenant(server.client()) if how == "another tenant's" else owner
    headers = {"Authorization": [TOKEN]}
    webhook = owner.create(sink.url(), endpoint_headers=headers, eventTypes=["policy.issued"])
    other = thief.create(evil.url(), eventTypes=["never"])
    until(lambda: server.log_lines("sealed with the first key"), "what there was is sealed")
    # the victim's headers are wanted at the other place, by the victim's webhook or one's own
    stolen = how.startswith("another ") and how.endswith("'s")
    at, of = ((thief, other), (owner, webhook)) if stolen else ((owner, webhook), (thief, other))
    doc, secrets = tampered(how, redis, keys[0], at[1], at[0], of, evil.url())
    key = Keys(at[0]).webhook(at[1]["locator"])
    was = redis.client.hgetall(key)
    redis.client.hset(key, mapping={"doc": doc, "secrets": secrets})
    problem(at[0].try_fetch(at[1]), 503)
    problem(at[0].try_update(at[1], {"name": "new"}), 503)
    lines = server.log_lines("level=error", "cannot be read", at[1]["locator"])
    assert lines and "reason=" in lines[0]
    locator = at[0].publish(type="never" if stolen else "policy.issued")["locator"]
    until(lambda: server.log_lines("level=error", "others="), "a delivery asks for it")
    assert redis.client.zrange(Keys(at[0]).queue(at[1]["locator"]), 0, -1) == [locator]
    assert sink.requests == [] and evil.requests == []
    # put right, it goes where it belongs
    redis.client.hset(key, mapping=was)
    (evil if stolen else sink).wait_for_events([locator])
    assert not [r for r in evil.requests if r.header("authorization")]


def test_a_webhook_that_cannot_be_opened_can_be_deleted(new_redis, new_evhookd, keys):
    redis = new_redis()
    server = new_evhookd(redis=redis, secrets_key=keys[0])
    tenant = Tenant(server.client())
    webhook = create(tenant, "http://127.0.0.1:9/")
    redis.client.hset(Keys(tenant).webhook(webhook["locator"]), "secrets", "v1:00000000:AAAA")
    problem(tenant.try_fetch(webhook), 503)
    tenant.delete(webhook)
    problem(tenant.try_fetch(webhook), 404)
    expect(tenant.try_list(), 200)


@pytest.mark.parametrize(
    "text", ["", "short", "A" * 43 + "=\nx", "A" * 300, "-----BEGIN PRIVATE KEY-----"]
)
def test_a_bad_key_file_is_one_line_at_start(tmp_path, text):
    file = tmp_path / "key"
    file.write_text(text)
    for more in (), ("--check-config",):
        result = run("--secrets-key", file, *more)
        assert (result.returncode, result.stdout) == (2, "")
        lines = result.stderr.splitlines()
        assert len(lines) == 1 and f"--secrets-key: {file}: " in lines[0]
        assert not text or text not in lines[0]


def memory_of(pid):
    """All that the process may write to, but its stack: what is saved there of registers when a
    library is first called, or a signal comes, is not ours to wipe."""
    held = []
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            area, rights = line.split()[:2]
            if not rights.startswith("rw") or line.endswith("[stack]"):
                continue
            begin, end = (int(n, 16) for n in area.split("-"))
            memory.seek(begin)
            held.append(memory.read(end - begin))
    return held


def copies(pid, *texts):
    held = memory_of(pid)
    return {t: sum(part.count(t.encode()) for part in held) for t in texts}


@pytest.mark.skipif("asan" in os.environ.get("EVHOOKD", ""), reason="its memory is terabytes")
def test_what_requests_brought_is_wiped_from_memory(new_redis, new_evhookd, receiver, keys):
    server = new_evhookd(redis=new_redis(), secrets_key=keys[0])
    try:
        memory_of(server.process.pid)
    except PermissionError:
        pytest.skip("we may not read another process' memory: root may, but not in each container")
    tenant = Tenant(server.client())
    sink = receiver()
    first = ("first-secret-of-all-0001", "first-header-value-0002", "first-url-token-0003")
    then = ("then-came-this-secret-04", "then-this-header-0005", "then-this-url-token-0006")

    def endpoint(texts):
        long = "x" * 6000  # buffers grow
        headers = {"X-Key": [texts[1]], "X-Long": [long]}
        return {"secret": texts[0], "url": sink.url(f"/{texts[2]}"), "headers": headers}

    def alive():
        return {t: n for t, n in copies(server.process.pid, *first, *then).items() if n > 0}

    alert = endpoint([f"{text}-alert" for text in first])
    body = tenant.body(eventTypes=["never"], failureHandling={"alertEndpoint": alert})
    body["endpoint"] = {**endpoint(first), "hmacEnabled": True}
    webhook = expect(tenant.try_create(body), 200).json()
    change = endpoint(then)
    change["addHeaders"] = change.pop("headers")
    tenant.update(webhook, endpoint=change)
    problem(tenant.try_update(webhook, {"endpoint": {**change, "tagg": then[0]}}), 400)
    problem(tenant.try_update(webhook, json.dumps({"endpoint": change})[:-1]), 400)
    problem(tenant.client.patch(tenant.webhook_path(webhook), b"{" + b" " * 2**20), 413)
    tenant.fetch(webhook)
    tenant.list(extended="true")
    until(lambda: alive() == {}, "nothing is left once the answer is out")
    # in pieces, behind another request, and never whole
    text = json.dumps({"endpoint": change}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (text[:700], text[700:], b""))
    head = f"PATCH {tenant.webhook_path(webhook)} HTTP/1.1\r\nHost: localhost\r\n".encode()
    head += b"Content-Type: application/json\r\n"
    sized = head + b"Content-Length: %d\r\n\r\n" % len(text) + text
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    with Raw(server.host, server.port) as raw:
        for piece in (sized[:900], sized[900:2000], sized[2000:]):
            raw.send(piece)
            server.client().get("/readyz")
        expect(raw.read_response(), 200)
        raw.send(chunked + sized + chunked)
        for _ in range(3):
            expect(raw.read_response(), 200)
        raw.send(sized[:-1])
        server.client().get("/readyz")
    until(lambda: alive() == {}, "nothing is left")
    # what deliveries need is kept as long as they do: the settings, with secrets that sign in
    # OpenSSL's hands too, and the URL taken apart
    tenant.update(webhook, addEventTypes=["now"])
    locators = [tenant.publish("now")["locator"] for _ in range(3)]
    sink.wait_for_events(locators)
    until_empty(server.redis.client, tenant, webhook)
    kept = {first[0]: 1 + 2, first[1]: 1, first[2]: 1, then[0]: 2, then[1]: 1, then[2]: 2}
    until(lambda: alive() == kept, "no more than that is left")


@pytest.mark.skipif("asan" in os.environ.get("EVHOOKD", ""), reason="LeakSanitizer must look")
def test_no_core_dump_and_no_reading_of_its_memory(server, new_redis, tmp_path):
    limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
    core = [line for line in limits.splitlines() if line.startswith("Max core file size")][0]
    assert core.split()[4:6] == ["0", "0"]
    # what belongs to an ordinary user belongs to root in /proc once it may not be looked into
    listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    nobody = {"user": 65534, "group": 65534} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        # nobody may not enter root's home, in which the tree may be
        os.chmod(folder, 0o755)
        process = start_copy(folder, ["--redis", new_redis().uri] + listen, **nobody)
        try:
            while b"is running" not in (line := process.stderr.readline()):
                assert line, "it ended"
            assert os.stat(f"/proc/{process.pid}/environ").st_uid == 0
        finally:
            process.terminate()
            process.wait(DEADLINE)
            process.stderr.close()


def start_copy(folder, args, **who):
    """Starts a copy of the program, in a folder that everybody may enter."""
    command = binary()
    command[-1] = shutil.copy(command[-1], folder)
    return subprocess.Popen(
        command + args,
        env=child_environment(),
        cwd="/",
        stderr=subprocess.PIPE,
        **who,
    )
