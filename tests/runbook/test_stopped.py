"""What stops a drain: each section's commands end it, played from the cause to the end."""

import json

import boto3
import pytest
from stepdrain.rules.node_marks import EXCLUDE_LABEL

from stepdrain_sandbox.aws.account import AwsFault, LambdaFault, client_error
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.status import failure
from stepdrain_sandbox.workload import lone_pod
from tests.runbook.sections import plays
from tests.world import trouble
from tests.world.trouble import FOR_EVER, Trouble

DENIED = failure(400, "", 'admission webhook "guard.example.com" denied the request: not this node')
MALFORMED = failure(422, "Invalid", 'Node "n" is invalid: metadata.labels: Invalid value')
OF_THE_CLUSTER = {
    "KubeUnauthorized": ("EvictBatch", "list", trouble.kubernetes_fault("401 for ever")),
    "KubeRejected": ("Cordon", "patch", Fault(times=FOR_EVER, status=422, body=MALFORMED.body)),
    "AdmissionDenied": ("Cordon", "patch", Fault(times=FOR_EVER, status=400, body=DENIED.body)),
    "UnexpectedError": ("EvictBatch", "list", Fault(times=FOR_EVER, status=200, body={"kind": "PodList"})),
    "KubeUnavailable": ("Label", "patch", trouble.kubernetes_fault("503")),
    "KubeThrottled": ("Label", "patch", trouble.kubernetes_fault("429 overload")),
    "KubeConflict": ("Cordon", "patch", trouble.kubernetes_fault("409")),
}
OF_AWS = {
    "ClusterNotFound": ("FindNode", "DescribeCluster", "ResourceNotFoundException"),
    "AwsDenied": ("EvictBatch", "DescribeCluster", "AccessDenied"),
    "AwsRejected": ("EvictBatch", "DescribeCluster", "InvalidParameterException"),
    "AwsThrottled": ("FindNode", "DescribeCluster", "ThrottlingException"),
    "AwsUnavailable": ("FindNode", "DescribeCluster", "ServerException"),
    "LifecycleActionExpired": ("Heartbeat", "RecordLifecycleActionHeartbeat", "ValidationError"),
}
OTHERWISE = {"KubeRejected", "UnexpectedError", "ClusterNotFound", "LifecycleActionExpired"}
"""What no redrive ends."""
PATIENT = {"AwsThrottled"}
"""What is asked again for 45 minutes, and the nights' drains have 15."""
REDRIVEN = [error for error in [*OF_THE_CLUSTER, *OF_AWS] if error not in OTHERWISE]


def broken(night, error):
    """Something is wrong from now on; it has a method ``repair``."""
    if error in OF_THE_CLUSTER:
        state, verb, fault = OF_THE_CLUSTER[error]
        fault.times = FOR_EVER
        return Trouble(night.world, state).by_fault(fault, verb, "")
    state, operation, code = OF_AWS[error]
    if operation == "DescribeCluster":
        # Else no state asks EKS: StartDrain has put the endpoint into the cache.
        silent = client_error("GetItem", "InternalServerError", "Internal server error", 500)
        night.world.aws.aws_faults.append(AwsFault("GetItem", silent, FOR_EVER))
    raised = client_error(
        operation, code, "No active Lifecycle Action found", 500 if "Server" in code else 400
    )
    return Trouble(night.world, state).by_aws(operation, raised, FOR_EVER)


@plays(*(error for error in REDRIVEN))
@pytest.mark.parametrize("error", REDRIVEN)
def test_what_a_redrive_goes_on_from(night, error):
    """The message, the section's commands up to the redrive, and the node is drained."""
    wrong = broken(night, error)
    if error in PATIENT:
        by_hand(night, {"instanceId": night.instance, "policy": {"drainTimeout": 3600}})
    else:
        night.world.terminate(night.instance)
    night.fails_with(error)
    night.play(
        error, repaired=wrong.repair, until="stepdrain redrive", blanks={"ROLE_ARN": "arn:aws:iam::1:role/r"}
    )
    night.drained()


@plays("KubeRejected")
def test_a_mistake_of_ours_is_sent_in_and_the_node_given_back(night):
    """Nobody on call can repair it: a bundle for the maintainers, and the node serves again."""
    wrong = broken(night, "KubeRejected")
    night.world.terminate(night.instance)
    night.fails_with("KubeRejected")
    wrong.repair()
    night.play("KubeRejected")
    node = night.world.kube.cluster.get("Node", night.node)
    assert EXCLUDE_LABEL not in node["metadata"]["labels"]
    assert not node["spec"].get("unschedulable")


@plays("UnexpectedError", quick=True)
def test_something_unforeseen_is_let_go_by_hand(night):
    """There is no time for a version that understands it."""
    broken(night, "UnexpectedError")
    night.world.terminate(night.instance)
    night.fails_with("UnexpectedError")
    night.play("UnexpectedError", without=("stepdrain redrive",))
    assert night.world.lifecycle_state(night.instance) == ""


@plays("LifecycleActionExpired")
def test_an_instance_that_auto_scaling_no_longer_waits_for(night):
    """A redrive cannot hold it; the node is taken back if the instance stays."""
    held = night.world.kube.cluster
    held.change("PodDisruptionBudget", night.blanks["BUDGET"], "default", {"spec": {"maxUnavailable": 0}})
    broken(night, "LifecycleActionExpired")
    night.world.terminate(night.instance)
    night.fails_with("LifecycleActionExpired")
    night.play("LifecycleActionExpired")
    assert not held.get("Node", night.node)["spec"].get("unschedulable")


@plays("ClusterNotFound")
def test_a_wrong_cluster_is_started_anew(night):
    """A redrive would keep it."""
    wrong = broken(night, "ClusterNotFound")
    night.world.terminate(night.instance)
    night.fails_with("ClusterNotFound")
    night.play("ClusterNotFound", repaired=wrong.repair, without=("sam",))
    night.drained()


@pytest.fixture
def protected(night):
    """A pod without a controller on the node, and a group that protects such pods."""
    night.world.kube.cluster.create(lone_pod(f"debug-{night.instance}", night.node))
    night.world.pass_time(5)
    night.blanks["POD"] = f"debug-{night.instance}"
    given = {"ResourceId": "workers", "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
    tag = {**given, "Key": "stepdrain:evict-unmanaged"}
    client = boto3.client("autoscaling", region_name="eu-west-1")
    client.create_or_update_tags(Tags=[{**tag, "Value": "false"}])
    yield lambda: [shown["Value"] for shown in client.describe_tags()["Tags"] if shown["Key"] == tag["Key"]]
    client.delete_tags(Tags=[tag])


@plays("DrainRefused", quick=True)
@pytest.mark.parametrize("way", ["stepdrain redrive NODE --watch", "stepdrain redrive NODE --policy"])
def test_a_refused_drain(night, protected, way):
    """Remove the pod and redrive; or let this drain evict it, and change what coming drains do."""
    night.world.terminate(night.instance)
    night.fails_with("DrainRefused")
    if "--policy" in way:
        night.play("DrainRefused", without=("kubectl", "stepdrain redrive NODE --watch"))
        assert protected() == ["true"]
    else:
        night.play("DrainRefused", until=way)
        assert protected() == ["false"]
    night.drained()


@plays("DrainTimedOut")
@pytest.mark.parametrize("way", ["stepdrain redrive NODE --watch", "stepdrain redrive NODE --policy"])
def test_a_drain_past_its_deadline(night, way):
    """The budget is given room; or this drain deletes what it holds."""
    night.hold()
    night.world.terminate(night.instance)
    night.fails_with("DrainTimedOut")
    night.play(
        "DrainTimedOut",
        until=way,
        without=("kubectl patch", "stepdrain redrive NODE --watch") if "--policy" in way else (),
    )
    night.drained()


@plays("ABORTED", quick=True)
@pytest.mark.parametrize("way", ["stepdrain redrive NODE --watch", "stepdrain undo"])
def test_a_drain_that_somebody_stopped(night, way):
    """It goes on; or the node stays."""
    night.hold()
    night.world.terminate(night.instance)
    night.world.pass_time(20)
    assert night.type("stop", night.instance, "--yes")[0] == 0
    night.world.pass_time(5)
    night.fails_with("Stopped", "ABORTED")
    if way == "stepdrain undo":
        night.play("ABORTED", without=("stepdrain redrive",))
        assert not night.world.kube.cluster.get("Node", night.node)["spec"].get("unschedulable")
    else:
        night.play("ABORTED", until=way, repaired=lambda: night.hold(1))
        night.drained()


def by_hand(night, document):
    night.world.start(f"by-hand-{night.instance}", document)


@plays("NodeNotFound")
def test_a_drain_by_hand_with_a_wrong_name_is_started_again(night):
    """Nothing was drained, and nothing waits."""
    by_hand(night, {"nodeName": "ip-10-9-9-9.ec2.internal"})
    ended = night.until_it_ends()
    assert ended["error"] == "NodeNotFound"
    night.play("NodeNotFound")
    night.drained()


@plays("InvalidEvent")
def test_an_instance_that_is_not_ours_is_said_so(night):
    """FindNode refuses what StartDrain would ignore."""
    by_hand(night, {"instanceId": "i-0123456789abcdef0"})
    ended = night.until_it_ends()
    assert ended["error"] == "InvalidEvent", ended
    url = night.world.aws.deployment.queues["DeadLetters"]
    night.play("InvalidEvent", blanks={"DEAD_LETTERS_URL": url})
    night.drained()


@plays("InvalidSettings")
def test_a_parameter_that_cannot_be_used(night, monkeypatch):
    """The drain goes on when the stack is deployed with a right one."""
    with monkeypatch.context() as patched:
        patched.setenv("STEPDRAIN_DRAIN_TIMEOUT", "soon")
        by_hand(night, {"instanceId": night.instance})
        ended = night.until_it_ends()
    assert ended["error"] == "InvalidSettings", ended
    night.play("InvalidSettings", without=("sam",))
    night.drained()


def terminated_without(night, function):
    """The instance goes, and a function cannot be loaded; what repairs it."""
    dead = LambdaFault(function, "Runtime.ImportModuleError", times=1000)
    night.world.aws.lambda_faults.append(dead)
    night.world.terminate(night.instance)
    return lambda: setattr(dead, "times", 0)


@plays("FunctionFailed")
def test_a_function_that_fails_before_the_node_is_marked(night):
    """The layer was not built; HoldInstance has kept the instance."""
    repair = terminated_without(night, "LabelFunction")
    night.fails_with("FunctionFailed")
    assert "Label: Runtime.ImportModuleError" in night.execution()["cause"]
    night.play("FunctionFailed", repaired=repair)
    night.drained()


@plays("A function failed")
def test_a_function_that_was_never_run(night):
    """The layer was not built."""
    repair = terminated_without(night, "CompleteActionFunction")
    night.fails_with("Runtime.ImportModuleError")
    night.play("A function failed", repaired=repair)
    night.drained()


@plays("A state failed")
def test_a_function_that_never_answers(night):
    """Every attempt, until the state's Retry is used up."""
    silent = LambdaFault("CompleteActionFunction", "Sandbox.Timedout", times=1000, hangs_s=3600)
    night.world.aws.lambda_faults.append(silent)
    by_hand(night, {"instanceId": night.instance})
    night.fails_with("States.Timeout")
    silent.times = 0
    night.play("A state failed")
    assert json.loads(night.execution()["input"]) == {"instanceId": night.instance}
    night.drained()
