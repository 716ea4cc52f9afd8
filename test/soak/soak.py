#!/usr/bin/env python3
"""./dev soak [--hostile] SECONDS [SEED]: faults and hostile parties under load; then a count.

Three instances share one Redis; the last one speaks TLS, so that publishers use the other two.
Beside the good tenants there are hostile ones, see hostile.py; for --hostile see neighbours.py.

Without it, Redis syncs each write, and publishers go on all the time, each request with an
Idempotency-Key, repeated until it is answered; every few seconds something is killed, stopped or
cut off.  At the end all must have been delivered: what was accepted and not delivered is lost, and
the soak fails.  An attempt that came twice must have been in flight around a fault: less than a
lease before it, or while instances were still finding Redis again.

Last, evhookctl fsck looks at what is left in Redis.
"""

import collections
import contextlib
import os
import random
import sys
import threading
import time

from world import LEASE, TOP, Hostile, World  # puts test/it into the path

from client import Client
from neighbours import neighbours
from receivers import Answer, Receiver

PUBLISHERS = 6


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
