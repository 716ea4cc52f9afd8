"""TLS on the API's listeners (--tls-cert, --tls-key), and sessions of outgoing connections."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from api import Tenant, expect
from client import DEADLINE, Client, Raw, Response, head
from failing import until_outcomes
from harness import run, until
from load import metric
from receivers import Answer

HALF_A_RECORD = b"\x17\x03\x03\x10"  # the beginning of one with data
ANSWER_404 = b"HTTP/1.1 404"


class Tls:
    """A file pair that can be changed, and clients that trust its authority."""

    def __init__(self, certs, directory, kind="good"):
        self.certs = certs
        self.cert, self.key = directory / "cert.pem", directory / "key.pem"
        self.use(kind)

    def use(self, kind):
        for file in (self.cert, self.key):  # either file may hold both
            shutil.copy(f"{self.certs.directory}/{kind}.pem", file)

    def options(self):
        return {"tls_cert": self.cert, "tls_key": self.key}

    def context(self, verify=True, **settings):
        context = ssl.create_default_context(cafile=self.certs.ca_file)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    def connect(self, server, context=None, session=None):
        """A TLS connection, up to the end of the handshake."""
        sock = socket.create_connection((server.host, server.port), DEADLINE)
        context = context or self.context()
        return context.wrap_socket(sock, server_hostname="127.0.0.1", session=session)

    def raw(self, server, **kwargs):
        """A connection for bytes, as client.Raw."""
        raw = Raw.__new__(Raw)
        raw.socket = self.connect(server, **kwargs)
        raw.file = raw.socket.makefile("rb")
        return raw

    def client(self, server):
        return TlsClient(self, server)


class TlsClient(Client):
    """A Client over TLS, always with the same connection."""

    def __init__(self, tls, server):
        super().__init__(server.host, server.port)
        self.raw = tls.raw(server)

    def request(self, method, path, body=None, headers=None, **query):
        data = b"" if body is None else json.dumps(body).encode()
        fields = [f"{k}: {v}" for k, v in (headers or {}).items()]
        if body is not None:
            fields += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        self.raw.send(head(method, path, *fields).encode() + data)
        response = self.raw.read_response()
        assert isinstance(response, Response), "the connection is still there"
        return response

    def close(self):
        self.raw.close()


@pytest.fixture
def tls(certs, tmp_path):
    return Tls(certs, tmp_path)


@pytest.fixture
def tls_server(new_redis, new_evhookd, tls):
    """Makes an evhookd that speaks TLS."""

    def make(**options):
        server = new_evhookd(redis=new_redis(), ready=False, **tls.options(), **options)
        until(lambda: server.status_of("/readyz", admin=True) == 200, lambda: server.tail())
        return server

    return make


def serial(connection):
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True))
    return certificate.serial_number


def serial_in(file):
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


def test_the_api_over_one_connection(tls, tls_server, receiver):
    sink = receiver()
    server = tls_server()
    client = tls.client(server)
    tenant = Tenant(client)
    webhook = tenant.create(sink.url())
    locators = [tenant.publish(data={"n": n})["locator"] for n in range(20)]
    sink.wait_for_events(locators)
    assert tenant.fetch(webhook)["locator"] == webhook["locator"]
    assert expect(client.get("/healthz"), 200)
    client.close()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_versions_that_are_spoken(tls, tls_server, version):
    wanted = getattr(ssl.TLSVersion, version)
    context = tls.context(minimum_version=wanted, maximum_version=wanted)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tls.connect(tls_server(), context) as connection:
        assert connection.version() == version.replace("_", ".")
        assert connection.selected_alpn_protocol() == "http/1.1"
        name = connection.cipher()[0]
        assert "GCM" in name or "CHACHA20" in name


def weak(tls, **settings):
    context = tls.context()
    context.set_ciphers(settings.pop("ciphers", "ALL:@SECLEVEL=0"))
    for name, value in settings.items():
        setattr(context, name, value)
    return context


@pytest.mark.parametrize("what", ["TLSv1", "TLSv1_1", "cbc", "alpn", "plain http"])
def test_what_is_not_spoken_is_refused(tls, tls_server, what):
    server = tls_server()
    if what == "plain http":
        with Raw(server.host, server.port) as raw:
            raw.send(head("GET", "/healthz"))
            assert ANSWER_404 not in raw.file.read() and raw.closed()
    else:
        if what == "cbc":
            two = ssl.TLSVersion.TLSv1_2
            context = weak(tls, ciphers="AES128-SHA", minimum_version=two, maximum_version=two)
        elif what == "alpn":
            context = tls.context()
            context.set_alpn_protocols(["h2"])
        else:
            version = getattr(ssl.TLSVersion, what)
            with pytest.warns(DeprecationWarning):
                context = weak(tls, minimum_version=version, maximum_version=version)
        with pytest.raises((ssl.SSLError, ConnectionResetError)) as error:
            tls.connect(server, context)
        assert "unsupported" not in str(error.value).lower(), "it was the server's decision"
    with tls.raw(server) as raw:  # and others are served
        raw.send(head("GET", "/healthz"))
        assert raw.read_response().status == 200


def test_the_admin_address_stays_plain(tls_server):
    server = tls_server()
    assert server.status_of("/metrics", admin=True) == 200


def test_a_large_body_both_ways(tls, tls_server):
    server = tls_server(max_body="8M")
    client = tls.client(server)
    tenant = Tenant(client)
    text = "x" * 6_000_000
    event = tenant.publish(data={"text": text})
    assert event["data"] == {"text": text}
    assert tenant.event(event["locator"]).json()["data"] == {"text": text}
    too_much = {"type": "a", "data": {"text": text * 2}}
    with tls.raw(server) as raw:
        data = json.dumps(too_much).encode()
        lines = ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        raw.send(head("POST", tenant.events_path, *lines))
        assert raw.read_response().status == 413
    client.close()


def test_bytes_in_small_records(tls, tls_server):
    """A request in one record a byte, and several requests in one record."""
    with tls.raw(tls_server()) as raw:
        request = head("GET", "/healthz").encode()
        for n in range(len(request)):
            raw.socket.sendall(request[n : n + 1])
        assert raw.read_response().status == 200
        raw.socket.sendall(request * 50)
        assert [raw.read_response().status for _ in range(50)] == [200] * 50


def test_requests_that_come_while_others_are_under_way(tls, tls_server):
    """A record each, and answers that wait for Redis."""
    server = tls_server()
    path = Tenant(None).events_path + "/list"
    with tls.raw(server) as raw:
        for _ in range(100):
            raw.send(head("GET", path))
        assert [raw.read_response().status for _ in range(100)] == [200] * 100


@pytest.mark.parametrize("what", ["requests", "a chunk size"])
def test_a_client_that_never_reads_or_never_ends_is_held_back(tls, tls_server, what):
    """What it sends piles up with the client, or is refused and thrown away: never kept."""
    server = tls_server(request_timeout="6s")
    with tls.raw(server) as raw:
        raw.socket.settimeout(2)
        block = head("GET", "/event/x").encode() * 1000
        if what == "a chunk size":
            lines = ["Content-Type: application/json", "Transfer-Encoding: chunked"]
            raw.socket.sendall(head("POST", Tenant(None).events_path, *lines).encode())
            block = b"0" * 65536
        sent = 0
        with contextlib.suppress(OSError):  # time-outs and TLS errors are such too
            while sent < 32 << 20:
                raw.socket.sendall(block)
                sent += len(block)
        if what == "requests":
            assert sent < 32 << 20
        elif sent >= 32 << 20:
            assert raw.read_response().status in (400, 413)
        status = open(f"/proc/{server.process.pid}/status").read()
        rss = int(status.split("VmRSS:")[1].split()[0])
        assert rss < 64 << 10 or "asan" in os.environ.get("EVHOOKD", "")


def test_the_close_is_announced(tls, tls_server):
    """After Connection: close the client sees an orderly end and not a truncation."""
    context = tls.context()
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    with tls.connect(tls_server(), context) as connection:
        connection.suppress_ragged_eofs = False
        connection.sendall(head("GET", "/healthz", "Connection: close").encode())
        data = b""
        while more := connection.recv(65536):
            data += more
        assert data.startswith(b"HTTP/1.1 200")


def half_a_hello(tls):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = tls.context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    return outgoing.read()[:100]


@pytest.mark.parametrize("stage", ["nothing", "half a hello", "no request", "half a record"])
def test_a_slow_handshake_is_cut_off(tls, tls_server, stage):
    server = tls_server(request_timeout="1s")
    begin = time.monotonic()
    if stage in ("no request", "half a record"):
        sock = tls.connect(server)
    else:
        sock = socket.create_connection((server.host, server.port), DEADLINE)
    if stage == "half a hello":
        sock.sendall(half_a_hello(tls))
    if stage == "half a record":
        sock.sendall(head("GET", "/healthz").encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        os.write(sock.fileno(), HALF_A_RECORD)
        while data := sock.recv(65536):
            assert data.startswith(b"HTTP/1.1 408 ")
    try:
        assert sock.recv(1) == b""
    except ConnectionResetError:
        pass
    assert time.monotonic() - begin >= 0.9
    sock.close()


def test_a_handshake_that_stops_does_not_hold_up_the_end(tls, tls_server):
    server = tls_server(drain_timeout="60s")
    with socket.create_connection((server.host, server.port), DEADLINE), tls.connect(server):
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 30


def test_half_a_record_does_not_hold_up_the_end(tls, tls_server):
    server = tls_server(drain_timeout="60s", request_timeout="1s")
    with tls.raw(server) as raw:
        raw.send(head("GET", "/healthz"))
        assert raw.read_response().status == 200
        os.write(raw.socket.fileno(), HALF_A_RECORD)
        server.stop()


def test_a_request_in_two_pieces_of_a_record_is_answered_at_the_end(tls, tls_server):
    """It began before the end did, though nothing of it can be read yet."""
    server = tls_server()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection((server.host, server.port), DEADLINE) as sock:

        def do(step, *args):
            while True:
                try:
                    return step(*args)
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    incoming.write(sock.recv(65536))

        do(client.do_handshake)
        for apart in False, True:
            client.write(head("GET", "/healthz").encode())
            record = outgoing.read()
            sock.sendall(record[:9])
            if apart:
                until(lambda: metric(server, 'evhookd_http_connections{state="reading"}') == 1, "")
                server.terminate()
                until(lambda: server.log_lines("msg=draining"), "it drains")
            sock.sendall(record[9:])
            assert do(client.read, 65536).startswith(b"HTTP/1.1 200 ")
        assert server.wait_exit() == 0


@pytest.mark.parametrize("stage", ["half a hello", "half a record"])
def test_half_a_record_is_nothing_that_keeps_a_place(tls, tls_server, stage):
    server = tls_server(max_connections=10, max_connections_per_client=0)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            if stage == "half a hello":
                sock = stack.enter_context(
                    socket.create_connection((server.host, server.port), DEADLINE)
                )
                sock.sendall(half_a_hello(tls))
                continue
            raw = stack.enter_context(tls.raw(server))
            raw.send(head("GET", "/healthz"))
            assert raw.read_response().status == 200
            os.write(raw.socket.fileno(), HALF_A_RECORD)
        new = stack.enter_context(tls.raw(server))
        for _ in range(3):
            new.send(head("GET", Tenant(None).webhooks_path + "/list"))
            assert new.read_response().status == 200


def test_sighup_takes_a_new_certificate_and_keeps_the_old_one_when_it_is_bad(tls, tls_server):
    server = tls_server()
    with tls.raw(server) as old:
        before = serial(old.socket)
        assert before == serial_in(tls.cert)
        tls.use("self-signed")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.log_lines("msg=reloaded"), "it reloaded")
        with tls.connect(server, tls.context(verify=False)) as new:
            assert serial(new) == serial_in(tls.cert) != before
        old.send(head("GET", "/healthz"))  # the connection from before goes on
        assert old.read_response().status == 200
    now = serial_in(tls.cert)
    for n, (file, text) in enumerate([(tls.cert, "rubbish"), (tls.key, "rubbish"), (tls.key, None)]):
        tls.use("good")
        file.unlink()
        if text:
            file.write_text(text)
        server.process.send_signal(signal.SIGHUP)
        until(lambda n=n: len(server.log_lines("stay as they were")) == n + 1, "it says so")
        assert str(file) in server.log_lines("stay as they were")[n]
        with tls.connect(server, tls.context(verify=False)) as connection:
            assert serial(connection) == now


def unencrypted(tls):
    return serialization.load_pem_private_key(tls.key.read_bytes(), None)


BAD = {
    "the certificate is rubbish": ("cert", lambda tls: tls.cert.write_text("rubbish")),
    "the key is rubbish": ("key", lambda tls: tls.key.write_text("rubbish")),
    "the certificate is empty": ("cert", lambda tls: tls.cert.write_text("")),
    "the key is another's": (
        "key",
        lambda tls: shutil.copy(f"{tls.certs.directory}/expired.pem", tls.key),
    ),
    "the key has a passphrase": (
        "key",
        lambda tls: tls.key.write_bytes(
            unencrypted(tls).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"hidden"),
            )
        ),
    ),
    "the certificate is a directory": (
        "cert",
        lambda tls: (tls.cert.unlink(), tls.cert.mkdir()),
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_certificate_is_one_line_at_start(tls, what):
    which, spoil = BAD[what]
    spoil(tls)
    for more in (), ("--check-config",):
        result = run("--tls-cert", tls.cert, "--tls-key", tls.key, *more)
        assert (result.returncode, result.stdout) == (2, "")
        lines = result.stderr.splitlines()
        assert len(lines) == 1 and f"--tls-{which}: {getattr(tls, which)}: " in lines[0]


@pytest.mark.parametrize("given", ["cert", "key"])
def test_certificate_and_key_go_together(tls, given):
    result = run(f"--tls-{given}", getattr(tls, given))
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert "--tls-cert" in result.stderr and "--tls-key" in result.stderr


def test_an_expired_certificate_is_warned_about(certs, tmp_path, new_redis, new_evhookd):
    tls = Tls(certs, tmp_path, "expired")
    server = new_evhookd(redis=new_redis(), ready=False, **tls.options())
    until(lambda: server.log_lines("level=warn", "expired", str(tls.cert)), "it is warned about")


def test_a_session_is_resumed(tls, tls_server):
    server = tls_server()
    context = tls.context()
    with tls.raw(server, context=context) as raw:
        raw.send(head("GET", "/healthz"))
        assert raw.read_response().status == 200
        session = raw.socket.session
        assert not raw.socket.session_reused
    with tls.connect(server, context, session) as connection:
        assert connection.session_reused


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_deliveries_resume_sessions(alone, receiver, certs, version):
    """A receiver that closes each connection sees one full handshake."""
    context = certs.server(maximum=getattr(ssl.TLSVersion, version))
    sink = receiver(default=Answer(close=True), tls=context)
    server = alone(ca_file=certs.ca_file)
    tenant = Tenant(server.client())
    tenant.create(sink.url())
    for n in range(5):
        tenant.publish()
        sink.wait_for(n + 1)
        sink.wait(lambda _: sink.busy == 0, "it is answered")
        until(lambda n=n: len(server.log_lines("outcome=delivered")) == n + 1, "it was delivered")
    assert sink.connections == 5
    stats = context.session_stats()
    assert stats["accept_good"] == 5 and stats["hits"] == 4, stats


def record_hello(*options):
    """What openssl s_client sends first: a hello that can be sent again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        to = f"127.0.0.1:{listener.getsockname()[1]}"
        command = ["openssl", "s_client", "-connect", to, *options]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as client:
            listener.settimeout(DEADLINE)
            sock, _ = listener.accept()
            with sock, sock.makefile("rb") as file:
                start = file.read(5)
                hello = start + file.read(int.from_bytes(start[3:], "big"))
            client.kill()
    return hello


def cpu_seconds(server):
    text = server.admin().get("/metrics").body.decode()
    return float(re.search(r"^process_cpu_seconds_total (\S+)$", text, re.M).group(1))


@pytest.mark.parametrize(
    "options",
    [
        ["-tls1_3", "-groups", "ffdhe8192"],
        ["-tls1_3", "-groups", "ffdhe8192:ffdhe6144:ffdhe4096:ffdhe3072:ffdhe2048"],
        ["-tls1_3", "-groups", "P-521"],
        ["-tls1_3", "-groups", "X448"],
        ["-tls1_2", "-cipher", "DHE:@SECLEVEL=0"],
    ],
    ids=" ".join,
)
def test_a_hello_that_asks_for_much_work_is_refused_cheaply(tls, tls_server, options):
    hello = record_hello(*options)
    server = tls_server()
    before = cpu_seconds(server)
    for _ in range(20):
        with socket.create_connection((server.host, server.port), DEADLINE) as sock:
            sock.sendall(hello)
            answer = sock.recv(65536)
        assert answer[:1] == b"\x15" and answer[5:7] == b"\x02\x28", "a fatal handshake_failure"
    assert (cpu_seconds(server) - before) / 20 < 0.003


def test_the_ca_file_is_read_again_on_sighup(alone, certs, receiver, tmp_path):
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes((certs.directory / "self-signed.pem").read_bytes())
    known = receiver(tls=certs.server("self-signed"))
    sink = receiver(tls=certs.server("good"))
    server = alone(ca_file=ca_file)
    tenant = Tenant(server.client())
    hooks = [tenant.create(known.url()), tenant.create(sink.url())]
    tenant.publish()
    until_outcomes(tenant, hooks[0], "delivered")
    (attempt,) = until_outcomes(tenant, hooks[1], "failed")
    assert "issuer" in attempt["failureMessage"]
    ca_file.write_text("nothing of use")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.log_lines("stay as they were", "ca.pem"), "it says what is wrong")
    ca_file.write_bytes((certs.directory / "ca.pem").read_bytes())
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.log_lines("msg=reloaded"), "it reloaded")
    tenant.publish()
    until_outcomes(tenant, hooks[0], "delivered", "failed")  # not over a connection of before
    until_outcomes(tenant, hooks[1], "failed", "delivered")
