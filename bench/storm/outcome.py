"""What became of a storm."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stepdrain.clock import to_epoch_s

from stepdrain_recorded import audit
from stepdrain_sandbox.aws.load import Load
from stepdrain_sandbox.world import World

Json = dict[str, Any]
EVICTIONS = "create pods/eviction"


@dataclass(frozen=True)
class Outcome:
    """Times in seconds from the first event; counts of instances, pods, executions, requests, functions."""

    cordon_p50_s: float
    cordon_p99_s: float
    cordon_last_s: float
    done_s: float
    finished: int
    lost: int
    twice: int
    failed: int
    """Executions that did not succeed."""
    cut_short: int
    """Pods that were not asked to go with their whole grace, or were on a node when its machine went off."""
    throttled: dict[str, int]
    peak_concurrency: int
    cold_starts: int
    kube_requests: dict[str, float]
    """Requests to the cluster for each drain, by verb and resource."""

    def to_document(self) -> Json:
        """As JSON holds it."""
        return asdict(self)


def outcome_of(world: World, load: Load, victims: Sequence[str], began: float, before: int) -> Outcome:
    """What became of the ``victims`` since ``began`` (epoch seconds), when the audit log had ``before``
    entries."""
    log = world.kube.audit_log[before:]
    cordons = sorted(
        to_epoch_s(change.at) - began for change in audit.changes(log) if change.kind == "cordon"
    )
    executions = world.executions()
    instances = [json.loads(execution["input"])["instanceId"] for execution in executions]
    drained = {
        instance
        for instance, execution in zip(instances, executions, strict=True)
        if execution["status"] == "SUCCEEDED"
    }
    ends = [
        execution["stopDate"].timestamp() - began for execution in executions if execution.get("stopDate")
    ]
    return Outcome(
        cordon_p50_s=_part(cordons, 0.5),
        cordon_p99_s=_part(cordons, 0.99),
        cordon_last_s=cordons[-1] if cordons else float("inf"),
        done_s=max(ends, default=float("inf")),
        finished=len(drained),
        lost=len(set(victims) - drained),
        twice=len(instances) - len(set(instances)),
        failed=sum(execution["status"] != "SUCCEEDED" for execution in executions),
        cut_short=_cut_short(world, log),
        throttled={name: count for name, count in load.quotas.throttled.items() if count},
        peak_concurrency=load.peak,
        cold_starts=load.cold_starts,
        kube_requests={kind: count / len(victims) for kind, count in sorted(_requests(log).items())},
    )


def _requests(log: Sequence[Mapping[str, Any]]) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for event in log:
        if event["userAgent"].startswith("stepdrain/"):
            reference = event["objectRef"]
            named = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
            kinds[f"{event['verb']} {named}"] += 1
    return kinds


def _cut_short(world: World, log: Sequence[Mapping[str, Any]]) -> int:
    graces = {
        made["metadata"]["name"]: made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        for made in world.kube.cluster.list("ReplicaSet")
    }
    asked = [event for event in audit.writes(log) if event["objectRef"]["resource"] == "pods"]
    shortened = sum(_shortens(event, graces) for event in asked)
    return shortened + sum(len(pods) for pods in world.witness.left.values())


def _shortens(event: Mapping[str, Any], graces: Mapping[str, int]) -> bool:
    """Whether an eviction or a deletion names a grace that is shorter than the pod's own."""
    body = event.get("requestObject") or {}
    given = (body.get("deleteOptions") or body).get("gracePeriodSeconds")
    own = graces[event["objectRef"]["name"].rpartition("-")[0]]
    return given is not None and given < own


def _part(times: Sequence[float], part: float) -> float:
    return times[min(len(times) - 1, int(len(times) * part))] if times else float("inf")
