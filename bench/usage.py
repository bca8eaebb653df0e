"""What drains use of AWS: each is run in virtual time, and its history is priced by bench.cost.

The waiting of an invocation (a watch) is what its history says on the world's clock; its work comes
from the measurements of one node and of cold starts.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import boto3

from bench import cost, workload
from bench.cost import Function, Usage
from bench.history import facts
from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.aws.deploy import ROOT, translate
from stepdrain_sandbox.rehearsal.stage import Stage
from stepdrain_sandbox.workload import Manifest, budget
from stepdrain_sandbox.world import World

Json = dict[str, Any]
PARAMETERS = {"ClusterName": "demo"}
LONGEST_S = 172_000
MONTHLY = (100, 10_000)
DAY_S = 86_400
INTAKE = "StartDrain"
WATCHING = ("WaitForPods", "WaitForVolumes", "WaitForNode")
"""Functions that hold a watch, and are paid for while they do."""


def measure(say: Callable[[str], None], one_node: Json, cold_start: Json) -> Json:
    """Dollars of single drains and of months, beside an always-on pod and an idle stack."""
    functions = known_functions(one_node, cold_start)
    drains = {
        "10 pods, 30 s grace": _drain(10),
        cost.LARGE: _drain(110),
        cost.HOUR: _drain(110, blocked_s=3600),
        cost.LONGEST: _drain(110, blocked_s=LONGEST_S * 2),
    }
    priced = [_priced(name, *found, functions) for name, found in drains.items()]
    for drain in priced:
        say(f"{drain['name']}: {drain['dollars']:.5f} dollars")
    standing, schedules, idle = _idle(functions)
    fixed = cost.fixed_month(standing)
    each = next(drain for drain in priced if drain["name"] == cost.LARGE)["dollars"]
    return {
        "drains": priced,
        "idle_fixed": fixed,
        "idle_schedules": schedules,
        "idle_day": asdict(idle) | {"dollars": idle.dollars},
        "months": [{"drains": count, "dollars": count * each + sum(fixed.values())} for count in MONTHLY],
        "pod_month": cost.pod_month(),
        "functions": {name: asdict(function) for name, function in functions.items()},
        "watching_mb": {name: memory_mb()[name] for name in WATCHING},
    }


def known_functions(one_node: Json, cold_start: Json) -> dict[str, Function]:
    """Each state's function: memory from the template, CPU as measured.

    Work of WaitForPods cannot be told from its watch; EvictBatch's, which lists the same pods and
    asks for 110 evictions besides, stands for it. StartDrain's is taken as FindNode's.
    """
    cell = next(c for c in one_node["compared"] if c["tool"] == "stepdrain" and c["pods"] == 110)
    visits = Counter(cell["invocations"])
    work = {state: seconds / visits[state] for state, seconds in cell["states_s"].items()}
    work |= {"WaitForPods": work["EvictBatch"], INTAKE: work["FindNode"]}
    cold = {function["function"]: function for function in cold_start["functions"] if function["compiled"]}
    memory = memory_mb()
    return {
        name: Function(memory[name], cold[name]["invoked_cpu_s"], work.get(name, work["FindNode"]))
        for name in cold
    }


def memory_mb() -> dict[str, int]:
    """MemorySize of each function of the template, by its state (MB)."""
    resources = translate(ROOT / "template.yaml", PARAMETERS)["Resources"]
    return {
        name.removesuffix("Function"): resource["Properties"]["MemorySize"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Function"
    }


def _drain(pods: int, blocked_s: float = 0) -> tuple[list[tuple[str, float]], int, int]:
    """Invocations (state, seconds waited), transitions and history events of one drain."""

    def manifests(nodes: Sequence[str]) -> list[Manifest]:
        held = [budget("default", "web", {"app": "web"}, 0)] if blocked_s else []
        return [*workload.on_each(nodes, [[30] * pods]), *held]

    stage = Stage(1, {"STEPDRAIN_DRAIN_TIMEOUT": str(LONGEST_S)}, recording=True)
    # The functions write their metrics to standard output.
    with contextlib.redirect_stdout(io.StringIO()), stage.set(manifests(list(stage.instances.values()))):
        if blocked_s:
            stage.clock.call_at(stage.clock.now() + blocked_s, lambda: _free(stage))
        stage.deliver(stage.terminate(next(iter(stage.instances))))
        stage.clock.run(LONGEST_S * 1.1 if blocked_s > LONGEST_S else blocked_s + 600)
        (execution,) = stage.machine.executions.values()
        if execution.status == "RUNNING":
            raise TimeoutError(f"The drain of {pods} pods did not end.")
        found = facts(execution.log.events)  # type: ignore[attr-defined]
    return [(INTAKE, 0.0), *found.invocations], found.transitions, found.events


def _free(stage: Stage) -> None:
    stage.cluster.remove("PodDisruptionBudget", "web", "default")


def _priced(
    name: str,
    invocations: list[tuple[str, float]],
    transitions: int,
    events: int,
    functions: Mapping[str, Function],
) -> Json:
    used: Usage = cost.usage(invocations, transitions, functions)
    waited_s = sum(seconds for _, seconds in invocations)
    return {"name": name, **asdict(used), "waited_s": waited_s, "events": events, "dollars": used.dollars}


def _idle(functions: Mapping[str, Function]) -> tuple[list[Json], list[str], Usage]:
    """An idle stack's resources beside its functions; its schedules in words; the use of one day."""
    resources = translate(ROOT / "template.yaml", PARAMETERS)["Resources"]
    with World(nodes=1) as world:
        rules = boto3.client("events", region_name=REGION).list_rules()["Rules"]
        schedules = [f"{r['Name']}: {r['ScheduleExpression']}" for r in rules if r.get("ScheduleExpression")]
        world.pass_time(DAY_S)
        names = {
            function.name: key.removesuffix("Function")
            for key, function in world.aws.deployment.functions.items()
        }
        invoked = [(names[function], 0.0) for function, _ in world.aws.delivery.answers]
        standing = [resources[name] for name in world.aws.deployment.ignored]
        return standing, schedules, cost.usage(invoked, 0, functions)
