"""Prometheus' own word: promtool on what is served and on the rules, and a real server that scrapes.

These need Debian's package prometheus (./dev test-all installs it).
"""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest

from api import Tenant, expect
from harness import TOP, PortLock, until
from receivers import Answer
from test_metrics import documented

RULES = TOP / "doc" / "prometheus"
pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool")


def promtool(*args, input=None, cwd=None):
    return subprocess.run(
        ["promtool", *args], input=input, cwd=cwd, text=True, capture_output=True, timeout=60
    )


def test_promtool_finds_nothing_to_say_about_the_metrics(alone, receiver):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    tenant.create(receiver().url(), eventTypes=["a"])
    tenant.create(receiver(default=Answer(status=500)).url(), eventTypes=["b"])
    tenant.publish("a")
    tenant.publish("b")
    client = evhookd.admin()
    metrics = lambda: expect(client.get("/metrics"), 200).body.decode()
    until(lambda: 'outcome="failed"' in metrics(), "both outcomes are counted")
    check = promtool("check", "metrics", input=metrics())
    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")


def test_the_rules_are_sound_and_fire_when_they_should():
    check = promtool("check", "rules", "alerts.yml", cwd=RULES)
    assert check.returncode == 0, check.stdout + check.stderr
    check = promtool("test", "rules", "alerts_test.yml", cwd=RULES)
    assert check.returncode == 0, check.stdout + check.stderr


def expressions():
    """What the dashboard asks, with its variables filled in."""
    board = json.loads((TOP / "doc" / "grafana" / "evhookd.json").read_text())
    targets = [target for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(targets) > 20
    for target in targets:
        text = target["expr"].replace("$__rate_interval", "1m")
        yield text.replace("$job", "evhookd").replace("$instance", ".*")


def test_dashboard_and_rules_ask_for_metrics_that_exist():
    known = set(documented())
    for name, type in documented().items():
        if type == "histogram":
            known |= {name + suffix for suffix in ("_bucket", "_sum", "_count")}
    texts = list(expressions()) + [(RULES / "alerts.yml").read_text()]
    for text in texts + [(RULES / "alerts_test.yml").read_text()]:
        asked = set(re.findall(r"\b(?:evhookd|process)_[a-z_]+", text))
        assert asked <= known, asked - known


@pytest.fixture
def prometheus(tmp_path):
    """Starts a Prometheus that scrapes an address every second; gives a function that queries it."""
    lock = PortLock()
    processes = []

    def ask(path, **query):
        url = f"http://{lock.address()}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)["data"]

    def start(target):
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES / "alerts.yml")],
            "scrape_configs": [{"job_name": "evhookd", "static_configs": [{"targets": [target]}]}],
        }
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML too
        address = lock.address()
        lock.close()  # it does not set SO_REUSEPORT
        with open(tmp_path / "log", "wb") as log:
            command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml"]
            command += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={address}"]
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        return ask

    yield start
    for process in processes:
        process.kill()
        process.wait(10)
    lock.close()


@pytest.mark.skipif(not shutil.which("prometheus"), reason="no prometheus")
def test_a_real_prometheus_scrapes_it(alone, receiver, prometheus):
    evhookd = alone()
    tenant = Tenant(evhookd.client())
    tenant.create(receiver().url())
    tenant.publish_many(7)
    ask = prometheus(evhookd.admin_lock.address())

    def value(query):
        try:
            result = ask("query", query=query)["result"]
        except OSError:
            return None
        return float(result[0]["value"][1]) if result else None

    until(lambda: value("evhookd_deliveries_delivered_total") == 7, "seven are seen", 60)
    (target,) = ask("targets")["activeTargets"]
    assert target["health"] == "up" and target["lastError"] == ""
    assert value("evhookd_events_accepted_total") == 7
    quantile = "histogram_quantile(0.99, evhookd_delivery_latency_seconds_bucket{attempt='first'})"
    assert 0 < value(quantile) < 3600
    types = {name: said[0]["type"] for name, said in ask("metadata").items()}
    assert {name: types.get(name) for name in documented()} == documented()
    for text in expressions():
        ask("query", query=text)  # 400 for what is no PromQL
    (group,) = ask("rules")["groups"]
    assert all(rule["health"] in ("ok", "unknown") for rule in group["rules"])
