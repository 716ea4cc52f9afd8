"""Answers of Redis that come late, come as errors, or in an order that nobody hoped for."""

import signal
import threading
import time

from api import UNKNOWN, Keys, Tenant, expect, problem
from failing import policy, until_attempts
from harness import until, until_empty
from receivers import Answer


def test_leases_that_arrive_during_a_drain_are_handed_back(new_redis, new_evhookd, receiver):
    redis = new_redis()
    server = new_evhookd(redis=redis, drain_timeout="30s", redis_timeout="20s")
    sink = receiver(default=Answer(500))
    tenant = Tenant(server.client())
    webhook = tenant.create(sink.url(), failureHandling=policy(retries=5, interval=1))
    event = tenant.publish()
    until_attempts(tenant, webhook, 1)
    queue = Keys(tenant).queue(webhook["locator"])
    due = redis.client.zscore(queue, event["locator"]) / 1000
    redis.pause()
    time.sleep(max(0, due - time.time()) + 0.3)  # now the retry is claimed, but not answered
    server.terminate()
    until(lambda: server.log_lines("draining"), "the drain begins")
    time.sleep(0.2)
    redis.resume()
    assert server.wait_exit() == 0
    until(lambda: redis.client.client_list()[1:] == [], "Redis has done what was asked of it")
    score = redis.client.zscore(queue, event["locator"])
    assert score % 2 == 0, "it waits, and for no lease to run out"


def test_an_instance_that_only_claims_repeats_what_redis_refused(
    new_redis, new_evhookd, receiver, event
):
    redis = new_redis()
    release = event()
    sink = receiver(Answer(500), Answer(after=release))
    publisher = new_evhookd(redis=redis)
    tenant = Tenant(publisher.client())
    webhook = tenant.create(sink.url(), failureHandling=policy(retries=3, interval=1))
    tenant.publish()
    until_attempts(tenant, webhook, 1)
    publisher.kill()
    new_evhookd(redis=redis, lease="10m")
    sink.wait_for(2)
    redis.config_set("min-replicas-to-write", 1)  # NOREPLICAS for each script that writes
    errors = redis.client.info("stats")["total_error_replies"]
    release.set()
    until(
        lambda: redis.client.info("stats")["total_error_replies"] > errors,
        "the acknowledgement is refused",
    )
    redis.config_set("min-replicas-to-write", 0)
    until_empty(redis.client, tenant, webhook)


def test_replicas_are_waited_for_also_when_redis_has_forgotten_the_scripts(
    new_redis, new_evhookd
):
    redis = new_redis()
    replica = new_redis(replicaof=f"127.0.0.1 {redis.port}")
    server = new_evhookd(redis=redis, redis_wait=1)
    tenant = Tenant(server.client())
    until(
        lambda: replica.client.info("replication")["master_link_status"] == "up",
        "the replica follows",
    )
    tenant.publish()
    redis.client.script_flush()
    for n in range(3):
        assert tenant.publish(data={"n": n})["data"] == {"n": n}
    replica.kill()
    redis.client.script_flush()
    problem(tenant.try_publish(b'{"type":"a","data":{}}'), 503)
    assert len(tenant.all_events()) == 5
    for _ in range(2):  # the second time it is a replay, of what no replica has
        problem(tenant.try_publish(b'{"type":"a","data":{}}', {"Idempotency-Key": "k"}), 503)
    assert len(tenant.all_events()) == 6


def test_a_notice_that_has_nowhere_to_go_any_more(new_redis, new_evhookd, receiver):
    redis = new_redis()
    server = new_evhookd(redis=redis)
    tenant = Tenant(server.client())
    sink, alerts = receiver(default=Answer(500)), receiver(default=Answer(500))
    webhook = tenant.create(
        sink.url(), failureHandling=policy(alertEndpoint={"url": alerts.url()})
    )
    tenant.publish()
    alerts.wait_for(1)
    keys = Keys(tenant)
    name = webhook["locator"] + ":alert"
    queue, copies = keys.queue(name), keys.retries(name)
    until(lambda: redis.client.zscore(queue, alerts.ids()[0]) % 2 == 0, "the notice waits")
    copy = redis.client.hgetall(copies)
    tenant.update(webhook, failureHandling={"removeAlertEndpoint": True})
    for _ in range(2):  # two notices were waiting for their retries
        redis.client.hset(copies, mapping=copy)
        redis.client.zadd(queue, {locator: 0 for locator in copy})
        redis.client.zadd(keys.due, {name: 0})
        until(lambda: not redis.client.exists(queue), "the notice is given up")
    assert len(alerts.all()) == 1


def test_the_answer_for_a_request_is_bounded(tenant):
    data = b"x" * 900_000
    body = b'{"type":"a","data":{"d":"' + data + b'"},"requestId":"' + UNKNOWN.encode() + b'"}'
    for _ in range(20):
        expect(tenant.try_publish(body), 201)
    answer = expect(tenant.client.get(f"{tenant.events_path}/request/{UNKNOWN}"), 200)
    assert 1_000_000 < len(answer.body) < 3_000_000
    assert len(answer.json()) == 2


def test_gathered_requests_of_many_deliveries_are_not_one_command(new_redis, new_evhookd):
    """1000 webhooks get each event: ten events in a command are enough."""
    redis = new_redis()
    server = new_evhookd(redis=redis, log_level="warn")
    tenant = Tenant(server.client())
    for _ in range(1000):
        tenant.create()
    tenant.publish("first")
    tenants = [tenant.on(server.client()) for _ in range(25)]
    for t in tenants:
        t.list(count=1)  # connected
    with redis.monitor() as monitor:
        server.process.send_signal(signal.SIGSTOP)
        threads = [threading.Thread(target=t.publish, args=("burst",)) for t in tenants]
        for thread in threads:
            thread.start()
        time.sleep(0.5)  # for all of them to be in the sockets
        server.process.send_signal(signal.SIGCONT)
        for thread in threads:
            thread.join()
        sizes = []
        while sum(sizes) < len(tenants):
            words = monitor.next_command()["command"].split()
            if words[0].upper() == "EVALSHA" and words[4:5] == [tenant.locator]:
                sizes.append(words.count("burst"))
    assert max(sizes) <= 10
