#!/usr/bin/python3
"""Holds the description of the API against a running evhookd: schemathesis makes requests, valid and
not, from what evhookd gives out at /openapi.json, and judges the answers.

    run.py SECONDS [ARGUMENT...]    arguments go to schemathesis

evhookd checks tokens, so that schemathesis can see what happens without one, and cannot resolve
a name, so that nothing leaves this host.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "it"))

import tokens  # noqa: E402
from harness import Evhookd, RedisServer  # noqa: E402


def main(seconds, *arguments):
    redis = RedisServer()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            key = tokens.hmac_key(pathlib.Path(scratch) / "key", os.urandom(32))
            evhookd = Evhookd(redis=redis, auth_key=key.file, dns="127.0.0.1:9", log_level="warn")
            status = subprocess.run(
                [
                    *(str(pathlib.Path(sys.executable).parent / "schemathesis"),),
                    *("--config-file", str(HERE / "schemathesis.toml"), "run"),
                    *("--url", f"http://127.0.0.1:{evhookd.port}"),
                    *("--max-time", seconds, *arguments),
                    f"http://127.0.0.1:{evhookd.port}/openapi.json",
                ],
                cwd=TOP,
                env={
                    **os.environ,
                    "EVHOOK_TOKEN": key.all(),
                    "HYPOTHESIS_STORAGE_DIRECTORY": scratch,
                },
            ).returncode
            evhookd.close()
    finally:
        redis.close()
    return status


sys.exit(main(*sys.argv[1:]))
