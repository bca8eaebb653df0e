"""Records of others that a drain reads: objects of foreign kinds, and executions that ended long ago."""

from moto.autoscaling.models import autoscaling_backends

from stepdrain_sandbox.aws.account import ACCOUNT
from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World


def test_a_target_group_binding_without_an_arn_is_skipped(look, caplog):
    """It names its target group, and its controller has not filled in the ARN yet."""
    binding = {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": {"name": "half-made", "namespace": "default"},
        "spec": {
            "targetGroupName": "web",
            "targetType": "instance",
            "serviceRef": {"name": "web", "port": 80},
        },
    }
    with World(workload=cluster_workload) as world:
        seen = look(world)
        world.kube.cluster.load([binding])
        world.terminate(seen.fullest()[0])
        world.settle()
        assert seen.executions()[0][:2] == ("SUCCEEDED", "drained")
        assert "half-made" in caplog.text + seen.said()


def test_an_instance_that_served_again_is_swept(look):
    """It was drained into the warm pool, serves again an hour later, and its termination's event is lost."""
    with World(workload=cluster_workload) as world:
        seen = look(world)
        instance, node = seen.fullest()
        world.aws.hooks.hold(instance, "autoscaling:EC2_INSTANCE_TERMINATING", "AutoScalingGroup", "WarmPool")
        world.settle()
        world.pass_time(3600)
        world.kube.cluster.change("Node", node, "", {"spec": {"unschedulable": None}})
        for backend in autoscaling_backends[ACCOUNT].values():
            for state in backend.describe_auto_scaling_instances([instance]):
                state.lifecycle_state = "InService"
        world.kube.cluster.create(lone_pod("new-work", node))
        world.pass_time(60)
        world.aws.hooks.send = lambda _event: None
        world.terminate(instance)
        world.pass_time(1700)
        assert [summary[:2] for summary in seen.executions()] == [("SUCCEEDED", "drained")] * 2
        assert not any(world.witness.left.values())
