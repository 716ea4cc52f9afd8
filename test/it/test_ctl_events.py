"""evhookctl on what became of events: diverted ones, attempts, why; partly against a fake API."""

import http.server
import json
import re
import threading
import urllib.parse
import uuid

import pytest

from api import UNKNOWN
from ctl import CONFLICT, MISSING, USAGE, Ctl, rows
from harness import until
from receivers import Answer


W, E, GONE = (f"01J0000000000000000000000{c}" for c in "WEG")


def test_why_tells_of_every_webhook(ctl, tenant, failing, receiver):
    webhook, event = failing
    tenant.create(receiver().url(), eventTypes=["y"], name="other")
    tenant.create(receiver().url(), eventTypes=["x"], name="later")
    told = ctl.json("why", event["locator"])
    assert told["event"] == event
    verdicts = {w["name"]: w["verdict"] for w in told["webhooks"]}
    assert set(verdicts) == {"failing", "later"} and "later" in verdicts["later"]
    attempts = told["webhooks"][0]["attempts"]
    assert [a["statusCode"] for a in attempts] == [503]
    assert attempts == ctl.json("attempts", webhook["locator"], "--event", event["locator"])
    text = ctl.run("why", event["locator"])
    assert "status 503" in text and "1 other webhooks" in text
    ctl.run("why", UNKNOWN, code=MISSING)


class FakeApi(threading.Thread):
    """Answers for what evhookd need not serve: a function of method and target gives status and
    document.  All requests are kept."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.requests = requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                requests.append((self.command, self.path))
                status, document = answer(self.command, self.path)
                body = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.start()

    def run(self):
        self.server.serve_forever(poll_interval=0.05)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def fake(cleanup):
    """An evhookctl for a fake API below a path of its own, and that API."""

    def make(answer):
        api = FakeApi(answer)
        cleanup.callback(api.close)
        tenant = str(uuid.uuid4())
        prefix = f"/below/event/{tenant}/webhooks"
        ctl = Ctl(api.url + "/below/", EVHOOKCTL_TENANT=tenant)
        ctl.asked = lambda: [(m, p.replace(prefix, "")) for m, p in api.requests]
        return ctl

    return make


DIVERTED = {
    "eventLocator": UNKNOWN,
    "requestLocator": UNKNOWN,
    "failureMessage": "connection refused",
    "failureTrigger": "timeout",
    "failureTimestamp": "2026-11-23T07:21:00.123Z",
    "eventType": "a.b",
    "attempts": 3,
}


def page(target, items):
    query = urllib.parse.parse_qs(urllib.parse.urlparse(target).query)
    offset, count = int(query["offset"][0]), int(query["count"][0])
    return items[offset : offset + count]


def test_diverted_events_are_listed_over_pages(fake):
    items = [{**DIVERTED, "attempts": n} for n in range(200)]
    ctl = fake(lambda method, target: (200, page(target, items)))
    assert ctl.json("diverted", "list", W, "--all") == items
    assert ctl.asked()[-1] == ("GET", f"/{W}/diverted?offset=200&count=100")
    table = rows(ctl.run("diverted", "list", W, "--offset", 100, "--count", 2, more=True))
    assert [row[3] for row in table] == ["100", "101"]
    assert table[0] == [UNKNOWN, "a.b", DIVERTED["failureTimestamp"], "100", "timeout"] + [
        "connection refused"
    ]


def test_diverted_events_are_shown_resent_and_deleted(fake):
    def answer(method, target):
        if method == "GET":
            return 200, {**DIVERTED, "event": {"data": {"a": 1}}}
        if GONE in target:
            return 404, {"detail": "no such event"}
        return (202, {}) if method == "POST" else (204, None)

    ctl = fake(answer)
    assert ctl.json("diverted", "get", W, E)["event"] == {"data": {"a": 1}}
    said = ctl.run("diverted", "resend", W, GONE, E, code=MISSING)
    assert said == f"event {E} resent\n"
    assert ctl.said == f"evhookctl: {GONE}: the server said 404: no such event\n"
    ctl.run("diverted", "delete", "W/?", E, code=USAGE)
    done = ctl.run("diverted", "delete", W, E)
    assert done == f"event {E} deleted\n"
    assert ctl.asked() == [
        ("GET", f"/{W}/diverted/{E}"),
        ("POST", f"/{W}/diverted/{GONE}/resend"),
        ("POST", f"/{W}/diverted/{E}/resend"),
        ("DELETE", f"/{W}/diverted/{E}"),
    ]


def test_diverted_events_of_evhookd_are_listed_deleted_and_resent(ctl, tenant, receiver):
    sink = receiver(*[Answer(503)] * 4)
    webhook = tenant.create(sink.url(), failureHandling={"divert": True})["locator"]
    events = tenant.publish_many(4)

    def listed():
        return [d["eventLocator"] for d in ctl.json("diverted", "list", webhook)]

    until(lambda: listed() == events, "all are diverted")
    assert [row[4] for row in rows(ctl.run("diverted", "list", webhook))] == ["503"] * 4
    shown = ctl.json("diverted", "get", webhook, events[0])
    assert shown["event"]["data"] == {"n": 0} and shown["failureTrigger"] == "503"
    assert ctl.json("why", events[0])["webhooks"][0]["verdict"] == "diverted"
    ctl.run("diverted", "delete", webhook, events[0])
    ctl.run("diverted", "get", webhook, events[0], code=MISSING)
    ctl.run("diverted", "resend", webhook, events[1], events[0], code=MISSING)
    assert ctl.json("diverted", "resend-all", webhook) == {"resent": 2, "completed": True}
    assert listed() == []
    until(lambda: sorted(sink.ids()[4:]) == events[1:], "those that were left come again")
    until(lambda: len(ctl.json("attempts", webhook, "--outcome", "delivered")) == 3, "recorded")
    why = ctl.json("why", events[1])["webhooks"][0]
    assert why["verdict"] == "delivered"
    assert [a["outcome"] for a in why["attempts"]] == ["diverted", "delivered"]


def test_all_diverted_events_are_resent_in_steps(fake):
    steps = [(202, {"resent": n, "completed": n < 100}) for n in (100, 100, 7)]
    ctl = fake(lambda method, target: steps.pop(0))
    assert ctl.json("diverted", "resend-all", W) == {"resent": 207, "completed": True}
    assert ctl.asked() == [("POST", f"/{W}/diverted/resend")] * 3
    steps[:] = [(202, {"resent": 100, "completed": False}), (409, {"detail": "not active"})]
    assert ctl.run("diverted", "resend-all", W, code=CONFLICT) == "100 events resent\n"


def test_attempts_are_listed_with_filters(fake):
    item = {"timestamp": "T", "eventLocator": E, "eventType": "a", "attempt": 1}
    item |= {"outcome": "delivered", "statusCode": 200, "durationMs": 3, "failureTrigger": None}
    ctl = fake(lambda method, target: (200, {"listCompleted": True, "items": [item]}))
    assert ctl.json("attempts", W, "--outcome", "delivered", "--event", E) == [item]
    query = f"outcome=delivered&eventLocator={E}&offset=0&count=100"
    assert ctl.asked() == [("GET", f"/{W}/attempts?{query}")]
    row = rows(ctl.run("attempts", W))[0]
    assert row == ["T", E, "a", "1", "delivered", "200", "3", "-", "-"]


def test_why_puts_attempts_in_order_and_draws_a_conclusion(fake):
    tries = [
        {"attempt": n, "outcome": outcome, "timestamp": f"T{n}", "statusCode": 503}
        for n, outcome in ((2, "diverted"), (1, "retrying"))
    ]
    webhooks = [
        {"locator": name, "name": name, "eventTypes": types, "createdAt": "2001-01-01T00:00:00Z"}
        for name, types in (("A", ["*"]), ("B", ["x"]), ("C", ["a.*"]), ("D", ["a.b"]))
    ]
    delivered = {"attempt": 1, "outcome": "delivered"}

    def answer(method, target):
        path = target.split("?")[0]
        if path.endswith("/list"):
            return 200, {"listCompleted": True, "items": webhooks}
        if "/events/" in path:
            return 200, {"locator": UNKNOWN, "type": "a.b", "data": {}}
        if "/diverted/" in path:
            return (200, DIVERTED) if "/A/" in path else (404, {"detail": "no"})
        items = {"A": tries, "C": [delivered]}.get(path.split("/")[-2], [])
        return 200, {"listCompleted": True, "items": items}

    ctl = fake(answer)
    told = {w["name"]: w for w in ctl.json("why", UNKNOWN.lower())["webhooks"]}
    assert set(told) == {"A", "C", "D"}
    assert told["A"]["verdict"] == "diverted" and told["A"]["diverted"] == DIVERTED
    assert told["A"]["attempts"] == tries[::-1]
    assert told["C"]["verdict"] == "delivered" and "no attempt" in told["D"]["verdict"]
    text = ctl.run("why", UNKNOWN)
    assert re.search(r"A: diverted\n  T1  attempt 1  retrying .*\n  T2  attempt 2  diverted", text)


def test_why_with_redis_says_what_is_owed(ctl, tenant, receiver, event, redis):
    held = event()
    sink = receiver(Answer(after=held))
    tenant.create(sink.url())
    locator = tenant.publish()["locator"]
    sink.wait_for(1)
    told = ctl.json("why", locator)["webhooks"][0]
    assert told["verdict"] == "waiting" and told["queue"].startswith("leased until 20")
    held.set()


