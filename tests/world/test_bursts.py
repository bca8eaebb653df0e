"""Many instances of one group go at once: all are cordoned, and their drains take turns."""

import itertools

import pytest
from stepdrain.clock import to_epoch_s

from stepdrain_recorded import audit
from stepdrain_sandbox.aws.account import LambdaFault
from stepdrain_sandbox.workload import replica_set
from stepdrain_sandbox.world import World

GRACE_S = 20


def workload(nodes):
    """Two pods on each node, each with a grace that makes drains overlap."""
    for number, node in enumerate(nodes):
        controller = replica_set("default", f"web-{number}", {"app": f"web-{number}"}, 2, GRACE_S)
        controller["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
        yield controller


@pytest.fixture
def burst():
    """Four nodes, of which one may be drained at a time."""
    with World(nodes=4, workload=workload, parameters={"MaxConcurrentDrains": "1"}) as world:
        yield world


def evicted(world):
    """Node names in order of their first eviction, and when that was."""
    nodes = {}
    for change in audit.changes(world.kube.audit_log):
        if change.kind == "evict":
            number = int(change.object.split("web-")[1].split("-")[0])
            nodes.setdefault(list(world.instances.values())[number], to_epoch_s(change.at))
    return nodes


def test_all_are_cordoned_at_once_and_drained_one_after_the_other(burst):
    """No evicted pod lands on the next victim, and no two nodes lose their pods together."""
    instances = list(burst.instances)[:3]
    for instance in instances:
        burst.terminate(instance)
        burst.pass_time(2)
    burst.pass_time(3)
    cordoned = {c.object for c in audit.changes(burst.kube.audit_log) if c.kind == "cordon"}
    assert cordoned == {burst.instances[instance] for instance in instances}
    assert len(evicted(burst)) == 1
    burst.settle()
    order = evicted(burst)
    assert list(order) == [burst.instances[instance] for instance in instances]
    times = list(order.values())
    assert all(later - earlier >= GRACE_S for earlier, later in itertools.pairwise(times))
    assert [what for _, what, _ in burst.aws.hooks.log if what != "heartbeat"] == ["CONTINUE"] * 3


def test_a_waiting_drain_says_so_and_keeps_its_instance(burst):
    """Its hook of 30 minutes would run out otherwise."""
    first, second = list(burst.instances)[:2]
    budget = {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "web-0"}}}
    burst.kube.cluster.create(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
         "metadata": {"name": "stuck", "namespace": "default"}, "spec": budget}
    )  # fmt: skip
    burst.terminate(first)
    burst.pass_time(10)
    burst.terminate(second)
    burst.pass_time(2400)
    (waiting,) = [execution for execution in burst.executions() if execution["name"].startswith(second)]
    failures = [
        e["taskFailedEventDetails"]
        for e in burst.history(waiting["executionArn"])
        if e["type"] == "TaskFailed"
    ]
    assert {failure["error"] for failure in failures} == {"NotYourTurn"}
    assert f"behind: {first}" in failures[0]["cause"]
    assert burst.lifecycle_state(second) == "Terminating:Wait"
    burst.kube.cluster.change("PodDisruptionBudget", "stuck", "default", {"spec": {"maxUnavailable": 2}})
    burst.settle()
    assert {execution["status"] for execution in burst.executions()} == {"SUCCEEDED"}


def test_the_turn_of_a_drain_that_died_goes_on_to_the_next(burst):
    """Its lease runs out; nobody has to clean up."""
    first, second = list(burst.instances)[:2]
    burst.aws.lambda_faults.append(LambdaFault("WaitForPodsFunction", "Runtime.UserCodeSyntaxError", times=1))
    burst.terminate(first)
    burst.pass_time(10)
    burst.terminate(second)
    burst.settle(every_s=20)
    status = {execution["name"][:19]: execution["status"] for execution in burst.executions()}
    assert status == {first: "FAILED", second: "SUCCEEDED"}
    assert burst.instances[second] in evicted(burst)


def test_without_a_limit_nobody_waits_and_no_lease_is_asked_for():
    """The default; the table is also a cache, whose rows nobody queries."""
    with World(nodes=2, workload=workload) as world:
        for instance in world.instances:
            world.terminate(instance)
        world.settle()
        assert not [call for call in world.aws.calls if call[2] in ("Query", "DeleteItem")]
