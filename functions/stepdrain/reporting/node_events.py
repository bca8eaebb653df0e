"""What a drain writes on the Node itself, as Kubernetes Events: ``kubectl describe node`` shows them.

An Event never decides about a drain: if it cannot be written, the sentence why goes to
the function's log and the drain goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

from stepdrain import VERSION
from stepdrain.clock import to_rfc3339
from stepdrain.document.progress import Progress
from stepdrain.document.step import NodeRef
from stepdrain.errors import DrainError, KubeConflict
from stepdrain.reporting import logs
from stepdrain.rules.reasons import counted

LOG = logs.logger()
NORMAL, WARNING = "Normal", "Warning"
REASONS = {
    "DrainStarted": NORMAL,
    "OtherNodes": WARNING,
    "NodeWithoutProviderID": WARNING,
    "NeverJoined": WARNING,
    "LabelDenied": WARNING,
    "CordonLost": WARNING,
    "PodsBlocked": WARNING,
    "MultipleBudgets": WARNING,
    "PodsOverdue": WARNING,
    "PodsForced": WARNING,
    "WorkloadsRolled": NORMAL,
    "AnnotationIgnored": WARNING,
    "TagIgnored": WARNING,
    "Drained": NORMAL,
    "DrainedButStuck": WARNING,
    "WatchDenied": WARNING,
    "DrainReleased": WARNING,
    "DrainFailed": WARNING,
}
MESSAGE_CHARACTERS = 1000
"""The API server takes more; ``kubectl describe`` shows it on one line."""


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter."""

    def create_event(self, event: Mapping[str, Any]) -> None: ...


def node_event(node: NodeRef, reason: str, message: str, occasion: str, now: float) -> dict[str, Any]:
    """The core/v1 Event; its name follows from node, reason and ``occasion``, so writing it twice is once.

    ``occasion`` distinguishes Events of the same reason: the execution's name, with the round if it matters.
    A Node's Events live in the namespace default (kubernetes/kubernetes, pkg/apis/core/validation).
    """
    involved = {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}
    return event_on(involved, (reason, REASONS[reason]), message, occasion, now)


def event_on(
    involved: Mapping[str, str], what: tuple[str, str], message: str, occasion: str, now: float
) -> dict[str, Any]:
    """The core/v1 Event about the object ``involved`` (an ObjectReference); ``what`` is its reason and type.

    Its name follows from the object's UID, the reason and ``occasion``; its namespace is the object's, or
    default.
    """
    reason, kind = what
    digest = hashlib.sha256(f"{involved['uid']}/{reason}/{occasion}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "namespace": involved.get("namespace", "default"),
            "name": f"{involved['name'][:200]}.{digest}",
        },
        "involvedObject": dict(involved),
        "reason": reason,
        "message": message[:MESSAGE_CHARACTERS],
        "type": kind,
        "source": {"component": f"stepdrain/{VERSION}"},
        "firstTimestamp": to_rfc3339(now),
        "lastTimestamp": to_rfc3339(now),
        "count": 1,
    }


def drained(name: str, record: Progress) -> tuple[str, str]:
    """Reason and message of the last Event of the drain called ``name``."""
    done = f"Drain {name} is done: {counted(record.evicted, 'pod', 'were')} evicted"
    if record.returned:
        done = f"{done}; others came back: {'; '.join(record.returned)}"
    if not record.given_up:
        return "Drained", done
    return "DrainedButStuck", f"{done}. {' '.join(record.given_up)}"


def record_event(
    cluster: Cluster, node: NodeRef, reason: str, message: str, occasion: str, now: float
) -> str | None:
    """Write the Event; None if it stands there, else why not, for the log."""
    try:
        cluster.create_event(node_event(node, reason, message, occasion, now))
    except KubeConflict:
        return None  # An earlier attempt of the same step has written it.
    except DrainError as error:
        return f"Event {reason} could not be written: {error}"
    return None


def write_event(
    cluster: Cluster, node: NodeRef, reason: str, message: str, occasion: str, now: float
) -> None:
    """``record_event``, with a warning in the function's log if the Event could not be written."""
    if not_recorded := record_event(cluster, node, reason, message, occasion, now):
        LOG.warning(not_recorded)
