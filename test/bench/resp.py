"""A small client for Redis, enough to fill it and to ask it."""

import contextlib
import socket


def packed(*args):
    """One command as Redis reads it."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Redis:
    """One connection over a Unix socket."""

    def __init__(self, path, timeout=120):
        self.path, self.timeout = path, timeout
        self.socket = self.file = None

    def close(self):
        if self.socket:
            self.file.close()
            self.socket.close()
            self.socket = None

    def open(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(self.timeout)
        self.socket.connect(self.path)
        self.file = self.socket.makefile("rb")

    def answers(self):
        try:
            return self("PING") == "PONG"
        except (OSError, RuntimeError):
            self.close()
            return False

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        raise RuntimeError(f"Redis says {line!r}")

    def __call__(self, *args):
        if not self.socket:
            self.open()
        self.socket.sendall(packed(*args))
        return self.read()

    def pipeline(self, commands, batch=200):
        """Sends many, a batch at a time; the answers are looked at for errors only."""
        if not self.socket:
            self.open()
        waiting = []
        for command in commands:
            waiting.append(packed(*command))
            if len(waiting) == batch:
                self.flush(waiting)
        self.flush(waiting)

    def flush(self, waiting):
        self.socket.sendall(b"".join(waiting))
        for _ in waiting:
            self.read()
        waiting.clear()

    def info(self, section):
        found = {}
        for line in self("INFO", section).splitlines():
            name, colon, value = line.partition(":")
            if colon:
                found[name] = value
        return found

    def used_memory(self):
        return int(self.info("memory")["used_memory"])

    def calls(self):
        """How often each command was called, those in scripts too."""
        return {
            name.removeprefix("cmdstat_").split("|")[0]: int(value.split(",")[0].split("=")[1])
            for name, value in self.info("commandstats").items()
        }

    def monitor(self):
        """A connection that is sent every command from now on."""
        watch = Redis(self.path)
        watch("MONITOR")
        return watch

    def drain(self, limit=1 << 27):
        """What a monitor has been sent so far, as lines."""
        self.socket.settimeout(0.2)
        data = bytearray()
        with contextlib.suppress(OSError):
            while len(data) < limit:
                chunk = self.socket.recv(1 << 20)
                if not chunk:
                    break
                data += chunk
        return bytes(data).split(b"\r\n")
