"""Contract section 2: what an endpoint may be: url, headers, secret, tag, hmacEnabled."""

import pytest

from api import Tenant, problem, signing_key, whsec

# --- endpoint.url


LONG_NAME = ".".join(["a" * 63] * 3 + ["b" * 61])  # 253


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://example.com/",
        "https://example.com:65535/a/b;c?d=e&f=%2F",
        "http://example.com:1/",
        "http://example.com:/",
        "http://example.com?x=y",
        "http://localhost/",
        "http://a_b.example-x.com/",
        "http://xn--bcher-kva.example/",
        "http://example.com./",
        "http://3com.example/",
        "http://8.8.8.8/",
        "http://[2606:4700:4700::1111]:8080/",
        "http://127.0.0.1:9/",
        "http://[::1]:9/",
        f"http://{LONG_NAME}/",
        f"http://{LONG_NAME}./",
        "http://example.com/" + "x" * (2048 - 19),
    ],
)
def test_urls_that_are_taken(tenant, url):
    assert tenant.create(url)["endpoint"]["url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "/hook",
        "//example.com/",
        "http:example.com",
        "http:/example.com",
        "http://",
        "http:///x",
        "http://:80/",
        "http://?x",
        "ftp://example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://example.com/#fragment",
        "http://example.com#",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:65979/",
        "http://example.com:-1/",
        "http://example.com:80x/",
        "http://example.com:+80/",
        "http://exa mple.com/",
        "http://example.com/a b",
        " http://example.com/",
        "http://example.com/\r\nX-Injected: yes",
        "http://example.com\u0000/",
        "http://example.com\\@evil.example/",
        "http://bücher.example/",
        "http://ex%61mple.com/",
        "http://-a.example/",
        "http://a-.example/",
        "http://a..example/",
        "http://.example/",
        "http://example../",
        f"http://{'a' * 64}.example/",
        f"http://{LONG_NAME}a/",
        "http://a*b.example/",
        "http://1.2.3/",
        "http://1.2.3.4.5/",
        "http://1.2.3.256/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.0.0.01/",
        "http://example.123/",
        "http://example.0x1f/",
        "http://[::1/",
        "http://::1/",
        "http://[::g]/",
        "http://[127.0.0.1]/",
        "http://[fe80::1%25lo]/",
        "http://[v1.x]/",
        "http://[]/",
        "http://example.com/" + "x" * (2049 - 19),
    ],
)
def test_urls_that_are_refused(tenant, url):
    tenant.refused(tenant.body(url), "endpoint.url")


@pytest.mark.parametrize(
    "url", ["http://u:p@example.com/", "http://u@example.com/", "http://@example.com/"]
)
def test_credentials_in_a_url_are_refused_and_headers_recommended(tenant, url):
    assert "headers" in tenant.refused(tenant.body(url), "endpoint.url")["endpoint.url"]


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[ff02::1]",
        "[2002:a00:1::]",
        "[2001:db8::1]",
    ],
)
def test_a_literal_address_must_be_allowed_by_the_egress_rules(tenant, address):
    tenant.refused(tenant.body(f"http://{address}/"), "endpoint.url")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]"])
def test_loopback_is_refused_unless_allowed(alone, address):
    server = alone(allow_egress=[])
    tenant = Tenant(server.client())
    tenant.refused(tenant.body(f"http://{address}/"), "endpoint.url")


def test_allow_egress_opens_what_it_names(alone):
    server = alone(allow_egress=["10.1.0.0/16", "fd00::/8"])
    tenant = Tenant(server.client())
    for url in ("http://10.2.0.1/", "http://127.0.0.1/"):
        tenant.refused(tenant.body(url), "endpoint.url")
    tenant.create("http://10.1.255.255/")
    tenant.create("http://[fd12::1]/")


# --- endpoint.headers


def of_headers(response):
    """All faults are about headers, whichever way they are numbered."""
    problem(response, 400)
    return response.fields() and all(f.startswith("endpoint.headers") for f in response.fields())


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Upgrade",
        "Expect",
        "TE",
        "Trailer",
        "Keep-Alive",
        "Proxy-Authorization",
        "proxy-connection",
        "Content-Type",
        "Content-Encoding",
        "traceparent",
        "tracestate",
        "webhook-id",
        "Webhook-Anything",
        "",
        "two words",
        "colon:",
        "umläut",
        "line\nbreak",
        "nul\u0000",
        "(x)",
    ],
)
def test_header_names_that_are_refused(tenant, name):
    body = tenant.body(endpoint_headers={"X-Fine": ["1"], name: ["1"]})
    assert of_headers(tenant.try_create(body))


@pytest.mark.parametrize(
    "value", ["a\r\nX-Injected: yes", "a\nb", "a\rb", "a\u0000b", "a\u0001b", "\u007f"]
)
def test_header_values_that_are_refused(tenant, value):
    body = tenant.body(endpoint_headers={"X-Fine": ["1"], "X-Bad": ["1", value]})
    assert of_headers(tenant.try_create(body))


@pytest.mark.parametrize(
    "headers", [{"X": "1"}, {"X": 1}, {"X": [1]}, {"X": [["1"]]}, {"X": {"a": "b"}}]
)
def test_headers_map_names_to_arrays_of_strings(tenant, headers):
    assert of_headers(tenant.try_create(tenant.body(endpoint_headers=headers)))


def test_two_header_names_that_differ_only_in_case_are_refused(tenant):
    body = tenant.body(endpoint_headers={"X-A": ["1"], "x-a": ["2"]})
    assert of_headers(tenant.try_create(body))


def test_at_most_50_header_values(tenant):
    tenant.create(endpoint_headers={"X-A": ["v"] * 25, "X-B": ["v"] * 25})
    assert of_headers(tenant.try_create(tenant.body(endpoint_headers={"X-A": ["v"] * 51})))
    spread = {f"X-{n}": ["v"] for n in range(51)}
    assert of_headers(tenant.try_create(tenant.body(endpoint_headers=spread)))


def test_at_most_8_kib_of_headers(tenant):
    tenant.create(endpoint_headers={"X-A": ["v" * 8000]})
    assert of_headers(tenant.try_create(tenant.body(endpoint_headers={"X-A": ["v" * 8193]})))
    halves = {"X-A": ["v" * 4100], "X-B": ["v" * 4100]}
    assert of_headers(tenant.try_create(tenant.body(endpoint_headers=halves)))


# --- endpoint.secret, tag, hmacEnabled


@pytest.mark.parametrize("secret", ["x" * 16, "x" * 256, whsec(24), whsec(32), whsec(64), "ü" * 16])
def test_secrets_that_are_taken(tenant, secret):
    assert tenant.create(endpoint_secret=secret)["endpoint"]["secret"] == secret


@pytest.mark.parametrize(
    "secret",
    [
        "x",
        "x" * 15,
        "x" * 257,
        whsec(23),
        whsec(65),
        "whsec_",
        "whsec_" + "!" * 44,
        "whsec_" + "A" * 45,
        whsec(32) + " ",
    ],
)
def test_secrets_that_are_refused(tenant, secret):
    messages = tenant.refused(tenant.body(endpoint_secret=secret), "endpoint.secret")
    if len(secret) > 6:
        assert secret not in messages["endpoint.secret"], "secrets never in error texts"


def test_a_tag_without_a_secret_is_400(tenant):
    tenant.refused(tenant.body(endpoint_tag="t"), "endpoint.tag")
    webhook = tenant.create(endpoint_tag="t", endpoint_secret=whsec(32))
    assert webhook["endpoint"]["tag"] == "t"


def test_empty_secret_and_tag_mean_none(tenant):
    webhook = tenant.create(endpoint_secret="", endpoint_tag="")
    assert (webhook["endpoint"]["secret"], webhook["endpoint"]["tag"]) == ("", "")
    other = Tenant(tenant.client)
    other.refused(other.body(endpoint_secret="", endpoint_tag="t"), "endpoint.tag")


@pytest.mark.parametrize("sent", [{}, {"endpoint_secret": ""}, {"endpoint_secret": None}])
def test_hmac_enabled_without_a_secret_generates_one_of_32_bytes(tenant, sent):
    secrets = set()
    for _ in range(2):
        webhook = tenant.create(endpoint_hmacEnabled=True, endpoint_tag="generated", **sent)
        secret = webhook["endpoint"]["secret"]
        assert secret.startswith("whsec_") and len(signing_key(secret)) == 32
        assert tenant.fetch(webhook)["endpoint"]["secret"] == secret
        secrets.add(secret)
    assert len(secrets) == 2
