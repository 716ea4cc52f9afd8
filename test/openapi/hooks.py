"""What the server asks for and JSON Schema cannot say, said in narrower words to schemathesis, so that
every request that it takes for valid is one."""

import base64
import json
import os
import re

import schemathesis

# Name hosts alone: a literal address must be one that the server delivers to, and a last label of
# digits is one.
HOST = r"[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?(\.[a-z]([a-z0-9_-]{0,20}[a-z0-9])?){1,3}"
PATH = r"([/?]([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,50})?"


@schemathesis.hook
def map_body(context, body):
    """3.0 is an integer to JSON Schema, and not to the server."""
    if isinstance(body, dict):
        return {name: map_body(context, value) for name, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


EXAMPLES = set()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    schemas["EndpointUrl"]["pattern"] = f"^https?://{HOST}{PATH}$"
    # Between its commas an event type has at most 128 characters.
    for parameter in raw_schema["paths"]["/event/{tenantLocator}/webhooks/list"]["get"]["parameters"]:
        if parameter.get("name") == "eventTypes":
            types = "[A-Za-z0-9_-]{1,9}([.][A-Za-z0-9_-]{1,9}){0,9}"
            parameter["schema"]["items"]["pattern"] = f"^({types})?(,({types})?)*$"
    # Times of events begin in 1970.
    schemas["EventRequest"]["properties"]["timestamp"]["pattern"] = (
        "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"
    )
    listing = raw_schema["paths"]["/event/{tenantLocator}/events/list"]["get"]["responses"]["200"]
    EXAMPLES.add(listing["content"]["application/json"]["example"]["pagingToken"])
    # An update makes the alertEndpoint where there is none.
    schemas["UpdateAlertEndpointRequest"]["required"] = ["url"]


# What is not allowed as a header of an endpoint, as the description of HeadersIn says it.
RESERVED = set(
    "host content-length transfer-encoding connection upgrade expect te trailer keep-alive content-type"
    " content-encoding traceparent tracestate".split()
)


def allowed(headers):
    """Those headers that stay within the rules which look at all of them."""
    kept, names, count, size = {}, set(), 0, 0
    for name, values in headers.items():
        low = name.lower()
        if low in names | RESERVED or low.startswith(("proxy-", "webhook-")):
            continue
        count += len(values or [])
        size += sum(len(name) + len(value.encode("utf-8", "replace")) for value in values or [])
        if count > 50 or size > 8000:
            break
        names.add(low)
        kept[name] = values
    return kept


def settle(value):
    """A valid body without what rules over several properties refuse."""
    if isinstance(value, list):
        return [settle(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {name: settle(item) for name, item in value.items()}
    if value.get("tag") and not value.get("secret"):
        value["tag"] = None
    for name in ("headers", "addHeaders"):
        if isinstance(value.get(name), dict):
            value[name] = allowed(value[name])
    return value


def given_out(token):
    """Whether evhookd made that paging token: a version and a space begin it.  That of the description's
    example is nobody's."""
    if token in EXAMPLES:
        return False
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[1:2] == b" "
    except ValueError:
        return False


TOKEN = re.compile(r"[A-Za-z0-9_-]{1,400}")
# A tenant, its webhook, and events that are diverted there, as run.py made them.
DIVERTED = json.loads(os.environ["EVHOOK_DIVERTED"])


@schemathesis.hook
def before_call(context, case, kwargs):
    """Only what is meant to be valid is settled; what is meant to be refused stays so."""
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    token = (case.query or {}).get("pagingToken")
    if isinstance(token, str) and TOKEN.fullmatch(token):
        if not given_out(token):
            del case.query["pagingToken"]
        elif positive:
            case.query = {"pagingToken": token}
    if not positive:
        return
    if case.method == "POST" and case.path.endswith("/webhooks") or case.method == "PATCH":
        case.body = settle(case.body)
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers.pop("X-Idempotency-Key", None)
    if "/diverted/{eventLocator}" in case.path and DIVERTED["events"]:
        case.path_parameters = {
            "tenantLocator": DIVERTED["tenant"],
            "webhookLocator": DIVERTED["webhook"],
            "eventLocator": DIVERTED["events"].pop(),
        }
