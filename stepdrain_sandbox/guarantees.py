"""Were the guarantees kept? Judged from what was recorded, not from what was meant.

Input are the API server's audit log (audit.k8s.io/v1 Events, oldest first) and the
executions' histories. Each check returns sentences; none means kept. The demo exits
1 on any, and the fault tests ask the same questions after each fault.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from stepdrain_recorded.audit import AuditEvent, Change, writes
from stepdrain_sandbox.rollout_witness import Fall

NAMED = 20
"""Pods that a result names; of more it gives the number."""
LAST_REDRIVABLE = 24_999
"""https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html"""


def order_broken(written: Sequence[Change], node: str, pods: Container[str] | None = None) -> list[str]:
    """G1: label, then cordon, and only then an eviction; for the drain of one node.

    ``pods`` are the node's (``namespace/name``); None where no other node is drained beside it.
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
    """A command that only looks has changed nothing in the cluster; ``asked`` is the audit log, all of it."""
    return [
        f"{event['verb']} {event['requestURI']} was answered {event['responseStatus']['code']}: no dry run."
        for event in writes(asked, user_agent)
    ]


def deletions_made(written: Sequence[Change], policy: str) -> list[str]:
    """G2: pods go by eviction alone, unless the policy says force."""
    if policy == "force":
        return []
    return [f"G2: {change.object} was deleted, not evicted." for change in written if change.kind == "delete"]


def budgets_broken(fallen: Iterable[str]) -> list[str]:
    """G2: no budget fell below what it asks for; ``fallen`` as witness.Witness.budgets tells it."""
    return [f"G2: disruption budget {sentence}." for sentence in fallen]


def rolled_below(
    falls: Iterable[Fall], rolled: Mapping[str, float], removed: Container[str] = ()
) -> list[str]:
    """G10: no workload that Stepdrain rolled fell below its budget because of that.

    ``rolled`` as stepdrain_recorded.audit.rolled tells it. ``removed`` are the pods (``namespace/name``) that
    Stepdrain evicted or deleted: what they lower is G2's, and at the deadline the policy's. A StatefulSet
    whose owner asked for its roll by name has an outage with his consent.
    """
    return [
        f"G10: disruption budget {fall.sentence}, since {fall.workload} was rolled, which ended {pod}."
        for fall in falls
        if not fall.consented and fall.at >= rolled.get(fall.workload, float("inf"))
        for pod in fall.pods
        if pod not in removed
    ]


def left_unsaid(instance: str, left: Sequence[str], said: str) -> list[str]:
    """A drain that SUCCEEDED named in its output (``said``) each pod that went with the instance.

    ``left`` are the pods (``namespace/name``) that its machine took down with it. Twenty are named,
    and the rest are a number (``and 3 more``).
    """
    unnamed = [pod for pod in left if not re.search(rf"{re.escape(pod)}(?![a-z0-9-])", said)]
    rest = len(left) - NAMED
    if rest > 0 and len(unnamed) <= rest and re.search(rf"\b{len(unnamed)} (more|other)", said):
        return []
    return [
        f"G4: the drain of {instance} succeeded and does not name {pod}, which was left." for pod in unnamed
    ]


def others_touched(written: Sequence[Change], staying: Iterable[str]) -> list[str]:
    """G3: pods that stay (``namespace/name`` of DaemonSet and static pods) were not evicted."""
    touched = {change.object for change in written if change.kind in ("evict", "delete")}
    return [
        f"G3: {pod} should stay, and its eviction was asked for." for pod in sorted(touched & set(staying))
    ]


def completed_early(evictable_left: Iterable[str], *, released: bool) -> list[str]:
    """G4: at the completion no evictable pod was on the node, unless the policy released it."""
    if released:
        return []
    return [f"G4: the action was completed with {pod} on the node." for pod in evictable_left]


def actions_lost(terminated: Iterable[str], cared_for: Container[str]) -> list[str]:
    """G6: each terminated instance (id) has an execution, or its event is a dead letter."""
    return [f"G6: nobody looks after {one}." for one in terminated if one not in cared_for]


def started_twice(instances: Iterable[str]) -> list[str]:
    """G7: one execution for one lifecycle action; ``instances`` has an id for each execution."""
    seen = Counter(instances)
    return [f"G7: {one} has {count} executions." for one, count in seen.items() if count > 1]


def history_too_long(events: Mapping[str, int]) -> list[str]:
    """G8: each execution (name to its count of history events) stays below the limit of a redrive."""
    return [f"G8: {name} has {count} events." for name, count in events.items() if count >= LAST_REDRIVABLE]


def secrets_shown(texts: Iterable[str]) -> list[str]:
    """G9: no bearer token and no presigned URL stands in any of ``texts`` (logs, histories)."""
    shown = [text for text in texts if "k8s-aws-v1." in text or "X-Amz-Signature" in text]
    return [f"G9: a token stands in {len(shown)} recorded texts."] if shown else []
