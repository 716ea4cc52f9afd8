#!/usr/bin/env python3
"""The hostile ones of ./dev soak: tenants, clients and endpoints that take all they can get.

This is a process of its own, so that the good ones share no interpreter with it, and it connects
from addresses of its own.  Its argument is JSON: "plain" and "tls" (addresses of instances),
"token" (for the tenants of "tenants") and "powerless" (a token that grants nothing).  It goes on
until its input ends; then it prints, as JSON, for each party how often what came and what should
have come.  Each party does what once cost others much, as often as it says.
"""

import collections
import contextlib
import itertools
import json
import os
import pathlib
import selectors
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "it"))

from api import Tenant  # noqa: E402
from client import Client, head  # noqa: E402
from receivers import Reset  # noqa: E402
from tokens import bearer  # noqa: E402

SOURCE = "127.0.0.2"
HOLDER = "127.0.0.3"  # of those who hold connections: or they keep out the other hostile ones only
BODY = 1024 * 1024 - 400  # --max-body, less what stands around
REFUSED = "http://127.0.0.1:9/"


class Endpoints(threading.Thread):
    """All endpoints in one thread, a listener for each way to behave.  They behave as soon as the
    head of a request has come, whatever of its body is still under way."""

    ANSWERS = {
        "ok": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "500": b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        "429": b"HTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
        "long head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000,
        "long body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n",
        "drip": b"HTTP/1.1 200 OK\r\nX: ",
    }
    KINDS = (*ANSWERS, "tarpit", "reset")

    def __init__(self):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.urls, self.drips, self.requests = {}, [], collections.Counter()
        for kind in self.KINDS:
            listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
            listener.setblocking(False)
            self.urls[kind] = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            self.selector.register(listener, selectors.EVENT_READ, (kind, self.accept))
        self.start()

    def run(self):
        dripped = time.monotonic()
        while True:
            for key, _ in self.selector.select(0.2):
                kind, act = key.data
                try:
                    act(key.fileobj, kind)
                except BlockingIOError:
                    pass
                except OSError:
                    self.drop(key.fileobj)
            if time.monotonic() > dripped + 0.2:
                dripped = time.monotonic()
                self.drip()

    def accept(self, listener, kind):
        connection = listener.accept()[0]
        connection.setblocking(False)
        self.selector.register(connection, selectors.EVENT_READ, (kind, self.read))

    def read(self, connection, kind):
        data = connection.recv(65536)
        if not data:
            raise ConnectionResetError
        if not data.startswith(b"POST "):
            return
        self.requests[kind] += 1
        if kind == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, Reset.LINGER)
            raise ConnectionResetError
        if kind in self.ANSWERS:
            connection.send(self.ANSWERS[kind])
        if kind == "drip":
            self.drips.append(connection)
        if kind == "long body":
            self.selector.modify(connection, selectors.EVENT_WRITE, (kind, self.more))

    def more(self, connection, _kind):
        connection.send(b"x" * 65536)

    def drip(self):
        for connection in self.drips[:]:
            try:
                connection.send(b"x")
            except BlockingIOError:
                pass
            except OSError:
                self.drips.remove(connection)

    def drop(self, connection):
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(connection)
        connection.close()


class Party(threading.Thread):
    """Does act() again and again, with a pause, at one instance after the other as they break."""

    pause = 0.5  # s
    most = None  # times, where each leaves something behind
    wants = ()  # statuses, each of which comes when nothing else disturbs

    def __init__(self, world, tenant):
        super().__init__(daemon=True)
        self.world, self.seen, self.webhooks = world, collections.Counter(), []
        self.tenant_locator, self.turn = tenant, itertools.count(PARTIES.index(type(self)))
        self.urls = world.endpoints.urls
        self.connect()

    def connect(self):
        self.address = self.world.plain[next(self.turn) % len(self.world.plain)]
        self.client = Client(
            *self.address, headers=bearer(self.world.token), source=SOURCE, timeout=40
        )
        self.tenant = Tenant(self.client, self.tenant_locator)

    def run(self):
        times = 0
        while not self.world.stopping.is_set() and times != self.most:
            try:
                self.act()
                times += 1
            except OSError:
                self.seen["broken"] += 1
                self.client.close()
                self.connect()
            self.world.stopping.wait(self.pause)

    def note(self, answer):
        self.seen[answer.status] += 1
        if answer.status >= 500 and self.seen[answer.status] == 1:
            print(f"  {type(self).__name__}: {answer}", file=sys.stderr)
        return answer

    def create(self, bodies):
        """Creates the webhooks that are not there yet; goes on where it was broken off."""
        while len(self.webhooks) < len(bodies) and not self.world.stopping.is_set():
            answer = self.note(self.tenant.try_create(bodies[len(self.webhooks)]))
            if answer.status == 200:
                self.webhooks.append(answer.json()["locator"])
            elif answer.status == 409:
                break  # answers were lost, and there are as many as there may be
            else:
                time.sleep(0.1)

    def publish(self, body):
        return self.note(self.tenant.try_publish(body))

    def socket(self, source=SOURCE):
        made = socket.create_connection(self.address, 5, source_address=(source, 0))
        self.seen["connected"] += 1
        return made

    def authorized(self, method, path, *headers):
        return head(method, path, f"Authorization: Bearer {self.world.token}", *headers).encode()


# --- tenants


class Wide(Party):
    """A thousand types against 200 webhooks of 16 patterns each; and one, which is let in."""

    wants = (201, 413)
    most = 200

    def act(self):
        patterns = [".".join(["a"] * n) + ".*" for n in range(1, 16)] + ["*"]
        self.create([self.tenant.body(self.urls["tarpit"], eventTypes=patterns)] * 200)
        types = ["a." * 15 + str(n) for n in range(1000)]
        self.publish([{"type": type, "data": {}} for type in types])
        self.publish([{"type": types[0], "data": {}}])


class Large(Party):
    """Events of 1 MiB for 50 suspended webhooks that divert them, resent again and again."""

    wants = (201, 429)
    pause = 0.1

    def act(self):
        handling = {"divert": True, "suspend": True}
        self.create([self.tenant.body(REFUSED, failureHandling=handling)] * 50)
        self.publish({"type": "a", "data": {"a": "x" * (BODY - 100)}})
        self.note(self.tenant.try_resend_all(self.webhooks[next(self.turn) % 50]))


class Tarpits(Party):
    """Fifty webhooks that get much and never answer."""

    wants = (201,)
    most = 60

    def act(self):
        self.create([self.tenant.body(self.urls["tarpit"])] * 50)
        self.publish([{"type": "a", "data": {"a": "x" * 5000}}] * 20)


class Broken(Party):
    """Endpoints that fail at once, send what never ends, or take long over each byte."""

    wants = (201,)

    def act(self):
        retry = {"retryStrategy": {"attempts": 3, "interval": 1, "type": "linear"}}
        kinds = [k for k in Endpoints.KINDS if k != "tarpit"] * 2
        self.create([self.tenant.body(self.urls[k], failureHandling=retry) for k in kinds])
        self.publish([{"type": "a", "data": {}}] * 10)


class Victim(Party):
    """A thousand webhooks that lead to one host."""

    wants = (201,)
    pause = 3

    def act(self):
        self.create([self.tenant.body(self.urls["ok"])] * 1000)
        self.publish({"type": "a", "data": {}})


class Tests(Party):
    """Test events for endpoints that do not answer."""

    wants = (429,)
    pause = 0.02

    def act(self):
        self.create([self.tenant.body(self.urls["tarpit"], eventTypes=["b"])] * 4)
        self.note(self.tenant.try_test(self.webhooks[next(self.turn) % 4]))


class Churn(Party):
    """Webhooks that come and go with what is owed to them."""

    wants = (200, 201, 204)
    pause = 0.1

    def act(self):
        for webhook in self.webhooks[:]:
            self.note(self.tenant.try_delete(webhook))
            self.webhooks.remove(webhook)
        self.create([self.tenant.body(self.urls["tarpit"])] * 2)
        self.publish([{"type": "a", "data": {}}] * 50)


# --- clients


class Types(Party):
    """What takes long to read."""

    wants = (400, 414)
    pause = 0.1

    def act(self):
        for size in (7500, 20000):
            path = f"{self.tenant.webhooks_path}/list?eventTypes=" + ",".join(["a"] * size)
            self.note(self.client.get(path))
        numbers = ",".join(['"a"'] * (BODY // 4))
        events = f'[{{"type":"a","data":[{numbers}]}}]'
        shapes = ("[" * BODY, f'{{"eventTypes":[{numbers}]}}', events)
        shape = shapes[next(self.turn) % 3]
        self.note(self.tenant.try_create(shape))
        self.note(self.tenant.try_publish(shape))


class Flood(Party):
    """No token, a bad one, and one that grants nothing; each with a body."""

    wants = (401, 403)
    pause = 0.01

    def act(self):
        tokens = (None, "x.y.z", self.world.token[:-8] + "AAAAAAAA", self.world.powerless)
        token = tokens[next(self.turn) % len(tokens)]
        self.client.headers = bearer(token) if token else {}
        self.note(self.client.post(self.tenant.webhooks_path, b"x" * 2000))


class Idle(Party):
    """Connections that are held: silent, in a head, in a body."""

    pause = 0.2

    def act(self):
        self.held = [held for held in getattr(self, "held", []) if self.still(held)]
        body = self.authorized("POST", self.tenant.events_path, f"Content-Length: {BODY}")
        begins = (b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n", body + b"[" + b" " * 50000)
        for _ in range(min(20, 150 - len(self.held))):
            held = self.socket(HOLDER)
            held.sendall(begins[next(self.turn) % 3])
            held.setblocking(False)
            self.held.append(held)

    def still(self, held):
        try:
            if held.recv(65536):
                return True
        except BlockingIOError:
            return True
        except OSError:
            pass
        self.seen["closed"] += 1
        held.close()
        return False


class SlowReaders(Party):
    """Long lists, asked for on many connections and taken a byte at a time."""

    wants = (200,)
    pause = 0.1

    def act(self):
        headers = {f"X-{i}": ["y" * 1500] for i in range(5)}
        self.create([self.tenant.body(REFUSED, endpoint_headers=headers)] * 100)
        self.held = getattr(self, "held", [])
        if len(self.held) < 40:
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.bind((SOURCE, 0))
            slow.settimeout(5)
            slow.connect(self.address)
            ask = self.authorized("GET", f"{self.tenant.webhooks_path}/list?count=1000")
            slow.sendall(ask * 5)
            slow.setblocking(False)
            self.held.append(slow)
            self.seen["connected"] += 1
        for slow in self.held[:]:
            with contextlib.suppress(BlockingIOError):
                try:
                    if slow.recv(1):
                        continue
                except ConnectionResetError:
                    pass
                self.seen["closed"] += 1
                self.held.remove(slow)
                slow.close()


class Hellos(Party):
    """TLS handshakes that want the most costly group, and some that stop in the middle."""

    pause = 0.02

    def connect(self):
        super().connect()
        self.address = self.world.tls

    def act(self):
        with contextlib.closing(self.socket()) as made:
            hello = self.hello()
            made.sendall(hello)
            self.seen["answered" if made.recv(65536) else "closed"] += 1

    @staticmethod
    def hello():
        """A ClientHello of TLS 1.3 with a share of ffdhe8192, and X25519 and P-384 to ask for."""

        def sized(form, data):
            return struct.pack(form, len(data)) + data

        def extension(number, data):
            return struct.pack("!H", number) + sized("!H", data)

        groups = b"\x01\x04\x00\x1d\x00\x18"
        share = b"\x01\x04" + sized("!H", b"\x42" + os.urandom(1023))
        extensions = (
            extension(43, b"\x02\x03\x04")
            + extension(10, sized("!H", groups))
            + extension(13, sized("!H", b"\x04\x03\x08\x04\x04\x01"))
            + extension(51, sized("!H", share))
        )
        body = b"\x03\x03" + os.urandom(32) + sized("B", os.urandom(32))
        body += sized("!H", b"\x13\x01\x13\x02") + b"\x01\x00" + sized("!H", extensions)
        handshake = b"\x01" + struct.pack("!I", len(body))[1:] + body
        return b"\x16\x03\x01" + sized("!H", handshake)


PARTIES = (
    Wide, Large, Tarpits, Broken, Victim, Tests, Churn, Types, Flood, Idle, SlowReaders, Hellos,
)  # fmt: skip


class World:
    def __init__(self, plain, tls, token, powerless, tenants):
        self.plain, self.tls = [tuple(a) for a in plain], tuple(tls)
        self.token, self.powerless = token, powerless
        self.stopping = threading.Event()
        self.endpoints = Endpoints()
        self.parties = [kind(self, tenant) for kind, tenant in zip(PARTIES, tenants, strict=True)]


def main():
    os.nice(10)  # what these need themselves is others' machines in the world
    world = World(**json.loads(sys.argv[1]))
    for party in world.parties:
        party.start()
    sys.stdin.read()
    world.stopping.set()
    for party in world.parties:
        party.join(60)
    seen = {type(party).__name__: [party.seen, party.wants] for party in world.parties}
    asked = {f"to {kind}": n for kind, n in world.endpoints.requests.items()}
    print(json.dumps({**seen, "Endpoints": [asked, ()]}))


if __name__ == "__main__":
    main()
