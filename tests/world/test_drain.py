"""One drain, from the lifecycle event to the released instance, by the template and the real handlers."""

import copy
import json

import boto3
import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.workload import cluster_workload, replica_set
from stepdrain_sandbox.world import World

LISTING = ("EvictBatch", "WaitForPods", "WaitForVolumes", "WaitForTargets")


def fullest(world):
    """The instance whose node has most pods, and the node."""
    return max(world.instances.items(), key=lambda item: len(world.pods_on(item[1])))


def requests_of(world):
    """Everything Stepdrain asked the Kubernetes API."""
    return [event for event in world.kube.audit_log if event["userAgent"].startswith("stepdrain/")]


def attempts(world):
    """How often the states were started that list pods or volumes."""
    history = [
        event for execution in world.executions() for event in world.history(execution["executionArn"])
    ]
    parameters = [
        event["taskScheduledEventDetails"]["parameters"]
        for event in history
        if event["type"] == "TaskScheduled"
    ]
    return sum(any(name in text for name in LISTING) for text in parameters)


def test_a_drain_labels_cordons_evicts_and_lets_go_in_this_order(world):
    """G1 Order, G3 DaemonSet pods stay, G4 completed with nothing evictable left."""
    instance, node = fullest(world)
    leaving = [
        p["metadata"]["name"]
        for p in world.pods_on(node)
        if not p["metadata"]["name"].startswith(("aws-", "kube-"))
    ]
    world.terminate(instance)
    assert world.lifecycle_state(instance) == "Terminating:Wait"
    world.settle()
    written = audit.changes(world.kube.audit_log)
    assert [change.kind for change in written] == ["label", "cordon", *["evict"] * len(leaving)]
    assert sorted(change.object.split("/")[1] for change in written[2:]) == sorted(leaving)
    assert [what for _, what, _ in world.aws.hooks.log] == ["CONTINUE"]
    assert world.lifecycle_state(instance) == ""
    assert {event["userAgent"] for event in requests_of(world)} == {"stepdrain/0.1.0"}


def test_the_execution_is_named_after_the_instance(world):
    """The console lists executions by name, never by input."""
    instance, _ = fullest(world)
    world.terminate(instance)
    world.settle()
    (execution,) = world.executions()
    token = json.loads(execution["input"])["lifecycle"]["token"]
    assert execution["name"] == f"{instance}-{token[:8]}"


def test_the_same_event_twice_is_one_execution(world):
    """G7 One event delivered twice is one execution: EventBridge may fire a rule more than once."""
    sent = []
    original = world.aws.delivery.send
    world.aws.hooks.send = lambda event: (sent.append(copy.deepcopy(event)), original(event))
    instance, _ = fullest(world)
    world.terminate(instance)
    world.aws.delivery.send({**sent[0], "id": "another-delivery"})
    world.settle()
    world.aws.delivery.send(sent[0])
    world.pass_time(5)
    assert len(world.executions()) == 1
    # While it runs, Step Functions answers the same name and input as if it had started it again.
    assert [answer["Payload"]["started"] for _, answer in world.aws.delivery.answers] == [True, True, False]


def test_replacements_run_elsewhere(world):
    """The cordon keeps them off the dying node, whose machine is then gone."""
    instance, node = fullest(world)
    world.terminate(instance)
    world.settle()
    world.pass_time(10)
    pods = world.kube.cluster.list("Pod")
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert node not in {pod["spec"]["nodeName"] for pod in pods}
    assert sum(pod["metadata"]["name"].startswith("nginx") for pod in pods) == 3


def test_no_token_is_ever_recorded(world):
    """G9 No secret and no token is ever logged: not in histories, not in the audit log."""
    instance, _ = fullest(world)
    world.terminate(instance)
    world.settle()
    history = world.history(world.executions()[0]["executionArn"])
    assert guarantees.secrets_shown(map(str, [*history, *world.kube.audit_log])) == []


@pytest.mark.parametrize(("pods", "grace_s", "most"), [(10, 5, None), (110, 30, 130)])
def test_requests_stay_within_the_bound(pods, grace_s, most):
    """At most P + 6, and 2 for each attempt of a state that lists; kubectl drain needs 424 for 110 pods."""

    def workload(nodes):
        one = replica_set("default", "many", {"app": "many"}, pods, grace_s)
        one["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": nodes[0]}
        return [*cluster_workload(nodes, replicas=0), one]

    with World(workload=workload) as world:
        instance, node = fullest(world)
        leaving = sum(p["metadata"]["name"].startswith(("many", "coredns")) for p in world.pods_on(node))
        assert leaving >= pods
        world.terminate(instance)
        world.settle()
        asked = len(requests_of(world))
        assert asked <= leaving + 6 + 2 * attempts(world)
        assert most is None or asked <= most


def test_an_event_that_fails_its_schema_reaches_the_dead_letter_queue(world):
    """G6 No lifecycle event is lost: after Lambda's two retries it is kept with the sentence why."""
    event = {
        "source": "aws.autoscaling",
        "detail-type": "EC2 Instance-terminate Lifecycle Action",
        "account": "123456789012",
        "region": "eu-west-1",
        "detail": {
            "AutoScalingGroupName": "workers",
            "LifecycleHookName": "stepdrain",
            "EC2InstanceId": "i-1234567890abcdef0",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        },
    }
    world.aws.delivery.send(event)
    world.pass_time(300)
    sqs = boto3.client("sqs", region_name="eu-west-1")
    (message,) = sqs.receive_message(QueueUrl=world.aws.deployment.queues["DeadLetters"])["Messages"]
    letter = json.loads(message["Body"])
    assert letter["requestPayload"]["detail"] == event["detail"]
    assert letter["responsePayload"]["errorType"] == "InvalidEvent"
    assert "'LifecycleActionToken' is a required property" in letter["responsePayload"]["errorMessage"]
    assert world.executions() == []


def test_an_instance_that_never_joined_completes_after_a_bounded_wait(world):
    """G4: nothing can be drained, and Auto Scaling need not wait 48 hours for it."""
    instance, node = fullest(world)
    world.kube.cluster.remove("Node", node)
    began = world.clock.now()
    world.terminate(instance)
    world.settle()
    output = json.loads(world.executions()[0]["output"])
    reason = output["completed"].pop("reason")
    # Only a rehearsal finds something.
    assert output["completed"] == {"result": "CONTINUE", "outcome": "never joined", "findings": []}
    assert reason.startswith("No node of the cluster has the providerID of i-")
    (recorded,) = [event for event in world.kube.cluster.list("Event") if event["reason"] == "NeverJoined"]
    assert recorded["involvedObject"]["name"] == node
    assert "let go without a drain" in recorded["message"]
    assert world.clock.now() - began < 400


def test_a_node_of_another_name_is_found_by_its_provider_id(world):
    """Host names can be chosen freely (aws/aws-node-termination-handler #618)."""
    instance, node = fullest(world)
    world.kube.cluster.remove("Node", node)
    world.kube.cluster.create(
        {
            "kind": "Node",
            "metadata": {"name": "custom"},
            "spec": {"providerID": f"aws:///eu-west-1a/{instance}"},
        }
    )
    world.terminate(instance)
    world.settle()
    assert json.loads(world.executions()[0]["output"])["node"]["name"] == "custom"


def test_a_blocking_budget_is_waited_for_and_named(world):
    """G2 Only the Eviction API removes pods, so budgets hold until they allow it."""
    instance, node = fullest(world)
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    world.terminate(instance)
    world.pass_time(130)
    assert any(pod["metadata"]["name"].startswith("nginx") for pod in world.pods_on(node))
    causes = [
        event["taskFailedEventDetails"]["cause"]
        for event in world.history(world.executions()[0]["executionArn"])
        if event["type"] == "TaskFailed"
    ]
    assert "disruption budget nginx needs 3 healthy pods and has 3" in causes[0]
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 1}})
    world.settle()
    assert world.executions()[0]["status"] == "SUCCEEDED"
    assert guarantees.deletions_made(audit.changes(world.kube.audit_log), "fail") == []
    recorded = {event["reason"] for event in world.kube.cluster.list("Event")}
    assert recorded == {"DrainStarted", "PodsBlocked", "EvictionBlocked", "Drained"}


def test_a_node_that_is_deleted_while_it_is_drained_is_not_told_as_drained(world):
    """An empty list of pods is no proof that they have ended well: nobody has seen the node empty."""
    instance, node = fullest(world)
    for namespace, name in (("default", "nginx"), ("kube-system", "coredns")):
        world.kube.cluster.change("PodDisruptionBudget", name, namespace, {"spec": {"maxUnavailable": 0}})
    world.terminate(instance)
    world.pass_time(60)
    world.kube.cluster.remove("Node", node)
    for pod in world.pods_on(node):
        world.kube.cluster.remove("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
    world.settle()
    completed = json.loads(world.executions()[0]["output"])["completed"]
    assert (completed["result"], completed["outcome"]) == ("CONTINUE", "node gone")
    assert f"Node {node} was deleted while it was drained" in completed["reason"]


def test_a_node_that_joins_while_its_instance_is_terminated_is_drained(world):
    """Launched and terminated within a minute: the kubelet registers when FindNode has asked in vain."""
    instance, node = fullest(world)
    manifest = world.kube.cluster.get("Node", node)
    pods = world.pods_on(node)
    world.kube.cluster.remove("Node", node)
    world.terminate(instance)
    world.pass_time(60)
    world.kube.cluster.create({"kind": "Node", "metadata": {"name": node}, "spec": manifest["spec"]})
    world.settle()
    output = json.loads(world.executions()[0]["output"])
    assert output["completed"]["outcome"] == "drained"
    assert output["node"]["name"] == node
    assert output["progress"]["evicted"] == sum(
        not pod["metadata"]["name"].startswith(("aws-node", "kube-proxy")) for pod in pods
    )
