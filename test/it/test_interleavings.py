"""Answers of Redis that come late, come as errors, or in an order that nobody hoped for."""

import time

from api import Keys, Tenant
from failing import policy, until_attempts
from harness import until
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
    assert score == int(score), "it waits, and for no lease to run out"
