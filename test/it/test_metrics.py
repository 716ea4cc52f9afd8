"""/metrics: every metric that doc/operations.md names is there and moves with what is done."""

import collections
import re
import time

import pytest

from api import Keys, Tenant, expect
from harness import TOP, until, until_empty
from receivers import Answer

# The values that labels may have; a series more for each webhook or tenant would be a fault.
LABELS = {
    "method": r"|GET|POST|PATCH|DELETE",
    "route": r"|(/[a-z.]+|/\{tenant\}|/\{locator\})+",
    "status": r"\d{3}|other",
    "state": r"[a-z]+",
    "reason": r"overflow|suspended|disabled|invalid|too_large|unsupported|slow|broken_off|client_connections|bodies",
    "kind": r"event|alert|test",
    "outcome": r"delivered|retrying|diverted|dropped|failed|moot",
    "trigger": r"|4xx|5xx|timeout|disabled|suspended",
    "attempt": r"first|later",
    "phase": r"dns|connect|tls|first_byte",
    "le": r"[\d.]+|\+Inf",
    "rank": r"[1-9]|10",
    "version": r"\S+",
    "libevent": r"\S+",
    "openssl": r"\S+",
}
SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\d+(?:\.\d+)?)")
LABEL = re.compile(r'([a-z]+)="([^"\\]*)"(?:,|$)')


class Metrics:
    """One answer of /metrics, checked for its form."""

    def __init__(self, text):
        self.types, self.samples = {}, collections.OrderedDict()
        helped = set()
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name, help = line[7:].split(" ", 1)
                assert name not in helped and help.endswith("."), line
                helped.add(name)
            elif line.startswith("# TYPE "):
                name, type = line[7:].split(" ")
                assert name in helped and name not in self.types, line
                self.types[name] = family = type
            else:
                self._add(line, name, family)
        assert helped == set(self.types) and text.endswith("\n")

    def _add(self, line, name, family):
        match = SAMPLE.fullmatch(line)
        assert match, line
        sample, labels, value = match.groups()
        suffixes = ("_bucket", "_sum", "_count") if family == "histogram" else ("",)
        assert sample in [name + suffix for suffix in suffixes], line
        pairs = LABEL.findall(labels or "")
        assert ",".join(f'{k}="{v}"' for k, v in pairs) == (labels or ""), line
        for key, text in pairs:
            assert re.fullmatch(LABELS[key], text), line
        series = (sample, tuple(pairs))
        assert series not in self.samples, line
        self.samples[series] = float(value)

    def __call__(self, name, **labels):
        """The sum of the samples that have these labels."""
        return sum(
            value
            for (sample, pairs), value in self.samples.items()
            if sample == name and labels.items() <= dict(pairs).items()
        )

    def histograms(self):
        """Each histogram series: its buckets in order, sum and count."""
        for name, type in self.types.items():
            if type != "histogram":
                continue
            series = collections.OrderedDict()
            for (sample, pairs), value in self.samples.items():
                if sample.startswith(name):
                    key = tuple(p for p in pairs if p[0] != "le")
                    series.setdefault(key, []).append((sample, dict(pairs).get("le"), value))
            yield from ((name, rows) for rows in series.values())


def read(evhookd):
    client = evhookd.admin()
    response = expect(client.get("/metrics"), 200)
    client.close()  # the admin address takes a hundred
    assert response.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    return Metrics(response.body.decode())


def documented():
    """{name: type} of the table in doc/operations.md."""
    text = (TOP / "doc" / "operations.md").read_text()
    rows = re.findall(r"^\| `((?:evhookd|process)_\w+)(?:\{[\w,]+\})?` \| (\w+) \|", text, re.M)
    assert len(rows) == len(dict(rows)) > 30
    return dict(rows)


def test_documented_and_served_are_the_same(alone):
    assert read(alone()).types == documented()


def test_what_is_done_is_counted(alone, receiver):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    tenant.create(receiver().url())
    failing = receiver(default=Answer(status=503))
    tenant.create(failing.url(), eventTypes=["b"], failureHandling={"divert": True})
    before = read(evhookd)
    tenant.publish("a")
    tenant.publish("b")
    expect(tenant.try_publish({"type": "a"}), 400)
    expect(evhookd.client().get("/nothing/here"), 404)
    route = "/event/{tenant}/events"

    def done():
        now = read(evhookd)
        return now if now("evhookd_attempts_total") == 3 else None

    now = until(done, "three attempts are counted")
    moved = lambda name, **labels: now(name, **labels) - before(name, **labels)
    assert moved("evhookd_events_accepted_total") == 2
    requests = lambda **labels: moved("evhookd_http_requests_total", method="POST", **labels)
    assert requests(route=route, status="201") == 2
    assert requests(route=route, status="400") == 1
    assert moved("evhookd_http_requests_total", method="", route="", status="404") == 1
    assert moved("evhookd_http_request_duration_seconds_count", route=route) == 3
    attempts = lambda **labels: moved("evhookd_attempts_total", kind="event", **labels)
    assert attempts(outcome="delivered", trigger="") == 2
    assert attempts(outcome="diverted", trigger="5xx") == 1
    assert moved("evhookd_delivery_latency_seconds_count", attempt="first") == 2
    assert 0 < moved("evhookd_delivery_latency_seconds_sum", attempt="first") < 60
    assert moved("evhookd_attempt_duration_seconds_count") == 3
    assert moved("evhookd_attempt_phase_seconds_count", phase="first_byte") == 3
    assert moved("evhookd_attempt_phase_seconds_count", phase="connect") >= 2
    assert moved("evhookd_attempt_phase_seconds_count", phase="tls") == 0
    assert moved("evhookd_redis_commands_total") > 0
    assert moved("evhookd_redis_command_duration_seconds_count") > 0
    assert now("evhookd_redis_up") == 1 and now("evhookd_draining") == 0
    assert now("evhookd_build_info") == 1
    assert now("evhookd_http_connections") >= 1
    assert now("evhookd_endpoint_connections") >= 1
    assert now("process_resident_memory_bytes") > 1e6
    assert 5 < now("process_open_fds") < now("process_max_fds")
    assert abs(now("process_start_time_seconds") - time.time()) < 600
    assert now("process_cpu_seconds_total") > 0


def test_triggers_and_kinds(alone, receiver):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    alerts = receiver()
    for type, status in (("a", 404), ("b", 302), ("c", 500)):
        tenant.create(receiver(default=Answer(status=status)).url(), eventTypes=[type])
    handling = {"alertEndpoint": {"url": alerts.url()}}
    dead = tenant.create(eventTypes=["d"], failureHandling=handling)
    for type in "abcd":
        tenant.publish(type)
    alerts.wait_for(1)
    expect(tenant.client.post(tenant.webhook_path(dead, "test"), None), 201)

    def counted():
        now = read(evhookd)
        return now if now("evhookd_attempts_total") == 6 else None

    now = until(counted, "six attempts are counted")
    count = lambda **labels: now("evhookd_attempts_total", **labels)
    assert count(kind="event", outcome="failed", trigger="4xx") == 2
    assert count(kind="event", outcome="failed", trigger="5xx") == 1
    assert count(kind="event", outcome="failed", trigger="timeout") == 1
    assert count(kind="alert", outcome="delivered") == 1
    assert count(kind="test", outcome="failed", trigger="timeout") == 1


def test_histograms_are_consistent(alone, receiver):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    webhook = tenant.create(receiver().url())
    tenant.publish_many(50)
    until_empty(evhookd.redis.client, tenant, webhook)
    lag = lambda: read(evhookd)("evhookd_loop_lag_seconds_count") > 0
    until(lag, "the loop's lag was measured")
    n = 0
    for name, rows in read(evhookd).histograms():
        buckets = [(le, value) for sample, le, value in rows if sample == name + "_bucket"]
        (total,) = [value for sample, _, value in rows if sample == name + "_sum"]
        (count,) = [value for sample, _, value in rows if sample == name + "_count"]
        bounds = [float(le) for le, _ in buckets]
        assert bounds == sorted(set(bounds)) and buckets[-1] == ("+Inf", count)
        values = [value for _, value in buckets]
        assert values == sorted(values), name
        most = sum(b * (v - p) for b, v, p in zip(bounds[:-1], values, [0] + values))
        assert values[-1] > values[-2] or total <= most * 1.000001, name
        n += count
    assert n > 100


def test_series_do_not_grow_with_webhooks_and_tenants(alone, receiver):
    evhookd = alone()
    sink = receiver()

    def series(tenants):
        locators = []
        for tenant in [Tenant(evhookd.client()) for _ in range(tenants)]:
            for _ in range(3):
                locators.append(tenant.create(sink.url())["locator"])
            tenant.publish()
            locators.append(tenant.locator)
        sink.wait_for(3 * tenants)
        return locators, read(evhookd)

    _, few = series(1)
    locators, many = series(5)
    assert set(many.samples) - set(few.samples) <= {
        s for s in many.samples if s[0].startswith("evhookd_http_request") and "/metrics" in str(s)
    }
    assert not any(locator in str(many.samples) for locator in locators)


# --- queues


def test_queues_are_counted_by_when_they_are_due(alone, receiver, event):
    release = event()
    evhookd = alone(endpoint_concurrency=1)
    tenant = Tenant(evhookd.client())
    slow = tenant.create(receiver(default=Answer(after=release)).url(), eventTypes=["a"])
    retry = {"attempts": 1, "interval": 3600}
    failing = receiver(default=Answer(status=500))
    later = tenant.create(failing.url(), eventTypes=["b"], failureHandling={"retryStrategy": retry})
    tenant.publish_many(40, "a")
    tenant.publish_many(5, "a")  # there is no room for these
    tenant.publish("b")
    redis, keys = evhookd.redis.client, Keys(tenant)
    until(lambda: redis.hlen(f"{keys.prefix}rt:{later['locator']}") == 1, "the retry is stored")
    time.sleep(0.05)  # what is due is due a little longer than no time
    now = read(evhookd)
    queue = lambda state: now("evhookd_queue_entries", state=state)
    assert queue("deferred") == 1
    assert queue("due") == 5 and queue("soon") == 40
    assert redis.zcard(keys.queue(slow["locator"])) == 45
    assert now("evhookd_queues") == 2
    assert 0.02 < now("evhookd_queue_oldest_due_seconds") < 60
    assert now("evhookd_deliveries_held", state="inflight") == 1
    assert now("evhookd_deliveries_held", state="waiting") == queue("soon") - 1


def test_many_queues_are_counted_in_steps(alone):
    """Queues of webhooks that do not exist, due in an hour, so that nobody looks at them."""
    evhookd = alone(shards=3)
    redis = evhookd.redis.client
    at = int(time.time() * 1000) + 3600000
    pipeline = redis.pipeline()
    for i in range(1000):
        name, prefix = f"{i:026}", "evhook:{%d}:" % (i % 3)
        pipeline.zadd(f"{prefix}q:{name}", {f"{j:026}": at for j in range(1 + i % 2)})
        pipeline.zadd(f"{prefix}due", {name: at})
    pipeline.execute()
    now = read(evhookd)
    assert now("evhookd_queues") == 1000
    assert now("evhookd_queue_entries", state="deferred") == 1500
    assert now("evhookd_queue_entries") == 1500
    assert now("evhookd_queue_oldest_due_seconds") == 0


def test_queues_are_not_counted_at_each_call(alone):
    evhookd = alone()
    read(evhookd)
    calls = evhookd.redis.calls("zcount") + evhookd.redis.calls("evalsha")
    client = evhookd.admin()
    started = time.monotonic()
    for _ in range(50):
        expect(client.get("/metrics"), 200)
    if time.monotonic() - started < 4:  # others look once a second
        assert evhookd.redis.calls("zcount") + evhookd.redis.calls("evalsha") - calls < 20


def test_without_redis_all_but_the_queues_is_served(alone):
    evhookd = alone(redis_timeout="1s")
    evhookd.redis.pause()
    now = read(evhookd)
    assert "evhookd_queue_entries" not in now.types
    assert now("evhookd_redis_up") == 0
    evhookd.redis.resume()
    until(lambda: read(evhookd)("evhookd_redis_up") == 1, "Redis is up again")
    now = read(evhookd)
    assert now("evhookd_redis_losses_total") == 1 and now("evhookd_redis_unanswered_total") >= 1
    until(lambda: "evhookd_queue_entries" in read(evhookd).types, "queues are counted again")


def test_a_full_queue_and_a_suspended_webhook_are_counted(alone, receiver, event):
    release = event()
    evhookd = alone(max_pending=3)
    tenant = Tenant(evhookd.client())
    tenant.create(receiver(default=Answer(after=release)).url())
    for _ in range(5):
        tenant.publish()
    assert read(evhookd)("evhookd_deliveries_unqueued_total", reason="overflow") == 2
    other = Tenant(evhookd.client())
    dead = other.create(failureHandling={"suspend": True, "divert": True})
    other.publish()
    until(lambda: other.fetch(dead)["suspended"], "the webhook is suspended")
    other.publish()
    assert read(evhookd)("evhookd_deliveries_unqueued_total", reason="suspended") == 1


@pytest.mark.parametrize("how", ["suspended", "disabled"])
def test_what_waits_for_an_inactive_webhook_is_counted_and_logged(alone, receiver, how):
    """Four deliveries wait for their retry in two queues: one diverts, two at most, one drops."""
    evhookd = alone(max_diverted=2)
    tenant = Tenant(evhookd.client())
    retry = {"attempts": 1, "interval": 3600, "type": "linear"}
    sink = receiver(*[Answer(503)] * 8, default=Answer(404))
    handling = {"triggers": ["503"], "retryStrategy": retry, "suspend": True}
    webhooks = [
        tenant.create(sink.url(), failureHandling={**handling, "divert": divert})
        for divert in (True, False)
    ]
    tenant.publish_many(4)
    retried = lambda: read(evhookd)("evhookd_attempts_total", outcome="retrying") == 8
    until(retried, "all were tried once")
    for webhook in webhooks:
        if how == "disabled":
            tenant.update(webhook, enabled=False)
        else:
            end = {"removeRetryStrategy": True, "addTriggers": ["404"]}
            tenant.update(webhook, failureHandling=end)
    if how == "suspended":
        tenant.publish()
    name = "evhookd_deliveries_swept_total"
    until(lambda: read(evhookd)(name) == 8, "the queues are swept")
    count = lambda **labels: read(evhookd)(name, reason=how, **labels)
    # the one that suspends it is diverted itself
    assert count(outcome="diverted") == (2 if how == "disabled" else 1)
    assert count(outcome="dropped") == (6 if how == "disabled" else 7)
    lines = evhookd.log_lines('msg="queue swept"', f"tenant={tenant.locator}", f"trigger={how}")
    figure = lambda line, what: int(re.search(rf" {what}=(\d+)", line).group(1))
    assert sum(figure(line, "diverted") + figure(line, "dropped") for line in lines) == 8
    assert {w["locator"] for w in webhooks} == {re.search(r" webhook=(\w+)", x).group(1) for x in lines}


def test_each_retry_counts_and_latency_is_of_the_whole_delivery(alone, receiver):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    sink = receiver(Answer(status=500))
    retry = {"attempts": 1, "interval": 1}
    tenant.create(sink.url(), failureHandling={"retryStrategy": retry})
    tenant.publish()
    sink.wait_for(2)
    latency = "evhookd_delivery_latency_seconds"
    until(lambda: read(evhookd)(latency + "_count", attempt="later") == 1, "the second succeeded")
    now = read(evhookd)
    assert now("evhookd_attempts_total", outcome="retrying", trigger="5xx") == 1
    assert now(latency + "_count", attempt="first") == 0
    assert now(latency + "_sum", attempt="later") >= 1
    assert now("evhookd_deliveries_retried_total") == now("evhookd_deliveries_claimed_total") == 1
