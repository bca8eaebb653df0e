"""What happened to each pod: what blocked it, when it was evicted, its grace, when it was gone. Pure.

The history names pods only in waits, and at most 20 at a time. The cluster's audit log adds
each eviction and, by the kubelet's own DELETE, the time at which the pod was gone.
Times are epoch seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stepdrain.clock import to_epoch_s

from stepdrain_recorded.audit import AuditEvent, changes
from stepdrain_recorded.timeline import Attempt, Timeline

NAMED = re.compile(
    r"(?:^|[;:] )([a-z0-9.-]+/[a-z0-9.-]+): (.*?)(?=; [a-z0-9.-]+/[a-z0-9.-]+: |; and \d+ more$|$)"
)
UNTIL = re.compile(r"has until (\S+)")
MORE = re.compile(r"and \d+ more$")
BLOCKED = ("EvictionBlocked", "EvictionStillBlocked")
REMAINING = ("PodsRemaining", "PodsStillRemaining")


@dataclass
class Span:
    """A period of time, and the reason for it."""

    start: float
    end: float
    why: str


@dataclass
class Stay:
    """One pod during the drain. ``grace_ends`` is its deletionTimestamp, if a Cause names it."""

    pod: str
    blocked: list[Span] = field(default_factory=list)
    evicted: float | None = None
    grace_ends: float | None = None
    gone: float | None = None
    forced: bool = False
    """Deleted in spite of its budget, because the policy was force."""

    @property
    def begins(self) -> float:
        """When the drain first blocked on it or evicted it."""
        known = [*(span.start for span in self.blocked), *([self.evicted] if self.evicted else [])]
        return min(known, default=self.gone or 0.0)


def named(cause: str) -> dict[str, str]:
    """The pods (``namespace/name``) that a Cause names, each with its reason."""
    return dict(NAMED.findall(cause))


def budget(why: str) -> str:
    """The budget's name in a reason, in our words (``disruption budget db …``) or the server's."""
    words = why.replace("disruption budget", "budget").split()
    if "budget" in words[:-1]:
        return f"budget {words[words.index('budget') + 1]}"
    return "two budgets" if "more than one" in why or "more than one PodDisruptionBudget" in why else ""


def stays(line: Timeline, audit: Sequence[AuditEvent] = ()) -> list[Stay]:
    """All pods that the history and the audit log name, in the order in which the drain met them."""
    found: dict[str, Stay] = {}
    _evictions(found, line, audit)
    _blocked(found, line)
    _leaving(found, line)
    _gone(found, line, audit)
    for stay in found.values():
        _close(stay, line)
    return sorted(found.values(), key=lambda stay: (stay.begins, stay.pod))


def within(line: Timeline, audit: Iterable[AuditEvent]) -> list[AuditEvent]:
    """The audit log's events from a second before the drain's start to a second after its end."""
    return [
        event
        for event in audit
        if line.started - 1 <= to_epoch_s(event["requestReceivedTimestamp"]) <= line.ended + 1
    ]


def _evictions(found: dict[str, Stay], line: Timeline, audit: Sequence[AuditEvent]) -> None:
    for change in changes(within(line, audit)):
        if change.kind in ("evict", "delete") and change.status < 300:
            stay = _stay(found, change.object)
            if stay.evicted is None or change.kind == "delete":
                stay.evicted = stay.evicted or to_epoch_s(change.at)
                stay.forced = stay.forced or change.kind == "delete"


def _blocked(found: dict[str, Stay], line: Timeline) -> None:
    for visit in line.visits:
        if visit.state != "EvictBatch":
            continue
        for attempt in visit.attempts:
            if attempt.error in BLOCKED:
                _note_blocked(found, named(attempt.cause), attempt, whole=not MORE.search(attempt.cause))
            elif not attempt.error:
                texts = "; ".join(visit.blockers)
                _note_blocked(found, named(texts), attempt, whole=not MORE.search(texts))


def _note_blocked(found: dict[str, Stay], pods: Mapping[str, str], attempt: Attempt, *, whole: bool) -> None:
    for pod, stay in found.items():
        if stay.blocked and stay.blocked[-1].end == float("inf") and pod not in pods and whole:
            stay.blocked[-1].end = attempt.at
    for pod, why in pods.items():
        stay = _stay(found, pod)
        still = bool(stay.blocked) and stay.blocked[-1].end == float("inf")
        # The server words the same refusal differently from rules/budgets.py.
        same = still and (budget(stay.blocked[-1].why) or stay.blocked[-1].why) == (budget(why) or why)
        if still and not same:
            stay.blocked[-1].end = attempt.at
        if not same:
            stay.blocked.append(Span(attempt.at, float("inf"), why))


def _leaving(found: dict[str, Stay], line: Timeline) -> None:
    """Evictions known only from a WaitForPods Cause: dated by the last EvictBatch that evicted pods."""
    last_batch = line.started
    for visit in line.visits:
        if visit.state == "EvictBatch" and not visit.error:
            last_batch = visit.attempts[-1].at if visit.attempts else visit.entered
        for attempt in visit.attempts if visit.state == "WaitForPods" else ():
            if attempt.error not in REMAINING:
                continue
            for pod, why in named(attempt.cause).items():
                stay = _stay(found, pod)
                stay.evicted = stay.evicted or last_batch
                until = UNTIL.search(why)
                stay.grace_ends = to_epoch_s(until[1]) if until else stay.grace_ends


def _gone(found: dict[str, Stay], line: Timeline, audit: Sequence[AuditEvent]) -> None:
    for event in within(line, audit):
        reference = event.get("objectRef") or {}
        by_kubelet = (event.get("user") or {}).get("username", "").startswith("system:node:")
        whole_pod = reference.get("resource") == "pods" and not reference.get("subresource")
        key = f"{reference.get('namespace')}/{reference.get('name')}"
        if by_kubelet and whole_pod and event["verb"] == "delete" and key in found:
            found[key].gone = to_epoch_s(event["requestReceivedTimestamp"])
    for stay in found.values():
        if stay.evicted is not None and stay.gone is None:
            stay.gone = _last_seen(stay, line)


def _last_seen(stay: Stay, line: Timeline) -> float | None:
    """Without the kubelet's DELETE: the end of the first WaitForPods attempt that does not name the pod."""
    for visit in line.visits:
        for attempt in visit.attempts if visit.state == "WaitForPods" else ():
            ended = attempt.ended or attempt.at
            cut = bool(MORE.search(attempt.cause))
            waits = attempt.error in REMAINING and (cut or stay.pod in named(attempt.cause))
            if (
                ended > (stay.evicted or 0)
                and not waits
                and (not attempt.error or attempt.error in REMAINING)
            ):
                return ended
    return None


def _close(stay: Stay, line: Timeline) -> None:
    until = stay.evicted or stay.gone or line.ended
    for span in stay.blocked:
        span.end = max(span.start, min(span.end, until))
    stay.blocked = [span for span in stay.blocked if span.end > span.start or stay.evicted is None]


def _stay(found: dict[str, Stay], pod: str) -> Stay:
    return found.setdefault(pod, Stay(pod))
