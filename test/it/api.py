"""The API as a tenant sees it, and what a subscriber knows: keys in Redis, signatures, ULIDs."""

import base64
import binascii
import datetime
import hashlib
import hmac
import re
import uuid

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")
DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"  # a ulid that nothing has
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid_ms(ulid):
    """The time in a ULID."""
    ms = 0
    for c in ulid[:10]:
        ms = ms * 32 + CROCKFORD.index(c)
    return ms


def format_ms(ms):
    at = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def parse_ms(datetime_text):
    """The milliseconds that a datetime of a response stands for."""
    assert DATETIME.match(datetime_text), datetime_text
    at = datetime.datetime.strptime(datetime_text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return round(at.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)


def expect(response, status):
    """The response, after a check of its status; errors show what the server said."""
    assert response.status == status, f"expected {status}, got {response}"
    return response


def problem(response, status):
    """The problem document of an error, after a check of its shape (RFC 9457)."""
    expect(response, status)
    assert response.header("content-type").split(";")[0] == "application/problem+json"
    document = response.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(document)
    assert document["status"] == status
    assert document["instance"] == response.header("x-request-id")
    for error in document.get("errors", []):
        assert set(error) == {"field", "message"} and error["message"]
    return document


class Tenant:
    """A tenant of its own for a test: the paths and calls of the API."""

    def __init__(self, client, locator=None):
        self.client = client
        self.locator = locator or str(uuid.uuid4())
        self.path = f"/event/{self.locator}"
        self.webhooks_path = f"{self.path}/webhooks"
        self.events_path = f"{self.path}/events"

    def on(self, client):
        """The same tenant through another client (another instance, another connection)."""
        return Tenant(client, self.locator)

    # --- webhooks

    def body(self, url="http://127.0.0.1:9/", **changes):
        """A CreateWebhookRequest; endpoint_…= changes the endpoint."""
        endpoint = {"url": url}
        for name in [n for n in changes if n.startswith("endpoint_")]:
            endpoint[name[len("endpoint_") :]] = changes.pop(name)
        return {
            "name": "test",
            "enabled": True,
            "endpoint": endpoint,
            "eventTypes": ["*"],
            **changes,
        }

    def try_create(self, body, headers=None):
        return self.client.post(self.webhooks_path, body, headers)

    def refused(self, body, *fields):
        """A create with this body is refused with faults in exactly these fields, and nothing is
        stored; gives what is said of each field."""
        document = problem(self.try_create(body), 400)
        messages = {error["field"]: error["message"] for error in document["errors"]}
        assert sorted(messages) == sorted(fields)
        assert self.list()["items"] == []
        return messages

    def create(self, url="http://127.0.0.1:9/", **changes):
        """Creates a webhook and gives its WebhookResponse."""
        return expect(self.try_create(self.body(url, **changes)), 200).json()

    def webhook_path(self, webhook, *more):
        locator = webhook["locator"] if isinstance(webhook, dict) else webhook
        return "/".join([self.webhooks_path, locator, *more])

    def try_fetch(self, webhook):
        return self.client.get(self.webhook_path(webhook))

    def fetch(self, webhook):
        return expect(self.try_fetch(webhook), 200).json()

    def try_update(self, webhook, body, headers=None):
        return self.client.patch(self.webhook_path(webhook), body, headers)

    def update(self, webhook, **body):
        return expect(self.try_update(webhook, body), 200).json()

    def try_delete(self, webhook, headers=None):
        return self.client.delete(self.webhook_path(webhook), headers)

    def delete(self, webhook):
        expect(self.try_delete(webhook), 204)

    def try_list(self, **query):
        return self.client.get(f"{self.webhooks_path}/list", **query)

    def list(self, **query):
        return expect(self.try_list(**query), 200).json()

    def names(self, **query):
        return [item["name"] for item in self.list(**query)["items"]]

    # --- failure handling

    def attempts(self, webhook, **query):
        """The items of the list of attempts, newest first."""
        return expect(self.client.get(self.webhook_path(webhook, "attempts"), **query), 200).json()[
            "items"
        ]

    def diverted(self, webhook, **query):
        """The list of diverted events, oldest first."""
        return expect(self.client.get(self.webhook_path(webhook, "diverted"), **query), 200).json()

    def diverted_path(self, webhook, event, *more):
        locator = event["locator"] if isinstance(event, dict) else event
        return self.webhook_path(webhook, "diverted", locator, *more)

    def try_resend(self, webhook, event):
        return self.client.post(self.diverted_path(webhook, event, "resend"), {})

    def resend(self, webhook, event):
        assert expect(self.try_resend(webhook, event), 200).json() == {}

    def try_resend_all(self, webhook):
        return self.client.post(self.webhook_path(webhook, "diverted", "resend"), {})

    def try_test(self, webhook):
        return self.client.post(self.webhook_path(webhook, "test"), {})

    def unsuspend(self, webhook):
        expect(self.client.patch(self.webhook_path(webhook, "unsuspend")), 204)

    def stats(self, webhook):
        """What the extended list says of a webhook."""
        items = self.list(extended="true")["items"]
        return next(i["stats"] for i in items if i["locator"] == webhook["locator"])

    # --- events

    def try_publish(self, body, headers=None):
        return self.client.post(self.events_path, body, headers)

    def publish(self, type="test.event", data=None, headers=None, **more):
        """Publishes one event and gives its EventResponse."""
        body = {"type": type, "data": data if data is not None else {}, **more}
        return expect(self.try_publish(body, headers), 201).json()

    def publish_many(self, count, type="test.event"):
        """Publishes an array and gives the locators in order."""
        body = [{"type": type, "data": {"n": n}} for n in range(count)]
        return [e["locator"] for e in expect(self.try_publish(body), 201).json()]

    def event(self, locator):
        return expect(self.client.get(f"{self.events_path}/{locator}"), 200)

    def by_request(self, request_id):
        return expect(self.client.get(f"{self.events_path}/request/{request_id}"), 200).json()

    def try_events(self, **query):
        return self.client.get(f"{self.events_path}/list", **query)

    def events(self, **query):
        return expect(self.try_events(**query), 200).json()

    def all_events(self, **query):
        """The locators of the whole stream, page by page."""
        locators = []
        while True:
            page = self.events(**query)
            locators += [e["locator"] for e in page["events"]]
            if not page["more"]:
                return locators
            query = {"pagingToken": page["pagingToken"]}


class Keys:
    """The Redis keys of a tenant, as operators know them."""

    def __init__(self, tenant, shards=64):
        self.tenant = tenant.locator
        self.shard = binascii.crc_hqx(self.tenant.encode(), 0) % shards  # CRC-16/XMODEM
        self.prefix = "evhook:{%d}:" % self.shard
        self.webhooks = f"{self.prefix}whs:{self.tenant}"
        self.stream = f"{self.prefix}ev:{self.tenant}"
        self.due = f"{self.prefix}due"
        self.kept = f"{self.prefix}kp:{self.tenant}"
        self.kept_numbers = f"{self.prefix}kn:{self.tenant}"
        self.gone = f"{self.prefix}gone:{self.tenant}"
        self.bytes = f"{self.prefix}bytes"

    def webhook(self, locator):
        return f"{self.prefix}wh:{locator}"

    def subscription(self, pattern):
        return f"{self.prefix}sub:{self.tenant}:{pattern}"

    def queue(self, locator):
        return f"{self.prefix}q:{locator}"

    def alerts(self, locator):
        return f"{self.prefix}q:{locator}:alert"

    def retries(self, locator):
        return f"{self.prefix}rt:{locator}"

    def retries_due(self, locator):
        return f"{self.prefix}rq:{locator}"

    def diverted(self, locator):
        return f"{self.prefix}dv:{locator}"

    def diverted_order(self, locator):
        return f"{self.prefix}dvx:{locator}"

    def needs(self, locator):
        return f"{self.prefix}kr:{self.tenant}:{locator}"

    def attempts(self, locator):
        return f"{self.prefix}at:{locator}"

    def state(self, locator):
        return f"{self.prefix}st:{locator}"

    def request(self, request_id):
        return f"{self.prefix}req:{self.tenant}:{request_id}"


def whsec(size):
    """A secret of so many bytes."""
    return "whsec_" + base64.b64encode(bytes(range(size))).decode()


def signing_key(secret):
    """The HMAC key that a secret stands for (Standard Webhooks)."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret[len("whsec_") :], validate=True)
    return secret.encode()


def signature(secret, request):
    """The signature that a delivery should carry for this secret."""
    signed = b".".join(
        [
            request.header("webhook-id").encode(),
            request.header("webhook-timestamp").encode(),
            request.body,
        ]
    )
    digest = hmac.new(signing_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
