"""Contract section 8: options, environment, config file, signals, and the embedded Redis."""

import json
import os
import pathlib
import re
import signal
import socket
import tempfile

import pytest

from api import Keys, Tenant, expect, problem
from client import Client
from harness import DEADLINE, REDIS, run, until
from receivers import Answer

OPTIONS = """
listen admin-listen redis data-dir shards lease dns ca-file log-level log-format log-deliveries config check-config
help version allow-egress max-body max-header request-timeout max-webhooks max-fanout max-pending
event-retention events-kept attempts-kept idempotency-ttl secret-overlap redis-wait delivery-timeout
endpoint-concurrency delivery-concurrency drain-delay drain-timeout no-auth
auth-key auth-issuer auth-audience
""".split()


def one_line(text):
    """The text without its newline, after a check that it is one line."""
    assert text.endswith("\n") and text.count("\n") == 1, text
    return text[:-1]


# --- options


def test_help_names_every_option():
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    named = set(re.findall(r"--([a-z][a-z-]*)", done.stdout))
    assert set(OPTIONS) <= named


def test_version():
    done = run("--version")
    assert done.returncode == 0 and done.stderr == ""
    assert re.fullmatch(r"evhookd \d+\.\d+\S*", one_line(done.stdout))


@pytest.mark.parametrize(
    "args, word",
    [
        (["--no-such-option"], "no-such-option"),
        (["--shards"], "shards"),
        (["--shards", "x"], "shards"),
        (["--shards", "0"], "shards"),
        (["--shards=-1"], "shards"),
        (["--shards", "64x"], "shards"),
        (["--listen", "nonsense"], "listen"),
        (["--listen", "127.0.0.1:99999"], "listen"),
        (["--admin-listen", "127.0.0.1"], "admin-listen"),
        (["--redis", "http://127.0.0.1/"], "redis"),
        (["--lease", "soon"], "lease"),
        (["--lease", "10x"], "lease"),
        (["--lease", "5s", "--delivery-timeout", "5s"], "lease"),
        (["--allow-egress", "10.0.0.0/33"], "allow-egress"),
        (["--allow-egress", "10.0.0.1/8"], "allow-egress"),
        (["--dns", "resolver"], "dns"),
        (["--ca-file", "/does/not/exist.pem"], "ca-file"),
        (["--log-level", "loud"], "log-level"),
        (["--log-format", "xml"], "log-format"),
        (["--max-body", "-1"], "max-body"),
        (["--config", "/does/not/exist.conf"], "/does/not/exist.conf"),
        (["stray"], "stray"),
    ],
)
@pytest.mark.parametrize("check", [[], ["--check-config"]], ids=["run", "check"])
def test_a_bad_option_is_one_line_and_exit_2(tmp_path, args, word, check):
    done = run(*check, "--data-dir", tmp_path / "data", *args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert word in one_line(done.stderr)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--shards=7", "--lease", "40", "--delivery-timeout", "30s"],
        ["--lease", "2m", "--event-retention", "7d", "--idempotency-ttl", "24h"],
        ["--listen", "127.0.0.1:0", "--listen", "[::1]:0"],
        ["--redis", "redis://user:pass@127.0.0.1:6379/3"],
        ["--redis", "unix:///run/redis.sock"],
        ["--allow-egress", "10.0.0.0/8", "--allow-egress", "fd00::/8"],
        ["--log-level", "debug", "--log-format", "json"],
    ],
)
def test_check_config_accepts_what_is_good_and_starts_nothing(tmp_path, args):
    done = run("--check-config", *args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_config_tells_all_faults_at_once(tmp_path):
    used = socket.create_server(("127.0.0.1", 0))
    (tmp_path / "file").write_text("shards = 0\nlisten = 192.0.2.1:80\nno-auth = true\n")
    done = run(
        *("--check-config", "--config", tmp_path / "file", "--data-dir", tmp_path / "file"),
        *("--ca-file", "/nowhere", "--auth-key", "/nowhere/key", "--secrets-key", "/nowhere/s"),
        *("--admin-listen", f"127.0.0.1:{used.getsockname()[1]}", "--nonsense", "stray"),
    )
    used.close()
    assert done.returncode == 2 and done.stdout == ""
    said = done.stderr.splitlines()
    words = ["in use", "shards", "nonsense", "secrets-key", "ca-file", "auth-key", "192.0.2.1:80"]
    words += ["data-dir"]
    assert len(said) == len(words), done.stderr
    for line, word in zip(said, words):
        assert line.startswith("evhookd: ") and word in line, line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("admin", ["127.0.0.1:0", "[::1]:0"])
def test_the_log_names_the_ports_that_were_taken(new_redis, new_evhookd, admin):
    args = ["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--admin-listen", admin]
    evhookd = new_evhookd(redis=new_redis(), args=args, log_format="json")
    (line,) = evhookd.log_lines('"msg":"evhookd', "is running")
    addresses = json.loads(line)["listen"].split()
    assert addresses[0] == evhookd.lock.address() and len(addresses) == 3
    urls = [(address, "/openapi.json") for address in addresses]
    for address, path in [*urls, (json.loads(line)["admin"], "/metrics")]:
        host, port = address.rsplit(":", 1)
        client = Client(host.strip("[]"), int(port))
        assert client.get(path).status == 200
        client.close()


def starts_beside(first, *args):
    """Starts another one with these arguments; what it says, which is one line more than its log."""
    done = run("--data-dir", first.dir / "other", *args)
    assert done.returncode == 1 and done.stdout == ""
    return done.stderr


def test_a_port_is_not_shared_without_a_redis_to_share(new_evhookd):
    first = new_evhookd()
    address = first.lock.address()
    said = starts_beside(first, "--listen", address, "--admin-listen", "127.0.0.1:0")
    assert f"cannot listen on {address}: Address already in use" in said
    assert first.status_of("/readyz") == 200


def test_the_admin_port_is_never_shared(new_redis, new_evhookd):
    redis = new_redis()
    first = new_evhookd(redis=redis)
    admin = first.admin_lock.address()
    args = ("--redis", redis.uri, "--listen", "127.0.0.1:0", "--admin-listen", admin)
    assert f"cannot listen on {admin}: Address already in use" in starts_beside(first, *args)


def test_an_option_in_the_environment_is_checked_and_named():
    done = run("--check-config", env={"EVHOOK_SHARDS": "many"})
    assert done.returncode == 2 and "EVHOOK_SHARDS" in one_line(done.stderr)
    done = run("--check-config", env={"EVHOOK_LOG_FORMAT": "json", "EVHOOK_LISTEN": "127.0.0.1:1"})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line, word", [("shards = many", "shards"), ("no-such = 1", "no-such"), ("?", "conf")]
)
def test_a_line_of_the_config_file_is_checked_and_named(tmp_path, line, word):
    conf = tmp_path / "evhookd.conf"
    conf.write_text(f"# a comment\n\nlog-level = info\n{line}\n")
    done = run("--check-config", "--config", conf)
    assert done.returncode == 2 and word in one_line(done.stderr)
    assert "evhookd.conf" in done.stderr


@pytest.mark.parametrize(
    "file, env, line, limit",
    [
        (1, None, None, 1),
        (1, 2, None, 2),
        (1, 2, 3, 3),
        (None, 2, 3, 3),
        (3, None, 1, 1),
        (3, 1, None, 1),
    ],
)
def test_command_line_before_environment_before_file(
    tmp_path, new_redis, new_evhookd, file, env, line, limit
):
    conf = tmp_path / "evhookd.conf"
    conf.write_text(f"max-webhooks = {file}\n" if file else "")
    evhookd = new_evhookd(
        redis=new_redis(),
        config=conf,
        env={"EVHOOK_MAX_WEBHOOKS": str(env)} if env else {},
        max_webhooks=line,
    )
    tenant = Tenant(evhookd.client())
    for _ in range(limit):
        tenant.create()
    problem(tenant.try_create(tenant.body()), 409)


def test_everything_may_stand_in_the_environment(new_redis, new_evhookd):
    redis = new_redis()
    evhookd = new_evhookd(
        allow_egress=[],
        env={
            "EVHOOK_REDIS": redis.uri,
            "EVHOOK_ALLOW_EGRESS": "127.0.0.1/32",
            "EVHOOK_LOG_FORMAT": "json",
        },
    )
    Tenant(evhookd.client()).create("http://127.0.0.1:9/")
    assert redis.client.dbsize() > 0


# --- listening


def test_a_port_in_use_is_named(new_redis, new_evhookd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        for option in ({"args": ["--listen", address]}, {"admin_listen": address}):
            evhookd = new_evhookd(redis=new_redis(), ready=False, **option)
            assert evhookd.wait_exit() not in (0, None)
            evhookd.expect_death = True
            assert evhookd.log_lines(address)


def test_the_api_listens_on_ipv6(new_redis, new_evhookd):
    evhookd = new_evhookd(redis=new_redis(), listen="::1")
    assert evhookd.status_of("/readyz") == 200
    tenant = Tenant(evhookd.client())
    tenant.create()


def test_two_processes_share_a_port(new_redis, new_evhookd):
    redis = new_redis()
    first = new_evhookd(redis=redis)
    second = new_evhookd(redis=redis, args=["--listen", first.lock.address()])
    tenant = Tenant(first.client())
    webhook = tenant.create()
    for _ in range(20):
        mine = Tenant(first.client(), tenant.locator)
        assert mine.fetch(webhook) == webhook
    assert second.process.poll() is None


def test_health_is_on_both_ports_and_metrics_on_the_admin_port(server):
    for path in ("/healthz", "/readyz"):
        assert server.status_of(path) == 200
        assert server.status_of(path, admin=True) == 200
    metrics = server.admin().get("/metrics")
    assert metrics.status == 200
    assert metrics.header("content-type").startswith("text/plain")
    assert re.search(rb"^[a-z]\w*(\{.*\})? \d", metrics.body, re.M)
    assert server.status_of("/metrics") == 404 and server.status_of("/config") == 404
    assert server.status_of("/event/x/webhooks/list", admin=True) == 404


def test_without_auth_key_only_loopback_is_listened_on(tmp_path):
    done = run("--listen", "0.0.0.0:0", "--data-dir", tmp_path / "data", "--check-config")
    assert done.returncode == 2 and "no-auth" in one_line(done.stderr)
    done = run("--listen", "0.0.0.0:0", "--no-auth", "--check-config")
    assert done.returncode == 0, done.stderr


# --- logs


@pytest.mark.parametrize("log_format", ["logfmt", "json"])
def test_log_records_are_one_line_each_and_say_the_outcome(
    new_redis, new_evhookd, receiver, log_format
):
    sink = receiver(Answer(200), Answer(500))
    evhookd = new_evhookd(redis=new_redis(), log_format=log_format, log_level="info")
    tenant = Tenant(evhookd.client())
    tenant.create(sink.url(), name='quotes " and x=y', endpoint_secret="never in a log, please")
    locators = [tenant.publish(data={"secret": "x" * 3000})["locator"]]
    sink.wait_for(1)
    locators.append(tenant.publish()["locator"])
    sink.wait_for(2)
    until(lambda: all(evhookd.log_lines(x) for x in locators), "both outcomes are logged")
    evhookd.stop()
    text = evhookd.stderr()
    assert "never in a log" not in text and "xxxx" not in text
    for line in text.splitlines():
        if log_format == "json":
            assert isinstance(json.loads(line), dict)
        else:
            assert re.match(r'([\w.-]+=("(\\.|[^"\\])*"|[^ "]*)( |$))+$', line), line


# --- signals


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_process_with_exit_0(new_redis, new_evhookd, sig):
    evhookd = new_evhookd(redis=new_redis())
    idle = evhookd.client()
    expect(idle.get("/healthz"), 200)  # a connection that stays open must not hold it up
    evhookd.terminate(sig)
    assert evhookd.wait_exit(DEADLINE) == 0


def test_sigterm_finishes_a_delivery_in_flight(new_redis, new_evhookd, receiver, event):
    release = event()
    sink = receiver(Answer(after=release))
    redis = new_redis()
    evhookd = new_evhookd(redis=redis)
    tenant = Tenant(evhookd.client())
    webhook = tenant.create(sink.url())
    locator = tenant.publish()["locator"]
    sink.wait_for(1)
    queue = Keys(tenant).queue(webhook["locator"])
    evhookd.terminate()
    until(lambda: evhookd.status_of("/readyz") != 200, "it is not ready any more")
    assert evhookd.process.poll() is None and redis.client.zscore(queue, locator) is not None
    release.set()
    assert evhookd.wait_exit(DEADLINE) == 0
    assert not redis.client.exists(queue)
    assert sink.ids() == [locator]


def test_closed_standard_descriptors_stand_for_nothing(alone, receiver):
    """As some supervisors start programs.  Nothing else gets these numbers: the log would go there."""
    server = alone()
    server.stop()
    server.command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *server.command]
    server.start()
    try:
        links = [os.readlink(f"/proc/{server.process.pid}/fd/{n}") for n in range(3)]
    except PermissionError:
        pytest.skip("only root may see what another process has open")
    assert links == ["/dev/null"] * 3
    sink = receiver()
    tenant = Tenant(server.client())
    tenant.create(sink.url())
    tenant.publish()
    sink.wait_for(1)
    server.stop()


def test_drain_delay_is_not_ready_but_still_accepts(new_redis, new_evhookd):
    evhookd = new_evhookd(redis=new_redis(), drain_delay="3s")
    tenant = Tenant(evhookd.client())
    evhookd.terminate()
    until(lambda: evhookd.status_of("/readyz") == 503, "it is not ready any more")
    assert evhookd.status_of("/healthz") == 200
    tenant.on(evhookd.client()).publish()
    assert evhookd.wait_exit() == 0


def test_what_does_not_finish_in_time_is_cut_off_and_handed_back(
    new_redis, new_evhookd, receiver, event
):
    release = event()
    sink = receiver(Answer(after=release))
    redis = new_redis()
    evhookd = new_evhookd(redis=redis, drain_timeout="1s")
    tenant = Tenant(evhookd.client())
    webhook = tenant.create(sink.url())
    locator = tenant.publish()["locator"]
    sink.wait_for(1)
    evhookd.terminate()
    assert evhookd.wait_exit(DEADLINE) == 0
    score = redis.client.zscore(Keys(tenant).queue(webhook["locator"]), locator)
    seconds, microseconds = redis.client.time()
    assert score % 2 == 0 and score / 1000 <= seconds + microseconds / 1e6, "due now, not leased"
    new_evhookd(redis=redis)
    sink.wait_for(2)
    assert sink.ids() == [locator, locator]


def test_what_waits_when_sigterm_comes_is_left_to_others(new_redis, new_evhookd, receiver, event):
    release = event()
    sink = receiver(default=Answer(after=release))
    redis = new_redis()
    evhookd = new_evhookd(redis=redis, endpoint_concurrency=2)
    tenant = Tenant(evhookd.client())
    tenant.create(sink.url())
    locators = tenant.publish_many(40)
    sink.wait_for(2)
    evhookd.terminate()
    until(lambda: evhookd.status_of("/readyz") != 200, "it is not ready any more")
    release.set()
    assert evhookd.wait_exit(DEADLINE) == 0
    new_evhookd(redis=redis)
    sink.wait_for_events(locators)
    assert len(sink.all()) == len(locators), "nothing is sent twice in an orderly hand-over"


# --- the embedded Redis


@pytest.fixture
def data_dir(cleanup):
    """A short path, since a Unix socket's must be."""
    return pathlib.Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="evhook-data-")))


def redis_processes(directory):
    """The ids of the redis-server processes that work in this directory."""
    found = []
    for process in pathlib.Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "comm").read_text().startswith(REDIS[:5]):
                here = pathlib.Path(os.readlink(process / "cwd"))
                if here == directory or directory in here.parents:
                    if (process / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                        found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.fixture
def embedded(new_evhookd, data_dir, cleanup):
    """Makes evhookds on the data directory; no redis-server of theirs survives the test."""

    def end_orphans():
        for pid in redis_processes(data_dir):
            os.kill(pid, signal.SIGKILL)

    cleanup.callback(end_orphans)
    return lambda **options: new_evhookd(data_dir=data_dir, **options)


def test_a_private_redis_is_started_and_stopped(embedded, data_dir):
    evhookd = embedded()
    (pid,) = redis_processes(data_dir)
    assert os.getsid(pid) != os.getsid(evhookd.process.pid), "a session of its own"
    evhookd.stop()
    assert redis_processes(data_dir) == []


def test_a_data_directory_is_made_and_private(new_evhookd, data_dir):
    evhookd = new_evhookd(data_dir=data_dir / "new")
    assert (data_dir / "new").stat().st_mode & 0o077 == 0
    evhookd.stop()


def test_what_was_published_is_there_after_a_restart(embedded, receiver):
    first = embedded()
    tenant = Tenant(first.client())
    webhook = tenant.create()
    event = tenant.publish(data={"n": 1})
    first.stop()
    again = Tenant(embedded().client(), tenant.locator)
    assert again.fetch(webhook) == webhook
    assert again.event(event["locator"]).json() == event


def test_a_killed_private_redis_is_started_again_with_its_data(embedded, data_dir):
    evhookd = embedded()
    tenant = Tenant(evhookd.client())
    webhook = tenant.create()
    locators = tenant.publish_many(20)
    (pid,) = redis_processes(data_dir)
    os.kill(pid, signal.SIGKILL)
    until(lambda: redis_processes(data_dir) not in ([], [pid]), "another redis-server runs")
    evhookd.wait_ready()
    assert tenant.all_events() == locators and tenant.fetch(webhook) == webhook
    tenant.publish()
    evhookd.stop()
    assert redis_processes(data_dir) == []


def test_the_private_redis_of_a_killed_evhookd_is_adopted(embedded, data_dir):
    first = embedded()
    tenant = Tenant(first.client())
    event = tenant.publish()
    pids = redis_processes(data_dir)
    first.kill()
    assert redis_processes(data_dir) == pids
    second = embedded()
    assert redis_processes(data_dir) == pids
    assert Tenant(second.client(), tenant.locator).event(event["locator"]).json() == event
    second.stop()
    assert redis_processes(data_dir) == []


def test_ctrl_c_leaves_the_private_redis_alone_until_the_drain_is_over(
    embedded, data_dir, receiver, event
):
    release = event()
    sink = receiver(Answer(after=release))
    evhookd = embedded()
    tenant = Tenant(evhookd.client())
    tenant.create(sink.url())
    locator = tenant.publish()["locator"]
    sink.wait_for(1)
    evhookd.expect_death = True
    os.killpg(evhookd.process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    until(lambda: evhookd.status_of("/readyz") != 200, "it is not ready any more")
    assert len(redis_processes(data_dir)) == 1
    release.set()
    assert evhookd.wait_exit(DEADLINE) == 0
    assert redis_processes(data_dir) == []
    again = Tenant(embedded().client(), tenant.locator)
    again.publish("last")
    sink.wait_for(2)
    assert sink.ids()[0] == locator and sink.ids().count(locator) == 1


def test_a_second_evhookd_on_the_same_directory_is_refused(embedded, data_dir):
    first = embedded()
    second = embedded(ready=False, log_level="info")
    assert second.wait_exit() not in (0, None)
    second.expect_death = True
    assert second.log_lines(str(data_dir))
    Tenant(first.client()).publish()
    assert len(redis_processes(data_dir)) == 1


def test_a_data_directory_that_cannot_be_used_is_named(new_evhookd, data_dir):
    (data_dir / "file").write_text("in the way")
    evhookd = new_evhookd(data_dir=data_dir / "file", ready=False)
    assert evhookd.wait_exit() not in (0, None)
    evhookd.expect_death = True
    assert evhookd.log_lines(str(data_dir / "file"))
