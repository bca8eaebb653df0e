"""Many nodes at once: N nodes of 30 pods each are terminated in one moment.

Waits pass in virtual time. Work is real, on the cores of this machine, which stand for as many
Lambda containers as there are drains; so only a few invocations run at once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench import workload
from bench.targets import Target
from stepdrain_sandbox.aws.account import Context
from stepdrain_sandbox.aws.deploy import Function
from stepdrain_sandbox.world import World

Json = dict[str, Any]
PART = "scale"
SIZES = (1, 10, 100, 500)
PODS = 30
AT_ONCE = 4
"""Invocations that work at once; more would only wait for this machine's processors."""
WATCHING, CORDONING = "stepdrain.steps.wait_for_pods.handler", "stepdrain.steps.cordon.handler"
"""The first is not limited: it mostly waits, and a limit that waits would stop the clock."""
REQUESTS_GROWTH, EVENTS_GROWTH = 1.1, 1.25
"""What a drain among the most nodes may cost, as a share of one alone: here and there an attempt more,
two requests and three events, where this machine's processors are late; but nothing that grows."""

LATE = "No growth is the aim. Above 1, an attempt more here and there is allowed, on a machine that is late."


def measure(say: Callable[[str], None], sizes: Sequence[int] = SIZES) -> Json:
    """One run for each size; ``say`` hears of each."""
    return {"pods": PODS, "runs": [_run(nodes, say) for nodes in sizes]}


def _run(nodes: int, say: Callable[[str], None]) -> Json:
    graces = [workload.mix(PODS)] * nodes
    with World(nodes=nodes, workload=lambda names: workload.on_each(names, graces)) as world:
        done = _limited(world)
        began, cpu_began, at = time.monotonic(), time.process_time(), world.clock.now()
        for instance_id in world.instances:
            world.terminate(instance_id)
        _settle(world, nodes)
        work = {"work_s": time.monotonic() - began, "cpu_s": time.process_time() - cpu_began}
        run = {"nodes": nodes, **work, "cordoned_s": done[CORDONING][-1] - began, **_told(world, at)}
    say(f"{nodes} nodes: {run['requests'] / nodes:.1f} requests a drain, {run['work_s']:.1f} s of work")
    return run


def _limited(world: World) -> Mapping[str, list[float]]:
    """Lets AT_ONCE invocations work at once; gives when each handler's invocations ended (monotonic)."""
    turns, done = threading.Semaphore(AT_ONCE), defaultdict(list)

    def invoke(function: Function, event: Json) -> Any:
        if function.handler == WATCHING:
            return function.load()(event, Context(function.name))
        with turns:
            answer = function.load()(event, Context(function.name))
        done[function.handler].append(time.monotonic())
        return answer

    world.aws.invoke_by = invoke
    return done


def _settle(world: World, nodes: int, within_s: float = 3600) -> None:
    """Let time pass until as many lifecycle actions were ended as there are nodes."""
    until = world.clock.now() + within_s
    while len(world.aws.hooks.log) < nodes and world.clock.now() < until:
        world.pass_time(5)
    world.pass_time(1)


def _told(world: World, began: float) -> Json:
    """From the audit log, the histories and the hooks; times in seconds of the world's clock."""
    asked = [event for event in world.kube.audit_log if event["userAgent"].startswith("stepdrain/")]
    seconds = Counter(event["requestReceivedTimestamp"][:19] for event in asked)
    executions = world.executions()
    events = [len(world.history(execution["executionArn"])) for execution in executions]
    return {
        "requests": len(asked),
        "busiest_second": max(seconds.values()),
        "executions": len(executions),
        "succeeded": sum(execution["status"] == "SUCCEEDED" for execution in executions),
        "events_most": max(events),
        "finished_s": max(at for at, what, _ in world.aws.hooks.log if what == "CONTINUE") - began,
    }


def targets(measured: Json) -> list[Target]:
    """Every drain succeeds, and none costs more because there are others."""
    first, last = measured["runs"][0], measured["runs"][-1]
    growth = (last["requests"] / last["nodes"]) / (first["requests"] / first["nodes"])
    events = last["events_most"] / first["events_most"]
    lost = sum(run["nodes"] - run["succeeded"] for run in measured["runs"])
    among = f"among {last['nodes']} nodes, as a share of {first['nodes']}"
    return [
        Target(PART, f"requests of a drain {among}", growth, REQUESTS_GROWTH, "×", LATE),
        Target(PART, f"history events {among}", events, EVENTS_GROWTH, "×", LATE),
        Target(PART, "drains that did not succeed", lost, 0, ""),
    ]
