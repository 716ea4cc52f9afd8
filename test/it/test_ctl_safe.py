"""evhookctl on a terminal: what strangers wrote cannot steer it, and secrets are not shown around."""

import http.client
import json
import pathlib
import re
import urllib.parse

import pytest

from client import DEADLINE
from ctl import OK, UNAVAILABLE
from harness import until
from receivers import Answer

# ESC, DEL, C1 (CSI), and what turns the direction of text; in keys and in values
ODD = "\x1b[2J\x7f\x9b2J\u202egnp.\u2066\x00"
DATA = {ODD: ODD, "list": [ODD, {ODD + "2": 1}]}
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def post(url, body, headers=()):
    """Sends bytes as no library would encode them."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, DEADLINE)
    connection.request("POST", "/", body, dict(headers))
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_listen_shows_what_is_delivered_safely(ctl, options):
    document = json.dumps(DATA, ensure_ascii=False).replace("\\u007f", "\x7f").encode()
    headers = {"webhook-id": "\x1b[2J\x9b".encode(), "X-Odd": b"\x1b]0;x\x07"}
    with ctl.start("listen", "--count", 3, *options) as listen:
        url = listen.stderr.readline().split()[-1]
        assert post(url, document, headers) == 200
        assert post(url, b"no JSON: " + ODD.encode() + b"\x9b\xff") == 200
        assert post(url, b'{"a":"\x7f"}') == 200
        said = listen.stdout.read()
        assert listen.wait(DEADLINE) == OK
    assert STEERS.findall(said) == []
    if options:
        assert json.loads(said.splitlines()[0])["body"] == DATA
    else:
        assert "\\u001b[2J\\u007f\\u009b2J\\u202e" in said


def test_lists_and_events_are_shown_safely(ctl, tenant):
    tenant.create(name="x\u202e", eventTypes=["a"])
    event = tenant.publish("a", DATA)
    for args in (
        ("webhooks", "list"),
        ("webhooks", "list", "--json"),
        ("events", "get", event["locator"]),
        ("events", "get", event["locator"], "--json"),
        ("events", "list", "--json"),
        ("events", "list"),
        ("why", event["locator"]),
        ("why", event["locator"], "--json"),
    ):
        assert STEERS.findall(ctl.run(*args)) == [], args
    assert ctl.json("events", "get", event["locator"])["data"] == DATA


def test_what_a_server_says_is_shown_safely(ctl, receiver):
    odd = {"detail": ODD, "errors": [{"field": ODD, "message": ODD}]}
    body = json.dumps(odd, ensure_ascii=False).encode()
    sink = receiver(default=Answer(503, body=body))
    ctl.run("webhooks", "list", "--url", sink.url(), code=UNAVAILABLE)
    assert STEERS.findall(ctl.said) == [] and "\\x1b[2J" in ctl.said


def test_the_password_of_redis_is_on_no_command_line(ctl, new_redis):
    """Neither while it runs nor as an argument with =."""
    redis = new_redis()
    redis.pause()  # so that there is time to look
    uri = f"redis://:s3cret-word@127.0.0.1:{redis.port}/0"
    for args in (("--redis", uri), ("--redis=" + uri,)):
        with ctl.start("fsck", *args) as process:
            shown = pathlib.Path(f"/proc/{process.pid}/cmdline")
            until(lambda: b"***" in shown.read_bytes(), "the URI is hidden")
            assert b"s3cret" not in shown.read_bytes() and process.poll() is None
            process.kill()
    redis.resume()


def test_the_password_of_redis_comes_from_a_file(ctl, new_redis, tmp_path):
    redis = new_redis()
    redis.client.hset("evhook:meta", "shards", 7)
    redis.config_set("requirepass", "s3cret/word")
    (tmp_path / "password").write_text("s3cret/word\n")
    (tmp_path / "empty").write_text("")
    plain = ("shard", "--redis", redis.uri, "--redis-password-file")
    assert "of 7" in ctl.run(*plain, tmp_path / "password")
    env = {"EVHOOKCTL_REDIS_PASSWORD_FILE": str(tmp_path / "password")}
    assert "of 7" in ctl.run(*plain[:3], env=env)
    ctl.run(*plain, tmp_path / "empty", code=2)
    assert "is empty" in ctl.said
    ctl.run(*plain, tmp_path / "none", code=1)
