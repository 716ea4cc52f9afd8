"""Flood: how long one tenant's publish requests take alone, and beside another one that sends wide
requests on 32 connections."""

import contextlib
import http.client
import json
import time

import lab
import load
import targets
from isolation import Tarpit
from parts import Variant
from targets import TENANT, tenant_of, webhook_body

CONNECTIONS = 32
WEBHOOKS = 100  # each event of the flood is for all of them
EVENTS = 10  # in a request of the flood
PAUSE = 0.01  # between two requests of the other tenant


class Flood(Variant):
    def __init__(self):
        super().__init__("wide requests", self.measure)

    def measure(self, where, seconds):
        where.start_redis()
        target = targets.Evhookd(where)
        alone = self.publish(target, seconds)
        with contextlib.closing(Tarpit()) as tarpit:
            targets.make_webhooks(target, [
                (tenant_of(1), webhook_body(tarpit.url, ["wide"])) for _ in range(WEBHOOKS)])
            body = json.dumps([{"type": "wide", "data": {}}] * EVENTS)
            paths = [target.path(tenant_of(1))]
            process = where.start(load.wrk_command(
                where, target, seconds + 4, CONNECTIONS, body, paths), log="wrk.log")
            time.sleep(2)  # until it is in full swing
            among = self.publish(target, seconds)
            where.stop(process)
        allowed = max(2 * alone["p99_ms"], alone["p99_ms"] + 5)
        return {**{f"alone_{name}": value for name, value in alone.items()},
                **{f"among_{name}": value for name, value in among.items()},
                "p99_of_allowed": among["p99_ms"] / allowed}

    def publish(self, target, seconds):
        """One request after the other; their times in milliseconds."""
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
        times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.monotonic()
            connection.request("POST", target.path(TENANT), '{"type":"small","data":{}}',
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 201:
                raise lab.Trouble(f"{self.name}: {answer.status}")
            times.append((time.monotonic() - begin) * 1000)
            time.sleep(PAUSE)
        connection.close()
        times.sort()
        return {"p50_ms": times[len(times) // 2], "p99_ms": times[len(times) * 99 // 100],
                "max_ms": times[-1]}


PARTS = {
    "flood": (
        f"publishing beside {CONNECTIONS} connections that send {EVENTS} events for {WEBHOOKS} "
        "webhooks each", lambda: [Flood()], []),
}
