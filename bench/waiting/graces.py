"""The graces that pods get at a drain's deadline, in virtual time: the pod's own, wherever it fits.

A budget holds one pod of each grace. Under force, and before EC2 takes the instance, each is asked in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stepdrain.clock import to_rfc3339

from bench.waiting import virtual
from bench.waiting.virtual import NODE, SPARE, TimedStage
from stepdrain_sandbox.kube.store import Change
from stepdrain_sandbox.workload import Manifest, budget
from stepdrain_sandbox.world import CLUSTER

Json = dict[str, Any]
OWN_S = (5, 15, 30, 45, 60, 120)
DEADLINES_S = (120, 300, 600, 1500)
FORCE, INTERRUPTION = "force", "interruption"
MODES = (FORCE, INTERRUPTION)
STARTS_WITHIN_S = 3
"""From the event to the first evictions, with warm functions: earlier no grace can begin."""
LEFT_S = {FORCE: 0, INTERRUPTION: 5}
"""How long before the deadline (of the policy, or of EC2) the last grace must end."""
LABELS = {"app": "held"}


def measure(say: Callable[[str], None]) -> list[Json]:
    """A cell for each way to a deadline, deadline and grace (``judged``)."""
    found = []
    for mode in MODES:
        for deadline_s in DEADLINES_S:
            cells = list(_cells(mode, deadline_s))
            found += cells
            say(f"{mode}, {deadline_s} s: {sum(cell['short_s'] > 0 for cell in cells)} graces too short")
    return found


def _cells(mode: str, deadline_s: int) -> Iterator[Json]:
    environment = {"STEPDRAIN_DRAIN_TIMEOUT": str(deadline_s), "STEPDRAIN_ON_TIMEOUT": "force"}
    chosen = environment if mode == FORCE else {}
    with virtual.staged(_manifests(), environment=chosen) as stage:
        seen: dict[str, Json] = {}
        began = stage.clock.now()
        stage.cluster.store.subscribe(lambda change: _note(seen, change, stage.clock.now() - began))
        begin(stage, mode, deadline_s)
        virtual.run_until(stage, lambda: bool(stage.ended), deadline_s + 120)
        for own_s in OWN_S:
            yield judged(mode, deadline_s, own_s, seen.get(_name(own_s), {}))


def judged(mode: str, deadline_s: int, own_s: int, seen: Mapping[str, Any]) -> Json:
    """The cell of a pod with ``own_s`` of grace, of which ``given_s``, ``asked_s`` and ``ended_s`` were seen.

    The last two are seconds from the beginning, None where the machine went first. ``short_s`` is how much of
    the grace that would have fitted was not given (seconds).
    """
    fits_s = min(own_s, deadline_s - LEFT_S[mode] - STARTS_WITHIN_S)
    given_s = seen.get("given_s", 0)
    return {
        "mode": mode,
        "deadline_s": deadline_s,
        "own_s": own_s,
        "given_s": given_s,
        "asked_s": seen.get("asked_s"),
        "ended_s": seen.get("ended_s"),
        "short_s": max(0, fits_s - given_s),
    }


def _note(seen: dict[str, Json], change: Change, at: float) -> None:
    metadata = change.object["metadata"]
    if change.object.get("kind", "Pod") != "Pod" or metadata.get("labels") != LABELS:
        return
    pod = seen.setdefault(metadata["name"], {})
    if change.type == "DELETED":
        pod["ended_s"] = at
    elif metadata.get("deletionTimestamp"):
        pod.setdefault("asked_s", at)
        # Shortened afterwards, it is the last that counts.
        pod["given_s"] = at - pod["asked_s"] + metadata["deletionGracePeriodSeconds"]


def begin(stage: TimedStage, mode: str, deadline_s: int) -> None:
    """Begin a drain by Auto Scaling's event, or by EC2's notice that it takes the instance."""
    instance_id = next(iter(stage.instances))
    if mode == FORCE:
        stage.deliver(stage.terminate(instance_id))
        return
    ends_at = stage.clock.now() + deadline_s
    # The machine is off then, whatever the drain is at.
    stage.clock.call_at(ends_at, lambda: stage._gone(instance_id, "interrupted"))
    document = {
        "instanceId": instance_id,
        "cluster": CLUSTER,
        "reason": "spot",
        "endsAt": to_rfc3339(ends_at),
    }
    stage.machine.start("interrupted", document)


def _name(own_s: int) -> str:
    return f"held-{own_s}"


def _manifests() -> Iterator[Manifest]:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "held", "uid": "held", "controller": True}
    spec = {"containers": [{"name": "held", "image": "registry.invalid/held:1"}]}
    for own_s in OWN_S:
        metadata = {"name": _name(own_s), "labels": LABELS, "ownerReferences": [owner]}
        bound = {**spec, "nodeName": NODE, "terminationGracePeriodSeconds": own_s}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": bound}
    template = {
        "metadata": {"labels": LABELS},
        "spec": {**spec, "nodeSelector": {"kubernetes.io/hostname": SPARE}},
    }
    wanted = {"replicas": len(OWN_S), "selector": {"matchLabels": LABELS}, "template": template}
    metadata = {"name": "held", "uid": "held"}
    yield {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": wanted}
    yield budget("default", "held", LABELS, 0)
