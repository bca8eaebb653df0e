"""What a node shows of earlier drains and cordons. Pure: nodes are core/v1 Node JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepdrain.rules import node_marks
from stepdrain.rules.fields import mapping, mappings
from stepdrain.states.find_node import reference

LOCAL = "run-"
"""How the name of a drain by `stepdrain run` begins; one in an account has its instance's id there."""


def standing(node: Mapping[str, Any]) -> list[str]:
    """A sentence for each who has labelled or cordoned the node already; none for a node that is in use."""
    marks, others = node_marks.marks_of(node), reference(node)
    done: dict[str, list[str]] = {}
    if marks.label or others.excluded:
        done.setdefault(marks.label, []).append("labelled")
    if marks.cordon or others.cordoned:
        done.setdefault(marks.cordon, []).append("cordoned")
    return [_sentence(" and ".join(what), owner) for owner, what in done.items()]


def _sentence(done: str, owner: str) -> str:
    if owner:
        return f"The drain {owner} has {done} the node already."
    return f"Somebody else has {done} the node already, and `stepdrain undo` leaves that."


def may_run(node: Mapping[str, Any]) -> str:
    """The drain of an account whose marks the node has, unless the node says that it has ended; "" if none.

    The cluster alone does not know whether a drain runs: only where NodeConditions is on, its end is a
    condition of the node.
    """
    marks = node_marks.marks_of(node)
    conditions = mappings(mapping(node.get("status")).get("conditions"))
    in_progress = {condition.get("type"): condition.get("status") for condition in conditions}
    over = marks.conditions.get("DrainInProgress") if in_progress.get("DrainInProgress") == "False" else ""
    named = (name for name in sorted(marks.owners) if name != over and not name.startswith(LOCAL))
    return next(named, "")
