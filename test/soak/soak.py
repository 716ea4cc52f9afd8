#!/usr/bin/env python3
"""./dev soak [--hostile] SECONDS [SEED]: faults and hostile parties under load; then a count.

Three instances share one Redis; the last one speaks TLS, so that publishers
use the other two.  Beside the good tenants there are hostile ones, see hostile.py.

Without --hostile: Redis syncs each write, and publishers go on all the time, each request with an Idempotency-Key, repeated
until it is answered; every few seconds something is killed, stopped or cut off.  At the end all must
have been delivered: what was accepted and not delivered is lost, and the soak fails.  An attempt
that came twice must have been in flight around a fault: less than a lease before it, or while
instances were still finding Redis again.

With --hostile: nothing is killed, and Redis syncs each second.  Good tenants publish at a steady rate, first alone and then
among the hostile ones: none of their requests may be refused, nothing lost or repeated, and the
p99 from when an event was to be published to when it came has a bound, see Steady.

Last, evhookctl fsck looks at what is left in Redis.
"""

import collections
import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test" / "it"))

from api import Keys, Tenant  # noqa: E402
from certificates import Certificates  # noqa: E402
from client import Client  # noqa: E402
from ctl import program  # noqa: E402
from harness import Evhookd, RedisServer, until  # noqa: E402
from receivers import Answer, Receiver  # noqa: E402
from tokens import bearer, hmac_key  # noqa: E402

import hostile  # noqa: E402

LEASE = 6
INSTANCES = 3
PUBLISHERS = 6
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


class Publisher(threading.Thread):
    """Publishes one event after the other; each until it was accepted."""

    def __init__(self, tenant, world, number, stopping):
        super().__init__(daemon=True)
        self.tenant, self.world, self.number, self.stopping = tenant, world, number, stopping
        self.accepted, self.repeats, self.unexpected = [], 0, []

    def run(self):
        n = 0
        while not self.stopping.is_set():
            locator = self.publish(f"{self.number}-{n}")
            if locator:
                self.accepted.append(locator)
            n += 1
            time.sleep(0.002)

    def publish(self, key):
        turn = self.number
        while not self.stopping.is_set():
            instance = self.world.plain[turn % len(self.world.plain)]
            turn += 1
            client = Client(instance.host, instance.port, timeout=10, headers=self.world.good)
            try:
                with contextlib.closing(client):
                    answer = self.tenant.on(client).try_publish(
                        {"type": "a", "data": {"key": key}}, headers={"Idempotency-Key": key}
                    )
            except OSError:
                self.repeats += 1
                time.sleep(0.02)
                continue
            if answer.status == 201:
                return answer.json()["locator"]
            if answer.status != 503:
                self.unexpected.append(answer)
            self.repeats += 1
            time.sleep(0.02)
        return None


class Faults:
    """What can happen.  Each returns when it is over; times are kept for judging repeats."""

    def __init__(self, redis, instances, chance):
        self.redis, self.instances, self.chance = redis, instances, chance
        self.log = []

    def happen(self):
        kind = self.chance.choice(
            [
                self.kill_instance,
                self.kill_instance,
                self.restart_instance,
                self.kill_redis,
                self.stop_redis,
                self.pause_clients,
                self.kill_clients,
                self.flush_scripts,
            ]
        )
        begin = time.time()
        kind()
        self.log.append((kind.__name__, begin, time.time()))

    def kill_instance(self):
        victim = self.chance.choice(self.instances)
        victim.kill()
        time.sleep(self.chance.random())
        victim.start()

    def restart_instance(self):
        victim = self.chance.choice(self.instances)
        victim.stop()
        victim.start()

    def kill_redis(self):
        self.redis.kill()
        time.sleep(self.chance.random() * 2)
        self.redis.start()

    def stop_redis(self):
        self.redis.pause()
        time.sleep(self.chance.random() * 3)
        self.redis.resume()

    def pause_clients(self):
        self.redis.client.execute_command("CLIENT", "PAUSE", self.chance.randrange(2000))

    def kill_clients(self):
        self.redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.redis.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    def flush_scripts(self):
        self.redis.client.script_flush()


def script(chance, n):
    """What a receiver does: mostly well, now and then badly.  It always answers: a connection that
    was used before and ends without an answer is no failure yet, the POST goes out once more."""
    return [
        chance.choice([Answer()] * 20 + [Answer(500), Answer(503), Answer(500, close=True)])
        for _ in range(n)
    ]


def make_webhooks(tenant, chance, stack):
    """Three of them, and their receivers."""
    sinks, webhooks = [], []
    for _ in range(3):
        sink = stack.enter_context(contextlib.closing(Receiver(*script(chance, 100_000))))
        retry = {"attempts": 10, "interval": 1, "type": "linear"}
        handling = {"retryStrategy": retry, "divert": True}
        webhooks.append((tenant, tenant.create(sink.url(), failureHandling=handling)))
        sinks.append(sink)
    return webhooks, sinks


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


class Publisher(threading.Thread):
    """Publishes one event after the other; each until it was accepted."""

    def __init__(self, tenant, world, number, stopping):
        super().__init__(daemon=True)
        self.tenant, self.world, self.number, self.stopping = tenant, world, number, stopping
        self.accepted, self.repeats, self.unexpected = [], 0, []

    def run(self):
        n = 0
        while not self.stopping.is_set():
            locator = self.publish(f"{self.number}-{n}")
            if locator:
                self.accepted.append(locator)
            n += 1
            time.sleep(0.002)

    def publish(self, key):
        turn = self.number
        while not self.stopping.is_set():
            instance = self.world.plain[turn % len(self.world.plain)]
            turn += 1
            client = Client(instance.host, instance.port, timeout=10, headers=self.world.good)
            try:
                with contextlib.closing(client):
                    answer = self.tenant.on(client).try_publish(
                        {"type": "a", "data": {"key": key}}, headers={"Idempotency-Key": key}
                    )
            except OSError:
                self.repeats += 1
                time.sleep(0.02)
                continue
            if answer.status == 201:
                return answer.json()["locator"]
            if answer.status != 503:
                self.unexpected.append(answer)
            self.repeats += 1
            time.sleep(0.02)
        return None


class Faults:
    """What can happen.  Each returns when it is over; times are kept for judging repeats."""

    def __init__(self, redis, instances, chance):
        self.redis, self.instances, self.chance = redis, instances, chance
        self.log = []

    def happen(self):
        kind = self.chance.choice(
            [
                self.kill_instance,
                self.kill_instance,
                self.restart_instance,
                self.kill_redis,
                self.stop_redis,
                self.pause_clients,
                self.kill_clients,
                self.flush_scripts,
            ]
        )
        begin = time.time()
        kind()
        self.log.append((kind.__name__, begin, time.time()))

    def kill_instance(self):
        victim = self.chance.choice(self.instances)
        victim.kill()
        time.sleep(self.chance.random())
        victim.start()

    def restart_instance(self):
        victim = self.chance.choice(self.instances)
        victim.stop()
        victim.start()

    def kill_redis(self):
        self.redis.kill()
        time.sleep(self.chance.random() * 2)
        self.redis.start()

    def stop_redis(self):
        self.redis.pause()
        time.sleep(self.chance.random() * 3)
        self.redis.resume()

    def pause_clients(self):
        self.redis.client.execute_command("CLIENT", "PAUSE", self.chance.randrange(2000))

    def kill_clients(self):
        self.redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.redis.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    def flush_scripts(self):
        self.redis.client.script_flush()


def script(chance, n):
    """What a receiver does: mostly well, now and then badly.  It always answers: a connection that
    was used before and ends without an answer is no failure yet, the POST goes out once more."""
    return [
        chance.choice([Answer()] * 20 + [Answer(500), Answer(503), Answer(500, close=True)])
        for _ in range(n)
    ]


def webhooks(tenant, chance, stack):
    sinks = []
    for _ in range(3):
        sink = stack.enter_context(contextlib.closing(Receiver(*script(chance, 100_000))))
        retry = {"attempts": 10, "interval": 1, "type": "linear"}
        tenant.create(sink.url(), failureHandling={"retryStrategy": retry, "divert": True})
        sinks.append(sink)
    return sinks


def judge(faults, accepted, sinks):
    """Prints the count; returns whether it is good."""
    lost = repeated = strange = 0
    wanted = set(accepted)
    for sink in sinks:
        times = collections.defaultdict(list)
        for request in sink.all():
            times[request.header("webhook-id")].append(
                (request.time, int(request.header("webhook-attempt")))
            )
        lost += len(wanted - set(times))
        for came in times.values():
            attempts = collections.Counter(attempt for _, attempt in came)
            for attempt, n in attempts.items():
                if n == 1:
                    continue
                repeated += n - 1
                first = min(at for at, number in came if number == attempt)
                if not any(begin - LEASE <= first <= end + LEASE for _, begin, end in faults.log):
                    strange += 1
    kinds = collections.Counter(kind for kind, _, _ in faults.log)
    print("faults: " + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())))
    print(
        f"accepted {len(accepted)}, to deliver {len(accepted) * len(sinks)}, lost {lost}, "
        f"duplicated {repeated}, of these not near a fault {strange}"
    )
    return lost == 0 and strange == 0


def random_faults(world, stack, seconds, chance):
    tenant = world.tenant()
    webhooks, sinks = make_webhooks(tenant, chance, stack)
    stopping = threading.Event()
    publishers = [Publisher(tenant, world, n, stopping) for n in range(PUBLISHERS)]
    for publisher in publishers:
        publisher.start()
    bad = Hostile(world, stack)
    faults = Faults(world.redis, world.instances, chance)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5 + chance.random() * 2)
        faults.happen()
    stopping.set()
    for publisher in publishers:
        publisher.join()
    for instance in world.instances:
        instance.wait_ready()
    world.until_delivered(webhooks)
    accepted = [locator for publisher in publishers for locator in publisher.accepted]
    unexpected = [answer for publisher in publishers for answer in publisher.unexpected]
    good = judge(faults, accepted, sinks)
    print(f"answers other than 201 and 503: {len(unexpected)}", *unexpected[:3])
    return bad.judge(undisturbed=False) and good and not unexpected


class Steady:
    """A good tenant: publishes at a steady rate, whatever comes back, for a webhook of its own.

    Among hostile ones the p99 may be the larger of ten times what it is alone, and 500 ms more.
    The isolation bench asks for twice and 5 ms more, on cores that nobody shares; here two cores may
    be all for servers, clients and endpoints of both kinds.  What the limits are for took seconds."""

    TENANTS = 4
    CONNECTIONS = 5  # each waits for its answers
    RATE = 25
    TIMES, MORE = 10, 0.5

    def __init__(self, world, stack, number, stopping):
        self.stopping, self.due, self.accepted, self.refused = stopping, {}, {}, []
        self.instance = world.plain[number % len(world.plain)]
        self.good, self.tenant = world.good, world.tenant()
        self.sink = stack.enter_context(contextlib.closing(Receiver()))
        self.webhook = (self.tenant, self.tenant.create(self.sink.url()))
        self.threads = [
            threading.Thread(target=self.publish, args=(n,), daemon=True)
            for n in range(self.CONNECTIONS)
        ]

    def publish(self, n):
        client = Client(self.instance.host, self.instance.port, timeout=20, headers=self.good)
        due, tenant = time.time() + n / self.RATE, self.tenant.on(client)
        while not self.stopping.is_set():
            due += self.CONNECTIONS / self.RATE
            time.sleep(max(0, due - time.time()))
            try:
                answer = tenant.try_publish({"type": "a", "data": {}})
                if answer.status == 201:
                    locator = answer.json()["locator"]
                    self.due[locator], self.accepted[locator] = due, time.time()
                else:
                    self.refused.append(answer)
            except OSError as error:
                self.refused.append(error)

    def latencies(self, begin, end):
        """Of what was to be published in that time: until it was accepted, and until it came."""
        came = {request.header("webhook-id"): request.time for request in self.sink.all()}
        these = [k for k, due in self.due.items() if k in came and begin <= due < end]
        return [(self.accepted[k] - self.due[k], came[k] - self.due[k]) for k in these]


def p99(tenants, begin, end, what):
    """Prints the p99 in ms of what was to be published in that time, and returns it."""
    both = [pair for tenant in tenants for pair in tenant.latencies(begin, end)]
    accepted, came = (sorted(column)[len(both) * 99 // 100] * 1000 for column in zip(*both))
    print(f"{what}: p99 {came:.1f} ms, {accepted:.1f} ms until accepted, of {len(both)}")
    return came


def neighbours(world, stack, seconds, _chance):
    stopping = threading.Event()
    tenants = [Steady(world, stack, n, stopping) for n in range(Steady.TENANTS)]
    threads = [thread for tenant in tenants for thread in tenant.threads]
    for thread in threads:
        thread.start()
    begin = time.time()
    time.sleep(seconds / 3)
    among = time.time()
    bad = Hostile(world, stack)
    time.sleep(seconds * 2 / 3)
    end = time.time()
    stopping.set()
    for thread in threads:
        thread.join()
    world.until_delivered([tenant.webhook for tenant in tenants])
    lost = sum(len(set(tenant.due) - set(tenant.sink.ids())) for tenant in tenants)
    repeated = sum(len(t.sink.ids()) - len(set(t.sink.ids())) for t in tenants)
    refused = [answer for tenant in tenants for answer in tenant.refused]
    accepted = sum(len(tenant.due) for tenant in tenants)
    print(f"accepted {accepted}, lost {lost}, duplicated {repeated}, refused {len(refused)}", *refused[:3])
    alone = p99(tenants, begin, among, "alone")
    bound = max(Steady.TIMES * alone, alone + 1000 * Steady.MORE)
    beside = p99(tenants, among, end, "among hostile ones")
    print(f"which may be {bound:.1f} ms")
    good = bad.judge(undisturbed=True)
    return good and beside <= bound and not (lost or repeated or refused)


def main():
    numbers = [argument for argument in sys.argv[1:] if argument != "--hostile"]
    option = "--hostile " if "--hostile" in sys.argv[1:] else ""
    seconds = float(numbers[0]) if numbers else 60
    seed = int(numbers[1]) if len(numbers) > 1 else random.SystemRandom().randrange(10**9)
    os.environ.setdefault("EVHOOKD", str(TOP / "build" / "evhookd"))
    print(f"seed {seed}: repeat with ./dev soak {option}{seconds:g} {seed}", flush=True)
    with contextlib.ExitStack() as stack:
        what, sync = (neighbours, "everysec") if option else (random_faults, "always")
        world = World(stack, sync)
        good = what(world, stack, seconds, random.Random(seed))
        good = world.end() and good
    print("good" if good else f"NOT good: seed {seed}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
