"""The arithmetic of a rolling update: how many pods more, how many less, at each moment.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment;
kubernetes/kubernetes pkg/controller/deployment/rolling.go. Pure: objects in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]
DEFAULT = "25%"


def replicas(obj: Json) -> int:
    """How many pods a Deployment or ReplicaSet asks for."""
    return int(obj["spec"].get("replicas", 1))


def count(replica_set: Json | None, name: str) -> int:
    """A number of a ReplicaSet's status, 0 where it is absent."""
    return int(((replica_set or {}).get("status") or {}).get(name, 0))


def surge(deployment: Json) -> int:
    """Pods above the number that is asked for; a percentage is rounded up."""
    return _of(deployment, "maxSurge", math.ceil)


def unavailable(deployment: Json) -> int:
    """Pods that may be missing; a percentage is rounded down, and without a surge it is at least 1."""
    allowed = _of(deployment, "maxUnavailable", math.floor)
    stuck = allowed == 0 and surge(deployment) == 0 and not recreates(deployment)
    return min(1 if stuck else allowed, replicas(deployment))


def recreates(deployment: Json) -> bool:
    """Whether all old pods end before a new one is made."""
    return (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"


def _of(deployment: Json, name: str, rounded: Any) -> int:
    if recreates(deployment):
        return 0
    value = ((deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}).get(name, DEFAULT)
    if isinstance(value, str):
        return int(rounded(int(value.rstrip("%")) * replicas(deployment) / 100))
    return int(value)


def scaled_up(deployment: Json, new: Json, everything: Sequence[Json]) -> int:
    """How many replicas the new ReplicaSet may have now."""
    wanted, has = replicas(deployment), replicas(new)
    if has >= wanted:
        return wanted
    room = wanted + surge(deployment) - sum(map(replicas, everything))
    return has + max(0, min(room, wanted - has))


def scaled_down(deployment: Json, new: Json, old: Sequence[Json]) -> dict[str, int]:
    """By name, how many replicas each old ReplicaSet keeps: unhealthy ones go first, then as many as may."""
    least = replicas(deployment) - unavailable(deployment)
    everything = [*old, new]
    starting = replicas(new) - count(new, "availableReplicas")
    spare = sum(map(replicas, everything)) - least - starting
    kept = {replica_set["metadata"]["name"]: replicas(replica_set) for replica_set in old}
    if spare <= 0:
        return kept
    for replica_set in old:
        name = replica_set["metadata"]["name"]
        ailing = min(spare, max(0, kept[name] - count(replica_set, "availableReplicas")))
        kept[name] -= ailing
        spare -= ailing
    more = min(spare, sum(count(replica_set, "availableReplicas") for replica_set in everything) - least)
    for replica_set in old:
        name = replica_set["metadata"]["name"]
        gone = max(0, min(more, kept[name]))
        kept[name] -= gone
        more -= gone
    return kept


def complete(deployment: Json, status: Json) -> bool:
    """Whether a status says that all pods are new and available (DeploymentComplete)."""
    wanted = replicas(deployment)
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return current and all(status.get(name, 0) == wanted for name in counts)
