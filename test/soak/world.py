"""What both kinds of soak share: Redis, the instances, who may do what, and the hostile ones."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test" / "it"))

from api import Keys, Tenant  # noqa: E402
from certificates import Certificates  # noqa: E402
from ctl import program  # noqa: E402
from harness import Evhookd, RedisServer, until  # noqa: E402
from tokens import bearer, hmac_key  # noqa: E402

import hostile  # noqa: E402

LEASE = 6
INSTANCES = 3
WEEK = 7 * 24 * 3600


class Instance(Evhookd):
    """Says whether it is ready at its admin address: the API may speak TLS."""

    def status_of(self, path, admin=True):
        return super().status_of(path, admin=True)


class World:
    """Redis, the instances, and who may do what."""

    def __init__(self, stack, sync):
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.redis = RedisServer(appendonly="yes", appendfsync=sync)
        stack.callback(self.redis.close)
        key = hmac_key(directory / "key", os.urandom(32))
        Certificates(directory)
        tls = {"tls_cert": directory / "good.pem", "tls_key": directory / "good.pem"}
        options = {
            "lease": f"{LEASE}s",
            "delivery_timeout": "2s",
            # slow readers hold an end up until then
            "drain_timeout": "5s",
            "log_level": "info",
            "auth_key": key.file,
            "max_connections": 400,
            "max_tenant_bytes": "16M",
        }
        self.instances = [
            Instance(redis=self.redis, **options, **(tls if n == INSTANCES - 1 else {}))
            for n in range(INSTANCES)
        ]
        self.plain, self.tls = self.instances[:-1], self.instances[-1]
        expires = int(time.time()) + WEEK
        self.good = bearer(key.all(exp=expires))
        tenants = [str(uuid.uuid4()) for _ in hostile.PARTIES]
        self.hostile = {
            "plain": [(i.host, i.port) for i in self.plain],
            "tls": (self.tls.host, self.tls.port),
            "token": key.token(tenants=tenants, permissions=["*.*"], exp=expires),
            "powerless": key.token(tenants=tenants, permissions=[], exp=expires),
            "tenants": tenants,
        }

    def tenant(self):
        return Tenant(self.plain[0].client(headers=self.good))

    def until_delivered(self, webhooks):
        """Waits until nothing is owed to the good ones; what is not is lost, which is counted."""
        queues = [Keys(tenant).queue(webhook["locator"]) for tenant, webhook in webhooks]
        with contextlib.suppress(AssertionError):
            until(lambda: not self.redis.client.exists(*queues), "their queues are empty", 120)

    def end(self):
        """Stops all, and returns whether what is left in Redis is good."""
        for instance in self.instances:
            instance.stop()
            instance.check()
        command = [program(), "fsck", "--redis", self.redis.uri]
        return subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0


class Hostile:
    """The hostile parties, in a process of their own."""

    def __init__(self, world, stack):
        command = [sys.executable, hostile.__file__, json.dumps(world.hostile)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        stack.callback(self.process.kill)

    def judge(self, undisturbed):
        """Ends them and prints what they saw; returns whether that is good: none saw a 500, and
        undisturbed each was let in and refused as it should be."""
        out, _ = self.process.communicate(timeout=120)
        good = self.process.returncode == 0
        for party, (seen, wants) in json.loads(out).items():
            print(f"  {party}: " + ", ".join(f"{n} {what}" for what, n in sorted(seen.items())))
            missing = [status for status in wants if undisturbed and str(status) not in seen]
            if missing or "500" in seen:
                print(f"  {party} is NOT as it should be" + f", without {missing}" * bool(missing))
                good = False
        return good
