"""The lines of who changed what: none is lost, whoever floods the log, and whoever reads it late."""

import os
import re
import subprocess
import uuid

import pytest

import tokens
from api import Tenant, expect
from harness import Evhookd, child_environment, until


class Piped(Evhookd):
    """Its log goes into a pipe, which is read when the test says so."""

    def start(self, ready=True):
        self.expect_death = False
        self.log, end = os.pipe()
        os.set_blocking(self.log, False)
        self.read = b""
        (self.dir / "stderr").touch()
        with open(self.dir / "stdout", "ab") as out:
            self.process = subprocess.Popen(
                self.command,
                env=child_environment(self.env),
                cwd=self.dir,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=end,
                start_new_session=True,
            )
        os.close(end)
        self.wait_ready()

    def drain(self):
        """Reads what is there; gives all that was read so far."""
        try:
            while part := os.read(self.log, 65536):
                self.read += part
        except BlockingIOError:
            pass
        return self.read.decode()

    def audited(self):
        """The request ids of successful writes in the log."""
        return re.findall(r"msg=audit .*status=20\d request=(\S+)", self.drain())


@pytest.fixture
def piped(new_redis, tmp_path, cleanup):
    key = tokens.hmac_key(tmp_path / "key", b"0123456789abcdef0123456789abcdef")
    evhookd = Piped(redis=new_redis(), auth_key=key.file, log_level="info")
    evhookd.bearer = lambda **claims: {"Authorization": "Bearer " + key.token(**claims)}
    cleanup.callback(evhookd.close)
    evhookd.drain()
    return evhookd


def write(tenant, headers):
    """Publishes under a request id of its own; gives that and the status."""
    request_id = uuid.uuid4().hex
    body = {"type": "a", "data": {}}
    answer = tenant.try_publish(body, {**headers, "X-Request-Id": request_id})
    return request_id, answer.status


def test_a_flood_of_refusals_takes_no_line_of_a_write(piped):
    nobody = piped.bearer(tenants=[], permissions=[], sub="nobody")
    writer = piped.bearer(**tokens.EVERYTHING, sub="writer")
    flooding, tenant = Tenant(piped.client()), Tenant(piped.client())
    written = []
    for n in range(2000):
        expect(flooding.try_publish({}, nobody), 403)
        if n % 20 == 0:
            written.append(write(tenant, writer))
    assert {status for _, status in written} == {201}
    log = until(lambda: len(piped.audited()) >= 100 and piped.drain(), "all are told")
    assert piped.audited() == [request_id for request_id, _ in written]
    assert log.count("sub=nobody") < 1000
    assert len(log) < 500000
    told = until(lambda: re.search(r"of=audit lines=\d+", piped.drain()), "and how many were not")
    assert told


def test_nothing_is_written_while_its_line_cannot_be(piped):
    writer = piped.bearer(**tokens.EVERYTHING, sub="writer")
    tenant = Tenant(piped.client())
    written = []
    while len(written) < 5000:
        request_id, status = write(tenant, writer)
        if status != 201:
            break
        written.append(request_id)
    assert status == 503
    answer = tenant.try_create(tenant.body(), writer)
    assert answer.status == 503 and answer.header("retry-after")
    # what is read goes on
    expect(tenant.client.request("GET", f"{tenant.webhooks_path}/list", headers=writer), 200)
    until(lambda: len(piped.audited()) >= len(written), "the log is read")
    request_id, status = write(tenant, writer)
    assert status == 201
    written.append(request_id)
    until(lambda: len(piped.audited()) >= len(written), "the last one is told")
    assert piped.audited() == written
    assert "log lines dropped" in piped.drain()  # there was no room to say why
    listed = tenant.client.request(
        "GET", f"{tenant.events_path}/list?pageSize=1000", headers=writer
    )
    assert len(listed.json()["events"]) == min(len(written), 1000)
