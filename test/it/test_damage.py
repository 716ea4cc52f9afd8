"""Keys of the wrong type, and values that say nothing: they harm their own webhook or tenant, are
named in the log, and fsck reports and mends them."""

import pytest
import redis as redis_client

from api import UNKNOWN, Keys, Tenant, expect
from ctl import FAILED, OK, Ctl
from failing import policy, until_diverted
from harness import TOP, until
from receivers import Answer


@pytest.fixture
def place(alone, receiver):
    """A server with one shard, and two tenants in it: one whose keys are damaged, one beside."""
    server = alone(shards=1)

    class Place:
        redis = server.redis.client
        hit = Tenant(server.client(timeout=20))
        beside = Tenant(server.client(timeout=20))
        keys = Keys(hit, 1)
        sinks = [receiver(), receiver(), receiver()]
        webhook = hit.create(
            sinks[0].url(), eventTypes=["a.*"], failureHandling=policy(divert=True)
        )
        sibling = hit.create(sinks[1].url(), eventTypes=["*"])
        other = beside.create(sinks[2].url())
        ctl = Ctl(f"http://{server.host}:{server.port}", hit, EVHOOKCTL_REDIS=server.redis.uri)

        def damage(self, kind, name=""):
            """A key of that kind is a string from now on."""
            key = f"{self.keys.prefix}{kind}{':' + name if name else ''}"
            self.redis.set(key, "x")
            return key

        def damaged(self):
            return sorted(self.redis.scan_iter("*:damaged:*", count=1000))

        def all_goes_on(self):
            """Also what nobody has leased: it is claimed."""
            for tenant, webhook, sink in (
                (self.beside, self.other, self.sinks[2]),
                (self.hit, self.sibling, self.sinks[1]),
                (self.hit, self.webhook, self.sinks[0]),
            ):
                event = tenant.publish("a.b")["locator"]
                sink.wait_for_events([event])

    place = Place()
    place.server = server
    return place


KEYS = {
    "q": "webhook",
    "rt": "webhook",
    "rq": "webhook",
    "st": "webhook",
    "at": "webhook",
    "ev": "tenant",
    "sub": "pattern",
    "due": "",
    "tenants": "",
    "bytes": "",
    "req": "request",
}


def name_of(place, kind):
    return {
        "webhook": place.webhook["locator"],
        "tenant": place.hit.locator,
        "pattern": place.hit.locator + ":a.*",
        "request": f"{place.hit.locator}:{UNKNOWN}",
        "": "",
    }[KEYS[kind]]


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_the_wrong_type_is_set_aside_and_all_goes_on(place, kind):
    key = place.damage(kind, name_of(place, kind))
    if kind == "rq":  # it is only looked at beside copies
        place.redis.hset(place.keys.retries(place.webhook["locator"]), UNKNOWN, "0 {}")
        place.redis.zadd(place.keys.queue(place.webhook["locator"]), {"nonsense": 2})
    if kind != "due":
        place.redis.zadd(place.keys.due, {place.webhook["locator"]: 0})
    expect(
        place.hit.try_publish({"type": "a.b", "data": {}, "requestId": UNKNOWN}),
        201,
    )
    place.all_goes_on()
    if kind != "tenants":  # that one is looked at once an hour
        until(place.damaged, f"{key} is set aside")
        assert place.damaged() == [place.keys.prefix + "damaged:" + key[len(place.keys.prefix) :]]
        assert place.redis.get(place.damaged()[0]) == "x"
        until(lambda: place.server.log_lines("damage in redis", key), "the log names it")


@pytest.mark.parametrize("kind", ["dv", "dvx", "st", "at", "rt"])
def test_failures_are_handled_where_a_key_is_of_the_wrong_type(place, kind):
    place.damage(kind, place.webhook["locator"])
    place.sinks[0].default = Answer(500)
    event = place.hit.publish("a.b")["locator"]
    until_diverted(place.hit, place.webhook, 1)
    assert place.hit.diverted(place.webhook)[0]["eventLocator"] == event
    assert place.hit.attempts(place.webhook)[0]["outcome"] == "diverted"
    assert place.damaged() == [place.keys.prefix + f"damaged:{kind}:" + place.webhook["locator"]]


def test_resending_all_goes_on_where_a_record_says_nothing(place):
    place.sinks[0].default = Answer(500)
    events = [place.hit.publish("a.b")["locator"] for _ in range(3)]
    until_diverted(place.hit, place.webhook, 3)
    place.sinks[0].default = Answer(200)
    diverted = place.keys.diverted(place.webhook["locator"])
    place.redis.hset(diverted, mapping={events[0]: "rubbish", UNKNOWN: "rubbish"})
    place.redis.zadd(place.keys.diverted_order(place.webhook["locator"]), {UNKNOWN: 0})
    place.hit.diverted(place.webhook)
    while not expect(place.hit.try_resend_all(place.webhook), 200).json()["completed"]:
        pass
    place.sinks[0].wait_for_events(events)
    until(lambda: [place.sinks[0].ids().count(e) for e in events] == [2] * 3, "all come again")
    until(
        lambda: not place.redis.exists(place.keys.queue(place.webhook["locator"])),
        "what is nowhere has ended",
    )


def test_a_damaged_queue_stops_no_claim_of_the_shard(place):
    """A queue that is due for ever, in front of all others."""
    place.damage("q", place.webhook["locator"])
    place.redis.zadd(place.keys.due, {place.webhook["locator"]: 0, "nonsense": 0, "": 0})
    queue = place.keys.queue(place.other["locator"])
    member = place.beside.publish("a.b")["locator"]
    place.sinks[2].wait_for_events([member])
    until(lambda: not place.redis.exists(queue), "it is delivered")
    place.redis.zadd(queue, {member: 2})  # owed again, by nobody's lease
    place.redis.zadd(place.keys.due, {place.other["locator"]: 2})
    until(lambda: place.sinks[2].ids().count(member) == 2, "it is claimed")


def test_a_webhook_that_is_no_hash_stops_no_claim_of_the_shard(place):
    place.damage("wh", place.webhook["locator"])
    place.redis.zadd(place.keys.queue(place.webhook["locator"]), {UNKNOWN: 2})
    place.redis.zadd(place.keys.due, {place.webhook["locator"]: 0})
    until(
        lambda: place.redis.zscore(place.keys.due, place.webhook["locator"]) > 2,
        "it is left alone for a while",
    )
    assert place.redis.zcard(place.keys.queue(place.webhook["locator"])) == 1, "nothing is lost"
    until(
        lambda: place.server.log_lines("damage in redis", "q:" + place.webhook["locator"]),
        "the log names it",
    )
    event = place.beside.publish("a.b")["locator"]
    place.sinks[2].wait_for_events([event])


VALUES = {
    "a copy": lambda p, event: p.redis.hset(
        p.keys.retries(p.webhook["locator"]), event, "rubbish"
    ),
    "a number": lambda p, event: p.redis.hset(
        p.keys.state(p.webhook["locator"]),
        mapping={"delivered": "many", "alertedAt": "noon", "suppressed": "x"},
    ),
    "a subscription": lambda p, event: p.redis.hset(
        p.keys.subscription("a.*"), p.webhook["locator"], "rubbish"
    ),
    "a member of a queue": lambda p, event: p.redis.zadd(
        p.keys.queue(p.webhook["locator"]), {"rubbish": 2}
    ),
}


@pytest.mark.parametrize("what", VALUES)
def test_a_value_that_says_nothing(place, what):
    event = place.hit.publish("a.b")["locator"]
    place.sinks[0].wait_for_events([event])
    queue = place.keys.queue(place.webhook["locator"])
    until(lambda: not place.redis.exists(queue), "it is delivered")
    VALUES[what](place, event)
    place.redis.zadd(queue, {event: 2})
    place.redis.zadd(place.keys.due, {place.webhook["locator"]: 2})
    until(lambda: place.sinks[0].ids().count(event) == 2, "it is claimed all the same")
    place.all_goes_on()


def test_subscriptions_and_the_list_of_webhooks_damaged_at_once(place):
    """What would be made anew of a list that is damaged as well waits for fsck."""
    place.damage("sub", place.hit.locator + ":*")
    place.damage("whs", place.hit.locator)
    event = place.hit.publish("a.b")["locator"]
    place.sinks[0].wait_for_events([event])
    for _ in range(3):
        place.ctl.lines("fsck", "--repair", code=FAILED)
    event = place.hit.publish("a.b")["locator"]
    place.sinks[1].wait_for_events([event])


def test_the_note_of_the_time_is_made_anew(place):
    place.redis.set("evhook:clock", "x")
    until(lambda: place.redis.type("evhook:clock") == "hash", "it is made anew")
    place.all_goes_on()


def test_what_was_set_aside_goes_with_its_webhook_and_its_tenant(place):
    for kind in ("q", "st", "ev"):
        place.damage(kind, name_of(place, kind))
    place.all_goes_on()
    assert len(place.damaged()) == 3
    place.hit.delete(place.webhook)
    assert [key.split(":")[3] for key in place.damaged()] == ["ev"]
    place.ctl.run("purge", place.hit.locator, "--yes")
    assert not [key for key in place.redis.scan_iter(count=1000) if place.hit.locator in key]


def test_a_refusal_is_no_damage(new_redis):
    """A Redis without memory leaves counters alone."""
    redis = new_redis().client
    redis.hset("evhook:{0}:st:x", "failed", 41)
    lib = (TOP / "store" / "scripts" / "lib.lua").read_text()
    count = lib + "count('x', 'failed')"
    redis.eval(count, 1, "evhook:{0}:")
    redis.config_set("maxmemory", 1)
    with pytest.raises(redis_client.ResponseError, match="used memory > 'maxmemory'"):
        redis.eval(count, 1, "evhook:{0}:")
    assert redis.hget("evhook:{0}:st:x", "failed") == "42"


def test_fsck_goes_through_everything_and_says_what_it_did(place):
    locator = place.webhook["locator"]
    names = {"wh": place.sibling["locator"], "whs": place.hit.locator, "dv": locator, "dvx": locator}
    names |= {"kp": place.hit.locator, "kn": place.hit.locator}
    names["kr"] = f"{place.hit.locator}:{locator}"
    event = place.hit.publish("a.b")["locator"]
    place.sinks[0].wait_for_events([event])
    place.server.kill()
    place.redis.zadd(place.keys.queue(locator), {event: 2})
    damaged = {place.damage(kind, name_of(place, kind)) for kind in KEYS}
    damaged |= {place.damage(kind, name) for kind, name in names.items()}
    place.redis.hset(place.keys.state(place.other["locator"]), "delivered", "many")
    found = place.ctl.lines("fsck", code=FAILED)
    wrong = [line for line in found if " is a string, not a " in line]
    assert {line.split(": ")[0] for line in wrong} == damaged
    assert not [line for line in found if line.endswith(")")], "nothing is repaired"
    assert not place.damaged(), "nothing is changed"
    mended = place.ctl.lines("fsck", "--repair", code=FAILED)
    ways = {"wh": "(set aside)", "whs": "(repaired)"}
    for key in damaged:
        lines = [m for m in mended if m.startswith(key + ": ")]
        (line,) = [m for m in lines if "wrong type" in m or " is a string" in m]
        assert ways.get(key.split(":")[2], "is set aside as") in line, line
    for _ in range(4):
        place.ctl.lines("fsck", "--repair", code=FAILED)
    left = place.ctl.lines("fsck", code=FAILED)
    assert all("set aside; look at it" in line for line in left), left
    assert place.redis.zrange(place.keys.webhooks, 0, -1) == [locator]
    assert place.redis.hkeys(place.keys.subscription("a.*")) == [locator]
    for key in place.damaged():
        assert place.redis.delete(key)
    place.ctl.lines("fsck", code=OK)
    place.server.start()
    event = place.hit.on(place.server.client()).publish("a.b")["locator"]
    place.sinks[0].wait_for_events([event])


def test_a_damaged_list_of_webhooks_leaves_no_change_half_done(place):
    """The answer is 503, and nothing was written."""
    place.damage("whs", place.hit.locator)
    before = {
        key: place.redis.hgetall(key)
        for kind in ("wh", "sub")
        for key in place.redis.scan_iter(f"{place.keys.prefix}{kind}:*", count=1000)
    }
    path = place.hit.webhook_path(place.webhook)
    expect(place.hit.client.patch(path, {"name": "changed", "enabled": False}), 503)
    expect(place.hit.client.delete(path), 503)
    assert {key: place.redis.hgetall(key) for key in before} == before
    place.all_goes_on()


def test_a_webhook_that_is_no_hash_stops_no_publishing_where_it_has_an_alert(alone, receiver):
    server = alone(max_pending=1)
    tenant = Tenant(server.client())
    redis, keys = server.redis.client, Keys(tenant)
    sink = receiver()
    handling = policy(alertEndpoint={"url": sink.url()})
    webhook = tenant.create(sink.url(), failureHandling=handling, eventTypes=["a"])
    other = tenant.create(sink.url(), eventTypes=["a"])
    redis.zadd(keys.queue(webhook["locator"]), {UNKNOWN: 9e12})  # it is full
    redis.set(keys.webhook(webhook["locator"]), "x")
    event = tenant.publish("a")["locator"]
    sink.wait_for_events([event])
    until(lambda: redis.zcard(keys.queue(other["locator"])) == 0, "it was sent to the other")


def test_queues_are_woken_also_if_nobody_heard_that_their_index_was_set_aside(place):
    """evhookctl came upon it while no evhookd was running."""
    place.sinks[0].default = Answer(500)
    place.hit.update(place.webhook, failureHandling=policy(retries=2, interval=1))
    event = place.hit.publish("a.b")["locator"]
    place.sinks[0].wait_for_events([event])
    until(lambda: place.redis.exists(place.keys.retries(place.webhook["locator"])), "it waits")
    place.server.kill()
    seen = len(place.sinks[0].ids())
    place.damage("due")
    place.ctl.run("purge", place.beside.locator, "--yes")
    assert place.redis.type(place.keys.due) in ("zset", "none")
    place.server.start()
    place.redis.zadd(place.keys.due, {"*": 0}, xx=True)  # a minute passes
    until(lambda: len(place.sinks[0].ids()) > seen, "the retry is made")
    until(lambda: place.redis.zscore(place.keys.due, "*") is None, "all of them are in it")
