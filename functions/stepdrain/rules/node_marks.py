"""What drains of ours have set on a node, and how it is taken back: the one rule for everybody who does.

Label, Cordon and the conditions each say which drain set them: the first two by an annotation of the same
PATCH whose value is the drain's name, a condition by its message. What lacks that was set by somebody
else, and stays. Nothing is taken back from a drain that still runs. Pure: nodes are core/v1 Node JSON.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from stepdrain.rules.fields import mapping, mappings

# Every load balancer controller takes the label's mere existence, the cloud provider's
# service controller parses it as a boolean: "true" satisfies both
# (kubernetes-sigs/aws-load-balancer-controller pkg/backend/endpoint_utils.go, kubernetes/cloud-provider).
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
LABELLED_BY, CORDONED_BY = "stepdrain/labelled-by", "stepdrain/cordoned-by"
CONDITIONS = ("DrainInProgress", "Drained")
CONDITION_OF = re.compile(r"Drain (\S+) (?:began|is done|was redriven|ended as)\b")
"""How the message of a condition of ours begins (stepdrain.reporting.node_conditions)."""


@dataclass(frozen=True)
class Marks:
    """Names of the drains that set the label, the cordon and each condition (by type); "" or absent: none."""

    label: str = ""
    cordon: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)

    @property
    def owners(self) -> frozenset[str]:
        """The drains that set any of them; who takes them back has to know whether one still runs."""
        return frozenset(filter(None, (self.label, self.cordon, *self.conditions.values())))


@dataclass(frozen=True)
class Undo:
    """How to take marks back. ``what``: of ``label``, ``cordon``, ``conditions`` what there is to undo.

    ``node`` and ``status`` are the patches, each None if there is nothing in it. The first is a merge
    patch, the second a strategic one, with the node's UID in both: a successor of that name is
    left alone.
    """

    what: tuple[str, ...]
    node: Mapping[str, Any] | None
    status: Mapping[str, Any] | None


def marks_of(node: Mapping[str, Any]) -> Marks:
    """What drains of ours have set on the node."""
    ours = mapping(node["metadata"].get("annotations"))
    conditions = {
        condition["type"]: found[1]
        for condition in mappings(mapping(node.get("status")).get("conditions"))
        if condition.get("type") in CONDITIONS
        and (found := CONDITION_OF.match(str(condition.get("message") or "")))
    }
    return Marks(str(ours.get(LABELLED_BY) or ""), str(ours.get(CORDONED_BY) or ""), conditions)


def held_by(node: Mapping[str, Any], running: Collection[str]) -> str:
    """The drain of ``running`` (names) that has set marks on the node and must not lose them; "" if none."""
    return next(iter(sorted(marks_of(node).owners & set(running))), "")


def undo(node: Mapping[str, Any], running: Collection[str] = ()) -> Undo:
    """What to take back from the node; nothing while a drain of ``running`` (names) has marks on it."""
    if held_by(node, running):
        return Undo((), None, None)
    found, uid = marks_of(node), node["metadata"]["uid"]
    what = [("label", found.label), ("cordon", found.cordon), ("conditions", found.conditions)]
    removed = [{"$patch": "delete", "type": condition} for condition in found.conditions]
    return Undo(
        tuple(name for name, owner in what if owner),
        _patch(found, uid) if found.label or found.cordon else None,
        {"metadata": {"uid": uid}, "status": {"conditions": removed}} if removed else None,
    )


def _patch(found: Marks, uid: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"uid": uid, "annotations": {}}
    change: dict[str, Any] = {"metadata": metadata}
    if found.label:
        metadata["annotations"][LABELLED_BY] = None
        metadata["labels"] = {EXCLUDE_LABEL: None}
    if found.cordon:
        metadata["annotations"][CORDONED_BY] = None
        change["spec"] = {"unschedulable": None}
    return change


def kubectl(name: str, found: Marks) -> list[str]:
    """The commands that take back what ``found`` says of the node called ``name``, for a person to paste."""
    node = shlex.quote(name)
    lines = [f"kubectl label node {node} {EXCLUDE_LABEL}-"] if found.label else []
    lines += [f"kubectl uncordon {node}"] if found.cordon else []
    ours = [key for key, owner in ((LABELLED_BY, found.label), (CORDONED_BY, found.cordon)) if owner]
    if ours:
        lines.append(f"kubectl annotate node {node} {' '.join(f'{key}-' for key in ours)}")
    if found.conditions:
        gone = ",".join(f'{{"$patch":"delete","type":"{condition}"}}' for condition in found.conditions)
        lines.append(
            f"kubectl patch node {node} --subresource=status --type=strategic "
            f'--patch=\'{{"status":{{"conditions":[{gone}]}}}}\''
        )
    return lines
