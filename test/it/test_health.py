"""/healthz and /readyz as load balancers use them, and what they say during an orderly end."""

import socket

import pytest

from api import Tenant, expect
from harness import until
from receivers import Answer


def refuses(evhookd):
    """Whether nobody listens on the API's port any more."""
    with socket.socket() as s:
        return s.connect_ex((evhookd.host, evhookd.port)) != 0


def ready(evhookd, admin=False):
    client = evhookd.admin() if admin else evhookd.client()
    response = client.get("/readyz")
    client.close()
    return response.status, response.json()


@pytest.mark.parametrize("admin", [False, True], ids=["api", "admin"])
def test_ready_says_so(server, admin):
    assert ready(server, admin) == (200, {"status": "ready", "reasons": []})
    client = server.admin() if admin else server.client()
    assert expect(client.get("/healthz"), 200).json() == {"status": "ok"}
    assert expect(client.request("HEAD", "/healthz"), 200).body == b""


def test_not_ready_while_redis_is_away(alone):
    evhookd = alone()
    evhookd.redis.kill()
    until(lambda: ready(evhookd)[0] == 503, "/readyz is 503")
    response = evhookd.client().get("/readyz")
    assert response.json() == {"status": "not ready", "reasons": ["Redis does not answer"]}
    assert response.header("retry-after") is not None
    assert evhookd.status_of("/healthz") == 200, "a restart would not help"
    evhookd.redis.restart()
    until(lambda: ready(evhookd)[0] == 200, "/readyz is 200 again")


def test_not_ready_when_redis_is_away_from_the_start(new_redis, new_evhookd):
    redis = new_redis()
    redis.pause()
    evhookd = new_evhookd(redis=redis, ready=False)
    until(lambda: evhookd.status_of("/readyz") == 503, "it says so after a moment")
    redis.resume()
    until(lambda: ready(evhookd)[0] == 200, "/readyz is 200")


def test_during_the_drain_delay_it_serves_and_is_not_ready(alone, receiver):
    evhookd = alone(drain_delay="1h")
    sink = receiver()
    client = evhookd.client()
    tenant = Tenant(client)
    tenant.create(sink.url())
    evhookd.terminate()
    until(lambda: ready(evhookd)[0] == 503, "/readyz is 503")
    expected = (503, {"status": "not ready", "reasons": ["draining"]})
    assert ready(evhookd) == expected and ready(evhookd, admin=True) == expected
    assert evhookd.status_of("/healthz") == evhookd.status_of("/healthz", admin=True) == 200
    # both an old connection and a new one publish, and it is delivered
    locators = [tenant.publish()["locator"], tenant.on(evhookd.client()).publish()["locator"]]
    sink.wait_for(2)
    assert sorted(sink.ids()) == sorted(locators)
    # so that no later request comes on a connection that is about to close
    assert evhookd.client().get("/healthz").header("connection") == "close"
    assert b"\nevhookd_draining 1\n" in evhookd.admin().get("/metrics").body
    evhookd.kill()


def test_after_the_drain_delay_connections_are_refused(alone, receiver, event):
    """The admin address answers to the end: a supervisor sees that the process is well."""
    release = event()
    evhookd = alone(drain_delay="1s")
    sink = receiver(Answer(after=release))
    tenant = Tenant(evhookd.client())
    tenant.create(sink.url())
    tenant.publish()
    sink.wait_for(1)
    evhookd.terminate()
    until(lambda: ready(evhookd, admin=True)[0] == 503, "/readyz is 503")
    until(lambda: refuses(evhookd), "new connections are refused")
    assert evhookd.status_of("/healthz", admin=True) == 200
    assert ready(evhookd, admin=True)[1]["reasons"] == ["draining"]
    release.set()
    assert evhookd.wait_exit() == 0


def test_both_reasons(alone):
    evhookd = alone(drain_delay="1h")
    evhookd.terminate()
    evhookd.redis.kill()
    both = ["Redis does not answer", "draining"]
    until(lambda: ready(evhookd)[1]["reasons"] == both, "both reasons are named")
    evhookd.kill()


@pytest.mark.parametrize(
    "uri, options, reason",
    [
        ("redis://:wrong@127.0.0.1:{port}/0", {"requirepass": "right"}, "refuses the password"),
        ("redis://127.0.0.1:{port}/0", {"requirepass": "right"}, "wants a password"),
        ("redis://127.0.0.1:{port}/77", {}, "no database of that number"),
        ("redis://127.0.0.1:{port}/0", {"replicaof": "127.0.0.1 1"}, "is a replica"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_ready_says_what_is_wrong_with_redis(new_redis, new_evhookd, uri, options, reason):
    password = options.pop("requirepass", None)
    redis = new_redis(**options)
    if password:
        redis.config_set("requirepass", password)
    evhookd = new_evhookd(redis=uri.format(port=redis.port), ready=False)
    until(lambda: evhookd.status_of("/readyz") == 503, "it says so after a moment")
    until(lambda: reason in str(ready(evhookd)), lambda: f"{reason}: {ready(evhookd)}")
    assert "wrong" not in evhookd.stderr()
