"""What the integration tests drive: a real redis-server, the evhookd under test, small helpers.

Ports are never fixed: a PortLock holds a bound, not listening socket for as long as the port is
needed, so that parallel test runs cannot take each other's.  Every wait has a deadline.
"""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import redis

from api import Keys
from client import DEADLINE, Client

TOP = pathlib.Path(__file__).resolve().parents[2]
REDIS = "redis-server" if shutil.which("redis-server") else "valkey-server"
LOOPBACK = ("127.0.0.0/8", "::1/128")
TROUBLE = re.compile(
    rb"ERROR: AddressSanitizer|runtime error:|LeakSanitizer|Assertion"
    rb"|==\d+==\s+(Invalid|Conditional jump|Use of uninit|Syscall param|Process terminating"
    rb"|.*definitely lost(:\s+[1-9]| in loss record))"
)


def binary():
    """The command that starts evhookd; $EVHOOKD may put valgrind in front of it."""
    command = shlex.split(os.environ.get("EVHOOKD", "")) or [str(TOP / "build" / "evhookd")]
    if not shutil.which(command[-1]):
        raise FileNotFoundError(f"no evhookd at {command[-1]}: build it or set EVHOOKD")
    command[-1] = os.path.abspath(shutil.which(command[-1]))
    return command


def until(condition, what, timeout=None):
    """Polls until condition() is true and returns its value; fails the test at the deadline.
    what may be a function, called only then."""
    end = time.monotonic() + (timeout or DEADLINE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            what = what() if callable(what) else what
            raise AssertionError(f"not within {timeout or DEADLINE:g} s: {what}")
        time.sleep(0.01)


def until_empty(redis, tenant, webhook):
    """Waits until nothing is owed to a webhook any more."""
    queue = Keys(tenant).queue(webhook["locator"])
    until(lambda: redis.zcard(queue) == 0, f"{queue} is empty")


class PortLock:
    """A free TCP port of an address, kept from others; a child with SO_REUSEPORT (evhookd) or
    SO_REUSEADDR (redis-server) may listen on it all the same."""

    def __init__(self, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind((host, 0))
        self.host = host
        self.port = self.socket.getsockname()[1]

    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def close(self):
        self.socket.close()


class RedisServer:
    """A redis-server, or valkey-server, of its own, in a directory of its own, on a Unix socket and a TCP port."""

    def __init__(self, start=True, env=None, **options):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="evhook-redis-"))
        # SO_REUSEPORT on the holder does not matter to redis-server, SO_REUSEADDR does.
        self.lock = PortLock()
        self.port = self.lock.port
        self.socket_path = self.dir / "redis.sock"
        self.options = {"save": "", "appendonly": "no", **options}
        self.env = env  # beside what there is
        self.process = None
        self.client = redis.Redis(
            unix_socket_path=str(self.socket_path), socket_timeout=DEADLINE, decode_responses=True
        )
        if start:
            self.start()

    @property
    def uri(self):
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_uri(self):
        return f"unix://{self.socket_path}"

    def start(self):
        command = [REDIS, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--unixsocket", str(self.socket_path), "--dir", str(self.dir)]
        for name, value in self.options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **(self.env or {})}
            )
        until(self._answers, f"redis-server answers, see {self.dir}/log")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError((self.dir / "log").read_text())
        with contextlib.suppress(redis.RedisError):
            return self.client.ping()
        return False

    def kill(self):
        """As a crash would: SIGKILL."""
        self.process.kill()
        self.process.wait(DEADLINE)
        self.client.connection_pool.disconnect()

    def restart(self):
        """Starts it again on the same files and port."""
        self.start()

    def pause(self):
        """It keeps its connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def config_set(self, name, value):
        self.client.config_set(name, value)

    def calls(self, command):
        """How often a command was called, by commandstats."""
        stats = self.client.info("commandstats")
        return stats.get("cmdstat_" + command.lower(), {}).get("calls", 0)

    def monitor(self):
        """A context manager that yields what MONITOR says, one record a command."""
        return self.client.monitor()

    def close(self):
        self.client.close()
        if self.process and self.process.poll() is None:
            self.resume()
            self.kill()
        self.lock.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def options_to_args(options):
    """{'max_webhooks': 3, 'dns': ['a', 'b'], 'no_auth': True} as command-line arguments."""
    args = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is True:
                args.append(option)
            elif item is not None and item is not False:
                args += [option, str(item)]
    return args


def child_environment(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("EVHOOK_")}
    # The quarantine is kept small enough for tests that look at a server's memory.
    env["ASAN_OPTIONS"] = (
        "halt_on_error=1:abort_on_error=0:detect_leaks=1:exitcode=99:quarantine_size_mb=4"
    )
    env["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1:exitcode=99"
    env["LC_ALL"] = "C"
    env.update(extra or {})
    return env


def run(*args, env=None, cwd=None, timeout=None):
    """Runs evhookd to its end, for everything that does not serve."""
    return subprocess.run(
        binary() + [str(a) for a in args],
        env=child_environment(env),
        cwd=cwd,
        timeout=timeout or DEADLINE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Evhookd:
    """One evhookd process.  Options are keyword arguments: redis=…, max_webhooks=3."""

    def __init__(self, redis=None, listen="127.0.0.1", env=None, ready=True, args=(), **options):
        command = binary()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="evhook-it-"))
        self.lock = PortLock(listen)
        self.admin_lock = PortLock()
        self.host, self.port = self.lock.host, self.lock.port
        self.redis = redis  # a RedisServer, a URI, or None for the embedded one
        uri = redis.uri if isinstance(redis, RedisServer) else redis
        settings = {
            "listen": self.lock.address(),
            "admin_listen": self.admin_lock.address(),
            "redis": uri,
            "allow_egress": LOOPBACK,
            "log_level": "debug",
            **options,
        }
        self.command = command + options_to_args(settings) + [str(a) for a in args]
        self.env = env
        self.expect_death = False
        self.clients = []
        self.process = None
        self.start(ready)

    def start(self, ready=True):
        self.expect_death = False
        with open(self.dir / "stdout", "ab") as out, open(self.dir / "stderr", "ab") as err:
            self.process = subprocess.Popen(
                self.command,
                env=child_environment(self.env),
                cwd=self.dir,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # a process group of its own, for signals to the group
            )
        try:
            if ready:
                self.wait_ready()
        except BaseException:
            self.close(check=False)
            raise

    # --- talking to it

    def client(self, **kwargs):
        """A new client with a connection of its own; closed with this object."""
        client = Client(self.host, self.port, **kwargs)
        self.clients.append(client)
        return client

    def admin(self):
        client = Client("127.0.0.1", self.admin_lock.port)
        self.clients.append(client)
        return client

    def status_of(self, path, admin=False):
        """The status that a new connection gets for a GET, or None when there is no answer."""
        port = self.admin_lock.port if admin else self.port
        client = Client("127.0.0.1" if admin else self.host, port)
        try:
            return client.get(path).status
        except OSError:
            return None
        finally:
            client.close()

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"evhookd ended with {self.process.returncode} at start:\n{self.stderr()}"
                )
            return self.status_of("/readyz") == 200

        until(ready, lambda: f"/readyz is 200; stderr:\n{self.tail()}", 2 * DEADLINE)

    # --- what it said

    def stderr(self):
        return (self.dir / "stderr").read_text(errors="replace")

    def stdout(self):
        return (self.dir / "stdout").read_text(errors="replace")

    def log_lines(self, *words):
        """The lines of the log that contain all these words, case ignored."""
        return [
            line
            for line in self.stderr().splitlines()
            if all(word.lower() in line.lower() for word in words)
        ]

    # --- ending it

    def kill(self):
        """As a crash would: SIGKILL."""
        self.expect_death = True
        self.process.kill()
        self.process.wait(DEADLINE)
        self._drop_clients()

    def terminate(self, sig=signal.SIGTERM):
        """Only sends the signal; wait_exit() sees the end."""
        self.expect_death = True
        self.process.send_signal(sig)

    def wait_exit(self, timeout=None):
        try:
            return self.process.wait(timeout or 2 * DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"evhookd did not exit; stderr:\n{self.tail()}") from None

    def stop(self):
        """An orderly end: SIGTERM, exit status 0."""
        self._drop_clients()
        self.terminate()
        code = self.wait_exit()
        assert code == 0, f"exit status {code} after SIGTERM; stderr:\n{self.tail()}"

    def tail(self, since=0):
        """The end of the log; since: how long it was before."""
        text = (self.dir / "stderr").read_bytes()[since:].decode(errors="replace")
        return "\n".join(text.splitlines()[-60:])

    def log_size(self):
        return (self.dir / "stderr").stat().st_size

    def check(self):
        """Fails on anything a sanitizer, valgrind or assert() said, and on an unexpected end."""
        trouble = TROUBLE.search((self.dir / "stderr").read_bytes())
        if trouble:
            at = self.stderr().find(trouble.group().decode(errors="replace"))
            raise AssertionError("evhookd is in trouble:\n" + self.stderr()[at : at + 6000])
        code = self.process.poll()
        if code is not None and not self.expect_death:
            raise AssertionError(f"evhookd died with status {code}; stderr:\n{self.tail()}")
        assert self.stdout() == "", "evhookd writes nothing to stdout"

    def _drop_clients(self):
        for client in self.clients:
            client.close()
        self.clients.clear()

    def close(self, check=True):
        """Stops it if it runs, judges what it said, and removes its files."""
        try:
            if check:
                self.check()
                if self.process.poll() is None:
                    self.stop()
                self.check()
        finally:
            print(self.tail())  # pytest shows it when the test failed
            self._drop_clients()
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(DEADLINE)
            self.lock.close()
            self.admin_lock.close()
            shutil.rmtree(self.dir, ignore_errors=True)
