"""What a drain does about a pod, as Events on the pod itself: its owner looks there, and not at a Node.

They go where the pod is: an Event has to be in the namespace of the object that it is about
(kubernetes/kubernetes, pkg/apis/core/validation/events.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stepdrain.reporting.node_events import NORMAL, WARNING, event_on
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason

BLOCKED, EVICTED = ("EvictionBlocked", WARNING), ("Evicted", NORMAL)
"""Reason and type of each."""
Json = dict[str, Any]


def blocked(
    pods: Iterable[Pod], held: Sequence[Reason], node: str, drain: str, occasion: str, now: float
) -> list[Json]:
    """An Event on each of ``pods`` that is ``held``: by which budget or webhook, in its own words.

    ``held`` names pods as ``namespace/name``; ``node`` and ``drain`` are names. ``occasion`` tells one round
    from another, so that a repeated attempt writes nothing twice; ``now`` is in epoch seconds.
    """
    why = {reason.name: reason.why for reason in held}
    return [
        _event(
            pod, BLOCKED, f"Drain {drain} of node {node} cannot evict it now: {why[pod.key]}", occasion, now
        )
        for pod in pods
        if pod.key in why
    ]


def evicted(pods: Iterable[Pod], node: str, drain: str, now: float) -> list[Json]:
    """An Event on each of ``pods``, whose eviction was just accepted.

    Its name follows from pod and drain: a repeated attempt writes nothing twice.
    """
    return [_event(pod, EVICTED, f"Evicted: drain {drain} empties node {node}", drain, now) for pod in pods]


def _event(pod: Pod, what: tuple[str, str], message: str, occasion: str, now: float) -> Json:
    involved = {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": pod.namespace,
        "name": pod.name,
        "uid": pod.uid,
    }
    return event_on(involved, what, message, occasion, now)
