"""Watching holds one concurrent execution for each drain: fewer of them make drains poll, and fail none."""

import pytest

from stepdrain_sandbox.aws.load import Load
from stepdrain_sandbox.aws.quotas import Quotas
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.workload import budget, replica_set
from stepdrain_sandbox.world import World

DRAINS, HELD_S, GRACE_S, POLL_S, WATCH_S, THROTTLED_S = 10, 1200, 30, 31, 120, 30


def workload(nodes):
    """A pod on each node that goes, held by a budget."""
    for number, node in enumerate(nodes[:DRAINS]):
        held = replica_set("default", f"web-{number}", {"app": "web", "number": str(number)}, 1, GRACE_S)
        held["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
        yield held
    yield budget("default", "web", {"app": "web"}, max_unavailable=0)


def play(concurrent, reserved, waiting):
    """The load, and the seconds from the moment in which the budget gave way to the last drain's end."""
    with World(workload=workload, nodes=DRAINS + 1, parameters={"Waiting": waiting}) as world:
        load = Load(world.clock, Quotas(world.clock, concurrent=concurrent))
        world.aws.put_under(load)
        load.reserved = reserved
        for instance in list(world.instances)[:DRAINS]:
            world.terminate(instance)
        world.pass_time(HELD_S)
        freed_at = world.clock.now()
        more = {"spec": {"maxUnavailable": DRAINS}}
        world.kube.cluster.change("PodDisruptionBudget", "web", "default", more)
        world.settle(within_s=3600)
        took_s = max(at for at, what, _ in world.aws.hooks.log if what == "CONTINUE") - freed_at
        assert {execution["status"] for execution in world.executions()} == {"SUCCEEDED"}
        assert broken(world) == []
        return load, took_s


@pytest.mark.parametrize(
    ("concurrent", "reserved", "waiting", "within_s"),
    [
        # Noticed by a poll, evicted, and its end noticed by another; Lambda may throttle either.
        pytest.param(4, {}, "poll", GRACE_S + 2 * (POLL_S + THROTTLED_S), id="polling"),
        # Those that were throttled may have to wait until somebody's watch is over.
        pytest.param(1000, {"WaitForPodsFunction": 3}, "watch", GRACE_S + WATCH_S + POLL_S, id="watching"),
    ],
)
def test_drains_wait_on_fewer_executions_than_there_are_drains(concurrent, reserved, waiting, within_s):
    """None fails, each is heard of by Auto Scaling in time, and polls where it cannot watch."""
    load, took_s = play(concurrent, reserved, waiting)
    assert load.refused["WaitForPodsFunction"] > 0
    assert took_s <= within_s
