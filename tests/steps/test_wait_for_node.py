"""WaitForNode: an arriving instance goes into service when its node can take pods."""

import pytest
from stepdrain.errors import NodeNeverReady, NodeNotReady, NothingToDo
from stepdrain.steps import wait_for_node

from stepdrain_sandbox.kube.faults import Fault
from tests.steps.contexts import context_time

LIFECYCLE = {
    "group": "workers",
    "hook": "stepdrain-launch",
    "heartbeatTimeout": 1200,
    "globalTimeout": 172_800,
}


@pytest.fixture
def arriving(world, instance):
    """The document of a launch."""
    return {"instanceId": instance, "cluster": "demo", "reason": "launch", "lifecycle": LIFECYCLE}


@pytest.fixture
def not_ready(world, instance):
    """The instance's node while its kubelet says that it is not Ready."""
    name = world.instances[instance]
    before = world.kube.cluster.get("Node", name)["status"]["conditions"]
    unready = [
        condition | {"status": "False"} if condition["type"] == "Ready" else condition for condition in before
    ]
    world.kube.cluster.change("Node", name, None, {"status": {"conditions": unready}})
    yield name
    world.kube.cluster.change("Node", name, None, {"status": {"conditions": before}})


def test_a_ready_node_is_told_to_the_next_state(world, arriving, step):
    """Its name and its UID."""
    name = world.instances[arriving["instanceId"]]
    found = wait_for_node.handler(step(arriving), None)
    assert (found["name"], found["uid"]) == (name, world.kube.cluster.get("Node", name)["metadata"]["uid"])


def test_a_node_that_is_not_ready_is_waited_for(arriving, not_ready, step):
    """By Retry; the message says what is missing and how long it may."""
    with pytest.raises(NodeNotReady, match=f"Node {not_ready} is registered and not Ready. It has until 20"):
        wait_for_node.handler(step(arriving), None)


def test_past_its_deadline_it_is_given_up(world, arriving, not_ready, step):
    """AdmitTimeout, or what the hook grants if that is less."""
    payload = step(arriving)
    payload["execution"]["StartTime"] = context_time(world.clock.now() - 1200)
    with pytest.raises(NodeNeverReady, match="is over: Auto Scaling replaces the instance"):
        wait_for_node.handler(payload, None)


def test_an_instance_that_enters_a_warm_pool_is_not_waited_for(arriving, step):
    """It will be stopped, and serves nobody yet."""
    with pytest.raises(NothingToDo, match="enters a warm pool"):
        wait_for_node.handler(step(arriving, lifecycle={**LIFECYCLE, "destination": "WarmPool"}), None)


def watching(step, arriving, **more):
    """What an attempt that may watch for two minutes is sent."""
    return {**step(arriving, **more), "waitSeconds": 120}


def test_the_first_watch_is_short(world, arriving, not_ready, step):
    """The console names what an attempt waits for only when it ends."""
    began = world.clock.now()
    with pytest.raises(NodeNotReady):
        wait_for_node.handler(watching(step, arriving), None)
    assert 30 < world.clock.now() - began < 60


@pytest.mark.parametrize("path", ["/nodes", "/nodes/"])
def test_an_api_server_that_does_not_answer_is_asked_again_within_the_attempt(world, arriving, step, path):
    """Retry's pauses are for what Lambda and Step Functions answer."""
    name = world.instances[arriving["instanceId"]]
    world.kube.faults.add(Fault(path=path, status=503, times=2))
    assert wait_for_node.handler(watching(step, arriving), None)["name"] == name
