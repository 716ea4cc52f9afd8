"""Publishing in the background for the fault tests: what was accepted, what was refused, what broke."""

import threading
import time

from client import Client
from harness import until


class Load:
    """Threads that publish through some instances until told to stop.  A connection that breaks or
    cannot be made is another instance's turn; an answer other than 201 and 503 is a failure."""

    def __init__(self, tenant, evhookds, threads=3, pause=0.002):
        self.tenant, self.evhookds, self.pause = tenant, evhookds, pause
        self.accepted, self.refused, self.broken = [], 0, 0
        self.unexpected = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self, n):
        client = None
        while not self.stopping.is_set():
            if client is None:
                evhookd = self.evhookds[n % len(self.evhookds)]
                client = Client(evhookd.host, evhookd.port, timeout=20)
            try:
                response = self.tenant.on(client).try_publish({"type": "a", "data": {"n": n}})
                self._note(response)
            except OSError:
                with self.lock:
                    self.broken += 1
                client.close()
                client = None
                n += 1
            time.sleep(self.pause)
        if client:
            client.close()

    def _note(self, response):
        with self.lock:
            if response.status == 201:
                self.accepted.append(response.json()["locator"])
            elif response.status == 503:
                self.refused += 1
            else:
                self.unexpected.append(response)

    def wait_more(self, count=20, timeout=20):
        """Waits until so many more were accepted."""
        before = len(self.accepted)
        until(lambda: len(self.accepted) >= before + count, f"{count} more are accepted", timeout)

    def wait_refused(self, count=1, timeout=20):
        before = self.refused
        until(lambda: self.refused >= before + count, f"{count} are refused", timeout)

    def stop(self):
        """The locators of what was accepted."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert self.unexpected == []
        return list(self.accepted)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def cpu_seconds(evhookd):
    """User and system time that the process has used."""
    with open(f"/proc/{evhookd.process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def rss_mb(evhookd, line="VmRSS"):
    with open(f"/proc/{evhookd.process.pid}/status") as status:
        found = [text.split()[1] for text in status if text.startswith(line + ":")]
    return int(found[0]) / 1024


def peak_mb(evhookd):
    """The most that the process has had so far."""
    return rss_mb(evhookd, "VmHWM")


def has_sanitizers(evhookd):
    """Whether memory and time of this build say anything."""
    with open(f"/proc/{evhookd.process.pid}/maps") as maps:
        return "asan" in maps.read()


def metric(evhookd, name):
    """The sample of that name (with its labels), or the sum over all labels."""
    client = evhookd.admin()
    lines = client.get("/metrics").body.decode().splitlines()
    client.close()
    values = [float(x.rsplit(" ", 1)[1]) for x in lines if x.startswith((name + " ", name + "{"))]
    assert values, f"no metric {name}"
    return sum(values)
