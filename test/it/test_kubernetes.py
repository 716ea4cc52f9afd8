"""doc/kubernetes and doc/helm, as far as they can be tried without a cluster.

What a schema says of them, and helm: test/packaging/kubernetes.sh."""

import re

import yaml

from harness import TOP, run

KUBERNETES = TOP / "doc" / "kubernetes"
DOCUMENTS = list(yaml.safe_load_all((KUBERNETES / "evhookd.yaml").read_text()))
BY_KIND = {document["kind"]: document for document in DOCUMENTS}
POD = BY_KIND["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
ENV = {one["name"]: one["value"] for one in CONTAINER["env"]}


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def test_evhookd_takes_the_environment_of_the_pod(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "auth-key").write_text("a secret of at least thirty-two bytes\n")
    (secrets / "secrets-key").write_text("A" * 43 + "=\n")
    (secrets / "redis-password").write_text("password\n")
    mounted = {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert mounted == {"/run/secrets/evhookd"}
    env = {name: value.replace("/run/secrets/evhookd", str(secrets)) for name, value in ENV.items()}
    done = run("--check-config", env=env)
    assert done.returncode == 0, done.stderr


def test_a_rollout_has_the_time_that_it_takes():
    delay, drain = seconds(ENV["EVHOOK_DRAIN_DELAY"]), seconds(ENV["EVHOOK_DRAIN_TIMEOUT"])
    assert POD["terminationGracePeriodSeconds"] > delay + drain
    probe = CONTAINER["readinessProbe"]
    assert probe["httpGet"] == {"path": "/readyz", "port": "admin"}
    assert delay > probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    assert BY_KIND["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_image_runs_as_the_user_that_the_pod_asks_for():
    user = POD["securityContext"]["runAsUser"]
    dockerfile = (TOP / "doc" / "docker" / "Dockerfile").read_text()
    assert f"\nUSER {user}:{user}\n" in dockerfile and f"--uid {user} " in dockerfile
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True


def test_everything_selects_the_pods_and_ports_there_are():
    labels = BY_KIND["Deployment"]["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"http": 8080, "admin": 9464}
    assert BY_KIND["Service"]["spec"]["selector"] == labels
    assert {p["targetPort"] for p in BY_KIND["Service"]["spec"]["ports"]} == set(ports)
    assert BY_KIND["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert BY_KIND["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    monitor = yaml.safe_load((KUBERNETES / "servicemonitor.yaml").read_text())
    assert monitor["spec"]["selector"]["matchLabels"] == BY_KIND["Service"]["metadata"]["labels"]
    assert {e["port"] for e in monitor["spec"]["endpoints"]} <= set(ports)


def test_the_chart_sets_options_that_there_are():
    values = yaml.safe_load((TOP / "doc" / "helm" / "evhookd" / "values.yaml").read_text())
    env = {f"EVHOOK_{name}": str(value) for name, value in values["options"].items()}
    done = run("--check-config", env={**env, "EVHOOK_REDIS": values["redis"]})
    assert done.returncode == 0, done.stderr
    grace = values["terminationGracePeriodSeconds"]
    options = values["options"]
    assert grace > seconds(options["DRAIN_DELAY"]) + seconds(options["DRAIN_TIMEOUT"])
