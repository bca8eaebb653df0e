"""What a drain does about its deadline, and what it says of the pods that are left then."""

import json

from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World
from tests.conftest import EVENTS


def test_no_retry_sleeps_past_the_deadline_of_an_interruption(look):
    """The API answers again 80 s before EC2 takes the instance, and the pods need 30 s."""
    event = json.loads((EVENTS / "spot-interruption.json").read_text())
    with World(workload=lambda nodes: cluster_workload(nodes, grace_s=30)) as world:
        seen = look(world)
        instance, node = seen.fullest()
        fault = world.kube.faults.add(Fault(path="/pods", times=-1, status=503, body="shutting down"))
        seen.after(40, lambda: setattr(fault, "times", 0))
        event["detail"]["instance-id"] = instance
        world.aws.delivery.send({**event, "time": rfc3339(world.clock.now())})
        left = []
        seen.after(119, lambda: left.extend(seen.pods(node)))
        world.settle(within_s=4000)
        assert left == []
        assert seen.executions()[0][:2] == ("SUCCEEDED", "drained")


def test_what_no_budget_held_is_not_called_past_its_budgets(look, denied):
    """A webhook held the pod. It goes when its grace just fits, and its owner reads why."""
    tags = {"stepdrain:on-timeout": "force", "stepdrain:drain-timeout": "300"}
    with World(workload=lambda nodes: cluster_workload(nodes, grace_s=60), tags=tags) as world:
        seen = look(world)
        world.kube.faults.add(Fault("create", "/nginx.*/eviction", times=-1, status=429, body=denied(429)))
        world.terminate(seen.fullest()[0])
        world.settle(within_s=4000)
        ((status, outcome, reason, took),) = seen.executions()
        assert (status, outcome) == ("SUCCEEDED", "drained")
        assert took <= 310
        assert "nginx-demo-deployment" in reason
        assert "past its budget" not in reason
        assert "past their budget" not in reason
        assert "with 1 s of grace" not in reason


def test_each_pod_that_a_drain_leaves_behind_is_named(look):
    """CoreDNS waited for the wave before it, and goes with the machine, too."""
    tags = {"stepdrain:on-timeout": "continue", "stepdrain:drain-timeout": "120"}
    parameters = {"NotifyAbout": "losses"}
    with World(workload=cluster_workload, tags=tags, parameters=parameters) as world:
        seen = look(world)
        instance, node = seen.fullest()
        seen.allow("nginx", 0)
        left = seen.pods(node)
        assert len(left) > 1
        world.terminate(instance)
        world.settle()
        # The mail comes after the drain's end.
        world.pass_time(5)
        ((status, outcome, reason, _),) = seen.executions()
        assert (status, outcome) == ("SUCCEEDED", "released")
        mails = "\n".join(mail["Message"] for mail in world.aws.messages())
        # PodsBlocked names the blocked pod long before; what counts is what is said at the end.
        events = "\n".join(text for event, text in seen.events().items() if event != "PodsBlocked")
        for pod in left:
            assert pod in reason
            assert pod in events
            assert pod in mails
