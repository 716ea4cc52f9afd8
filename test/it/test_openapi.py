"""doc/openapi.yaml against the route table, against itself, and against what evhookd answers.

What schemathesis makes of it: test/openapi/run.py."""

import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator, RefResolver

import tokens
from api import DATETIME, UNKNOWN, Tenant, expect, problem
from harness import TOP, run, until
from receivers import Answer

DOCUMENT = yaml.safe_load((TOP / "doc" / "openapi.yaml").read_text())
METHODS = ("get", "post", "patch", "delete")
OPERATIONS = {
    (method.upper(), path): item[method]
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
}
ROUTE = re.compile(r'\{"(\w+)", "([^"]+)", \w+, (?:NULL|"([a-z-]+)"), \{([^}]*)\}, (true|false)\}')


def resolve(node):
    """What a $ref within the document means."""
    while "$ref" in node:
        assert node["$ref"].startswith("#/")
        target = DOCUMENT
        for step in node["$ref"][2:].split("/"):
            target = target[step]
        node = target
    return node


def nodes(node):
    """Every object in the document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


WRITTEN = {
    "date-time": "^" + DATETIME.pattern,
    "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
}


def closed(node):
    """The document as answers must keep to it: every object is closed, so that an undescribed property
    fails, and what has a format is written in one way, which the document must not say in a pattern
    (clients are to make dates of it, and some check a pattern that null fails)."""
    if isinstance(node, list):
        return [closed(child) for child in node]
    if not isinstance(node, dict):
        return node
    node = {name: closed(child) for name, child in node.items()}
    if node.get("type") == "object" and "properties" in node:
        node.setdefault("additionalProperties", False)
    if node.get("format") in WRITTEN:
        node["pattern"] = WRITTEN[node["format"]]
    return node


STRICT = closed(DOCUMENT)


def faults(instance, schema, document=DOCUMENT):
    validator = Draft202012Validator(schema, resolver=RefResolver("", document))
    return [error.message for error in validator.iter_errors(instance)]


# --- the document itself


def test_route_table_and_document_are_the_same():
    table = (TOP / "server" / "api_routes.c").read_text()
    routes = {}
    for method, path, group, permissions, body in ROUTE.findall(table):
        actions = re.findall(r'"(\w+)"', permissions)
        routes[method, path] = ([f"{group}.{action}" for action in actions], body == "true")
    assert len(routes) == table.count('\t{"')
    described = {}
    for (method, path), operation in OPERATIONS.items():
        path = re.sub(r"\{(\w+)\}", lambda m: "{tenant}" if m[1] == "tenantLocator" else "{locator}", path)
        described[method, path] = (operation.get("x-permissions", []), "requestBody" in operation)
    assert described == routes


@pytest.mark.parametrize("method, path", OPERATIONS)
def test_an_operation_is_described_completely(method, path):
    operation, item = OPERATIONS[method, path], DOCUMENT["paths"][path]
    permissions = operation.get("x-permissions", [])
    # what asks for no permission asks for no token, and all else for that of the document
    assert DOCUMENT["security"] == [{"bearer": []}]
    assert operation.get("security") == (None if permissions else [])
    parameters = [resolve(p) for p in item["parameters"] + operation.get("parameters", [])]
    in_path = [p["name"] for p in parameters if p["in"] == "path"]
    assert in_path == re.findall(r"\{(\w+)\}", path)
    assert all(p["description"] for p in parameters)
    assert operation["summary"] and operation["tags"][0] in [t["name"] for t in DOCUMENT["tags"]]
    said = re.findall(r"`([a-z-]+\.[a-z]+)`", operation["description"].partition("Permission")[2])
    assert said == permissions
    responses = {status: resolve(r) for status, r in operation["responses"].items()}
    wanted = {"400", "405", "408", "413", "414", "431"}
    if permissions:
        wanted |= {"401", "403", "503"}
    if "webhookLocator" in in_path or "eventLocator" in in_path:
        wanted |= {"404"}
    if "requestBody" in operation:
        wanted |= {"415"}
    if any(p["name"] == "If-Match" for p in parameters):
        wanted |= {"412"}
    assert wanted <= set(responses)
    for status, response in responses.items():
        wanted = {"X-Request-Id"}
        wanted |= {"401": {"WWW-Authenticate"}, "403": {"WWW-Authenticate"}}.get(status, set())
        wanted |= {"405": {"Allow"}, "503": {"Retry-After"}}.get(status, set())
        assert wanted <= set(response["headers"])


def test_references_operation_ids_and_links_hold():
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    for node in nodes(DOCUMENT):
        if isinstance(node.get("$ref"), str):
            resolve(node)
        if "operationId" in node and "parameters" in node and "responses" not in node:
            assert node["operationId"] in ids
    used = set(re.findall(r"#/components/\w+/[\w-]+", json.dumps(DOCUMENT)))
    for kind in set(DOCUMENT["components"]) - {"securitySchemes"}:
        for name in DOCUMENT["components"][kind]:
            assert f"#/components/{kind}/{name}" in used


def test_schemas_are_schemas_and_examples_keep_to_them():
    found = 0
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for node in nodes(DOCUMENT):
        if not isinstance(node.get("schema"), dict):
            continue
        values = [resolve(e)["value"] for e in node.get("examples", {}).values()]
        values += [node["example"]] if "example" in node else []
        for value in values:
            found += 1
            assert faults(value, node["schema"]) == [], value
    for schema in DOCUMENT["components"]["schemas"].values():
        for value in schema.get("examples", []):
            found += 1
            assert faults(value, schema) == []
    assert found > 50


def test_properties_are_refused_or_described_as_the_server_does_it():
    """Requests are closed, and responses open, so that properties can be added to them."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if schema.get("type") == "object" and "properties" in schema:
            request = name.endswith("Request") or name.endswith("In")
            assert (schema.get("additionalProperties") is False) == request, name


# --- the document and the server


def test_it_is_served_without_a_token(alone, tmp_path):
    key = tokens.hmac_key(tmp_path / "key", bytes(range(32)))
    evhookd = alone(auth_key=key.file)
    client = evhookd.client()
    response = expect(client.get("/openapi.json"), 200)
    assert response.json() == DOCUMENT
    assert response.header("content-type") == "application/json"
    assert response.header("etag") is None
    head = expect(client.request("HEAD", "/openapi.json"), 200)
    assert head.body == b"" and head.header("content-length") == str(len(response.body))
    problem(client.get(Tenant(client).webhooks_path + "/list"), 401)


def test_it_is_of_this_version():
    assert run("--version").stdout.split()[-1] == DOCUMENT["info"]["version"]


class Judge:
    """A client's calls, each answer held against the document."""

    def __init__(self, client):
        self.client = client
        self.seen = set()

    def __call__(self, method, path, body=None, headers=None):
        response = self.client.request(method, path, body, headers)
        operation = OPERATIONS[method, self.template(path.split("?")[0])]
        self.seen.add((operation["operationId"], response.status))
        described = resolve(operation["responses"][str(response.status)])
        for name, header in described["headers"].items():
            value, header = response.header(name), resolve(header)
            assert value is not None or not header.get("required"), name
            if value is not None:
                value = int(value) if header["schema"].get("type") == "integer" else value
                assert faults(value, header["schema"]) == [], name
        ours = {"date", "content-length", "content-type", "connection"}
        given = {name.lower() for name, _ in response.headers} - ours
        assert given <= {name.lower() for name in described["headers"]}
        if "content" not in described:
            assert response.body == b"" and response.header("content-type") is None
            return response
        ((media, content),) = described["content"].items()
        assert response.header("content-type").split(";")[0] == media
        document = response.json()
        assert faults(document, closed(content["schema"]), STRICT) == []
        return response

    @staticmethod
    def template(path):
        for literal_first in sorted(DOCUMENT["paths"], key=lambda p: p.count("{")):
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", literal_first), path):
                return literal_first
        raise AssertionError(f"{path} is not described")


def test_answers_are_as_described(alone, receiver):
    evhookd = alone(max_webhooks=2)
    call, tenant = Judge(evhookd.client()), Tenant(None)
    failing, alerts = receiver(default=Answer(500)), receiver()
    body = tenant.body(
        failing.url(),
        endpoint_hmacEnabled=True,
        endpoint_headers={"X-A": ["1", ""]},
        failureHandling={"divert": True, "alertEndpoint": {"url": alerts.url()}},
    )
    hook = call("POST", tenant.webhooks_path, body).json()
    other = call("POST", tenant.webhooks_path, tenant.body(failing.url(), enabled=False)).json()
    path, disabled = tenant.webhook_path(hook), tenant.webhook_path(other)
    call("POST", tenant.webhooks_path, body)
    call("POST", tenant.webhooks_path, {"name": 1})
    call("POST", tenant.webhooks_path, b"{}", {"Content-Type": "text/plain"})
    event = {"type": "a.b", "data": {}}
    key = {"Idempotency-Key": "k"}
    stored = call("POST", tenant.events_path, event, key).json()
    call("POST", tenant.events_path, [event, event], {"Prefer": "return=minimal"})
    call("POST", tenant.events_path, [event], key)
    call("POST", tenant.events_path, {"type": "a b"})
    diverted = f"{path}/diverted/{stored['locator']}"
    until(lambda: evhookd.status_of(diverted) == 200, "the event is diverted")
    for method, target, more in [
        ("GET", path, {}),
        ("GET", tenant.webhook_path(UNKNOWN), {}),
        ("GET", f"{tenant.webhooks_path}/list?extended=true", {}),
        ("GET", f"{tenant.webhooks_path}/list?count=x", {}),
        ("PATCH", path, {"body": {"addEventTypes": ["x"]}}),
        ("PATCH", path, {"body": {}, "headers": {"If-Match": '"77"'}}),
        ("PATCH", f"{path}/unsuspend", {"headers": {"If-Match": '"77"'}}),
        ("PATCH", f"{path}/unsuspend", {}),
        ("POST", f"{disabled}/test", {}),
        ("POST", f"{path}/test", {}),
        ("GET", f"{path}/attempts", {}),
        ("GET", f"{path}/diverted", {}),
        ("GET", diverted, {}),
        ("POST", f"{disabled}/diverted/resend", {}),
        ("POST", f"{diverted}/resend", {}),
        ("POST", f"{path}/diverted/resend", {}),
        ("DELETE", diverted, {}),
        ("GET", f"{tenant.events_path}/list", {}),
        ("GET", f"{tenant.events_path}/list?pagingToken=x", {}),
        ("GET", f"{tenant.events_path}/{stored['locator']}", {}),
        ("GET", f"{tenant.events_path}/{UNKNOWN}", {}),
        ("GET", f"{tenant.events_path}/request/{stored['requestId']}", {}),
        ("DELETE", disabled, {"headers": {"If-Match": '"77"'}}),
        ("DELETE", disabled, {}),
        ("DELETE", disabled, {}),
        ("GET", "/healthz", {}),
        ("GET", "/readyz", {}),
        ("GET", "/metrics", {}),
        ("GET", "/config", {}),
        ("GET", "/worst", {}),
        ("GET", "/openapi.json", {}),
    ]:
        call(method, target, **more)
    for name, requests in (("event", failing.wait_for(3)), ("alert", alerts.wait_for(1))):
        sent = resolve(DOCUMENT["webhooks"][name])["post"]
        names = {resolve(p)["name"]: resolve(p).get("required") for p in sent["parameters"]}
        schema = closed(sent["requestBody"]["content"]["application/json"]["schema"])
        for request in requests:
            assert faults(request.json(), schema, STRICT) == []
            assert name != "alert" or request.json()["userLocator"] is None
            given = {n.lower() for n, _ in request.headers}
            assert {n for n, required in names.items() if required} <= given
            assert {n for n in given if n.startswith("webhook-")} <= set(names)
    assert {operation for operation, _ in call.seen} == {
        operation["operationId"] for operation in OPERATIONS.values()
    }
    assert len(call.seen) >= 33
