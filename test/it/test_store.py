"""What is kept in Redis (the names are binding for operators), and what faults do to it."""

import threading

import pytest

from api import CROCKFORD, UNKNOWN, Keys, Tenant, expect, problem
from harness import until, until_empty
from receivers import Answer

DURABLE = {"appendonly": "yes", "appendfsync": "always"}


# --- the keys


@pytest.mark.parametrize("shards", [64, 7])
def test_keys_exist_and_have_their_types(alone, receiver, event, shards):
    release = event()
    sink = receiver(default=Answer(after=release))
    server = alone(shards=shards)
    redis = server.redis.client
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url(), eventTypes=["policy.*", "a.b"])
    tenant.create(sink.url(), eventTypes=["*"])
    locator = webhook["locator"]
    tenant.publish("a.b", requestId=UNKNOWN, headers={"Idempotency-Key": "k"})
    sink.wait_for(1)
    keys = Keys(tenant, shards)
    types = {
        keys.webhooks: "zset",
        keys.webhook(locator): "hash",
        keys.subscription("*"): "hash",
        keys.subscription("policy.*"): "hash",
        keys.subscription("a.b"): "hash",
        keys.stream: "stream",
        keys.queue(locator): "zset",
        keys.due: "zset",
        keys.request(UNKNOWN): "list",
    }
    assert {key: redis.type(key) for key in types} == types
    assert redis.exists("evhook:meta")
    (idempotency,) = redis.keys(f"{keys.prefix}idem:{tenant.locator}:*")
    assert redis.type(idempotency) == "string"
    assert redis.ttl(idempotency) > 0 and redis.ttl(keys.request(UNKNOWN)) > 0
    for key in redis.keys():
        if tenant.locator in key or locator in key:
            assert key.startswith(keys.prefix), "every key of a tenant carries its hash tag"


def test_the_webhook_hash_tells_operators_what_matters(tenant, redis):
    webhook = tenant.create(enabled=False)
    stored = redis.hgetall(Keys(tenant).webhook(webhook["locator"]))
    assert stored["tenant"] == tenant.locator
    assert stored["version"] == str(webhook["version"])
    assert {"tenant", "version", "enabled", "doc"} <= set(stored)
    assert redis.zrange(Keys(tenant).webhooks, 0, -1, withscores=True) == [
        (webhook["locator"], 0.0)
    ]


def test_subscription_keys_follow_the_webhook(tenant, redis):
    keys = Keys(tenant)
    webhook = tenant.create(eventTypes=["a", "b.*"])
    locator = webhook["locator"]
    assert redis.hexists(keys.subscription("a"), locator)
    assert redis.hexists(keys.subscription("b.*"), locator)
    tenant.update(webhook, addEventTypes=["c"], removeEventTypes=["a"])
    assert not redis.exists(keys.subscription("a"))
    assert redis.hexists(keys.subscription("c"), locator)
    tenant.delete(webhook)
    left = [k for k in redis.scan_iter(f"*{tenant.locator}*", count=1000)]
    assert left == [] and not redis.exists(keys.webhook(locator))


def test_a_subscription_that_another_covers_has_no_place(tenant, redis, receiver):
    sink = receiver()
    keys = Keys(tenant)
    webhook = tenant.create(sink.url(), eventTypes=["a.b", "a.*", "a.b.*", "ab", "ab.c.d"])

    def places():
        prefix = keys.subscription("")
        return {key[len(prefix) :] for key in redis.scan_iter(prefix + "*", count=1000)}

    assert places() == {"a.*", "ab", "ab.c.d"}
    tenant.update(webhook, removeEventTypes=["a.*"], addEventTypes=["ab.*"])
    assert places() == {"a.b", "a.b.*", "ab", "ab.*"}
    sent = [tenant.publish(t)["locator"] for t in ("a.b", "a.b.c", "a.c", "ab", "ab.c.d")]
    sink.wait_for_events([sent[0], sent[1], sent[3], sent[4]])
    assert sorted(sink.ids()) == sorted([sent[0], sent[1], sent[3], sent[4]])
    tenant.update(webhook, addEventTypes=["*"])
    assert places() == {"*"}


def stream_id(locator):
    """The Redis stream id in an event's locator: 48 bits of time, 20 of sequence, 60 of others."""
    number = 0
    for c in locator:
        number = number * 32 + CROCKFORD.index(c)
    return f"{number >> 80}-{number >> 60 & 0xFFFFF}"


def test_an_events_locator_is_its_stream_id(tenant, redis):
    locators = tenant.publish_many(3) + tenant.publish_many(3)
    entries = redis.xrange(Keys(tenant).stream)
    assert [entry for entry, _ in entries] == [stream_id(locator) for locator in locators]


def test_the_queue_holds_an_event_until_it_is_delivered(tenant, redis, receiver, event):
    release = event()
    sink = receiver(default=Answer(after=release))
    webhook = tenant.create(sink.url())
    locator = tenant.publish()["locator"]
    sink.wait_for(1)
    queue = Keys(tenant).queue(webhook["locator"])
    assert redis.zrange(queue, 0, -1) == [locator]
    score = redis.zscore(queue, locator)
    assert score % 2 == 1, "a lease is its end in ms, an odd number"
    seconds, microseconds = redis.time()
    assert 0 < score / 1000 - (seconds + microseconds / 1e6) <= 31
    (item,) = tenant.list(extended="true")["items"]
    assert item["stats"]["pending"] == 1
    release.set()
    until_empty(redis, tenant, webhook)
    assert not redis.exists(queue)


def test_nothing_is_queued_for_an_event_that_nobody_subscribed_to(tenant, redis):
    webhook = tenant.create(eventTypes=["other"])
    tenant.publish("test")
    assert not redis.exists(Keys(tenant).queue(webhook["locator"]))


# --- an instance is killed


def test_the_leases_of_a_killed_instance_run_out_and_another_delivers(
    new_redis, new_evhookd, receiver, event
):
    release = event()
    sink = receiver(Answer(after=release))
    redis = new_redis()
    first = new_evhookd(redis=redis, lease="3s", delivery_timeout="2s")
    second = new_evhookd(redis=redis, lease="3s", delivery_timeout="2s")
    tenant = Tenant(first.client())
    webhook = tenant.create(sink.url())
    locator = tenant.publish()["locator"]
    sink.wait_for(1)
    first.kill()
    sink.wait_for(2)
    assert sink.ids() == [locator, locator]
    until_empty(redis.client, tenant, webhook)
    assert tenant.on(second.client()).event(locator).json()["locator"] == locator


def test_a_killed_instance_that_comes_back_delivers_what_it_owed(
    new_redis, new_evhookd, receiver, event
):
    release = event()
    sink = receiver(default=Answer(after=release))
    redis = new_redis()
    server = new_evhookd(redis=redis, lease="3s", delivery_timeout="2s", endpoint_concurrency=4)
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url())
    locators = tenant.publish_many(50)
    sink.wait_for(4)
    server.kill()
    release.set()
    server.start()
    sink.wait_for_events(locators)
    until_empty(redis.client, tenant, webhook)


# --- Redis goes away


def test_publishing_while_redis_is_away_is_503_with_retry_after(new_redis, new_evhookd):
    server = new_evhookd(redis=new_redis(**DURABLE))
    tenant = Tenant(server.client())
    server.redis.kill()
    until(lambda: server.status_of("/readyz") == 503, "/readyz is 503")
    assert server.status_of("/healthz") == 200
    for response in (
        tenant.try_publish({"type": "a", "data": {}}),
        tenant.try_create(tenant.body()),
        tenant.try_list(),
    ):
        problem(response, 503)
        assert int(response.header("retry-after")) >= 1
    server.redis.restart()
    server.wait_ready()
    tenant.publish()


def test_nothing_accepted_is_lost_when_redis_is_killed(new_redis, new_evhookd, receiver):
    redis = new_redis(**DURABLE)
    server = new_evhookd(redis=redis, lease="3s", delivery_timeout="2s")
    sink = receiver()
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url())
    accepted, refused = [], threading.Event()
    stop, working = threading.Event(), threading.Event()
    failures = []

    def publish():
        mine = tenant.on(server.client())
        try:
            while not stop.is_set():
                response = mine.try_publish({"type": "a", "data": {"n": len(accepted)}})
                if response.status == 201:
                    accepted.append(response.json()["locator"])
                    if refused.is_set():
                        working.set()
                else:
                    problem(response, 503)
                    refused.set()
        except BaseException as error:
            failures.append(error)
            refused.set()
            working.set()

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        until(lambda: len(accepted) > 50 or failures, "50 events are accepted")
        redis.kill()
        assert refused.wait(10), "publishing is refused while Redis is away"
        redis.restart()
        assert working.wait(10), "publishing works again"
    finally:
        stop.set()
        publisher.join()
    assert failures == []
    stored = tenant.all_events(pageSize=1000)
    assert set(accepted) <= set(stored) and stored == sorted(stored)
    sink.wait_for_events(stored)
    until_empty(redis.client, tenant, webhook)


def test_deliveries_in_flight_finish_while_redis_is_away(new_redis, new_evhookd, receiver, event):
    release = event()
    sink = receiver(Answer(after=release))
    server = new_evhookd(redis=new_redis(**DURABLE))
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url())
    locator = tenant.publish()["locator"]
    sink.wait_for(1)
    server.redis.kill()
    until(lambda: server.status_of("/readyz") == 503, "/readyz is 503")
    release.set()
    sink.wait(lambda _: sink.busy == 0, "the answer is out")
    server.redis.restart()
    server.wait_ready()
    until_empty(server.redis.client, tenant, webhook)
    assert sink.ids() == [locator], "its acknowledgement was kept: no lease had to run out"


def test_a_redis_that_answers_nothing_is_given_up_on(alone):
    server = alone(redis_timeout="1s")
    tenant = Tenant(server.client())
    server.redis.pause()
    try:
        response = tenant.try_publish({"type": "a", "data": {}})
        problem(response, 503)
        assert int(response.header("retry-after")) >= 1
        until(lambda: server.status_of("/readyz") == 503, "/readyz is 503")
    finally:
        server.redis.resume()
    server.wait_ready()
    tenant.publish()


def test_flushed_scripts_are_loaded_again(alone, receiver):
    sink = receiver()
    server = alone()
    redis = server.redis.client
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url())
    for n in range(3):
        redis.script_flush()
        tenant.publish()
        sink.wait_for(n + 1)
        redis.script_flush()
        webhook = tenant.update(webhook, name=str(n))
    until_empty(redis, tenant, webhook)
    redis.script_flush()
    assert len(tenant.all_events()) == 3
    redis.script_flush()
    tenant.delete(webhook)


def test_a_redis_that_may_not_write_gives_503_and_nothing_is_half_done(alone):
    server = alone()
    tenant = Tenant(server.client())
    tenant.create()
    server.redis.config_set("maxmemory", "1")  # noeviction: writes are refused
    problem(tenant.try_publish({"type": "a", "data": {}}), 503)
    problem(tenant.try_create(tenant.body()), 503)
    assert len(tenant.list()["items"]) == 1 and tenant.all_events() == []
    server.redis.config_set("maxmemory", "0")
    tenant.publish()


# --- at start


def one_line(evhookd, *words):
    """The only line of the log with all these words."""
    lines = evhookd.log_lines(*words)
    assert len(lines) == 1, f"{words}: {lines}"
    return lines[0]


def test_another_number_of_shards_is_refused_at_start_with_one_line(new_redis, new_evhookd):
    redis = new_redis()
    new_evhookd(redis=redis, shards=16).stop()
    other = new_evhookd(redis=redis, shards=32, ready=False, log_level="info")
    assert other.wait_exit() != 0
    other.expect_death = True
    line = one_line(other, "shards")
    assert "16" in line and "32" in line
    same = new_evhookd(redis=redis, shards=16)
    expect(same.client().get("/readyz"), 200)


def test_after_flushall_meta_is_written_again_and_others_still_refused(new_redis, new_evhookd):
    redis = new_redis()
    evhookd = new_evhookd(redis=redis, shards=16, log_level="info")
    before = redis.client.hgetall("evhook:meta")
    redis.client.flushall()
    until(lambda: redis.client.hgetall("evhook:meta") == before, "it is written again")
    one_line(evhookd, "evhook:meta", "FLUSHALL")
    other = new_evhookd(redis=redis, shards=32, ready=False)
    assert other.wait_exit() != 0
    other.expect_death = True
    expect(evhookd.client().get("/readyz"), 200)


def test_other_shards_that_appear_while_it_runs_make_it_not_ready(new_redis, new_evhookd):
    redis = new_redis()
    evhookd = new_evhookd(redis=redis, shards=16, log_level="info")
    redis.client.hset("evhook:meta", "shards", "32")
    until(lambda: evhookd.status_of("/readyz") == 503, "it is not ready")
    line = one_line(evhookd, "connection=redis ", "level=warn", "shards")
    assert "16" in line and "32" in line
    assert "--shards 32" in evhookd.client().get("/readyz").json()["reasons"][0]
    assert redis.client.hget("evhook:meta", "shards") == "32"
    redis.client.hset("evhook:meta", "shards", "16")
    evhookd.wait_ready()


@pytest.mark.parametrize(
    "options, word",
    [
        ({**DURABLE, "maxmemory-policy": "allkeys-lru"}, "maxmemory-policy"),
        ({"appendonly": "no"}, "appendonly"),
    ],
)
def test_what_endangers_the_data_is_warned_about_in_one_line_each(
    new_redis, new_evhookd, options, word
):
    evhookd = new_evhookd(redis=new_redis(**options))
    until(lambda: evhookd.log_lines(word), f"a warning about {word}")
    tenant = Tenant(evhookd.client())
    tenant.publish()
    one_line(evhookd, word)


def test_a_durable_redis_is_not_warned_about(new_redis, new_evhookd):
    evhookd = new_evhookd(redis=new_redis(**DURABLE))
    Tenant(evhookd.client()).publish()
    assert evhookd.log_lines("maxmemory-policy") == evhookd.log_lines("appendonly") == []


def test_a_redis_that_is_not_there_yet_is_waited_for(new_redis, new_evhookd):
    redis = new_redis(start=False)
    evhookd = new_evhookd(redis=redis, ready=False)
    until(lambda: evhookd.status_of("/healthz") == 200, "/healthz is 200")
    assert evhookd.status_of("/readyz") == 503
    redis.start()
    evhookd.wait_ready()
    Tenant(evhookd.client()).publish()


@pytest.mark.parametrize("form", ["tcp", "unix", "database", "password", "user and password"])
def test_forms_of_the_redis_uri(new_redis, new_evhookd, form):
    redis = new_redis()
    uri = {
        "tcp": f"redis://127.0.0.1:{redis.port}",
        "unix": redis.unix_uri,
        "database": f"redis://127.0.0.1:{redis.port}/3",
        "password": f"redis://:secret-word@127.0.0.1:{redis.port}/0",
        "user and password": f"redis://someone:secret-word@127.0.0.1:{redis.port}/0",
    }[form]
    if form == "password":
        redis.client.config_set("requirepass", "secret-word")
    if form == "user and password":
        redis.client.execute_command(
            "ACL", "SETUSER", "someone", "on", ">secret-word", "~*", "&*", "+@all"
        )
    evhookd = new_evhookd(redis=uri)
    Tenant(evhookd.client()).publish()
    evhookd.stop()
    assert "secret-word" not in evhookd.stderr()
    if form == "database":
        assert redis.client.dbsize() == 0 and "db3" in redis.client.info("keyspace")
