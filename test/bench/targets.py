"""What is measured: evhookd, the bare server and the peer, all with the same handles."""

import json
import os
import pathlib
import socket
import subprocess
import threading

import lab

TENANT = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
TYPE = "policy.issue"
PEER = pathlib.Path(__file__).resolve().parent / "peer"


def body_of(size=500):
    """An event as published, of that many bytes."""
    head, tail = f'{{"type":"{TYPE}","data":{{"pad":"', '"}}'
    return head + "x" * (size - len(head) - len(tail)) + tail


def tenant_of(i):
    return f"6ba7b810-9dad-41d1-80b4-{i:012x}"


class Evhookd:
    """evhookd on the laboratory's Redis, pinned to its own core."""

    name = "evhookd"

    def __init__(self, where, *options, env=None, **_):
        self.lab = where
        self.port, self.admin = lab.free_port(), lab.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        extra = os.environ.get("BENCH_OPTIONS", "").split()
        self.process = where.start(
            [*lab.evhookd_command(), "--listen", f"127.0.0.1:{self.port}", "--admin-listen",
             f"127.0.0.1:{self.admin}", "--redis", f"unix://{where.dir}/redis.sock",
             "--allow-egress", "127.0.0.0/8", *options, *extra],
            own=True, log="evhookd.log", env=env)
        self.pid = self.process.pid
        lab.until(self.ready, "evhookd is ready")

    def ready(self):
        if self.process.poll() is not None:
            raise lab.Trouble(f"evhookd ended: {self.lab.tail('evhookd.log')}")
        try:
            lab.fetch(self.url + "/readyz")
            return True
        except OSError:
            return False

    def path(self, tenant=TENANT):
        return f"/event/{tenant}/events"

    def counts(self):
        """(accepted, delivered) so far."""
        found = lab.metrics(self.admin)
        return (int(found["evhookd_events_accepted_total"]),
                int(found["evhookd_deliveries_delivered_total"]))

    def commands(self):
        return int(lab.metrics(self.admin)["evhookd_redis_commands_total"])

    def webhook(self, url, tenant=TENANT, types=(TYPE,), **more):
        """Makes a webhook; gives its locator."""
        answer = lab.fetch(f"{self.url}/event/{tenant}/webhooks",
                           webhook_body(url, types, **more).encode())
        return json.loads(answer)["locator"]

    def publish(self, body, tenant=TENANT):
        return lab.fetch(self.url + self.path(tenant), body.encode(), timeout=60)


def webhook_body(url, types, handling=None, **endpoint):
    document = {"name": "bench", "enabled": True, "eventTypes": list(types),
                "endpoint": {"url": url, "hmacEnabled": True, **endpoint}}
    if handling:
        document["failureHandling"] = handling
    return json.dumps(document)


class Bare:
    """The bare evhttp server, answering as many bytes as evhookd does."""

    name = "bare"

    def __init__(self, where, answer_bytes, redis=False):
        port = lab.free_port()
        command = [lab.built("bare"), str(port), str(answer_bytes)]
        if redis:
            command.append(str(where.dir / "redis.sock"))
        self.url = f"http://127.0.0.1:{port}"
        self.pid = where.start(command, own=True, log="bare.log").pid
        lab.until(lambda: lab.listening(port), "the bare server listens")

    def path(self):
        return "/events"

    def counts(self):
        return None


class Peer:
    """fastify, BullMQ and undici."""

    name = "peer"

    def __init__(self, where, sink_url):
        if not (PEER / "node_modules" / "bullmq").exists():
            raise lab.Trouble(f"npm install in {PEER} first (./dev bench does it)")
        port = lab.free_port()
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.pid = where.start(
            ["node", str(PEER / "server.js"), str(port), str(where.dir / "redis.sock"), sink_url],
            own=True, log="peer.log", env={"NODE_ENV": "production"}).pid
        lab.until(lambda: lab.listening(port), "the peer listens, see peer.log")

    def path(self):
        return "/events"

    def counts(self):
        found = json.loads(lab.fetch(self.url + "/counts"))
        return found["accepted"], found["delivered"]


def answer_bytes(where):
    """How many bytes evhookd answers to one event, for the bare server."""
    target = Evhookd(where)
    size = len(target.publish(body_of()))
    where.stop(target.process)
    where.processes.remove(target.process)
    return size


def peer_versions():
    """What is installed there."""
    found = {"node": lab.version_of("node", "--version")}
    for name in json.loads((PEER / "package.json").read_text())["dependencies"]:
        path = PEER / "node_modules" / name / "package.json"
        found[name] = json.loads(path.read_text())["version"] if path.exists() else "missing"
    return found


def make_webhooks(target, bodies, connections=8, batch=25):
    """Creates many webhooks fast, pipelined: bodies are (tenant, JSON) pairs."""
    trouble = []

    def work(mine):
        try:
            with socket.create_connection(("127.0.0.1", target.port), 60) as s:
                file = s.makefile("rb")
                for at in range(0, len(mine), batch):
                    some = mine[at:at + batch]
                    s.sendall(b"".join(request(tenant, body) for tenant, body in some))
                    for _ in some:
                        read_created(file)
        except (OSError, ValueError) as error:
            trouble.append(str(error))

    def request(tenant, body):
        data = body.encode()
        return (f"POST /event/{tenant}/webhooks HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
                ).encode() + data

    def read_created(file):
        status, length = file.readline(), 0
        while True:
            line = file.readline()
            if line in (b"\r\n", b""):
                break
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        answer = file.read(length)
        if b" 200 " not in status:
            raise ValueError(f"making a webhook: {status!r} {answer[:200]!r}")

    threads = [threading.Thread(target=work, args=(bodies[i::connections],))
               for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise lab.Trouble(trouble[0])


def compile_counter(where):
    """The counter of allocations, for LD_PRELOAD."""
    source = pathlib.Path(__file__).resolve().parent / "alloc_count.c"
    out = where.dir / "alloc_count.so"
    done = subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(out), str(source)],
                          capture_output=True, check=False)
    return str(out) if done.returncode == 0 else None
