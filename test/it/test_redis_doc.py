"""doc/redis.md: its recipes are run as they stand there, and its table has every key there is."""

import re
import subprocess

import pytest
import redis

from api import ULID, UNKNOWN, Keys, Tenant
from client import DEADLINE
from failing import policy
from harness import REDIS, TOP, child_environment, until, until_empty
from receivers import Answer
from trimming import trim

DOC = (TOP / "doc" / "redis.md").read_text()
RECIPES = re.findall(r"^```sh\n(.*?)^```$", DOC, re.M | re.S)
CLI = REDIS.replace("-server", "-cli")
PLACES = {
    "{N}": r"\{\d+\}",
    "<tenant>": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<webhook>": ULID.pattern[:-2],
    "<requestId>": ULID.pattern[:-2],
    "<pattern>": r"[\w.*-]+",
    "<hash>": r"[0-9a-f]{64}",
}


def pattern_of(key):
    """What keys the first cell of the table's row stands for."""
    parts = re.split("(" + "|".join(map(re.escape, PLACES)) + ")", key)
    return re.compile("".join(PLACES.get(part, re.escape(part)) for part in parts) + r"\Z")


class Busy:
    """A server of which every kind of key exists: one webhook gets everything, one answers 500, has
    its events diverted and notices that fail, one has a retry in a day, and one does not answer, so
    that its queue keeps two events, one of them trimmed."""

    def __init__(self, evhookd, receiver, hold):
        self.evhookd = evhookd
        self.socket = evhookd.dir / "evhook-data" / "redis.sock"
        self.redis = redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)
        self.tenant = tenant = Tenant(evhookd.client())
        self.keys = Keys(tenant)
        self.held = tenant.create(
            receiver(default=Answer(after=hold)).url(), eventTypes=["policy.*"]
        )
        self.trimmed = tenant.publish("policy.issued")["locator"]
        trim(self.redis, tenant)
        self.redis.sadd(self.keys.gone, UNKNOWN)  # there for a moment, where much was kept
        self.good = tenant.create(receiver(default=Answer(body=b"thanks")).url(), eventTypes=["*"])
        broken = receiver(default=Answer(500))
        self.bad = tenant.create(
            broken.url(),
            eventTypes=["*"],
            failureHandling={"divert": True, "alertEndpoint": {"url": broken.url("/alert")}},
        )
        retried = tenant.create(
            receiver(default=Answer(500)).url(),
            eventTypes=["policy.*"],
            failureHandling=policy(retries=1, interval=86400),
        )
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        self.event = tenant.publish(
            "policy.issued",
            {"n": 1},
            requestId=UNKNOWN,
            userLocator=tenant.locator,
            timestamp="2026-11-23T07:21:00Z",
            headers={"Idempotency-Key": "order-17", "traceparent": trace, "tracestate": "a=1"},
        )["locator"]
        tenant.publish_many(2)
        for webhook in (self.good, self.bad):
            until_empty(self.redis, tenant, webhook)
        assert broken.wait_for(4)
        retries = self.keys.retries_due(retried["locator"])
        until(lambda: self.redis.zcard(retries) == 1, "a retry is scheduled")


@pytest.fixture
def busy(new_evhookd, receiver, event):
    hold = event()
    busy = Busy(new_evhookd(), receiver, hold)
    busy.hold = hold
    yield busy
    busy.redis.close()


def take(busy, recipes):
    """Runs recipes in one shell, with what stands in them for examples replaced by what there is;
    gives what each wrote."""
    text = "\necho '=== next'\n".join(["set -eo pipefail", *recipes])
    for there, here in {
        "evhook-data/redis.sock": str(busy.socket),
        r"(?m)^TENANT=\S+": f"TENANT={busy.tenant.locator}",
        r"(?m)^WEBHOOK=\S+": f"WEBHOOK={busy.held['locator']}",
        r"(?m)^EVENT=\S+": f"EVENT={busy.event}",
        r"(?m)^REQUEST=\S+": f"REQUEST={UNKNOWN}",
    }.items():
        text, times = re.subn(there, lambda _, here=here: here, text)
        assert times == 1, f"{there} stands in doc/redis.md once"
    done = subprocess.run(
        ["bash", "-c", text.replace("redis-cli", CLI)],
        env=child_environment(),
        timeout=4 * DEADLINE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return [out.strip() for out in done.stdout.split("=== next\n")][1:]


def test_the_recipes_say_what_they_promise(busy):
    outs = take(busy, RECIPES)
    said = dict(zip(RECIPES, outs, strict=True))

    def of(words):
        (out,) = [said[recipe] for recipe in RECIPES if words in recipe]
        return out

    held, keys = busy.held["locator"], busy.keys
    assert of("--scan").splitlines() == [keys.webhook(held), busy.tenant.locator]
    webhooks = of("cli HMGET").splitlines()
    assert {held, busy.good["locator"], busy.bad["locator"]} <= set(webhooks)
    assert f"{held} 2" in of("cli ZCARD").splitlines()
    leases = [line for line in of("waits, due in").splitlines() if "leased, ends in" in line]
    assert len(leases) == 2 and busy.event in leases[1]
    assert held in of('cli ZRANGE "${P}due"').splitlines()
    event = of("local digits").splitlines()
    assert event[1:5] == ["type", "policy.issued", "data", '{"n": 1}']
    assert event[event.index("suffix") + 1] == busy.event[14:]
    assert re.fullmatch(r"\d+[13579]", of("cli HGET \"${P}rt").splitlines()[0])
    assert busy.event in of("order-17")
    assert "noeviction" in of("CONFIG GET") and "always" in of("CONFIG GET")


def test_a_kept_event_goes_with_the_last_delivery(busy):
    assert busy.redis.hget(busy.keys.kept, busy.trimmed).startswith("type\0policy.issued\0data\0{")
    assert busy.redis.smembers(busy.keys.needs(busy.held["locator"])) == {busy.trimmed}
    busy.hold.set()
    until_empty(busy.redis, busy.tenant, busy.held)
    assert not busy.redis.exists(busy.keys.kept, busy.keys.kept_numbers)


def test_the_table_has_every_key_there_is(busy):
    rows = re.findall(r"^\| `(evhook:\S+)` \| (\w+) \|", DOC, re.M)
    assert rows
    found = {key: busy.redis.type(key) for key in busy.redis.scan_iter(count=1000)}
    for row, kind in rows:
        pattern = pattern_of(row)
        matching = [key for key in found if pattern.match(key)]
        assert matching, f"the run had a {row}"
        assert {found.pop(key) for key in matching} == {kind}, f"{row} is a {kind}"
    assert found == {}, "doc/redis.md has these keys in its table"


def fields(client, key, kind):
    """The names in a hash or in a stream's entries."""
    if kind == "hash":
        return set(client.hkeys(key))
    return {name for _, entry in client.xrange(key) for name in entry}


def test_every_field_is_explained(busy):
    explained = set(re.findall(r"`(\w+)`", DOC))
    named = {"wh": "hash", "ev": "stream", "st": "hash"}
    seen = fields(busy.redis, "evhook:meta", "hash")
    for key in busy.redis.scan_iter(count=1000):
        kind = named.get(key.split(":")[2] if key.count(":") > 2 else "")
        if kind:
            seen |= fields(busy.redis, key, kind)
    assert {"secrets", "suffix", "n", "lastFailedAt", "shards"} <= seen
    assert seen - explained == set(), "doc/redis.md says what these fields are"


def test_a_queue_that_was_forgotten_can_be_woken(busy, receiver):
    sink = receiver()
    tenant, client = busy.tenant, busy.redis
    webhook = tenant.create(sink.url(), eventTypes=["claim.opened"])
    locator = webhook["locator"]
    event = tenant.publish("claim.opened")["locator"]
    sink.wait_for(1)
    until_empty(client, tenant, webhook)
    client.zrem(busy.keys.due, locator)
    client.zadd(busy.keys.queue(locator), {event: 1})  # owed again, and nobody knows
    (wake,) = [recipe for recipe in RECIPES if "LT 0" in recipe]
    wake = wake.replace("$WEBHOOK", locator).replace("${P}", busy.keys.prefix)
    cli = RECIPES[0].replace("evhook-data/redis.sock", str(busy.socket))
    wake = (cli + wake).replace("redis-cli", CLI)
    subprocess.run(["bash", "-c", wake], check=True, stdout=subprocess.DEVNULL)
    until(lambda: len(sink.all()) == 2, "it is delivered")
