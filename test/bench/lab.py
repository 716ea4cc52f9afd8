"""The laboratory: cores, processes that die with us, Redis, the sink, a quiet machine."""

import contextlib
import ctypes
import os
import pathlib
import platform
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

from resp import Redis

TOP = pathlib.Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")
REDIS = "redis-server" if shutil.which("redis-server") else "valkey-server"
ALLOWED = sorted(os.sched_getaffinity(0))
OWN_CORE = ALLOWED[:1]  # of the program under test
OTHER_CORE = ALLOWED[1:2] or ALLOWED[:1]  # of everything else, this driver too
QUIET_PERCENT = 12  # of all cores
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


class Trouble(Exception):
    """Something that ends the run, said in one line."""


def number(name, default):
    """A number from the environment."""
    try:
        return float(os.environ.get(name, "") or default)
    except ValueError:
        raise Trouble(f"{name} is not a number: {os.environ[name]}") from None


def evhookd_command():
    command = shlex.split(os.environ.get("EVHOOKD", "")) or [str(TOP / "build" / "evhookd")]
    if not os.access(command[-1], os.X_OK):
        raise Trouble(f"no evhookd at {command[-1]}: build it or set EVHOOKD")
    command[-1] = os.path.abspath(command[-1])
    return command


def built(name):
    """The path of a helper program that the Makefile builds beside evhookd."""
    path = pathlib.Path(evhookd_command()[-1]).resolve().parent / "test" / "bench" / name
    if not path.exists():
        raise Trouble(f"no {path}: make test/bench/{name} there")
    return str(path)


def prepare():
    """Once, at the start: this driver leaves the core of the program under test alone."""
    os.sched_setaffinity(0, OTHER_CORE)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, what, timeout=20, step=0.02):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Trouble(f"not within {timeout:g} s: {what}")
        time.sleep(step)


def fetch(url, body=None, headers=None, timeout=10):
    """GET, or POST of JSON; the answer's bytes."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    if body is not None:
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read()


def listening(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def metrics(port):
    """What /metrics says, by name."""
    found = {}
    for line in fetch(f"http://127.0.0.1:{port}/metrics").decode().splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            found[name] = float(value)
    return found


def cpu_seconds(pid):
    """User and system time so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_kb(pid, name):
    """A line of /proc/PID/status: VmRSS, VmHWM."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


class Lab:
    """A folder and the processes of one run; leaving it ends them all."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="evhook-bench-"))
        self.processes = []
        self.redis = self.redis_pid = self.sink = self.sink_pid = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.stop(process)
        if self.redis:
            self.redis.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def stop(self, process):
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def start(self, command, own=False, log="log", stdout=None, env=None):
        """Starts a program on its core; it does not outlive us, whatever ends us."""
        cores = OWN_CORE if own else OTHER_CORE

        def child():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, cores)

        with open(self.dir / log, "ab") as err:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout or err, stderr=err,
                env={**os.environ, **(env or {})}, preexec_fn=child, cwd=self.dir,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def run(self, command, timeout, log="log", env=None):
        """Runs a helper to its end: (what it printed, CPU seconds)."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = self.start(command, log=log, stdout=subprocess.PIPE, env=env)
        try:
            out = process.communicate(timeout=timeout)[0].decode()
        except subprocess.TimeoutExpired:
            raise Trouble(f"{command[0]} did not end within {timeout:g} s") from None
        finally:
            self.stop(process)
            self.processes.remove(process)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode:
            raise Trouble(f"{command[0]} failed: {self.tail(log)}")
        return out, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def tail(self, log):
        path = self.dir / log
        return path.read_text(errors="replace")[-500:].strip() if path.exists() else ""

    def start_redis(self, appendfsync="everysec", appendonly="yes"):
        path = self.dir / "redis.sock"
        process = self.start(
            [REDIS, "--port", "0", "--unixsocket", str(path), "--dir", str(self.dir),
             "--save", "", "--appendonly", appendonly, "--appendfsync", appendfsync,
             "--auto-aof-rewrite-percentage", "0", "--zset-max-listpack-entries", "16"],
            log="redis.log",
        )
        until(path.exists, "redis-server made its socket")
        self.redis = Redis(str(path))
        until(self.redis.answers, "redis-server answers")
        self.redis_pid = process.pid

    def start_sink(self, tls=False):
        """nginx, answering 204 everywhere but 500 under /fail; it counts what it got."""
        port, status = free_port(), free_port()
        temp = "".join(
            f"{kind}_temp_path {self.dir};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        ssl = ""
        if tls:
            self.make_certificate()
            ssl = (f"ssl_certificate {self.dir}/cert.pem; ssl_certificate_key {self.dir}/key.pem;\n"
                   "ssl_session_cache shared:s:1m;")
        (self.dir / "nginx.conf").write_text(f"""
daemon off;
master_process off;
pid {self.dir}/nginx.pid;
error_log {self.dir}/nginx.log;
events {{ worker_connections 8192; }}
http {{
access_log off;
keepalive_requests 1000000000;
keepalive_timeout 600s;
{temp}
server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
server {{ listen 127.0.0.1:{port}{" ssl" if tls else ""}; {ssl}
location / {{ return 204; }} location /fail {{ return 500; }} }}
}}
""")
        nginx = shutil.which("nginx", path="/usr/sbin:" + os.environ.get("PATH", ""))
        process = self.start(
            [nginx or "nginx", "-p", str(self.dir), "-c", str(self.dir / "nginx.conf")],
            log="nginx.log")
        until(lambda: listening(port), "nginx listens")
        self.sink = Sink(f"{'https' if tls else 'http'}://127.0.0.1:{port}", status)
        self.sink_pid = process.pid

    def make_certificate(self):
        self.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=sink", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", str(self.dir / "key.pem"), "-out", str(self.dir / "cert.pem")], 20)


class Sink:
    """The receiver: its address, and how many requests it has had."""

    def __init__(self, url, status_port):
        self.url = url
        self.status = f"http://127.0.0.1:{status_port}/"
        self.own = 1  # the request that found nginx listening is none; each look at it is one

    def received(self):
        # "server accepts handled requests\n 3 3 41": those to this page count too.
        total = int(fetch(self.status).split(b"requests")[1].split()[2])
        seen = total - self.own
        self.own += 1
        return seen


def busy_times():
    with open("/proc/stat", encoding="ascii") as f:
        fields = [int(x) for x in f.readline().split()[1:9]]
    return sum(fields), sum(fields) - fields[3] - fields[4]


def wait_quiet():
    """Waits until the machine has idled for 2 s; says how busy it was if it never did."""
    end = time.monotonic() + number("QUIET", 60)
    while True:
        total, busy = busy_times()
        time.sleep(2 if time.monotonic() < end else 0.2)
        now_total, now_busy = busy_times()
        percent = 100 * (now_busy - busy) / max(now_total - total, 1)
        if percent < QUIET_PERCENT:
            return {"quiet": True, "busy_percent": round(percent, 1)}
        if time.monotonic() >= end:
            return {"quiet": False, "busy_percent": round(percent, 1)}


def version_of(*command):
    with contextlib.suppress(OSError):
        done = subprocess.run(command, capture_output=True, check=False, text=True)
        for line in (done.stdout + done.stderr).splitlines():
            if line.strip():
                return line.strip()
    return "unknown"


def machine():
    """What the figures were taken on."""
    cpu = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as f:
        memory_mb = int(f.readline().split()[1]) // 1024
    nginx = shutil.which("nginx", path="/usr/sbin:" + os.environ.get("PATH", "")) or "nginx"
    return {
        "cpu": cpu, "cores": len(ALLOWED), "memory_mb": memory_mb, "kernel": platform.release(),
        "redis": version_of(REDIS, "--version").split("sha=")[0].strip(),
        "nginx": version_of(nginx, "-v"),
        "wrk": version_of("wrk", "-v").split("Copyright")[0].strip(),
        "placement": (
            f"core {OWN_CORE[0]}: the program under test; "
            f"core {OTHER_CORE[0]}: Redis, the sink, the load and the measuring"
            if OWN_CORE != OTHER_CORE else "one core for everything"),
    }
