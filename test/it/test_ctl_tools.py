"""evhookctl's tools: Redis keys and purge, the receiver, tokens, the live screen."""

import base64
import hashlib
import hmac
import json
import re
import signal
import uuid

from api import UNKNOWN, Keys, Tenant
from client import DEADLINE
from ctl import FAILED, OK, UNAVAILABLE, USAGE, Ctl, rows
from harness import TROUBLE, PortLock, until
from receivers import Answer


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


def test_listen_sends_on_and_answers_as_that_does(ctl, tenant, receiver):
    sink = receiver(Answer(503, body=b"not now"), default=Answer(200))
    target = sink.url("/hook?a=1")
    options = ("--register", "--forward-to", target, "--headers", "--count", 2)
    with ctl.start("listen", *options) as listen:
        listen.stderr.readline()
        webhook = listen.stderr.readline().split("webhook ")[1].split(",")[0]
        events = [tenant.publish("a", {"n": 1.50}) for _ in range(2)]
        assert listen.wait(DEADLINE) == OK
        text = listen.stdout.read()
    sent = sink.wait_for(2)
    assert {r.json()["locator"] for r in sent} == {e["locator"] for e in events}
    assert sent[0].target == "/hook?a=1" and sent[0].header("webhook-signature").startswith("v1,")
    assert sent[0].header("content-type") == "application/json"
    assert "signature ok  answered 503" in text and "signature ok  answered 200" in text
    assert re.search("^  webhook-signature: v1,", text, re.M) and "  Host: 127.0.0.1" in text
    assert webhook not in [w["locator"] for w in tenant.list()["items"]]
    ctl.run("listen", "--forward-to", target, "--status", 200, code=USAGE)
    ctl.run("listen", "--forward-to", "nonsense", code=USAGE)


def test_listen_answers_502_where_nothing_takes_it(ctl, tenant):
    gone = PortLock()
    with ctl.start("listen", "--forward-to", f"http://127.0.0.1:{gone.port}/", "--count", 1) as one:
        tenant.create(one.stderr.readline().split()[-1])
        tenant.publish()
        assert one.wait(DEADLINE) == OK
        assert "answered 502" in one.stdout.read()
        assert "not sent on: " in (said := one.stderr.read()) and "Connection refused" in said
    gone.close()


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
    (tmp_path / "key").write_bytes(long := bytes(range(11, 200)))
    head, claims, mac = ctl.run("token", *options).strip().split(".")
    assert unpack(mac) == hmac.new(long, f"{head}.{claims}".encode(), hashlib.sha256).digest()
    (tmp_path / "key").write_bytes(b"short")
    ctl.run("token", *options, code=FAILED)
    (tmp_path / "key").write_bytes(b"-----BEGIN PUBLIC KEY-----\n" + b"x" * 40)
    ctl.run("token", *options, code=FAILED)


def admin_of(server):
    return "--admin-url", f"http://127.0.0.1:{server.admin_lock.port}"


def test_top_shows_rates_and_the_worst_webhooks(ctl, tenant, server, failing):
    admin = (*admin_of(server), "--interval", "200ms")
    text = ctl.run("top", *admin, "--count", 2)
    assert re.search(r"^events +\d", text, re.M) and "failing" in text
    first, second = ctl.lines("top", *admin, "--count", 2)
    assert second["worst"][0]["webhook"] == failing[0]["locator"]
    before, after = (s["metrics"]["evhookd_http_requests_total"] for s in (first, second))
    assert after["value"] > before["value"] and after["rate"] > 0 and before["rate"] == 0


def test_top_fits_a_small_terminal(ctl, tenant, server, receiver):
    for n in range(12):
        tenant.create(receiver(Answer(503)).url(), name="\u00fc" * 60, eventTypes=[f"t{n}"])
        tenant.publish(f"t{n}")
    gone = ("--admin-url", "http://127.0.0.1:1")
    for more in ((), gone):
        for env in ({}, {"EVHOOKCTL_TENANT": ""}):
            ctl_of = Ctl(ctl.env["EVHOOKCTL_URL"], None if env else tenant)
            text = ctl_of.run("top", *admin_of(server), *more, "--count", 1)
            lines = text.splitlines()
            assert len(lines) <= 24 and max(map(len, lines)) <= 80, text
            assert lines[1 + bool(more)].startswith("RATE"), text
            assert ("no answer: " in text) == bool(more)


def test_top_adds_processes_up(ctl, new_evhookd, new_redis):
    redis = new_redis()
    pair = [new_evhookd(redis=redis) for _ in range(2)]
    admin = [word for one in pair for word in admin_of(one)]
    for n, one in enumerate(pair):
        tenant = Tenant(one.client())
        tenant.create("http://127.0.0.1:9/", enabled=False)
        tenant.publish_many(3 + n)
    (look,) = ctl.lines("top", *admin, "--count", 1)
    assert [p["trouble"] for p in look["processes"]] == [None, None]
    metrics = look["metrics"]
    assert metrics["evhookd_events_accepted_total"]["value"] == 7
    assert metrics["evhookd_redis_up"]["value"] == 2
    pair[1].stop()
    (look,) = ctl.lines("top", *admin, "--count", 1)
    assert [bool(p["trouble"]) for p in look["processes"]] == [False, True]
    assert look["metrics"]["evhookd_events_accepted_total"]["value"] == 3
    urls = ",".join(admin[1::2])
    text = ctl.run("top", "--count", 1, env={"EVHOOKCTL_ADMIN_URL": urls})
    assert text.startswith("1 of 2 processes answer, Redis is up")
    pair[0].stop()
    ctl.run("top", *admin, "--count", 1, code=UNAVAILABLE)


def test_a_long_queue_leads_to_its_webhook(new_evhookd, new_redis, receiver, event):
    evhookd = new_evhookd(redis=new_redis())
    held, webhooks = event(), []
    for n in range(12):
        tenant = Tenant(evhookd.client())
        sink = receiver(default=Answer(200, after=held))
        webhooks.append((tenant, tenant.create(sink.url())["locator"]))
        tenant.publish_many(40 + n)
    ctl = Ctl("http://127.0.0.1:1", EVHOOKCTL_REDIS=evhookd.redis.uri)
    (look,) = ctl.lines("top", *admin_of(evhookd), "--count", 1)
    queues = look["all"]["queues"]
    assert [(q["tenant"], q["webhook"], q["entries"]) for q in queues] == [
        (tenant.locator, webhook, 51 - n) for n, (tenant, webhook) in enumerate(webhooks[:1:-1])
    ]
    assert not any(q["notices"] for q in queues)
    text = ctl.run("top", *admin_of(evhookd), "--count", 1)
    longest, webhook = webhooks[-1]
    assert re.search(rf"^{longest.locator} {webhook} +51 ", text, re.M), text
    held_bytes = [t["bytes"] for t in look["all"]["tenants"]]
    assert held_bytes == sorted(held_bytes, reverse=True) and len(held_bytes) == 10
    listed = ctl.json("tenants")
    assert [t["tenant"] for t in listed] == [t.locator for t, _ in webhooks[::-1]]
    assert [t["events"] for t in listed] == [51 - n for n in range(12)]
    assert {t["webhooks"] for t in listed} == {1}
    assert [t["bytes"] for t in listed[:10]] == held_bytes
    assert ctl.json("tenants", "--count", 2, more=True) == listed[:2]
    assert rows(ctl.run("tenants", "--all"))[0][0] == longest.locator
    held.set()


def test_what_is_due_longest_is_told(new_evhookd, new_redis, receiver, event):
    evhookd = new_evhookd(redis=new_redis(), delivery_concurrency=1, endpoint_concurrency=1)
    tenant, held = Tenant(evhookd.client()), event()
    sink = receiver(default=Answer(200, after=held))
    webhook = tenant.create(sink.url())["locator"]
    tenant.publish_many(1000)
    sink.wait_for(1)
    worst = evhookd.admin().get("/worst").json()
    (queue,) = worst["queues"]
    assert queue == worst["oldest"] and queue["webhook"] == webhook
    assert queue["entries"] == 1000 and 0 < queue["due"] < 1000 and queue["dueForMs"] >= 0
    text = Ctl("http://127.0.0.1:1").run("top", *admin_of(evhookd), "--count", 1)
    assert text.count(f"{tenant.locator} {webhook}") == 2 and "DUE LONGEST" in text
    held.set()


def test_top_shows_the_parts_of_what_has_several(ctl, tenant, server, failing):
    admin = admin_of(server)
    (look,) = ctl.lines("top", *admin, "--count", 1)
    metrics = look["metrics"]
    for family, label, parts in (
        ("evhookd_queue_entries", "state", ["due", "soon", "deferred"]),
        ("evhookd_deliveries_held", "state", ["waiting", "inflight", "settling"]),
        ("evhookd_attempt_phase_seconds", "phase", ["dns", "connect", "tls", "first_byte"]),
    ):
        values = [metrics[f'{family}{{{label}="{part}"}}']["value"] for part in parts]
        assert sum(values) == metrics[family]["value"]
    names = [name for name in metrics if name.startswith("evhookd_attempts_total{outcome=")]
    assert sum(metrics[n]["value"] for n in names) == metrics["evhookd_attempts_total"]["value"]
    assert metrics['evhookd_attempts_total{outcome="failed"}']["value"] > 0
    first_byte = metrics['evhookd_attempt_phase_seconds{phase="first_byte"}']
    assert 0 < first_byte["p50"] <= first_byte["p99"]
    lines = [line.split() for line in ctl.run("top", "--all", *admin, "--count", 1).splitlines()]
    at = [line[0] if line else "" for line in lines].index("queue_entries")
    assert [line[0] for line in lines[at + 1 : at + 4]] == ["due", "soon", "deferred"]




def test_ready_says_so_by_its_exit_code(ctl, new_evhookd, new_redis):
    redis = new_redis()
    server = new_evhookd(redis=redis)
    admin = ("--admin-url", f"http://127.0.0.1:{server.admin_lock.port}")
    assert '"ready"' in ctl.run("ready", *admin)
    assert ctl.run("ready", *admin, *admin).count('"ready"') == 2
    redis.kill()
    until(lambda: server.status_of("/readyz") == 503, "it is not ready")
    process = ctl.start("ready", *admin)
    out, said = process.communicate(timeout=30)
    assert process.returncode == UNAVAILABLE and "Redis" in out and said == ""
    server.kill()
    assert "cannot connect" in (ctl.run("ready", *admin, code=UNAVAILABLE) or ctl.said)


def test_config_tells_each_value_and_where_it_came_from(ctl, new_redis, new_evhookd, tmp_path):
    (tmp_path / "file").write_text("\nshards = 7\n")
    redis = new_redis()
    uri = redis.uri.replace("redis://", "redis://default:hunter2@")
    env = {"EVHOOK_LEASE": "40s", "EVHOOK_CONFIG": str(tmp_path / "file")}
    evhookd = new_evhookd(redis=uri, env=env, ready=False)
    until(lambda: evhookd.status_of("/healthz", admin=True) == 200, "it answers")
    admin = ("--admin-url", f"http://127.0.0.1:{evhookd.admin_lock.port}")
    options = {o["name"]: (o["value"], o["from"]) for o in ctl.json("config", *admin)["options"]}
    assert options["shards"] == (7, f"{tmp_path}/file:2")
    assert options["lease"] == ("40s", "EVHOOK_LEASE")
    assert options["allow-egress"] == (["127.0.0.0/8", "::1/128"], "command line")
    assert options["max-body"] == ("1M", "default") and options["ca-file"] == (None, None)
    host = redis.uri.split("//")[1]
    assert options["redis"] == (f"redis://***@{host}", "command line")
    table = rows(ctl.run("config", *admin))
    assert ["lease", "40s", "EVHOOK_LEASE"] in table and len(table) == len(options)
    text = ctl.run("config", *admin, *admin)
    assert text.count(admin[1]) == 2 and "hunter2" not in text
    gone = ("--admin-url", "http://127.0.0.1:1")
    ctl.run("config", *gone, *admin, code=UNAVAILABLE)
    assert "Connection refused" in ctl.said
