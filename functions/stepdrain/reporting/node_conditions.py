"""The drain's state as conditions of the Node, for controllers; its sentence for people is in announcements.

DrainInProgress and Drained are well-known since Kubernetes 1.37 (alpha); they are set by whoever
drains and change nothing by themselves. Types, the reasons AdminRequested and DrainCompleted, and
that older clusters keep the conditions as they keep any other: KEP-5683, kubernetes/enhancements,
keps/sig-node/5683-lifecycle-conditions. The reason DrainFailed is ours: the KEP leaves the list open.

Off unless NodeConditions says so. As with Events, a condition never decides about a drain.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

from stepdrain.clock import to_rfc3339
from stepdrain.document.step import NodeRef
from stepdrain.errors import DrainError
from stepdrain.reporting.node_events import MESSAGE_CHARACTERS


class State(Enum):
    """Status of DrainInProgress and of Drained, and the reason for both."""

    STARTED = ("True", "False", "AdminRequested")
    DONE = ("False", "True", "DrainCompleted")
    FAILED = ("False", "False", "DrainFailed")


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter."""

    def patch_node_status(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None: ...


def patch(node: NodeRef, state: State, message: str, now: float) -> dict[str, Any]:
    """The strategic merge patch of the Node's status: two conditions, all others untouched.

    The UID is a precondition, so that a successor of the same name is not marked. ``now`` is in
    epoch seconds.
    """
    in_progress, drained, reason = state.value
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message[:MESSAGE_CHARACTERS],
            "lastHeartbeatTime": to_rfc3339(now),
            "lastTransitionTime": to_rfc3339(now),
        }
        for kind, status in (("DrainInProgress", in_progress), ("Drained", drained))
    ]
    return {"metadata": {"uid": node.uid}, "status": {"conditions": conditions}}


def set_conditions(
    cluster: Cluster, node: NodeRef, state: State, message: str, now: float, *, wanted: bool
) -> str | None:
    """Set the conditions if they are ``wanted``; None if they stand there, else why not, for the log."""
    if not wanted:
        return None
    try:
        cluster.patch_node_status(node.name, patch(node, state, message, now))
    except DrainError as error:
        return f"The node's conditions could not be set ({state.name}): {error}"
    return None
