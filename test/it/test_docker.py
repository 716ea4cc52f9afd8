"""The files in doc/docker, as far as they can be tried without docker."""

import re
import shutil
import subprocess

import pytest
import yaml

from client import DEADLINE
from harness import TOP, run

DOCKER = TOP / "doc" / "docker"


def test_evhookd_takes_the_environment_of_the_containers():
    text = (DOCKER / "Dockerfile").read_text()
    env = dict(re.findall(r"(EVHOOK_[A-Z_]+)=(\S+)", text))
    assert set(env) == {"EVHOOK_LISTEN", "EVHOOK_ADMIN_LISTEN"}
    refused = run("--check-config", env=env)
    assert refused.returncode == 2 and "no-auth" in refused.stderr
    compose = re.findall(r"^ +(EVHOOK_[A-Z_]+): (.*)$", (DOCKER / "compose.yaml").read_text(), re.M)
    assert len(compose) == 3
    env.update((name, value.strip('"')) for name, value in compose)
    done = run("--check-config", env=env)
    assert (done.returncode, done.stderr) == (0, "")


def test_haproxy_takes_its_configuration():
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not haproxy:
        pytest.skip("haproxy is not installed")
    command = [haproxy, "-c", "-f", str(DOCKER / "haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr


def test_the_haproxy_of_the_containers_is_the_documented_one():
    """But for the names of the containers."""

    def settings(path):
        lines = [line.strip() for line in path.read_text().splitlines()]
        skip = ("#", "server ", "bind ", "default-server", "resolvers", "nameserver", "hold ")
        return [line for line in lines if line and not line.startswith(skip)]

    assert settings(DOCKER / "haproxy.cfg") == settings(TOP / "doc" / "haproxy.cfg")


def test_the_containers_watched_are_those_that_run():
    compose = (DOCKER / "compose.yaml").read_text()
    running = set(re.findall(r"^  (evhookd\d): ", compose, re.M))
    assert running
    for name in ("haproxy.cfg", "prometheus.yml"):
        text = (DOCKER / name).read_text()
        assert set(re.findall(r"(evhookd\d):\d", text)) == running


def test_what_compose_mounts_is_there():
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    named = set(compose["volumes"])
    mounts = [v for s in compose["services"].values() for v in s.get("volumes", [])]
    paths = [mount.split(":")[0] for mount in mounts]
    assert {path for path in paths if not path.startswith(".")} <= named
    files = [DOCKER / path for path in paths if path.startswith(".")]
    assert len(files) >= 5 and all(path.exists() for path in files)
    rules = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["rule_files"]
    assert rules == [mount.split(":")[1] for mount in mounts if "alerts.yml" in mount]
    source = yaml.safe_load((DOCKER / "grafana" / "datasources" / "prometheus.yaml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
