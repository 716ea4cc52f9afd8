"""Receivers of deliveries: threaded HTTP and HTTPS servers with scripted behaviour, and a DNS server.

A Receiver records every request (header list in order and case, raw body, connection, time) before
it behaves: by the next item of its script, else by its default.
"""

import collections
import contextlib
import dataclasses
import json
import socket
import ssl
import struct
import threading
import time

from client import DEADLINE


@dataclasses.dataclass
class Request:
    """A delivery as it came in."""

    number: int  # of all requests of this receiver, from 0
    connection: int  # which connection of this receiver, from 0
    peer: tuple
    time: float  # wall clock, when the last byte was there
    method: str
    target: str
    version: str
    headers: list  # (name, value) in order and case
    body: bytes

    def values(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def header(self, name):
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


@dataclasses.dataclass
class Answer:
    """A complete answer, perhaps only after an event was set."""

    status: int = 200
    headers: tuple = ()
    body: bytes = b""
    after: threading.Event = None
    close: bool = False

    def behave(self, connection):
        if self.after and not connection.receiver.hold(self.after):
            return False
        head = f"HTTP/1.1 {self.status} Whatever\r\n"
        for name, value in self.headers:
            head += f"{name}: {value}\r\n"
        if self.status >= 200 and self.status != 204:
            head += f"Content-Length: {len(self.body)}\r\n"
        if self.close:
            head += "Connection: close\r\n"
        connection.socket.sendall(head.encode() + b"\r\n" + self.body)
        return not self.close


@dataclasses.dataclass
class Bytes:
    """Sends these bytes and, unless told otherwise, closes: half an answer, or nonsense."""

    data: bytes = b""
    after: threading.Event = None
    hold: threading.Event = None  # stay silent until then instead of closing at once

    def behave(self, connection):
        if self.after and not connection.receiver.hold(self.after):
            return False
        connection.socket.sendall(self.data)
        if self.hold:
            connection.receiver.hold(self.hold)
        return False


@dataclasses.dataclass
class Late:
    """A head, and its body only after an event was set."""

    status: int
    body: bytes
    after: threading.Event

    def behave(self, connection):
        head = f"HTTP/1.1 {self.status} Whatever\r\nContent-Length: {len(self.body)}\r\n\r\n"
        connection.socket.sendall(head.encode())
        if not connection.receiver.hold(self.after):
            return False
        connection.socket.sendall(self.body)
        return True


class Close(Bytes):
    """Closes without a byte of an answer."""


@dataclasses.dataclass
class Endless:
    """A good head and a body that never ends; done is set when the peer has had enough."""

    done: threading.Event

    def behave(self, connection):
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        try:
            while not connection.receiver.stopping.is_set():
                connection.socket.sendall(b"x" * 65536)
        finally:
            self.done.set()
        return False


class Reset:
    """Answers with a TCP reset."""

    LINGER = struct.pack("ii", 1, 0)

    def behave(self, connection):
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, self.LINGER)
        return False


class _Connection(threading.Thread):
    def __init__(self, receiver, sock, peer, number):
        super().__init__(daemon=True)
        self.receiver, self.socket, self.peer, self.number = receiver, sock, peer, number

    def run(self):
        try:
            self.socket.settimeout(60)
            if self.receiver.tls:
                self.socket = self.receiver.tls.wrap_socket(self.socket, server_side=True)
            while self._serve_one():
                pass
        except ssl.SSLError as error:
            self.receiver.tls_failed(error)
        except OSError:
            pass  # the peer went away: what it sent before is recorded
        finally:
            self.socket.close()

    def _serve_one(self):
        request = self._read()
        if request is None:
            return False
        behaviour = self.receiver.record(request)
        try:
            return behaviour.behave(self)
        finally:
            self.receiver.answered()

    def _more(self, data):
        more = self.socket.recv(65536)
        return data + more if more else None

    def _read(self):
        data = getattr(self, "rest", b"")
        while b"\r\n\r\n" not in data:
            data = self._more(data)
            if data is None:
                return None
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ")
        headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.append((name, value.strip(" \t")))
        length = int(dict((k.lower(), v) for k, v in headers).get("content-length", 0))
        while len(body) < length:
            body = self._more(body)
            if body is None:
                return None
        self.rest = body[length:]
        return Request(
            -1, self.number, self.peer, time.time(), method, target, version, headers, body[:length]
        )


class Receiver:
    """An HTTP (with tls: HTTPS) server on a port of its own."""

    def __init__(self, *script, default=None, tls=None, host="127.0.0.1"):
        self.script = collections.deque(script)
        self.default = default or Answer()
        self.tls, self.host = tls, host
        self.requests, self.connections, self.tls_errors = [], 0, []
        self.server_names = []  # what SNI said
        self.busy = self.most_busy = 0
        self.changed = threading.Condition()
        self.stopping = threading.Event()
        if tls:
            tls.sni_callback = self._on_server_name
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind((host, 0))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path="/", name=None):
        """The URL of a path; name stands in for the address."""
        host = name or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def _accept(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            with self.changed:
                number, self.connections = self.connections, self.connections + 1
                self.open = [c for c in self.open if c.is_alive()]
                connection = _Connection(self, sock, peer, number)
                self.open.append(connection)
                self.changed.notify_all()
            connection.start()

    def _on_server_name(self, _socket, name, _context):
        self.server_names.append(name)

    # --- called by the connections

    def record(self, request):
        with self.changed:
            request.number = len(self.requests)
            self.requests.append(request)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            self.changed.notify_all()
            return self.script.popleft() if self.script else self.default

    def answered(self):
        with self.changed:
            self.busy -= 1
            self.changed.notify_all()

    def tls_failed(self, error):
        with self.changed:
            self.tls_errors.append(error)
            self.changed.notify_all()

    def hold(self, event):
        """Waits for the event; False when the receiver stops before."""
        while not event.wait(0.05):
            if self.stopping.is_set():
                return False
        return True

    # --- called by the tests

    def wait(self, condition, what, timeout=None):
        """Waits until condition(requests) is true, and returns its value."""
        end = time.monotonic() + (timeout or DEADLINE)
        with self.changed:
            while True:
                value = condition(self.requests)
                if value:
                    return value
                left = end - time.monotonic()
                if left <= 0:
                    got = [(r.target, r.header("webhook-event-type")) for r in self.requests[-20:]]
                    raise AssertionError(f"not in time: {what}; {len(self.requests)} came: {got}")
                self.changed.wait(left)

    def wait_for(self, n, timeout=None):
        """Waits until n requests have come, and returns all that have."""
        self.wait(lambda requests: len(requests) >= n, f"{n} requests", timeout)
        return self.all()

    def wait_for_events(self, locators, timeout=None):
        """Waits until each of these events has come at least once."""
        wanted = set(locators)
        self.wait(
            lambda requests: wanted <= {r.header("webhook-id") for r in requests},
            f"all of {len(wanted)} events",
            timeout,
        )
        return self.all()

    def all(self):
        with self.changed:
            return list(self.requests)

    def ids(self):
        """The webhook-id of each request, in order of arrival."""
        return [r.header("webhook-id") for r in self.all()]

    def close(self):
        self.stopping.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.changed:
            connections = list(self.open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class NameServer:
    """A DNS server on UDP: names to addresses, everything else does not exist."""

    def __init__(self, names):
        self.names = {name.lower(): addresses for name, addresses in names.items()}
        self.queries = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.stopping = False
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self):
        return "127.0.0.1:%d" % self.socket.getsockname()[1]

    def _serve(self):
        while not self.stopping:
            try:
                data, peer = self.socket.recvfrom(4096)
                if not self.stopping:
                    self.socket.sendto(self._answer(data), peer)
            except (OSError, IndexError, struct.error):
                continue

    def _answer(self, data):
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
            at += 1 + data[at]
        kind = struct.unpack("!H", data[at + 1 : at + 3])[0]
        question = data[12 : at + 5]
        name = ".".join(labels).lower()
        self.queries.append((name, kind))
        known = self.names.get(name)
        records = b""
        count = 0
        for address in known or ():
            v6 = ":" in address
            if kind == (28 if v6 else 1):
                packed = socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, address)
                records += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(packed)) + packed
                count += 1
        flags = 0x8180 if known is not None else 0x8183  # NXDOMAIN
        header = data[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0)
        return header + question + records

    def close(self):
        self.stopping = True
        with contextlib.suppress(OSError):
            self.socket.sendto(b"", self.socket.getsockname())
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
