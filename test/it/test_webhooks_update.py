"""Contract section 2: updating webhooks; merging, add-remove semantics, versions, atomicity."""

import threading

import pytest

from api import Tenant, expect, problem, signing_key

URL = "http://example.com/hook"
SECRET = "a secret of more than 16 characters"
FAILURE_DEFAULTS = {
    "triggers": ["4xx", "5xx", "timeout"],
    "retryStrategy": None,
    "alertEndpoint": None,
    "divert": False,
    "suspend": False,
}
ENDPOINT_DEFAULTS = {
    "hmacEnabled": False,
    "secret": "",
    "secureSsl": True,
    "tag": "",
    "timeoutSeconds": None,
    "headers": {},
}


@pytest.fixture
def webhook(tenant):
    """A webhook with something in every property."""
    return tenant.create(
        URL,
        name="before",
        eventTypes=["a", "b", "c.*"],
        endpoint_secret=SECRET,
        endpoint_tag="tag-1",
        endpoint_hmacEnabled=True,
        endpoint_headers={"X-One": ["1"], "X-Two": ["1", "2"]},
        failureHandling={
            "triggers": ["4xx", "503"],
            "retryStrategy": {"attempts": 5, "interval": 60, "type": "linear"},
            "alertEndpoint": {"url": URL + "/alert", "headers": {"X-Alert": ["1"]}},
            "divert": True,
            "suspend": True,
        },
    )


def changed(before, after):
    """What differs, apart from what every change moves, after a check that it moved."""
    assert after["version"] == before["version"] + 1
    assert after["updatedAt"] >= before["updatedAt"]
    moved = {"version", "updatedAt"}
    return {k: v for k, v in after.items() if v != before[k] and k not in moved}


def endpoint_changed(before, after):
    assert set(changed(before, after)) <= {"endpoint"}
    return {k: v for k, v in after["endpoint"].items() if v != before["endpoint"][k]}


def failure_changed(before, after):
    assert set(changed(before, after)) <= {"failureHandling"}
    old, new = before["failureHandling"], after["failureHandling"]
    return {k: v for k, v in new.items() if v != old[k]}


def refused(tenant, webhook, body, *fields):
    response = tenant.try_update(webhook, body)
    problem(response, 400)
    assert response.fields() == sorted(fields)
    assert tenant.fetch(webhook) == webhook


# --- the answer, versions


def test_update_answers_200_with_the_webhook_and_its_etag(tenant, webhook):
    response = expect(tenant.try_update(webhook, {"name": "after"}), 200)
    after = response.json()
    assert changed(webhook, after) == {"name": "after"}
    assert response.header("etag") == f'"{after["version"]}"'
    assert tenant.fetch(webhook) == after


@pytest.mark.parametrize(
    "name, value", [("name", "after"), ("enabled", False), ("useAutomationPlugin", True)]
)
def test_absent_properties_are_unchanged(tenant, webhook, name, value):
    assert changed(webhook, tenant.update(webhook, **{name: value})) == {name: value}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": None, "endpoint": None, "failureHandling": None, "addEventTypes": None},
        {"name": "before", "enabled": True, "useAutomationPlugin": False},
        {"endpoint": {}, "failureHandling": {}, "addEventTypes": [], "removeEventTypes": []},
        {"removeFailureHandling": False},
        {"addEventTypes": ["a", "b"], "removeEventTypes": ["unheard.of"]},
        {"addEventTypes": ["a"], "removeEventTypes": ["x"]},
        {"endpoint": {"url": URL, "secret": SECRET, "tag": "tag-1", "hmacEnabled": True}},
        {"endpoint": {"addHeaders": {"X-One": ["1"]}, "removeHeaders": ["X-Unknown"]}},
        {"failureHandling": {"divert": True, "addTriggers": ["503"], "removeTriggers": ["404"]}},
        {
            "failureHandling": {
                "retryStrategy": {"attempts": 5},
                "alertEndpoint": {"url": URL + "/alert"},
            }
        },
    ],
)
def test_a_patch_that_changes_nothing_leaves_version_and_updated_at(tenant, webhook, body):
    response = expect(tenant.try_update(webhook, body), 200)
    assert response.json() == webhook
    assert response.header("etag") == f'"{webhook["version"]}"'


def test_a_request_with_every_required_property_works(tenant, webhook):
    after = tenant.update(
        webhook,
        name="full",
        enabled=False,
        endpoint={"url": URL + "/2", "addHeaders": {"X-Three": ["3"]}, "removeHeaders": ["X-One"]},
        failureHandling={"divert": True},
        removeFailureHandling=True,
        addEventTypes=["d"],
        removeEventTypes=["a"],
    )
    assert after["name"] == "full" and after["enabled"] is False
    assert after["endpoint"]["url"] == URL + "/2"
    assert after["endpoint"]["headers"] == {"X-Two": ["1", "2"], "X-Three": ["3"]}
    assert after["failureHandling"] == {**FAILURE_DEFAULTS, "divert": True}
    assert after["eventTypes"] == ["b", "c.*", "d"]


def test_if_match_with_the_current_version_is_honoured(tenant, webhook):
    for given in ('"{}"', '"999999", "{}"', "*"):
        version = tenant.fetch(webhook)["version"]
        headers = {"If-Match": given.format(version)}
        response = expect(tenant.try_update(webhook, {"name": f"name {version}"}, headers), 200)
        assert response.json()["version"] == version + 1
    headers = {"If-Match": f'"{tenant.fetch(webhook)["version"]}"'}
    expect(tenant.try_delete(webhook, headers), 204)


def test_a_stale_if_match_is_412_and_nothing_changes(tenant, webhook):
    after = tenant.update(webhook, name="after")
    headers = {"If-Match": f'"{webhook["version"]}"'}
    problem(tenant.try_update(webhook, {"name": "too late"}, headers), 412)
    problem(tenant.try_delete(webhook, headers), 412)
    assert tenant.fetch(webhook) == after


# --- event types


@pytest.mark.parametrize(
    "add, remove, result",
    [
        (["d"], [], ["a", "b", "c.*", "d"]),
        ([], ["a"], ["b", "c.*"]),
        ([], ["a", "b", "c.*"], []),
        (["d", "e"], ["b"], ["a", "c.*", "d", "e"]),
        (["d", "d"], [], ["a", "b", "c.*", "d"]),
        (["*"], ["c.*"], ["a", "b", "*"]),
        ([], ["c"], ["a", "b", "c.*"]),
        ([], ["*"], ["a", "b", "c.*"]),
    ],
)
def test_event_types_are_removed_then_added(tenant, webhook, add, remove, result):
    after = tenant.update(webhook, addEventTypes=add, removeEventTypes=remove)
    assert sorted(after["eventTypes"]) == sorted(result)
    assert tenant.fetch(webhook) == after


def test_an_event_type_in_both_add_and_remove_stays(tenant, webhook):
    after = tenant.update(webhook, addEventTypes=["a", "new"], removeEventTypes=["a", "new"])
    assert sorted(after["eventTypes"]) == ["a", "b", "c.*", "new"]


def test_at_most_100_event_types_after_an_update(tenant):
    webhook = tenant.create(eventTypes=[f"t{n}" for n in range(99)])
    response = tenant.try_update(webhook, {"addEventTypes": ["x", "y"]})
    problem(response, 400)
    assert tenant.fetch(webhook) == webhook
    after = tenant.update(webhook, addEventTypes=["x", "y"], removeEventTypes=["t0"])
    assert len(after["eventTypes"]) == 100


# --- the endpoint


@pytest.mark.parametrize(
    "name, value",
    [
        ("url", "https://example.org:8443/x"),
        ("secureSsl", False),
        ("hmacEnabled", False),
        ("tag", "tag-2"),
        ("tag", ""),
        ("secret", "another secret of some length"),
    ],
)
def test_the_endpoint_merges_property_by_property(tenant, webhook, name, value):
    after = tenant.update(webhook, endpoint={name: value})
    assert endpoint_changed(webhook, after) == {name: value}


@pytest.mark.parametrize(
    "update, headers",
    [
        (
            {"addHeaders": {"X-Three": ["3"]}},
            {"X-One": ["1"], "X-Two": ["1", "2"], "X-Three": ["3"]},
        ),
        ({"addHeaders": {"X-Two": ["3"]}}, {"X-One": ["1"], "X-Two": ["3"]}),
        ({"removeHeaders": ["X-One"]}, {"X-Two": ["1", "2"]}),
        ({"removeHeaders": ["x-ONE", "X-two"]}, {}),
        (
            {"removeHeaders": ["X-One"], "addHeaders": {"X-One": ["9"]}},
            {"X-One": ["9"], "X-Two": ["1", "2"]},
        ),
    ],
)
def test_headers_are_removed_then_added(tenant, webhook, update, headers):
    assert endpoint_changed(webhook, tenant.update(webhook, endpoint=update)) == {
        "headers": headers
    }


def test_add_headers_replaces_the_values_of_a_name_in_any_case(tenant, webhook):
    after = tenant.update(webhook, endpoint={"addHeaders": {"x-two": ["3"]}})
    headers = {name.lower(): values for name, values in after["endpoint"]["headers"].items()}
    assert headers == {"x-one": ["1"], "x-two": ["3"]}
    assert len(after["endpoint"]["headers"]) == 2


def test_the_header_limits_hold_for_the_result(tenant):
    webhook = tenant.create(endpoint_headers={"X-A": ["v"] * 40})
    problem(tenant.try_update(webhook, {"endpoint": {"addHeaders": {"X-B": ["v"] * 11}}}), 400)
    assert tenant.fetch(webhook) == webhook
    tenant.update(webhook, endpoint={"addHeaders": {"X-B": ["v"] * 10}})


def test_hmac_enabled_without_a_secret_generates_one(tenant):
    webhook = tenant.create()
    endpoint = tenant.update(webhook, endpoint={"hmacEnabled": True})["endpoint"]
    assert endpoint["secret"].startswith("whsec_") and len(signing_key(endpoint["secret"])) == 32


def test_an_empty_secret_means_none_and_with_hmac_enabled_a_new_one(tenant, webhook):
    endpoint = tenant.update(webhook, endpoint={"secret": ""})["endpoint"]
    assert endpoint["secret"].startswith("whsec_") and endpoint["secret"] != SECRET
    after = tenant.update(webhook, endpoint={"secret": "", "tag": "", "hmacEnabled": False})
    assert (after["endpoint"]["secret"], after["endpoint"]["tag"]) == ("", "")


def test_a_tag_without_a_secret_is_400(tenant, webhook):
    refused(tenant, webhook, {"endpoint": {"secret": "", "hmacEnabled": False}}, "endpoint.tag")
    plain = tenant.create()
    refused(tenant, plain, {"endpoint": {"tag": "t"}}, "endpoint.tag")


# --- failure handling


@pytest.mark.parametrize(
    "update, result",
    [
        ({"divert": False}, {"divert": False}),
        ({"suspend": False}, {"suspend": False}),
        ({"addTriggers": ["timeout"]}, {"triggers": ["4xx", "503", "timeout"]}),
        ({"removeTriggers": ["4xx"]}, {"triggers": ["503"]}),
        ({"removeTriggers": ["4xx", "503"], "addTriggers": ["503"]}, {"triggers": ["503"]}),
        ({"removeTriggers": ["4xx", "503"]}, {"triggers": []}),
        (
            {"retryStrategy": {"attempts": 1}},
            {"retryStrategy": {"attempts": 1, "interval": 60, "type": "linear"}},
        ),
        (
            {"retryStrategy": {"type": "exponential", "interval": 1}},
            {"retryStrategy": {"attempts": 5, "interval": 1, "type": "exponential"}},
        ),
        ({"removeRetryStrategy": True}, {"retryStrategy": None}),
        (
            {"removeRetryStrategy": True, "retryStrategy": {"attempts": 2}},
            {"retryStrategy": {"attempts": 2, "interval": 10, "type": "exponential"}},
        ),
        (
            {"alertEndpoint": {"secureSsl": False, "addHeaders": {"X-B": ["2"]}}},
            {
                "alertEndpoint": {
                    "url": URL + "/alert",
                    **ENDPOINT_DEFAULTS,
                    "secureSsl": False,
                    "headers": {"X-Alert": ["1"], "X-B": ["2"]},
                }
            },
        ),
        ({"removeAlertEndpoint": True}, {"alertEndpoint": None}),
        (
            {"removeAlertEndpoint": True, "alertEndpoint": {"url": URL + "/new"}},
            {"alertEndpoint": {"url": URL + "/new", **ENDPOINT_DEFAULTS}},
        ),
    ],
)
def test_failure_handling_merges_property_by_property(tenant, webhook, update, result):
    after = tenant.update(webhook, failureHandling=update)
    assert failure_changed(webhook, after) == result
    assert tenant.fetch(webhook) == after


def test_remove_failure_handling_resets_it_to_the_defaults(tenant, webhook):
    after = tenant.update(webhook, removeFailureHandling=True)
    assert after["failureHandling"] == FAILURE_DEFAULTS


def test_remove_failure_handling_comes_first_then_failure_handling_applies(tenant, webhook):
    after = tenant.update(
        webhook,
        removeFailureHandling=True,
        failureHandling={
            "suspend": True,
            "removeTriggers": ["4xx"],
            "retryStrategy": {"attempts": 1},
        },
    )
    assert after["failureHandling"] == {
        **FAILURE_DEFAULTS,
        "suspend": True,
        "triggers": ["5xx", "timeout"],
        "retryStrategy": {"attempts": 1, "interval": 10, "type": "exponential"},
    }


def test_an_alert_endpoint_is_created_when_url_is_given(tenant):
    webhook = tenant.create()
    after = tenant.update(webhook, failureHandling={"alertEndpoint": {"url": URL}})
    assert after["failureHandling"]["alertEndpoint"] == {"url": URL, **ENDPOINT_DEFAULTS}


def test_an_alert_endpoint_without_url_is_400_when_there_is_none_to_update(tenant):
    webhook = tenant.create()
    body = {"failureHandling": {"alertEndpoint": {"secureSsl": False}}}
    refused(tenant, webhook, body, "failureHandling.alertEndpoint.url")


def test_a_retry_strategy_is_created_with_its_defaults(tenant):
    after = tenant.update(tenant.create(), failureHandling={"retryStrategy": {}})
    assert after["failureHandling"]["retryStrategy"] == {
        "attempts": 3,
        "interval": 10,
        "type": "exponential",
    }


# --- faults


def test_all_faults_of_an_update_are_listed_and_nothing_is_applied(tenant, webhook):
    body = {
        "name": "",
        "enabled": 1,
        "addEventTypes": ["fine", "not fine"],
        "endpoint": {"url": "ftp://x/", "secret": "short", "removeHeaders": "X-One"},
        "failureHandling": {
            "addTriggers": ["3xx"],
            "retryStrategy": {"attempts": 0},
            "alertEndpoint": {"url": "nothing"},
            "removeAlertEndpoint": "yes",
        },
        "misspelt": True,
    }
    refused(
        tenant,
        webhook,
        body,
        "name",
        "enabled",
        "addEventTypes[1]",
        "endpoint.url",
        "endpoint.secret",
        "endpoint.removeHeaders",
        "failureHandling.addTriggers[0]",
        "failureHandling.retryStrategy.attempts",
        "failureHandling.alertEndpoint.url",
        "failureHandling.removeAlertEndpoint",
        "misspelt",
    )


@pytest.mark.parametrize(
    "body, field",
    [
        ({"name": "x" * 256}, "name"),
        ({"removeFailureHandling": "yes"}, "removeFailureHandling"),
        ({"addEventTypes": "a"}, "addEventTypes"),
        ({"addEventTypes": [1]}, "addEventTypes[0]"),
        ({"removeEventTypes": {}}, "removeEventTypes"),
        ({"endpoint": []}, "endpoint"),
        ({"endpoint": {"addHeaders": []}}, "endpoint.addHeaders"),
        ({"endpoint": {"secretOverlapSeconds": "0"}}, "endpoint.secretOverlapSeconds"),
        ({"endpoint": {"secretOverlapSeconds": -1}}, "endpoint.secretOverlapSeconds"),
        ({"failureHandling": {"removeRetryStrategy": 1}}, "failureHandling.removeRetryStrategy"),
        ({"failureHandling": {"addTriggers": "4xx"}}, "failureHandling.addTriggers"),
        (
            {"failureHandling": {"retryStrategy": {"type": "x"}}},
            "failureHandling.retryStrategy.type",
        ),
    ],
)
def test_types_and_limits_of_an_update(tenant, webhook, body, field):
    refused(tenant, webhook, body, field)


@pytest.mark.parametrize("name", ["Host", "webhook-id", "Content-Type", "bad name", ""])
def test_headers_that_may_not_be_created_may_not_be_added(tenant, webhook, name):
    response = tenant.try_update(webhook, {"endpoint": {"addHeaders": {name: ["1"]}}})
    problem(response, 400)
    assert all(f.startswith("endpoint.addHeaders") for f in response.fields())
    assert tenant.fetch(webhook) == webhook


# --- atomicity


def at_once(functions):
    """Runs the functions in threads of their own, started together; raises what one raised."""
    barrier, failures = threading.Barrier(len(functions)), []

    def run(function):
        try:
            barrier.wait()
            function()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_concurrent_updates_on_two_instances_all_apply(new_redis, new_evhookd):
    redis = new_redis()
    instances = [new_evhookd(redis=redis) for _ in range(2)]
    tenant = Tenant(instances[0].client())
    webhook = tenant.create(eventTypes=[])

    def adder(instance, number):
        mine = tenant.on(instance.client())

        def add():
            for n in range(5):
                mine.update(webhook, addEventTypes=[f"t{number}.{n}"])

        return add

    at_once([adder(instances[n % 2], n) for n in range(8)])
    after = tenant.fetch(webhook)
    assert sorted(after["eventTypes"]) == sorted(f"t{n}.{m}" for n in range(8) for m in range(5))
    assert after["version"] == webhook["version"] + 40
    assert tenant.on(instances[1].client()).fetch(webhook) == after


def test_of_concurrent_updates_with_the_same_if_match_one_wins(server, tenant):
    webhook = tenant.create()
    headers = {"If-Match": f'"{webhook["version"]}"'}
    statuses = []

    def updater(number):
        mine = tenant.on(server.client())
        return lambda: statuses.append(
            mine.try_update(webhook, {"name": f"name {number}"}, headers).status
        )

    at_once([updater(n) for n in range(6)])
    assert sorted(statuses) == [200] + [412] * 5
    assert tenant.fetch(webhook)["version"] == webhook["version"] + 1
