"""One drain with every function run from what was built: what is deployed is what is proven."""

import json

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.built import functions
from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World
from tests.world import emf

BY_A_DRAIN = {
    "StartDrain",
    "FindNode",
    "Label",
    "Cordon",
    "EvictBatch",
    "WaitForPods",
    "CompleteAction",
    "WaitForVolumes",
    "WaitForTargets",
}


def noting(run, ran):
    """``run``, which also notes the names of the functions it ran in ``ran``."""

    def noted(function, event):
        ran.add(function.name.removeprefix("stepdrain-").removesuffix("Function"))
        return run(function, event)

    return noted


def test_a_node_is_drained_by_functions_that_run_from_the_built_archives(built, tmp_path):
    """The clock is real, since other processes cannot live in a virtual one."""
    clock, log, ran = RealClock(), tmp_path / "functions.log", set()
    with World(clock=clock, workload=cluster_workload) as world, log.open("w") as written:
        with functions.running(built, written) as run:
            world.aws.invoke_by = noting(run, ran)
            instance, node = next(iter(world.instances.items()))
            world.terminate(instance)
            world.settle(180, every_s=0.5)
        (execution,) = world.executions()
        assert (execution["status"], execution.get("cause")) == ("SUCCEEDED", None)
        assert json.loads(execution["output"])["completed"]["outcome"] == "drained"
        assert guarantees.order_broken(audit.changes(world.kube.audit_log), node) == []
        assert [what for _, what, _ in world.aws.hooks.log] == ["CONTINUE"]
    clock.close()
    # Each in a process of its own: none in this one, whose calls would be recorded.
    # On a slow machine the schedule of the sweep may come round.
    assert (ran - {"Sweep"}, world.aws.calls) == (BY_A_DRAIN, [])
    printed = log.read_text().splitlines()
    assert guarantees.secrets_shown(printed) == []
    metrics = {name for _, name, _ in emf.numbers(emf.lines("\n".join(printed)))}
    assert metrics >= {"PodsEvicted", "DrainDuration"}
