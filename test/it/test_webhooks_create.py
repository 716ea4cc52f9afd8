"""Contract section 2: creating webhooks; every property, default and rule."""

import base64

import pytest

from api import DATETIME, ULID, Tenant, expect, problem, signing_key

ENDPOINT_DEFAULTS = {
    "hmacEnabled": False,
    "secret": "",
    "secureSsl": True,
    "tag": "",
    "headers": {},
}
FAILURE_DEFAULTS = {
    "triggers": ["4xx", "5xx", "timeout"],
    "retryStrategy": None,
    "alertEndpoint": None,
    "divert": False,
    "suspend": False,
}
URL = "http://example.com/hook"


def refused(tenant, body, *fields):
    """The body is refused with faults in exactly these fields, and nothing is stored."""
    response = tenant.try_create(body)
    document = problem(response, 400)
    assert response.fields() == sorted(fields)
    assert tenant.list()["items"] == []
    return {e["field"]: e["message"] for e in document["errors"]}


def whsec(size):
    return "whsec_" + base64.b64encode(bytes(range(size))).decode()


# --- the answer


def test_create_answers_201_location_and_the_webhook_with_every_default(tenant):
    response = expect(
        tenant.try_create(
            {"name": "n", "enabled": True, "endpoint": {"url": URL}, "eventTypes": ["a.b", "*"]}
        ),
        201,
    )
    webhook = response.json()
    assert ULID.match(webhook.pop("locator"))
    assert DATETIME.match(webhook["createdAt"])
    assert webhook.pop("createdAt") == webhook.pop("updatedAt")
    version = webhook.pop("version")
    assert isinstance(version, int) and response.header("etag") == f'"{version}"'
    assert webhook == {
        "name": "n",
        "enabled": True,
        "endpoint": {"url": URL, **ENDPOINT_DEFAULTS},
        "failureHandling": FAILURE_DEFAULTS,
        "eventTypes": ["a.b", "*"],
        "suspended": False,
        "suspendedAt": None,
        "useAutomationPlugin": False,
    }


def test_location_leads_to_the_webhook(tenant):
    response = expect(tenant.try_create(tenant.body()), 201)
    location = response.header("location")
    assert location.endswith(tenant.webhook_path(response.json()))
    path = location[location.index("/event/") :]
    assert expect(tenant.client.get(path), 200).json() == response.json()


def test_every_property_is_stored_and_returned(tenant):
    body = {
        "name": "Everything ✓",
        "enabled": False,
        "useAutomationPlugin": True,
        "eventTypes": ["policy.*", "claim", "a-b_C.9"],
        "endpoint": {
            "url": "https://example.com:8443/a/b?c=d&e=%20",
            "hmacEnabled": True,
            "secret": whsec(32),
            "tag": "key-1",
            "secureSsl": False,
            "headers": {"X-One": ["1"], "X-Many": ["b", "a", "b"], "Authorization": ["Bearer t ü"]},
        },
        "failureHandling": {
            "triggers": ["timeout", "503", "4xx"],
            "retryStrategy": {"attempts": 10, "intervalSeconds": 86400, "pattern": "linear"},
            "alertEndpoint": {
                "url": "https://alerts.example.com/",
                "hmacEnabled": True,
                "secret": "sixteen chars ok",
                "tag": "alert",
                "secureSsl": False,
                "headers": {"X-Alert": ["yes"]},
            },
            "divert": True,
            "suspend": True,
        },
    }
    webhook = expect(tenant.try_create(body), 201).json()
    assert {name: webhook[name] for name in body} == body
    assert tenant.fetch(webhook) == webhook


def test_a_fetched_endpoint_and_failure_handling_can_be_sent_back(tenant):
    first = tenant.create(
        failureHandling={"divert": True, "alertEndpoint": {"url": URL}, "retryStrategy": {}}
    )
    for source in (first, tenant.create(failureHandling={})):
        body = {**tenant.body(), "endpoint": source["endpoint"]}
        body["failureHandling"] = source["failureHandling"]
        copy = expect(tenant.try_create(body), 201).json()
        assert copy["endpoint"] == source["endpoint"]
        assert copy["failureHandling"] == source["failureHandling"]


@pytest.mark.parametrize(
    "sent, stored",
    [
        ({}, {}),
        ({"divert": True}, {"divert": True}),
        ({"suspend": True}, {"suspend": True}),
        ({"triggers": []}, {"triggers": []}),
        ({"triggers": ["400", "599", "400"]}, {"triggers": ["400", "599"]}),
        (
            {"retryStrategy": {}},
            {"retryStrategy": {"attempts": 3, "intervalSeconds": 10, "pattern": "exponential"}},
        ),
        (
            {"retryStrategy": {"attempts": 1}},
            {"retryStrategy": {"attempts": 1, "intervalSeconds": 10, "pattern": "exponential"}},
        ),
        (
            {"retryStrategy": {"intervalSeconds": 1, "pattern": "linear"}},
            {"retryStrategy": {"attempts": 3, "intervalSeconds": 1, "pattern": "linear"}},
        ),
        (
            {"alertEndpoint": {"url": URL}},
            {"alertEndpoint": {"url": URL, **ENDPOINT_DEFAULTS}},
        ),
    ],
)
def test_failure_handling_is_optional_in_each_part(tenant, sent, stored):
    webhook = tenant.create(failureHandling=sent)
    assert webhook["failureHandling"] == {**FAILURE_DEFAULTS, **stored}


# --- faults


def test_all_faults_of_the_body_are_listed_not_the_first(tenant):
    body = {
        "name": "",
        "enabled": "yes",
        "eventTypes": ["ok", "not ok", "a..b"],
        "evenTypes": [],
        "endpoint": {"url": "ftp://example.com/", "secret": "short", "secureSsl": 1},
        "failureHandling": {"divert": "x", "retryStrategy": {"attempts": 11, "pattern": "fast"}},
    }
    refused(
        tenant,
        body,
        "name",
        "enabled",
        "eventTypes[1]",
        "eventTypes[2]",
        "evenTypes",
        "endpoint.url",
        "endpoint.secret",
        "endpoint.secureSsl",
        "failureHandling.divert",
        "failureHandling.retryStrategy.attempts",
        "failureHandling.retryStrategy.pattern",
    )


@pytest.mark.parametrize("field", ["name", "enabled", "endpoint", "eventTypes"])
def test_required_properties(tenant, field):
    body = tenant.body()
    del body[field]
    refused(tenant, body, field)


def test_the_endpoint_needs_a_url(tenant):
    refused(tenant, {**tenant.body(), "endpoint": {}}, "endpoint.url")


@pytest.mark.parametrize(
    "name, value",
    [
        ("name", 1),
        ("name", ""),
        ("name", "x" * 256),
        ("name", "ü" * 256),
        ("name", ["x"]),
        ("enabled", "true"),
        ("enabled", 1),
        ("endpoint", "http://example.com/"),
        ("endpoint", []),
        ("eventTypes", "a"),
        ("eventTypes", {"a": 1}),
        ("failureHandling", []),
        ("failureHandling", True),
        ("useAutomationPlugin", "no"),
    ],
)
def test_types_and_limits_of_the_webhook(tenant, name, value):
    refused(tenant, {**tenant.body(), name: value}, name)


@pytest.mark.parametrize("name", ["x", "x" * 255, "ü" * 255, "😀" * 255, 'a"b\\c\n\t/'])
def test_a_name_has_1_to_255_characters(tenant, name):
    assert tenant.fetch(tenant.create(name=name))["name"] == name


@pytest.mark.parametrize(
    "name, value",
    [
        ("url", 1),
        ("url", ""),
        ("hmacEnabled", "true"),
        ("secureSsl", "true"),
        ("secret", 1),
        ("tag", 1),
        ("headers", []),
        ("headers", "X: y"),
    ],
)
def test_types_of_the_endpoint(tenant, name, value):
    body = tenant.body(**{"endpoint_secret": whsec(32), f"endpoint_{name}": value})
    refused(tenant, body, f"endpoint.{name}")


@pytest.mark.parametrize(
    "failure, field",
    [
        ({"triggers": "4xx"}, "triggers"),
        ({"triggers": ["4xx", 503]}, "triggers[1]"),
        ({"triggers": ["399"]}, "triggers[0]"),
        ({"triggers": ["600"]}, "triggers[0]"),
        ({"triggers": ["3xx"]}, "triggers[0]"),
        ({"triggers": ["4XX"]}, "triggers[0]"),
        ({"triggers": ["Timeout"]}, "triggers[0]"),
        ({"triggers": ["overflow"]}, "triggers[0]"),
        ({"triggers": ["0404"]}, "triggers[0]"),
        ({"triggers": [""]}, "triggers[0]"),
        ({"divert": 1}, "divert"),
        ({"suspend": "true"}, "suspend"),
        ({"retryStrategy": []}, "retryStrategy"),
        ({"retryStrategy": {"attempts": 0}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": 11}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": -1}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": 1.5}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": "3"}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"attempts": 10**30}}, "retryStrategy.attempts"),
        ({"retryStrategy": {"intervalSeconds": 0}}, "retryStrategy.intervalSeconds"),
        ({"retryStrategy": {"intervalSeconds": 86401}}, "retryStrategy.intervalSeconds"),
        ({"retryStrategy": {"pattern": "Linear"}}, "retryStrategy.pattern"),
        ({"retryStrategy": {"pattern": 1}}, "retryStrategy.pattern"),
        ({"alertEndpoint": "http://example.com/"}, "alertEndpoint"),
        ({"alertEndpoint": {}}, "alertEndpoint.url"),
        ({"alertEndpoint": {"url": "ftp://example.com"}}, "alertEndpoint.url"),
        ({"alertEndpoint": {"url": URL, "secret": "short"}}, "alertEndpoint.secret"),
        ({"alertEndpoint": {"url": URL, "tag": "t"}}, "alertEndpoint.tag"),
    ],
)
def test_rules_of_failure_handling(tenant, failure, field):
    refused(tenant, {**tenant.body(), "failureHandling": failure}, f"failureHandling.{field}")


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
    refused(tenant, tenant.body(url), "endpoint.url")


@pytest.mark.parametrize(
    "url", ["http://u:p@example.com/", "http://u@example.com/", "http://@example.com/"]
)
def test_credentials_in_a_url_are_refused_and_headers_recommended(tenant, url):
    assert "headers" in refused(tenant, tenant.body(url), "endpoint.url")["endpoint.url"]


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
        "[::ffff:127.0.0.1]",
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
    refused(tenant, tenant.body(f"http://{address}/"), "endpoint.url")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "[::1]"])
def test_loopback_is_refused_unless_allowed(alone, address):
    server = alone(allow_egress=[])
    tenant = Tenant(server.client())
    refused(tenant, tenant.body(f"http://{address}/"), "endpoint.url")


def test_allow_egress_opens_what_it_names(alone):
    server = alone(allow_egress=["10.1.0.0/16", "fd00::/8"])
    tenant = Tenant(server.client())
    for url in ("http://10.2.0.1/", "http://127.0.0.1/"):
        refused(tenant, tenant.body(url), "endpoint.url")
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
    messages = refused(tenant, tenant.body(endpoint_secret=secret), "endpoint.secret")
    if len(secret) > 6:
        assert secret not in messages["endpoint.secret"], "secrets never in error texts"


def test_a_tag_without_a_secret_is_400(tenant):
    refused(tenant, tenant.body(endpoint_tag="t"), "endpoint.tag")
    webhook = tenant.create(endpoint_tag="t", endpoint_secret=whsec(32))
    assert webhook["endpoint"]["tag"] == "t"


def test_empty_secret_and_tag_mean_none(tenant):
    webhook = tenant.create(endpoint_secret="", endpoint_tag="")
    assert (webhook["endpoint"]["secret"], webhook["endpoint"]["tag"]) == ("", "")
    refused(
        Tenant(tenant.client), tenant.body(endpoint_secret="", endpoint_tag="t"), "endpoint.tag"
    )


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


# --- eventTypes


@pytest.mark.parametrize(
    "event_type",
    [
        "a",
        "*",
        "a.*",
        "policy.issue.done",
        "A-b_9.*",
        ".".join("x" * 16),
        "x" * 128,
        "-",
        "0",
    ],
)
def test_subscriptions_that_are_taken(tenant, event_type):
    assert tenant.create(eventTypes=[event_type])["eventTypes"] == [event_type]


@pytest.mark.parametrize(
    "event_type",
    [
        "",
        ".",
        ".a",
        "a.",
        "a..b",
        "*.a",
        "a.*.b",
        "a*",
        "**",
        "a.**",
        "*.*",
        "a b",
        "ä",
        "a/b",
        "a\u0000",
        ".*",
        ".".join("x" * 17),
        "x" * 129,
        1,
        None,
        ["a"],
    ],
)
def test_subscriptions_that_are_refused(tenant, event_type):
    refused(tenant, {**tenant.body(), "eventTypes": ["ok", event_type]}, "eventTypes[1]")


def test_no_duplicate_event_types_are_kept(tenant):
    webhook = tenant.create(eventTypes=["b", "a", "b", "B", "a.*", "a"])
    assert webhook["eventTypes"] == ["b", "a", "B", "a.*"]


def test_an_empty_array_of_event_types_is_allowed(tenant):
    assert tenant.create(eventTypes=[])["eventTypes"] == []


def test_at_most_100_event_types(tenant):
    types = [f"t{n}" for n in range(101)]
    refused(tenant, {**tenant.body(), "eventTypes": types}, "eventTypes")
    assert tenant.create(eventTypes=types[:100])["eventTypes"] == types[:100]


# --- how many


def test_more_webhooks_than_max_webhooks_are_409(alone):
    server = alone(max_webhooks=3)
    tenant = Tenant(server.client())
    webhooks = [tenant.create() for _ in range(3)]
    problem(tenant.try_create(tenant.body()), 409)
    assert len(tenant.list()["items"]) == 3
    Tenant(tenant.client).create()
    tenant.delete(webhooks[1])
    tenant.create()
    problem(tenant.try_create(tenant.body()), 409)
