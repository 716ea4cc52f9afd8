"""Runs evhookctl."""

import json
import os
import pathlib
import re
import subprocess

from client import DEADLINE
from harness import TROUBLE, binary, child_environment

OK, FAILED, USAGE, MISSING, DENIED, UNAVAILABLE, CONFLICT = range(7)


def program():
    """evhookctl beside the evhookd under test; $EVHOOKCTL may name another."""
    return os.environ.get("EVHOOKCTL") or str(pathlib.Path(binary()[-1]).with_name("evhookctl"))


class Started(subprocess.Popen):
    """Does not outlive a test that fails, which would wait for it for ever."""

    def __exit__(self, kind, *about):
        if kind:
            self.kill()
        super().__exit__(kind, *about)


class Ctl:
    """Runs evhookctl for one server and tenant."""

    def __init__(self, url, tenant=None, **env):
        self.env = {"EVHOOKCTL_URL": url, **env}
        if tenant:
            self.env["EVHOOKCTL_TENANT"] = tenant.locator

    def start(self, *args, env=None, **pipes):
        return Started(
            [program(), *map(str, args)],
            env=child_environment({**self.env, **(env or {})}),
            stdin=pipes.get("stdin", subprocess.DEVNULL),
            stdout=pipes.get("stdout", subprocess.PIPE),
            stderr=pipes.get("stderr", subprocess.PIPE),
            text=True,
        )

    def run(self, *args, code=OK, input=None, env=None, more=False):
        """Its standard output, after a check of the exit code; errors are kept in .said.
        more: a list is to say that it goes on."""
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        process = self.start(*args, env=env, stdin=stdin)
        out, self.said = process.communicate(input, timeout=3 * DEADLINE)
        assert not TROUBLE.search(self.said.encode()), self.said
        assert process.returncode == code, f"{args}: {process.returncode}\n{out}\n{self.said}"
        assert bool(self.said) == (code != OK or more), self.said
        assert not more or "shown, there are more: --count N, or --all" in self.said
        return out

    def json(self, *args, **more):
        return json.loads(self.run(*args, "--json", **more))

    def lines(self, *args, **more):
        return [json.loads(line) for line in self.run(*args, "--json", **more).splitlines()]


def rows(text):
    """A table as lists of cells, without its head."""
    return [re.split(r"  +", line) for line in text.splitlines()[1:]]
