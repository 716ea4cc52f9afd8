"""What evhookd tells the service manager: sd_notify(3), on a socket of our own."""

import os
import signal
import socket

import pytest

from client import DEADLINE
from harness import until


class Manager:
    """The datagram socket of a service manager."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(DEADLINE)
        self.env = {"NOTIFY_SOCKET": path.replace("\0", "@")}

    def next(self):
        """The next message that does not only feed the watchdog, as a dictionary."""
        while True:
            lines = self.socket.recv(4096).decode().splitlines()
            if lines != ["WATCHDOG=1"]:
                return dict(line.split("=", 1) for line in lines)

    def fed(self):
        """Waits until the watchdog is fed."""
        while self.socket.recv(4096) != b"WATCHDOG=1":
            pass

    def nothing_more(self):
        self.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.socket.recv(4096)
        self.socket.settimeout(DEADLINE)


@pytest.fixture
def manager(cleanup, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    cleanup.callback(manager.socket.close)
    return manager


def test_a_life(manager, new_redis, new_evhookd):
    evhookd = new_evhookd(redis=new_redis(), env=manager.env)
    assert manager.next() == {"STATUS": "waiting for Redis"}
    assert manager.next() == {"READY": "1", "STATUS": "serving"}
    evhookd.terminate(signal.SIGHUP)
    message = manager.next()
    assert message.pop("RELOADING") == "1"
    assert int(message.pop("MONOTONIC_USEC")) > 0 and not message
    assert manager.next() == {"READY": "1"}
    evhookd.expect_death = False
    evhookd.stop()
    assert manager.next() == {"STOPPING": "1", "STATUS": "draining"}
    manager.nothing_more()


def test_ready_only_when_redis_was_up(manager, new_redis, new_evhookd):
    redis = new_redis(start=False)
    evhookd = new_evhookd(redis=redis, env=manager.env, ready=False)
    assert manager.next() == {"STATUS": "waiting for Redis"}
    until(lambda: evhookd.status_of("/healthz") == 200, "it listens")
    evhookd.terminate(signal.SIGHUP)  # a reload does not count as ready
    until(lambda: evhookd.log_lines("reloaded"), "it has reloaded")
    evhookd.expect_death = False
    manager.nothing_more()
    redis.start()
    assert manager.next() == {"READY": "1", "STATUS": "serving"}
    redis.kill()
    assert manager.next() == {"STATUS": "waiting for Redis"}
    redis.restart()
    assert manager.next() == {"READY": "1", "STATUS": "serving"}


def test_an_abstract_socket(cleanup, new_redis, new_evhookd):
    manager = Manager(f"\0evhookd-test-{os.getpid()}")
    cleanup.callback(manager.socket.close)
    new_evhookd(redis=new_redis(), env=manager.env)
    manager.next()
    assert manager.next()["READY"] == "1"


def test_the_watchdog_is_fed(manager, new_redis, new_evhookd):
    new_evhookd(redis=new_redis(), env={**manager.env, "WATCHDOG_USEC": "200000"})
    for _ in range(5):
        manager.fed()


def test_the_watchdog_of_another_process(manager, new_redis, new_evhookd):
    env = {**manager.env, "WATCHDOG_USEC": "2", "WATCHDOG_PID": "1"}
    new_evhookd(redis=new_redis(), env=env)
    manager.next()
    manager.next()
    manager.nothing_more()


def test_the_private_redis_does_not_speak_for_us(manager, new_evhookd):
    evhookd = new_evhookd(env=manager.env)
    manager.next()
    assert manager.next() == {"READY": "1", "STATUS": "serving"}
    with open(f"/proc/{evhookd.process.pid}/task/{evhookd.process.pid}/children") as children:
        child = children.read().split()[0]
    with open(f"/proc/{child}/environ", "rb") as environ:
        assert b"NOTIFY_SOCKET" not in environ.read()


@pytest.mark.parametrize("path", ["/nowhere/at/all", "relative", "/" + "x" * 200, "@"])
def test_a_socket_that_is_none(path, new_redis, new_evhookd):
    evhookd = new_evhookd(redis=new_redis(), env={"NOTIFY_SOCKET": path})
    assert evhookd.log_lines("level=warn", "service manager", "error=")
