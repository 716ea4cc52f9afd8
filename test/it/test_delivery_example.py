"""doc/delivery.md's example: it is run as it stands there, on other ports."""

import re
import subprocess

from client import DEADLINE
from harness import TOP, child_environment

TEXT = (TOP / "doc" / "delivery.md").read_text()
FAIL, LOOK, RECEIVER, REPAIR, CLEAN = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.M | re.S)


def test_the_example_does_what_it_says(server, receiver):
    sink = receiver()
    script = "\necho; echo '=== next'\n".join(["set -e", FAIL, LOOK, REPAIR, CLEAN])
    script = script.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
    assert "receiver.py 9999" in RECEIVER
    before_cleaning, cleaning = script.replace("127.0.0.1:9999", f"127.0.0.1:{sink.port}").rsplit(
        "echo; echo '=== next'\n", 1
    )
    shell = subprocess.Popen(
        ["bash"],
        cwd=TOP,
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    shell.stdin.write(before_cleaning)
    shell.stdin.flush()
    (request,) = sink.wait_for(1, 3 * DEADLINE)  # the receiver has it before the webhook goes
    out, _ = shell.communicate(cleaning, timeout=3 * DEADLINE)
    assert shell.returncode == 0, out
    _, published, looked, repaired = re.split(r"=== next\n", out)
    assert '"type":"claim.opened"' in published
    assert re.findall(r'"outcome":"(\w+)"', looked) == ["diverted", "retrying"]
    assert looked.count('"connection refused"') == 3
    assert repaired.strip().endswith('{"resent":1,"completed":true}')
    assert request.header("webhook-attempt") == "1"
    assert request.json()["data"] == {"claim": "C-7"}
    tenant = re.search(r"/event/([0-9a-f-]{36})", FAIL).group(1)
    listed = server.client().get(f"/event/{tenant}/webhooks/list")
    assert listed.json()["items"] == [], "the webhook is gone"
