#!/usr/bin/python3
"""Holds the description of the API against a running evhookd: schemathesis makes requests, valid and
not, from what evhookd gives out at /openapi.json, and judges the answers.

    run.py SECONDS [ARGUMENT...]    arguments go to schemathesis

evhookd checks tokens, so that schemathesis can see what happens without one, and cannot resolve
a name, so that nothing leaves this host.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "it"))

import tokens  # noqa: E402
from api import Tenant  # noqa: E402
from harness import Evhookd, RedisServer, until  # noqa: E402

# What is on the admin address alone.
ADMIN = "^/(config|metrics|worst)$"


def divert(client):
    """A tenant, its webhook, and events that are diverted there: links would find none, as nothing
    that schemathesis makes fails so soon."""
    tenant = Tenant(client)
    webhook = tenant.create("http://127.0.0.1:9/", failureHandling={"divert": True})
    events = tenant.publish_many(1000)
    # what a webhook has not got when it is disabled is diverted at once
    tenant.update(webhook, enabled=False)
    path = tenant.webhook_path(webhook, "diverted")
    until(lambda: len(client.get(path, count=1000).json()) == 1000, "all are diverted", 60)
    tenant.update(webhook, enabled=True)
    return {"tenant": tenant.locator, "webhook": webhook["locator"], "events": events}


def main(seconds, *arguments):
    redis = RedisServer()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            key = tokens.hmac_key(pathlib.Path(scratch) / "key", os.urandom(32))
            evhookd = Evhookd(redis=redis, auth_key=key.file, dns="127.0.0.1:9", log_level="warn")
            environment = {
                **os.environ,
                "EVHOOK_TOKEN": key.all(),
                "EVHOOK_DIVERTED": json.dumps(divert(evhookd.client(headers={"Authorization": f"Bearer {key.all()}"}))),
                "HYPOTHESIS_STORAGE_DIRECTORY": scratch,
            }

            def run(port, seconds, *more):
                return subprocess.run(
                    [
                        *(str(pathlib.Path(sys.executable).parent / "schemathesis"),),
                        *("--config-file", str(HERE / "schemathesis.toml"), "run"),
                        *("--url", f"http://127.0.0.1:{port}"),
                        *("--max-time", str(seconds), *more, *arguments),
                        f"http://127.0.0.1:{evhookd.port}/openapi.json",
                    ],
                    cwd=TOP,
                    env=environment,
                ).returncode

            status = run(
                evhookd.admin_lock.port,
                10,
                *("--include-path-regex", ADMIN, "--phases", "examples,coverage,fuzzing"),
            )
            status = run(evhookd.port, seconds, "--exclude-path-regex", ADMIN) or status
            evhookd.close()
    finally:
        redis.close()
    return status


sys.exit(main(*sys.argv[1:]))
