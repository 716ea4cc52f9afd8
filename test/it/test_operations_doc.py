"""doc/operations.md says of every alert what to do, and of none that is not there."""

import re

from harness import TOP


def test_every_alert_is_explained():
    rules = (TOP / "doc" / "prometheus" / "alerts.yml").read_text()
    page = (TOP / "doc" / "operations.md").read_text()
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert alerts and re.findall(r"^\| `(Evhookd\w+)` \|", page, re.M) == alerts


def test_every_option_named_is_one():
    page = (TOP / "doc" / "operations.md").read_text()
    manual = (TOP / "doc" / "evhookd.8").read_text() + (TOP / "doc" / "evhookctl.1").read_text()
    # redis-cli's own
    named = set(re.findall(r"`--([a-z][a-z-]+)", page)) - {"latency"}
    assert named
    assert {name for name in named if f"Fl -{name}" not in manual} == set()
