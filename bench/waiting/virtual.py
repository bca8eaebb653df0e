"""A scene in virtual time: Stepdrain by its state machine and functions, kubectl by its schedule.

Waits are exact. Each of Stepdrain's invocations takes what stepdrain_sandbox/aws/durations.py assumes for a
warm function and a transition; one that was not used for a while takes its cold start besides, if asked for.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stepdrain.clock import to_epoch_s

from bench.waiting.kubectl_schedule import Limiter, PodLoop, Request
from bench.waiting.scenes import Scene
from stepdrain_engine import functions
from stepdrain_sandbox.aws.durations import Durations
from stepdrain_sandbox.kube.rbac import EVERYTHING, User
from stepdrain_sandbox.kube.store import Change
from stepdrain_sandbox.rehearsal.stage import Stage
from stepdrain_sandbox.rehearsal.transport import Transport

Json = dict[str, Any]
NODE, SPARE, NAMESPACE = "node-0", "node-1", "scene"
DURATIONS = Durations()
KEPT_WARM_S = 300
"""A function that was not used for so long is cold again; AWS does not say after how long it is."""
REQUEST_S = 0.01
"""What an answer takes to reach kubectl."""
STEP_S = 0.5
LONGEST = {"STEPDRAIN_DRAIN_TIMEOUT": "172800"}


@dataclass
class Seen:
    """What happened, in seconds from the beginning of a drain."""

    accepted: list[float] = field(default_factory=list)
    """When evictions were accepted."""
    gone: list[float] = field(default_factory=list)
    """When the drained pods had ended."""
    done: float = float("inf")
    noticed: float = float("inf")
    """When the tool knew that no pod is left."""
    requests: int = 0


class TimedStage(Stage):
    """A Stage whose invocations take time; ``cold_s``: seconds of each state's cold start, if it is not warm.

    ``invocations`` are (state, began, ended, whether it succeeded), in epoch seconds.
    """

    def __init__(
        self, nodes: int, environment: dict[str, str], cold_s: Mapping[str, float], **options: Any
    ) -> None:
        super().__init__(nodes, environment, **options)
        self._cold_s = cold_s
        self._used: dict[str, float] = {}
        self.invocations: list[tuple[str, float, float, bool]] = []

    def _invoke(self, function: str, event: Json) -> Any:
        state, began = functions.name(function), self.clock.now()
        cold = began - self._used.get(state, float("-inf")) > KEPT_WARM_S
        start_s = self._cold_s.get(state, 0.0) if cold else 0.0
        self.clock.run(DURATIONS.transition + DURATIONS.invocation + start_s)
        succeeded = False
        try:
            answer = super()._invoke(function, event)
            succeeded = True
            return answer
        finally:
            self._used[state] = self.clock.now()
            self.invocations.append((state, began, self.clock.now(), succeeded))


@contextlib.contextmanager
def staged(
    manifests: Iterable[Json],
    cold_s: Mapping[str, float] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[TimedStage]:
    """A cluster with these objects, NODE and SPARE; ``environment`` has variables of the functions."""
    stage = TimedStage(2, {**LONGEST, **(environment or {})}, cold_s or {})
    # The functions write their metrics to standard output.
    with contextlib.redirect_stdout(io.StringIO()), stage.set(manifests):
        yield stage


@contextlib.contextmanager
def begun(
    scene: Scene, cold_s: Mapping[str, float] | None = None
) -> Iterator[tuple[TimedStage, Seen, float]]:
    """A cluster in which the scene begins, what is seen in it from now on, and the moment."""
    with staged(scene.manifests(NAMESPACE, NODE, SPARE), cold_s) as stage:
        if scene.prepare is not None:
            scene.prepare(stage.cluster, NAMESPACE)
        yield stage, *_watched(stage, scene)


def stepdrain(scene: Scene, cold_s: Mapping[str, float]) -> Seen:
    """A drain by Stepdrain, from Auto Scaling's event to CompleteLifecycleAction."""
    with begun(scene, cold_s) as (stage, seen, began):
        stage.deliver(stage.terminate(next(iter(stage.instances))))
        run_until(stage, lambda: bool(stage.ended))
        seen.done = stage.invocations[-1][2] - began
        last = max(seen.gone)
        seen.noticed = min(
            ended - began for state, _, ended, _ in stage.invocations
            if state == "WaitForPods" and ended - began >= last
        )  # fmt: skip
        return _counted(seen, stage.transport, began)


def kubectl(scene: Scene, starts_after_s: float = 0.0) -> Seen:
    """A drain by kubectl's schedule; ``starts_after_s``: how long the command takes to its first eviction."""
    with begun(scene) as (stage, seen, began):
        drain = KubectlDrain(stage, began + starts_after_s)
        run_until(stage, lambda: drain.ended_at is not None)
        assert drain.ended_at is not None
        seen.done = seen.noticed = drain.ended_at - began
        return _counted(seen, drain.transport, began)


class KubectlDrain:
    """kubectl's schedule on a stage's clock; ``ended_at`` once all pods are gone."""

    def __init__(self, stage: Stage, starts_at: float) -> None:
        self.transport = Transport(stage.clock, stage.cluster, User("kubectl", (EVERYTHING,)))
        self.ended_at: float | None = None
        self._clock = stage.clock
        self._limiters = {Request.EVICT: Limiter(), Request.LOOK: Limiter()}
        stage.cluster.change("Node", NODE, "", {"spec": {"unschedulable": True}})
        for _ in ("get the node", "cordon it", "list its pods"):
            self._limiters[Request.LOOK].goes_at(starts_at)
        self._loops = {pod["metadata"]["name"]: PodLoop(starts_at) for pod in stage.pods_on(NODE)}
        self._uids = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in stage.pods_on(NODE)}
        for name in self._loops:
            self._plan(name)

    def _plan(self, name: str) -> None:
        loop = self._loops[name]
        if loop.request is not None:
            self._clock.call_at(loop.at, lambda: self._wait_for_limiter(name))
        elif all(loop.request is None for loop in self._loops.values()):
            self.ended_at = self._clock.now()

    def _wait_for_limiter(self, name: str) -> None:
        request = self._loops[name].request
        assert request is not None
        at = self._limiters[request].goes_at(self._clock.now())
        self._clock.call_at(at, lambda: self._send(name))

    def _send(self, name: str) -> None:
        status = self._evict(name) if self._loops[name].request is Request.EVICT else self._look(name)
        self._clock.call_at(self._clock.now() + REQUEST_S, lambda: self._answered(name, status))

    def _answered(self, name: str, status: int) -> None:
        self._loops[name].answered(status, self._clock.now())
        self._plan(name)

    def _evict(self, name: str) -> int:
        metadata = {"namespace": NAMESPACE, "name": name}
        body = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
        path = f"{_path(name)}/eviction"
        return self.transport.request("POST", path, headers=HEADERS, body=body).status

    def _look(self, name: str) -> int:
        answer = self.transport.request("GET", _path(name), headers=HEADERS)
        same = answer.status == 200 and json.loads(answer.data)["metadata"]["uid"] == self._uids[name]
        return answer.status if same or answer.status != 200 else 404


HEADERS = {"User-Agent": "kubectl/schedule", "Content-Type": "application/json"}


def _path(name: str) -> str:
    return f"https://cluster.invalid/api/v1/namespaces/{NAMESPACE}/pods/{name}"


def _watched(stage: Stage, scene: Scene) -> tuple[Seen, float]:
    """What is seen from now on, and the moment of the beginning; the scene's change is planned."""
    seen, began = Seen(), stage.clock.now()
    drained = {pod["metadata"]["uid"] for pod in stage.pods_on(NODE)}

    def see(change: Change) -> None:
        if change.type == "DELETED" and change.object["metadata"]["uid"] in drained:
            seen.gone.append(stage.clock.now() - began)

    stage.cluster.store.subscribe(see)
    if scene.change is not None and scene.changes_at_s is not None:
        change = scene.change
        stage.clock.call_at(began + scene.changes_at_s, lambda: change(stage.cluster, NAMESPACE))
    return seen, began


def run_until(stage: Stage, over: Callable[[], bool], within_s: float = 180_000) -> None:
    """Let time pass until it is ``over``; TimeoutError after ``within_s`` seconds."""
    ends_at = stage.clock.now() + within_s
    while not over():
        if stage.clock.now() > ends_at:
            raise TimeoutError(f"The scene did not end within {within_s} s.")
        stage.clock.run(STEP_S)


def _counted(seen: Seen, transport: Transport, began: float) -> Seen:
    seen.accepted = [
        to_epoch_s(event["requestReceivedTimestamp"]) - began
        for event in transport.audit_log
        if event["objectRef"].get("subresource") == "eviction" and event["responseStatus"]["code"] == 201
    ]
    seen.requests = len(transport.audit_log)
    return seen
