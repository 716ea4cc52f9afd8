"""evhookctl: webhooks and events, its command line, how it talks to the server and how it exits."""

import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess

import pytest

from api import UNKNOWN
from client import DEADLINE
from ctl import CONFLICT, DENIED, FAILED, MISSING, OK, UNAVAILABLE, USAGE, Ctl, program, rows
from harness import TOP, PortLock, child_environment, until
from receivers import Answer, Close


def test_webhooks_are_made_shown_changed_and_deleted(ctl, tenant):
    made = ctl.json(
        *("webhooks", "create", "first", "http://127.0.0.1:9/x", "a", "b.*", "--hmac", "true"),
        *("--header", "X-A: 1", "--header", "X-A:2", "--trigger", "5xx", "--attempts", 2),
        *("--retry-interval", 7, "--retry-type", "linear", "--divert", "true"),
        *("--alert-url", "http://127.0.0.1:9/alert", "--tag", "t"),
    )
    assert tenant.fetch(made) == made
    assert made["eventTypes"] == ["a", "b.*"] and made["enabled"] is True
    assert made["endpoint"]["headers"] == {"X-A": ["1", "2"]}
    handling = made["failureHandling"]
    assert handling["triggers"] == ["5xx"] and handling["divert"] is True
    assert handling["retryStrategy"] == {
        "attempts": 2,
        "interval": 7,
        "type": "linear",
    }
    assert handling["alertEndpoint"]["url"] == "http://127.0.0.1:9/alert"
    assert ctl.json("webhooks", "get", made["locator"]) == made
    card = ctl.run("webhooks", "get", made["locator"])
    assert re.search(r"^endpoint\.url +http://127\.0\.0\.1:9/x$", card, re.M)

    changed = ctl.json(
        *("webhooks", "update", made["locator"], "--name", "second", "--enabled=false"),
        *("--add-type", "c", "--remove-type", "a", "--remove-header", "x-a", "--if-version", 1),
    )
    assert changed["name"] == "second" and changed["enabled"] is False
    assert changed["eventTypes"] == ["b.*", "c"] and changed["endpoint"]["headers"] == {}
    assert tenant.fetch(made) == changed
    ctl.run("webhooks", "update", made["locator"], "--name", "x", "--if-version", 1, code=CONFLICT)
    locator = made["locator"]
    assert ctl.run("webhooks", "unsuspend", locator) == f"webhook {locator} unsuspended\n"
    said = ctl.run("webhooks", "delete", UNKNOWN, locator, code=MISSING)
    assert said == f"webhook {locator} deleted\n"
    assert ctl.said.startswith(f"evhookctl: {UNKNOWN}: the server said 404: ")
    assert tenant.list()["items"] == []


def test_a_test_event_goes_to_one_webhook(ctl, tenant, receiver):
    sink = receiver()
    webhook = tenant.create(sink.url())["locator"]
    event = ctl.json("webhooks", "test", webhook)
    assert event["type"] == "webhook.test" and sink.wait_for(1)[0].json() == event
    ctl.run("webhooks", "update", webhook, "--enabled", "false")
    ctl.run("webhooks", "test", webhook, code=CONFLICT)


def test_a_secret_comes_from_a_file(ctl, tenant, tmp_path):
    (tmp_path / "secret").write_text("sixteen-bytes-or-more\n")
    made = ctl.json(
        *("webhooks", "create", "n", "http://127.0.0.1:9/", "*", "--hmac", "true"),
        *("--secret-file", tmp_path / "secret"),
    )
    assert tenant.fetch(made)["endpoint"]["secret"] == "sixteen-bytes-or-more"


def test_a_whole_body_is_taken_from_standard_input_or_a_file(ctl, tenant, tmp_path):
    body = json.dumps(tenant.body(name="whole"))
    assert ctl.json("webhooks", "create", "--body", "-", input=body)["name"] == "whole"
    (tmp_path / "body").write_text(body)
    assert ctl.json("webhooks", "create", "--body", f"@{tmp_path}/body")["name"] == "whole"
    ctl.run("webhooks", "create", "x", "--body", body, code=USAGE)


def test_faults_are_all_named(ctl):
    ctl.run("webhooks", "create", "n", "ftp://x/", "..", code=FAILED)
    assert "endpoint.url: " in ctl.said and "eventTypes" in ctl.said


def test_webhooks_are_listed_over_pages_and_by_filters(ctl, tenant):
    for n in range(103):
        tenant.create(name=f"w{n}", enabled=n != 5, eventTypes=["a" if n < 3 else "b"])
    names = [f"w{n}" for n in range(103)]
    table = rows(ctl.run("webhooks", "list", "--all"))
    assert sorted(row[1] for row in table) == sorted(names)
    everything = ctl.json("webhooks", "list", "--all")
    assert sorted(w["name"] for w in everything) == sorted(names)
    part = ctl.json("webhooks", "list", "--offset", 1, "--count", 101, more=True)
    assert part == everything[1:102]
    assert ctl.json("webhooks", "list", more=True) == everything[:100]
    assert ctl.json("webhooks", "list", "--count", 103) == everything
    ctl.run("webhooks", "list", "--count", 3, "--all", code=USAGE)
    assert len(ctl.json("webhooks", "list", "--event-type", "a")) == 3
    assert [w["name"] for w in ctl.json("webhooks", "list", "--state", "disabled")] == ["w5"]
    assert ctl.json("webhooks", "list", "--state", "suspended") == []
    assert [w["name"] for w in ctl.json("webhooks", "list", "--name", "w7")] == ["w7"]
    assert "stats" in ctl.json("webhooks", "list", "--extended", "--count", 1, more=True)[0]


def test_names_cannot_steer_the_terminal(ctl, tenant):
    tenant.create(name="a\x1b[31m\u202eb")
    assert "a\\x1b[31m\\xe2\\x80\\xaeb" in ctl.run("webhooks", "list")


# --- events


def test_events_are_published_and_shown(ctl, tenant):
    made = ctl.json("events", "publish", "a.b", '{"n": 1.50}')
    assert tenant.event(made["locator"]).json() == made
    assert '{"n": 1.50}' in ctl.run("events", "get", made["locator"])
    request = ctl.json("events", "publish", "-", input='[{"type":"x","data":{}}]')[0]
    assert ctl.json("events", "request", request["requestId"]) == [request]
    assert request["locator"] in ctl.run("events", "request", request["requestId"])
    key = ("--idempotency-key", "k")
    same = [ctl.json("events", "publish", "a", "{}", *key)["locator"] for _ in range(2)]
    assert same[0] == same[1]
    ctl.run("events", "publish", "a", '{"other":1}', *key, code=CONFLICT)
    ctl.run("events", "publish", "a", "{", code=FAILED)
    ctl.run("events", "publish", "a", " ", code=USAGE)
    ctl.run("events", "get", UNKNOWN, code=MISSING)
    listed = ctl.lines("events", "list")
    assert [e["locator"] for e in listed] == tenant.all_events()
    assert ctl.lines("events", "list", "--event-type", "x") == [request]
    assert ctl.lines("events", "list", "--count", 1, more=True) == listed[:1]
    assert ctl.lines("events", "list", "--newest", "--all") == listed[::-1]
    assert rows(ctl.run("events", "list", "--until", "1h")) == []
    for args in (["list"], ["request", request["requestId"]]):
        head, line = ctl.run("events", *args).splitlines()[:2]
        assert head.split() == ["TIME", "EVENT", "TYPE", "DATA"]
        assert [head.index(word) for word in ("EVENT", "TYPE")] == [
            line.index(word) for word in re.split("  +", line)[1:3]
        ]


def test_faults_of_data_refer_to_what_was_given(ctl, tenant, tmp_path):
    ctl.run("events", "publish", "a", '{"a": 1,\n"b": }', code=FAILED)
    assert "DATA is not JSON: " in ctl.said and "(line 2, offset 14)" in ctl.said, ctl.said
    ctl.run("events", "publish", "a", "[1]", code=FAILED)
    assert "DATA is not an object" in ctl.said
    lines = '{"x":1}\n\n{"y": }\n'
    ctl.run("events", "publish", "--batch", "t", "-", input=lines, code=FAILED)
    assert "(line 3, offset 6 of that line)" in ctl.said, ctl.said
    assert tenant.all_events() == []


def test_a_batch_is_cut_into_requests_and_can_be_repeated(ctl, tenant, tmp_path):
    (tmp_path / "data").write_text("".join(f'{{"n":{n}}}\n\n' for n in range(1501)))
    again = ("events", "publish", "--batch", "--idempotency-key", "k", "t", f"@{tmp_path}/data")
    assert ctl.run(*again) == "1501 events published in 2 requests\n"
    locators = tenant.all_events()
    assert len(locators) == 1501
    assert [e["locator"] for e in ctl.lines(*again)] == locators == tenant.all_events()
    whole = '{"type":"w","data":{}}\n{"type":"v","data":{}}'
    assert [e["type"] for e in ctl.lines("events", "publish", "--batch", "-", input=whole)] == [
        "w",
        "v",
    ]
    bad = "{}\n" * 1001 + "nonsense\n"
    ctl.run("events", "publish", "--batch", "t", "-", input=bad, code=FAILED)
    assert "from line 1001 on; 1000 events before it are published" in ctl.said


def test_tail_follows_what_is_stored_until_it_is_interrupted(ctl, tenant):
    old = tenant.publish("old")
    with ctl.start("events", "tail", "--json", "--since", "1h", "--interval", "50ms") as tail:
        assert json.loads(tail.stdout.readline()) == old
        new = tenant.publish("new", {"a": [1, "\n"]})
        assert json.loads(tail.stdout.readline()) == new
        tail.send_signal(signal.SIGINT)
        assert tail.wait(DEADLINE) == OK


def test_tail_follows_the_attempts_of_a_webhook(ctl, tenant, receiver):
    sink = receiver(Answer(200), default=Answer(503))
    webhook = tenant.create(sink.url())["locator"]
    old = tenant.publish()
    until(lambda: ctl.json("attempts", webhook), "an attempt")
    follow = ("attempts", "tail", webhook, "--since", "1h", "--interval", "50ms")
    with ctl.start(*follow, "--json") as tail:
        first = json.loads(tail.stdout.readline())
        assert (first["eventLocator"], first["outcome"]) == (old["locator"], "delivered")
        new = [tenant.publish()["locator"] for _ in range(12)]
        seen = [json.loads(tail.stdout.readline()) for _ in new]
        assert sorted(one["eventLocator"] for one in seen) == sorted(new)
        assert {one["outcome"] for one in seen} == {"failed"}
        tail.send_signal(signal.SIGINT)
        assert tail.wait(DEADLINE) == OK
    text = ctl.run(*follow, "--count", 3).splitlines()
    assert text[0].split()[:3] == ["TIME", "EVENT", "TYPE"] and len(text) == 4


# --- the program itself


def test_exit_codes_of_bad_command_lines(ctl):
    for args in (
        ["nonsense"],
        ["-x"],
        ["help", "nonsense"],
        ["webhooks"],
        ["webhooks", "get"],
        ["webhooks", "get", UNKNOWN, "--count", "1"],
        ["webhooks", "list", "--count", "-1"],
        ["webhooks", "list", "--count"],
        ["webhooks", "list", "--nonsense"],
        ["webhooks", "list", "--json=x"],
        ["webhooks", "list", "--tenant", "x"],
        ["webhooks", "list", "--url", "nonsense"],
        ["webhooks", "list", "--timeout", "x"],
        ["webhooks", "update", UNKNOWN],
        ["events", "list", "--since", "yesterday"],
    ):
        assert ctl.run(*args, code=USAGE) == "", args
    assert "Usage" in ctl.run("--help") and "Usage" in ctl.run("webhooks", "list", "--help")
    assert ctl.run("--version").startswith("evhookctl ")


def test_help_and_version_are_found_by_every_name(ctl):
    text = ctl.run("help")
    assert "webhooks create" in text and "Exit codes" in text
    assert text == ctl.run("--help") == ctl.run("-h")
    assert ctl.run(code=USAGE) == ""
    assert ctl.said == text, "alone it says the same, as an error"
    one = ctl.run("help", "webhooks", "create")
    assert one == ctl.run("webhooks", "create", "-h") == ctl.run("webhooks", "create", "--help")
    assert ctl.run("help", "diverted") == ctl.run("diverted", "--help")
    ctl.run("help", "webhooks", "nonsense", code=USAGE)
    assert "there is no command webhooks nonsense" in ctl.said
    assert ctl.run("version") == ctl.run("--version")


def test_an_argument_that_is_no_locator_is_named(ctl):
    for args, word in (
        (["webhooks", "get", "x"], "WEBHOOK"),
        (["webhooks", "delete", UNKNOWN, "x"], "WEBHOOK"),
        (["diverted", "resend", UNKNOWN, UNKNOWN, "x"], "EVENT"),
        (["events", "request", "x"], "REQUEST"),
        (["attempts", "x"], "WEBHOOK"),
        (["attempts", "tail", "x"], "WEBHOOK"),
        (["why", "x"], "EVENT"),
        (["shard", "x"], "TENANT"),
    ):
        ctl.run(*args, code=USAGE)
        assert f"{word} is a U" in ctl.said and 'not "x"' in ctl.said, ctl.said


def test_the_first_word_of_several_commands_leads_to_them(ctl):
    for args in (["webhooks"], ["webhooks", "lst"], ["webhooks", UNKNOWN]):
        ctl.run(*args, code=USAGE)
        assert "list, get, create, update, delete, unsuspend, test" in ctl.said
    text = ctl.run("diverted", "--help")
    assert "diverted resend-all WEBHOOK" in text and "webhooks" not in text
    for word in ("divert", "diverted list", "nonsense", ""):
        ctl.run(word, "--help", code=USAGE)
        assert "there is no command" in ctl.said


def test_a_server_that_is_not_there_is_unavailable(ctl, receiver, event):
    lock = PortLock()
    ctl.run("webhooks", "list", "--url", f"http://localhost:{lock.port}", code=UNAVAILABLE)
    assert "Connection refused" in ctl.said and f":{lock.port}" in ctl.said, ctl.said
    lock.close()
    ctl.run("webhooks", "list", "--url", "http://nowhere.invalid", code=UNAVAILABLE)
    assert "the name nowhere.invalid has no address: " in ctl.said
    url, late = receiver(Answer(200, after=event())).url(), ("--timeout", "200ms")
    ctl.run("webhooks", "list", "--url", url, *late, code=UNAVAILABLE)
    assert "connected, but no answer within 0.2 s (--timeout)" in ctl.said
    url = ctl.env["EVHOOKCTL_URL"].replace("http:", "https:")
    ctl.run("webhooks", "list", "--url", url, code=UNAVAILABLE)
    assert "no TLS with 127.0.0.1:" in ctl.said and "(is it http:// there?)" in ctl.said
    cases = ((Answer(503), UNAVAILABLE), (Close(), UNAVAILABLE), (Answer(401), DENIED))
    for answer, code in cases:
        ctl.run("webhooks", "list", "--url", receiver(answer).url(), code=code)


def test_https_is_verified(ctl, tenant, receiver, certs):
    def sink(kind):
        answer = Answer(200, body=b'{"listCompleted":true,"items":[]}')
        return receiver(default=answer, tls=certs.server(kind))

    good = ("--ca-file", certs.ca_file)
    url = sink("good").url()
    assert ctl.json("webhooks", "list", "--url", url, *good) == []
    ctl.run("webhooks", "list", "--url", url, code=UNAVAILABLE)
    assert "certificate" in ctl.said
    ctl.run("webhooks", "list", "--url", sink("wrong-host").url(), *good, code=UNAVAILABLE)
    url = sink("cn-only").url(name="localhost")
    ctl.run("webhooks", "list", "--url", url, *good, code=UNAVAILABLE)


def test_the_token_is_sent_and_never_on_a_command_line(ctl, receiver, event, tmp_path):
    held, body = event(), b'{"listCompleted":true,"items":[]}'
    sink = receiver(Answer(200, body=body, after=held), default=Answer(200, body=body))
    (tmp_path / "token").write_text("secret-from-file\n")
    args = ("webhooks", "list", "--url", sink.url())
    with ctl.start(*args, "--token-file", tmp_path / "token") as process:
        sink.wait_for(1)
        shown = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"secret-from" not in shown
        held.set()
        assert process.wait(DEADLINE) == OK
    ctl.run(*args, env={"EVHOOKCTL_TOKEN": "secret-from-env"})
    sent = [request.header("authorization") for request in sink.wait_for(2)]
    assert sent == ["Bearer secret-from-file", "Bearer secret-from-env"]
    ctl.run(*args, env={"EVHOOKCTL_TOKEN": "a\nb"}, code=USAGE)
    ctl.run(*args, "--token", "x", code=USAGE)


def test_progress_is_for_terminals(ctl):
    master, slave = pty.openpty()
    data = "{}\n" * 1001
    with ctl.start(
        "events", "publish", "--batch", "t", "-", stdin=subprocess.PIPE, stderr=slave
    ) as process:
        process.communicate(data, timeout=DEADLINE)
    os.close(slave)
    shown = b""
    while b"1001 events published" not in shown:  # a terminal gives what it has; EIO at its end
        shown += os.read(master, 65536)
    os.close(master)


def test_output_goes_nowhere_when_it_is_closed(ctl, tenant):
    """Not into the connection to the server, which would get the number."""
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program(), "events", "publish", "a.b"]
    for _ in range(2):
        done = subprocess.run([*command, "{}"], env=child_environment(ctl.env), timeout=DEADLINE)
        assert done.returncode == 0
    assert len(tenant.events()["events"]) == 2


def bash(*words):
    """How bash completes the last word."""
    script = TOP / "doc" / "completion" / "evhookctl"
    command = f"source {script}; COMP_WORDS=({program()} {' '.join(words) or chr(34) * 2}); "
    command += f"COMP_CWORD={len(words) or 1}; _evhookctl; printf '%s\\n' ${{COMPREPLY[@]}}"
    return ["bash", "-c", command]


def zsh(*words):
    """The parts of zsh that show what would be offered stand in for its editor."""
    script = TOP / "doc" / "completion" / "_evhookctl"
    command = "_describe() { print -l -- ${${(P)3}%%:*} }; _files() { }; "
    quoted = " ".join(words) or "''"
    command += f"words=({program()} {quoted}); CURRENT=$#words; source {script}"
    return ["zsh", "-f", "-c", command]


def fish(*words):
    script = TOP / "doc" / "completion" / "evhookctl.fish"
    line = " ".join(words) or ""
    command = f"function __fish_complete_path; end; source {script}; "
    command += f"complete -C 'evhookctl {line}' | string replace -r '\\t.*' ''"
    return ["fish", "--no-config", "-c", command]


@pytest.mark.parametrize("shell", [bash, zsh, fish])
def test_completion_knows_commands_options_values_and_locators(shell, ctl, tenant):
    if not shutil.which(shell.__name__):
        pytest.skip(f"no {shell.__name__}")
    path = f"{pathlib.Path(program()).parent}:{os.environ['PATH']}"

    def complete(*words):
        env = child_environment({**ctl.env, "PATH": path})
        done = subprocess.run(shell(*words), capture_output=True, text=True, env=env)
        assert done.stderr == ""
        return sorted(done.stdout.split())

    assert {"webhooks", "events", "why", "top"} <= set(complete())
    assert complete("web") == ["webhooks"]
    assert complete("webhooks", "un") == ["unsuspend"]
    assert complete("webhooks", "list", "--ext") == ["--extended"]
    assert complete("webhooks", "create", "--divert", "t") == ["true"]
    assert complete("--json", "--tenant", UNKNOWN, "webhooks", "un") == ["unsuspend"]
    assert complete("--ten") == ["--tenant"] and complete("--ext") == []
    assert complete("--tenant", "web") == [] and complete("webhooks", "--name", "un") == []
    assert complete("help", "webhooks", "un") == ["unsuspend"]
    made = [tenant.create("http://127.0.0.1:9/", enabled=False)["locator"] for _ in range(2)]
    event = tenant.publish()["locator"]
    assert complete("webhooks", "delete", made[0], "''") == sorted(made)
    assert complete("attempts", made[1][:-1]) == [w for w in made if w[:-1] == made[1][:-1]]
    assert complete("why", event[:12]) == [event]
    if shell is not bash:
        assert complete("webhooks", "create", "--divert=t") == ["--divert=true"]
        return
    assert complete("webhooks", "create", "--divert", "=") == ["false", "true"]
    assert complete("webhooks", "create", "--divert", "=", "f") == ["false"]
    assert complete("--tenant", "=", UNKNOWN, "webhooks", "list", "--ext") == ["--extended"]


def test_completion_is_silent_without_a_server(tmp_path):
    """A profile's options count, too."""
    (tmp_path / "evhookctl").mkdir()
    (tmp_path / "evhookctl" / "profiles").write_text("[one]\n[other]\n")
    ctl = Ctl("http://127.0.0.1:1", XDG_CONFIG_HOME=str(tmp_path))
    assert ctl.run("complete", "--", "--profile", "") == "one\nother\n"
    ctl.env["EVHOOKCTL_TENANT"] = "6f1f2b5e-7a0c-4a53-9c39-0f2f5d3e8a11"
    process = ctl.start("complete", "--", "webhooks", "get", "")
    assert process.communicate(timeout=DEADLINE)[0] == "" and process.returncode == OK


def test_a_profile_stands_between_the_command_line_and_the_environment(server, tenant, tmp_path):
    (tmp_path / "evhookctl").mkdir()
    file = tmp_path / "evhookctl" / "profiles"
    file.write_text(
        f"# mine\n[here]\nurl = http://{server.host}:{server.port}\ntenant={tenant.locator}\n"
        "[there]\nurl = http://127.0.0.1:1\n"
    )
    webhook = tenant.create("http://127.0.0.1:9/", enabled=False)["locator"]
    ctl = Ctl("http://127.0.0.1:1", XDG_CONFIG_HOME=str(tmp_path))
    listed = ctl.json("webhooks", "list", "--profile", "here")
    assert [w["locator"] for w in listed] == [webhook]
    assert ctl.json("webhooks", "list", env={"EVHOOKCTL_PROFILE": "here"}) == listed
    url = ("--url", "http://127.0.0.1:1")
    ctl.run("webhooks", "list", "--profile", "here", *url, code=UNAVAILABLE)
    ctl.run("webhooks", "list", "--profile", "nowhere", code=USAGE)
    assert f"{file} has no profile [nowhere]" in ctl.said
    for line, fault in (("nonsense = 1", "there is no option nonsense"), ("x", 'is not "name')):
        file.write_text(f"[here]\n{line}\n")
        ctl.run("webhooks", "list", "--profile", "here", code=USAGE)
        assert f"{file}:2: {fault}" in ctl.said
    file.unlink()
    ctl.run("webhooks", "list", "--profile", "here", code=USAGE)
    assert "No such file" in ctl.said
