"""./dev soak --hostile: good tenants publish at a steady rate, alone and then among hostile ones.

Nothing is killed, and Redis syncs each second.  None of the good requests may be refused, nothing
lost or repeated, and the p99 from when an event was to be published to when it came has a bound.
"""

import contextlib
import threading
import time

from world import Hostile

from client import Client
from receivers import Receiver


class Steady:
    """A good tenant: publishes at a steady rate, whatever comes back, for a webhook of its own.

    Among hostile ones the p99 may be the larger of ten times what it is alone, and a second more.
    The isolation bench asks for twice and 5 ms more, on cores that nobody shares.  Here two cores
    are for servers, clients and endpoints of both kinds, and with as much again beside them it was
    0.6 s, from 0.07 s.  What limits are for took several: lists without turns of tenants, 4 to 7 s.
    """

    TENANTS = 4
    CONNECTIONS = 5  # each waits for its answers
    RATE = 25
    TIMES, MORE = 10, 1

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
    print(f"accepted {accepted}, lost {lost}, duplicated {repeated}, refused {len(refused)}")
    print(*refused[:3], sep="\n", end="\n" * bool(refused))
    alone = p99(tenants, begin, among, "alone")
    bound = max(Steady.TIMES * alone, alone + 1000 * Steady.MORE)
    beside = p99(tenants, among, end, "among hostile ones")
    print(f"which may be {bound:.1f} ms")
    good = bad.judge(undisturbed=True)
    return good and beside <= bound and not (lost or repeated or refused)
