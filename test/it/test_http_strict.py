"""HTTP that RFC 9112 calls invalid or ambiguous, and HTTP that is odd but valid, on real sockets.

Each refusal must come with a closed connection, and nothing behind it may have been run: every
bad request is followed by a whole one that would create a webhook.
"""

import json
import socket
import time

import pytest

from api import Tenant, problem
from client import Raw, head
from harness import until

MIB = 1 << 20


def create(tenant, name="smuggled"):
    """A request that leaves a trace."""
    body = json.dumps(tenant.body(name=name))
    fields = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return (head("POST", tenant.webhooks_path, *fields) + body).encode()


def refused(raw, tenant, request, status, no_body=False):
    """The request gets this status, a closed connection, and what follows it is not run."""
    raw.send(request + create(tenant))
    response = raw.read_response(no_body=no_body)
    assert response is not None, "closed without an answer"
    assert response.status == status
    if not no_body:
        problem(response, status)
    assert response.header("connection").lower() == "close"
    assert response.header("x-request-id")
    assert raw.closed()
    assert tenant.names() == []


def bad(*cases):
    return pytest.mark.parametrize("text", cases, ids=[ascii(case)[:50] for case in cases])


# --- the request line


@bad(
    b" GET {p} HTTP/1.1",
    b"\tGET {p} HTTP/1.1",
    b"\0GET {p} HTTP/1.1",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"{\"json\": 1}",
    b"GET",
    b"GET {p}",
    b"GET {p} ",
    b"GET  {p} HTTP/1.1",
    b"GET {p}  HTTP/1.1",
    b"GET {p} HTTP/1.1 ",
    b"GET\t{p}\tHTTP/1.1",
    b"GET {p}\x0bHTTP/1.1",
    b"GET {p} HTTP/1.1\r",
    b"GET {p} HTTP/1.1\0",
    b"GET {p} http/1.1",
    b"GET {p} HTTP/1",
    b"GET {p} HTTP/1.10",
    b"GET {p} HTTP/01.1",
    b"GET {p} HTTP/+1.1",
    b"GET {p} HTTP/-1.1",
    b"GET {p} HTTP/4294967297.1",
    b"GET {p} HTTP/1.1 x",
    b"GET {p} ICY/1.1",
    b"G(T {p} HTTP/1.1",
    b"G\xc3\x84T {p} HTTP/1.1",
    b"GET {p}#x HTTP/1.1",
    b"GET {p}\x01 HTTP/1.1",
    b"GET {p}\0x HTTP/1.1",
    b"GET {p}\xc3\xb6 HTTP/1.1",
    b"GET {p}?a b HTTP/1.1",
    b"GET {p}?% HTTP/1.1",
    b"GET {p}?%4x HTTP/1.1",
    b"GET {p}%00 HTTP/1.1",
    b"GET x{p} HTTP/1.1",
    b"GET * HTTP/1.1",
    b"GET ftp://a{p} HTTP/1.1",
    b"GET http://{p} HTTP/1.1",
    b"GET http://u@a{p} HTTP/1.1",
    b"GET http://a:b{p} HTTP/1.1",
    b"GET //a:b{p} HTTP/1.1",
    b"\r\n\r\nGET {p} HTTP/1.1",
    b"GET {p} HTTP/1.1\nX: y",
)
def test_a_bad_request_line_is_400(tenant, raw, text):
    line = text.replace(b"{p}", f"{tenant.webhooks_path}/list".encode())
    refused(raw, tenant, line + b"\r\nHost: a\r\n\r\n", 400)


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3.0", "9.9", "0.0"])
def test_another_version_is_505(tenant, raw, version):
    request = f"GET {tenant.webhooks_path}/list HTTP/{version}\r\nHost: a\r\n\r\n"
    refused(raw, tenant, request.encode(), 505)


@pytest.mark.parametrize(
    "method", ["get", "Post", "BREW", "GETT", "GE", "PROPFIND", "X" * 300, "!#$%&'*+-.^_`|~"]
)
def test_an_unknown_method_is_501(tenant, raw, method):
    refused(raw, tenant, head(method, f"{tenant.webhooks_path}/list").encode(), 501)


def test_connect_is_501_and_ends_the_connection(tenant, raw):
    refused(raw, tenant, head("CONNECT", "api.test:80").encode(), 501)


def test_the_http2_preface_is_505(tenant, raw):
    refused(raw, tenant, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)


# --- fields


@bad(
    b"X : y",
    b"X\t: y",
    b"X Y: z",
    b": y",
    b"no colon",
    b" X: y",
    b"\tX: y",
    b" ",
    b"X: a\r\n b",
    b"X: a\r\n\tb",
    b"X: a\r\n ",
    b"X: a\rb",
    b"X: a\r",
    b"X: \r\r\n",
    b"X: a\0b",
    b"X\0: a",
    b"\0: a",
    b"X: a\x01",
    b"X: a\x7f",
    b"X: a\x0b",
    b"X(: a",
    b"X@: a",
    b"X/Y: a",
    b'"X": a',
    b"X\xc3\xa4: a",
    b"X: a\nY: b",
    b"X: a\nTransfer-Encoding: chunked",
    b"Content-Length: 4\r\nContent-Length: 4",
    b"Content-Length: 4\r\nContent-Length: 0",
    b"Content-Length: 0\r\ncontent-length: 4",
    b"Content-Length: 4, 4",
    b"Content-Length: 4,5",
    b"Content-Length: +4",
    b"Content-Length: -4",
    b"Content-Length: -0",
    b"Content-Length: 0x4",
    b"Content-Length: 4.0",
    b"Content-Length: 4 4",
    b"Content-Length: four",
    b"Content-Length: 4a",
    b"Content-Length:",
    b"Content-Length: \x0b4",
    b"Content-Length: 4\x0c",
    b"Content-Length: 4\0 99",
    b"Content-Length : 4",
    b"Content-Length\t: 4",
    b"Content-Length:\r\n 4",
    b'Content-Length: "4"',
    b"Content-Length: 4\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: chunked;a=b",
    b"Transfer-Encoding: chunked x",
    b"Transfer-Encoding: chun ked",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\0",
    b"Transfer-Encoding: \xc2\xa0chunked",
    b"Transfer-Encoding:",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"Host: a",
    b"Host: b",
    b"host: a",
    b"Authorization: Bearer a\r\nAuthorization: Bearer a",
    b"Authorization: Bearer a\r\nauthorization: Basic b",
    b"Idempotency-Key: a\r\nIdempotency-Key: a",
    b"Idempotency-Key: a\r\nidempotency-key: b",
)
def test_a_bad_field_is_400(tenant, raw, text):
    """Each beside a good Host; `null` is a body for whoever reads one."""
    request = head("POST", tenant.webhooks_path, "X-First: a").encode()[:-2]
    refused(raw, tenant, request + text + b"\r\n\r\nnull", 400)


@bad(
    b"",
    b"Host: a b\r\n",
    b"Host: a, b\r\n",
    b"Host: a/\r\n",
    b"Host: http://a\r\n",
    b"Host: u@a\r\n",
    b"Host: a:b\r\n",
    b"Host: a:65536\r\n",
    b"Host: ::1\r\n",
    b"Host: [::1\r\n",
    b"Host: [::1]x\r\n",
    b"Host: [1.2.3.4]\r\n",
    b"Host: a%zz\r\n",
    b"Host: a\\b\r\n",
    b"Host: a\0\r\n",
    b"Host : a\r\n",
)
def test_a_bad_host_is_400(tenant, raw, text):
    request = f"GET {tenant.webhooks_path}/list HTTP/1.1\r\n".encode()
    refused(raw, tenant, request + text + b"\r\n", 400)


@pytest.mark.parametrize("method", ["HEAD", "TRACE"])
@pytest.mark.parametrize("field", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_body_where_there_is_none_is_400(tenant, raw, method, field):
    request = head(method, f"{tenant.webhooks_path}/list", field).encode()
    refused(raw, tenant, request, 400, no_body=method == "HEAD")


def test_transfer_encoding_on_http_1_0_is_400(tenant, raw):
    request = f"POST {tenant.webhooks_path} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n"
    refused(raw, tenant, (request + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").encode(), 400)


@pytest.mark.parametrize("value", ["200-ok", "", "100-continue, x", "100-continue;q=1"])
def test_another_expectation_is_417(tenant, raw, value):
    request = head("POST", tenant.webhooks_path, f"Expect: {value}", "Content-Length: 0")
    refused(raw, tenant, request.encode(), 417)


# --- chunks


@bad(
    b"\r\n",
    b"x\r\n",
    b" 4\r\nnull\r\n0\r\n\r\n",
    b"4 \r\nnull\r\n0\r\n\r\n",
    b"+4\r\nnull\r\n0\r\n\r\n",
    b"-4\r\nnull\r\n0\r\n\r\n",
    b"-0\r\n\r\n",
    b"0x4\r\nnull\r\n0\r\n\r\n",
    b"4h\r\nnull\r\n0\r\n\r\n",
    b"4 4\r\nnull\r\n0\r\n\r\n",
    b"4\0\r\nnull\r\n0\r\n\r\n",
    b"4 xyz\r\nnull\r\n0\r\n\r\n",
    b"4;\r\nnull\r\n0\r\n\r\n",
    b"4;;a\r\nnull\r\n0\r\n\r\n",
    b"4;=b\r\nnull\r\n0\r\n\r\n",
    b"4;a=\r\nnull\r\n0\r\n\r\n",
    b'4;a="b\r\nnull\r\n0\r\n\r\n',
    b"4;a=b\x01\r\nnull\r\n0\r\n\r\n",
    b"4\nnull\r\n0\r\n\r\n",
    b"4;a\nnull\r\n0\r\n\r\n",
    b"4\r\nnull\n0\r\n\r\n",
    b"4\r\nnull0\r\n\r\n",
    b"4\r\nnull\r0\r\n\r\n",
    b"4\r\nnull \r\n0\r\n\r\n",
    b"4\r\nnull\r\n\r\n0\r\n\r\n",
    b"3\r\nnull\r\n0\r\n\r\n",
    b"5\r\nnull\r\n0\r\n\r\n",
    b"4\r\nnull\r\n0\n\r\n",
    b"4\r\nnull\r\n0\r\n\n",
    b"4\r\nnull\r\n0\r\nX : y\r\n\r\n",
    b"4\r\nnull\r\n0\r\n X: y\r\n\r\n",
    b"4\r\nnull\r\n0\r\nX: \0\r\n\r\n",
    b"4\r\nnull\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
    b"4" + b";a" * 600 + b"\r\nnull\r\n0\r\n\r\n",
    b"4" * 2000,
)
def test_a_bad_chunk_is_400(tenant, raw, text):
    fields = ["Content-Type: application/json", "Transfer-Encoding: chunked"]
    refused(raw, tenant, head("POST", tenant.webhooks_path, *fields).encode() + text, 400)


# --- odd but valid


@pytest.mark.parametrize(
    "pieces",
    [
        b"%x\r\n%s\r\n0\r\n\r\n",
        b"%X\r\n%s\r\n0\r\n\r\n",
        b"0000%x\r\n%s\r\n0000\r\n\r\n",
        b"%x;a\r\n%s\r\n0;b\r\n\r\n",
        b"%x;a=b;c=d\r\n%s\r\n0\r\n\r\n",
        b"%x ; a = b\r\n%s\r\n0\r\n\r\n",
        b"%x\t;\ta\r\n%s\r\n0\r\n\r\n",
        b'%x;a="b;\\"c\\" \xc3\xa4"\r\n%s\r\n0\r\n\r\n',
        b"%x\r\n%s\r\n0\r\nX-Trailer: y\r\n\r\n",
        b"%x\r\n%s\r\n0\r\nX:\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n",
    ],
)
def test_chunked_requests_work(tenant, raw, pieces):
    body = json.dumps(tenant.body(name="chunked")).encode()
    fields = ["Content-Type: application/json", "Transfer-Encoding: chunked"]
    raw.send(head("POST", tenant.webhooks_path, *fields).encode() + pieces % (len(body), body))
    assert raw.read_response().status == 200
    raw.send(head("GET", tenant.webhooks_path + "/list"))
    assert [w["name"] for w in raw.read_response().json()["items"]] == ["chunked"]


def test_a_chunk_for_each_byte_and_a_byte_at_a_time(tenant, raw):
    body = json.dumps(tenant.body(name="bytes")).encode()
    raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    fields = ["content-type:application/json", "tRANSFER-eNCODING:\tChunked \t"]
    chunks = b"".join(b"1\r\n%c\r\n" % c for c in body) + b"0\r\n\r\n"
    for byte in head("POST", tenant.webhooks_path, *fields).encode() + chunks:
        raw.send(bytes([byte]))
    assert raw.read_response().status == 200
    assert tenant.names() == ["bytes"]


@pytest.mark.parametrize(
    "request_head",
    [
        "GET {p} HTTP/1.1\r\nHost:\r\n\r\n",
        "GET {p} HTTP/1.1\r\nHost:a\r\n\r\n",
        "GET {p} HTTP/1.1\r\nHOST:\t[2001:db8::1]:8080\t\r\n\r\n",
        "GET {p} HTTP/1.1\r\nHost: a_b.%41:80\r\n\r\n",
        "\r\nGET {p} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET {p} HTTP/1.1\r\nX:\r\nY: \t a\tb \t\r\nHost: a\r\n\r\n",
        "GET {p} HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~: a\r\n\r\n",
        "GET {p} HTTP/1.1\r\nHost: a\r\nX: \u00e4\r\nX: b\r\n\r\n",
        "GET {p}?a|b={[^]}`\"<>\\ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET {p} HTTP/1.1\r\nHost: a\r\nContent-Length: 0004\r\n\r\nbody",
        "GET {p} HTTP/1.1\r\nHost: a\r\nContent-Length:\t4 \r\n\r\nbody",
        "GET {p} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "GET {p} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\n\r\n",
        "GET {p} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, upgrade\r\n\r\n",
        "GET {p} HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n",
        "GET {p} HTTP/1.0\r\nConnection: Keep-Alive\r\nExpect: whatever\r\n\r\n",
        "GET HTTPS://[::1]:8{p} HTTP/1.1\r\nHost: other\r\n\r\n",
    ],
)
def test_odd_but_valid_requests_are_answered(open_server, request_head):
    path = f"{Tenant(None).webhooks_path}/list"
    with Raw(open_server.host, open_server.port) as raw:
        for _ in range(2):  # the connection stays in step
            raw.send(request_head.replace("{p}", path))
            assert raw.read_response().status == 200


@pytest.mark.parametrize("value", ["close", "Close", "x, close", "close ,x"])
def test_nothing_is_run_behind_a_close(tenant, raw, value):
    raw.send(head("GET", f"{tenant.webhooks_path}/list", f"Connection: {value}").encode())
    raw.send(create(tenant))
    assert raw.read_response().status == 200
    assert raw.closed()
    assert tenant.names() == []


def test_expect_100_continue(tenant, raw):
    body = json.dumps(tenant.body(name="expected")).encode()
    for fields, sent in (
        (f"Content-Length: {len(body)}", body),
        ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)),
    ):
        fields = ["Content-Type: application/json", "Expect: 100-continue", fields]
        raw.send(head("GET", "/healthz") + head("POST", tenant.webhooks_path, *fields))
        assert raw.read_response().status == 200
        assert raw.read_response(no_body=True).status == 100
        raw.send(sent)
        assert raw.read_response().status == 200
    assert tenant.names() == ["expected", "expected"]


def test_a_body_refused_from_the_start_gets_no_100(tenant, raw):
    fields = ["Content-Type: application/json", "Expect: 100-continue"]
    raw.send(head("POST", tenant.webhooks_path, *fields, f"Content-Length: {MIB + 1}"))
    problem(raw.read_response(), 413)
    assert raw.closed()


# --- what is refused behind what is answered


def test_good_requests_before_a_bad_one_are_answered(tenant, raw):
    good = create(tenant, "first") + head("GET", f"{tenant.webhooks_path}/list").encode()
    bad = head("GET", "/healthz", "X-Request-Id: mine", "X : y").encode()
    raw.send(good + bad + create(tenant))
    assert raw.read_response().status == 200
    assert [w["name"] for w in raw.read_response().json()["items"]] == ["first"]
    response = raw.read_response()
    assert problem(response, 400)["instance"] == "mine"
    assert raw.closed()
    assert tenant.names() == ["first"]


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 0", "Content-Length: {n}"],
        ["Content-Length: {n}", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding : x"],
        ["Content-Length: +{n}"],
        ["Content-Length : {n}"],
        ["Transfer-Encoding: \x0bchunked"],
    ],
)
def test_a_request_in_a_body_is_never_run(tenant, raw, fields):
    """Whatever the front end took for the end, the hidden request does not create its webhook."""
    hidden = create(tenant)
    body = b"0\r\n\r\n" + hidden
    fields = [field.replace("{n}", str(len(body))) for field in fields]
    raw.send(head("POST", tenant.webhooks_path, *fields).encode() + body)
    assert raw.read_response().status == 400
    assert raw.closed()
    assert tenant.names() == []


# --- sizes


def test_a_target_over_the_limit_is_414(tenant, raw):
    refused(raw, tenant, head("GET", "/" + "a" * 20_000).encode(), 414)


@pytest.mark.parametrize("lines", [1, 100, 1000], ids=["one", "many", "flood"])
def test_fields_over_the_limit_are_431(tenant, raw, lines):
    fields = [f"X-{n}: " + "x" * (20_000 // lines) for n in range(lines)]
    refused(raw, tenant, head("GET", "/healthz", *fields).encode(), 431)


def test_a_flood_of_short_fields_is_431(tenant, raw):
    refused(raw, tenant, head("GET", "/healthz", *["a:"] * 257).encode(), 431)


@pytest.mark.parametrize("length", [MIB + 1, 2**31, 2**32 + 4, 2**63, 2**64 + 4, 10**40])
def test_a_body_over_the_limit_is_413_at_once(tenant, raw, length):
    fields = ["Content-Type: application/json", f"Content-Length: {length}"]
    refused(raw, tenant, head("POST", tenant.webhooks_path, *fields).encode(), 413)


@pytest.mark.parametrize("size", [b"100001", b"ffffffff", b"100000004", b"1" + b"0" * 40])
def test_a_chunk_over_the_limit_is_413(tenant, raw, size):
    fields = ["Content-Type: application/json", "Transfer-Encoding: chunked"]
    request = head("POST", tenant.webhooks_path, *fields).encode()
    refused(raw, tenant, request + b"4\r\nnull\r\n" + size + b"\r\n", 413)


def test_the_client_can_read_the_413_while_it_sends(tenant, raw):
    fields = ["Content-Type: application/json", f"Content-Length: {8 * MIB}"]
    raw.send(head("POST", tenant.webhooks_path, *fields).encode() + bytes(8 * MIB))
    problem(raw.read_response(), 413)
    assert raw.closed()


def test_a_body_of_just_the_limit_is_taken(tenant, raw):
    body = json.dumps(tenant.body()).encode().ljust(MIB)
    fields = ["Content-Type: application/json", f"Content-Length: {MIB}"]
    raw.send(head("POST", tenant.webhooks_path, *fields).encode() + body)
    assert raw.read_response().status == 200


# --- abuse


def peak_kib(evhookd):
    """The most memory that the process ever had."""
    with open(f"/proc/{evhookd.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def push(raw, data, total):
    """Sends up to that many bytes without reading, as long as they are taken."""
    raw.socket.settimeout(0.5)
    sent = 0
    try:
        while sent < total:
            sent += raw.socket.send(data)
    except OSError:
        pass
    return sent


EVENTS = Tenant(None).events_path
JSON = "Content-Type: application/json"
CHUNKED = head("POST", EVENTS, JSON, "Transfer-Encoding: chunked").encode()


@pytest.mark.parametrize(
    "start, data",
    [
        (b"", head("GET", "/healthz").encode() * 1000),
        (b"", head("GET", "/nothing/here", "X-Filler: " + "x" * 10_000).encode() * 10),
        (CHUNKED, b"0" * 65536),
        (CHUNKED + b"1;a=", b"b" * 65536),
        (CHUNKED, b"1;" + b"a" * 900 + b"\r\nx\r\n" * 70),
        (CHUNKED + b"0\r\n", b"X: " + b"y" * 65536),
        (b"GET /", b"a" * 65536),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 10_000),
        (b"", b"\r\n" * 30_000),
    ],
    ids=[
        "pipelined requests",
        "long pipelined requests",
        "a chunk size",
        "a chunk extension",
        "many extensions",
        "a trailer",
        "a target",
        "fields",
        "empty lines",
    ],
)
def test_64_mib_without_reading_take_no_memory(alone, start, data):
    server = alone()
    Tenant(server.client()).list()
    before = peak_kib(server)
    with Raw(server.host, server.port) as raw:
        raw.send(start)
        push(raw, data, 64 * MIB)
    assert peak_kib(server) - before < 16 * 1024
    Tenant(server.client()).list()


@pytest.mark.parametrize(
    "start, drip",
    [
        (b"", b"G"),
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n"),
        (head("POST", EVENTS, JSON, "Content-Length: 5000").encode(), b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED, b"0"),
        (CHUNKED + b"0\r\n", b"a: b\r\n"),
    ],
    ids=["method", "target", "fields", "body", "chunks", "chunk size", "trailers"],
)
def test_a_drip_does_not_outlive_the_request_timeout(alone, start, drip):
    server = alone(request_timeout="1s")
    with Raw(server.host, server.port) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.send(start)
        raw.socket.settimeout(0.1)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                raw.socket.send(drip)
                answer = raw.socket.recv(65536)
                break
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_connections_of_one_client_are_capped(alone):
    server = alone(max_connections_per_client=3)
    raws = [Raw(server.host, server.port) for _ in range(3)]
    for raw in raws:
        raw.send(head("GET", "/healthz"))
        assert raw.read_response().status == 200
    with Raw(server.host, server.port) as fourth:
        assert fourth.closed()
    raws.pop().close()

    def answers():
        with Raw(server.host, server.port) as other:
            other.send(head("GET", "/healthz"))
            return other.read_response()

    assert until(answers, "a connection less, another one is let in").status == 200
    for raw in raws:
        raw.close()


def test_refusals_are_counted_by_kind(alone):
    server = alone()
    for request in (b"GET\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n", b"GET /" + b"a" * 20_000):
        with Raw(server.host, server.port) as raw:
            raw.send(request)
            assert raw.read_response() and raw.closed()
    with Raw("127.0.0.1", server.admin_lock.port) as raw:
        raw.send(head("GET", "/metrics"))
        metrics = raw.read_response().body.decode().splitlines()
    for reason in ("invalid", "unsupported", "too_large"):
        assert f'evhookd_http_refused_total{{reason="{reason}"}} 1' in metrics
