"""What the tests of failure handling share: policies, waiting for outcomes, making retries due."""

from api import Keys, parse_ms
from harness import until


def policy(*, retries=None, interval=100, type="linear", **more):
    """A failureHandling; retries: how many, None for no retryStrategy."""
    if retries is not None:
        more["retryStrategy"] = {
            "attempts": retries,
            "interval": interval,
            "type": type,
        }
    return more


def until_attempts(tenant, webhook, count, /, **query):
    """Waits until so many attempts are recorded, and gives them, newest first."""
    until(
        lambda: len(tenant.attempts(webhook, **query)) >= count,
        lambda: f"{count} attempts: {tenant.attempts(webhook, **query)}",
        20,
    )
    attempts = tenant.attempts(webhook, **query)
    assert len(attempts) == count, attempts
    return attempts


def until_outcomes(tenant, webhook, *outcomes):
    """Waits for exactly these attempts, the oldest first, and gives them in that order."""
    attempts = until_attempts(tenant, webhook, len(outcomes))[::-1]
    assert [a["outcome"] for a in attempts] == list(outcomes), attempts
    return attempts


def until_diverted(tenant, webhook, count):
    """Waits until so many events are diverted, and gives them, oldest first."""
    until(
        lambda: len(tenant.diverted(webhook, count=1000)) == count,
        lambda: f"{count} diverted: {tenant.diverted(webhook)}",
        20,
    )
    return tenant.diverted(webhook, count=1000)


def delay_ms(attempt):
    """How long after the attempt's begin the next one is due."""
    return parse_ms(attempt["nextAttemptAt"]) - parse_ms(attempt["timestamp"])


def assert_delay(attempt, seconds):
    """A delay is what the policy says and at most 10 % more; begin and end of the attempt differ
    by some time."""
    assert 1000 * seconds <= delay_ms(attempt) <= 1100 * seconds + attempt["durationMs"] + 500, (
        seconds,
        attempt,
    )


def hurry(redis, tenant, webhook, alerts=False):
    """Makes what waits in a webhook's queue due now, as if the time had passed; an instance that
    sleeps looks about once a second."""
    keys = Keys(tenant)
    name = webhook["locator"] + (":alert" if alerts else "")
    queue = keys.queue(name)
    for member, score in redis.zrange(queue, 0, -1, withscores=True):
        if score % 2 == 0:  # a wait; leases are odd
            redis.zadd(queue, {member: 1}, xx=True)
    redis.zadd(keys.due, {name: 1}, xx=True)


def no_trace(redis, webhook):
    """No key, and no member of the shared keys, names the webhook any more."""
    locator = webhook["locator"]
    found = [key for key in redis.scan_iter(count=1000) if locator in key]
    for key in redis.scan_iter("evhook:*", count=1000):
        kind = redis.type(key)
        if kind == "zset":
            found += [key for m in redis.zrange(key, 0, -1) if locator in m]
        elif kind == "hash":
            found += [key for m in redis.hkeys(key) if locator in m]
    return not found
