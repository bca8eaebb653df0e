"""The command line as an operator meets it: output to the letter, statuses, and sentences for bad input."""

import json

import pytest
from click.testing import CliRunner

from stepdrain_cli.__main__ import cli, main
from stepdrain_cli.terminal import tables
from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.workload import budget, daemonset, lone_pod, replica_set


@pytest.fixture(scope="module")
def cluster():
    """One node with four pods: free, blocked, a DaemonSet's, and one without controller."""
    clock = RealClock()
    with KubeServer(clock) as kube:
        kube.cluster.create(
            {"kind": "Node", "metadata": {"name": "n1"}, "spec": {"providerID": "aws:///a/i-1"}}
        )
        pods = [
            owned("web-a", {"app": "web"}),
            owned("db-0", {"app": "db"}),
            lone_pod("debug", "n1"),
        ]
        held = budget("default", "db", {"app": "db"}, 0)
        # A number of minAvailable counts pods whose controller does not exist.
        held["spec"] = {"selector": held["spec"]["selector"], "minAvailable": 1}
        kube.cluster.load([replica_set("default", "web", {"app": "web"}, 0, 5), held])
        kube.cluster.load([*pods, *daemonset("proxy", ["n1"])])
        for _ in range(200):
            if all(pod["status"]["phase"] == "Running" for pod in kube.cluster.list("Pod")):
                break
            clock.sleep(0.05)
        yield kube
    clock.close()


def owned(name, labels):
    pod = lone_pod(name, "n1")
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name[:-2], "uid": "u", "controller": True}
    pod["metadata"] |= {"labels": labels, "ownerReferences": [owner]}
    return pod


@pytest.fixture
def kubeconfig(cluster, tmp_path):
    """A kubeconfig of the cluster's administrator."""
    path = tmp_path / "kubeconfig"
    path.write_text(cluster.kubeconfig())
    return str(path)


def test_a_plan_shows_every_pod_with_wave_verdict_and_reason(kubeconfig):
    """Literally: it is read before a drain, and compared with what came."""
    result = CliRunner().invoke(cli, ["plan", "n1", "--kubeconfig", kubeconfig])
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines == [
        "WAVE  VERDICT  POD                      GRACE  REASON",
        "1     blocked  default/db-0             2s     disruption budget db needs 1 healthy pod and has 1",
        "1     evict    default/debug            2s     no controller would put it back",
        "1     evict    default/web-a            2s     ReplicaSet web replaces it",
        "-     leave    kube-system/proxy-00000  30s    DaemonSet proxy would put it back",
        "",
        "3 of 4 pods would leave n1; 1 would hold the drain up now.",
        "Expected time: at most 2 s, if nothing blocks.",
        "",
        "Why it would hang, or hurt:",
        "  disruption budget default/db can never give way: its 1 pod must be healthy; "
        "1 pod of this node waits for it",
        "  hint: no other node would take default/db-0: there is none",
        "  hint: no other node would take default/debug: there is none",
        "  hint: no other node would take default/web-a: there is none",
    ]
    assert result.exit_code == 0


def test_a_plan_in_40_columns_breaks_no_word(kubeconfig, monkeypatch):
    """The sentences below the table, too; their second lines are indented as the first."""
    monkeypatch.setattr(tables, "width", lambda **_: 40)
    lines = CliRunner().invoke(cli, ["plan", "n1", "--kubeconfig", kubeconfig]).stdout.splitlines()
    assert max(len(line) for line in lines) <= 40
    below = lines[lines.index("Why it would hang, or hurt:") + 1 :]
    assert below[:2] == [
        "  disruption budget default/db can never",
        "  give way: its 1 pod must be healthy; 1",
    ]


def test_a_plan_as_json_has_the_same(kubeconfig):
    """For scripts."""
    result = CliRunner().invoke(cli, ["plan", "n1", "--kubeconfig", kubeconfig, "--json"])
    plan = json.loads(result.stdout)
    assert (plan["node"], plan["instance"], plan["blocked"]) == ("n1", "i-1", 1)
    assert {line["pod"]: line["verdict"] for line in plan["lines"]}["default/db-0"] == "blocked"


def test_a_plan_takes_an_instance_id_too(kubeconfig):
    """Auto Scaling knows no node names."""
    result = CliRunner().invoke(cli, ["plan", "i-1", "--kubeconfig", kubeconfig, "--json"])
    assert json.loads(result.stdout)["node"] == "n1"


def test_a_plan_changes_nothing(cluster, kubeconfig):
    """It is run on production nodes."""
    before = len(cluster.audit_log)
    CliRunner().invoke(cli, ["plan", "n1", "--kubeconfig", kubeconfig])
    assert {event["verb"] for event in cluster.audit_log[before:]} <= {"get", "list"}


@pytest.mark.parametrize("command", ["plan", "run"])
def test_an_unknown_node_is_one_sentence(kubeconfig, command):
    """And nothing has begun."""
    result = CliRunner().invoke(cli, [command, "nope", "--kubeconfig", kubeconfig])
    assert result.exit_code == 2
    assert (
        result.stderr == "Error: The cluster has no node whose name, first label or instance id is nope; "
        f"`kubectl get nodes --kubeconfig {kubeconfig}` lists their names.\n"
    )


def test_a_bad_policy_is_one_sentence(kubeconfig):
    """With what it may be."""
    result = CliRunner().invoke(
        cli, ["plan", "n1", "--kubeconfig", kubeconfig, "--policy", "onTimeout=explode"]
    )
    assert result.exit_code == 2
    assert "it takes fail, force, force-or-fail, continue or abandon" in result.stderr


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["stepdrain", *arguments])
    with pytest.raises(SystemExit) as done:
        main()
    return done.value.code


@pytest.mark.parametrize("content", [None, "a: [", "just text", "apiVersion: v1\nkind: Config\n"])
def test_a_kubeconfig_that_cannot_be_used_is_one_sentence(monkeypatch, capsys, tmp_path, content):
    """Missing, broken, of another kind, empty."""
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    assert run_main(monkeypatch, "plan", "n1", "--kubeconfig", str(path)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"Error: The kubeconfig {path} ")
    assert not error.endswith("..\n")
    assert error.count("\n") == 1


def test_a_cluster_that_cannot_be_reached_is_one_sentence(monkeypatch, capsys, cluster, tmp_path):
    """Nobody listens on port 1."""
    path = tmp_path / "kubeconfig"
    path.write_text(cluster.kubeconfig().replace(cluster.url, "https://127.0.0.1:1"))
    assert run_main(monkeypatch, "plan", "n1", "--kubeconfig", str(path)) == 5
    error = capsys.readouterr().err
    assert "gave no usable answer" in error
    assert error.endswith("Check that the cluster is up and can be reached from here.\n")
    assert "Traceback" not in error


def test_credentials_that_the_cluster_refuses_are_one_sentence(monkeypatch, capsys, cluster, tmp_path):
    """The most likely thing to be wrong with an old kubeconfig."""
    path = tmp_path / "kubeconfig"
    path.write_text(cluster.kubeconfig("outdated"))
    assert run_main(monkeypatch, "plan", "n1", "--kubeconfig", str(path)) == 5
    error = capsys.readouterr().err
    assert error.startswith("Error: The cluster does not know the caller (401). ")
    assert error.endswith("a kubeconfig, credentials that are still valid.\n")


def test_a_run_drains_for_real_and_ends_with_the_result(kubeconfig, tmp_path, cluster):
    """The same state machine and functions as on AWS; a refused drain has a status of its own."""
    out = tmp_path / "out"
    refused = ["run", "n1", "--kubeconfig", kubeconfig, "--policy", "evictUnmanaged=false", "--out", str(out)]
    result = CliRunner().invoke(cli, refused)
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"] == "DrainRefused"
    assert "default/debug: no controller would put it back" in json.loads(result.stdout)["cause"]
    assert "-> EvictBatch" in result.stderr
    assert len(json.loads((out / "history.json").read_text())["events"]) > 10
    assert cluster.cluster.get("Node", "n1")["spec"]["unschedulable"] is True
    assert cluster.cluster.get("Pod", "web-a") is not None
