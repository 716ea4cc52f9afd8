"""Drives evhookd with the client of openapi-python-client."""

import datetime
import os
import time

from evhookd_client import AuthenticatedClient
from evhookd_client import models as m
from evhookd_client.api.diverted_events import (
    fetch_diverted_event,
    fetch_multiple_diverted_events,
    resend_diverted_event,
)
from evhookd_client.api.events import fetch_multiple_events, publish_events
from evhookd_client.api.webhooks import (
    create_webhook,
    delete_webhook,
    fetch_webhook,
    fetch_webhooks,
    update_webhook,
)

url, token, tenant, endpoint = (os.environ[n] for n in ("URL", "TOKEN", "TENANT", "ENDPOINT"))


def data(**members):
    return m.EventData.from_dict(members)


with AuthenticatedClient(base_url=url, token=token) as client:
    body = m.CreateWebhookRequest(
        name="small",
        enabled=True,
        endpoint=m.CreateEndpointRequest(url=endpoint),
        event_types=["order.*"],
        failure_handling=m.FailureHandlingCreateRequest(divert=True),
    )
    made = create_webhook.sync(tenant, client=client, body=body)
    assert isinstance(made, m.WebhookResponse) and made.suspended_at is None
    listed = fetch_webhooks.sync(tenant, client=client, name="small")
    assert [w.locator for w in listed.items] == [made.locator]
    change = m.UpdateWebhookRequest(add_event_types=["x"])
    changed = update_webhook.sync(tenant, made.locator, client=client, body=change)
    assert changed.event_types == ["order.*", "x"]

    at = datetime.datetime(2026, 11, 23, 7, 21, tzinfo=datetime.timezone.utc)
    one = m.EventRequest(type_="order.paid", data=data(order=1042), timestamp=at)
    stored = publish_events.sync(tenant, client=client, body=one)
    assert isinstance(stored, m.PublishedEvent) and stored.timestamp == at
    several = publish_events.sync(tenant, client=client, body=[one, one])
    assert len(several) == 2 and several[1].data["order"] == 1042
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
    page = fetch_multiple_events.sync(tenant, client=client, start_timestamp=since)
    assert stored.locator in [e.locator for e in page.events]

    where, until = (tenant, made.locator), time.monotonic() + 30
    while len(fetch_multiple_diverted_events.sync(*where, client=client)) < 3:
        assert time.monotonic() < until, "nothing is diverted"
    kept = fetch_diverted_event.sync(*where, stored.locator, client=client)
    assert kept.event.data["order"] == 1042
    assert resend_diverted_event.sync_detailed(*where, stored.locator, client=client).status_code == 200
    assert delete_webhook.sync_detailed(*where, client=client).status_code == 204
    gone = fetch_webhook.sync(*where, client=client)
    assert isinstance(gone, m.Problem) and gone.status == 404
