"""Fixtures: a server shared by the tests of a run, servers of a test's own, receivers, certificates.

Tests that only use the API share one redis-server and one evhookd, each with a tenant of its own;
a test after which the shared evhookd is dead or has said something bad fails, and the next one
gets a new evhookd.
"""

import contextlib
import fcntl
import json
import subprocess
import threading

import pytest

import certificates
import receivers
from api import Tenant
from client import Raw
from ctl import Ctl
from harness import TOP, Evhookd, RedisServer, binary, until_empty

INTEROP = TOP / "test" / "interop"


def pytest_sessionstart(session):
    """Says once, and not at each test, that there is nothing to test."""
    if not session.config.option.collectonly:
        try:
            binary()
        except FileNotFoundError as error:
            pytest.exit(str(error), returncode=2)


def pytest_make_parametrize_id(val):
    """Long strings make short names."""
    if isinstance(val, str) and len(val) > 50:
        return f"{val[:40]}… of {len(val)}"
    return None


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return certificates.Certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def verify():
    """Verifies a delivery as the reference library does (npm, under node): runs verify.js, gives
    its exit status, the payload or what it complained about."""
    with open(INTEROP / "package.json") as lock:  # parallel runs install once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (INTEROP / "node_modules" / "standardwebhooks").is_dir():
            subprocess.run(
                ["npm", "install", "--no-package-lock", "--silent"],
                cwd=INTEROP,
                check=True,
                timeout=120,
            )

    def verify(secret, request, raw=False, **changes):
        headers = {name: value for name, value in request.headers}
        question = {"secret": secret, "headers": headers, "body": request.body.decode(), "raw": raw}
        question.update(changes)
        done = subprocess.run(
            ["node", "verify.js"],
            cwd=INTEROP,
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    return verify


class Shared:
    """The one server that many tests use; made when first needed."""

    def __init__(self):
        self.redis = self.evhookd = None

    def get(self, certs):
        if self.redis is None:
            self.redis = RedisServer()
        if self.evhookd is None:
            self.evhookd = Evhookd(redis=self.redis, ca_file=certs.ca_file)
        return self.evhookd

    def check(self):
        try:
            self.evhookd.check()
        except AssertionError:
            self.evhookd.close(check=False)
            self.evhookd = None
            raise


@pytest.fixture(scope="session")
def shared():
    shared = Shared()
    yield shared
    try:
        if shared.evhookd:
            shared.evhookd.close()
    finally:
        if shared.redis:
            shared.redis.close()


@pytest.fixture
def server(shared, certs):
    """The shared evhookd, checked after each test."""
    evhookd = shared.get(certs)
    before = evhookd.log_size()
    yield evhookd
    print(evhookd.tail(before))  # pytest shows it when the test failed
    shared.check()


@pytest.fixture(scope="session")
def open_server():
    """An evhookd that lets everybody in, whatever the Host: the operator has said --no-auth."""
    redis = RedisServer()
    try:
        evhookd = Evhookd(redis=redis, no_auth=True)
        yield evhookd
        evhookd.close()
    finally:
        redis.close()


@pytest.fixture
def redis(shared, certs):
    """A client of the shared redis-server."""
    shared.get(certs)
    return shared.redis.client


@pytest.fixture
def client(server):
    client = server.client()
    yield client
    client.close()


@pytest.fixture
def raw(server):
    """A bare connection to the shared server."""
    with Raw(server.host, server.port) as raw:
        yield raw


@pytest.fixture
def tenant(client):
    """A new tenant of the shared server."""
    return Tenant(client)


@pytest.fixture
def cleanup():
    """An ExitStack for what a test makes; everything is closed, the newest first."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def new_redis(cleanup):
    """Makes redis-servers of the test's own."""

    def make(**options):
        server = RedisServer(**options)
        cleanup.callback(server.close)
        return server

    return make


@pytest.fixture
def new_evhookd(cleanup):
    """Makes evhookds of the test's own; they are judged and stopped after the test."""

    def make(**options):
        evhookd = Evhookd(**options)
        cleanup.callback(evhookd.close)
        return evhookd

    return make


@pytest.fixture
def alone(new_redis, new_evhookd):
    """Makes evhookds with a redis-server each: nobody else sees what they do."""
    return lambda **options: new_evhookd(redis=new_redis(), **options)


@pytest.fixture
def receiver(cleanup):
    """Makes receivers; without arguments they answer 200 to everything."""

    def make(*script, **options):
        return cleanup.enter_context(receivers.Receiver(*script, **options))

    return make


@pytest.fixture
def name_server(cleanup):
    """Makes DNS servers."""
    return lambda names: cleanup.enter_context(receivers.NameServer(names))


@pytest.fixture
def event(cleanup):
    """Makes events that hold answers back.  All are set before anything is stopped (this fixture
    ends before the cleanup it needs), so that no drain waits for a receiver."""
    events = []

    def make():
        events.append(threading.Event())
        return events[-1]

    yield make
    for event in events:
        event.set()


@pytest.fixture
def emptied(redis):
    """Waits until the shared server owes nothing to a webhook any more."""
    return lambda tenant, webhook: until_empty(redis, tenant, webhook)


@pytest.fixture
def ctl(server, tenant, shared):
    return Ctl(f"http://{server.host}:{server.port}", tenant, EVHOOKCTL_REDIS=shared.redis.uri)


@pytest.fixture
def failing(tenant, receiver, redis):
    """A webhook whose receiver answered 503 once."""
    webhook = tenant.create(receiver(receivers.Answer(503)).url(), eventTypes=["x"], name="failing")
    event = tenant.publish("x")
    until_empty(redis, tenant, webhook)
    return webhook, event
