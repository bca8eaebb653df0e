"""Executions that were started before the upgrade: the first definition of DrainNode with the new functions.

An execution keeps the definition that it was started with
(https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-version.html), and its functions
are replaced under it. The first definition sends no ``waitSeconds``, keeps only the fields of the record that
it knows, and retries names that the present one has no more. ``first_definition.asl.json`` is the file as
released; both go one version later.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given

from stepdrain_recorded import audit
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.rehearsal.stage import Stage, substituted
from stepdrain_sandbox.workload import budget, replica_set
from tests.properties.nights import nights
from tests.properties.play import broken, play
from tests.shards import nightly

MACHINE = substituted((Path(__file__).parent / "first_definition.asl.json").read_text())
NAMES = {
    name
    for state in MACHINE["States"].values()
    for retrier in state.get("Retry", ())
    for name in retrier["ErrorEquals"]
}
DAY_S = 86_400


def web(allows, grace_s=5):
    return [
        replica_set("default", "web", {"app": "web"}, 2, grace_s),
        budget("default", "web", {"app": "web"}, allows),
    ]


class Played:
    """A drain on the first definition; ``at``: what happens so many seconds after its start."""

    def __init__(self, manifests, seconds, at=(), target_drains_s=0, faults=(), **policy):
        environment = {f"STEPDRAIN_{name.upper()}": value for name, value in policy.items()}
        self.stage = stage = Stage(2, environment, recording=True, machine=MACHINE)
        stage.group.target_drains_s = target_drains_s
        with stage.set(manifests):
            for fault in faults:
                stage.transport.faults.add(fault)
            instance = next(instance for instance, node in stage.instances.items() if stage.pods_on(node))
            stage.deliver(stage.terminate(instance))
            for after_s, action in at:
                stage.clock.call_at(stage.clock.now() + after_s, lambda action=action: action(stage))
            stage.clock.run(seconds)
        (self.execution,) = stage.machine.executions.values()

    def errors(self):
        """The names of the errors that attempts ended with; each is one that the definition knows."""
        failed = [
            event["taskFailedEventDetails"]["error"]
            for event in self.execution.log.events
            if event["type"] == "TaskFailed"
        ]
        assert set(failed) <= NAMES | {"DrainTimedOut", "DrainReleased"}
        return set(failed)

    def changes(self, kind):
        return [change for change in audit.changes(self.stage.transport.audit_log) if change.kind == kind]


def allow(stage):
    stage.cluster.change("PodDisruptionBudget", "web", "default", {"spec": {"maxUnavailable": 1}})


def test_it_sends_no_length_of_a_watch():
    """Else this would be the present one."""
    assert "waitSeconds" not in json.dumps(MACHINE)


@pytest.mark.parametrize("after_s", [40, 2000])
def test_a_blocked_drain_waits_in_evict_batch_and_goes_on(after_s):
    """In its first round, and in a later one: by the name that its definition retries then."""
    played = Played(web(0), after_s + 900, [(after_s, allow)])
    assert played.execution.status == "SUCCEEDED"
    assert [how for _, how in played.stage.ended] == ["CONTINUE"]
    slow = {"EvictionStillBlocked"} if after_s > 1000 else set()
    assert played.errors() >= {"EvictionBlocked"} | slow
    assert [change.status for change in played.changes("evict")].count(201) == 1


def test_pods_that_take_long_to_leave_are_waited_for():
    """PodsRemaining, then PodsStillRemaining."""
    played = Played(web(1, grace_s=1500), 3600)
    assert played.execution.status == "SUCCEEDED"
    assert played.errors() == {"PodsRemaining", "PodsStillRemaining"}


def test_targets_that_drain_are_waited_for():
    """TargetsDraining, then TargetsStillDraining."""
    played = Played(web(1), 3600, target_drains_s=1500)
    assert played.execution.status == "SUCCEEDED"
    assert played.errors() >= {"TargetsDraining", "TargetsStillDraining"}


@pytest.mark.parametrize(
    ("on_timeout", "status", "deleted"),
    [("fail", "FAILED", 0), ("force", "SUCCEEDED", 1), ("continue", "SUCCEEDED", 0)],
)
def test_the_deadline_takes_effect(on_timeout, status, deleted):
    """As the policy says; under force the pod is asked in time for its grace."""
    played = Played(web(0, grace_s=30), 1800, on_timeout=on_timeout, drain_timeout="900")
    assert played.execution.status == status
    played.errors()
    assert len(played.changes("delete")) == deleted
    assert played.execution.error == ("DrainTimedOut" if status == "FAILED" else "")


def repaired(stage):
    """The budget gives way, and somebody redrives."""
    allow(stage)
    (execution,) = stage.machine.executions.values()
    assert (execution.status, execution.error) == ("FAILED", "DrainTimedOut")
    stage.machine.redrive(execution)


def test_a_redrive_after_its_deadline_goes_on():
    """In the same document, with the same names."""
    played = Played(web(0), 1800, [(1200, repaired)], drain_timeout="900")
    assert (played.execution.status, played.execution.redrives) == ("SUCCEEDED", 1)


def test_the_document_has_what_its_functions_knew_and_nothing_else():
    """So whatever state an execution is in when the functions are replaced, they read what they read here."""
    played = Played(web(1, grace_s=1500), 40)
    assert played.execution.status == "RUNNING"
    kept = MACHINE["States"]["WaitForPods"]["ResultSelector"]
    assert {f"{name}.$" for name in played.execution.document["progress"]} == set(kept)
    assert not {"askedAt", "refusedSince", "then", "unwatched"} & set(played.execution.document["progress"])


@pytest.mark.parametrize("status", [503, 429])
def test_errors_that_may_pass_are_retried(status):
    """By the definition, as before."""
    fault = Fault("list|create", times=40, status=status, body="not now")
    played = Played(web(1), 3600, faults=[fault])
    assert played.execution.status == "SUCCEEDED"
    assert played.errors() & {"KubeUnavailable", "KubeThrottled"}


@pytest.mark.long
def test_its_longest_drain_fits_into_its_history():
    """G8 10,000 events were its limit."""
    played = Played(web(0), 2 * DAY_S, drain_timeout="172800")
    assert (played.execution.status, played.execution.error) == ("FAILED", "DrainTimedOut")
    assert played.execution.events < 10_000


@nightly
@given(nights())
def test_any_night_keeps_the_guarantees_on_the_first_definition(shard, night):
    """tests/properties, on the definition that executions may still run on."""
    assert broken(play(night, MACHINE), night) == []
