"""Two days of one drain on the rehearsal's stage: whatever it waits for, its history has room for them.

G8 The limits are those of docs/decisions/0002; an execution may have 24,999 events. The drain that watches a
budget for ever is in test_long_drain.py.
"""

import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.status import budget_refusal
from stepdrain_sandbox.rehearsal.stage import Stage
from stepdrain_sandbox.workload import budget, replica_set

DAY_S = 86_400
LONG = {"STEPDRAIN_DRAIN_TIMEOUT": "172800"}
FOR_EVER = -1


def web(replicas, allows, grace_s=30):
    """A workload, behind its budget."""
    return [
        replica_set("default", "web", {"app": "web"}, replicas, grace_s),
        budget("default", "web", {"app": "web"}, allows),
    ]


def drained(manifests, happens, nodes=2):
    """The stage two days later, and the execution; ``happens`` is called when it begins."""
    stage = Stage(nodes, LONG)
    with stage.set(manifests):
        instance = next(instance for instance, node in stage.instances.items() if stage.pods_on(node))
        stage.deliver(stage.terminate(instance))
        happens(stage)
        stage.clock.run(2 * DAY_S)
    (execution,) = stage.machine.executions.values()
    return stage, execution


def evictions(stage):
    """The statuses of all answers to evictions."""
    changes = audit.changes(stage.transport.audit_log)
    return [change.status for change in changes if change.kind == "evict"]


def assert_timed_out(stage, execution, most_events):
    """The drain has lasted to its deadline, and Auto Scaling has held the instance all the time."""
    assert (execution.status, execution.error) == ("FAILED", "DrainTimedOut")
    assert execution.events < most_events


@pytest.mark.long
@pytest.mark.parametrize("watch", ["ends", "expired", "silent"])
def test_two_days_without_a_watch(watch):
    """A proxy that ends each watch, a server that knows no version, a proxy that holds every event back."""
    fault = Fault("watch", times=FOR_EVER, watch=watch)
    stage, execution = drained(web(1, 0), lambda stage: stage.transport.faults.add(fault))
    assert_timed_out(stage, execution, 21_000)


@pytest.mark.long
def test_two_days_of_a_budget_that_others_are_faster_to_use():
    """It allows whenever it is looked at, and is used up whenever it is asked."""
    held = budget_refusal("The disruption budget web needs 0 healthy pods and has 1 currently", 10)
    fault = Fault("create", "/eviction", times=FOR_EVER, status=429, body=held.body)
    stage, execution = drained(web(1, 1), lambda stage: stage.transport.faults.add(fault))
    assert_timed_out(stage, execution, 22_000)
    # Never later than a thirtieth of the time that it has lasted, and never more often than each two seconds.
    assert 1_400 < len(evictions(stage)) < 2_000


@pytest.mark.long
def test_two_days_of_a_budget_that_flaps():
    """Each minute it allows one and takes it back in the same second, before the eviction comes."""

    def flap(stage):
        for count in (1, 0):
            stage.cluster.change("PodDisruptionBudget", "web", "default", {"spec": {"maxUnavailable": count}})
        stage.clock.call_at(stage.clock.now() + 60, lambda: flap(stage))

    stage, execution = drained(web(1, 0), flap)
    assert_timed_out(stage, execution, 22_000)
    assert 201 not in evictions(stage)


@pytest.mark.long
def test_two_days_with_progress_every_ten_minutes():
    """280 pods, of which the budget lets one more go each time; nothing is asked for twice."""
    pods = 280

    def allow(stage, count):
        stage.cluster.change("PodDisruptionBudget", "web", "default", {"spec": {"maxUnavailable": count}})
        if count < pods:
            stage.clock.call_at(stage.clock.now() + 600, lambda: allow(stage, count + 1))

    stage, execution = drained(web(pods, 0), lambda stage: allow(stage, 1), nodes=1)
    assert (execution.status, [how for _, how in stage.ended]) == ("SUCCEEDED", ["CONTINUE"])
    assert execution.events < 15_000
    assert evictions(stage).count(201) == pods
    # Some budgets are asked although they say no: once an hour.
    assert len(evictions(stage)) < pods + 50


@pytest.mark.long
def test_250_pods_that_leave_one_at_a_time():
    """The budget allows one, and its replacement is Ready before the next may go."""
    stage, execution = drained(web(500, 1, grace_s=5), lambda _stage: None)
    assert (execution.status, [how for _, how in stage.ended]) == ("SUCCEEDED", ["CONTINUE"])
    accepted = evictions(stage).count(201)
    assert accepted >= 240
    assert execution.events < 25 * accepted
    assert len(evictions(stage)) < 1.1 * accepted
