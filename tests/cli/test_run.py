"""``stepdrain run``: a drain from a laptop, by the engine, without AWS."""

import json
import os
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from stepdrain.adapters import connections, invocation
from stepdrain.errors import AwsRejected
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY
from stepdrain.rules.policy import Policy

from stepdrain_cli import run
from stepdrain_cli.__main__ import cli
from stepdrain_cli.terminal import interaction
from stepdrain_recorded import history
from stepdrain_recorded.timeline import timeline
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.rehearsal.stage import Stage
from stepdrain_sandbox.workload import cluster_workload, lone_pod

NODE = "node-0"


class Rehearsed:
    """The stage's virtual time as the engine's clock; ``slept`` has each pause in seconds."""

    def __init__(self, clock, interrupted_after=10**9):
        self._clock, self.slept, self._left = clock, [], interrupted_after

    def now(self):
        return self._clock.now()

    def sleep(self, seconds):
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        self.slept.append(seconds)
        self._clock.run(seconds)

    def call(self, work, _timeout_s):
        return work()


@pytest.fixture
def stage():
    """A cluster of three nodes in virtual time, with pods on each."""
    made = Stage(3, {})
    with made.set(cluster_workload(list(made.instances.values()))):
        yield made


@pytest.fixture
def connect(stage):
    """Makes the cluster's client; the handlers get it from the run, as in real life."""
    client = stage.transport.kube()
    return lambda _time_left: client


def drained(stage, connect, clock=None, **policy):
    """The result of a run, and the lines that it said."""
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        # The stage stands in for Lambda's connections; a run brings its own.
        patch.setattr(connections, "kube", lambda _cluster: connections.local.kube())
        patch.setattr(connections, "aws", lambda: connections.Aws(connections.local.session))
        made = Policy.from_document(policy)
        result = run.drain(NODE, "here", connect, made, lines.append, clock or Rehearsed(stage.clock))
    return result, lines


def events_on_the_node(stage, reason):
    """Names of the Events of a reason."""
    listed = stage.cluster.store.all(BY_KIND["Event"])
    return {event["metadata"]["name"] for event in listed if event["reason"] == reason}


def test_a_run_drains_the_node_and_tells_each_state(stage, connect):
    """The same states in the same order as on AWS."""
    result, lines = drained(stage, connect)
    assert (result.status, result.to_document()["outcome"]) == ("SUCCEEDED", "drained")
    assert result.to_document()["progress"]["evicted"] > 0
    said = [line.split("->")[1].strip() for line in lines if "->" in line]
    assert said[:4] == ["FindNode", "Label", "Cordon", "Settle"]
    assert said[-1] == "CompleteAction"
    assert stage.cluster.get("Node", NODE)["spec"]["unschedulable"] is True


def test_a_history_of_a_run_can_be_read_like_any_other(stage, connect):
    """`stepdrain report --from-file history.json`."""
    result, _ = drained(stage, connect)
    line = timeline(history.checked(result.history, "the run"))
    assert (line.status, line.node, line.last_state) == ("SUCCEEDED", NODE, "CompleteAction")
    assert line.arn.startswith("arn:aws:states:local:")


def test_a_second_run_tells_its_own_story(stage, connect):
    """Named by the node alone, its Events were duplicates: an old "Drained" stood beside a failed drain."""
    drained(stage, connect)
    first = events_on_the_node(stage, "Drained")
    drained(stage, connect)
    assert len(first) == 1
    assert len(events_on_the_node(stage, "Drained")) == 2


def test_a_failed_run_has_its_counts(stage, connect):
    """They were empty, whatever had happened."""
    free = {"spec": {"maxUnavailable": 0}}
    stage.cluster.change("PodDisruptionBudget", "nginx", "default", free)
    result, _ = drained(stage, connect, drainTimeout=120)
    document = result.to_document()
    assert (document["status"], document["error"]) == ("FAILED", "DrainTimedOut")
    assert document["progress"]["blocked"] > 0


def test_a_run_that_is_refused_at_once_has_its_counts_too(stage, connect):
    """Zeros, and not nothing."""
    stage.cluster.create(lone_pod("debug", NODE))
    stage.clock.run(5)
    document = drained(stage, connect, evictUnmanaged=False)[0].to_document()
    assert document["error"] == "DrainRefused"
    assert (document["progress"]["evicted"], document["progress"]["blocked"]) == (0, 0)


def test_waiting_asks_nothing(stage, connect):
    """A watch waits in the cluster's answer, and a pause between attempts is one sleep."""
    stage.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    clock, began = Rehearsed(stage.clock), stage.clock.now()
    result, _ = drained(stage, connect, clock, drainTimeout=600)
    attempts = sum(event["type"] == "TaskScheduled" for event in result.history)
    assert len(clock.slept) <= attempts
    assert stage.clock.now() - began >= 600


@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_interrupted_run_says_how_far_it_came(stage, connect, after):
    """Ctrl-C in any pause: the history ends with ExecutionAborted, and nothing of the run stays behind."""
    stage.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    before = dict(os.environ)
    with pytest.raises(run.Interrupted) as stopped:
        drained(stage, connect, Rehearsed(stage.clock, after))
    assert stopped.value.result.status == "ABORTED"
    assert stopped.value.result.history[-1]["type"] == "ExecutionAborted"
    assert dict(os.environ) == before
    assert connections.local is None


def test_ctrl_c_says_that_label_and_cordon_stay_and_what_takes_them_back(stage, reached, monkeypatch):
    """Status 130; what leads to the cluster is repeated, and the command does what the sentence says."""
    stage.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    monkeypatch.setattr(run, "WallClock", lambda: Rehearsed(stage.clock, interrupted_after=1))
    result = CliRunner().invoke(cli, ["run", NODE, "--context", "kind"])
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (130, "ABORTED")
    assert result.stderr.splitlines()[-1] == (
        "Error: The drain of node-0 was interrupted. The node keeps its load balancer label and its cordon, "
        "if it had come so far. Go on with `stepdrain run node-0 --context kind`, or take both back with "
        "`stepdrain undo node-0 --local --context kind`."
    )
    assert stage.cluster.get("Node", NODE)["spec"]["unschedulable"]
    undone = CliRunner().invoke(cli, ["undo", NODE, "--local", "--context", "kind", "--yes"])
    assert (undone.exit_code, undone.stdout) == (0, f"Undone on node {NODE}: label, cordon.\n")


def test_a_function_of_a_run_cannot_ask_aws():
    """By any service's client."""
    with pytest.raises(AwsRejected, match="autoscaling"):
        connections.Aws(run.NoAwsSession()).group_tags("g")


def test_a_function_of_a_run_knows_how_long_it_may_take():
    """As Lambda tells it."""
    seen = []
    handler = invocation.handler(lambda _event, _context: seen.append(invocation.time_left()))
    handler({}, run.Context("f", 20))
    assert 19 < seen[0] <= 20


@pytest.fixture
def reached(connect, monkeypatch):
    """Any kubeconfig and context lead to the stage."""
    client = connect(None)

    class Access:
        """The stage's cluster."""

        context = SimpleNamespace(name="kind")

        def kube(self, _time_left=None):
            return client

    for module in ("commands.undo", "clusters.cluster"):
        monkeypatch.setattr(f"stepdrain_cli.{module}.access", lambda *_: Access())
    # The stage stands in for Lambda's connections; a run brings its own.
    monkeypatch.setattr(connections, "kube", lambda _cluster: connections.local.kube())
    monkeypatch.setattr(connections, "aws", lambda: connections.Aws(connections.local.session))


IN_THE_ACCOUNT = "i-46455c8dd2c95b58e-1807dfaf"


def marked_by(stage, name, in_progress=""):
    """The node as a drain of that name leaves it; with the two conditions where ``in_progress`` is given."""
    stage.cluster.change(
        "Node",
        NODE,
        None,
        {
            "metadata": {
                "labels": {EXCLUDE_LABEL: "true"},
                "annotations": {LABELLED_BY: name, CORDONED_BY: name},
            },
            "spec": {"unschedulable": True},
        },
    )
    if in_progress:
        conditions = stage.cluster.get("Node", NODE)["status"]["conditions"]
        own = {"type": "DrainInProgress", "status": in_progress, "message": f"Drain {name} is done: drained"}
        stage.cluster.change("Node", NODE, None, {"status": {"conditions": [*conditions, own]}})


def test_a_run_beside_a_drain_of_an_account_asks_first(stage, reached, monkeypatch):
    """A second drain began without a word, and took the marks over that protect the first from an undo."""
    marked_by(stage, IN_THE_ACCOUNT)
    before = stage.cluster.get("Node", NODE)
    refused = CliRunner().invoke(cli, ["run", NODE])
    assert refused.exit_code == 2
    assert refused.stderr.splitlines() == [
        f"Note: The drain {IN_THE_ACCOUNT} has labelled and cordoned the node already.",
        f"Note: {IN_THE_ACCOUNT} may still run: `stepdrain status node-0` shows it in its account, and "
        "`stepdrain stop node-0` ends it.",
        "Error: Nobody can be asked here (Drain node-0 from here as well?): add --yes to go on without a "
        "question.",
    ]
    monkeypatch.setattr(interaction, "interactive", lambda: True)
    answered = CliRunner().invoke(cli, ["run", NODE], input="n\n")
    assert (answered.exit_code, answered.stderr.splitlines()[-1]) == (1, "Error: Nothing was drained.")
    assert stage.cluster.get("Node", NODE) == before
    monkeypatch.setattr(run, "WallClock", lambda: Rehearsed(stage.clock))
    assert CliRunner().invoke(cli, ["run", NODE, "--yes"]).exit_code == 0


@pytest.mark.parametrize(
    ("name", "in_progress"), [("run-node-0-0a1b2c3d", ""), (IN_THE_ACCOUNT, "False")], ids=["a-run", "ended"]
)
def test_a_run_after_a_drain_that_is_over_only_says_whose_marks_are_there(
    stage, reached, monkeypatch, name, in_progress
):
    """An interrupted run is continued by another; and where the node says that the drain ended, it did."""
    marked_by(stage, name, in_progress)
    monkeypatch.setattr(run, "WallClock", lambda: Rehearsed(stage.clock))
    result = CliRunner().invoke(cli, ["run", NODE])
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        0,
        f"Note: The drain {name} has labelled and cordoned the node already.",
    )


def test_a_run_asks_as_long_as_the_node_says_that_the_drain_goes_on(stage, reached):
    """The condition of a drain that runs ends no doubt."""
    marked_by(stage, IN_THE_ACCOUNT, "True")
    assert CliRunner().invoke(cli, ["run", NODE]).exit_code == 2


def test_a_run_says_that_somebody_else_has_cordoned_the_node(stage, reached, monkeypatch):
    """Its undo will leave that cordon."""
    stage.cluster.change("Node", NODE, None, {"spec": {"unschedulable": True}})
    monkeypatch.setattr(run, "WallClock", lambda: Rehearsed(stage.clock))
    result = CliRunner().invoke(cli, ["run", NODE])
    said = "Note: Somebody else has cordoned the node already, and `stepdrain undo` leaves that."
    assert (result.exit_code, result.stderr.splitlines()[0]) == (0, said)
    # Its name is a run's: a second one has nobody to ask about.
    assert CliRunner().invoke(cli, ["run", NODE]).exit_code == 0


def test_a_run_says_where_it_has_written(stage, reached, monkeypatch, tmp_path):
    """The folder is made; the result stands on stdout besides, also where the files cannot be written."""
    monkeypatch.setattr(run, "WallClock", lambda: Rehearsed(stage.clock))
    folder = tmp_path / "new" / "night"
    result = CliRunner().invoke(cli, ["run", NODE, "--out", str(folder)])
    assert (
        result.stderr.splitlines()[-1] == f"Written: {folder / 'history.json'} and {folder / 'result.json'}"
    )
    assert json.loads(result.stdout) == json.loads((folder / "result.json").read_text())
    (folder / "result.json").unlink()
    (folder / "result.json").symlink_to("/dev/full")
    full = CliRunner().invoke(cli, ["run", NODE, "--out", str(folder)])
    assert (full.exit_code, json.loads(full.stdout)["status"]) == (2, "SUCCEEDED")
    assert f"{folder / 'result.json'} cannot be written: No space left on device." in full.stderr


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_drained(stage, reached, tmp_path):
    """After the drain it would be too late."""
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(cli, ["run", NODE, "--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == 2
    assert "cannot be written: Not a directory." in result.stderr
    assert "unschedulable" not in json.dumps(stage.cluster.get("Node", NODE))
