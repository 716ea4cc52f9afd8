"""What goes wrong with Redis: it dies, hangs, loads, forgets scripts, fills up, becomes a replica."""

import socketserver
import threading
import time

import pytest

from api import Keys, Tenant, expect, problem
from harness import until, until_empty
from load import Load, cpu_seconds
from receivers import Answer

DURABLE = {"appendonly": "yes", "appendfsync": "always"}
SHORT = {"lease": "3s", "delivery_timeout": "2s", "redis_timeout": "1s", "log_level": "info"}
# for replicas, which get no time from a busy machine now and then
PATIENT = {**SHORT, "redis_timeout": "4s"}


def check_delivered(redis, tenant, webhook, sink, accepted):
    """All that was accepted is stored, and all that is stored is delivered."""
    stored = tenant.all_events(pageSize=1000)
    assert set(accepted) <= set(stored)
    sink.wait_for_events(stored, 30)
    until_empty(redis.client, tenant, webhook)


def not_ready(evhookd):
    until(lambda: evhookd.status_of("/readyz") == 503, "/readyz is 503", 20)
    assert evhookd.status_of("/healthz") == 200


def test_redis_is_killed_again_and_again_under_load(new_redis, new_evhookd, receiver):
    redis = new_redis(**DURABLE)
    instances = [new_evhookd(redis=redis, **SHORT) for _ in range(3)]
    tenant = Tenant(instances[0].client())
    sink = receiver()
    webhook = tenant.create(sink.url())
    with Load(tenant, instances) as load:
        for _ in range(3):
            load.wait_more()
            redis.kill()
            load.wait_refused()
            not_ready(instances[0])
            redis.restart()
        load.wait_more()
        accepted = load.stop()
    for evhookd in instances:
        evhookd.wait_ready()
        for connection in ("connection=redis ", "connection=redis-hints "):
            # at the start, and after each kill, once each whatever the number of tries
            assert len(evhookd.log_lines("redis is up", connection)) <= 1 + 3
            assert len(evhookd.log_lines("redis connection lost", connection)) <= 2 * 3
    check_delivered(redis, tenant, webhook, sink, accepted)


def test_the_host_of_redis_may_be_a_name(new_redis, new_evhookd, receiver):
    redis = new_redis()
    evhookd = new_evhookd(redis=f"redis://localhost:{redis.port}", log_level="info")
    tenant = Tenant(evhookd.client())
    sink = receiver()
    tenant.create(sink.url())
    tenant.publish()
    sink.wait_for(1)
    # it listens on this one only, whatever else the name leads to here
    for connection in ("connection=redis ", "connection=redis-hints "):
        (line,) = evhookd.log_lines("redis is up", connection)
        assert f" address=localhost:{redis.port} ip=127.0.0.1" in line, line


def test_an_absent_redis_costs_no_time_and_few_lines(alone):
    evhookd = alone(log_level="info")
    evhookd.redis.kill()
    not_ready(evhookd)
    lines, cpu = len(evhookd.stderr().splitlines()), cpu_seconds(evhookd)
    time.sleep(3)  # this is the time to be measured
    assert cpu_seconds(evhookd) - cpu <= 0.15
    assert len(evhookd.stderr().splitlines()) - lines <= 4
    evhookd.redis.restart()
    evhookd.wait_ready()


@pytest.mark.parametrize(
    "fault",
    [
        ("SCRIPT", "FLUSH"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("CLIENT", "KILL", "TYPE", "pubsub"),
    ],
    ids=" ".join,
)
def test_a_fault_of_a_moment_under_load(new_redis, new_evhookd, receiver, fault):
    redis = new_redis()
    instances = [new_evhookd(redis=redis, **SHORT) for _ in range(2)]
    tenant = Tenant(instances[0].client())
    sink = receiver()
    webhook = tenant.create(sink.url())
    with Load(tenant, instances) as load:
        for _ in range(5):
            load.wait_more()
            redis.client.execute_command(*fault)
        load.wait_more()
        accepted = load.stop()
    for evhookd in instances:
        evhookd.wait_ready()
    check_delivered(redis, tenant, webhook, sink, accepted)
    if fault[0] == "SCRIPT":
        assert load.refused == load.broken == 0, "nobody notices"


@pytest.mark.parametrize("how", ["CLIENT PAUSE", "SIGSTOP"])
def test_a_redis_that_hangs_under_load(new_redis, new_evhookd, receiver, how):
    redis = new_redis()
    evhookd = new_evhookd(redis=redis, **SHORT)
    tenant = Tenant(evhookd.client())
    sink = receiver()
    webhook = tenant.create(sink.url())
    with Load(tenant, [evhookd]) as load:
        load.wait_more()
        if how == "SIGSTOP":
            redis.pause()
        else:
            redis.client.execute_command("CLIENT", "PAUSE", "3000", "ALL")
        load.wait_refused()
        not_ready(evhookd)
        if how == "SIGSTOP":
            cpu = cpu_seconds(evhookd)
            time.sleep(1.5)
            assert cpu_seconds(evhookd) - cpu < 0.75, "it does not spin"
            redis.resume()
        evhookd.wait_ready()
        load.wait_more()
        accepted = load.stop()
    assert len(evhookd.log_lines("redis connection lost", "connection=redis ")) == 1
    check_delivered(redis, tenant, webhook, sink, accepted)


def test_a_redis_that_loads_is_waited_for(new_redis, new_evhookd):
    redis = new_redis()
    evhookd = new_evhookd(redis=redis, **SHORT)
    tenant = Tenant(evhookd.client())
    locator = tenant.publish()["locator"]
    redis.client.mset({f"other:{n}": "x" * 100 for n in range(4000)})
    redis.client.save()
    redis.kill()
    not_ready(evhookd)
    redis.options.update({"key-load-delay": 800, "loading-process-events-interval-bytes": 1024})
    redis.restart()
    evhookd.wait_ready()
    loading = evhookd.log_lines("LOADING", "connection=redis ")
    assert len(loading) == 1, "it met the loading Redis, and said so once"
    assert tenant.all_events() == [locator]
    tenant.publish()


def test_a_full_redis_refuses_what_is_new_and_ends_what_is_stored(alone, receiver, event):
    release = event()
    sink = receiver(default=Answer(after=release))
    evhookd = alone(endpoint_concurrency=2, log_level="info")
    redis = evhookd.redis
    tenant = Tenant(evhookd.client())
    slow = tenant.create(sink.url(), eventTypes=["slow"])
    locators = tenant.publish_many(100, "slow")
    sink.wait_for(2)
    redis.config_set("maxmemory", "1")
    for _ in range(50):
        problem(tenant.try_publish({"type": "slow", "data": {}}), 503)
    assert evhookd.status_of("/readyz") == 200
    assert len(evhookd.log_lines("refuses", "publish")) == 1
    release.set()
    sink.wait_for_events(locators)
    until_empty(redis.client, tenant, slow)
    assert sorted(sink.ids()) == locators, "claimed, delivered and ended, each once"
    redis.config_set("maxmemory", "0")
    tenant.publish("slow")
    sink.wait_for(101)
    assert len(evhookd.log_lines("takes", "publish")) == 1
    assert len(tenant.all_events()) == 101, "what was refused left nothing behind"


def test_a_redis_that_becomes_a_replica_is_noticed_by_an_idle_instance(new_redis, new_evhookd):
    redis, other = new_redis(), new_redis()
    evhookd = new_evhookd(redis=redis, **SHORT)
    tenant = Tenant(evhookd.client())
    locator = tenant.publish()["locator"]
    redis.client.execute_command("REPLICAOF", "127.0.0.1", "1")  # nobody there: it keeps its data
    not_ready(evhookd)
    problem(tenant.try_publish({"type": "a", "data": {}}), 503)
    redis.client.execute_command("REPLICAOF", "NO", "ONE")
    evhookd.wait_ready()
    tenant.publish()
    assert len(tenant.all_events()) == 2 and tenant.all_events()[0] == locator
    assert other.client.dbsize() == 0


def test_a_promoted_replica_is_gone_on_with(new_redis, new_evhookd, receiver):
    """The address stays, as behind Sentinel or a balancer; --redis-wait made the replica have it."""
    first, second = new_redis(), new_redis()
    second.client.execute_command("REPLICAOF", "127.0.0.1", str(first.port))
    until(lambda: second.client.info("replication")["master_link_status"] == "up", "it follows")
    on_first = new_evhookd(redis=first, redis_wait=1, **PATIENT)
    tenant = Tenant(on_first.client())
    sink = receiver()
    webhook = tenant.create(sink.url())
    locators = [tenant.publish()["locator"] for _ in range(20)]
    on_second = new_evhookd(redis=second, ready=False, **SHORT)
    not_ready(on_second)
    first.kill()
    second.client.execute_command("REPLICAOF", "NO", "ONE")
    on_second.wait_ready()
    there = tenant.on(on_second.client())
    assert there.all_events() == locators
    sink.wait_for_events(locators)
    until_empty(second.client, tenant, webhook)
    expect(there.try_publish({"type": "a", "data": {}}), 201)


class OldRedis(socketserver.StreamRequestHandler):
    """Answers as Redis 6 does: it knows no scripts that begin with #!."""

    def handle(self):
        while line := self.rfile.readline():
            words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2) for _ in range(int(line[1:]))]
            if words[0] == b"SCRIPT\r\n" and words[2].startswith(b"#!"):
                self.wfile.write(b"-ERR Error compiling script (new function): unexpected symbol\r\n")
            else:
                self.wfile.write(b"+PONG\r\n")


def test_a_redis_that_is_too_old_is_named_as_such(new_evhookd, cleanup):
    server = cleanup.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldRedis))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cleanup.callback(server.shutdown)
    evhookd = new_evhookd(redis=f"redis://127.0.0.1:{server.server_address[1]}", ready=False)
    until(lambda: evhookd.log_lines("connection=redis ", "7.0 or later"), "the log says so")
    assert evhookd.status_of("/readyz") == 503


def test_missing_replicas_hold_up_nobody_but_publishers(new_redis, new_evhookd, receiver):
    """--redis-wait without a replica: WAIT blocks the connection that it is sent on."""
    redis = new_redis()
    evhookd = new_evhookd(redis=redis, redis_wait=1, **SHORT)
    tenant = Tenant(evhookd.client())
    sink = receiver()
    webhook = tenant.create(sink.url())
    with Load(tenant, [evhookd], threads=4) as load:
        for _ in range(3):
            load.wait_refused(4)
            expect(tenant.try_fetch(webhook), 200)
            assert evhookd.status_of("/readyz") == 200
        load.stop()
    assert load.accepted == [] and load.broken == 0
    refusal = problem(tenant.try_publish({"type": "a", "data": {}}), 503)
    assert "replica" in refusal["detail"]
    assert evhookd.log_lines("redis connection lost") == []
    assert len(evhookd.log_lines("level=warn", "replicas")) == 1, "one line for the change"
    # refused means that nobody knows, here: it is stored, and what is stored is delivered at once
    sink.wait_for_events(tenant.all_events(pageSize=1000), 10)
    until_empty(redis.client, tenant, webhook)
    assert len(sink.ids()) == len(set(sink.ids())), "each once"


def test_a_replica_that_comes_is_enough(new_redis, new_evhookd):
    redis, replica = new_redis(), new_redis()
    evhookd = new_evhookd(redis=redis, redis_wait=1, **PATIENT)
    tenant = Tenant(evhookd.client())
    problem(tenant.try_publish({"type": "a", "data": {}}), 503)
    replica.client.execute_command("REPLICAOF", "127.0.0.1", str(redis.port))
    event = {"type": "a", "data": {}}
    until(lambda: tenant.try_publish(event).status == 201, "it follows")
    with Load(tenant, [evhookd], threads=4, pause=0) as load:
        load.wait_more(100)
        accepted = load.stop()
    # a replica that gets no time from a busy machine is late now and then
    assert load.refused <= len(accepted) // 10
    assert set(accepted) <= set(tenant.on(tenant.client).all_events(pageSize=1000))
    waits, publishes = redis.calls("wait"), len(accepted)
    assert waits < publishes, "one WAIT serves several"


@pytest.mark.parametrize("number", [1, 2], ids=["alone", "beside another"])
def test_known_successes_are_not_sent_again_after_writes_were_refused(
    new_redis, new_evhookd, receiver, event, number
):
    """NOREPLICAS for longer than a lease: acknowledgements are refused, the leases run out, and
    when Redis takes writes again everybody could claim what was delivered long ago."""
    release = event()
    redis = new_redis()
    instances = [new_evhookd(redis=redis, **SHORT) for _ in range(number)]
    tenant = Tenant(instances[0].client())
    sink = receiver(default=Answer(after=release))
    webhook = tenant.create(sink.url())
    locators = tenant.publish_many(40)
    sink.wait_for(8)
    redis.config_set("min-replicas-to-write", "1")
    release.set()
    queue = Keys(tenant).queue(webhook["locator"])
    until(lambda: any(e.log_lines("refuses", "command=ack") for e in instances), "acks are refused")

    def run_out():
        now = int(redis.client.time()[0]) * 1000
        scores = redis.client.zrange(queue, 0, -1, withscores=True)
        return all(score < now for _, score in scores)

    until(run_out, "all leases have run out")
    assert instances[0].status_of("/readyz") == 200
    expect(tenant.try_fetch(webhook), 200)
    with redis.client.pipeline() as both:  # all look for work at the very moment
        both.config_set("min-replicas-to-write", "0")
        both.publish("evhook:changes", "due now")
        both.execute()
    sink.wait_for_events(locators)
    until_empty(redis.client, tenant, webhook)
    assert sorted(sink.ids()) == sorted(locators), "each once"
