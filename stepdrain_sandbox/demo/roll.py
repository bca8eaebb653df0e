"""The demo's two workloads of one replica, each behind its budget: one is rolled, the other only evicted.

Both serve a request each 100 ms, as through a Service: whichever pod is Ready and does not terminate answers.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees, workload
from stepdrain_sandbox.clock import Clock, RealClock
from stepdrain_sandbox.demo.live import LOOK_EVERY_S, Live
from stepdrain_sandbox.demo.scenario import Outcome
from stepdrain_sandbox.kube.evictions import ready
from stepdrain_sandbox.world import World

Json = dict[str, Any]
ROLLED, KEPT = "web", "api"
REQUEST_EVERY_S, READY_AFTER_S, GRACE_S = 0.1, 2.0, 4
WITHIN_S, WAITS_S = 90, 10
FORBIDDEN = {"stepdrain/roll": "false"}
PARAMETERS = {"RollBlocked": "blocked"}


def play(say: Callable[[str], None], nodes: int = 3) -> Outcome:
    """Drain both nodes in real time, saying what happens; ``nodes``: a count, three or more."""
    with contextlib.closing(RealClock()) as clock:
        return run(say, nodes, clock)


def run(say: Callable[[str], None], nodes: int, clock: Clock, look_every_s: float = LOOK_EVERY_S) -> Outcome:
    """The same on ``clock``."""
    with World(clock=clock, nodes=nodes, workload=manifests, parameters=PARAMETERS) as world:
        live = Live(world, say, look_every_s=look_every_s)
        requests = Requests(world)
        homes = {app: _home(world, app) for app in (ROLLED, KEPT)}
        for app, (instance, node) in homes.items():
            live.say(f"Auto Scaling terminates {instance} ({node}) with the only pod of Deployment {app}")
            world.terminate(instance)
        rolled = live.follow(lambda: _status(world, homes[ROLLED][0]) == "SUCCEEDED", WITHIN_S)
        live.follow(lambda: False, WAITS_S)
        waits = _status(world, homes[KEPT][0]) == "RUNNING"
        meanwhile = dict(requests.lost)
        live.say(f"somebody deletes the budget of {KEPT}, which has held its drain until now")
        world.kube.cluster.remove("PodDisruptionBudget", KEPT, "default")
        live.follow(lambda: _status(world, homes[KEPT][0]) == "SUCCEEDED", WITHIN_S)
        live.follow(lambda: requests.answered(KEPT), 30)
        return _judge(world, homes, requests, meanwhile, rolled=rolled, waits=waits)


def manifests(nodes: Sequence[str]) -> Iterable[Json]:
    """Two Deployments of one replica on the first two nodes, with a budget each; one forbids its roll."""
    yield from workload.daemonset("kube-proxy", nodes)
    for app in (ROLLED, KEPT):
        labels = {"app": app}
        made = workload.deployment("default", app, labels, 1, GRACE_S, ready_after_s=READY_AFTER_S)
        if app == KEPT:
            made["metadata"] = {**made["metadata"], "annotations": FORBIDDEN}
        yield made
        yield workload.singleton_budget("default", app, labels)


class Requests:
    """A request to each application every 100 ms, counted by whether a pod answered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.served: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self._send()

    def answered(self, app: str) -> bool:
        """Whether a pod of the application is Ready, and does not terminate."""
        return any(
            ready(pod) and "deletionTimestamp" not in pod["metadata"]
            for pod in self._world.kube.cluster.list("Pod")
            if pod["metadata"].get("labels", {}).get("app") == app
        )

    def _send(self) -> None:
        for app in (ROLLED, KEPT):
            (self.served if self.answered(app) else self.lost)[app] += 1
        self._world.clock.call_at(self._world.clock.now() + REQUEST_EVERY_S, self._send)


def _home(world: World, app: str) -> tuple[str, str]:
    """Instance id and node of the application's pod."""
    for instance, node in world.instances.items():
        if any(pod["metadata"].get("labels", {}).get("app") == app for pod in world.pods_on(node)):
            return instance, node
    raise AssertionError(f"No pod of {app} runs.")


def _status(world: World, instance: str) -> str:
    return next(
        (execution["status"] for execution in world.executions() if execution["name"].startswith(instance)),
        "",
    )


def _judge(
    world: World,
    homes: dict[str, tuple[str, str]],
    requests: Requests,
    meanwhile: dict[str, int],
    *,
    rolled: bool,
    waits: bool,
) -> Outcome:
    written = audit.changes(world.kube.audit_log)
    executions = world.executions()
    history = [event for execution in executions for event in world.history(execution["executionArn"])]
    evicted = [change.object for change in written if change.kind == "evict" and change.status < 300]
    restarted = audit.rolled(world.kube.audit_log)
    broken = [
        *guarantees.deletions_made(written, "fail"),
        *guarantees.rolled_below(world.rollout_witness.falls, restarted, evicted),
        *guarantees.secrets_shown(map(str, [*world.kube.audit_log, *history])),
    ]
    if requests.lost[ROLLED]:
        broken.append(f"G10: {requests.lost[ROLLED]} requests to {ROLLED} were lost while it was rolled.")
    if not rolled or list(restarted) != [f"deployments default/{ROLLED}"]:
        broken.append(f"The drain of {ROLLED}'s node did not end by one roll: {list(restarted)}.")
    if not waits or meanwhile.get(KEPT):
        broken.append(f"The drain of {KEPT}'s node did not wait for its budget.")
    summary = {
        "instances": {app: instance for app, (instance, _) in homes.items()},
        "executions": [execution["name"] for execution in executions],
        "status": [execution["status"] for execution in executions],
        "rolled": list(restarted),
        "evicted": evicted,
        "requests": {
            app: {"served": requests.served[app], "lost": requests.lost[app]} for app in (ROLLED, KEPT)
        },
        "brokenGuarantees": broken,
    }
    return Outcome(summary, list(world.kube.audit_log), history, broken)


def lines(summary: Json) -> list[str]:
    """What came of it, in a line for each application."""
    counted = summary["requests"]
    return [
        f"{app}: {what}, {counted[app]['served']} requests answered, {counted[app]['lost']} lost"
        for app, what in (
            (ROLLED, "rolled, and its drain went on by itself"),
            (KEPT, "not rolled, so its drain waited until its budget was deleted"),
        )
    ]
