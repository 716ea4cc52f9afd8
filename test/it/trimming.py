"""The trimmer's script, run by a test."""

from api import Keys
from harness import TOP


def trim_step(redis, tenant, retention_ms=0, kept=0, budget=1 << 50, events="", webhook=""):
    """One step: how many events went, whether there may be more, and where the next one goes on."""
    scripts = TOP / "store" / "scripts"
    text = "".join((scripts / f"{name}.lua").read_text() for name in ("lib", "trim"))
    script = redis.register_script(text.replace("#!lua", "--"))
    args = [tenant.locator, retention_ms, kept, budget, events, webhook]
    n, more, events, webhook = script([Keys(tenant).prefix], args)
    return n, more == "1", events, webhook


def trim(redis, tenant, retention_ms=0, kept=0, budget=1 << 50):
    """All of it; how many steps that took."""
    more, place, steps = True, ("", ""), 0
    while more:
        _, more, *place = trim_step(redis, tenant, retention_ms, kept, budget, *place)
        steps += 1
    return steps
