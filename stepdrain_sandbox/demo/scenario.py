"""The demo's story: one instance is terminated; perhaps a budget blocks, perhaps the drain fails first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees, workload
from stepdrain_sandbox.aws.deploy import Function
from stepdrain_sandbox.clock import Clock, RealClock
from stepdrain_sandbox.demo import edges
from stepdrain_sandbox.demo.live import LOOK_EVERY_S, Live
from stepdrain_sandbox.world import TEMPLATE, World

Json = dict[str, Any]
Functions = Callable[[], contextlib.AbstractContextManager[Callable[[Function, Json], Any]]]
LONE = "forgotten-debug-pod"
WITHIN_S = 600


@dataclass(frozen=True)
class Choices:
    """What the demo is asked for: counts of nodes and nginx pods, seconds of a blocking budget, a failure."""

    nodes: int = 3
    pods: int = 3
    blocked_s: int = 0
    failing: bool = False
    edges: bool = False
    """With what lies at the edges of a drain: stepdrain_sandbox.demo.edges."""
    template: Path = TEMPLATE
    """What is deployed: the checkout's template, or a released one with its artefacts beside it."""


@dataclass(frozen=True)
class Outcome:
    """What was left behind: for the files, and the guarantees that were broken (sentences)."""

    summary: Json
    audit: list[Json]
    history: list[Json]
    broken: list[str]


def play(choices: Choices, say: Callable[[str], None], functions: Functions | None = None) -> Outcome:
    """Play the story in real time, saying what happens; ``functions`` run elsewhere, if given."""
    with contextlib.closing(RealClock()) as clock:
        return run(choices, say, clock, functions)


def run(
    choices: Choices,
    say: Callable[[str], None],
    clock: Clock,
    functions: Functions | None = None,
    look_every_s: float = LOOK_EVERY_S,
) -> Outcome:
    """Play the story on ``clock``, saying what happens; ``look_every_s``: seconds between two looks at it."""
    world = World(
        clock=clock,
        nodes=choices.nodes,
        workload=lambda nodes: _manifests(nodes, choices),
        parameters=_parameters(choices),
        template=choices.template,
    )
    with world, functions() if functions else contextlib.nullcontext() as world.aws.invoke_by:
        # What is at the edges stands on the first node.
        instance_id, node = next(iter(world.instances.items())) if choices.edges else _chosen(world)
        staying = [_key(pod) for pod in world.pods_on(node) if _of_daemonset(pod)]
        live = Live(world, say, look_every_s=look_every_s)
        _prepare(world, choices, node, live)
        live.say(f"Auto Scaling terminates {instance_id} ({node}); the hook holds it in Terminating:Wait")
        world.terminate(instance_id)
        finished = _play(world, choices, live)
        replaced = live.follow(lambda: _replaced(world), 30)
        outcome = _judge(world, instance_id, node, staying, finished and replaced)
        if choices.edges:
            written = audit.changes(outcome.audit)
            outcome.broken.extend(edges.broken(outcome.history, written))
        return outcome


def _chosen(world: World) -> tuple[str, str]:
    """The first instance (and its node) with pods of most applications: at best nginx and CoreDNS both."""

    def applications(instance: tuple[str, str]) -> int:
        return len({_owner(pod) for pod in world.pods_on(instance[1]) if not _of_daemonset(pod)})

    return max(world.instances.items(), key=applications)


def _manifests(nodes: Sequence[str], choices: Choices) -> Iterable[Json]:
    usual = workload.cluster_workload(nodes, replicas=choices.pods)
    yield from edges.manifests(nodes, usual) if choices.edges else usual


def _parameters(choices: Choices) -> dict[str, str]:
    return {
        **({"EvictUnmanaged": "false"} if choices.failing else {}),
        **(edges.PARAMETERS if choices.edges else {}),
    }


def _prepare(world: World, choices: Choices, node: str, live: Live) -> None:
    if choices.blocked_s:
        world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
        frees_at = world.clock.now() + choices.blocked_s
        world.clock.call_at(frees_at, lambda: _free(world, live))
    if choices.failing:
        world.kube.cluster.create(workload.lone_pod(LONE, node))
    if choices.edges:
        edges.load_balancer(world)
    world.clock.sleep(3)


def _free(world: World, live: Live) -> None:
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 1}})
    live.say("   somebody edits the disruption budget nginx: one pod may be unavailable")


def _play(world: World, choices: Choices, live: Live) -> bool:
    if not live.follow(lambda: _closed(world), WITHIN_S):
        return False
    if not choices.failing:
        return True
    live.follow(lambda: bool(world.aws.messages()), 10)
    for message in world.aws.messages():
        live.say(f"notification: {message['Subject']}\n\n{_indented(message['Message'])}\n")
    world.kube.cluster.remove("Pod", LONE, "default")
    live.say(f"somebody removes default/{LONE} and redrives the execution")
    world.redrive(world.executions()[0]["executionArn"])
    return live.follow(lambda: _closed(world), WITHIN_S)


def _closed(world: World) -> bool:
    executions = world.executions()
    return bool(executions) and all(execution["status"] != "RUNNING" for execution in executions)


def _replaced(world: World) -> bool:
    pods = world.kube.cluster.list("Pod")
    return all(
        pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"] for pod in pods
    )


def _judge(world: World, instance_id: str, node: str, staying: list[str], finished: bool) -> Outcome:
    executions = world.executions()
    history = world.history(executions[0]["executionArn"]) if executions else []
    written = audit.changes(world.kube.audit_log)
    results = [
        result for _, result, target in world.aws.hooks.log if target == instance_id and result != "heartbeat"
    ]
    broken = [
        *guarantees.order_broken(written, node),
        *guarantees.deletions_made(written, "fail"),
        *guarantees.others_touched(written, staying),
        *guarantees.secrets_shown(map(str, [*world.kube.audit_log, *history])),
    ]
    if not finished or [execution["status"] for execution in executions] != ["SUCCEEDED"]:
        broken.append(f"G5: the drain did not end well: {[execution['status'] for execution in executions]}.")
    if results != ["CONTINUE"]:
        broken.append(f"G4: the lifecycle action was ended by {results}, not by one CONTINUE.")
    summary = {
        "instanceId": instance_id,
        "node": node,
        "executions": [execution["name"] for execution in executions],
        "status": [execution["status"] for execution in executions],
        "redrives": [execution["redriveCount"] for execution in executions],
        "evicted": [change.object for change in written if change.kind == "evict" and change.status < 300],
        "lifecycleAction": results,
        "kubernetesRequests": sum(
            event["userAgent"].startswith("stepdrain/") for event in world.kube.audit_log
        ),
        "brokenGuarantees": broken,
    }
    return Outcome(summary, list(world.kube.audit_log), history, broken)


def _of_daemonset(pod: Json) -> bool:
    return _owner(pod)[0] == "DaemonSet"


def _owner(pod: Json) -> tuple[str, str]:
    """Kind and name of the controller; the pod's own where it has none, as those of SCENARIO=edges."""
    for owner in pod["metadata"].get("ownerReferences", ()):
        return owner["kind"], owner["name"]
    return pod["kind"], pod["metadata"]["name"]


def _key(pod: Json) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _indented(text: str) -> str:
    return "\n".join(f"          | {line}" for line in text.splitlines())
