"""What the demo says of pods, volumes and load balancer targets between two looks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def pod_lines(before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What became of the pods between two looks; both map ``namespace/name`` to Pod JSON."""
    lines = []
    for key in sorted(before.keys() - now.keys()):
        lines.append(f"   pod {key} is gone from {_node(before[key])}")
    for key, pod in sorted(now.items()):
        lines += _changes_of(key, before.get(key), pod)
    return lines


def edges(
    attachments: Sequence[Mapping[str, Any]], targets: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """What holds on to instances, each with its state: attached volumes, and load balancer targets.

    ``attachments`` is VolumeAttachment JSON; ``targets`` maps instances to states by target group.
    """
    volumes = {
        f"volume {spec['source'].get('persistentVolumeName')} on {spec['nodeName']}": "attached"
        for spec in (attachment["spec"] for attachment in attachments)
    }
    held = {
        f"target {instance} of {name}": state
        for instance, states in targets.items()
        for name, state in states.items()
    }
    return {**volumes, **held}


def edge_lines(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What became of the volumes and targets between two looks; what was there at the first is left out."""
    ended = {"attached": "detached", "draining": "drained"}
    gone = [f"   {what} is {ended.get(before[what], 'gone')}" for what in sorted(before.keys() - now.keys())]
    changed = [
        f"   {what} is {state}" for what, state in sorted(now.items()) if before and before.get(what) != state
    ]
    return gone + changed


def _changes_of(key: str, old: Mapping[str, Any] | None, pod: Mapping[str, Any]) -> list[str]:
    if "deletionTimestamp" in pod["metadata"] and (old is None or "deletionTimestamp" not in old["metadata"]):
        return [f"   pod {key} terminates, grace {pod['metadata'].get('deletionGracePeriodSeconds')} s"]
    if _ready(pod) and (old is None or not _ready(old)):
        return [f"   pod {key} is ready on {_node(pod)}"]
    return []


def _node(pod: Mapping[str, Any]) -> str:
    return str(pod["spec"].get("nodeName", "no node"))


def _ready(pod: Mapping[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())
