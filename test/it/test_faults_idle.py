"""What an idle instance costs Redis and the machine, and what a claim costs whatever the queue.

IT_LONG=1 looks for a whole minute, and claims from a million.
"""

import json
import os
import time

from api import CROCKFORD, Keys, Tenant
from client import Raw
from harness import TOP
from load import cpu_seconds, has_sanitizers

SECONDS = 60 if os.environ.get("IT_LONG") else 5
ENTRIES = 1_000_000 if os.environ.get("IT_LONG") else 200_000


def make_webhooks(tenant, evhookd, n):
    """Many at once: the requests of one connection are pipelined."""
    with Raw(evhookd.host, evhookd.port) as raw:
        for begin in range(0, n, 100):
            for i in range(begin, begin + 100):
                body = json.dumps(tenant.body(name=f"w{i}", eventTypes=[f"t{i % 50}"]))
                raw.send(
                    f"POST {tenant.webhooks_path} HTTP/1.1\r\nHost: localhost\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                )
            for _ in range(100):
                assert raw.read_response().status == 200


def test_an_idle_instance_sends_a_command_a_second_and_sleeps(alone):
    evhookd = alone(log_level="info")
    for _ in range(10):
        make_webhooks(Tenant(evhookd.client()), evhookd, 1000)
    redis = evhookd.redis.client

    def sent():
        """What clients send; what scripts call is not counted."""
        stats = redis.info("commandstats")
        return sum(
            stats.get(f"cmdstat_{name}", {}).get("calls", 0)
            for name in ("evalsha", "script|load", "ping", "subscribe", "auth", "select")
        )

    time.sleep(1)  # what the webhooks left to do
    commands, cpu = sent(), cpu_seconds(evhookd)
    time.sleep(SECONDS)  # the time to be measured
    commands, cpu = sent() - commands, cpu_seconds(evhookd) - cpu
    print(f"{commands} commands and {cpu:.2f} s of CPU in {SECONDS} s")
    assert 1 <= commands <= 2 * SECONDS, f"{commands} commands in {SECONDS} s"
    # a tick is 10 ms: short runs allow for two more
    assert has_sanitizers(evhookd) or cpu <= 0.005 * SECONDS + 0.02, f"{cpu} s of CPU"


def script(name):
    text = (TOP / "store" / "scripts" / f"{name}.lua").read_text()
    flags = text[: text.index("\n") + 1]
    return flags + (TOP / "store" / "scripts" / "lib.lua").read_text() + text[len(flags) :]


def locator_of(stream_id, suffix):
    """48 bits of ms and 20 of a number, in the letters of locators."""
    ms, _, number = stream_id.partition("-")
    value = int(ms) << 20 | int(number)
    return "".join(CROCKFORD[value >> shift & 31] for shift in range(65, -1, -5)) + suffix


def cost_of_claims(redis, keys, webhook, entries):
    """Commands inside a claim of 64, and the microseconds of the cheapest of ten."""
    queue, suffix = keys.queue(webhook["locator"]), "0" * 12
    redis.delete(queue)
    ids = [redis.xadd(keys.stream, {"type": "a", "data": "{}", "suffix": suffix}) for _ in range(100)]
    due = {locator_of(id, suffix): n + 1 for n, id in enumerate(ids)}
    for begin in range(100, entries, 50000):
        end = min(begin + 50000, entries)
        redis.zadd(queue, {f"{n:026d}": 1000 + n for n in range(begin, end)})
    claim = redis.register_script(script("claim"))
    costs = []
    for _ in range(10):
        redis.zadd(queue, due)
        redis.zadd(keys.due, {webhook["locator"]: 1})
        redis.config_resetstat()
        answer = claim(keys=[keys.prefix], args=[1000, 64, 64, 0, 100, 1000, 0])
        stats = redis.info("commandstats")
        assert len(answer[6]) == 3 + 2 * 64
        costs.append(stats["cmdstat_evalsha"]["usec"])
    wanted = {"zrange", "zadd", "hget", "hmget", "xrange", "time", "zrem", "exists"}
    return {name: stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in wanted}, min(costs)


def test_a_claim_costs_the_same_from_a_hundred_and_from_many(alone):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    webhook = tenant.create()
    evhookd.kill()  # the claims are the test's
    redis, keys = evhookd.redis.client, Keys(tenant)
    few, few_us = cost_of_claims(redis, keys, webhook, 100)
    many, many_us = cost_of_claims(redis, keys, webhook, ENTRIES)
    print(f"{few_us} us from 100, {many_us} us from {ENTRIES}: {many}")
    assert few == many, "the same commands"
    assert many_us < 3 * few_us + 200, f"{few_us} us from 100, {many_us} us from {ENTRIES}"


def test_a_claim_finds_events_among_others_of_the_stream(alone):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    webhook = tenant.create()
    evhookd.kill()  # the claim is the test's
    redis, keys = evhookd.redis.client, Keys(tenant)
    queue, copies = keys.queue(webhook["locator"]), keys.retries(webhook["locator"])
    suffixes = [f"{n:012d}" for n in range(100)]
    events = [
        locator_of(redis.xadd(keys.stream, {"type": "a", "data": n, "suffix": suffix}), suffix)
        for n, suffix in enumerate(suffixes)
    ]
    # in a row, every third, all but two, backwards; a copy; and two that are nowhere
    owed = [*range(20), *range(20, 50, 3), *(n for n in range(50, 80) if n not in (60, 61))]
    due = {events[n]: 10 + 2 * n for n in owed} | {events[n]: 300 - 2 * n for n in range(80, 100)}
    ids = redis.xrange(keys.stream)
    redis.xdel(keys.stream, ids[5][0])
    redis.hset(copies, events[7], "3 {a copy")
    other = events[9][:14] + "Z" * 12
    due[other] = due.pop(events[9])
    redis.zadd(queue, due)
    redis.zadd(keys.due, {webhook["locator"]: 1})
    claim = redis.register_script(script("claim"))
    answer = claim(keys=[keys.prefix], args=[1000, 256, 256, 0, 100, 1000, 0])
    claimed = dict(zip(answer[6][3::2], answer[6][4::2], strict=True))
    expected = {
        locator: "3 {a copy" if n == 7 else f"type\0a\0data\0{n}\0suffix\0{suffixes[n]}"
        for n, locator in enumerate(events)
        if locator in due and n not in (5, 9)
    } | {events[5]: "", other: ""}
    assert claimed == expected
    assert list(claimed) == sorted(expected, key=due.get)
    assert set(redis.zrange(queue, 0, -1)) == set(expected), "the caller ends what is nowhere"
