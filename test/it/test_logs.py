"""The log: one line an outcome, with what is needed to find it, in both formats, safe to read."""

import json
import re
import uuid

import pytest

from api import Keys, Tenant, expect
from client import Raw
from harness import until
from receivers import Answer

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
PAIR = re.compile(r'([a-z]+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)(?: |$)')


def fields(line):
    """A record as a dictionary, after a check that all of the line is one."""
    if line.startswith("{"):
        return json.loads(line)
    pairs = PAIR.findall(line)
    assert " ".join(f"{k}={v}" for k, v in pairs) == line, line
    return {k: v[1:-1] if v.startswith('"') else v for k, v in pairs}


def records(evhookd, msg):
    found = [fields(line) for line in evhookd.stderr().splitlines()]
    return [record for record in found if record["msg"] == msg]


def wait_for(evhookd, msg, n=1):
    return until(lambda: (r := records(evhookd, msg)) and len(r) >= n and r, f"{n} of {msg}")


@pytest.mark.parametrize("format", ["logfmt", "json"])
def test_an_outcome_is_one_line(alone, receiver, format):
    evhookd = alone(log_format=format, log_level="info")
    tenant = Tenant(evhookd.client())
    good = tenant.create(receiver().url(), eventTypes=["a"])
    bad = tenant.create(receiver(default=Answer(status=503)).url(), eventTypes=["b"])
    sent = tenant.publish("a", headers={"traceparent": PARENT})
    lost = tenant.publish("b")
    lines = {record["outcome"]: record for record in wait_for(evhookd, "delivery", 2)}
    common = {"level": "info", "msg": "delivery", "tenant": tenant.locator}
    expected = {
        "delivered": {"webhook": good, "event": sent, "status": 200, "trace": TRACE},
        "failed": {"webhook": bad, "event": lost, "status": 503},
    }
    assert set(lines) == set(expected)
    for outcome, record in lines.items():
        want = {**common, "outcome": outcome, "attempt": 1, **expected[outcome]}
        want["webhook"] = want["webhook"]["locator"]
        want["request"] = want["event"]["requestId"]
        want["event"] = want["event"]["locator"]
        assert int(record.pop("ms")) >= 0 and record.pop("time")
        reason = record.pop("reason", None)
        assert reason == ("the endpoint answered 503" if outcome == "failed" else None)
        assert {k: str(v) for k, v in record.items()} == {k: str(v) for k, v in want.items()}


def test_the_trace_goes_along_to_each_attempt_and_through_redis(alone, receiver):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    sink = receiver(Answer(status=500))
    retry = {"attempts": 1, "interval": 1}
    tenant.create(sink.url(), failureHandling={"retryStrategy": retry})
    tenant.publish(headers={"traceparent": PARENT, "tracestate": "a=1,b=2"})
    sink.wait_for(2)
    for request in sink.all():
        assert request.header("traceparent") == PARENT
        assert request.header("tracestate") == "a=1,b=2"
    lines = wait_for(evhookd, "delivery", 2)
    assert [line["outcome"] for line in lines] == ["retrying", "delivered"]
    assert [line["trace"] for line in lines] == [TRACE, TRACE]
    published = [r for r in records(evhookd, "request") if r["path"] == tenant.events_path]
    assert [r["trace"] for r in published] == [TRACE]


@pytest.mark.parametrize("parent", ["", "nonsense", PARENT.upper(), "00-" + "0" * 32 + PARENT[35:]])
def test_an_invalid_trace_is_not_taken(server, tenant, receiver, parent):
    sink = receiver()
    tenant.create(sink.url())
    event = tenant.publish(headers={"traceparent": parent})
    sink.wait_for(1)
    assert sink.all()[0].header("traceparent") is None
    (line,) = until(
        lambda: [r for r in records(server, "delivery") if r["event"] == event["locator"]],
        "the outcome is logged",
    )
    assert "trace" not in line


def test_accesses_are_logged_at_debug_only(alone):
    quiet, loud = alone(log_level="info"), alone(log_level="debug")
    for evhookd in (quiet, loud):
        expect(evhookd.client().get("/healthz", headers={"X-Request-Id": "r1"}), 200)
    line = until(
        lambda: [r for r in records(loud, "request") if r["path"] == "/healthz"], "it is logged"
    )[-1]
    assert line["method"] == "GET" and line["status"] == "200" and line["request"] == "r1"
    assert int(line["ms"]) >= 0
    assert records(quiet, "request") == []


@pytest.mark.parametrize("format", ["logfmt", "json"])
def test_what_strangers_send_cannot_forge_lines(alone, format):
    evhookd = alone(log_format=format)
    path = '/a"%0amsg=forged\\"level=error\x7f\xc3\xbc\xff'.encode("latin-1")
    with Raw(evhookd.host, evhookd.port) as raw:
        raw.send(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a b\r\n\r\n")
        raw.read_response()
    expect(evhookd.client().get("/healthz"), 200)
    until(lambda: evhookd.log_lines("/healthz"), "the next request is logged")
    for line in evhookd.stderr().splitlines():
        assert fields(line)["level"] in ("info", "warn", "debug")
        assert line.isprintable()
    assert records(evhookd, "forged") == []


def test_no_secret_is_logged(alone, receiver):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    secret, header = "s" + uuid.uuid4().hex, "h" + uuid.uuid4().hex
    sink = receiver()
    endpoint = {"endpoint_secret": secret, "endpoint_hmacEnabled": True}
    tenant.create(sink.url(), **endpoint, endpoint_headers={"X-Key": [header]})
    tenant.publish(headers={"Authorization": "Bearer " + header})
    wait_for(evhookd, "delivery")
    assert secret not in evhookd.stderr() and header not in evhookd.stderr()


def test_warnings_that_repeat_are_left_out_and_counted(alone):
    """Sixty queued events whose copies somebody damaged, found by one claim."""
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    webhook = tenant.create(eventTypes=[])["locator"]
    keys, pipeline = Keys(tenant), evhookd.redis.client.pipeline()
    for i in range(60):
        pipeline.hset(f"{keys.prefix}rt:{webhook}", f"01{i:024}", "0 {damaged")
        pipeline.zadd(keys.queue(webhook), {f"01{i:024}": 1})
    pipeline.zadd(keys.due, {webhook: 1})
    pipeline.execute()
    (left_out,) = wait_for(evhookd, "log lines left out")
    said = records(evhookd, "a queued event cannot be read; it ends as failed")
    assert len(said) == 10 and {record["webhook"] for record in said} == {webhook}
    assert left_out["of"] == "a queued event cannot be read; it ends as failed" and left_out["lines"] == "50"


def test_what_is_logged_of_deliveries_can_be_chosen(alone, receiver):
    evhookd = alone(log_level="info", log_deliveries="failures")
    tenant = Tenant(evhookd.client())
    good = receiver()
    tenant.create(good.url(), eventTypes=["a"])
    tenant.create(receiver(default=Answer(status=503)).url(), eventTypes=["b"])
    tenant.publish("a")
    good.wait_for(1)
    tenant.publish("b")
    assert [r["outcome"] for r in wait_for(evhookd, "delivery")] == ["failed"]
    assert evhookd.log_lines("msg=audit"), "whatever it says"


def test_the_journal_gets_a_priority_with_each_line(alone):
    evhookd = alone(env={"JOURNAL_STREAM": "1:1"}, log_level="info")
    assert not [line for line in evhookd.stderr().splitlines() if line.startswith("<")]
    evhookd.stop()
    stat = (evhookd.dir / "stderr").stat()
    before = len(evhookd.stderr().splitlines())
    evhookd.env = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
    evhookd.start()
    lines = evhookd.stderr().splitlines()[before:]
    assert lines and all(re.match(r"<[3467]>time=", line) for line in lines)
