"""Drives evhookd with the Python client of openapi-generator."""

import datetime
import os
import time

import openapi_client as api
from openapi_client.exceptions import NotFoundException

url, token, tenant, endpoint = (os.environ[n] for n in ("URL", "TOKEN", "TENANT", "ENDPOINT"))

with api.ApiClient(api.Configuration(host=url, access_token=token)) as client:
    webhooks, events = api.WebhooksApi(client), api.EventsApi(client)
    diverted = api.DivertedEventsApi(client)
    made = webhooks.create_webhook(
        tenant,
        api.CreateWebhookRequest(
            name="python",
            enabled=True,
            endpoint=api.CreateEndpointRequest(url=endpoint, headers={"X-A": ["1", "2"]}),
            event_types=["order.*"],
            failure_handling=api.FailureHandlingCreateRequest(
                divert=True, retry_strategy=api.RetryStrategyIn(attempts=1, interval=1)
            ),
        ),
    )
    assert made.failure_handling.retry_strategy.type == api.RetryType.EXPONENTIAL
    assert made.suspended_at is None and made.endpoint.headers == {"X-A": ["1", "2"]}
    listed = webhooks.fetch_webhooks(tenant, name="python", extended=True)
    assert [w.locator for w in listed.items] == [made.locator]
    assert listed.items[0].stats.delivered == 0
    change = api.UpdateWebhookRequest(
        failure_handling=api.FailureHandlingUpdateRequest(remove_retry_strategy=True)
    )
    changed = webhooks.update_webhook(tenant, made.locator, change, if_match='"1"')
    assert changed.version == 2 and changed.failure_handling.retry_strategy is None

    at = datetime.datetime(2026, 11, 23, 7, 21, tzinfo=datetime.timezone.utc)
    one = api.EventRequest(type="order.paid", data={"order": 1042}, timestamp=at)
    stored = events.publish_events(tenant, api.PublishRequest(one)).actual_instance
    assert stored.timestamp == at and stored.data == {"order": 1042}
    many = [api.EventOfManyRequest(type="order.paid", data={"order": n}) for n in range(2)]
    several = events.publish_events(tenant, api.PublishRequest(many)).actual_instance
    assert [e.data for e in several] == [{"order": 0}, {"order": 1}]
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
    page = events.fetch_multiple_events(tenant, start_timestamp=since, order="desc", page_size=2)
    assert [e.data for e in page.events] == [{"order": 1}, {"order": 0}] and page.more

    until = time.monotonic() + 30
    while len(diverted.fetch_multiple_diverted_events(tenant, made.locator)) < 3:
        assert time.monotonic() < until, "nothing is diverted"
    kept = diverted.fetch_diverted_event(tenant, made.locator, stored.locator)
    assert kept.event.data == {"order": 1042} and kept.failure_trigger == "500"
    diverted.resend_diverted_event(tenant, made.locator, stored.locator)
    diverted.delete_diverted_event(tenant, made.locator, several[0].locator)
    assert diverted.resend_diverted_events(tenant, made.locator).completed
    webhooks.delete_webhook(tenant, made.locator)
    try:
        webhooks.fetch_webhook(tenant, made.locator)
        raise AssertionError("it is still there")
    except NotFoundException as e:
        assert isinstance(e.data, api.Problem)
        assert e.data.status == 404 and e.data.title == "Not Found"
