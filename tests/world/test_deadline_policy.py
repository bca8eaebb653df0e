"""What happens at the drain's deadline, by the policy of the installation or of the group's tags."""

import contextlib
import json

import boto3
import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox.world import World
from tests.world.test_drain import fullest


def workload(nodes):
    """Three pods on the first node that no budget ever lets go, with 30 s of grace."""
    spec = {"terminationGracePeriodSeconds": 30, "nodeSelector": {"kubernetes.io/hostname": nodes[0]}}
    labels = {"app": "held"}
    yield {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"namespace": "default", "name": "held"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {**spec, "containers": [{"name": "c", "image": "registry.invalid/c:1"}]},
            },
        },
    }
    yield {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"namespace": "default", "name": "held"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": labels}},
    }


@pytest.fixture
def at_deadline():
    """Makes a world in which the drain of the held node has ended; gives it and the node's instance."""
    with contextlib.ExitStack() as worlds:

        def make(on_timeout, **options):
            parameters = {"OnTimeout": on_timeout, "DrainTimeout": "600"}
            world = worlds.enter_context(World(nodes=2, workload=workload, parameters=parameters, **options))
            instance, _ = fullest(world)
            world.terminate(instance)
            world.settle()
            return world, instance

        yield make


def output(world):
    return json.loads(world.executions()[0]["output"])


def deletions(world):
    """Grace and UID precondition of each pod that Stepdrain deleted, and seconds since the start."""
    began = world.executions()[0]["startDate"].timestamp()
    return [
        (event, began)
        for event in world.kube.audit_log
        if event["verb"] == "delete" and event["userAgent"].startswith("stepdrain/")
    ]


def test_fail_stops_the_drain_and_holds_the_instance(at_deadline):
    """G5 A failed drain stops, names the pods and the budget, and the instance waits for a person."""
    world, instance = at_deadline("fail")
    (execution,) = world.executions()
    assert (execution["status"], execution["error"]) == ("FAILED", "DrainTimedOut")
    assert "disruption budget held needs 3 healthy pods and has 3" in execution["cause"]
    assert world.lifecycle_state(instance) == "Terminating:Wait"
    assert deletions(world) == []
    # From the last heartbeat on the hook holds it for 1800 s, then its default result takes effect.
    world.pass_time(1900)
    assert [what for _, what, _ in world.aws.hooks.log][-1] == "timed out"
    assert world.lifecycle_state(instance) == ""


def test_force_deletes_in_time_for_each_pods_grace_and_names_it(at_deadline):
    """G2: past the budgets only when the policy says force, never with grace 0, each by its UID."""
    world, instance = at_deadline("force")
    result = output(world)
    assert result["progress"]["forced"] == 3
    said = {text.split(": ")[1] for text in result["progress"]["forcedPods"]}
    assert said == {"deleted past its budgets, with 30 s of grace"}
    assert "3 pods were deleted for the deadline: default/held-" in result["completed"]["reason"]
    recorded = [event for event in world.kube.cluster.list("Event") if event["reason"] == "PodsForced"]
    assert all(pod.split(":")[0] in recorded[0]["message"] for pod in result["progress"]["forcedPods"])
    assert len(deletions(world)) == 3
    for event, _ in deletions(world):
        body = event["requestObject"]
        assert body["gracePeriodSeconds"] == 30
        assert body["preconditions"]["uid"]
    ended = world.executions()[0]["stopDate"].timestamp() - world.executions()[0]["startDate"].timestamp()
    assert 590 <= ended <= 600
    assert world.lifecycle_state(instance) == ""


def test_force_touches_no_budget_before_its_time(at_deadline):
    """The deletions begin a pod's own grace, and 10 s, before the deadline."""
    world, _ = at_deadline("force")
    changes = audit.changes(world.kube.audit_log)
    assert {c.kind for c in changes} >= {"delete"}
    first = min(e["requestReceivedTimestamp"] for e, _ in deletions(world))
    began = world.executions()[0]["startDate"].strftime("%Y-%m-%dT%H:%M:%S")
    seconds = _seconds(first) - _seconds(began)
    assert 560 <= seconds <= 562


def _seconds(text):
    hours, minutes, seconds = text[11:19].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


@pytest.mark.parametrize("on_timeout", ["force", "force-or-fail"])
def test_force_ends_at_its_deadline_for_a_pod_that_does_not_end(on_timeout):
    """A finalizer that nobody removes, on a Ready node: a minute after the deadline that is over."""
    parameters = {"OnTimeout": on_timeout, "DrainTimeout": "600"}
    with World(nodes=2, workload=workload, parameters=parameters) as world:
        instance, node = fullest(world)
        pod = world.pods_on(node)[0]["metadata"]["name"]
        world.kube.cluster.change("Pod", pod, "default", {"metadata": {"finalizers": ["example.com/wait"]}})
        world.terminate(instance)
        world.settle()
        (execution,) = world.executions()
        recorded = {event["reason"]: event["message"] for event in world.kube.cluster.list("Event")}
        took = execution["stopDate"].timestamp() - execution["startDate"].timestamp()
        assert 660 <= took <= 665
        if on_timeout == "force-or-fail":
            assert (execution["status"], execution["error"]) == ("FAILED", "DrainTimedOut")
            assert world.lifecycle_state(instance) == "Terminating:Wait"
            assert "DrainReleased" not in recorded
            said = [execution["cause"]]
        else:
            assert output(world)["completed"]["outcome"] == "released"
            assert world.lifecycle_state(instance) == ""
            said = [output(world)["completed"]["reason"], recorded["DrainReleased"]]
        for text in said:
            assert f"default/{pod}: overdue since " in text
            assert "example.com/wait" in text


def test_continue_lets_the_instance_go_with_its_pods(at_deadline):
    """G4: completed because the policy says so; the reason names what was left."""
    world, instance = at_deadline("continue")
    completed = output(world)["completed"]
    assert (completed["result"], completed["outcome"]) == ("CONTINUE", "released")
    assert "disruption budget held" in completed["reason"]
    assert deletions(world) == []
    assert world.lifecycle_state(instance) == ""


def test_abandon_terminates_where_the_group_keeps_nothing(at_deadline):
    """Both results end a terminating instance."""
    world, instance = at_deadline("abandon")
    assert output(world)["completed"]["result"] == "ABANDON"
    assert world.lifecycle_state(instance) == ""


def test_abandon_keeps_the_instance_as_evidence_where_the_group_retains_it(at_deadline):
    """And the sweep reports it instead of draining it again."""
    world, instance = at_deadline("abandon", retain=True)
    assert output(world)["completed"]["result"] == "ABANDON"
    assert world.lifecycle_state(instance) == "Terminating:Retained"
    world.pass_time(300)
    sweeps = [a["Payload"] for name, a in world.aws.delivery.answers if name.endswith("SweepFunction")]
    assert sweeps[-1]["left"] == {instance: "it is retained: look at it, then terminate it"}
    assert len(world.executions()) == 1
    # Terminating it once more is a new action, with a new event and a new drain.
    world.terminate(instance)
    world.settle()
    assert len(world.executions()) == 2


def test_a_groups_tags_come_before_the_parameters(at_deadline):
    """One installation serves groups that differ."""
    tags = {"stepdrain:on-timeout": "continue", "stepdrain:drain-timeout": "120"}
    world, _ = at_deadline("fail", tags=tags)
    assert output(world)["completed"]["outcome"] == "released"
    (execution,) = world.executions()
    assert (execution["stopDate"] - execution["startDate"]).total_seconds() < 300


def test_a_bad_tag_is_reported_and_the_installations_value_used(at_deadline, caplog):
    """A typing error of a group's owner must not stop the drain; who owns the node reads of it there."""
    world, _ = at_deadline("continue", tags={"stepdrain:on-timeout": "explode"})
    assert output(world)["completed"]["outcome"] == "released"
    (recorded,) = [event for event in world.kube.cluster.list("Event") if event["reason"] == "TagIgnored"]
    for said in (caplog.text, recorded["message"]):
        assert "Tag stepdrain:on-timeout" in said
        assert "Using continue." in said


def test_the_hooks_default_result_abandon_retains_as_well():
    """Auto Scaling's own end of the wait, by a group that keeps what was abandoned."""
    hook = {"DefaultResult": "ABANDON", "HeartbeatTimeout": 1200}
    with World(nodes=1, retain=True, hook=hook) as world:
        (instance,) = world.instances
        boto3.client("events", region_name="eu-west-1").disable_rule(Name="stepdrain-SweepRule")
        world.aws.hooks.send = [].append
        world.terminate(instance)
        world.pass_time(1300)
        assert world.lifecycle_state(instance) == "Terminating:Retained"
