"""One node: Stepdrain beside ``kubectl drain`` on the same emulator, alternating in one run.

The compared cells run in real time: kubectl limits itself to five requests a second and asks
each second, by the wall. What Stepdrain needs by itself for other sizes is taken in virtual time.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import workload
from bench.history import Facts, facts
from bench.targets import Target
from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.world import World

Json = dict[str, Any]
PART = "one node"
COMPARED = [(pods, grace_s) for grace_s in (2, 5, 13, 30) for pods in (10, 110)]
ALONE = [(pods, graces) for pods in (10, 30, 110, 250) for graces in ("5", "30", "0-30")]
WITHIN_S = 300
SHARE_OF_KUBECTL = {10: 0.5, 110: 0.05}
"""By number of pods: how much of kubectl's time above the slowest grace is allowed."""
REQUESTS = 124
"""For 110 pods without budgets."""
RECORDED = [
    {"tool": "kubectl 1.32", "pods": 10, "grace_s": 5, "above_s": 2.3, "requests": 59},
    {"tool": "kubectl 1.32", "pods": 110, "grace_s": 5, "above_s": 23.5, "requests": 265},
    {"tool": "kubectl 1.32", "pods": 110, "grace_s": 30, "above_s": 30.3, "requests": 424},
    {"tool": "amazon-k8s-node-drainer", "pods": 110, "grace_s": 5, "above_s": 3.5, "requests": 115},
    {"tool": "amazon-k8s-node-drainer", "pods": 110, "grace_s": 30, "above_s": 4.7, "requests": 120},
]
"""Measured once on kube-apiserver v1.36.2 with a kubelet that ends each pod exactly at its grace."""


def measure(say: Callable[[str], None], compared: Sequence[tuple[int, int]] = COMPARED) -> Json:
    """Cells of both tools, and of Stepdrain alone; ``say`` hears of each."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        say("kubectl is not installed: Stepdrain is measured alone, beside recorded figures.")
    return {
        "kubectl": _version(kubectl) if kubectl else None,
        "compared": list(_compared(kubectl, compared, say)),
        "alone": [_alone(pods, graces, say) for pods, graces in ALONE],
        "recorded": RECORDED,
    }


def _version(kubectl: str) -> str:
    said = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True, check=True).stdout
    return said.split("\n", 1)[0].rsplit(": ", 1)[-1]


def _compared(
    kubectl: str | None, cells: Sequence[tuple[int, int]], say: Callable[[str], None]
) -> Iterator[Json]:
    tools = ["stepdrain", "kubectl"] if kubectl else ["stepdrain"]
    # The order alternates, so that neither tool always runs first.
    runs = [(tool, *cell) for n, cell in enumerate(cells) for tool in (tools if n % 2 else tools[::-1])]
    graces = [[2] * 10, *([grace_s] * pods for _, pods, grace_s in runs)]
    clock = RealClock()
    try:
        with World(
            clock=clock, nodes=len(graces), workload=lambda nodes: workload.on_each(nodes, graces)
        ) as world:
            (warm_up, _), *nodes = world.instances.items()
            stepdrain(world, warm_up)
            for (tool, pods, grace_s), (instance_id, node) in zip(runs, nodes, strict=True):
                cell = stepdrain(world, instance_id) if tool == "stepdrain" else _kubectl(world, node)
                say(f"{tool}, {pods} pods, grace {grace_s} s: {cell['total_s'] - grace_s:.2f} s above")
                yield {
                    "tool": tool,
                    "pods": pods,
                    "grace_s": grace_s,
                    "above_s": cell["total_s"] - grace_s,
                    **cell,
                }
    finally:
        clock.close()


def stepdrain(world: World, instance_id: str) -> Json:
    """Terminate an instance and wait for its drain, in real time.

    ``total_s`` is from Auto Scaling's event to CompleteLifecycleAction, with StartDrain.
    """
    with _counted(world, "stepdrain") as cell:
        began = world.clock.now()
        world.terminate(instance_id)
        while not (ended := [at for at, what, instance in world.aws.hooks.log if instance == instance_id]):
            if world.clock.now() - began > WITHIN_S:
                raise TimeoutError(f"The drain of {instance_id} did not end within {WITHIN_S} s.")
            time.sleep(0.05)
        cell["total_s"] = ended[0] - began
    return {**cell, **_story(_facts_of(world, instance_id))}


def _facts_of(world: World, instance_id: str) -> Facts:
    while True:
        (execution,) = [
            execution for execution in world.executions() if execution["name"].startswith(instance_id)
        ]
        if execution["status"] == "SUCCEEDED":
            return facts(world.history(execution["executionArn"]))
        if execution["status"] != "RUNNING":
            raise RuntimeError(f"The drain of {instance_id} ended as {execution['status']}.")
        time.sleep(0.05)


def _story(known: Facts) -> Json:
    by_state: Counter[str] = Counter()
    for state, seconds in known.invocations:
        by_state[state] += seconds  # type: ignore[assignment]
    return {
        "attempts": known.attempts,
        "transitions": known.transitions,
        "engine_s": known.own_s,
        "states_s": dict(by_state),
        "invocations": [state for state, _ in known.invocations],
    }


def _kubectl(world: World, node: str) -> Json:
    with tempfile.TemporaryDirectory() as directory, _counted(world, "kubectl") as cell:
        config = Path(directory, "config")
        config.write_text(world.kube.kubeconfig())
        command = ["kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force"]
        options = [f"--kubeconfig={config}", f"--cache-dir={directory}/cache"]
        began = time.monotonic()
        subprocess.run([*command, *options], check=True, capture_output=True, timeout=WITHIN_S)
        cell["total_s"] = time.monotonic() - began
    return cell


@contextlib.contextmanager
def _counted(world: World, client: str) -> Iterator[Json]:
    """Counts a client's requests by verb from the audit log, and bytes, while the block lasts."""
    cell: Json = {}
    audit, traffic = world.kube.audit_log, world.kube.traffic
    first, received, sent = len(audit), traffic.received[client], traffic.sent[client]
    yield cell
    asked = [event for event in audit[first:] if event["userAgent"].startswith(client)]
    cell["requests"] = len(asked)
    cell["by_verb"] = dict(Counter(_verb(event) for event in asked))
    cell["bytes"] = traffic.received[client] - received + traffic.sent[client] - sent


def _verb(event: Mapping[str, Any]) -> str:
    reference = event["objectRef"]
    return (
        "evict" if reference.get("subresource") == "eviction" else f"{event['verb']} {reference['resource']}"
    )


def _alone(pods: int, graces: str, say: Callable[[str], None]) -> Json:
    chosen = workload.mix(pods) if graces == "0-30" else [int(graces)] * pods
    with World(nodes=1, workload=lambda nodes: workload.on_each(nodes, [chosen])) as world:
        ((instance_id, _),) = world.instances.items()
        with _counted(world, "stepdrain") as cell:
            world.terminate(instance_id)
            world.settle()
        known = _facts_of(world, instance_id)
    say(f"Stepdrain alone, {pods} pods, grace {graces} s: {cell['requests']} requests")
    above_s = known.total_s - max(chosen)
    return {
        "pods": pods,
        "graces": graces,
        "above_s": above_s,
        "events": known.events,
        **cell,
        **_story(known),
    }


def targets(measured: Json) -> list[Target]:
    """Requests for every cell; time above the slowest grace as a share of kubectl's in the same run."""
    ours = [cell for cell in measured["compared"] if cell["tool"] == "stepdrain"]
    found = [
        Target(
            PART,
            f"requests, {cell['pods']} pods, grace {cell['grace_s']} s",
            cell["requests"],
            bound(cell),
            "",
        )
        for cell in ours
    ]
    found += [
        Target(PART, "requests at most, 110 pods, grace 30 s", cell["requests"], REQUESTS, "")
        for cell in ours
        if (cell["pods"], cell["grace_s"]) == (110, 30)
    ]
    found += [
        Target(
            PART,
            f"requests alone, {cell['pods']} pods, graces {cell['graces']} s",
            cell["requests"],
            bound(cell),
            "",
        )
        for cell in measured["alone"]
    ]
    return found + [_share(mine, _of_kubectl(measured, mine)) for mine in ours if measured["kubectl"]]


def bound(cell: Mapping[str, Any]) -> int:
    """P + 6, and 2 for each attempt of a state that waits (bench.history.WAITING)."""
    return int(cell["pods"] + 6 + 2 * cell["attempts"])


def _of_kubectl(measured: Json, mine: Mapping[str, Any]) -> Mapping[str, Any]:
    same = ("pods", "grace_s")
    found: Mapping[str, Any] = next(
        cell
        for cell in measured["compared"]
        if cell["tool"] == "kubectl" and all(cell[key] == mine[key] for key in same)
    )
    return found


def _share(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Target:
    name = f"time above the grace as a share of kubectl's, {mine['pods']} pods, grace {mine['grace_s']} s"
    return Target(PART, name, mine["above_s"] / theirs["above_s"], SHARE_OF_KUBECTL[mine["pods"]], "×")
