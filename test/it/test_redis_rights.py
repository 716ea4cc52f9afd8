"""What an ACL user of Redis must be allowed: the rule of doc/operations.md is enough for everything,
and each right that is missing is named before anything is done."""

import re
import signal

import pytest
import redis as redis_client

from api import UNKNOWN, Keys, Tenant, expect, problem
from failing import policy, until_diverted, until_outcomes
from harness import TOP, until, until_empty
from receivers import Answer
from trimming import trim_step

DOC = (TOP / "doc" / "operations.md").read_text()
RULE = re.search(r"^```acl\nACL SETUSER evhookd on >PASSWORD (.*?)^```$", DOC, re.M | re.S)[1].split()
RIGHTS = [right for right in RULE if right[0] in "+~&"]
OPTIONAL = "+bgrewriteaof"  # only asked for when there are secrets to seal


def script(name):
    scripts = TOP / "store" / "scripts"
    text = (scripts / f"{name}.lua").read_text()
    flags = text[: text.index("\n") + 1]
    return flags + (scripts / "lib.lua").read_text() + text[len(flags) :]


def set_user(redis, without=(), name="evhookd"):
    rule = [right for right in RULE if right not in without]
    redis.client.execute_command("ACL", "SETUSER", name, "reset", "on", ">secret", *rule)


def uri(redis, name="evhookd"):
    return f"redis://{name}:secret@127.0.0.1:{redis.port}/0"


def test_the_rule_has_what_the_sources_call():
    called = set()
    for path in (TOP / "store" / "scripts").glob("*.lua"):
        if path.stem != "fsck_key":  # evhookctl's
            called |= set(re.findall(r"call\('([A-Z]+)'", path.read_text()))
    for path in (TOP / "store").glob("*.c"):
        called |= set(re.findall(r'redis_args\(\w+, "([A-Z]{3,})"\);\n', path.read_text()))
    called -= {"AUTH", "LOAD", "MATCH", "COUNT"}  # always allowed; arguments
    allowed = {right[1:].split("|")[0].upper() for right in RIGHTS if right[0] == "+"}
    assert called <= allowed | {"SUBSCRIBE"}
    assert allowed <= called | {"SUBSCRIBE"}, "and nothing else"


@pytest.mark.parametrize("right", [r for r in RIGHTS if r not in (OPTIONAL, "+evalsha")])
def test_each_missing_right_is_named(shared, certs, right):
    """By the script that asks, which is what evhookd's log line and /readyz repeat."""
    shared.get(certs)
    assert named(shared.redis, "without-" + re.sub(r"\W", "-", right), [right]) == [right]


def named(redis, name, without, *rules):
    """What the script says that a user lacks."""
    set_user(redis, without, name)
    redis.client.execute_command("ACL", "SETUSER", name, *rules, "+eval")
    user = redis_client.Redis(
        unix_socket_path=str(redis.socket_path),
        username=name,
        password="secret",
        decode_responses=True,
    )
    with user:
        return user.eval(script("fit"), 0, "WAIT 0 0", "SELECT 0")[0].split()


@pytest.mark.parametrize(
    "without,rules,lacks",
    [
        (["~evhook:*"], ["%R~evhook:*"], ["~evhook:*"]),
        (["~evhook:*"], ["~evhook:meta"], ["~evhook:*"]),
        (["~evhook:*"], ["~evhook:{*"], ["~evhook:*"]),
        (["&evhook:changes"], ["&evhook:change"], ["&evhook:changes"]),
        (["+publish", "+subscribe"], [], ["+publish", "+subscribe"]),
        (["~evhook:*", "&evhook:changes"], [], ["~evhook:*", "&evhook:changes"]),
        (
            [r for r in RIGHTS if r[0] == "+"],
            [],
            [r for r in RIGHTS if r[0] == "+" and r not in (OPTIONAL, "+evalsha")],
        ),
    ],
    ids=["read-only", "one-key", "all-but-one-key", "channel", "both", "patterns", "no-command"],
)
def test_what_is_named_is_what_is_missing(new_redis, without, rules, lacks):
    assert sorted(named(new_redis(), "lacking", without, *rules)) == sorted(lacks)


def test_all_of_the_main_path_with_exactly_these_rights(new_redis, new_evhookd, receiver, tmp_path):
    redis = new_redis()
    set_user(redis)
    key = tmp_path / "key"
    key.write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
    evhookd = new_evhookd(redis=uri(redis), secrets_key=str(key))
    tenant = Tenant(evhookd.client())
    sink, alerts = receiver(), receiver()
    broken = receiver(default=Answer(500))
    good = tenant.create(sink.url(), eventTypes=["a"])
    assert tenant.update(good, name="renamed")["name"] == "renamed"
    bad = tenant.create(
        broken.url(),
        eventTypes=["b"],
        failureHandling=policy(
            retries=1, interval=1, divert=True, suspend=True, alertEndpoint={"url": alerts.url()}
        ),
    )
    first = tenant.publish("a")
    headers = {"Idempotency-Key": "k"}
    body = {"type": "a", "data": {}, "requestId": UNKNOWN}
    for _ in range(2):
        expect(tenant.try_publish(body, headers), 201)
    sink.wait_for(2)
    tenant.publish("b")
    until_outcomes(tenant, bad, "retrying", "diverted")
    diverted = until_diverted(tenant, bad, 1)
    alerts.wait_for(1)
    until(lambda: tenant.fetch(bad)["suspended"], "it is suspended")
    tenant.unsuspend(bad)
    tenant.update(bad, endpoint={"url": sink.url()})
    tenant.resend(bad, diverted[0]["eventLocator"])
    sink.wait_for(3)
    until_empty(redis.client, tenant, bad)
    assert len(tenant.all_events()) == 3
    assert expect(tenant.event(first["locator"]), 200).json() == first
    tenant.delete(good)
    tenant.delete(bad)
    assert redis.client.execute_command("ACL", "LOG") == [], "nothing was refused"
    assert evhookd.log_lines("level=warn", "refuses") == []


@pytest.mark.parametrize("right", ["&evhook:changes", "~evhook:*", "+script|load"])
def test_without_a_right_it_is_not_ready_and_names_it_once(new_redis, new_evhookd, right):
    redis = new_redis()
    set_user(redis, [right])
    evhookd = new_evhookd(redis=uri(redis), ready=False, log_level="info")
    word = right.lstrip("+&~") if right in ("+evalsha", "+script|load") else right
    until(lambda: evhookd.log_lines("connection=redis ", word), "it is named")
    response = evhookd.client().get("/readyz")
    expect(response, 503)
    assert word in response.json()["reasons"][0]
    tries = redis.client.info("stats")["total_connections_received"]
    until(
        lambda: redis.client.info("stats")["total_connections_received"] >= tries + 2,
        "it tries again",
    )
    for connection in ("connection=redis ", "connection=redis-hints "):
        assert len(evhookd.log_lines(connection)) <= 1, evhookd.tail()
    assert redis.client.dbsize() == 0
    set_user(redis)
    evhookd.wait_ready()


@pytest.mark.parametrize("right", ["&evhook:changes", "+zadd", "+rpush", "~evhook:*"])
def test_a_right_taken_away_leaves_nothing_half_done(new_redis, new_evhookd, receiver, right):
    redis = new_redis()
    set_user(redis)
    evhookd = new_evhookd(redis=uri(redis), log_level="info")
    tenant = Tenant(evhookd.client())
    webhook = tenant.create(receiver().url(), eventTypes=["a"])

    def stored():
        """All but counters that idle instances touch."""
        keys = sorted(redis.client.scan_iter("*"))
        return {key: redis.client.dump(key) for key in keys}

    before = stored()
    # not by ACL SETUSER with reset, which ends the subscribed connections
    redis.client.execute_command("ACL", "SETUSER", "evhookd", *taken(right))
    if right != "&evhook:changes":
        problem(tenant.try_publish({"type": "a", "data": {}}), 503)
    else:
        problem(tenant.try_create(tenant.body()), 503)
    assert stored() == before
    until(lambda: evhookd.status_of("/readyz") == 503, "it is not ready")
    until(lambda: evhookd.log_lines("lacks rights", right), "it names what is missing")
    set_user(redis)
    evhookd.wait_ready()
    assert tenant.fetch(webhook) == webhook


@pytest.mark.parametrize("right", ["hset", "hincrby", "xtrim", "zincrby"])
def test_a_right_taken_away_leaves_no_trimming_half_done(new_redis, new_evhookd, receiver, right):
    redis = new_redis()
    tenant = Tenant(new_evhookd(redis=redis).client())
    webhook = tenant.create(receiver(default=Answer(500)).url(), failureHandling=policy(divert=True))
    tenant.publish()
    until_diverted(tenant, webhook, 1)
    set_user(redis)
    redis.client.execute_command("ACL", "SETUSER", "evhookd", "-" + right)
    user = redis_client.Redis(
        port=redis.port, username="evhookd", password="secret", decode_responses=True
    )
    keys = Keys(tenant)
    with pytest.raises(redis_client.ResponseError):
        trim_step(user, tenant)
    assert redis.client.exists(keys.needs(webhook["locator"]), keys.kept, keys.kept_numbers) == 0
    assert redis.client.xlen(keys.stream) == 1


def taken(right):
    return {"~": ["resetkeys"], "&": ["resetchannels"], "+": ["-" + right[1:]]}[right[0]]


def test_a_refused_subscription_is_tried_again_with_back_off(new_redis, new_evhookd):
    """Until the next look at all rights it is only the hints that are refused."""
    redis = new_redis()
    set_user(redis)
    evhookd = new_evhookd(redis=uri(redis), log_level="info")
    until(lambda: redis.client.client_list(_type="pubsub"), "it is subscribed")
    redis.client.execute_command("ACL", "SETUSER", "evhookd", "-subscribe")
    connects = redis.client.info("stats")["total_connections_received"]
    redis.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    until(lambda: evhookd.log_lines("lacks rights", "+subscribe"), "the look finds it")
    assert redis.client.info("stats")["total_connections_received"] - connects <= 10
    # lost, and refused
    assert len(evhookd.log_lines("connection=redis-hints", "level=warn")) <= 2, evhookd.tail()


@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_a_password_from_a_file_and_a_new_one(new_redis, new_evhookd, tmp_path, over):
    redis = new_redis()
    set_user(redis)
    file = tmp_path / "password"
    file.write_text("secret\n")
    file.chmod(0o600)
    place = f"127.0.0.1:{redis.port}/3" if over == "tcp" else f"{redis.socket_path}?db=3"
    scheme = "redis" if over == "tcp" else "unix"
    evhookd = new_evhookd(redis=f"{scheme}://evhookd@{place}", redis_password_file=str(file))
    assert "db3" in redis.client.info("keyspace"), "it is in that database"
    redis.client.execute_command("ACL", "SETUSER", "evhookd", "<secret", ">another")
    file.write_text("another")
    evhookd.process.send_signal(signal.SIGHUP)
    until(lambda: evhookd.log_lines("msg=reloaded"), "it reloaded")
    redis.client.execute_command("CLIENT", "KILL", "USER", "evhookd")
    until(lambda: len(evhookd.log_lines("redis is up", "connection=redis ")) == 2, "it is back")
    evhookd.wait_ready()
    assert evhookd.log_lines("WRONGPASS") == []
    assert not [word for word in ("secret", "another") if word in evhookd.stderr()]


def test_a_user_without_a_password(new_redis, new_evhookd):
    redis = new_redis()
    set_user(redis)
    redis.client.execute_command("ACL", "SETUSER", "evhookd", "nopass")
    redis.client.execute_command("ACL", "SETUSER", "default", "off")
    new_evhookd(redis=f"redis://evhookd@127.0.0.1:{redis.port}/0")
