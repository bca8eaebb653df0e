"""Faults that hit one state of a drain, and a drain that is watched while they do."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import trustme
from botocore.exceptions import ReadTimeoutError
from moto.eks.models import eks_backends
from stepdrain.adapters import connections

from stepdrain_sandbox.aws.account import ACCOUNT, REGION, AwsFault, client_error
from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.kube.discovery import base64_of
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.kubelet import DEAD
from stepdrain_sandbox.kube.status import budget_refusal, failure
from stepdrain_sandbox.world import CLUSTER, World, node_manifest

SLOW_S, PATIENCE_S = 0.9, (3, 0.5)
"""Real seconds of a slow answer, and the adapter's timeouts meanwhile: the same proportion as 15 to 8."""
BLOCKED_S = 1300
"""Virtual seconds for which a budget holds: a heartbeat comes after 840, and stops if denied for 300 more."""
SEVERAL = 2
REFUSED_S = 10
FOR_EVER = -1


def kubernetes_fault(name: str) -> Fault:
    """The fault of a row, not yet aimed at anything."""
    unknown = failure(401, "Unauthorized", "Unauthorized")
    forbidden = failure(403, "Forbidden", 'pods is forbidden: User "stepdrain" cannot list resource "pods"')
    conflict = failure(409, "Conflict", "the object has been modified; please apply your changes again")
    held = budget_refusal("The disruption budget nginx needs 3 healthy pods and has 3 currently", 10)
    denied = failure(400, "", 'admission webhook "guard.example.com" denied the request: not this pod')
    two = failure(500, "", "This pod has more than one PodDisruptionBudget, which is not supported.")
    return {
        "401 once": lambda: Fault(times=1, status=401, body=unknown.body),
        "401 for ever": lambda: Fault(times=FOR_EVER, status=401, body=unknown.body),
        "403": lambda: Fault(times=FOR_EVER, status=403, body=forbidden.body),
        "10 s of 401": lambda: Fault(times=FOR_EVER, refuse="token"),
        "10 s of 403": lambda: Fault(times=FOR_EVER, refuse="rbac"),
        "webhook refuses one pod": lambda: Fault(times=SEVERAL, status=400, body=denied.body),
        "409": lambda: Fault(times=SEVERAL, status=409, body=conflict.body),
        "429 budget": lambda: Fault(times=SEVERAL, status=429, body=held.body, headers=dict(held.headers)),
        "429 overload": lambda: Fault(
            times=SEVERAL, status=429, body="Too many requests.", headers={"Retry-After": "1"}
        ),
        "500": lambda: Fault(times=SEVERAL, status=500, body=failure(500, "InternalError", "etcd").body),
        "500 two budgets": lambda: Fault(times=SEVERAL, status=500, body=two.body),
        "503": lambda: Fault(times=SEVERAL, status=503, body="the server is shutting down"),
        "slow answer": lambda: Fault(times=SEVERAL, delay_s=SLOW_S),
        "reset": lambda: Fault(times=SEVERAL, cut="reset"),
        "cut in the middle": lambda: Fault(times=SEVERAL, cut="truncate"),
        "truncated JSON": lambda: Fault(times=SEVERAL, status=200, body='{"kind": "PodList", "items": [{"me'),
    }[name]()


def aws_error(name: str, operation: str) -> tuple[Exception, int]:
    """What a call raises in the column of that name, and how often."""
    no_action = "No active Lifecycle Action found with token 87654321-4321-4321-4321-210987654321"
    return {
        "throttling": (client_error(operation, "Throttling", "Rate exceeded"), SEVERAL),
        "no active action": (client_error(operation, "ValidationError", no_action), FOR_EVER),
        "denied": (client_error(operation, "AccessDenied", f"not authorized: {operation}", 403), FOR_EVER),
        "timeout": (ReadTimeoutError(endpoint_url="https://aws.invalid"), SEVERAL),
        "credentials expired": (client_error(operation, "ExpiredToken", "token expired", 403), FOR_EVER),
    }[name]


@contextlib.contextmanager
def nothing() -> Iterator[None]:
    yield


class Trouble:
    """What goes wrong in one function, from the moment it is made until ``repair``."""

    def __init__(self, world: World, function: str) -> None:
        self.world, self.function, self.over = world, f"{function}Function", False
        self.within: Callable[[], contextlib.AbstractContextManager[None]] = nothing
        self.hits = 0
        world.aws.around = self.around

    @contextlib.contextmanager
    def around(self, function: str) -> Iterator[None]:
        if self.over or function != self.function:
            yield
            return
        with self.within():
            yield

    def repair(self) -> None:
        self.over = True

    def by_fault(self, fault: Fault, verb: str, path: str) -> Trouble:
        """The API server answers like this, to requests of this RBAC verb and path."""
        fault.verb, fault.path = verb, path

        @contextlib.contextmanager
        def within() -> Iterator[None]:
            if fault.refuse and fault.ends_at == float("inf"):
                fault.ends_at = self.world.clock.now() + REFUSED_S
            before = self.world.kube.faults.hits
            self.world.kube.faults.add(fault)
            try:
                yield
            finally:
                self.world.kube.faults.clear()
                self.hits += self.world.kube.faults.hits - before

        self.within = within
        return self

    def by_aws(self, operation: str, error: Exception, times: int) -> Trouble:
        """The AWS call ``operation`` (as botocore spells it) raises ``error``."""
        # Its own calls alone: StartDrain starts an execution whose FindNode runs beside it.
        fault = AwsFault(operation, error, times, self.function)

        @contextlib.contextmanager
        def within() -> Iterator[None]:
            connections.KEPT.forget()  # A new container, which knows no endpoint yet and asks for it.
            self.world.aws.aws_faults.append(fault)
            before = len(self.world.aws.calls)
            try:
                yield
            finally:
                self.world.aws.aws_faults.remove(fault)
                self.hits += sum(
                    (call[0], call[2]) == (self.function, operation) for call in self.world.aws.calls[before:]
                )

        self.within = within
        return self

    def by_node(self, happens: Callable[[World], None]) -> Trouble:
        """Something happens to the Node just before the function's first invocation."""

        @contextlib.contextmanager
        def within() -> Iterator[None]:
            if not self.hits:
                self.hits += 1
                happens(self.world)
            yield

        self.within = within
        return self

    def by_tls(self, times: int = SEVERAL) -> Trouble:
        """The cluster's certificate is not signed by the authority that EKS names, ``times`` times."""
        cluster = eks_backends[ACCOUNT][REGION].clusters[CLUSTER]

        @contextlib.contextmanager
        def within() -> Iterator[None]:
            if self.hits >= times:
                yield
                return
            self.hits += 1
            right = cluster.certificate_authority
            connections.KEPT.forget()
            cluster.certificate_authority = {"data": base64_of(_stranger())}
            try:
                yield
            finally:
                cluster.certificate_authority = right
                connections.KEPT.forget()

        self.within = within
        return self

    def by_outage(self, seconds: float = 600) -> Trouble:
        """The cluster's endpoint refuses connections for so long (virtual seconds)."""

        @contextlib.contextmanager
        def within() -> Iterator[None]:
            if not self.hits:
                self.world.kube.stop()
                self.world.clock.call_at(self.world.clock.now() + seconds, self.world.kube.start)
            self.hits += 1
            yield

        self.within = within
        return self


@cache
def _stranger() -> str:
    return trustme.CA().cert_pem.bytes().decode()


def template(folder: Path, *, machine_s: int) -> Path:
    """template.yaml with another timeout of DrainNode, in seconds."""
    definition = json.loads((ROOT / "statemachine" / "drain_node.asl.json").read_text())
    definition["TimeoutSeconds"] = machine_s
    shutil.copytree(
        ROOT / "statemachine",
        folder / "statemachine",
        ignore=lambda _folder, names: {name for name in names if not name.endswith(".asl.json")},
    )
    (folder / "statemachine" / "drain_node.asl.json").write_text(json.dumps(definition))
    copied = folder / "template.yaml"
    copied.write_text((ROOT / "template.yaml").read_text())
    return copied


def begin(world: World, *, blocked: bool = False) -> str:
    """Terminate the instance whose node has most pods, behind a budget that gives way later; its id."""
    if blocked:
        world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
        world.clock.call_at(world.clock.now() + BLOCKED_S, lambda: give_way(world))
    instance = max(world.instances, key=lambda instance: len(world.pods_on(world.instances[instance])))
    world.terminate(instance)
    return instance


def give_way(world: World) -> None:
    """The budget nginx lets one pod go again."""
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 1}})


def last_state(world: World) -> str:
    """The state that the (only) execution entered last."""
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for event in world.history(world.executions()[0]["executionArn"])
        if "stateEnteredEventDetails" in event
    ]
    return entered[-1]


def assert_over(world: World, instance: str, outcome: str = "drained") -> None:
    """The drain has ended well: by one execution, one completion, and with all guarantees kept."""
    (execution,) = world.executions()
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert json.loads(execution["output"])["completed"]["outcome"] == outcome
    assert broken(world) == []
    assert results(world, instance) == ["CONTINUE"]


def results(world: World, instance: str) -> list[str]:
    """How Auto Scaling's action ended: CONTINUE, ABANDON or timed out."""
    return [what for _, what, target in world.aws.hooks.log if target == instance and what != "heartbeat"]


def assert_stopped(world: World, instance: str, state: str, error: str) -> None:
    """G5: failed in ``state`` with ``error``, the instance held, and no guarantee broken until here."""
    (execution,) = world.executions()
    assert (execution["status"], execution["error"]) == ("FAILED", error), execution.get("cause")
    assert last_state(world) == state
    assert world.lifecycle_state(instance) == "Terminating:Wait"
    assert broken(world) == []


def of_the_node(name: str, instance: str, node: str) -> Callable[[World], None]:
    """What happens to the Node in the row of that name."""

    def lifted(world: World) -> None:
        world.kube.cluster.change("Node", node, "", {"spec": {"unschedulable": None}})

    def anew(world: World) -> None:
        with world.kube.cluster.store.lock:
            world.kube.cluster.remove("Node", node)
            world.kube.cluster.create(node_manifest(node, instance))

    def twin(world: World) -> None:
        manifest = node_manifest("localhost.localdomain", instance)
        manifest["metadata"]["annotations"] = {DEAD: "true"}
        world.kube.cluster.create(manifest)

    return {"cordon lifted": lifted, "node registered anew": anew, "stale twin node": twin}[name]
