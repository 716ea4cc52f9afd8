"""README.md's tour and what ./dev run prints: every command is run as it stands there, on other
ports."""

import json
import os
import re
import subprocess

import pytest

from client import DEADLINE
from harness import TOP, PortLock, child_environment, until

README = (TOP / "README.md").read_text()
TOUR = README[README.index("## A five-minute tour") : README.index("## A tour of the code")]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TOUR, re.M | re.S)
RUN, RECEIVER, *STEPS = [text for kind, text in BLOCKS if kind == "sh"]
(ARRIVED,) = [text for kind, text in BLOCKS if kind == "text"]


class Reader:
    """Somebody who takes the tour: the ports and the data directory are their own."""

    def __init__(self, evhookd, hook):
        self.places = {
            "127.0.0.1:8080": f"127.0.0.1:{evhookd.port}",
            "127.0.0.1:9464": evhookd.admin_lock.address(),
            "127.0.0.1:9999": hook.address(),
            "receiver.py 9999": f"receiver.py {hook.port}",
            "evhook-data/": f"{evhookd.dir}/evhook-data/",
        }

    def paste(self, text):
        """What they paste into a terminal that is in the top folder."""
        for there, here in self.places.items():
            text = text.replace(there, here)
        return ["bash", "-c", text]

    def take(self, steps):
        """Runs steps in one shell, as one terminal would; gives what each wrote."""
        script = "\necho; echo '=== next'\n".join(["set -eo pipefail", *steps])
        done = subprocess.run(
            self.paste(script),
            cwd=TOP,
            env=child_environment(),
            timeout=4 * DEADLINE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return [out.strip() for out in done.stdout.split("=== next\n")][1:]


@pytest.fixture
def reader(new_evhookd, cleanup):
    hook = PortLock()
    cleanup.callback(hook.close)
    return Reader(new_evhookd(), hook)


@pytest.fixture
def arrived(reader, cleanup, tmp_path):
    """Starts the receiver of the tour; gives what it has printed so far."""
    path = tmp_path / "receiver"
    with open(path, "wb") as out:
        process = subprocess.Popen(
            reader.paste("exec env " + RECEIVER), cwd=TOP, env=child_environment(), stdout=out
        )
    cleanup.callback(process.wait)
    cleanup.callback(process.terminate)
    until(lambda: path.read_text().startswith("listening on"), "the receiver listens")
    return path.read_text


def test_the_tour_begins_with_dev_run():
    assert RUN == "./dev run\n"
    assert os.access(TOP / "dev", os.X_OK)


def test_the_tour_does_what_it_says(reader, arrived):
    outs = reader.take(STEPS)
    assert len(outs) == len(STEPS) == 9
    webhook, event, looked, twice, faulty, changed, tested, kept, deleted = outs
    webhook, event, faulty, changed = map(json.loads, (webhook, event, faulty, changed))

    until(lambda: arrived().count("signature good") >= 3, lambda: f"three arrive: {arrived()}")
    assert arrived().count("webhook-event-type: policy.renewed") == 1, "two requests, one event"
    assert json.dumps(event["data"]) == '{"policy": "P-1001", "premium": 1.5}'
    assert '"premium": 1.50}' in arrived()

    webhooks, events = map(json.loads, looked.replace("}{", "}\n{").splitlines())
    assert [item["locator"] for item in webhooks["items"]] == [webhook["locator"]]
    assert [one["locator"] for one in events["events"]] == [event["locator"]]
    first, second = twice.replace("}{", "}\n{").splitlines()
    assert first == second and "policy.renewed" in first
    faults = {error["field"] for error in faulty["errors"]}
    assert faults == {"[1].type", "[1].data", "[1].date"}
    assert changed["eventTypes"] == ["policy.*", "claim.opened"]
    assert changed["failureHandling"]["retryStrategy"]["type"] == "exponential"
    assert changed["endpoint"]["headers"] == {"X-Team": ["claims", "billing"]}
    assert '"type":"webhook.test"' in tested and '"outcome":"delivered"' in tested
    assert "webhook-event-type: webhook.test" in arrived()
    assert "evhookd_events_accepted_total 2" in kept and "evhook:meta" in kept
    assert deleted == ""


def test_what_arrived_looks_as_the_tour_shows_it(reader, arrived):
    reader.take(STEPS[:2])
    until(lambda: "signature good" in arrived(), lambda: f"it arrives: {arrived()}")

    def shape(text):
        """Without what differs each time."""
        text = text[text.index("POST ") :].rstrip()
        text = re.sub(r"\b[0-7][0-9A-Z]{25}\b", "ULID", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
        text = re.sub(r"(webhook-timestamp:|127\.0\.0\.1:|evhookd/)\s*[\d.]+", r"\1", text)
        return re.sub(r"v1,[\w+/]+=", "SIGNATURE", text)

    assert shape(arrived()) == shape(ARRIVED)


def test_the_receiver_sees_a_wrong_signature(reader, arrived):
    reader.take([STEPS[0].replace("whsec_aSBh", "whsec_bSBh"), STEPS[1]])
    until(lambda: "webhook-signature" in arrived(), "it arrives")
    until(lambda: "signature WRONG" in arrived(), lambda: f"it is seen: {arrived()}")


def test_dev_prints_the_steps_as_they_stand_here():
    printed = subprocess.run(
        [TOP / "dev", "tour"], stdout=subprocess.PIPE, text=True, check=True, timeout=DEADLINE
    ).stdout
    for command in (RECEIVER, *STEPS[:2]):
        assert command in printed
    assert "```" not in printed and "policy.renewed" not in printed
