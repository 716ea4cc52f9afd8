"""SIGTERM under load: what was taken in is finished, what was not started goes to the others."""

import contextlib
import json
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from api import Keys, Tenant
from client import Client, Raw
from harness import TOP, PortLock, until, until_empty
from load import Load
from receivers import Answer


def check_once(redis, tenant, webhook, sink, accepted):
    """All that is stored was delivered, and nothing twice."""
    stored = tenant.all_events(pageSize=1000)
    assert set(accepted) <= set(stored)
    sink.wait_for_events(stored, 20)
    until_empty(redis.client, tenant, webhook)
    assert sorted(sink.ids()) == stored


def test_instances_that_are_restarted_in_turn_deliver_everything_once(
    new_redis, new_evhookd, receiver
):
    redis = new_redis()
    instances = [new_evhookd(redis=redis, log_level="info") for _ in range(2)]
    tenant = Tenant(instances[0].client())
    sink = receiver()
    webhook = tenant.create(sink.url())
    with Load(tenant, instances, threads=4) as load:
        for n in range(4):
            load.wait_more(50)
            victim = instances[n % 2]
            victim.terminate()
            assert victim.wait_exit() == 0
            victim.start()
        load.wait_more(50)
        accepted = load.stop()
    # leases are 30 s: what comes in time did not wait for one
    check_once(redis, tenant.on(instances[0].client()), webhook, sink, accepted)


def test_what_was_not_started_is_taken_over_on_the_hint(new_redis, new_evhookd, receiver, event):
    release = event()
    sink = receiver(Answer(after=release), Answer(after=release))
    redis = new_redis()
    first = new_evhookd(redis=redis, endpoint_concurrency=2)
    second = new_evhookd(redis=redis)
    tenant = Tenant(first.client())
    webhook = tenant.create(sink.url())
    locators = tenant.publish_many(16)
    sink.wait_for(2)
    queue = Keys(tenant).queue(webhook["locator"])
    scores = [score for _, score in redis.client.zrange(queue, 0, -1, withscores=True)]
    assert all(score % 2 == 1 for score in scores), "all are leased for 30 s"
    first.terminate()
    sink.wait_for(16, 8)
    assert first.process.poll() is None, "it still waits for what is on the wire"
    release.set()
    assert first.wait_exit() == 0
    until_empty(redis.client, tenant, webhook)
    assert sorted(sink.ids()) == locators
    assert second.status_of("/readyz") == 200


def test_a_client_that_dawdles_costs_no_delivery_its_time(new_redis, new_evhookd, receiver, event):
    """In-flight deliveries finish and are not cut off, though a request never ends."""
    release = event()
    sink = receiver(Answer(after=release))
    evhookd = new_evhookd(redis=new_redis(), drain_timeout="3s")
    tenant = Tenant(evhookd.client())
    webhook = tenant.create(sink.url())
    locators = tenant.publish_many(1)
    sink.wait_for(1)
    with Raw(evhookd.host, evhookd.port) as raw:
        raw.send(f"POST {tenant.events_path} HTTP/1.1\r\nHost: localhost\r\n")
        evhookd.terminate()
        until(lambda: evhookd.log_lines("draining"), "it drains")
        release.set()
        until_empty(evhookd.redis.client, tenant, webhook)
        assert evhookd.wait_exit() == 0
    assert sink.ids() == locators


def proxy_config(name, path, front, backs):
    """The configuration shipped in doc/, with the ports of this test."""
    text = (TOP / "doc" / name).read_text()
    for example, port in [("8000", front), ("8081", backs[0]), ("8082", backs[1])]:
        text, n = re.subn(rf"127\.0\.0\.1:{example}\b", f"127.0.0.1:{port}", text)
        assert n == 1
    if name == "nginx.conf":
        paths = "client_body proxy fastcgi uwsgi scgi".split()
        temp = "".join(f"{p}_temp_path {path}/{p};" for p in paths)
        text = text.replace("http {", f"http {{ access_log off; {temp}")
        text = f"daemon off; pid {path}/pid; error_log {path}/log;\n{text}"
    config = pathlib.Path(path) / name
    config.write_text(text)
    return str(config)


def proxy_command(name, config, path):
    if name == "haproxy.cfg":
        return [shutil.which("haproxy", path="/usr/sbin:/usr/bin"), "-db", "-f", config]
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    return [program, "-p", str(path), "-e", f"{path}/log", "-c", config]


WRK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"type": "a", "data": {}}'
function delay() return math.random(0, 40) end
bad = ""
function response(status) if status ~= 201 then bad = bad .. " " .. status end end
local all = {}
function setup(thread) table.insert(all, thread) end
function done(summary)
	local e = summary.errors
	io.write(string.format("\\nJSON [%d, \\"%s\\", %d, %d, %d, %d]\\n", summary.requests,
		all[1]:get("bad"), e.connect, e.read, e.write, e.timeout))
end
"""


class Wrk:
    """wrk, publishing on some connections until told to stop."""

    def __init__(self, path, tenant, port, connections=12):
        script = path / "publish.lua"
        script.write_text(WRK)
        self.connections = connections
        url = f"http://127.0.0.1:{port}{tenant.events_path}"
        command = ["wrk", "-t1", f"-c{connections}", "-d5m", "--timeout", "10s", "-s", str(script), url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def stop(self):
        """How many were answered, which statuses but 201, and socket errors by kind."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=20)
        requests, bad, *errors = json.loads(re.search(r"^JSON (.*)$", out, re.MULTILINE).group(1))
        return requests, bad, dict(zip(("connect", "read", "write", "timeout"), errors))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def proxy(tmp_path, cleanup):
    """Starts a proxy with one of the shipped configurations; gives its port."""

    def start(name, instances):
        lock = PortLock()
        cleanup.callback(lock.close)
        config = proxy_config(name, tmp_path, lock.port, [e.port for e in instances])
        lock.close()  # nginx and haproxy do not set SO_REUSEPORT
        command = proxy_command(name, config, tmp_path)
        with open(tmp_path / "output", "wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        cleanup.callback(process.wait)
        cleanup.callback(process.terminate)
        with contextlib.closing(Client("127.0.0.1", lock.port)) as client:
            until(lambda: answers(client), lambda: (tmp_path / "output").read_text())
        return lock.port

    return start


def answers(client):
    with contextlib.suppress(OSError):
        return client.get("/readyz").status == 200
    return False


@pytest.mark.parametrize("name", ["haproxy.cfg", "nginx.conf"])
def test_a_restart_in_turn_behind_a_proxy_is_not_noticed(
    new_redis, new_evhookd, receiver, tmp_path, cleanup, proxy, name
):
    redis = new_redis()
    instances = [
        new_evhookd(redis=redis, drain_delay="2500ms", log_level="info") for _ in range(2)
    ]
    tenant = Tenant(instances[0].client())
    sink = receiver()
    webhook = tenant.create(sink.url())
    stream = Keys(tenant).stream
    wrk = Wrk(tmp_path, tenant, proxy(name, instances))
    cleanup.callback(wrk.close)

    def more():
        """Waits until more is accepted, on whichever instance."""
        enough = redis.client.xlen(stream) + 100
        until(lambda: redis.client.xlen(stream) >= enough, "more is accepted")

    for victim in instances:
        more()
        victim.terminate()
        assert victim.wait_exit() == 0
        more()
        victim.start()
        time.sleep(1.2)  # until the proxy's next check, or its next try
    more()
    answered, bad, errors = wrk.stop()
    told = [path.read_text() for path in (tmp_path / "output", tmp_path / "log") if path.exists()]
    assert (bad, errors) == ("", dict.fromkeys(errors, 0)), "\n".join(told)
    assert 0 <= redis.client.xlen(stream) - answered <= wrk.connections, "those cut off at the end"
    check_once(redis, tenant.on(instances[0].client()), webhook, sink, [])
    for evhookd in instances:
        evhookd.terminate()  # both at once: each takes its --drain-delay


def test_a_second_sigterm_does_not_change_the_exit_status(alone):
    evhookd = alone()
    evhookd.terminate()
    while evhookd.process.poll() is None:
        evhookd.process.send_signal(signal.SIGTERM)
    assert evhookd.process.returncode == 0
