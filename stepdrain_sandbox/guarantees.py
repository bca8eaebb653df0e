"""Checks whether the guarantees were kept, from what was recorded.

The input is the API server's audit log (audit.k8s.io/v1 Events, oldest first) and the
executions' histories. Each check returns a sentence for each violation. The demo exits
with 1 on any violation, and the fault tests run the same checks after each fault.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from stepdrain_recorded.audit import AuditEvent, Change, writes
from stepdrain_sandbox.rollout_witness import Fall

NAMED = 20
"""The most pods that a result names; it gives the number of the others."""
LAST_REDRIVABLE = 24_999
"""https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html"""


def order_broken(written: Sequence[Change], node: str, pods: Container[str] | None = None) -> list[str]:
    """G1, for the drain of a node: label, then cordon, and only then evictions.

    ``pods`` are the node's (``namespace/name``); None if no other node is drained at the same time.
    """
    # Each protection stands alone: a label that the cluster refuses does not keep the cordon waiting.
    done = [
        change.kind
        for change in written
        if (change.status < 300 or (change.kind == "label" and change.status < 500))
        and _of_drain(change, node, pods)
    ]
    if not done:
        return []
    first = {kind: done.index(kind) for kind in ("label", "cordon", "evict") if kind in done}
    in_order = sorted(first, key=first.__getitem__) == [k for k in ("label", "cordon", "evict") if k in first]
    complete = {"label", "cordon"} <= first.keys() or "evict" not in first
    return [] if in_order and complete else [f"G1: {node} saw {', '.join(done[:4])} in this order."]


def _of_drain(change: Change, node: str, pods: Container[str] | None) -> bool:
    if change.kind in ("evict", "delete"):
        return pods is None or change.object in pods
    return change.object == node


def anything_changed(asked: Iterable[AuditEvent], user_agent: str = "stepdrain/") -> list[str]:
    """A read-only command wrote nothing to the cluster; ``asked`` is the whole audit log."""
    return [
        f"{event['verb']} {event['requestURI']} was not a dry run (status {event['responseStatus']['code']})."
        for event in writes(asked, user_agent)
    ]


def deletions_made(written: Sequence[Change], policy: str) -> list[str]:
    """G2: pods are removed only by eviction, unless the policy is force."""
    if policy.startswith("force"):
        return []
    return [f"G2: {change.object} was deleted, not evicted." for change in written if change.kind == "delete"]


def budgets_broken(fallen: Iterable[str]) -> list[str]:
    """G2: no budget fell below what it requires; ``fallen`` as in witness.Witness.budgets."""
    return [f"G2: disruption budget {sentence}." for sentence in fallen]


def rolled_below(
    falls: Iterable[Fall], rolled: Mapping[str, float], removed: Container[str] = ()
) -> list[str]:
    """G10: no workload fell below its budget because Stepdrain rolled it.

    ``rolled`` as from stepdrain_recorded.audit.rolled. ``removed`` are the pods (``namespace/name``) that
    Stepdrain evicted or deleted: G2 covers those, and at the deadline the policy. If the owner of a
    StatefulSet asks for its roll by annotation, the outage has the owner's consent.
    """
    return [
        f"G10: disruption budget {fall.sentence}, because rolling {fall.workload} ended {pod}."
        for fall in falls
        if not fall.consented and fall.at >= rolled.get(fall.workload, float("inf"))
        for pod in fall.pods
        if pod not in removed
    ]


def left_unsaid(instance: str, left: Sequence[str], said: str) -> list[str]:
    """G4: the output (``said``) of a drain that SUCCEEDED names each pod that was lost with the instance.

    ``left`` are the pods (``namespace/name``) on the node when the instance went off. The output names
    twenty, and gives the number of the others (``and 3 more``).
    """
    unnamed = [pod for pod in left if not re.search(rf"{re.escape(pod)}(?![a-z0-9-])", said)]
    rest = len(left) - NAMED
    if rest > 0 and len(unnamed) <= rest and re.search(rf"\b{len(unnamed)} (more|other)", said):
        return []
    return [f"G4: the drain of {instance} succeeded without naming {pod}, which was left." for pod in unnamed]


def others_touched(written: Sequence[Change], staying: Iterable[str]) -> list[str]:
    """G3: DaemonSet and static pods (``staying``, as ``namespace/name``) were not evicted."""
    touched = {change.object for change in written if change.kind in ("evict", "delete")}
    return [f"G3: {pod} must stay, but it was evicted." for pod in sorted(touched & set(staying))]


def completed_early(evictable_left: Iterable[str], *, released: bool) -> list[str]:
    """G4: no evictable pod was on the node at the completion, unless the policy released the instance."""
    if released:
        return []
    return [f"G4: the action was completed with {pod} on the node." for pod in evictable_left]


def actions_lost(terminated: Iterable[str], cared_for: Container[str]) -> list[str]:
    """G6: each terminated instance (id) has an execution, or its event is a dead letter."""
    return [
        f"G6: {instance} has neither an execution nor a dead letter."
        for instance in terminated
        if instance not in cared_for
    ]


def started_twice(instances: Iterable[str]) -> list[str]:
    """G7: one execution for each lifecycle action; ``instances`` has an id for each execution."""
    counts = Counter(instances)
    return [f"G7: {instance} has {count} executions." for instance, count in counts.items() if count > 1]


def history_too_long(events: Mapping[str, int]) -> list[str]:
    """G8: each execution (name to count of history events) is below the limit for a redrive."""
    return [f"G8: {name} has {count} events." for name, count in events.items() if count >= LAST_REDRIVABLE]


def secrets_shown(texts: Iterable[str]) -> list[str]:
    """G9: none of ``texts`` (logs, histories) contains a bearer token or a presigned URL."""
    shown = [text for text in texts if "k8s-aws-v1." in text or "X-Amz-Signature" in text]
    return [f"G9: {len(shown)} recorded texts contain a token."] if shown else []
