"""The rehearsal is worth nothing if it plays another piece than the world does."""

import json

import pytest

from stepdrain_sandbox.aws.account import LambdaFault
from stepdrain_sandbox.rehearsal.stage import Death, Stage
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World


def hold(cluster, clock, seconds):
    """The budget nginx allows nothing for so long."""
    cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    free = {"spec": {"maxUnavailable": 1}}
    clock.call_at(
        clock.now() + seconds, lambda: cluster.change("PodDisruptionBudget", "nginx", "default", free)
    )


def in_the_world(deaths, held_s):
    with World(workload=cluster_workload) as world:
        for death in deaths:
            world.aws.lambda_faults.append(LambdaFault(f"{death.state}Function", death.error, death.times))
        instance = max(world.instances, key=lambda instance: len(world.pods_on(world.instances[instance])))
        hold(world.kube.cluster, world.clock, held_s)
        world.terminate(instance)
        world.settle()
        (execution,) = world.executions()
        history = world.history(execution["executionArn"])
        return happened(history), sorted(json.loads(execution.get("output", "{}")))


def in_rehearsal(deaths, held_s):
    stage = Stage(3, {}, recording=True)
    with stage.set(cluster_workload(list(stage.instances.values()))):
        stage.deaths += deaths
        instance = max(stage.instances, key=lambda instance: len(stage.pods_on(stage.instances[instance])))
        hold(stage.cluster, stage.clock, held_s)
        stage.deliver(stage.terminate(instance))
        stage.clock.run(7200)
        (execution,) = stage.machine.executions.values()
        document = sorted(execution.document) if execution.status == "SUCCEEDED" else []
        return happened(execution.log.events), document


def happened(history):
    """Each event's type, with its state or error."""
    return [(event["type"], *_named(event)) for event in history]


def _named(event):
    details = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    return [details[key] for key in ("name", "error") if key in details]


@pytest.mark.parametrize("held_s", [0.5, 100, 400])
def test_both_interpreters_go_the_same_way(held_s):
    """The same events in the same order, and the same fields in the document."""
    assert in_rehearsal([], held_s) == in_the_world([], held_s)


@pytest.mark.parametrize("error", ["Runtime.ExitError", "KeyError"])
def test_both_retry_and_fail_alike(error):
    """Retry by name, and an end where no name fits."""
    deaths = [("Cordon", error, 3)]
    ours = in_rehearsal([Death(*death) for death in deaths], 0.5)
    assert ours == in_the_world([Death(*death) for death in deaths], 0.5)
